/* Budgets in handlers: what is set aside, spent, granted, stopped, and asked without one. */
#include "suite.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static hubless_switch *new_switch(hubless_switch_options limits) {
    hubless_switch *made = NULL;
    limits.size = sizeof limits;
    CHECK(hubless_switch_new(&limits, &made, NULL) == HUBLESS_OK);
    return made;
}

static hubless_switch_info state_of(const hubless_switch *of) {
    hubless_switch_info info = {.size = sizeof info};
    CHECK(hubless_switch_get(of, &info, NULL) == HUBLESS_OK);
    return info;
}

static hubless_switch_info freed(hubless_switch *of) {
    hubless_switch_info info = state_of(of);
    CHECK(hubless_switch_free(of) == HUBLESS_OK);
    return info;
}

/* What is asked with: a node, the name of an agent, a switch or none, a call or none. */
typedef struct {
    hubless_node *node;
    const char *to;
    const hubless_switch *kill_switch;
    const hubless_call *parent;
    hubless_allowance max;
    const char *path;  /* that the answer must have come by; NULL: any */
    const char *field; /* that a refusal must name; NULL: any */
} asking;

/* Asks, and gives the kind of the outcome; of `info` the numbers outlive the reply. */
static hubless_status ask_with(const asking *how, hubless_reply_info *info) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .kill_switch = how->kill_switch,
                                     .parent = how->parent, .max = how->max,
                                     .wait_ms = how->node == NULL ? 0 : SUITE_PATIENCE_MS};
    hubless_node *node = how->node == NULL ? suite_node() : how->node;
    hubless_status status =
        hubless_request(node, hubless_cstr(how->to), &content, &asked, &reply, &err);
    hubless_status kind = err.kind;
    if (status == HUBLESS_OK) {
        hubless_reply_info got = {.size = sizeof got};
        CHECK(hubless_reply_get(reply, &got, NULL) == HUBLESS_OK);
        CHECK(how->path == NULL || suite_is(got.path, how->path));
        if (info != NULL) {
            *info = got;
        }
    }
    if (kind == HUBLESS_CONFIGURATION) {
        CHECK(suite_is(err.code, "orphan"));
    }
    CHECK(how->field == NULL || (suite_is(err.field, how->field) && suite_is(err.code, "amount")));
    hubless_reply_free(reply);
    hubless_error_clear(&err);
    return kind;
}

static hubless_status ask_under(const char *to, const hubless_switch *kill_switch,
                                hubless_reply_info *info) {
    return ask_with(&(asking){.to = to, .kill_switch = kill_switch}, info);
}

/* Handlers that block run on a thread of their own. */
typedef struct {
    void (*run)(hubless_call *call, void *user);
    void *user;
    hubless_call *call;
} job;

static void *run_job(void *argument) {
    job work = *(job *)argument;
    free(argument);
    work.run(work.call, work.user);
    return NULL;
}

static void on_job(hubless_call *call, void *user) {
    job *work = malloc(sizeof *work);
    pthread_t thread;
    *work = *(job *)user;
    work->call = call;
    CHECK(pthread_create(&thread, NULL, run_job, work) == 0);
    pthread_detach(thread);
}

static void on_ok(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "ok");
}

static void think(hubless_call *call, void *user) {
    hubless_call_info *seen = user;
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_call_get(call, seen, NULL) == HUBLESS_OK);
    /* budgets-begin */
    hubless_spend *spend = NULL;
    hubless_amount most = {.input_tokens = 600}, used = {.input_tokens = 250};
    if (hubless_call_spend(call, &most, &spend, &err) != HUBLESS_OK) {
        hubless_call_fail(call, err.kind, err.code, err.message, NULL);
        hubless_error_clear(&err);
        return;
    }
    /* A model that reads at most 600 tokens is asked here. */
    hubless_spend_used(spend, &used, NULL);
    hubless_call_finalf(call, "thought");
    /* budgets-end */
}

static void what_is_spent_is_on_the_switch(void) {
    hubless_call_info seen = {.size = sizeof seen};
    hubless_reply_info got;
    hubless_text *tree = NULL, *state = NULL;
    job thinks = {.run = think, .user = &seen};
    suite_agent("think", on_job, &thinks);
    hubless_switch *made = new_switch((hubless_switch_options){
        .input_tokens = HUBLESS_AT_MOST(4000), .calls = HUBLESS_AT_MOST(2)});
    CHECK(ask_under("think", made, &got) == HUBLESS_OK);
    CHECK(seen.has_budget == 1 && seen.granted.input_tokens.limited == 1);
    CHECK(seen.granted.input_tokens.value == 1000 && seen.granted.cost_micros.limited == 0);
    CHECK(got.input_tokens == 250 && got.charged_in_full == 0);
    hubless_switch_info info = state_of(made);
    CHECK(info.spent.input_tokens == 250 && info.spent.calls == 1 && info.spent.cost_micros == 0);
    CHECK(info.remaining.input_tokens.value == 3750 && info.remaining.calls.value == 1);
    CHECK(info.remaining.output_tokens.limited == 0);
    CHECK(hubless_switch_tree(made, &tree, NULL) == HUBLESS_OK);
    CHECK(!hubless_json_get(hubless_text_get(tree), HUBLESS_STR("/children/0/state"), &state,
                            NULL));
    CHECK(suite_is(hubless_text_get(state), "settled"));
    hubless_text_free(tree);
    hubless_text_free(state);
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
    /* Without a budget there is none to see, and the usage is told all the same. */
    CHECK(ask_under("think", NULL, &got) == HUBLESS_OK);
    CHECK(seen.has_budget == 0 && seen.granted.input_tokens.limited == 0);
    CHECK(got.input_tokens == 250);
}

/* What a handler does instead of saying what it used. */
typedef struct {
    int drops;
    hubless_spend *spend;
} quiet;

static void leave_open(hubless_call *call, void *user) {
    quiet *me = user;
    hubless_amount most = {.output_tokens = 7};
    CHECK(hubless_call_spend(call, &most, &me->spend, NULL) == HUBLESS_OK);
    if (me->drops) {
        CHECK(hubless_spend_drop(me->spend) == HUBLESS_OK);
        CHECK(hubless_spend_drop(me->spend) == HUBLESS_INVALID_ARGUMENT);
    }
    hubless_call_finalf(call, "ok");
}

static void what_is_not_said_is_charged_in_full(void) {
    hubless_reply_info got;
    quiet me = {0, NULL};
    job leaves = {.run = leave_open, .user = &me};
    hubless_switch *made =
        new_switch((hubless_switch_options){.output_tokens = HUBLESS_AT_MOST(400)});
    suite_agent("silent", on_ok, NULL);
    suite_agent("leaves", on_job, &leaves);
    CHECK(ask_under("silent", made, &got) == HUBLESS_OK && got.charged_in_full == 1);
    CHECK(state_of(made).spent.output_tokens == 100);
    for (me.drops = 0; me.drops < 2; me.drops++) {
        uint64_t before = state_of(made).spent.output_tokens;
        CHECK(ask_under("leaves", made, &got) == HUBLESS_OK);
        CHECK(got.output_tokens == 7 && got.charged_in_full == 0);
        CHECK(state_of(made).spent.output_tokens == before + 7);
        /* Its handle went with the call. */
        CHECK(hubless_spend_used(me.spend, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
    }
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
}

static void try_wrong(hubless_call *call, void *user) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_spend *spend = NULL, *none = NULL;
    hubless_amount most = {.input_tokens = 600}, calls = {.calls = 1};
    hubless_amount bad = {.cost_micros = 9007199254740992}, used = {.input_tokens = 5};
    (void)user;
    CHECK(hubless_call_spend(call, &calls, &none, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "calls") && suite_is(err.code, "counted") && none == NULL);
    CHECK(hubless_call_spend(call, &bad, &none, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "costMicros") && suite_is(err.code, "amount"));
    CHECK(hubless_call_spend(NULL, &most, &none, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_call_spend(call, &most, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_call_spend_async(call, &most, NULL, NULL, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "on_spend"));
    CHECK(hubless_call_spend(call, &most, &spend, NULL) == HUBLESS_OK);
    CHECK(hubless_call_spend(call, &most, &none, &err) != HUBLESS_OK && none == NULL);
    CHECK(err.kind == HUBLESS_BUDGET_EXHAUSTED);
    /* A wrong word ends nothing. */
    CHECK(hubless_spend_used(spend, &bad, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "costMicros") && suite_is(err.code, "amount"));
    CHECK(hubless_spend_used((hubless_spend *)call, &used, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "spend"));
    CHECK(hubless_spend_used(NULL, &used, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_spend_used(spend, &used, NULL) == HUBLESS_OK);
    CHECK(hubless_spend_used(spend, &used, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "spend") && hubless_spend_drop(spend) == HUBLESS_INVALID_ARGUMENT);
    hubless_error_clear(&err);
    hubless_call_finalf(call, "ok");
}

static void wrong_spendings_are_errors(void) {
    job tries = {.run = try_wrong};
    hubless_switch *made =
        new_switch((hubless_switch_options){.input_tokens = HUBLESS_AT_MOST(4000)});
    suite_agent("tries", on_job, &tries);
    CHECK(ask_under("tries", made, NULL) == HUBLESS_OK);
    CHECK(freed(made).spent.input_tokens == 5);
}

static void on_spend(hubless_status status, hubless_spend *spend, const hubless_error *err,
                     void *user) {
    hubless_amount used = {.input_tokens = 3};
    CHECK(status == HUBLESS_OK && err->kind == HUBLESS_OK);
    CHECK(hubless_spend_used(spend, &used, NULL) == HUBLESS_OK);
    hubless_call_finalf(user, "ok");
}

static void on_spend_here(hubless_call *call, void *user) {
    hubless_amount most = {.input_tokens = 10};
    hubless_spend *spend = NULL;
    *(hubless_status *)user = hubless_call_spend(call, &most, &spend, NULL);
    CHECK(hubless_call_spend_async(call, &most, on_spend, call, NULL) == HUBLESS_OK);
}

static void a_callback_spends_without_blocking(void) {
    hubless_status blocking = HUBLESS_OK;
    hubless_switch *made =
        new_switch((hubless_switch_options){.input_tokens = HUBLESS_AT_MOST(400)});
    suite_agent("spends", on_spend_here, &blocking);
    CHECK(ask_under("spends", made, NULL) == HUBLESS_OK);
    CHECK(blocking == HUBLESS_WOULD_DEADLOCK && freed(made).spent.input_tokens == 3);
}

typedef struct {
    int begun, cancelled;
    hubless_status reason;
    hubless_call *call;
} stopped;

static void on_begun(hubless_call *call, void *user) {
    ((stopped *)user)->call = call;
    suite_count(&((stopped *)user)->begun);
}

static void on_cancel(hubless_call *call, hubless_status reason, void *user) {
    stopped *me = user;
    int is = 0;
    CHECK(call == me->call && hubless_call_cancelled(call, &is, NULL) == HUBLESS_OK && is == 1);
    me->reason = reason;
    hubless_call_final(call, NULL, NULL);
    suite_count(&me->cancelled);
}

/* How a request under a switch ended: by which way it was made, and with what. */
typedef struct {
    const hubless_switch *kill_switch;
    int way, ended;
    hubless_status kind;
    char code[32];
} waiter;

static void end_of(waiter *me, const hubless_error *err) {
    me->kind = err->kind;
    snprintf(me->code, sizeof me->code, "%.*s", (int)err->code.len, err->code.data);
    suite_count(&me->ended);
}

static void on_event(const hubless_event *event, void *user) {
    if (event->kind == HUBLESS_EVENT_FAILED) {
        end_of(user, event->error);
    }
}

static void *wait_for_end(void *user) {
    waiter *me = user;
    hubless_error err = HUBLESS_ERROR_INIT, why = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .kill_switch = me->kill_switch};
    if (me->way == 0) {
        CHECK(hubless_request(suite_node(), HUBLESS_STR("slow"), &content, &asked, &reply, &err));
        end_of(me, &err);
    } else if (me->way == 1) {
        hubless_status status = hubless_send(suite_node(), HUBLESS_STR("slow"), &content, &asked,
                                             &reply, &why, &err);
        end_of(me, status == HUBLESS_OK ? &why : &err);
    } else {
        CHECK(hubless_stream(suite_node(), HUBLESS_STR("slow"), &content, &asked, on_event, me,
                             NULL) == HUBLESS_OK);
    }
    hubless_error_clear(&err);
    hubless_error_clear(&why);
    return NULL;
}

static void a_trip_stops_handler_and_caller(void) {
    for (int way = 0; way < 3; way++) {
        stopped me = {.begun = 0};
        waiter caller = {.way = way};
        pthread_t thread;
        hubless_switch *made = new_switch((hubless_switch_options){.calls = HUBLESS_AT_MOST(9)});
        hubless_agent_options slow = hubless_agent_named("slow", on_begun, &me);
        hubless_agent *agent = NULL;
        slow.on_cancel = on_cancel;
        CHECK(hubless_register(suite_node(), &slow, &agent, NULL) == HUBLESS_OK);
        caller.kill_switch = made;
        CHECK(pthread_create(&thread, NULL, wait_for_end, &caller) == 0);
        CHECK(suite_reaches(&me.begun, 1) && me.cancelled == 0 && caller.ended == 0);
        CHECK(hubless_switch_trip(made, hubless_cstr(NULL), NULL) == HUBLESS_OK);
        CHECK(suite_reaches(&me.cancelled, 1) && me.reason == HUBLESS_KILLED);
        CHECK(suite_reaches(&caller.ended, 1) && caller.kind == HUBLESS_KILLED);
        CHECK(strcmp(caller.code, "operator") == 0);
        pthread_join(thread, NULL);
        CHECK(freed(made).tripped == 1);
        CHECK(hubless_agent_free(agent) == HUBLESS_OK);
    }
}

/* A handler that asks in every way that C has to lose its call, and once with it. */
typedef struct {
    hubless_node *node;
    hubless_status plain, thread, with_parent;
} lost;

static void *ask_on_thread(void *user) {
    lost *me = user;
    me->thread = ask_with(&(asking){.node = me->node, .to = "ok"}, NULL);
    return NULL;
}

static void lose(hubless_call *call, void *user) {
    lost *me = user;
    hubless_spend *spend = NULL;
    pthread_t thread;
    CHECK(hubless_call_spend(call, NULL, &spend, NULL) == HUBLESS_OK);
    me->plain = ask_with(&(asking){.node = me->node, .to = "ok"}, NULL);
    CHECK(pthread_create(&thread, NULL, ask_on_thread, me) == 0);
    pthread_join(thread, NULL);
    me->with_parent = ask_with(&(asking){.node = me->node, .to = "ok", .parent = call}, NULL);
    hubless_call_finalf(call, "ok");
}

typedef struct {
    const char *word;
    int own, spent;
    hubless_status expected;
} orphan_rule;

static void on_ok_budgeted(hubless_call *call, void *user) {
    hubless_call_info info = {.size = sizeof info};
    CHECK(hubless_call_get(call, &info, NULL) == HUBLESS_OK);
    __atomic_add_fetch((int *)user, info.has_budget, __ATOMIC_SEQ_CST);
    hubless_call_finalf(call, "ok");
}

static void no_orphan_is_free_unless_allowed(void) {
    hubless_switch_options own = {.size = sizeof own, .calls = HUBLESS_AT_MOST(1)};
    /* The control: where orphans are allowed, the same ways are free. */
    const orphan_rule rules[] = {{NULL, 0, 1, HUBLESS_CONFIGURATION},
                                 {"refuse", 0, 1, HUBLESS_CONFIGURATION},
                                 {"allow", 0, 1, HUBLESS_OK},
                                 {NULL, 1, 3, HUBLESS_OK}};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        hubless_node_options options = {.size = sizeof options,
                                        .orphans = hubless_cstr(rules[i].word),
                                        .own_budget = rules[i].own ? &own : NULL};
        lost me = {.plain = HUBLESS_INTERNAL, .thread = HUBLESS_INTERNAL};
        job loses = {.run = lose, .user = &me};
        int budgeted = 0;
        CHECK(hubless_node_start(&options, &me.node, NULL) == HUBLESS_OK);
        hubless_agent_options ok = hubless_agent_named("ok", on_ok_budgeted, &budgeted);
        hubless_agent_options stray = hubless_agent_named("stray", on_job, &loses);
        CHECK(hubless_register(me.node, &ok, NULL, NULL) == HUBLESS_OK);
        CHECK(hubless_register(me.node, &stray, NULL, NULL) == HUBLESS_OK);
        hubless_switch *made = new_switch((hubless_switch_options){.calls = HUBLESS_AT_MOST(9)});
        asking how = {.node = me.node, .to = "stray", .kill_switch = made};
        CHECK(ask_with(&how, NULL) == HUBLESS_OK);
        CHECK(me.plain == rules[i].expected && me.thread == rules[i].expected);
        CHECK(me.with_parent == HUBLESS_OK && budgeted == rules[i].spent);
        CHECK(freed(made).spent.calls == 2);
        CHECK(hubless_node_close(me.node, 1000) == HUBLESS_OK);
    }
}

static void wrong_orphans_are_errors(void) {
    hubless_switch_options own = {.size = sizeof own, .calls = HUBLESS_AT_MOST(-1)};
    hubless_node_options options = {.size = sizeof options, .own_budget = &own};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_node *node = NULL;
    CHECK(hubless_node_start(&options, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "orphans.ownBudget.calls") && node == NULL);
    own.calls = HUBLESS_AT_MOST(1);
    options.orphans = HUBLESS_STR("allow");
    CHECK(hubless_node_start(&options, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "own_budget"));
    options = (hubless_node_options){.size = sizeof options, .orphans = HUBLESS_STR("ignore")};
    CHECK(hubless_node_start(&options, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "orphans"));
    hubless_error_clear(&err);
}

static void the_most_of_a_request_is_granted(void) {
    hubless_call_info seen = {.size = sizeof seen};
    job thinks = {.run = think, .user = &seen};
    suite_agent("think", on_job, &thinks);
    hubless_switch *made =
        new_switch((hubless_switch_options){.input_tokens = HUBLESS_AT_MOST(4000)});
    asking how = {.to = "think", .kill_switch = made,
                  .max = {.input_tokens = HUBLESS_AT_MOST(700)}};
    CHECK(ask_with(&how, NULL) == HUBLESS_OK && seen.granted.input_tokens.value == 700);
    how.max.input_tokens = HUBLESS_AT_MOST(0);
    CHECK(ask_with(&how, NULL) == HUBLESS_BUDGET_EXHAUSTED);
    how.max.input_tokens = (hubless_limit){0, 700};
    CHECK(ask_with(&how, NULL) == HUBLESS_INVALID_ARGUMENT);
    how.max.input_tokens = HUBLESS_AT_MOST(9007199254740992);
    how.field = "max.inputTokens";
    CHECK(ask_with(&how, NULL) == HUBLESS_INVALID_ARGUMENT);
    how.field = NULL;
    how.max.input_tokens = HUBLESS_AT_MOST(700);
    how.kill_switch = NULL;
    CHECK(ask_with(&how, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(freed(made).spent.input_tokens == 250);
}

/* Asks `think` for 250 tokens and waits until they are settled. */
static void spends_elsewhere(hubless_node *other, hubless_switch *made) {
    hubless_reply_info got;
    asking how = {.node = other, .to = "think", .kill_switch = made, .path = "direct"};
    CHECK(ask_with(&how, &got) == HUBLESS_OK);
    CHECK(got.input_tokens == 250);
    /* The last word of the other node may come after its answer. */
    const double end = suite_ms() + SUITE_PATIENCE_MS;
    while (state_of(made).spent.input_tokens != 250 && suite_ms() < end) {
        usleep(1000);
    }
    CHECK(state_of(made).spent.input_tokens == 250);
}

static void another_node_draws_on_the_same_budget(void) {
    hubless_call_info seen = {.size = sizeof seen};
    stopped me = {.begun = 0};
    job thinks = {.run = think, .user = &seen};
    suite_agent("think", on_job, &thinks);
    hubless_agent_options slow = hubless_agent_named("slow", on_begun, &me);
    slow.on_cancel = on_cancel;
    CHECK(hubless_register(suite_node(), &slow, NULL, NULL) == HUBLESS_OK);
    hubless_node *other = suite_other_node();
    hubless_switch *made =
        new_switch((hubless_switch_options){.input_tokens = HUBLESS_AT_MOST(4000)});
    spends_elsewhere(other, made);
    CHECK(seen.granted.input_tokens.value == 1000);
    /* Under a strict one each lease over there is the word of the node where it begins. */
    hubless_switch *strict = new_switch(
        (hubless_switch_options){.input_tokens = HUBLESS_AT_MOST(4000), .strict = 1});
    spends_elsewhere(other, strict);
    CHECK(hubless_switch_free(strict) == HUBLESS_OK);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .kill_switch = made,
                                     .wait_ms = SUITE_PATIENCE_MS};
    waiter caller = {.way = 2};
    CHECK(hubless_stream(other, HUBLESS_STR("slow"), &content, &asked, on_event, &caller, NULL) ==
          HUBLESS_OK);
    CHECK(suite_reaches(&me.begun, 1));
    CHECK(hubless_switch_trip(made, hubless_cstr(NULL), NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&caller.ended, 1) && caller.kind == HUBLESS_KILLED);
    CHECK(suite_reaches(&me.cancelled, 1) && me.reason == HUBLESS_KILLED);
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
}

/* The lines between two marks of this file, as the guide has them: four spaces less. */
static void append_sample(char *sample, size_t room, const char *mark) {
    char path[4096], line[256], begin[64], end[64];
    int inside = 0;
    snprintf(path, sizeof path, "%s/include/tests/budgets.c", getenv("HUBLESS_ROOT"));
    snprintf(begin, sizeof begin, "/* %s-begin */", mark);
    snprintf(end, sizeof end, "/* %s-end */", mark);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strstr(line, end) != NULL) {
            inside = 0;
        }
        if (inside) {
            size_t at = strlen(sample);
            snprintf(sample + at, room - at, "%s", line + (strncmp(line, "    ", 4) ? 0 : 4));
        }
        inside = inside || strstr(line, begin) != NULL;
    }
    fclose(file);
}

static void on_stop(const hubless_stop *stop, void *user) {
    __atomic_add_fetch((int *)user, stop != NULL, __ATOMIC_SEQ_CST);
}

static void the_guide_shows_what_runs(void) {
    static char guide[65536], sample[8192];
    char path[4096];
    hubless_call_info seen = {.size = sizeof seen};
    job thinks = {.run = think, .user = &seen};
    hubless_node *node = suite_node();
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    int told = 0;
    suite_agent("think", on_job, &thinks);
    /* switch-begin */
    hubless_switch_options limits = {.size = sizeof limits, .calls = HUBLESS_AT_MOST(500),
                                     .input_tokens = HUBLESS_AT_MOST(200000)};
    hubless_switch *kill_switch = NULL;
    hubless_switch_new(&limits, &kill_switch, NULL);
    hubless_switch_on_tripped(kill_switch, on_stop, &told, NULL);
    hubless_request_options under = {.size = sizeof under, .kill_switch = kill_switch};
    hubless_reply *reply = NULL;
    hubless_status status =
        hubless_request(node, HUBLESS_STR("think"), &content, &under, &reply, NULL);
    hubless_switch_info now = {.size = sizeof now};
    hubless_switch_get(kill_switch, &now, NULL); /* now.spent.input_tokens: 250 */
    hubless_switch_trip(kill_switch, HUBLESS_STR("operator"), NULL);
    hubless_switch_free(kill_switch);
    /* switch-end */
    CHECK(status == HUBLESS_OK && now.spent.input_tokens == 250 && suite_reaches(&told, 1));
    hubless_reply_free(reply);
    if (getenv("HUBLESS_ROOT") == NULL) {
        suite_skip("HUBLESS_ROOT is not set");
        return;
    }
    snprintf(path, sizeof path, "%s/include/README.md", getenv("HUBLESS_ROOT"));
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fread(guide, 1, sizeof guide - 1, file) > 0);
    fclose(file);
    append_sample(sample, sizeof sample, "switch");
    CHECK(strlen(sample) > 500 && strstr(guide, sample) != NULL);
    sample[0] = '\0';
    append_sample(sample, sizeof sample, "budgets");
    CHECK(strlen(sample) > 300 && strstr(guide, sample) != NULL);
}

const test budget_tests[] = {
    {"what is spent is on the switch", what_is_spent_is_on_the_switch},
    {"what is not said is charged in full", what_is_not_said_is_charged_in_full},
    {"wrong spendings are errors", wrong_spendings_are_errors},
    {"a callback spends without blocking", a_callback_spends_without_blocking},
    {"a trip stops handler and caller", a_trip_stops_handler_and_caller},
    {"no orphan is free unless allowed", no_orphan_is_free_unless_allowed},
    {"wrong orphans are errors", wrong_orphans_are_errors},
    {"the most of a request is granted", the_most_of_a_request_is_granted},
    {"another node draws on the same budget", another_node_draws_on_the_same_budget},
    {"the guide shows what runs", the_guide_shows_what_runs},
    {NULL, NULL},
};
