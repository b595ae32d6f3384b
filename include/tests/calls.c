/* Requests and their handlers, in process. */
#include "suite.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

static void on_greet(hubless_call *call, void *user) {
    hubless_str name = hubless_call_value(call, HUBLESS_STR("/name"));
    hubless_call_usage(call, 3, 4, HUBLESS_STR("m"), NULL);
    hubless_call_finalf(call, "%s %.*s", (char *)user, (int)name.len, name.data);
}

static void a_request_is_answered(void) {
    suite_agent("greet", on_greet, (void *)"hello");
    hubless_content content =
        hubless_content_json(HUBLESS_STR("{\"name\": \"Gr\xc3\xbc\xc3\x9f\"}"));
    hubless_reply *reply = NULL;
    hubless_reply_info info = {.size = sizeof info};
    CHECK(hubless_request(suite_node(), HUBLESS_STR("greet"), &content, NULL, &reply, NULL) ==
          HUBLESS_OK);
    CHECK(hubless_reply_get(reply, &info, NULL) == HUBLESS_OK);
    CHECK(suite_is(info.content.text, "hello Gr\xc3\xbc\xc3\x9f"));
    CHECK(info.content.part_count == 1 && info.content.parts[0].kind == HUBLESS_PART_TEXT);
    CHECK(info.input_tokens == 3 && info.output_tokens == 4);
    CHECK(suite_is(info.path, "in_process") && suite_is(info.agent_name, "greet"));
    CHECK(info.attempts == 1);
    hubless_reply_free(reply);
}

static void on_report(hubless_call *call, void *user) {
    hubless_usage_report report = {.size = sizeof report, .input_tokens = 1, .output_tokens = 2,
                                   .cost_micros = 30, .calls = 4, .model = HUBLESS_STR("m")};
    hubless_usage_report odd = {.size = 1};
    hubless_error err = HUBLESS_ERROR_INIT;
    (void)user;
    CHECK(hubless_call_usage_with(call, &report, NULL) == HUBLESS_OK);
    CHECK(hubless_call_usage_with(call, &report, NULL) == HUBLESS_OK);
    CHECK(hubless_call_usage_with(call, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_call_usage_with(call, &odd, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "size"));
    hubless_error_clear(&err);
    /* A program of an older header knows fewer fields. */
    report.size = offsetof(hubless_usage_report, calls);
    CHECK(hubless_call_usage_with(call, &report, NULL) == HUBLESS_OK);
    hubless_call_finalf(call, "used");
}

static void all_that_was_used_is_in_the_answer(void) {
    hubless_reply *reply = NULL;
    hubless_reply_info info = {.size = sizeof info};
    suite_agent("reports", on_report, NULL);
    CHECK(suite_ask("reports", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_get(reply, &info, NULL) == HUBLESS_OK);
    CHECK(info.input_tokens == 3 && info.output_tokens == 6);
    CHECK(info.cost_micros == 90 && info.calls == 8);
    hubless_reply_free(reply);
}

static void on_fail_as(hubless_call *call, void *user) {
    (void)user;
    hubless_call_info info = {.size = sizeof info};
    hubless_call_get(call, &info, NULL);
    char number[16];
    snprintf(number, sizeof number, "%.*s", (int)info.content.text.len, info.content.text.data);
    int kind = atoi(number);
    hubless_call_fail(call, kind, HUBLESS_STR("on_purpose"), HUBLESS_STR("as asked"), NULL);
}

static void every_kind_has_its_number(void) {
    suite_agent("fail", on_fail_as, NULL);
    for (int kind = HUBLESS_AUTH; kind <= HUBLESS_INTERNAL; kind++) {
        char number[16];
        hubless_error err = HUBLESS_ERROR_INIT;
        hubless_reply *reply = NULL;
        snprintf(number, sizeof number, "%d", kind);
        CHECK(suite_ask("fail", number, &reply, &err) == HUBLESS_REJECTED);
        CHECK((int)err.kind == kind && err.rejected == 1 && reply == NULL);
        CHECK(suite_is(err.code, "on_purpose") && suite_is(err.message, "as asked"));
        hubless_error_clear(&err);
    }
}

static void on_block(hubless_call *call, void *user) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_reply *reply = NULL;
    hubless_agents *list = NULL;
    int *refused = user;
    *refused += hubless_request(suite_node(), HUBLESS_STR("block"), &content, NULL, &reply,
                                &err) == HUBLESS_WOULD_DEADLOCK;
    *refused += hubless_find(suite_node(), NULL, &list, &err) == HUBLESS_WOULD_DEADLOCK;
    *refused += hubless_node_close(suite_node(), 0) == HUBLESS_WOULD_DEADLOCK;
    hubless_error_clear(&err);
    hubless_call_finalf(call, "done");
}

static void blocking_in_a_callback_is_refused(void) {
    int refused = 0;
    hubless_reply *reply = NULL;
    suite_agent("block", on_block, &refused);
    CHECK(suite_ask("block", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(refused == 3);
    hubless_reply_free(reply);
}

static void count_reply(hubless_status status, hubless_reply *reply, const hubless_error *err,
                        void *user) {
    (void)err;
    if (status == HUBLESS_OK) {
        hubless_reply_free(reply);
    }
    suite_count((int *)user);
}

typedef struct {
    hubless_call *call;
    volatile int calls;
} kept;

static void on_keep(hubless_call *call, void *user) {
    ((kept *)user)->call = call;
    suite_count(&((kept *)user)->calls);
}

static void a_call_is_ended_once(void) {
    kept one = {NULL, 0};
    hubless_content content = hubless_content_text(HUBLESS_STR("first"));
    hubless_error err = HUBLESS_ERROR_INIT;
    volatile int ended = 0;
    suite_agent("keep", on_keep, &one);
    /* Asked without blocking, answered here. */
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("keep"), &content, NULL, count_reply,
                                (void *)&ended, &err) == HUBLESS_OK);
    CHECK(suite_reaches(&one.calls, 1));
    CHECK(hubless_call_final(one.call, &content, &err) == HUBLESS_OK);
    CHECK(hubless_call_final(one.call, &content, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_reaches(&ended, 1));
    hubless_error_clear(&err);
}

/* A call that never ends by itself. */
typedef struct {
    volatile int begun, reason;
} stopped;

static void on_cancelled(hubless_call *call, hubless_status reason, void *user) {
    ((stopped *)user)->reason = (int)reason;
    hubless_call_finalf(call, "too late");
}

static void on_begun(hubless_call *call, void *user) {
    (void)call;
    suite_count(&((stopped *)user)->begun);
}

static void a_cancelled_call_is_told_and_ends(void) {
    volatile int ended = 0;
    stopped call = {0, 0};
    uint64_t ticket = 0;
    hubless_agent_options options = hubless_agent_named("slow", on_begun, &call);
    options.on_cancel = on_cancelled;
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .ticket = &ticket};
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("slow"), &content, &asked, count_reply,
                                (void *)&ended, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&call.begun, 1));
    CHECK(ended == 0 && ticket != 0);
    CHECK(hubless_cancel(suite_node(), ticket, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&ended, 1));
    CHECK(suite_reaches(&call.reason, HUBLESS_CANCELLED));
}

static void a_deadline_is_kept(void) {
    stopped call = {0, 0};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_agent_options options = hubless_agent_named("slow", on_begun, &call);
    options.on_cancel = on_cancelled;
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .total_ms = 80};
    /* Where the time is over before the handler has begun: once more, with twice as much. */
    for (; suite_seen(&call.begun) == 0 && asked.total_ms < SUITE_PATIENCE_MS;
         asked.total_ms *= 2) {
        hubless_status status =
            hubless_request(suite_node(), HUBLESS_STR("slow"), &content, &asked, &reply, &err);
        CHECK(status == HUBLESS_REJECTED || status == HUBLESS_DEADLINE);
        CHECK(err.kind == HUBLESS_DEADLINE);
        hubless_error_clear(&err);
    }
    CHECK(suite_reaches(&call.reason, HUBLESS_DEADLINE));
}

typedef struct {
    volatile int created, destroyed;
} instances;

static void *on_create(void *user) {
    suite_count(&((instances *)user)->created);
    return calloc(1, sizeof(int));
}

static void on_destroy(void *instance, void *user) {
    free(instance);
    suite_count(&((instances *)user)->destroyed);
}

static void on_instance(hubless_call *call, void *user) {
    (void)user;
    hubless_call_info info = {.size = sizeof info};
    hubless_call_get(call, &info, NULL);
    hubless_call_jsonf(call, "%d", ++*(int *)info.instance);
}

static void an_isolated_agent_has_fresh_instances(void) {
    instances all = {0, 0};
    hubless_agent_options options = hubless_agent_named("fresh", on_instance, &all);
    options.isolated = 1;
    options.on_create = on_create;
    options.on_destroy = on_destroy;
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    for (int i = 0; i < 3; i++) {
        hubless_reply *reply = NULL;
        CHECK(suite_ask("fresh", "x", &reply, NULL) == HUBLESS_OK);
        CHECK(suite_is(hubless_reply_value(reply, HUBLESS_STR("")), "1"));
        hubless_reply_free(reply);
    }
    CHECK(all.created == 3);
    CHECK(suite_reaches(&all.destroyed, 3));
}

static void *ask_often(void *user) {
    int *wrong = user;
    for (int i = 0; i < 100; i++) {
        char text[32], wanted[48];
        hubless_reply *reply = NULL;
        snprintf(text, sizeof text, "{\"name\": \"%d\"}", i);
        snprintf(wanted, sizeof wanted, "hello %d", i);
        hubless_content content = hubless_content_json(hubless_cstr(text));
        hubless_status status =
            hubless_request(suite_node(), HUBLESS_STR("greet"), &content, NULL, &reply, NULL);
        *wrong += status != HUBLESS_OK || !suite_is(hubless_reply_text(reply), wanted);
        hubless_reply_free(reply);
    }
    return NULL;
}

static void many_threads_ask_at_once(void) {
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    int wrong[THREADS] = {0}, sum = 0;
    suite_agent("greet", on_greet, (void *)"hello");
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, ask_often, &wrong[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += wrong[i];
    }
    CHECK(sum == 0);
}

static void on_auth(hubless_question *question, const hubless_auth_check *check, void *user) {
    ++*(int *)user;
    /* One that asks for a verdict is answered by nothing else. */
    CHECK(hubless_count_result(question, 1, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_answer(question, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_answer_fail(question, HUBLESS_DENIED, HUBLESS_STR("x"), HUBLESS_STR("x"),
                              NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_credential_result(question, HUBLESS_STR("x"), HUBLESS_STR("x"), NULL) ==
          HUBLESS_INVALID_ARGUMENT);
    hubless_auth_verdict(question, suite_is(check->credential, "letmein"), 0, NULL);
    CHECK(hubless_auth_verdict(question, 1, 0, NULL) == HUBLESS_INVALID_ARGUMENT);
}

static hubless_status asked_to_be_let_in(const char *name, hubless_error *err) {
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .auth_scheme = HUBLESS_STR("custom"),
                                     .auth_secret = HUBLESS_STR("letmein")};
    hubless_reply *reply = NULL;
    hubless_status status =
        hubless_request(suite_node(), hubless_cstr(name), &content, &asked, &reply, err);
    hubless_reply_free(reply);
    return status;
}

static void on_ok(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "in");
}

static void an_auth_function_decides(void) {
    int checks = 0;
    hubless_agent_options options = hubless_agent_named("guarded", on_ok, &checks);
    options.on_auth = on_auth;
    options.requirements_json = HUBLESS_STR("{\"auth\": {\"host\": true}}");
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .auth_scheme = HUBLESS_STR("custom"),
                                     .auth_secret = HUBLESS_STR("letmein")};
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_request(suite_node(), HUBLESS_STR("guarded"), &content, &asked, &reply, &err) ==
          HUBLESS_OK);
    hubless_reply_free(reply);
    asked.auth_secret = HUBLESS_STR("nope");
    CHECK(hubless_request(suite_node(), HUBLESS_STR("guarded"), &content, &asked, &reply, &err) ==
          HUBLESS_REJECTED);
    CHECK(err.kind == HUBLESS_AUTH && checks == 2);
    hubless_error_clear(&err);
}

static void the_nodes_auth_function_stands_in_for_no_agents(void) {
    int checks = 0;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_agent_options options = hubless_agent_named("guarded", on_ok, NULL);
    options.requirements_json = HUBLESS_STR("{\"auth\": {\"host\": true}}");
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    suite_agent("open", on_ok, NULL);
    CHECK(hubless_auth_global(suite_node(), hubless_cstr(NULL), on_auth, &checks, NULL) ==
          HUBLESS_OK);
    CHECK(asked_to_be_let_in("guarded", &err) == HUBLESS_REJECTED);
    CHECK(err.kind == HUBLESS_AUTH && suite_is(err.code, "check_failed") && checks == 0);
    hubless_error_clear(&err);
    CHECK(asked_to_be_let_in("open", NULL) == HUBLESS_OK && checks == 1);
    CHECK(hubless_auth_global(suite_node(), HUBLESS_STR("{\"none\": true}"), NULL, NULL, NULL) ==
          HUBLESS_OK);
}

static void found_agents_can_be_called(void) {
    suite_agent("greet", on_greet, (void *)"hello");
    hubless_query query = {.size = sizeof query, .text = HUBLESS_STR("greet")};
    hubless_agents *list = NULL;
    hubless_found found = {.size = sizeof found};
    hubless_reply *reply = NULL;
    CHECK(hubless_find(suite_node(), &query, &list, NULL) == HUBLESS_OK);
    CHECK(hubless_agents_count(list) == 1);
    CHECK(hubless_agents_get(list, 0, &found, NULL) == HUBLESS_OK);
    CHECK(suite_is(found.name, "greet") && suite_is(found.path, "in_process"));
    CHECK(hubless_agents_get(list, 1, &found, NULL) == HUBLESS_INVALID_ARGUMENT);
    hubless_content content = hubless_content_json(HUBLESS_STR("{\"name\": \"you\"}"));
    CHECK(hubless_request(suite_node(), found.agent_id, &content, NULL, &reply, NULL) ==
          HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "hello you"));
    hubless_reply_free(reply);
    hubless_agents_free(list);
}

static void the_best_agent_is_found_alone(void) {
    suite_agent("greet", on_greet, (void *)"hello");
    suite_agent("greeter", on_greet, (void *)"welcome");
    hubless_query query = {.size = sizeof query, .text = HUBLESS_STR("greet")};
    hubless_query nobody = {.size = sizeof nobody, .skill = HUBLESS_STR("swim"), .wait_ms = -1};
    hubless_agents *list = NULL, *all = NULL;
    hubless_found found = {.size = sizeof found}, best = {.size = sizeof best};
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_find(suite_node(), &query, &all, NULL) == HUBLESS_OK);
    CHECK(hubless_agents_count(all) == 2);
    CHECK(hubless_agents_get(all, 0, &best, NULL) == HUBLESS_OK);
    CHECK(hubless_peer(suite_node(), &query, &list, NULL) == HUBLESS_OK);
    CHECK(hubless_agents_count(list) == 1);
    CHECK(hubless_agents_get(list, 0, &found, NULL) == HUBLESS_OK);
    CHECK(found.agent_id.len == best.agent_id.len && found.agent_id.len > 0);
    CHECK(memcmp(found.agent_id.data, best.agent_id.data, best.agent_id.len) == 0);
    CHECK(suite_is(found.path, "in_process"));
    hubless_agents_free(list);
    hubless_agents_free(all);
    CHECK(hubless_peer(suite_node(), &nobody, &list, &err) == HUBLESS_NOT_FOUND);
    CHECK(list == NULL && err.message.len > 0);
    hubless_error_clear(&err);
}

const test call_tests[] = {
    {"a request is answered", a_request_is_answered},
    {"all that was used is in the answer", all_that_was_used_is_in_the_answer},
    {"every kind has its number", every_kind_has_its_number},
    {"blocking in a callback is refused", blocking_in_a_callback_is_refused},
    {"a call is ended once", a_call_is_ended_once},
    {"a cancelled call is told and ends", a_cancelled_call_is_told_and_ends},
    {"a deadline is kept", a_deadline_is_kept},
    {"an isolated agent has fresh instances", an_isolated_agent_has_fresh_instances},
    {"many threads ask at once", many_threads_ask_at_once},
    {"an auth function decides", an_auth_function_decides},
    {"the node's auth function stands in for no agent's",
     the_nodes_auth_function_stands_in_for_no_agents},
    {"found agents can be called", found_agents_can_be_called},
    {"the best agent is found alone", the_best_agent_is_found_alone},
    {NULL, NULL},
};
