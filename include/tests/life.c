/* From start to end: callbacks that free, nodes that close, programs with their own loop. */
#include "suite.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    hubless_agent *agent;
    volatile int freed;
    hubless_status status;
} itself;

static void on_free(void *user) {
    suite_count(&((itself *)user)->freed);
}

static void on_leave(hubless_call *call, void *user) {
    itself *me = user;
    me->status = hubless_agent_free(me->agent);
    hubless_call_finalf(call, "bye");
}

static void on_bye(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "bye");
}

static void an_agent_frees_itself(void) {
    itself me = {NULL, 0, HUBLESS_INTERNAL};
    hubless_reply *reply = NULL;
    hubless_agent_options options = hubless_agent_named("leaver", on_leave, &me);
    options.on_free = on_free;
    CHECK(hubless_register(suite_node(), &options, &me.agent, NULL) == HUBLESS_OK);
    CHECK(suite_ask("leaver", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(me.status == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "bye"));
    hubless_reply_free(reply);
    CHECK(suite_reaches(&me.freed, 1));
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = -1};
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_request(suite_node(), HUBLESS_STR("leaver"), &content, &asked, &reply, &err) !=
          HUBLESS_OK);
    CHECK(err.kind == HUBLESS_NOT_FOUND);
    hubless_error_clear(&err);
}

static void an_agent_is_freed_once_with_its_node(void) {
    itself me = {NULL, 0, HUBLESS_OK};
    hubless_agent_options options = hubless_agent_named("leaver", on_leave, &me);
    options.on_free = on_free;
    CHECK(hubless_register(suite_node(), &options, &me.agent, NULL) == HUBLESS_OK);
    CHECK(hubless_node_close(suite_node(), 0) == HUBLESS_OK);
    CHECK(me.freed == 1);
}

static void on_nothing(hubless_call *call, void *user) {
    (void)call;
    (void)user;
}

typedef struct {
    volatile int ended, closed;
} ends;

static void on_reply(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    ends *all = user;
    (void)reply;
    (void)err;
    if (status != HUBLESS_OK) {
        suite_count(&all->closed);
    }
    suite_count(&all->ended);
}

static void closing_ends_everything_exactly_once(void) {
    enum { REQUESTS = 20 };
    ends all = {0, 0};
    suite_agent("slow", on_nothing, NULL);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    for (int i = 0; i < REQUESTS; i++) {
        CHECK(hubless_request_async(suite_node(), HUBLESS_STR("slow"), &content, NULL, on_reply,
                                    &all, NULL) == HUBLESS_OK);
    }
    CHECK(hubless_node_close(suite_node(), 0) == HUBLESS_OK);
    CHECK(all.ended == REQUESTS && all.closed == REQUESTS);
}

static void on_begun(hubless_call *call, void *user) {
    (void)call;
    suite_count((int *)user);
}

static void *ask(void *user) {
    hubless_reply *reply = NULL;
    hubless_status *status = user;
    *status = suite_ask("slow", "x", &reply, NULL);
    return NULL;
}

static void closing_wakes_a_thread_that_waits(void) {
    hubless_status status = HUBLESS_OK;
    pthread_t asker;
    int begun = 0;
    suite_agent("slow", on_begun, &begun);
    CHECK(pthread_create(&asker, NULL, ask, &status) == 0);
    CHECK(suite_reaches(&begun, 1));
    CHECK(hubless_node_close(suite_node(), 0) == HUBLESS_OK);
    pthread_join(asker, NULL);
    CHECK(status == HUBLESS_CLOSED);
    /* The handle went with the node: it names no node any more. */
    hubless_reply *reply = NULL;
    CHECK(suite_ask("slow", "x", &reply, NULL) == HUBLESS_INVALID_ARGUMENT);
}

static void on_hello(hubless_call *call, void *user) {
    /* Callbacks of a polled node come from the thread that polls. */
    CHECK(pthread_equal(pthread_self(), *(pthread_t *)user));
    hubless_call_finalf(call, "hello");
}

static void a_program_polls_in_its_own_loop(void) {
    hubless_node_options options = {.size = sizeof options, .polled = 1};
    hubless_node *node = NULL;
    ends all = {0, 0};
    pthread_t me = pthread_self();
    int fd = -1;
    CHECK(hubless_poll(suite_node(), 0, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_node_start(&options, &node, NULL) == HUBLESS_OK);
    hubless_agent_options agent = hubless_agent_named("hello", on_hello, &me);
    CHECK(hubless_register(node, &agent, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_node_fd(node, &fd, NULL) == HUBLESS_OK && fd >= 0);
    /* Blocking functions deliver events by themselves. */
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_reply *reply = NULL;
    CHECK(hubless_request(node, HUBLESS_STR("hello"), &content, NULL, &reply, NULL) == HUBLESS_OK);
    hubless_reply_free(reply);
    CHECK(hubless_request_async(node, HUBLESS_STR("hello"), &content, NULL, on_reply, &all,
                                NULL) == HUBLESS_OK);
    for (int i = 0; i < 100 && all.ended == 0; i++) {
        struct pollfd waits = {.fd = fd, .events = POLLIN};
        CHECK(poll(&waits, 1, SUITE_PATIENCE_MS) == 1);
        CHECK(hubless_poll(node, 0, NULL, NULL) == HUBLESS_OK);
    }
    CHECK(all.ended == 1 && all.closed == 0);
    CHECK(hubless_node_close(node, 1000) == HUBLESS_OK);
}

static void *ask_polled(void *user) {
    hubless_node *node = user;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_reply *reply = NULL;
    hubless_status status =
        hubless_request(node, HUBLESS_STR("nobody"), &content,
                        &(hubless_request_options){.size = sizeof(hubless_request_options),
                                                   .wait_ms = 100}, &reply, NULL);
    return (void *)(uintptr_t)status;
}

static void threads_may_wait_in_a_polled_node(void) {
    hubless_node_options options = {.size = sizeof options, .polled = 1};
    hubless_node *node = NULL;
    pthread_t threads[4];
    CHECK(hubless_node_start(&options, &node, NULL) == HUBLESS_OK);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, ask_polled, node) == 0);
    }
    for (int i = 0; i < 4; i++) {
        void *status = NULL;
        pthread_join(threads[i], &status);
        CHECK((uintptr_t)status == HUBLESS_NOT_FOUND || (uintptr_t)status == HUBLESS_REJECTED);
    }
    CHECK(hubless_node_close(node, 1000) == HUBLESS_OK);
}

static volatile int lines, warnings;

static int holds(hubless_str text, const char *word) {
    char whole[4096];
    snprintf(whole, sizeof whole, "%.*s", (int)text.len, text.data);
    return strstr(whole, word) != NULL;
}

/* Counts the lines about the agent, and those of them that say all that is known of its failure. */
static void on_log(hubless_str level, hubless_str target, hubless_str message,
                   hubless_str fields_json, void *user) {
    (void)user;
    if (!holds(fields_json, "\"agent\":\"logged\"")) {
        return;
    }
    suite_count(&lines);
    if (suite_is(level, "warn") && holds(target, "hubless::engine") &&
        suite_is(message, "an auth function failed") &&
        holds(fields_json, "\"reason\":\"handler_failed\"")) {
        suite_count(&warnings);
    }
}

static void log_lines_reach_the_program(void) {
    hubless_node_options options = {.size = sizeof options, .log = HUBLESS_STR("trace"),
                                    .on_log = on_log};
    hubless_node *node = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .auth_scheme = HUBLESS_STR("custom"),
                                     .auth_secret = HUBLESS_STR("letmein")};
    hubless_reply *reply = NULL;
    lines = warnings = 0;
    CHECK(hubless_node_start(&options, &node, NULL) == HUBLESS_OK);
    /* It has no function for what it requires, which the node has something to say about. */
    hubless_agent_options agent = hubless_agent_named("logged", on_nothing, NULL);
    agent.requirements_json = HUBLESS_STR("{\"auth\": {\"host\": true}}");
    CHECK(hubless_register(node, &agent, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_request(node, HUBLESS_STR("logged"), &content, &asked, &reply, NULL) ==
          HUBLESS_REJECTED);
    CHECK(suite_at_least(&warnings, 1));
    CHECK(warnings == 1 && lines >= warnings);
    CHECK(hubless_node_close(node, 0) == HUBLESS_OK);
    options.log = HUBLESS_STR("loud");
    CHECK(hubless_node_start(&options, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "log") && node == NULL);
    hubless_error_clear(&err);
}

/* Longer than the silence after which a connection is given up. */
enum { BLOCKED_S = 9 };

typedef struct {
    volatile int begun, ended;
    int right;
    uint64_t handler_us;
} blocking;

static void on_block(hubless_call *call, void *user) {
    suite_count(&((blocking *)user)->begun);
    for (unsigned left = BLOCKED_S; left > 0;) {
        left = sleep(left);
    }
    hubless_call_finalf(call, "as expected");
}

static void on_unblocked(hubless_status status, hubless_reply *reply, const hubless_error *err,
                         void *user) {
    blocking *of = user;
    hubless_reply_info info = {.size = sizeof info};
    (void)err;
    if (status == HUBLESS_OK && hubless_reply_get(reply, &info, NULL) == HUBLESS_OK) {
        of->right = suite_is(info.content.text, "as expected") && suite_is(info.path, "direct");
        of->handler_us = info.handler_us;
    }
    hubless_reply_free(reply);
    suite_count(&of->ended);
}

static void on_free_one(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "free");
}

static void a_callback_that_blocks_stops_nobody_else(void) {
    blocking of = {0, 0, 0, 0};
    hubless_node *asking = suite_node(), *held = suite_other_node();
    hubless_agent_options options = hubless_agent_named("blocking", on_block, &of);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = SUITE_PATIENCE_MS};
    hubless_query query = {.size = sizeof query, .wait_ms = -1,
                           .query_json = HUBLESS_STR("{\"text\": \"blocking\"}")};
    CHECK(hubless_register(held, &options, NULL, NULL) == HUBLESS_OK);
    suite_agent("free", on_free_one, NULL);
    CHECK(hubless_request_async(asking, HUBLESS_STR("blocking"), &content, &asked, on_unblocked,
                                &of, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.begun, 1));
    int rounds = 0;
    const double end = suite_ms() + SUITE_PATIENCE_MS;
    for (; suite_seen(&of.ended) == 0 && suite_ms() < end; rounds++) {
        hubless_reply *reply = NULL;
        hubless_agents *list = NULL;
        hubless_text *status = NULL;
        CHECK(suite_ask("free", "x", &reply, NULL) == HUBLESS_OK);
        CHECK(hubless_find(asking, &query, &list, NULL) == HUBLESS_OK);
        CHECK(hubless_agents_count(list) == 1);
        CHECK(hubless_node_status(held, &status, NULL) == HUBLESS_OK);
        hubless_text_free(status);
        hubless_agents_free(list);
        hubless_reply_free(reply);
        usleep(50000);
    }
    CHECK(rounds > 0 && of.ended == 1 && of.right);
    CHECK(of.handler_us >= BLOCKED_S * 1000000ULL);
}

/* The file of the spans holds the trace that the answer names. */
static void spans_go_to_the_file_that_the_node_names(void) {
    char path[256], text[65536] = "", id[33] = "";
    hubless_agent_options agent = hubless_agent_named("spanned", on_bye, NULL);
    hubless_node_options options = {.size = sizeof options};
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_reply_info info = {.size = sizeof info};
    hubless_node *node = NULL;
    hubless_reply *reply = NULL;
    snprintf(path, sizeof path, "%s/spans.jsonl", getenv("HUBLESS_HOME"));
    options.trace = hubless_cstr(path);
    CHECK(hubless_node_start(&options, &node, NULL) == HUBLESS_OK);
    CHECK(hubless_register(node, &agent, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_request(node, HUBLESS_STR("spanned"), &content, NULL, &reply, NULL) ==
          HUBLESS_OK);
    CHECK(hubless_reply_get(reply, &info, NULL) == HUBLESS_OK && info.trace_id.len == 32);
    snprintf(id, sizeof id, "%.*s", (int)info.trace_id.len, info.trace_id.data);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
    CHECK(hubless_node_close(node, 10000) == HUBLESS_OK);
    FILE *spans = fopen(path, "r");
    CHECK(spans != NULL && fread(text, 1, sizeof text - 1, spans) > 0 && fclose(spans) == 0);
    CHECK(strstr(text, id) != NULL);
}

const test life_tests[] = {
    {"spans go to the file that the node names", spans_go_to_the_file_that_the_node_names},
    {"an agent frees itself", an_agent_frees_itself},
    {"an agent is freed once with its node", an_agent_is_freed_once_with_its_node},
    {"closing ends everything exactly once", closing_ends_everything_exactly_once},
    {"closing wakes a thread that waits", closing_wakes_a_thread_that_waits},
    {"a program polls in its own loop", a_program_polls_in_its_own_loop},
    {"threads may wait in a polled node", threads_may_wait_in_a_polled_node},
    {"log lines reach the program", log_lines_reach_the_program},
    {"a callback that blocks stops nobody else", a_callback_that_blocks_stops_nobody_else},
    {NULL, NULL},
};
