#include <hubless.h>

static void on_translate(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "bonjour");
}

static void count(hubless_node *node, const hubless_query *query) {
    hubless_agents *found = NULL;
    hubless_find(node, query, &found, NULL);
    printf("%zu found\n", hubless_agents_count(found));
    hubless_agents_free(found);
}

int main(void) {
    hubless_node *node = hubless_default_node(NULL);
    hubless_query query = {.size = sizeof query, .text = HUBLESS_STR("translates french")};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_agents *best = NULL;
    query.wait_ms = -1;
    count(node, &query);
    if (hubless_peer(node, &query, &best, &err) == HUBLESS_NOT_FOUND)
        printf("%.*s: %.*s\n", (int)err.name.len, err.name.data, (int)err.message.len,
               err.message.data);
    hubless_error_clear(&err);
    hubless_agent_options translate = hubless_agent_named("translate", on_translate, NULL);
    translate.description = HUBLESS_STR("Translates a text into French.");
    if (hubless_register(node, &translate, NULL, NULL))
        return 1;
    query.wait_ms = 0;
    count(node, &query);
    return hubless_node_close(node, 10000);
}
