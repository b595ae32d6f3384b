/* Callbacks: what each of them may do, what it is told, and how often. */
#include "suite.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static const hubless_str word = {"x", 1}, object = {"{}", 2};

/* An agent is freed by each kind of callback of its own: at once for new calls, and to the end when
 * nothing of it runs any more. */

typedef struct {
    hubless_agent *agent;
    int inside;
    volatile int begun, left, freed, early, ended;
} leaver;

static void leave(leaver *me) {
    if (me->agent == NULL) {
        return;
    }
    hubless_agent *agent = me->agent;
    me->agent = NULL;
    me->inside = 1;
    CHECK(hubless_agent_free(agent) == HUBLESS_OK);
    CHECK(hubless_agent_free(agent) == HUBLESS_INVALID_ARGUMENT);
    me->inside = 0;
    suite_count(&me->left);
}

static void on_left(void *user) {
    leaver *me = user;
    if (me->inside) {
        suite_count(&me->early);
    }
    suite_count(&me->freed);
}

static void leave_on_call(hubless_call *call, void *user) {
    leave(user);
    hubless_call_finalf(call, "x");
}

static void leave_on_cancel(hubless_call *call, hubless_status reason, void *user) {
    (void)reason;
    leave(user);
    hubless_call_finalf(call, "x");
}

static void leave_on_auth(hubless_question *question, const hubless_auth_check *check, void *user) {
    (void)check;
    leave(user);
    hubless_auth_verdict(question, 1, 0, NULL);
}

static void leave_on_count(hubless_question *question, const hubless_str *texts, size_t number,
                           void *user) {
    (void)texts;
    leave(user);
    hubless_count_result(question, number, NULL);
}

static void *leave_on_create(void *user) {
    leave(user);
    return NULL;
}

static void *create_nothing(void *user) {
    (void)user;
    return NULL;
}

static void leave_on_destroy(void *instance, void *user) {
    (void)instance;
    leave(user);
}

static void on_begun(hubless_call *call, void *user) {
    (void)call;
    suite_count(&((leaver *)user)->begun);
}

static void on_end(hubless_status status, hubless_reply *reply, const hubless_error *err,
                   void *user) {
    (void)err;
    if (status == HUBLESS_OK) {
        hubless_reply_free(reply);
    }
    suite_count(&((leaver *)user)->ended);
}

static void leaves(hubless_agent_options options) {
    leaver me = {.agent = NULL};
    uint64_t ticket = 0;
    hubless_content content = hubless_content_text(word);
    hubless_request_options asked = {.size = sizeof asked, .auth_scheme = HUBLESS_STR("own"),
                                     .auth_secret = word, .ticket = &ticket};
    options.on_free = on_left;
    options.user = &me;
    CHECK(hubless_register(suite_node(), &options, &me.agent, NULL) == HUBLESS_OK);
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("leaver"), &content, &asked, on_end, &me,
                                NULL) == HUBLESS_OK);
    if (options.on_cancel != NULL) {
        CHECK(suite_reaches(&me.begun, 1));
        CHECK(hubless_cancel(suite_node(), ticket, NULL) == HUBLESS_OK);
    }
    CHECK(suite_reaches(&me.left, 1) && suite_reaches(&me.ended, 1));
    CHECK(suite_reaches(&me.freed, 1) && me.early == 0);
    CHECK(me.left == 1 && me.ended == 1);
}

static void every_callback_may_free_its_agent(void) {
    hubless_agent_options options = hubless_agent_named("leaver", suite_on_x, NULL);
    hubless_agent_options call = hubless_agent_named("leaver", leave_on_call, NULL);
    hubless_agent_options cancel = hubless_agent_named("leaver", on_begun, NULL);
    hubless_agent_options auth = options, counts = options, fresh = options;
    leaves(call);
    cancel.on_cancel = leave_on_cancel;
    leaves(cancel);
    auth.on_auth = leave_on_auth;
    auth.requirements_json = HUBLESS_STR("{\"auth\": {\"host\": true}}");
    leaves(auth);
    counts.on_count = leave_on_count;
    counts.requirements_json = HUBLESS_STR("{\"tokenCounter\": \"host\", \"maxTokens\": 9}");
    leaves(counts);
    fresh.isolated = 1;
    fresh.on_create = leave_on_create;
    leaves(fresh);
    fresh.on_create = create_nothing;
    fresh.on_destroy = leave_on_destroy;
    leaves(fresh);
}

/* Outside of callbacks, freeing waits for the calls that run. */

typedef struct {
    hubless_agent *agent;
    hubless_call *call;
    volatile int calls, ended, freed, returned;
} waiting;

static void on_wait(hubless_call *call, void *user) {
    ((waiting *)user)->call = call;
    suite_count(&((waiting *)user)->calls);
}

static void on_waited(hubless_status status, hubless_reply *reply, const hubless_error *err,
                      void *user) {
    (void)err;
    CHECK(status == HUBLESS_OK && hubless_reply_free(reply) == HUBLESS_OK);
    suite_count(&((waiting *)user)->ended);
}

static void on_gone(void *user) { suite_count(&((waiting *)user)->freed); }

static void *free_it(void *user) {
    waiting *of = user;
    CHECK(hubless_agent_free(of->agent) == HUBLESS_OK);
    suite_count(&of->returned);
    return NULL;
}

static void freeing_waits_for_calls_that_run(void) {
    waiting of = {.agent = NULL};
    pthread_t thread;
    hubless_agent_options options = hubless_agent_named("busy", on_wait, &of);
    hubless_content content = hubless_content_text(word);
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = -1};
    hubless_status status = HUBLESS_OK;
    options.on_free = on_gone;
    CHECK(hubless_register(suite_node(), &options, &of.agent, NULL) == HUBLESS_OK);
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("busy"), &content, NULL, on_waited, &of,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.calls, 1));
    CHECK(pthread_create(&thread, NULL, free_it, &of) == 0);
    /* It has begun once new calls are refused. */
    const double end = suite_ms() + SUITE_PATIENCE_MS;
    while (status != HUBLESS_NOT_FOUND && suite_ms() < end) {
        hubless_agents *found = NULL;
        hubless_query named = {.size = sizeof named, .text = HUBLESS_STR("busy"), .wait_ms = -1};
        CHECK(hubless_find(suite_node(), &named, &found, NULL) == HUBLESS_OK);
        if (hubless_agents_count(found) == 0) {
            hubless_reply *reply = NULL;
            status = hubless_request(suite_node(), HUBLESS_STR("busy"), &content, &asked, &reply,
                                     NULL);
            CHECK(status != HUBLESS_OK);
        }
        hubless_agents_free(found);
        usleep(1000);
    }
    CHECK(status == HUBLESS_NOT_FOUND);
    CHECK(suite_seen(&of.returned) == 0 && suite_seen(&of.freed) == 0);
    CHECK(suite_seen(&of.calls) == 1);
    CHECK(hubless_call_final(of.call, &content, NULL) == HUBLESS_OK);
    pthread_join(thread, NULL);
    CHECK(of.returned == 1 && suite_reaches(&of.freed, 1) && suite_reaches(&of.ended, 1));
}

/* What is begun while its node ends either fails at once or is told, never both. */

typedef struct {
    hubless_body *body;
    volatile int told;
    hubless_status status;
    int asked;
} late;

static void on_done(hubless_status status, const hubless_error *err, void *user) {
    (void)status;
    (void)err;
    suite_count(&((late *)user)->told);
}

static void write_late(void *user) {
    late *of = user;
    uint8_t byte = 0;
    of->asked++;
    of->status = hubless_body_write_async(of->body, (hubless_bytes){&byte, 1}, on_done, of, NULL);
}

static void a_refused_operation_is_not_told_as_well(void) {
    late of = {.status = HUBLESS_OK};
    hubless_agent_options options = hubless_agent_named("last", suite_on_x, &of);
    options.on_free = write_late;
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_body_open(suite_node(), &of.body, NULL) == HUBLESS_OK);
    write_late(&of);
    CHECK(of.status == HUBLESS_OK && suite_reaches(&of.told, 1));
    CHECK(hubless_node_close(suite_node(), 0) == HUBLESS_OK);
    CHECK(of.asked == 2 && of.status == HUBLESS_CLOSED && of.told == 1);
}

/* A stream ends once, wherever it is when its node is closed. */

typedef struct {
    volatile int chunks, ended;
} reading;

static void *flood(void *user) {
    hubless_call *call = user;
    hubless_content chunk = hubless_content_text(word);
    while (hubless_call_chunk(call, &chunk, 0, NULL) == HUBLESS_OK) {
    }
    hubless_call_final(call, NULL, NULL);
    return NULL;
}

static pthread_t flooding;

static void on_flood(hubless_call *call, void *user) {
    (void)user;
    CHECK(pthread_create(&flooding, NULL, flood, call) == 0);
}

static void on_event(const hubless_event *event, void *user) {
    reading *of = user;
    if (event->kind == HUBLESS_EVENT_CHUNK) {
        CHECK(of->ended == 0);
        suite_count(&of->chunks);
    } else if (event->kind == HUBLESS_EVENT_FAILED || event->kind == HUBLESS_EVENT_FINAL) {
        hubless_reply_free(event->reply);
        suite_count(&of->ended);
    }
}

static void a_stream_ends_once_with_its_node(void) {
    hubless_content content = hubless_content_text(word);
    for (int round = 1; round <= 20; round++) {
        reading of = {0, 0};
        hubless_node *node = NULL;
        hubless_agent_options options = hubless_agent_named("flood", on_flood, NULL);
        CHECK(hubless_node_start(NULL, &node, NULL) == HUBLESS_OK);
        CHECK(hubless_register(node, &options, NULL, NULL) == HUBLESS_OK);
        CHECK(hubless_stream(node, HUBLESS_STR("flood"), &content, NULL, on_event, &of, NULL) ==
              HUBLESS_OK);
        CHECK(suite_at_least(&of.chunks, round * 7) && of.ended == 0);
        CHECK(hubless_node_close(node, 0) == HUBLESS_OK);
        CHECK(of.ended == 1);
        pthread_join(flooding, NULL);
    }
}

/* A tool is the caller's for as long as the call runs, and not a moment longer. */

typedef struct {
    volatile int runs, done;
} offered;

static void on_tool(hubless_question *question, hubless_str name, hubless_str arguments,
                    void *user) {
    hubless_content answer = hubless_content_json(HUBLESS_STR("1"));
    (void)name;
    (void)arguments;
    suite_count(&((offered *)user)->runs);
    CHECK(hubless_answer(question, &answer, NULL) == HUBLESS_OK);
    CHECK(hubless_answer(question, &answer, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_answer_fail(question, HUBLESS_DENIED, word, word, NULL) ==
          HUBLESS_INVALID_ARGUMENT);
}

static void on_never(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)reply;
    (void)err;
    (void)user;
    suite_fail(__FILE__, __LINE__, "no answer of a tool that was refused");
}

static offered tools;

static void *use_twice(void *user) {
    hubless_call *call = user;
    hubless_reply *answer = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(word);
    CHECK(hubless_call_tool(call, word, object, &answer, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_free(answer) == HUBLESS_OK);
    CHECK(hubless_call_final(call, &content, NULL) == HUBLESS_OK);
    answer = NULL;
    CHECK(hubless_call_tool(call, word, object, &answer, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(answer == NULL && suite_is(err.field, "call"));
    CHECK(hubless_call_tool_async(call, word, object, on_never, NULL, &err) ==
          HUBLESS_INVALID_ARGUMENT);
    hubless_error_clear(&err);
    suite_count(&tools.done);
    return NULL;
}

static void on_use(hubless_call *call, void *user) {
    pthread_t thread;
    (void)user;
    CHECK(pthread_create(&thread, NULL, use_twice, call) == 0);
    pthread_detach(thread);
}

static void a_tool_is_not_called_after_the_final(void) {
    hubless_content content = hubless_content_text(word);
    hubless_tool tool = {.size = sizeof tool, .name = word, .input_schema_json = object,
                         .on_tool = on_tool, .user = &tools};
    hubless_request_options asks = {.size = sizeof asks, .tools = &tool, .tool_count = 1};
    hubless_reply *reply = NULL;
    tools.runs = tools.done = 0;
    suite_agent("user", on_use, NULL);
    CHECK(hubless_request(suite_node(), HUBLESS_STR("user"), &content, &asks, &reply, NULL) ==
          HUBLESS_OK);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
    CHECK(suite_reaches(&tools.done, 1) && tools.runs == 1);
}

/* A program with its own loop is told when there is something, and only then. */

static int readable(int fd, int timeout_ms) {
    struct pollfd waits = {.fd = fd, .events = POLLIN};
    return poll(&waits, 1, timeout_ms) == 1;
}

static void on_counted(hubless_status status, hubless_reply *reply, const hubless_error *err,
                       void *user) {
    (void)err;
    CHECK(status == HUBLESS_OK && hubless_reply_free(reply) == HUBLESS_OK);
    suite_count(user);
}

static void a_loop_that_takes_one_at_a_time_misses_nothing(void) {
    enum { REQUESTS = 20 };
    hubless_node_options options = {.size = sizeof options, .polled = 1};
    hubless_agent_options agent = hubless_agent_named("echo", suite_on_x, NULL);
    hubless_content content = hubless_content_text(word);
    hubless_node *node = NULL;
    volatile int ended = 0;
    size_t delivered = 9;
    int fd = -1, rounds = 0;
    CHECK(hubless_node_start(&options, &node, NULL) == HUBLESS_OK);
    CHECK(hubless_register(node, &agent, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_node_fd(node, &fd, NULL) == HUBLESS_OK);
    while (delivered > 0) {
        CHECK(hubless_poll(node, 0, &delivered, NULL) == HUBLESS_OK);
    }
    CHECK(!readable(fd, 0));
    for (int i = 0; i < REQUESTS; i++) {
        CHECK(hubless_request_async(node, HUBLESS_STR("echo"), &content, NULL, on_counted,
                                    (void *)&ended, NULL) == HUBLESS_OK);
    }
    while (rounds < 50 * REQUESTS && ended < REQUESTS && readable(fd, SUITE_PATIENCE_MS)) {
        CHECK(hubless_poll(node, 1, &delivered, NULL) == HUBLESS_OK && delivered <= 1);
        rounds++;
    }
    /* At least the call and the reply of each; the end of an answer may come later. */
    CHECK(ended == REQUESTS && rounds >= 2 * REQUESTS);
    do {
        CHECK(hubless_poll(node, 0, &delivered, NULL) == HUBLESS_OK);
    } while (delivered > 0);
    CHECK(!readable(fd, 0));
    CHECK(hubless_node_close(node, 0) == HUBLESS_OK);
}

/* A handler finds and asks another agent on the node's own thread, which must not block. */

static void on_asked(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)err;
    CHECK(status == HUBLESS_OK);
    hubless_str said = hubless_reply_text(reply);
    CHECK(hubless_call_finalf(user, "%.*s", (int)said.len, said.data) == HUBLESS_OK);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

static void on_found(hubless_status status, hubless_agents *found, const hubless_error *err,
                     void *user) {
    hubless_content content = hubless_content_text(word);
    hubless_request_options options = {.size = sizeof options, .parent = user};
    hubless_found best = {.size = sizeof best};
    CHECK(status == HUBLESS_OK && err != NULL && hubless_agents_count(found) == 1);
    CHECK(hubless_agents_get(found, 0, &best, NULL) == HUBLESS_OK);
    CHECK(hubless_request_async(suite_node(), best.agent_id, &content, &options, on_asked, user,
                                NULL) == HUBLESS_OK);
    CHECK(hubless_agents_free(found) == HUBLESS_OK);
}

static void on_finding(hubless_call *call, void *user) {
    hubless_query query = {.size = sizeof query, .text = HUBLESS_STR("echo")};
    (void)user;
    CHECK(hubless_find_async(suite_node(), &query, on_found, call, NULL) == HUBLESS_OK);
}

static void on_none(hubless_status status, hubless_agents *found, const hubless_error *err,
                    void *user) {
    CHECK(status == HUBLESS_INVALID_ARGUMENT && found == NULL && err->message.len > 0);
    suite_count(user);
}

static void a_handler_finds_without_blocking(void) {
    hubless_query none = {.size = sizeof none, .query_json = HUBLESS_STR("{\"limit\": -1}")};
    volatile int told = 0;
    hubless_content content = hubless_content_text(word);
    hubless_reply *reply = NULL;
    suite_agent("echo", suite_on_x, NULL);
    suite_agent("finder", on_finding, NULL);
    CHECK(hubless_request(suite_node(), HUBLESS_STR("finder"), &content, NULL, &reply, NULL) ==
          HUBLESS_OK);
    hubless_str said = hubless_reply_text(reply);
    CHECK(said.len == 1 && memcmp(said.data, "x", 1) == 0);
    /* What the core refuses is told as well as what it finds. */
    CHECK(hubless_find_async(suite_node(), &none, on_none, (void *)&told, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&told, 1));
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

const test callback_tests[] = {
    {"a handler finds without blocking", a_handler_finds_without_blocking},
    {"every callback may free its agent", every_callback_may_free_its_agent},
    {"freeing waits for calls that run", freeing_waits_for_calls_that_run},
    {"a refused operation is not told as well", a_refused_operation_is_not_told_as_well},
    {"a stream ends once with its node", a_stream_ends_once_with_its_node},
    {"a tool is not called after the final", a_tool_is_not_called_after_the_final},
    {"a loop that takes one at a time misses nothing",
     a_loop_that_takes_one_at_a_time_misses_nothing},
    {NULL, NULL},
};
