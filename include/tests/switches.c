/* Kill switches by themselves: limits, handles, and who is told of a trip. */
#include "suite.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static hubless_switch *with_calls(uint64_t calls) {
    hubless_switch_options limits = {.size = sizeof limits, .calls = HUBLESS_AT_MOST(calls)};
    hubless_switch *made = NULL;
    CHECK(hubless_switch_new(&limits, &made, NULL) == HUBLESS_OK && made != NULL);
    return made;
}

static hubless_switch_info state_of(const hubless_switch *of) {
    hubless_switch_info info = {.size = sizeof info};
    CHECK(hubless_switch_get(of, &info, NULL) == HUBLESS_OK);
    return info;
}

static void a_switch_says_what_it_allows(void) {
    hubless_switch_options limits = {.size = sizeof limits,
                                     .input_tokens = HUBLESS_AT_MOST(9007199254740991),
                                     .cost_micros = HUBLESS_AT_MOST(0),
                                     .wall_time_ms = HUBLESS_AT_MOST(600000),
                                     .depth = HUBLESS_AT_MOST(16),
                                     .fan_out = HUBLESS_AT_MOST(4096),
                                     .lease_ms = 300000,
                                     .soft = {.calls = HUBLESS_AT_MOST(3)}};
    hubless_switch *made = NULL;
    hubless_text *tree = NULL;
    CHECK(hubless_switch_new(&limits, &made, NULL) == HUBLESS_OK);
    hubless_switch_info info = state_of(made);
    CHECK(info.tripped == 0 && info.at_ms == 0 && info.reason.len == 0 && info.by.len == 0);
    CHECK(info.spent.input_tokens == 0 && info.spent.calls == 0);
    CHECK(info.remaining.input_tokens.limited == 1);
    CHECK(info.remaining.input_tokens.value == 9007199254740991);
    CHECK(info.remaining.cost_micros.limited == 1 && info.remaining.cost_micros.value == 0);
    CHECK(info.remaining.output_tokens.limited == 0 && info.remaining.calls.limited == 0);
    CHECK(info.overrun.input_tokens == 0 && info.overrun.output_tokens == 0);
    CHECK(info.overrun.cost_micros == 0 && info.overrun.calls == 0);
    CHECK(hubless_switch_tree(made, &tree, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_text_get(tree), "null"));
    hubless_text_free(tree);
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
    limits = (hubless_switch_options){.size = sizeof limits, .unlimited = 1};
    CHECK(hubless_switch_new(&limits, &made, NULL) == HUBLESS_OK);
    CHECK(state_of(made).remaining.calls.limited == 0);
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
}

static void refused(const hubless_switch_options *limits, const char *field, const char *code) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_switch *made = (hubless_switch *)limits;
    CHECK(hubless_switch_new(limits, &made, &err) == HUBLESS_INVALID_ARGUMENT && made == NULL);
    CHECK(suite_is(err.field, field));
    CHECK(suite_is(err.code, code));
    hubless_error_clear(&err);
}

#define REFUSED(field, code, ...)                                                                  \
    refused(&(hubless_switch_options){.size = sizeof(hubless_switch_options), __VA_ARGS__}, field, \
            code)

static void bad_limits_name_their_field(void) {
    const hubless_limit bad[] = {HUBLESS_AT_MOST(9007199254740992), HUBLESS_AT_MOST(-1),
                                 HUBLESS_AT_MOST(UINT64_MAX)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        REFUSED("inputTokens", "amount", .input_tokens = bad[i]);
        REFUSED("outputTokens", "amount", .output_tokens = bad[i]);
        REFUSED("costMicros", "amount", .cost_micros = bad[i]);
        REFUSED("calls", "amount", .calls = bad[i]);
        REFUSED("wallTimeMs", "amount", .wall_time_ms = bad[i]);
        REFUSED("soft.calls", "amount", .soft = {.calls = bad[i]});
    }
    /* A value that nothing says is a limit would otherwise be no limit at all. */
    REFUSED("calls", "", .calls = {.value = 5});
    REFUSED("costMicros", "", .cost_micros = {.limited = 2, .value = 5});
    REFUSED("depth", "amount", .depth = HUBLESS_AT_MOST(17));
    REFUSED("fanOut", "amount", .fan_out = HUBLESS_AT_MOST(4097));
    REFUSED("leaseMs", "amount", .calls = HUBLESS_AT_MOST(1), .lease_ms = 300001);
    REFUSED("unlimited", "unlimited", .lease_ms = 500);
    REFUSED("unlimited", "unlimited", .strict = 1);
    REFUSED("strict", "", .calls = HUBLESS_AT_MOST(1), .strict = 2);
    REFUSED("unlimited", "", .unlimited = 1, .calls = HUBLESS_AT_MOST(1));
    refused(NULL, "unlimited", "unlimited");
    hubless_switch_options sizeless = {.size = 0, .unlimited = 1};
    refused(&sizeless, "size", "");
    CHECK(hubless_switch_new(NULL, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
}

static void on_tripped(const hubless_stop *stop, void *user) {
    (void)stop;
    suite_count((int *)user);
}

static void wrong_everywhere(hubless_switch *wrong) {
    hubless_switch_info info = {.size = sizeof info};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_text *tree = NULL;
    hubless_reply *reply = NULL;
    int told = 0;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .kill_switch = wrong};
    CHECK(hubless_switch_get(wrong, &info, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_switch_tree(wrong, &tree, NULL) == HUBLESS_INVALID_ARGUMENT && tree == NULL);
    CHECK(hubless_switch_on_tripped(wrong, on_tripped, &told, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_switch_trip(wrong, hubless_cstr(NULL), &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "kill_switch"));
    CHECK(hubless_switch_free(wrong) == HUBLESS_INVALID_ARGUMENT && told == 0);
    if (wrong != NULL) {
        CHECK(hubless_request(suite_node(), HUBLESS_STR("nobody"), &content, &asked, &reply,
                              &err) == HUBLESS_INVALID_ARGUMENT);
        CHECK(suite_is(err.field, "kill_switch"));
    }
    hubless_error_clear(&err);
}

static void wrong_switches_are_errors(void) {
    hubless_switch *freed = with_calls(1), *open = with_calls(1);
    CHECK(hubless_switch_free(freed) == HUBLESS_OK);
    wrong_everywhere(NULL);
    wrong_everywhere(freed);
    wrong_everywhere((hubless_switch *)suite_node());
    wrong_everywhere((hubless_switch *)(uintptr_t)1);
    /* Nor is a switch anything else. */
    CHECK(hubless_node_close((hubless_node *)open, 0) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_spend_drop((hubless_spend *)open) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_switch_on_tripped(open, NULL, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_switch_get(open, NULL, NULL) == HUBLESS_INVALID_ARGUMENT);
    CHECK(state_of(open).tripped == 0);
    CHECK(hubless_switch_free(open) == HUBLESS_OK);
}

typedef struct {
    int told, stopped;
    char reason[32], by[80];
    uint64_t at_ms;
} listener;

static void on_stop(const hubless_stop *stop, void *user) {
    listener *me = user;
    if (stop != NULL) {
        snprintf(me->reason, sizeof me->reason, "%.*s", (int)stop->reason.len, stop->reason.data);
        snprintf(me->by, sizeof me->by, "%.*s", (int)stop->by.len,
                 stop->by.data == NULL ? "" : stop->by.data);
        me->at_ms = stop->at_ms;
        me->stopped++;
    }
    suite_count(&me->told);
}

static void on_ok(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "ok");
}

static hubless_status ask_under(const hubless_switch *kill_switch, hubless_error *err) {
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .kill_switch = kill_switch};
    hubless_status status =
        hubless_request(suite_node(), HUBLESS_STR("ok"), &content, &asked, &reply, err);
    hubless_reply_free(reply);
    return status;
}

static void a_trip_is_told_once_and_for_good(void) {
    listener before = {.told = 0}, other = {.told = 0}, after = {.told = 0};
    hubless_switch *made = with_calls(9);
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_switch_on_tripped(made, on_stop, &before, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_on_tripped(made, on_stop, &other, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_trip(made, HUBLESS_STR("bored"), &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "reason") && state_of(made).tripped == 0 && before.told == 0);
    CHECK(hubless_switch_trip(made, hubless_cstr(NULL), NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&before.told, 1) && suite_reaches(&other.told, 1));
    CHECK(hubless_switch_trip(made, HUBLESS_STR("depth"), NULL) == HUBLESS_OK);
    CHECK(hubless_switch_on_tripped(made, on_stop, &after, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&after.told, 1));
    hubless_switch_info info = state_of(made);
    CHECK(info.tripped == 1 && suite_is(info.reason, "operator") && info.by.data == NULL);
    CHECK(strcmp(after.reason, "operator") == 0 && after.at_ms == info.at_ms && info.at_ms > 0);
    suite_agent("ok", on_ok, NULL);
    CHECK(ask_under(made, &err) != HUBLESS_OK && err.kind == HUBLESS_KILLED);
    CHECK(suite_is(err.code, "operator"));
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
    CHECK(before.told == 1 && other.told == 1 && after.told == 1 && before.stopped == 1);
    hubless_error_clear(&err);
}

static void a_trip_of_a_used_switch_says_by_whom(void) {
    listener one = {.told = 0};
    hubless_text *status = NULL, *key = NULL;
    hubless_switch *made = with_calls(9);
    suite_agent("ok", on_ok, NULL);
    CHECK(ask_under(made, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_on_tripped(made, on_stop, &one, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_trip(made, HUBLESS_STR("operator"), NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&one.told, 1));
    CHECK(hubless_node_status(suite_node(), &status, NULL) == HUBLESS_OK);
    CHECK(hubless_json_get(hubless_text_get(status), HUBLESS_STR("/nodeKey"), &key, NULL) == 0);
    CHECK(suite_is(hubless_text_get(key), one.by));
    CHECK(suite_same(state_of(made).by, hubless_text_get(key)));
    hubless_text_free(status);
    hubless_text_free(key);
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
}

static void a_freed_switch_tells_who_waits(void) {
    listener one = {.told = 0}, late = {.told = 0};
    hubless_switch *made = with_calls(9), *stopped = with_calls(9);
    CHECK(hubless_switch_on_tripped(made, on_stop, &one, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
    CHECK(suite_reaches(&one.told, 1) && one.stopped == 0);
    /* A trip that came first is told as one. */
    CHECK(hubless_switch_on_tripped(stopped, on_stop, &late, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_trip(stopped, hubless_cstr(NULL), NULL) == HUBLESS_OK);
    CHECK(hubless_switch_free(stopped) == HUBLESS_OK);
    CHECK(suite_reaches(&late.told, 1) && late.stopped == 1);
    CHECK(hubless_handles() == 0);
}

/* Threads of this process that deliver callbacks; what nobody holds open is no such thread. */
static int dispatchers(void) {
    char path[300], name[32];
    int count = 0;
    DIR *open = opendir("/proc/self/task");
    for (struct dirent *one = readdir(open); one != NULL; one = readdir(open)) {
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", one->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            count += fgets(name, sizeof name, file) != NULL && strcmp(name, "hubless-c\n") == 0;
            fclose(file);
        }
    }
    closedir(open);
    return count;
}

static int descriptors(void) {
    int count = 0;
    DIR *open = opendir("/proc/self/fd");
    while (readdir(open) != NULL) {
        count++;
    }
    closedir(open);
    return count;
}

/* A thread has its name a moment after it is made, and ends a moment after what it waits for. */
static int dispatchers_become(int count) {
    const double end = suite_ms() + SUITE_PATIENCE_MS;
    while (dispatchers() != count && suite_ms() < end) {
        usleep(1000);
    }
    return dispatchers() == count;
}

static void switches_leave_nothing_behind(void) {
    enum { ROUNDS = 40 };
    int told = 0, seen = 0, files = 0;
    CHECK(dispatchers_become(0));
    for (int i = 0; i <= ROUNDS; i++) {
        hubless_switch *made = with_calls(9);
        CHECK(hubless_switch_on_tripped(made, on_tripped, &told, NULL) == HUBLESS_OK);
        /* The control: while it lives it is seen. */
        seen += hubless_handles() > 0 && dispatchers_become(1);
        if (i % 2 == 0) {
            CHECK(hubless_switch_trip(made, hubless_cstr(NULL), NULL) == HUBLESS_OK);
        }
        CHECK(hubless_switch_free(made) == HUBLESS_OK && dispatchers_become(0));
        /* The first one starts what the process keeps. */
        files = i == 0 ? descriptors() : files;
    }
    CHECK(seen == ROUNDS + 1 && suite_reaches(&told, ROUNDS + 1));
    /* Those of nodes before this test may still be closing. */
    CHECK(hubless_handles() == 0 && descriptors() <= files);
}

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int open, entered, left;
    hubless_switch *own;
    hubless_status freed, blocked;
} gate;

static void on_tripped_block(const hubless_stop *stop, void *user) {
    gate *at = user;
    (void)stop;
    pthread_mutex_lock(&at->lock);
    suite_count(&at->entered);
    while (!at->open) {
        pthread_cond_wait(&at->changed, &at->lock);
    }
    pthread_mutex_unlock(&at->lock);
    suite_count(&at->left);
}

static void a_callback_that_blocks_holds_nothing_up(void) {
    gate at = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    listener other = {.told = 0};
    hubless_switch *stuck = with_calls(9), *free_one = with_calls(9);
    hubless_error err = HUBLESS_ERROR_INIT;
    suite_agent("ok", on_ok, NULL);
    CHECK(hubless_switch_on_tripped(stuck, on_tripped_block, &at, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_on_tripped(free_one, on_stop, &other, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_trip(stuck, hubless_cstr(NULL), NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&at.entered, 1));
    CHECK(state_of(stuck).tripped == 1);
    CHECK(ask_under(stuck, &err) != HUBLESS_OK && err.kind == HUBLESS_KILLED);
    CHECK(ask_under(free_one, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_trip(free_one, hubless_cstr(NULL), NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&other.told, 1));
    /* Nor does letting it go. */
    CHECK(hubless_switch_free(stuck) == HUBLESS_OK && hubless_switch_free(free_one) == HUBLESS_OK);
    CHECK(__atomic_load_n(&at.left, __ATOMIC_SEQ_CST) == 0);
    pthread_mutex_lock(&at.lock);
    at.open = 1;
    pthread_cond_broadcast(&at.changed);
    pthread_mutex_unlock(&at.lock);
    CHECK(suite_reaches(&at.left, 1));
    hubless_error_clear(&err);
}

static void on_tripped_free(const hubless_stop *stop, void *user) {
    gate *at = user;
    hubless_node *node = NULL;
    CHECK(stop != NULL);
    at->blocked = hubless_node_start(NULL, &node, NULL);
    at->freed = hubless_switch_free(at->own);
    suite_count(&at->left);
}

static void a_callback_may_free_its_switch(void) {
    gate at = {.own = with_calls(9), .freed = HUBLESS_INTERNAL};
    CHECK(hubless_switch_on_tripped(at.own, on_tripped_free, &at, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_trip(at.own, hubless_cstr(NULL), NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&at.left, 1) && at.freed == HUBLESS_OK);
    CHECK(at.blocked == HUBLESS_WOULD_DEADLOCK);
    CHECK(hubless_switch_free(at.own) == HUBLESS_INVALID_ARGUMENT);
}

static void wall_time_trips_by_itself(void) {
    hubless_switch_options limits = {.size = sizeof limits, .wall_time_ms = HUBLESS_AT_MOST(1)};
    hubless_switch *made = NULL;
    listener one = {.told = 0};
    suite_agent("ok", on_ok, NULL);
    CHECK(hubless_switch_new(&limits, &made, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_on_tripped(made, on_stop, &one, NULL) == HUBLESS_OK);
    /* It begins to count before a node uses it; a node says that it is over. */
    ask_under(made, NULL);
    CHECK(suite_reaches(&one.told, 1) && strcmp(one.reason, "wall_time") == 0);
    CHECK(hubless_switch_free(made) == HUBLESS_OK);
}

const test switch_tests[] = {
    {"a switch says what it allows", a_switch_says_what_it_allows},
    {"bad limits name their field", bad_limits_name_their_field},
    {"wrong switches are errors", wrong_switches_are_errors},
    {"a trip is told once and for good", a_trip_is_told_once_and_for_good},
    {"a trip of a used switch says by whom", a_trip_of_a_used_switch_says_by_whom},
    {"a freed switch tells who waits", a_freed_switch_tells_who_waits},
    {"switches leave nothing behind", switches_leave_nothing_behind},
    {"a callback that blocks holds nothing up", a_callback_that_blocks_holds_nothing_up},
    {"a callback may free its switch", a_callback_may_free_its_switch},
    {"wall time trips by itself", wall_time_trips_by_itself},
    {NULL, NULL},
};
