#include <hubless.h>

static void on_greet(hubless_call *call, void *user) {
    (void)user;
    hubless_str name = hubless_call_value(call, HUBLESS_STR("/name"));
    hubless_call_finalf(call, "hello %.*s", (int)name.len, name.data);
}

int main(void) {
    hubless_node *node = hubless_default_node(NULL);
    hubless_agent_options greet = hubless_agent_named("greet", on_greet, NULL);
    if (hubless_register(node, &greet, NULL, NULL))
        return 1;
    return hubless_node_serve(node, NULL, NULL) != HUBLESS_OK;
}
