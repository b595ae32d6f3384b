#include "cases.h"

#include "ask.h"
#include "expect.h"
#include "operations.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 64, SHOWN_MAX = 400 };

typedef struct {
    hubless_node *node;
    const char *to;
    char own_key[80], peer_key[80], agent_id[80];
    char run[64];
    int passed, failed, number;
} runner;

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *replaced(const char *text, const char *from, const char *with) {
    const char *at = strstr(text, from);
    if (at == NULL) {
        return strdup(text);
    }
    size_t before = (size_t)(at - text);
    char *rest = replaced(at + strlen(from), from, with);
    char *made = malloc(before + strlen(with) + strlen(rest) + 1);
    memcpy(made, text, before);
    strcpy(made + before, with);
    strcat(made, rest);
    free(rest);
    return made;
}

static json *long_text(size_t len) {
    json *made = json_new(JSON_STRING);
    made->text = malloc(len + 1);
    memset(made->text, 'x', len);
    made->text[len] = '\0';
    return made;
}

/* Cuts long texts: a report is to be read. */
static void shorten(json *value) {
    if (value->type == JSON_STRING && strlen(value->text) > SHOWN_MAX) {
        value->text[SHOWN_MAX] = '\0';
    }
    for (size_t i = 0; i < value->count; i++) {
        shorten(value->items[i]);
    }
}

/* Puts in what the placeholders stand for, everywhere in a value. */
static json *filled(const runner *of, const json *value, int repetition) {
    char number[16];
    snprintf(number, sizeof number, "%d", repetition);
    if (value->type == JSON_STRING && strcmp(value->text, "$DEEP") == 0) {
        char deep[201];
        memset(deep, '[', 100);
        memset(deep + 100, ']', 100);
        deep[200] = '\0';
        return json_parse_text(deep);
    }
    if (value->type == JSON_STRING && strncmp(value->text, "$LONG", 5) == 0) {
        return long_text(strtoul(value->text + 5, NULL, 10));
    }
    json *made = json_copy(value);
    if (made->type == JSON_STRING) {
        char *to = replaced(made->text, "$TO", of->to);
        char *run = replaced(to, "$RUN", of->run);
        char *key = replaced(run, "$KEY", of->peer_key);
        char *id = replaced(key, "$ID", of->agent_id);
        free(made->text);
        made->text = replaced(id, "$N", number);
        free(to);
        free(run);
        free(key);
        free(id);
    }
    for (size_t i = 0; i < made->count; i++) {
        if (made->keys != NULL) {
            char *to = replaced(made->keys[i], "$TO", of->to);
            free(made->keys[i]);
            made->keys[i] = to;
        }
        json *inner = filled(of, made->items[i], repetition);
        json_free(made->items[i]);
        made->items[i] = inner;
    }
    return made;
}

/* The counters of the other process, with path and peer. */
static json *stats(const runner *of) {
    char to[96];
    json *request = json_parse_text("{\"content\": {\"value\": \"?\"}}");
    snprintf(to, sizeof to, "%s.stats", of->to);
    ask what = {.node = of->node, .to = to, .request = request};
    json *outcome = ask_once(&what);
    json_free(request);
    return outcome;
}

/* An agent that has never run may be missing. */
static double counted(const json *stats, const char *what, const char *agent) {
    return json_get_number(json_get(json_get(stats, "value"), what), agent, 0);
}

/* All of them at once; the callee's name may hold the last digit of the number. */
static json *parallel(const ask *what, int n) {
    asked **all = calloc((size_t)n, sizeof(asked *));
    json *out = json_new(JSON_OBJECT), *outcomes = json_new(JSON_OBJECT);
    for (int i = 0; i < n; i++) {
        char digit[2] = {(char)('0' + i % 10), 0};
        char *to = what->to == NULL ? NULL : replaced(what->to, "$D", digit);
        ask one = {.node = what->node, .to = to, .request = what->request,
                   .action = what->action};
        all[i] = ask_begin(&one);
        free(to);
    }
    for (int i = 0; i < n; i++) {
        json *ended = ask_end(all[i]);
        const char *kind = json_get_text(json_get(ended, "error"), "kind");
        const char *name = kind == NULL ? "ok" : kind;
        json_set(outcomes, name, json_number(json_get_number(outcomes, name, 0) + 1));
        json_free(ended);
    }
    free(all);
    json_set(out, "outcomes", outcomes);
    return out;
}

/* A cancelled case also waits until the other process has counted it, for at most 2 s. */
static json *cancelled(const runner *of, const ask *what, const char *agent, long ms) {
    json *before = stats(of);
    json *outcome = ask_and_cancel(what, ms);
    double wanted = counted(before, "cancelled", agent) + 1;
    for (long end = now_ms() + 2000; now_ms() < end;) {
        json *after = stats(of);
        double seen = counted(after, "cancelled", agent);
        json_free(after);
        if (seen >= wanted) {
            json_free(before);
            return outcome;
        }
        usleep(10000);
    }
    json_free(before);
    json_set(outcome, "error", json_parse_text("{\"kind\": \"the handler was not cancelled\"}"));
    return outcome;
}

/* Name of the agent that a case, or a step of it, calls; to be freed. */
static char *target(const runner *of, const json *item) {
    char to[160];
    const char *own = json_get_text(item, "to");
    snprintf(to, sizeof to, "%s.%s", of->to, json_get_text(item, "agent"));
    char *named = replaced(own != NULL ? own : to, "$TO", of->to);
    char *full = replaced(named, "$RUN", of->run);
    free(named);
    return full;
}

/* A step of a watch: its events are waited for, its answer is not looked at. */
typedef struct {
    const runner *of;
    const char *to;
} watching;

static void watch_ask(const json *request, void *user) {
    const watching *by = user;
    json *full = filled(by->of, request, 0);
    ask what = {.node = by->of->node, .to = by->to, .request = full};
    json_free(ask_once(&what));
    json_free(full);
}

/* What a case does through the node besides asking; NULL: it asks. */
static json *operation(const runner *of, const json *item, const ask *what) {
    json *action = what->action == NULL ? json_new(JSON_OBJECT) : filled(of, what->action, 0);
    const json *query = json_get(action, "watch"), *steps = json_get(what->action, "while");
    const char *check = json_get_text(action, "check");
    json *out = NULL;
    if (query != NULL && steps != NULL) {
        watching by = {of, what->to};
        out = operation_watch(of->node, query, steps, watch_ask, &by);
    } else if (json_get(action, "send") != NULL) {
        out = ask_send(what);
    } else if (check != NULL) {
        out = ask_check(what, operation_own_agent(check));
    } else if (json_get(action, "cancelAfterMs") != NULL) {
        out = cancelled(of, what, json_get_text(item, "agent"),
                        (long)json_get_number(action, "cancelAfterMs", 0));
    } else if (json_get(action, "parallel") != NULL) {
        out = parallel(what, (int)json_get_number(action, "parallel", 1));
    }
    for (size_t i = 0; out == NULL && i < action->count; i++) {
        out = operation_run(of->node, action->keys[i], action->items[i]);
    }
    json_free(action);
    return out;
}

static json *one(const runner *of, const json *item, int repetition) {
    const json *action = json_get(item, "action"), *query = json_get(action, "toQuery");
    const json *given = json_get(item, "request");
    json *request = given == NULL ? json_new(JSON_OBJECT) : filled(of, given, repetition);
    char *to = target(of, item);
    ask what = {.node = of->node, .to = to, .request = request, .action = action};
    if (query != NULL) {
        json *by = json_new(JSON_OBJECT);
        json_set(by, "query", filled(of, query, repetition));
        json_set(request, "to", by);
        what.to = NULL;
    }
    json *outcome = operation(of, item, &what);
    outcome = outcome == NULL ? ask_once(&what) : outcome;
    json_free(request);
    free(to);
    return outcome;
}

static int as_expected(const runner *of, const json *wanted, const json *got, int n) {
    json *full = filled(of, wanted, n);
    int ok = expect_holds(full, got);
    json_free(full);
    return ok;
}

/* Runs the steps of a case; an expectation of the case comes before those of its steps. */
static int steps_hold(const runner *of, const json *item, json **got) {
    const json *steps = json_get(item, "steps"), *expect = json_get(item, "expect");
    int ok = expect == NULL || expect->count == steps->count;
    *got = json_new(JSON_ARRAY);
    for (size_t n = 0; n < steps->count && ok; n++) {
        json *step = json_copy(steps->items[n]);
        json_set(step, "agent", json_copy(json_get(item, "agent")));
        json *outcome = one(of, step, 0);
        json_push(*got, outcome);
        ok = as_expected(of, expect == NULL ? json_get(step, "expect") : expect->items[n], outcome,
                         0);
        json_free(step);
    }
    return ok;
}

/* Runs a case as often as it says; fills `got` with the last outcome that matters. */
static int holds(const runner *of, const json *item, json **got) {
    const json *expect = json_get(item, "expect");
    int times = (int)json_get_number(json_get(item, "action"), "repeat", 1), ok = 1;
    if (json_get(item, "steps") != NULL) {
        return steps_hold(of, item, got);
    }
    if (expect->type == JSON_ARRAY && expect->count != (size_t)times) {
        return 0;
    }
    for (int n = 0; n < times && ok; n++) {
        json_free(*got);
        *got = one(of, item, n);
        ok = as_expected(of, expect->type == JSON_ARRAY ? expect->items[n] : expect, *got, n);
    }
    return ok;
}

/* Finds the id of the agent of a case that speaks of it. */
static void learn_id(runner *of, const json *item) {
    char *text = json_print(item), query[256];
    if (strstr(text, "$ID") != NULL) {
        hubless_agents *list = NULL;
        hubless_found found = {.size = sizeof found};
        snprintf(query, sizeof query,
                 "{\"filter\": {\"field\": \"name\", \"op\": \"=\", \"value\": \"%s.%s\"}}", of->to,
                 json_get_text(item, "agent"));
        hubless_query options = {.size = sizeof options, .query_json = hubless_cstr(query)};
        hubless_find(of->node, &options, &list, NULL);
        if (hubless_agents_get(list, 0, &found, NULL) == HUBLESS_OK) {
            snprintf(of->agent_id, sizeof of->agent_id, "%.*s", (int)found.agent_id.len,
                     found.agent_id.data);
        }
        hubless_agents_free(list);
    }
    free(text);
}

static void run_case(runner *of, const json *item) {
    const char *agent = json_get_text(item, "agent");
    snprintf(of->run, sizeof of->run, "%ld-%d-%d", (long)getpid(), ++of->number, (int)now_ms());
    json *before = stats(of), *got = NULL;
    const char *key = json_get_text(before, "peer");
    snprintf(of->peer_key, sizeof of->peer_key, "%s", key == NULL ? "" : key);
    long began = now_ms();
    learn_id(of, item);
    int ok = holds(of, item, &got);
    long ms = now_ms() - began;
    json *after = stats(of), *line = json_new(JSON_OBJECT);
    double runs = counted(after, "runs", agent) - counted(before, "runs", agent);
    const json *wanted_runs = json_get(item, "runs");
    const char *path = json_get_text(after, "path"), *peer = json_get_text(after, "peer");
    ok = ok && (wanted_runs == NULL || wanted_runs->number == runs);
    ok = ok && path != NULL && strcmp(path, "direct") == 0;
    ok = ok && peer != NULL && strcmp(peer, of->own_key) != 0;
    json_set(line, "case", json_string(json_get_text(item, "id")));
    json_set(line, "ok", json_bool(ok));
    const json *expected = json_get(item, json_get(item, "expect") ? "expect" : "steps");
    json_set(line, "expected", json_copy(expected));
    json_set(line, "got", got == NULL ? json_new(JSON_NULL) : got);
    json_set(line, "path", json_string(path == NULL ? "" : path));
    json_set(line, "peer", json_string(peer == NULL ? "" : peer));
    json_set(line, "runs", json_number(runs));
    json_set(line, "ms", json_number((double)ms));
    shorten(line);
    char *text = json_print(line);
    puts(text);
    fflush(stdout);
    *(ok ? &of->passed : &of->failed) += 1;
    free(text);
    json_free(line);
    json_free(before);
    json_free(after);
}

static int chosen(const char *only, const char *id) {
    if (only == NULL) {
        return 1;
    }
    size_t len = strlen(id);
    for (const char *at = strstr(only, id); at != NULL; at = strstr(at + 1, id)) {
        if ((at == only || at[-1] == ',') && (at[len] == ',' || at[len] == '\0')) {
            return 1;
        }
    }
    return 0;
}

static void run_file(runner *of, const char *path, const char *only) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        of->failed++;
        return;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    size_t count = fread(text, 1, (size_t)size, file);
    fclose(file);
    json *cases = json_parse(text, count);
    of->failed += cases == NULL;
    for (size_t i = 0; cases != NULL && i < cases->count; i++) {
        if (chosen(only, json_get_text(cases->items[i], "id"))) {
            run_case(of, cases->items[i]);
        }
    }
    json_free(cases);
    free(text);
}

static int is_json(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static void run_path(runner *of, const char *path, const char *only) {
    struct stat what;
    if (stat(path, &what) != 0 || !S_ISDIR(what.st_mode)) {
        run_file(of, path, only);
        return;
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_json, alphasort);
    for (int i = 0; i < count; i++) {
        char full[4096];
        snprintf(full, sizeof full, "%s/%s", path, entries[i]->d_name);
        run_file(of, full, only);
        free(entries[i]);
    }
    free(entries);
}

/* Waits until the subject is found: another process may still be starting. */
static int wait_for(const runner *of) {
    for (long end = now_ms() + 30000; now_ms() < end;) {
        json *outcome = stats(of);
        int there = json_get(outcome, "error") == NULL;
        json_free(outcome);
        if (there) {
            return 1;
        }
    }
    return 0;
}

int cases_run(hubless_node *node, const char *to, const char *path, const char *only) {
    runner of = {.node = node, .to = to};
    hubless_text *status = NULL, *key = NULL;
    hubless_node_status(node, &status, NULL);
    hubless_json_get(hubless_text_get(status), HUBLESS_STR("/nodeKey"), &key, NULL);
    hubless_str own = hubless_text_get(key);
    snprintf(of.own_key, sizeof of.own_key, "%.*s", (int)own.len, own.data);
    hubless_text_free(status);
    hubless_text_free(key);
    if (wait_for(&of)) {
        run_path(&of, path, only);
    }
    printf("{\"passed\": %d, \"failed\": %d}\n", of.passed, of.failed);
    return of.passed == 0 ? 1 : of.failed;
}
