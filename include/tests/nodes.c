/* Nodes that start, serve and end without anyone waiting for them. */
#include "suite.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

/* What was told, and where. */
typedef struct {
    hubless_node *node;
    hubless_status status;
    pthread_t thread;
    char kind[32];
    /* How often it was told, and how often agents had been let go by then. */
    volatile int told, freed, freed_before;
} told;

static void keep(told *of, hubless_status status, const hubless_error *err) {
    of->status = status;
    of->thread = pthread_self();
    of->freed_before = suite_seen(&of->freed);
    snprintf(of->kind, sizeof of->kind, "%.*s", (int)err->name.len, err->name.data);
    suite_count(&of->told);
}

static void on_node(hubless_status status, hubless_node *node, const hubless_error *err,
                    void *user) {
    CHECK((status == HUBLESS_OK) == (node != NULL));
    ((told *)user)->node = node;
    keep(user, status, err);
}

static void on_free(void *user) { suite_count(&((told *)user)->freed); }

static void on_text(hubless_status status, hubless_text *text, const hubless_error *err,
                    void *user) {
    (void)status;
    (void)err;
    (void)user;
    hubless_text_free(text);
}

/* The end of a node is its last word: no handle of it is good any more. */
static void on_closed(hubless_status status, const hubless_error *err, void *user) {
    told *of = user;
    hubless_text *text = NULL;
    CHECK(hubless_node_status_async(of->node, on_text, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_node_status(of->node, &text, NULL) == HUBLESS_INVALID_ARGUMENT && text == NULL);
    /* One that is closing would still take this. */
    CHECK(hubless_node_serve_async(of->node, NULL, on_closed, of, NULL) ==
          HUBLESS_INVALID_ARGUMENT);
    keep(of, status, err);
}

static hubless_status ask(hubless_node *node, const char *to) {
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_reply *reply = NULL;
    hubless_status status =
        hubless_request(node, hubless_cstr(to), &content, NULL, &reply, NULL);
    hubless_reply_free(reply);
    return status;
}

static void register_on(hubless_node *node, hubless_on_call on_call, told *of) {
    hubless_agent_options options = hubless_agent_named("echo", on_call, of);
    options.on_free = on_free;
    CHECK(hubless_register(node, &options, NULL, NULL) == HUBLESS_OK);
}

static void a_node_starts_and_ends_without_blocking(void) {
    told start = {.told = 0}, end = {.told = 0};
    CHECK(hubless_node_start_async(NULL, on_node, &start, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&start.told, 1) && start.status == HUBLESS_OK);
    CHECK(!pthread_equal(start.thread, pthread_self()));
    end.node = start.node;
    register_on(end.node, suite_on_x, &end);
    CHECK(ask(end.node, "echo") == HUBLESS_OK);
    CHECK(hubless_node_close_async(end.node, 1000, NULL, &end, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_node_close_async(end.node, 1000, on_closed, &end, NULL) == HUBLESS_OK);
    /* Whoever comes second is refused, and not told. */
    CHECK(hubless_node_close_async(end.node, 0, on_closed, &end, NULL) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_reaches(&end.told, 1) && end.status == HUBLESS_OK);
    CHECK(end.freed_before == 1 && end.freed == 1);
    CHECK(hubless_node_close(end.node, 0) == HUBLESS_INVALID_ARGUMENT && end.told == 1);
}

static void a_start_that_fails_is_told_or_refused(void) {
    told all = {.told = 0}, good = {.told = 0};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_node *node = NULL;
    hubless_node_options wrong = {.size = sizeof wrong, .listen = HUBLESS_STR("nowhere")};
    hubless_node_options odd = {.size = sizeof odd, .name = {"\xff", 1}};
    CHECK(hubless_node_start_async(NULL, NULL, &all, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "on_node"));
    CHECK(hubless_default_node_async(NULL, &all, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_node_start_async(&odd, on_node, &all, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "name"));
    CHECK(hubless_node_start_async(NULL, on_node, &good, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&good.told, 1) && all.told == 0);
    CHECK(hubless_node_close(good.node, 0) == HUBLESS_OK);
    /* What the core refuses is told, as the other form says it. */
    CHECK(hubless_node_start_async(&wrong, on_node, &all, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.told, 1));
    CHECK(hubless_node_start(&wrong, &node, &err) == all.status && all.status != HUBLESS_OK);
    CHECK(suite_is(err.name, all.kind));
    hubless_error_clear(&err);
}

/* A callback starts a node, serves it, and ends its own. */

typedef struct {
    /* First: the functions of the node's own agent take it alone. */
    told end;
    told start, shared;
} chain;

static void on_chain(hubless_call *call, void *user) {
    chain *of = user;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_node *node = NULL;
    CHECK(hubless_node_start(NULL, &node, NULL) == HUBLESS_WOULD_DEADLOCK);
    CHECK(hubless_default_node(&err) == NULL && err.message.len > 0);
    CHECK(hubless_node_close(of->end.node, 0) == HUBLESS_WOULD_DEADLOCK);
    CHECK(hubless_node_serve(of->end.node, NULL, NULL) == HUBLESS_WOULD_DEADLOCK);
    CHECK(hubless_node_start_async(NULL, on_node, &of->start, NULL) == HUBLESS_OK);
    CHECK(hubless_default_node_async(on_node, &of->shared, NULL) == HUBLESS_OK);
    CHECK(hubless_node_close_async(of->end.node, 10000, on_closed, &of->end, NULL) == HUBLESS_OK);
    hubless_call_finalf(call, "x");
    hubless_error_clear(&err);
}

static void a_callback_starts_nodes_and_ends_its_own(void) {
    chain of;
    memset(&of, 0, sizeof of);
    CHECK(hubless_node_start(NULL, &of.end.node, NULL) == HUBLESS_OK);
    register_on(of.end.node, on_chain, &of.end);
    /* Its own call is let end. */
    CHECK(ask(of.end.node, "echo") == HUBLESS_OK);
    CHECK(suite_reaches(&of.end.told, 1) && of.end.status == HUBLESS_OK && of.end.freed == 1);
    CHECK(suite_reaches(&of.start.told, 1) && of.start.status == HUBLESS_OK);
    CHECK(suite_reaches(&of.shared.told, 1) && of.shared.status == HUBLESS_OK);
    CHECK(hubless_default_node(NULL) == of.shared.node);
    CHECK(hubless_node_close(of.start.node, 0) == HUBLESS_OK);
    CHECK(hubless_node_close(of.shared.node, 0) == HUBLESS_OK);
}

/* A polled node starts without being polled, and tells its end to who polls. */
static void a_polled_node_starts_and_ends_without_blocking(void) {
    told start = {.told = 0}, end = {.told = 0};
    hubless_node_options options = {.size = sizeof options, .polled = 1};
    int fd = -1;
    CHECK(hubless_node_start_async(&options, on_node, &start, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&start.told, 1) && start.status == HUBLESS_OK);
    end.node = start.node;
    CHECK(hubless_node_fd(end.node, &fd, NULL) == HUBLESS_OK && fd >= 0);
    register_on(end.node, suite_on_x, &end);
    CHECK(hubless_node_close_async(end.node, 1000, on_closed, &end, NULL) == HUBLESS_OK);
    for (int i = 0; i < 1000 && end.told == 0; i++) {
        struct pollfd waits = {.fd = fd, .events = POLLIN};
        CHECK(poll(&waits, 1, SUITE_PATIENCE_MS) == 1);
        CHECK(hubless_poll(end.node, 0, NULL, NULL) == HUBLESS_OK);
    }
    CHECK(end.told == 1 && end.status == HUBLESS_OK && end.freed_before == 1);
    CHECK(pthread_equal(end.thread, pthread_self()));
    CHECK(hubless_poll(end.node, 0, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
}

static void on_served(hubless_status status, const hubless_error *err, void *user) {
    keep(user, status, err);
}

/* That another function closes the node is an end of serving like the others. */
static void who_serves_is_told_of_a_close(void) {
    told never = {.told = 0}, served = {.told = 0}, end = {.told = 0};
    hubless_serve_options wrong = {.size = 1};
    CHECK(hubless_node_start(NULL, &end.node, NULL) == HUBLESS_OK);
    CHECK(hubless_node_serve_async(end.node, NULL, NULL, &never, NULL) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_node_serve_async(end.node, &wrong, on_served, &never, NULL) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_node_serve_async(end.node, NULL, on_served, &served, NULL) == HUBLESS_OK);
    CHECK(hubless_node_close_async(end.node, 0, on_closed, &end, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&end.told, 1) && suite_reaches(&served.told, 1));
    CHECK(served.status == HUBLESS_OK && never.told == 0);
}

/* A callback ends the node that the program serves: all of it is over when serving is. */

static void on_free_slowly(void *user) {
    usleep(50000);
    on_free(user);
}

static void on_close(hubless_call *call, void *user) {
    told *of = user;
    CHECK(hubless_node_close_async(of->node, 10000, on_closed, of, NULL) == HUBLESS_OK);
    hubless_call_finalf(call, "x");
}

static void on_reply(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)err;
    (void)user;
    hubless_reply_free(reply);
}

static void *ask_shortly(void *user) {
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    usleep(50000);
    CHECK(hubless_request_async(((told *)user)->node, HUBLESS_STR("closer"), &content, NULL,
                                on_reply, NULL, NULL) == HUBLESS_OK);
    return NULL;
}

static void serve_until_a_callback_closes(int polled) {
    told end = {.told = 0};
    hubless_node_options options = {.size = sizeof options, .polled = polled};
    hubless_agent_options agent = hubless_agent_named("closer", on_close, &end);
    pthread_t asks;
    agent.on_free = on_free_slowly;
    CHECK(hubless_node_start(&options, &end.node, NULL) == HUBLESS_OK);
    CHECK(hubless_register(end.node, &agent, NULL, NULL) == HUBLESS_OK);
    CHECK(pthread_create(&asks, NULL, ask_shortly, &end) == 0);
    hubless_status served = hubless_node_serve(end.node, NULL, NULL);
    /* A machine that is busy may close it before it is served: then it is no node any more. */
    CHECK(served == HUBLESS_INVALID_ARGUMENT ||
          (served == HUBLESS_OK && end.told == 1 && end.freed == 1));
    CHECK(suite_reaches(&end.told, 1) && end.status == HUBLESS_OK && end.freed_before == 1);
    pthread_join(asks, NULL);
}

static void serving_ends_when_the_close_of_a_callback_was_told(void) {
    serve_until_a_callback_closes(0);
    serve_until_a_callback_closes(1);
}

static size_t found_in(hubless_node *node, const char *query) {
    hubless_query asked = {.size = sizeof asked, .query_json = hubless_cstr(query), .wait_ms = -1};
    hubless_agents *list = NULL;
    CHECK(hubless_find(node, &asked, &list, NULL) == HUBLESS_OK);
    size_t count = hubless_agents_count(list);
    hubless_agents_free(list);
    return count;
}

static hubless_status ask_within(hubless_node *node, const char *policy, hubless_error *err) {
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options options = {.size = sizeof options,
                                       .options_json = hubless_cstr(policy)};
    hubless_reply *reply = NULL;
    hubless_status status =
        hubless_request(node, HUBLESS_STR("echo"), &content, &options, &reply, err);
    hubless_reply_free(reply);
    return status;
}

static void agents_are_found_and_asked_in_the_zones_of_their_node(void) {
    told end = {.told = 0};
    hubless_node_options options = {.size = sizeof options, .zones = HUBLESS_STR("eu, on-prem")};
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_node_start(&options, &end.node, NULL) == HUBLESS_OK);
    register_on(end.node, suite_on_x, &end);
    CHECK(found_in(end.node, "{\"zone\": \"us\"}") == 0);
    CHECK(found_in(end.node, "{\"zone\": \"on-prem\"}") == 1);
    CHECK(ask_within(end.node, "{\"dataPolicy\": {\"zonesAllowed\": [\"us\"]}}", &err) ==
          HUBLESS_REJECTED);
    CHECK(err.kind == HUBLESS_DENIED && suite_is(err.field, "dataPolicy.zonesAllowed"));
    hubless_error_clear(&err);
    CHECK(ask_within(end.node, "{\"dataPolicy\": {\"zonesAllowed\": [\"us\", \"eu\"]}}", NULL) ==
          HUBLESS_OK);
    CHECK(hubless_node_close(end.node, 1000) == HUBLESS_OK);
    options.zones = HUBLESS_STR("eu,,us");
    CHECK(hubless_node_start(&options, &end.node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "zones"));
    hubless_error_clear(&err);
}

static void a_node_refuses_what_is_no_relay(void) {
    hubless_node_options options = {.size = sizeof options, .memory_only = 1};
    hubless_node *node = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    // Nobody is there: the node goes on without it.
    options.relays = HUBLESS_STR("http://127.0.0.1:9");
    CHECK(hubless_node_start(&options, &node, NULL) == HUBLESS_OK);
    CHECK(hubless_node_close(node, 1000) == HUBLESS_OK);
    options.relays = HUBLESS_STR("http://127.0.0.1:9, ftp://relay.example");
    CHECK(hubless_node_start(&options, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "relays"));
    hubless_error_clear(&err);
}

const test node_tests[] = {
    {"agents are found and asked in the zones of their node",
     agents_are_found_and_asked_in_the_zones_of_their_node},
    {"a node refuses what is no relay", a_node_refuses_what_is_no_relay},
    {"a node starts and ends without blocking", a_node_starts_and_ends_without_blocking},
    {"a start that fails is told or refused", a_start_that_fails_is_told_or_refused},
    {"a callback starts nodes and ends its own", a_callback_starts_nodes_and_ends_its_own},
    {"a polled node starts and ends without blocking",
     a_polled_node_starts_and_ends_without_blocking},
    {"who serves is told of a close", who_serves_is_told_of_a_close},
    {"serving ends when the close of a callback was told",
     serving_ends_when_the_close_of_a_callback_was_told},
    {NULL, NULL},
};
