#include <hubless.h>

static void on_show(hubless_call *call, void *answer) {
    hubless_call_finalf(call, "%s", (char *)answer);
}

static void ask(hubless_node *node, hubless_str name) {
    hubless_content content = hubless_content_text(HUBLESS_STR("?"));
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    if (hubless_request(node, name, &content, NULL, &reply, &err) == HUBLESS_REJECTED)
        printf("%.*s/%.*s: %.*s\n", (int)err.name.len, err.name.data, (int)err.code.len,
               err.code.data, (int)err.message.len, err.message.data);
    else
        printf("%.*s\n", (int)hubless_reply_text(reply).len, hubless_reply_text(reply).data);
    hubless_error_clear(&err);
    hubless_reply_free(reply);
}

int main(void) {
    hubless_node *node = hubless_default_node(NULL);
    hubless_agent_options ledger = hubless_agent_named("ledger", on_show, (void *)"every booking");
    hubless_agent_options board =
        hubless_agent_named("noticeboard", on_show, (void *)"every notice");
    ledger.requirements_json =
        HUBLESS_STR("{\"allowedCallers\": {\"principals\": [\"http:token:alice\"]}}");
    board.requirements_json = HUBLESS_STR("{\"allowedCallers\": {\"principals\": [\"*\"]}}");
    if (hubless_register(node, &ledger, NULL, NULL) || hubless_register(node, &board, NULL, NULL))
        return 1;
    ask(node, HUBLESS_STR("ledger"));
    ask(node, HUBLESS_STR("noticeboard"));
    return hubless_node_close(node, 10000);
}
