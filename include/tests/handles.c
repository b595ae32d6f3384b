/* Handles that are none, in every function that takes one: an error code that names what was
 * expected, and the thing that it stands for stays as it was. */
#include "suite.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* One live handle of each kind, all of one node. */
typedef struct {
    hubless_node *node;
    hubless_agent *agent;
    hubless_call *call;
    hubless_reply *reply;
    hubless_body *body;
    hubless_question *question;
    hubless_agents *agents;
    hubless_watch *watch;
    hubless_switch *kill_switch;
    hubless_spend *spend;
    hubless_text *text;
    volatile int calls, questions, ended;
} live;

/* No call of these tests is to end by its time. */
enum { HOURS_MS = 3600000 };

static void on_keep(hubless_call *call, void *user) {
    live *all = user;
    all->call = call;
    suite_count(&all->calls);
}

/* A tool may think as long as its call lasts; a verdict about a credential may not. */
static void on_tool(hubless_question *question, hubless_str name, hubless_str arguments,
                    void *user) {
    live *all = user;
    (void)name;
    (void)arguments;
    all->question = question;
    suite_count(&all->questions);
}

static void on_tool_ended(hubless_status status, hubless_reply *reply, const hubless_error *err,
                          void *user) {
    (void)err;
    if (status == HUBLESS_OK) {
        hubless_reply_free(reply);
    }
    hubless_call_finalf(user, "used");
}

static void on_use(hubless_call *call, void *user) {
    (void)user;
    CHECK(hubless_call_tool_async(call, HUBLESS_STR("x"), HUBLESS_STR("{}"), on_tool_ended, call,
                                  NULL) == HUBLESS_OK);
}

static void on_ended(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)err;
    if (status == HUBLESS_OK) {
        hubless_reply_free(reply);
    }
    suite_count(&((live *)user)->ended);
}

/* What a refused function would have called, had it begun. */

static volatile int begun;

static void on_reply(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)reply;
    (void)err;
    (void)user;
    suite_count(&begun);
}

static void on_done(hubless_status status, const hubless_error *err, void *user) {
    (void)status;
    (void)err;
    (void)user;
    suite_count(&begun);
}

static void on_bytes(hubless_status status, hubless_bytes bytes, const hubless_error *err,
                     void *user) {
    (void)bytes;
    on_done(status, err, user);
}

static void on_spend(hubless_status status, hubless_spend *spend, const hubless_error *err,
                     void *user) {
    (void)spend;
    on_done(status, err, user);
}

static void on_provider(hubless_status status, hubless_provider *provider,
                        const hubless_error *err, void *user) {
    (void)provider;
    on_done(status, err, user);
}

static void on_event(const hubless_event *event, void *user) {
    (void)event;
    on_done(HUBLESS_OK, NULL, user);
}

static void on_found(hubless_status status, hubless_agents *found, const hubless_error *err,
                     void *user) {
    (void)found;
    on_done(status, err, user);
}

static void on_text(hubless_status status, hubless_text *text, const hubless_error *err,
                    void *user) {
    hubless_text_free(text);
    on_done(status, err, user);
}

static void on_registered(hubless_status status, hubless_agent *agent, const hubless_error *err,
                          void *user) {
    (void)agent;
    on_done(status, err, user);
}

static void on_response(hubless_status status, hubless_reply *reply, const hubless_error *refused,
                        const hubless_error *err, void *user) {
    (void)reply;
    (void)refused;
    on_done(status, err, user);
}

static void on_watch(hubless_status status, hubless_watch *watch, const hubless_error *err,
                     void *user) {
    (void)watch;
    on_done(status, err, user);
}

static void on_body(hubless_status status, hubless_body *body, const hubless_error *err,
                    void *user) {
    (void)body;
    on_done(status, err, user);
}

static void on_auth(hubless_question *question, const hubless_auth_check *check, void *user) {
    (void)question;
    (void)check;
    on_done(HUBLESS_OK, NULL, user);
}

static void on_change(int kind, const hubless_found *found, void *user) {
    (void)kind;
    (void)found;
    (void)user;
}

static void on_credential(hubless_question *question, hubless_str target, void *user) {
    (void)question;
    (void)target;
    on_done(HUBLESS_OK, NULL, user);
}

static void on_tripped(const hubless_stop *stop, void *user) {
    (void)stop;
    on_done(HUBLESS_OK, NULL, user);
}

/* Functions that fill an error name what they expected. */
#define NAMED(kind, what)                                                                          \
    do {                                                                                           \
        if (strcmp(of, kind) != 0) {                                                               \
            CHECK((what) == HUBLESS_INVALID_ARGUMENT);                                             \
            CHECK(suite_is(err.name, "invalid_argument") && suite_is(err.field, kind));            \
        }                                                                                          \
    } while (0)
#define REFUSED(kind, what)                                                                        \
    do {                                                                                           \
        if (strcmp(of, kind) != 0) {                                                               \
            CHECK((what) == HUBLESS_INVALID_ARGUMENT);                                             \
        }                                                                                          \
    } while (0)

static const hubless_str word = {"x", 1}, object = {"{}", 2};
static const hubless_agent_request brief = {.size = sizeof brief, .agent = {"x", 1}};

static void wrong_node(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT, refusal = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(word);
    hubless_agent_options options = hubless_agent_named("never", suite_on_x, NULL);
    hubless_agent *agent = NULL;
    hubless_agents *agents = NULL;
    hubless_reply *reply = NULL;
    hubless_body *body = NULL;
    hubless_watch *watch = NULL;
    hubless_text *text = NULL;
    size_t count = 0;
    int flag = 0;
    REFUSED("node", hubless_node_close(bad, 0));
    if (strcmp(of, "node") != 0) {
        CHECK(hubless_serve(bad) == 1);
    }
    NAMED("node", hubless_node_serve(bad, NULL, &err));
    NAMED("node", hubless_node_status(bad, &text, &err));
    NAMED("node", hubless_node_fd(bad, &flag, &err));
    NAMED("node", hubless_poll(bad, 0, &count, &err));
    NAMED("node", hubless_cancel(bad, 1, &err));
    NAMED("node", hubless_register(bad, &options, &agent, &err));
    NAMED("node", hubless_request(bad, word, &content, NULL, &reply, &err));
    NAMED("node", hubless_stream(bad, word, &content, NULL, on_event, NULL, &err));
    NAMED("node", hubless_send(bad, word, &content, NULL, &reply, &refusal, &err));
    NAMED("node", hubless_send_short(bad, &brief, &reply, &refusal, &err));
    NAMED("node", hubless_find(bad, NULL, &agents, &err));
    NAMED("node", hubless_peer(bad, NULL, &agents, &err));
    NAMED("node", hubless_list_agents(bad, HUBLESS_STR("all"), &agents, &err));
    NAMED("node", hubless_discover(bad, NULL, on_change, NULL, &watch, &err));
    NAMED("node", hubless_watch_start(bad, NULL, on_change, NULL, &watch, &err));
    NAMED("node", hubless_describe(bad, word, &text, &err));
    NAMED("node", hubless_load_agents(bad, HUBLESS_STR("[]"), &text, &err));
    NAMED("node", hubless_template_set(bad, word, object, &err));
    NAMED("node", hubless_template_remove(bad, word, &err));
    NAMED("node", hubless_template_list(bad, &text, &err));
    NAMED("node", hubless_pin_set(bad, word, word, &err));
    NAMED("node", hubless_pin_remove(bad, word, &err));
    NAMED("node", hubless_pin_list(bad, &text, &err));
    NAMED("node", hubless_invite(bad, object, &text, &err));
    NAMED("node", hubless_credential_set(bad, word, word, word, &err));
    NAMED("node", hubless_credential_provide(bad, word, on_credential, NULL, &err));
    NAMED("node", hubless_credential_remove(bad, word, &err));
    NAMED("node", hubless_auth_global(bad, HUBLESS_STR("{\"none\": true}"), NULL, NULL, &err));
    NAMED("node", hubless_body_open(bad, &body, &err));
    NAMED("node", hubless_testing_peer(bad, NULL, &agent, &err));
    CHECK(agent == NULL && agents == NULL && reply == NULL && body == NULL && watch == NULL);
    CHECK(text == NULL);
    hubless_error_clear(&err);
}

static void wrong_node_async(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(word);
    hubless_agent_options options = hubless_agent_named("never", suite_on_x, NULL);
    NAMED("node", hubless_node_close_async(bad, 0, on_done, NULL, &err));
    NAMED("node", hubless_node_serve_async(bad, NULL, on_done, NULL, &err));
    NAMED("node", hubless_node_status_async(bad, on_text, NULL, &err));
    NAMED("node", hubless_register_async(bad, &options, on_registered, NULL, &err));
    NAMED("node", hubless_request_async(bad, word, &content, NULL, on_reply, NULL, &err));
    NAMED("node", hubless_send_async(bad, word, &content, NULL, on_response, NULL, &err));
    NAMED("node", hubless_send_short_async(bad, &brief, on_response, NULL, &err));
    NAMED("node", hubless_find_async(bad, NULL, on_found, NULL, &err));
    NAMED("node", hubless_peer_async(bad, NULL, on_found, NULL, &err));
    NAMED("node", hubless_list_agents_async(bad, word, on_found, NULL, &err));
    NAMED("node", hubless_discover_async(bad, NULL, on_change, on_watch, NULL, &err));
    NAMED("node", hubless_watch_start_async(bad, NULL, on_change, on_watch, NULL, &err));
    NAMED("node", hubless_describe_async(bad, word, on_text, NULL, &err));
    NAMED("node", hubless_load_agents_async(bad, HUBLESS_STR("[]"), on_text, NULL, &err));
    NAMED("node", hubless_template_set_async(bad, word, object, on_done, NULL, &err));
    NAMED("node", hubless_template_remove_async(bad, word, on_done, NULL, &err));
    NAMED("node", hubless_template_list_async(bad, on_text, NULL, &err));
    NAMED("node", hubless_pin_set_async(bad, word, word, on_done, NULL, &err));
    NAMED("node", hubless_pin_remove_async(bad, word, on_done, NULL, &err));
    NAMED("node", hubless_pin_list_async(bad, on_text, NULL, &err));
    NAMED("node", hubless_invite_async(bad, object, on_text, NULL, &err));
    NAMED("node", hubless_credential_set_async(bad, word, word, word, on_done, NULL, &err));
    NAMED("node",
          hubless_credential_provide_async(bad, word, on_credential, on_done, NULL, &err));
    NAMED("node", hubless_credential_remove_async(bad, word, on_done, NULL, &err));
    NAMED("node", hubless_auth_global_async(bad, hubless_cstr(NULL), on_auth, on_done, NULL, &err));
    NAMED("node", hubless_body_open_async(bad, on_body, NULL, &err));
    NAMED("node", hubless_testing_peer_async(bad, NULL, on_registered, NULL, &err));
    hubless_error_clear(&err);
}

static void wrong_agent(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(word);
    hubless_agent_info info = {.size = sizeof info};
    hubless_text *text = NULL;
    REFUSED("agent", hubless_agent_free(bad));
    NAMED("agent", hubless_agent_get(bad, &info, &err));
    NAMED("agent", hubless_agent_health(bad, HUBLESS_STR("up"), &err));
    NAMED("agent", hubless_check(bad, &content, NULL, &text, &err));
    NAMED("agent", hubless_check_async(bad, &content, NULL, on_text, NULL, &err));
    NAMED("agent", hubless_testing_asked(bad, 0, &text, &err));
    NAMED("agent", hubless_testing_asked_async(bad, 0, on_text, NULL, &err));
    NAMED("agent", hubless_testing_release(bad, word, &err));
    NAMED("agent", hubless_testing_verify(bad, &err));
    NAMED("agent", hubless_testing_verify_async(bad, on_done, NULL, &err));
    NAMED("agent", hubless_testing_save(bad, word, &text, &err));
    NAMED("agent", hubless_testing_save_async(bad, word, on_text, NULL, &err));
    CHECK(text == NULL);
    hubless_error_clear(&err);
}

static void wrong_call(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(word);
    hubless_call_info info = {.size = sizeof info};
    hubless_failure failure = {.size = sizeof failure};
    hubless_usage_report usage = {.size = sizeof usage};
    hubless_reply *reply = NULL;
    hubless_spend *spend = NULL;
    hubless_provider *provider = NULL;
    hubless_text *text = NULL;
    int flag = 0;
    NAMED("call", hubless_call_get(bad, &info, &err));
    NAMED("call", hubless_call_cancelled(bad, &flag, &err));
    NAMED("call", hubless_call_final(bad, &content, &err));
    NAMED("call", hubless_call_fail(bad, HUBLESS_DENIED, word, word, &err));
    NAMED("call", hubless_call_fail_with(bad, &failure, &err));
    NAMED("call", hubless_call_progress(bad, word, 0, &err));
    NAMED("call", hubless_call_chunk(bad, &content, -1, &err));
    NAMED("call", hubless_call_usage(bad, 1, 1, word, &err));
    NAMED("call", hubless_call_usage_with(bad, &usage, &err));
    NAMED("call", hubless_call_tool(bad, word, object, &reply, &err));
    NAMED("call", hubless_call_tool_async(bad, word, object, on_reply, NULL, &err));
    NAMED("call", hubless_call_input(bad, &content, &reply, &err));
    NAMED("call", hubless_call_input_async(bad, &content, on_reply, NULL, &err));
    NAMED("call", hubless_call_history(bad, &text, &err));
    NAMED("call", hubless_call_history_async(bad, on_text, NULL, &err));
    NAMED("call", hubless_call_spend(bad, NULL, &spend, &err));
    NAMED("call", hubless_call_spend_async(bad, NULL, on_spend, NULL, &err));
    NAMED("call", hubless_call_trip(bad, &err));
    NAMED("call", hubless_call_trip_async(bad, on_done, NULL, &err));
    NAMED("call", hubless_call_provider(bad, NULL, &provider, &err));
    NAMED("call", hubless_call_provider_async(bad, NULL, on_provider, NULL, &err));
    NAMED("call", hubless_call_provider_for(bad, NULL, &provider, &err));
    NAMED("call", hubless_call_provider_for_async(bad, NULL, on_provider, NULL, &err));
    REFUSED("call", hubless_call_finalf(bad, "x"));
    REFUSED("call", hubless_call_jsonf(bad, "1"));
    if (strcmp(of, "call") != 0) {
        CHECK(hubless_call_value(bad, HUBLESS_STR("")).data == NULL);
    }
    CHECK(reply == NULL && spend == NULL && provider == NULL && text == NULL);
    hubless_error_clear(&err);
}

static void wrong_reply_or_body(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply_info info = {.size = sizeof info};
    uint8_t bytes[8];
    size_t count = 0;
    REFUSED("reply", hubless_reply_free(bad));
    NAMED("reply", hubless_reply_get(bad, &info, &err));
    if (strcmp(of, "reply") != 0) {
        CHECK(hubless_reply_text(bad).data == NULL);
        CHECK(hubless_reply_value(bad, HUBLESS_STR("")).data == NULL);
    }
    NAMED("body", hubless_body_write(bad, (hubless_bytes){bytes, 1}, &err));
    NAMED("body", hubless_body_write_async(bad, (hubless_bytes){bytes, 1}, on_done, NULL, &err));
    NAMED("body", hubless_body_end(bad, &err));
    NAMED("body", hubless_body_fail(bad, word, &err));
    NAMED("body", hubless_body_read(bad, bytes, sizeof bytes, &count, &err));
    NAMED("body", hubless_body_read_async(bad, sizeof bytes, on_bytes, NULL, &err));
    NAMED("body", hubless_body_keep(bad, &err));
    REFUSED("body", hubless_body_free(bad));
    hubless_error_clear(&err);
}

static void wrong_question(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(word);
    /* One that asks for what a tool gives is answered by nothing else. */
    if (strcmp(of, "question") == 0) {
        CHECK(hubless_count_result(bad, 1, NULL) == HUBLESS_INVALID_ARGUMENT);
        CHECK(hubless_auth_verdict(bad, 1, 0, NULL) == HUBLESS_INVALID_ARGUMENT);
        CHECK(hubless_credential_result(bad, word, word, NULL) == HUBLESS_INVALID_ARGUMENT);
    }
    NAMED("question", hubless_auth_verdict(bad, 1, 0, &err));
    NAMED("question", hubless_count_result(bad, 1, &err));
    NAMED("question", hubless_answer(bad, &content, &err));
    NAMED("question", hubless_answer_fail(bad, HUBLESS_DENIED, word, word, &err));
    NAMED("question", hubless_credential_result(bad, word, word, &err));
    hubless_error_clear(&err);
}

static void wrong_list_or_text(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_found found = {.size = sizeof found};
    NAMED("agents", hubless_agents_get(bad, 0, &found, &err));
    REFUSED("agents", hubless_agents_free(bad));
    if (strcmp(of, "agents") != 0) {
        CHECK(hubless_agents_count(bad) == 0);
    }
    REFUSED("watch", hubless_watch_free(bad));
    REFUSED("text", hubless_text_free(bad));
    if (strcmp(of, "text") != 0) {
        CHECK(hubless_text_get(bad).data == NULL);
    }
    hubless_error_clear(&err);
}

static void wrong_switch_or_spend(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_switch_info info = {.size = sizeof info};
    hubless_text *tree = NULL;
    NAMED("kill_switch", hubless_switch_get(bad, &info, &err));
    NAMED("kill_switch", hubless_switch_tree(bad, &tree, &err));
    NAMED("kill_switch", hubless_switch_trip(bad, HUBLESS_STR("operator"), &err));
    NAMED("kill_switch", hubless_switch_on_tripped(bad, on_tripped, NULL, &err));
    REFUSED("kill_switch", hubless_switch_free(bad));
    NAMED("spend", hubless_spend_used(bad, NULL, &err));
    REFUSED("spend", hubless_spend_drop(bad));
    NAMED("provider", hubless_provider_get(bad, NULL, &err));
    REFUSED("provider", hubless_provider_free(bad));
    CHECK(tree == NULL);
    hubless_error_clear(&err);
}

/* Inside options NULL means none; anything else must be right. */
static void wrong_in_options(void *bad, const char *of) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_text(word);
    hubless_agent_options agent = hubless_agent_named("never", suite_on_x, NULL);
    hubless_part part = {.size = sizeof part, .kind = HUBLESS_PART_STREAM, .body = bad};
    hubless_content parts = {.size = sizeof parts, .parts = &part, .part_count = 1};
    hubless_request_options parent = {.size = sizeof parent, .parent = bad};
    hubless_request_options from = {.size = sizeof from, .from = bad};
    hubless_request_options pays = {.size = sizeof pays, .kill_switch = bad};
    hubless_str to = HUBLESS_STR("echo");
    agent.parent = bad;
    NAMED("body", hubless_request(suite_node(), to, &parts, NULL, &reply, &err));
    if (bad != NULL) {
        NAMED("call", hubless_request(suite_node(), to, &content, &parent, &reply, &err));
        NAMED("agent", hubless_request(suite_node(), to, &content, &from, &reply, &err));
        NAMED("kill_switch", hubless_request(suite_node(), to, &content, &pays, &reply, &err));
        NAMED("call", hubless_register(suite_node(), &agent, NULL, &err));
    }
    CHECK(reply == NULL);
    hubless_error_clear(&err);
}

/* A node of its own, which no test closes: what is begun there is seen, and nothing else was. */
static hubless_node *control;

static void only_what_may_begins(void) {
    int before = suite_seen(&begun);
    CHECK(hubless_node_status_async(control, on_text, NULL, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&begun, before + 1) && before == 0);
    __atomic_store_n(&begun, 0, __ATOMIC_SEQ_CST);
}

/* `of`: the kind that the handle is of, whose own functions are left alone; "" for none. */
static void refused_as_argument(void *bad, const char *of) {
    __atomic_store_n(&begun, 0, __ATOMIC_SEQ_CST);
    wrong_node(bad, of);
    wrong_node_async(bad, of);
    wrong_agent(bad, of);
    wrong_call(bad, of);
    wrong_reply_or_body(bad, of);
    wrong_question(bad, of);
    wrong_list_or_text(bad, of);
    wrong_switch_or_spend(bad, of);
    only_what_may_begins();
}

static void refused_everywhere(void *bad, const char *of) {
    refused_as_argument(bad, of);
    wrong_in_options(bad, of);
    only_what_may_begins();
}

/* Makes one of each; a request to `kept` and one to `user` stay open, however long it takes. */
static void make(live *all) {
    hubless_tool tool = {.size = sizeof tool, .name = word, .on_tool = on_tool, .user = all,
                         .input_schema_json = object};
    hubless_content content = hubless_content_text(word);
    hubless_switch_options limits = {.size = sizeof limits, .unlimited = 1};
    hubless_request_options asked = {.size = sizeof asked, .timeout_ms = HOURS_MS};
    hubless_request_options lends = {.size = sizeof lends, .timeout_ms = HOURS_MS, .tools = &tool,
                                     .tool_count = 1};
    all->node = suite_node();
    all->agent = suite_agent("echo", suite_on_x, NULL);
    suite_agent("kept", on_keep, all);
    suite_agent("user", on_use, NULL);
    CHECK(hubless_request_async(all->node, HUBLESS_STR("kept"), &content, &asked, on_ended, all,
                                NULL) == HUBLESS_OK);
    CHECK(hubless_request_async(all->node, HUBLESS_STR("user"), &content, &lends, on_ended, all,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all->calls, 1) && suite_reaches(&all->questions, 1));
    CHECK(suite_ask("echo", "x", &all->reply, NULL) == HUBLESS_OK);
    CHECK(hubless_body_open(all->node, &all->body, NULL) == HUBLESS_OK);
    CHECK(hubless_list_agents(all->node, HUBLESS_STR("local"), &all->agents, NULL) == HUBLESS_OK);
    CHECK(hubless_watch_start(all->node, NULL, on_change, NULL, &all->watch, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_new(&limits, &all->kill_switch, NULL) == HUBLESS_OK);
    CHECK(hubless_call_spend(all->call, NULL, &all->spend, NULL) == HUBLESS_OK);
    CHECK(hubless_node_status(all->node, &all->text, NULL) == HUBLESS_OK);
}

typedef struct {
    void *handle;
    const char *kind;
} kinds[11];

static void list(const live *all, kinds *out) {
    kinds made = {{all->node, "node"},     {all->agent, "agent"},
                  {all->call, "call"},     {all->reply, "reply"},
                  {all->body, "body"},     {all->question, "question"},
                  {all->agents, "agents"}, {all->watch, "watch"},
                  {all->spend, "spend"},   {all->kill_switch, "kill_switch"},
                  {all->text, "text"}};
    memcpy(out, made, sizeof made);
}

static void what_was_never_a_handle_is_refused_everywhere(void) {
    int here = 0;
    suite_node();
    control = suite_other_node();
    refused_everywhere(NULL, "");
    refused_everywhere((void *)(uintptr_t)7, "");
    refused_everywhere(&here, "");
    refused_everywhere((void *)UINTPTR_MAX, "");
}

static void a_handle_of_another_kind_is_refused_everywhere(void) {
    live all;
    kinds each;
    hubless_found found = {.size = sizeof found};
    hubless_content content = hubless_content_text(word);
    memset(&all, 0, sizeof all);
    make(&all);
    control = suite_other_node();
    list(&all, &each);
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        refused_everywhere(each[i].handle, each[i].kind);
    }
    /* Each of them is as it was: it does its own, and is freed once. */
    CHECK(suite_is(hubless_reply_text(all.reply), "x"));
    CHECK(hubless_reply_free(all.reply) == HUBLESS_OK);
    CHECK(hubless_agents_get(all.agents, 0, &found, NULL) == HUBLESS_OK);
    CHECK(hubless_agents_free(all.agents) == HUBLESS_OK);
    CHECK(hubless_text_get(all.text).len > 0 && hubless_text_free(all.text) == HUBLESS_OK);
    CHECK(hubless_spend_used(all.spend, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_free(all.kill_switch) == HUBLESS_OK);
    CHECK(hubless_watch_free(all.watch) == HUBLESS_OK);
    CHECK(hubless_body_free(all.body) == HUBLESS_OK);
    CHECK(hubless_call_final(all.call, &content, NULL) == HUBLESS_OK);
    CHECK(hubless_answer(all.question, NULL, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 2));
    CHECK(hubless_agent_free(all.agent) == HUBLESS_OK);
    /* And then none of them is of any kind. */
    list(&all, &each);
    for (size_t i = 1; i < sizeof each / sizeof each[0]; i++) {
        refused_everywhere(each[i].handle, "");
    }
    CHECK(hubless_node_close(all.node, 0) == HUBLESS_OK);
    refused_as_argument(all.node, "");
}

/* Many threads end the same thing at the same time. */

enum { ENDERS = 8 };

typedef struct {
    hubless_status (*end)(void *handle);
    void *handle;
    pthread_barrier_t start;
    int ended, refused;
} race;

static void *end_it(void *user) {
    race *of = user;
    pthread_barrier_wait(&of->start);
    hubless_status status = of->end(of->handle);
    __atomic_add_fetch(status == HUBLESS_OK ? &of->ended : &of->refused, 1, __ATOMIC_SEQ_CST);
    CHECK(status == HUBLESS_OK || status == HUBLESS_INVALID_ARGUMENT);
    return NULL;
}

static void ended_once(hubless_status (*end)(void *handle), void *handle) {
    race of = {.end = end, .handle = handle};
    pthread_t threads[ENDERS];
    CHECK(pthread_barrier_init(&of.start, NULL, ENDERS) == 0);
    for (int i = 0; i < ENDERS; i++) {
        CHECK(pthread_create(&threads[i], NULL, end_it, &of) == 0);
    }
    for (int i = 0; i < ENDERS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&of.start);
    CHECK(of.ended == 1 && of.refused == ENDERS - 1);
}

static hubless_status free_reply(void *handle) { return hubless_reply_free(handle); }
static hubless_status free_agents(void *handle) { return hubless_agents_free(handle); }
static hubless_status free_text(void *handle) { return hubless_text_free(handle); }
static hubless_status free_body(void *handle) { return hubless_body_free(handle); }
static hubless_status free_watch(void *handle) { return hubless_watch_free(handle); }
static hubless_status free_agent(void *handle) { return hubless_agent_free(handle); }
static hubless_status free_switch(void *handle) { return hubless_switch_free(handle); }
static hubless_status drop_spend(void *handle) { return hubless_spend_drop(handle); }
static hubless_status end_call(void *handle) { return hubless_call_final(handle, NULL, NULL); }
static hubless_status close_node(void *handle) { return hubless_node_close(handle, 1000); }
static hubless_status say(void *handle) { return hubless_answer(handle, NULL, NULL); }

static void of_many_threads_one_ends_a_thing(void) {
    live all;
    memset(&all, 0, sizeof all);
    make(&all);
    ended_once(free_reply, all.reply);
    ended_once(free_agents, all.agents);
    ended_once(free_text, all.text);
    ended_once(free_body, all.body);
    ended_once(free_watch, all.watch);
    ended_once(drop_spend, all.spend);
    ended_once(free_switch, all.kill_switch);
    ended_once(end_call, all.call);
    ended_once(say, all.question);
    CHECK(suite_reaches(&all.ended, 2));
    ended_once(free_agent, all.agent);
    ended_once(close_node, all.node);
}

static void no_function_is_left_out(void) {
    /* Every function of the header whose first argument is a handle is named above. */
    suite_all_named("tr '\\n' ' ' | grep -oE '\\bhubless_[a-z_]+\\((const )?hubless_(node|agent|"
                    "call|reply|body|question|agents|watch|switch|spend|provider|text) "
                    "\\*[a-z_]+[,)]' | grep -oE '^hubless_[a-z_]+\\('",
                    125, "include/tests/handles.c");
}

const test handle_tests[] = {
    {"what was never a handle is refused everywhere",
     what_was_never_a_handle_is_refused_everywhere},
    {"a handle of another kind is refused everywhere",
     a_handle_of_another_kind_is_refused_everywhere},
    {"of many threads one ends a thing", of_many_threads_one_ends_a_thing},
    {"no function is left out", no_function_is_left_out},
    {NULL, NULL},
};
