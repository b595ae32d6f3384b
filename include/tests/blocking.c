/* What the header says that it blocks: refused in a callback, each function of it. */
#include "suite.h"

#include <stdlib.h>

static const hubless_str word = {"x", 1}, object = {"{}", 2};

static void on_change(int kind, const hubless_found *found, void *user) {
    (void)kind;
    (void)found;
    (void)user;
}

static void on_credential(hubless_question *question, hubless_str target, void *user) {
    (void)target;
    (void)user;
    hubless_credential_result(question, word, word, NULL);
}

/* Every function that blocks, once; what comes of it is of no interest but for the status. */

typedef struct {
    hubless_node *polled;
    hubless_agent *agent;
    hubless_call *call;
    hubless_body *body;
    volatile int calls, ended;
    int refused, asked;
} blocking;

static void ask(blocking *of, hubless_status status) {
    of->asked++;
    of->refused += status == HUBLESS_WOULD_DEADLOCK;
}

static void ask_for_requests(blocking *of) {
    hubless_node *node = suite_node();
    hubless_content content = hubless_content_text(word);
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = -1};
    hubless_agent_request brief = {.size = sizeof brief, .agent = word};
    hubless_error refused = HUBLESS_ERROR_INIT;
    hubless_agent_options options = hubless_agent_named("later", suite_on_x, NULL);
    hubless_agents *list = NULL;
    hubless_reply *reply = NULL;
    hubless_text *text = NULL;
    hubless_watch *watch = NULL;
    ask(of, hubless_request(node, word, &content, &asked, &reply, NULL));
    ask(of, hubless_send(node, word, &content, &asked, &reply, &refused, NULL));
    ask(of, hubless_send_short(node, &brief, &reply, &refused, NULL));
    ask(of, hubless_register(node, &options, NULL, NULL));
    ask(of, hubless_find(node, NULL, &list, NULL));
    hubless_agents_free(list);
    ask(of, hubless_peer(node, NULL, &list, NULL));
    hubless_agents_free(list);
    ask(of, hubless_list_agents(node, HUBLESS_STR("all"), &list, NULL));
    hubless_agents_free(list);
    ask(of, hubless_discover(node, NULL, on_change, NULL, &watch, NULL));
    hubless_watch_free(watch);
    ask(of, hubless_watch_start(node, NULL, on_change, NULL, &watch, NULL));
    hubless_watch_free(watch);
    ask(of, hubless_describe(node, word, &text, NULL));
    hubless_text_free(text);
    ask(of, hubless_check(of->agent, &content, NULL, &text, NULL));
    hubless_text_free(text);
    ask(of, hubless_call_tool(of->call, word, object, &reply, NULL));
    ask(of, hubless_call_input(of->call, &content, &reply, NULL));
    hubless_error_clear(&refused);
}

static void ask_for_the_rest(blocking *of) {
    hubless_node *node = suite_node(), *other = NULL;
    uint8_t bytes[4] = {0};
    size_t read = 0;
    hubless_body *body = NULL;
    hubless_spend *spend = NULL;
    hubless_provider *provider = NULL;
    hubless_text *text = NULL;
    ask(of, hubless_node_start(NULL, &other, NULL));
    ask(of, other == NULL ? HUBLESS_WOULD_DEADLOCK : hubless_node_close(other, 0));
    ask(of, hubless_poll(of->polled, 0, NULL, NULL));
    ask(of, hubless_node_status(node, &text, NULL));
    hubless_text_free(text);
    ask(of, hubless_load_agents(node, HUBLESS_STR("[]"), &text, NULL));
    hubless_text_free(text);
    ask(of, hubless_template_set(node, word, object, NULL));
    ask(of, hubless_template_list(node, &text, NULL));
    hubless_text_free(text);
    ask(of, hubless_template_remove(node, word, NULL));
    ask(of, hubless_pin_set(node, word, word, NULL));
    ask(of, hubless_pin_list(node, &text, NULL));
    hubless_text_free(text);
    ask(of, hubless_pin_remove(node, word, NULL));
    ask(of, hubless_invite(node, object, &text, NULL));
    hubless_text_free(text);
    ask(of, hubless_join(hubless_cstr(NULL), word, &text, NULL));
    ask(of, hubless_credential_set(node, word, word, word, NULL));
    ask(of, hubless_credential_provide(node, word, on_credential, NULL, NULL));
    ask(of, hubless_credential_remove(node, word, NULL));
    ask(of, hubless_auth_global(node, HUBLESS_STR("{\"none\": true}"), NULL, NULL, NULL));
    ask(of, hubless_body_open(node, &body, NULL));
    hubless_body_free(body);
    ask(of, hubless_body_write(of->body, (hubless_bytes){bytes, sizeof bytes}, NULL));
    /* One that is written to is not read: refused in either case, but not for the same reason. */
    ask(of, hubless_body_read(of->body, bytes, sizeof bytes, &read, NULL));
    ask(of, hubless_call_history(of->call, &text, NULL));
    hubless_text_free(text);
    ask(of, hubless_call_spend(of->call, NULL, &spend, NULL));
    hubless_spend_drop(spend);
    /* No budget pays for it: it stops nothing. */
    ask(of, hubless_call_trip(of->call, NULL));
    ask(of, hubless_call_provider(of->call, NULL, &provider, NULL));
    hubless_provider_free(provider);
    ask(of, hubless_call_provider_for(of->call, NULL, &provider, NULL));
    hubless_provider_free(provider);
}

static void ask_for_peers(blocking *of) {
    hubless_testing_options options = {.size = sizeof options, .name = HUBLESS_STR("fake")};
    hubless_agent *fake = NULL;
    hubless_text *text = NULL;
    ask(of, hubless_testing_peer(suite_node(), &options, &fake, NULL));
    ask(of, hubless_testing_asked(of->agent, 0, &text, NULL));
    ask(of, hubless_testing_verify(of->agent, NULL));
    ask(of, hubless_testing_save(of->agent, word, &text, NULL));
    if (fake != NULL) {
        hubless_agent_free(fake);
    }
}

static void on_ended(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)err;
    CHECK(status == HUBLESS_OK && hubless_reply_free(reply) == HUBLESS_OK);
    suite_count(&((blocking *)user)->ended);
}

static void on_keep(hubless_call *call, void *user) {
    ((blocking *)user)->call = call;
    suite_count(&((blocking *)user)->calls);
}

static void on_ask(hubless_call *call, void *user) {
    blocking *of = user;
    hubless_error err = HUBLESS_ERROR_INIT;
    ask_for_requests(of);
    ask_for_the_rest(of);
    ask_for_peers(of);
    /* These would end the node, and are asked for here alone. */
    ask(of, hubless_node_close(suite_node(), 0));
    ask(of, hubless_node_serve(suite_node(), NULL, &err));
    CHECK(err.message.len > 0);
    CHECK(hubless_default_node(&err) == NULL && err.message.len > 0);
    hubless_error_clear(&err);
    hubless_call_finalf(call, "asked");
}

static void no_blocking_function_blocks_in_a_callback(void) {
    blocking of = {.polled = NULL};
    hubless_node_options polled = {.size = sizeof polled, .polled = 1};
    hubless_content content = hubless_content_text(word);
    hubless_reply *reply = NULL;
    of.agent = suite_agent("kept", on_keep, &of);
    suite_agent("asks", on_ask, &of);
    CHECK(hubless_node_start(&polled, &of.polled, NULL) == HUBLESS_OK);
    CHECK(hubless_body_open(suite_node(), &of.body, NULL) == HUBLESS_OK);
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("kept"), &content, NULL, on_ended, &of,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.calls, 1));
    /* Here they may; whether there is such a name, tool or pin is another matter. */
    ask_for_requests(&of);
    ask_for_the_rest(&of);
    ask_for_peers(&of);
    CHECK(of.asked > 30 && of.refused == 0);
    of.asked = 0;
    CHECK(suite_ask("asks", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
    CHECK(of.asked > 30 && of.refused == of.asked);
    CHECK(hubless_call_final(of.call, &content, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.ended, 1));
    CHECK(hubless_body_free(of.body) == HUBLESS_OK);
    CHECK(hubless_node_close(of.polled, 0) == HUBLESS_OK);
}

/* What answers in place, or does not wait in a callback. */

static void on_tripped(const hubless_stop *stop, void *user) {
    CHECK(stop != NULL);
    suite_count(user);
}

static void answer_in_place(blocking *of, hubless_call *call) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_agent_info agent = {.size = sizeof agent};
    hubless_call_info info = {.size = sizeof info};
    hubless_switch_options limits = {.size = sizeof limits, .unlimited = 1};
    hubless_switch_info state = {.size = sizeof state};
    hubless_content piece = hubless_content_text(word);
    hubless_switch *kill_switch = NULL;
    hubless_text *text = NULL, *none = NULL;
    int flag = 0;
    CHECK(hubless_agent_get(of->agent, &agent, NULL) == HUBLESS_OK);
    CHECK(hubless_agent_health(of->agent, HUBLESS_STR("suspect"), NULL) == HUBLESS_OK);
    CHECK(hubless_cancel(suite_node(), 1, NULL) == HUBLESS_OK);
    CHECK(hubless_node_fd(of->polled, &flag, NULL) == HUBLESS_OK);
    CHECK(hubless_inspect(HUBLESS_STR("name"), word, hubless_cstr(NULL), &text, NULL) ==
          HUBLESS_OK);
    CHECK(hubless_json_get(hubless_text_get(text), HUBLESS_STR("/none"), &none, &err) ==
          HUBLESS_NOT_FOUND);
    hubless_text_free(text);
    CHECK(hubless_limits(&text, NULL) == HUBLESS_OK && hubless_text_free(text) == HUBLESS_OK);
    CHECK(hubless_switch_new(&limits, &kill_switch, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_on_tripped(kill_switch, on_tripped, (void *)&of->ended, NULL) ==
          HUBLESS_OK);
    CHECK(hubless_switch_trip(kill_switch, hubless_cstr(NULL), NULL) == HUBLESS_OK);
    CHECK(hubless_switch_get(kill_switch, &state, NULL) == HUBLESS_OK && state.tripped == 1);
    CHECK(hubless_switch_tree(kill_switch, &text, NULL) == HUBLESS_OK);
    CHECK(hubless_text_free(text) == HUBLESS_OK);
    CHECK(hubless_switch_free(kill_switch) == HUBLESS_OK);
    CHECK(hubless_call_get(call, &info, NULL) == HUBLESS_OK);
    CHECK(hubless_call_cancelled(call, &flag, NULL) == HUBLESS_OK && flag == 0);
    CHECK(hubless_call_progress(call, word, 0.5, NULL) == HUBLESS_OK);
    CHECK(hubless_call_usage(call, 1, 1, word, NULL) == HUBLESS_OK);
    CHECK(hubless_call_chunk(call, &piece, 0, NULL) == HUBLESS_OK);
    hubless_error_clear(&err);
}

static void on_in_place(hubless_call *call, void *user) {
    blocking *of = user;
    answer_in_place(of, call);
    CHECK(hubless_agent_free(of->agent) == HUBLESS_OK);
    hubless_call_finalf(call, "done");
}

static void what_does_not_wait_is_taken_in_a_callback(void) {
    blocking of = {.polled = NULL};
    hubless_node_options polled = {.size = sizeof polled, .polled = 1};
    hubless_reply *reply = NULL;
    CHECK(hubless_node_start(&polled, &of.polled, NULL) == HUBLESS_OK);
    of.agent = suite_agent("in-place", on_in_place, &of);
    CHECK(suite_ask("in-place", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
    CHECK(suite_reaches(&of.ended, 1));
    CHECK(hubless_node_close(of.polled, 0) == HUBLESS_OK);
}

/* What the header says that it blocks, each with its parenthesis, and an ending before that. */
#define BLOCKING(ending)                                                                           \
    "awk '/^\\/\\*\\*/ {said = \"\"} {said = said $0}"                                             \
    " /^[a-z].*hubless_[a-z_]+\\(/ {match($0, /hubless_[a-z_]+\\(/);"                              \
    " if (said ~ /Blocks/) print substr($0, RSTART, RLENGTH - 1) \"" ending "(\"; said = \"\"}'"

static void no_blocking_function_is_left_out(void) {
    suite_all_named(BLOCKING(""), 35, "include/tests/blocking.c");
}

static void each_blocking_function_has_an_async_form(void) {
    suite_all_named(BLOCKING("_async"), 35, "include/hubless.h");
}

const test blocking_tests[] = {
    {"no blocking function blocks in a callback", no_blocking_function_blocks_in_a_callback},
    {"what does not wait is taken in a callback", what_does_not_wait_is_taken_in_a_callback},
    {"no blocking function is left out", no_blocking_function_is_left_out},
    {"each blocking function has an async form", each_blocking_function_has_an_async_form},
    {NULL, NULL},
};
