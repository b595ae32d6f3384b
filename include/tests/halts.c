/* Handlers that stop their own call and what is below it, and nothing above or beside it. */
#include "suite.h"

#include <pthread.h>

/* An agent that waits to be stopped, and the one that asks it and stops all of it. */
typedef struct {
    volatile int begun, cancelled, ended;
    volatile int itself, done, below_ended, below_kind;
    hubless_call *call;
} halting;

static void on_begun(hubless_call *call, void *user) {
    (void)call;
    suite_count(&((halting *)user)->begun);
}

static void on_cancel(hubless_call *call, hubless_status reason, void *user) {
    halting *me = user;
    CHECK(reason == HUBLESS_KILLED);
    CHECK(hubless_call_final(call, NULL, NULL) == HUBLESS_OK);
    suite_count(&me->cancelled);
}

static void on_below(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    halting *me = user;
    CHECK(status != HUBLESS_OK && reply == NULL);
    me->below_kind = err->kind;
    suite_count(&me->below_ended);
}

/* Uses 60 tokens, asks `slow`, and when that runs stops all of it. */
static void *halt(void *user) {
    halting *me = user;
    hubless_spend *spend = NULL;
    hubless_amount most = {.input_tokens = 100}, used = {.input_tokens = 60};
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .parent = me->call};
    CHECK(hubless_call_spend(me->call, &most, &spend, NULL) == HUBLESS_OK);
    CHECK(hubless_spend_used(spend, &used, NULL) == HUBLESS_OK);
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("slow"), &content, &asked, on_below, me,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&me->begun, 2));
    CHECK(hubless_call_trip(me->call, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&me->itself, 1));
    CHECK(hubless_call_final(me->call, NULL, NULL) == HUBLESS_OK);
    suite_count(&me->done);
    return NULL;
}

static void on_halt(hubless_call *call, void *user) {
    pthread_t thread;
    ((halting *)user)->call = call;
    CHECK(pthread_create(&thread, NULL, halt, user) == 0);
    pthread_detach(thread);
}

static void on_cancel_itself(hubless_call *call, hubless_status reason, void *user) {
    halting *me = user;
    CHECK(call == me->call && reason == HUBLESS_KILLED);
    suite_count(&me->itself);
}

static void on_ok(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "ok");
}

static void on_ended(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    CHECK(status != HUBLESS_OK && reply == NULL && err->kind == HUBLESS_KILLED);
    CHECK(suite_is(err->code, "operator"));
    suite_count(&((halting *)user)->ended);
}

static hubless_switch_info state_of(const hubless_switch *of) {
    hubless_switch_info info = {.size = sizeof info};
    CHECK(hubless_switch_get(of, &info, NULL) == HUBLESS_OK);
    return info;
}

/* Asks under a switch, and gives the kind of the outcome. */
static hubless_status ask_under(const char *to, const hubless_switch *kill_switch) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .kill_switch = kill_switch};
    hubless_request(suite_node(), hubless_cstr(to), &content, &asked, &reply, &err);
    hubless_status kind = err.kind;
    CHECK(kind != HUBLESS_KILLED || suite_is(err.code, "operator"));
    hubless_reply_free(reply);
    hubless_error_clear(&err);
    return kind;
}

static void a_handler_stops_what_is_below_it_and_nothing_else(void) {
    halting me = {.begun = 0};
    hubless_switch_options limits = {.size = sizeof limits,
                                     .input_tokens = HUBLESS_AT_MOST(4000)};
    hubless_switch *made = NULL;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_agent_options slow = hubless_agent_named("slow", on_begun, &me);
    hubless_agent_options halts = hubless_agent_named("halts", on_halt, &me);
    /* It reports nothing, and would be charged in full. */
    slow.options_json = HUBLESS_STR("{\"skills\": [{\"id\": \"slow\", \"spends\": \"none\"}]}");
    slow.on_cancel = on_cancel;
    halts.on_cancel = on_cancel_itself;
    CHECK(hubless_register(suite_node(), &slow, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_register(suite_node(), &halts, NULL, NULL) == HUBLESS_OK);
    suite_agent("ok", on_ok, NULL);
    CHECK(hubless_switch_new(&limits, &made, NULL) == HUBLESS_OK);
    hubless_request_options beside = {.size = sizeof beside, .kill_switch = made};
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("slow"), &content, &beside, on_ended,
                                &me, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&me.begun, 1));
    CHECK(ask_under("halts", made) == HUBLESS_KILLED);
    CHECK(suite_reaches(&me.cancelled, 1));
    CHECK(suite_reaches(&me.below_ended, 1) && me.below_kind == HUBLESS_KILLED);
    CHECK(suite_reaches(&me.itself, 1) && suite_reaches(&me.done, 1));
    /* Charged with what was used; the rest, and what is beside it, are still there. */
    CHECK(state_of(made).tripped == 0 && state_of(made).spent.input_tokens == 60);
    CHECK(suite_seen(&me.ended) == 0 && ask_under("ok", made) == HUBLESS_OK);
    CHECK(hubless_switch_trip(made, hubless_cstr(NULL), NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&me.cancelled, 2) && suite_reaches(&me.ended, 1));
    CHECK(ask_under("ok", made) == HUBLESS_KILLED);
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
}

static void on_told(hubless_status status, const hubless_error *err, void *user) {
    int is = 1;
    CHECK(status == HUBLESS_NOT_FOUND && suite_is(err->code, "grant"));
    CHECK(hubless_call_cancelled(user, &is, NULL) == HUBLESS_OK && is == 0);
    hubless_call_finalf(user, "ok");
}

static void on_bare(hubless_call *call, void *user) {
    hubless_error err = HUBLESS_ERROR_INIT;
    (void)user;
    CHECK(hubless_call_trip(call, &err) == HUBLESS_WOULD_DEADLOCK);
    CHECK(hubless_call_trip_async(call, NULL, NULL, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "on_done"));
    CHECK(hubless_call_trip_async(call, on_told, call, NULL) == HUBLESS_OK);
    hubless_error_clear(&err);
}

static void a_call_without_a_budget_has_nothing_to_stop(void) {
    suite_agent("bare", on_bare, NULL);
    CHECK(ask_under("bare", NULL) == HUBLESS_OK);
}

const test halt_tests[] = {
    {"a handler stops what is below it and nothing else",
     a_handler_stops_what_is_below_it_and_nothing_else},
    {"a call without a budget has nothing to stop", a_call_without_a_budget_has_nothing_to_stop},
    {NULL, NULL},
};
