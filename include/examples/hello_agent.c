#include <hubless.h>
static void greet(hubless_call *call, void *word) {
    hubless_str name = hubless_call_value(call, HUBLESS_STR("/name"));
    hubless_call_finalf(call, "%s %.*s", (char *)word, (int)name.len, name.data);
}
int main(void) {
    hubless_agent_options options = hubless_agent_named("greet", greet, (void *)"hello");
    hubless_node *node = hubless_default_node(NULL);
    return hubless_register(node, &options, NULL, NULL) ? 1 : hubless_serve(node);
}
