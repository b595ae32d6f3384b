#include <hubless.h>

static void on_keep(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "kept gold");
}

static void show(hubless_node *node, const char *how, const char *text, const char *secret) {
    hubless_content content = hubless_content_text(hubless_cstr(text));
    hubless_request_options options = {.size = sizeof options, .auth_secret = hubless_cstr(secret)};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_request(node, HUBLESS_STR("vault"), &content, &options, &reply, &err);
    hubless_str said = reply ? hubless_reply_text(reply) : err.name;
    printf("%s: %.*s\n", how, (int)said.len, said.data);
    hubless_error_clear(&err);
    hubless_reply_free(reply);
}

int main(void) {
    hubless_node *node = hubless_default_node(NULL);
    hubless_agent_options vault = hubless_agent_named("vault", on_keep, NULL);
    vault.requirements_json =
        HUBLESS_STR("{\"auth\": {\"sharedSecret\": \"letmein\"}, \"maxTokens\": 20}");
    if (hubless_register(node, &vault, NULL, NULL))
        return 1;
    char longer[256] = "";
    for (int i = 0; i < 50; i++)
        strcat(longer, "gold ");
    show(node, "with the secret", "gold", "letmein");
    show(node, "without it", "gold", NULL);
    show(node, "too long", longer, "letmein");
    return hubless_node_close(node, 10000);
}
