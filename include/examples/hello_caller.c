#include <hubless.h>
int main(int argc, char **argv) {
    hubless_node *node = hubless_default_node(NULL);
    char json[256]; snprintf(json, sizeof json, "{\"name\": \"%s\"}", argc > 1 ? argv[1] : "world");
    hubless_content content = hubless_content_json(hubless_cstr(json));
    hubless_reply *reply;
    if (hubless_request(node, HUBLESS_STR("greet"), &content, NULL, &reply, NULL)) return 1;
    printf("%.*s\n", (int)hubless_reply_text(reply).len, hubless_reply_text(reply).data);
    return hubless_node_close(node, 10000);
}
