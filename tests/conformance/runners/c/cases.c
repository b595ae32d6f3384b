#include "cases.h"

#include "ask.h"
#include "budget.h"
#include "expect.h"
#include "operations.h"
#include "placeholders.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 64, SHOWN_MAX = 400 };

/* How long what must come may take: another process may stand still for seconds. */
enum { PATIENCE_MS = 20000 };

typedef struct {
    hubless_node *node;
    placeholders names;
    char own_key[80];
    char path[16], peer[80]; /* of the last answer of the running case */
    const char *way_of;      /* "answer", or "stats": that of the call beside it */
    budget *budget;          /* of the running case, or NULL */
    long patience_ms;
    int passed, failed, number;
} runner;

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Cuts long texts: a report is to be read. */
static void shorten(json *value) {
    if (value->type == JSON_STRING && value->len > SHOWN_MAX) {
        value->text[SHOWN_MAX] = '\0';
        value->len = SHOWN_MAX;
    }
    for (size_t i = 0; i < value->count; i++) {
        shorten(value->items[i]);
    }
}

/* The counters of the other process, with path and peer of the answer. */
static json *stats(const runner *of) {
    char to[96];
    json *request = json_parse_text("{\"content\": {\"value\": \"?\"}}");
    snprintf(to, sizeof to, "%s.stats", of->names.to);
    ask what = {.node = of->node, .to = to, .request = request};
    json *outcome = ask_once(&what);
    json_free(request);
    return outcome;
}

/* An agent that has never run may be missing. */
static double counted(const json *stats, const char *what, const char *agent) {
    return json_get_number(json_get(json_get(stats, "value"), what), agent, 0);
}

/* Whether what is known of the running case came from another process. */
static int came_away(const runner *of) {
    return strcmp(of->path, "direct") == 0 && of->peer[0] != '\0' &&
           strcmp(of->peer, of->own_key) != 0;
}

/* Notes how an answer came; one that came from this process stays. A refusal does not say it. */
static void note_way(runner *of, const json *outcome) {
    const char *path = json_get_text(outcome, "path"), *peer = json_get_text(outcome, "peer");
    if (path == NULL || peer == NULL) {
        return;
    }
    of->way_of = "answer";
    if (of->path[0] == '\0' || came_away(of)) {
        snprintf(of->path, sizeof of->path, "%s", path);
        snprintf(of->peer, sizeof of->peer, "%s", peer);
    }
}

static void count(json *counts, const char *word) {
    json_set(counts, word, json_number(json_get_number(counts, word, 0) + 1));
}

/* All of them at once, counted with their codes and by kind alone; the callee's name may hold the
 * last digit of the number. */
static json *parallel(runner *of, const ask *what, int n) {
    asked **all = calloc((size_t)n, sizeof(asked *));
    json *out = json_new(JSON_OBJECT), *outcomes = json_new(JSON_OBJECT);
    json *kinds = json_new(JSON_OBJECT);
    for (int i = 0; i < n; i++) {
        char digit[2] = {(char)('0' + i % 10), 0};
        char *to = what->to == NULL ? NULL : replaced(what->to, "$D", digit);
        ask one = *what;
        one.to = to;
        all[i] = ask_begin(&one);
        free(to);
    }
    for (int i = 0; i < n; i++) {
        json *ended = ask_end(all[i]);
        const json *error = json_get(ended, "error");
        const char *kind = error == NULL ? "ok" : json_get_text(error, "kind");
        const char *code = json_get_text(error, "code");
        char word[128];
        int bare = code == NULL || code[0] == '\0';
        snprintf(word, sizeof word, "%s%s%s", kind, bare ? "" : "/", bare ? "" : code);
        count(outcomes, word);
        count(kinds, kind);
        note_way(of, ended);
        json_free(ended);
    }
    free(all);
    json_set(out, "outcomes", outcomes);
    json_set(out, "kinds", kinds);
    return out;
}

/* Waits until the other process has counted one more than before; 1 when it has. */
static int grows(const runner *of, const char *what, const char *agent, const json *before) {
    double wanted = counted(before, what, agent) + 1;
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end; usleep(10000)) {
        json *after = stats(of);
        double seen = counted(after, what, agent);
        json_free(after);
        if (seen >= wanted) {
            return 1;
        }
    }
    return 0;
}

/* A case that is given up or stopped so long after its handler has begun; also waits until the
 * other process has counted that. */
static json *cancelled(const runner *of, const ask *what, const char *agent, const json *action) {
    json *before = stats(of), *trip = json_get(action, "tripAfterMs");
    long ms = (long)(trip != NULL ? trip->number : json_get_number(action, "cancelAfterMs", 0));
    asked *it = ask_begin(what);
    grows(of, "runs", agent, before);
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
    if (trip != NULL) {
        hubless_switch_trip(what->kill_switch, HUBLESS_STR("operator"), NULL);
    } else {
        ask_cancel(what, it);
    }
    json *outcome = ask_end(it);
    if (!grows(of, "cancelled", agent, before)) {
        json_set(outcome, "error",
                 json_parse_text("{\"kind\": \"the handler was not cancelled\"}"));
    }
    json_free(before);
    return outcome;
}

/* Name of the agent that a case, or a step of it, calls; to be freed. */
static char *target(const runner *of, const json *item) {
    char to[160];
    const char *own = json_get_text(item, "to");
    snprintf(to, sizeof to, "%s.%s", of->names.to, json_get_text(item, "agent"));
    char *named = replaced(own != NULL ? own : to, "$TO", of->names.to);
    char *mine = replaced(named, "$RUN", of->names.run);
    char *full = replaced(mine, "$KEPT", of->names.kept);
    free(mine);
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
    json *full = filled(&by->of->names, request, 0);
    ask what = {.node = by->of->node, .to = by->to, .request = full};
    json_free(ask_once(&what));
    json_free(full);
}

/* What a case does through the node besides asking; NULL: it asks. */
static json *operation(runner *of, const json *item, const ask *what) {
    json *action =
        what->action == NULL ? json_new(JSON_OBJECT) : filled(&of->names, what->action, 0);
    const json *query = json_get(action, "watch"), *steps = json_get(what->action, "while");
    const char *check = json_get_text(action, "check");
    json *out = NULL;
    if (query != NULL && steps != NULL) {
        watching by = {of, what->to};
        out = operation_watch(of->node, query, steps, watch_ask, &by);
    } else if (json_get(action, "send") != NULL) {
        out = ask_send(what);
    } else if (json_get(action, "sendShort") != NULL) {
        out = ask_send_short(what);
    } else if (check != NULL) {
        out = ask_check(what, operation_own_agent(check));
    } else if (json_get(action, "cancelAfterMs") != NULL ||
               json_get(action, "tripAfterMs") != NULL) {
        out = cancelled(of, what, json_get_text(item, "agent"), action);
    } else if (json_get(action, "parallel") != NULL) {
        out = parallel(of, what, (int)json_get_number(action, "parallel", 1));
    }
    for (size_t i = 0; out == NULL && i < action->count; i++) {
        out = operation_run(of->node, action->keys[i], action->items[i], of->patience_ms);
    }
    json_free(action);
    return out;
}

static json *one(runner *of, const json *item, int repetition) {
    const json *action = json_get(item, "action"), *query = json_get(action, "toQuery");
    const json *given = json_get(item, "request");
    json *request = given == NULL ? json_new(JSON_OBJECT) : filled(&of->names, given, repetition);
    char *to = target(of, item);
    ask what = {.node = of->node, .to = to, .request = request, .action = action,
                .kill_switch = budget_switch(of->budget)};
    if (query != NULL) {
        json *by = json_new(JSON_OBJECT);
        json_set(by, "query", filled(&of->names, query, repetition));
        json_set(request, "to", by);
        what.to = NULL;
    }
    json *outcome = operation(of, item, &what);
    outcome = outcome == NULL ? ask_once(&what) : outcome;
    note_way(of, outcome);
    json_free(request);
    free(to);
    return outcome;
}

/* What a switch shows may come so long after the last request as the case has patience. */
static int as_expected(const runner *of, const json *wanted, json *got, int n) {
    json *full = filled(&of->names, wanted, n);
    int waits = json_get(full, "switch") != NULL || json_get(full, "strayed") != NULL, ok;
    long end = now_ms() + of->patience_ms;
    do {
        if (of->budget != NULL) {
            json_set(got, "switch", budget_view(of->budget));
        }
        ok = expect_holds(full, got);
    } while (!ok && waits && now_ms() < end && usleep(10000) == 0);
    json_free(full);
    return ok;
}

/* The text of an answer, or the first of the agents that an ambiguous name may mean. */
static const char *kept_of(const json *outcome) {
    const json *candidates = json_get(json_get(outcome, "error"), "candidates");
    int several = candidates != NULL && candidates->count > 0;
    return several ? candidates->items[0]->text : json_get_text(outcome, "text");
}

/* Runs the steps of a case; an expectation of the case comes before those of its steps. */
static int steps_hold(runner *of, const json *item, json **got) {
    const json *steps = json_get(item, "steps"), *expect = json_get(item, "expect");
    int ok = expect == NULL || expect->count == steps->count;
    *got = json_new(JSON_ARRAY);
    for (size_t n = 0; n < steps->count && ok; n++) {
        json *step = json_copy(steps->items[n]);
        json_set(step, "agent", json_copy(json_get(item, "agent")));
        json *outcome = one(of, step, 0);
        json_push(*got, outcome);
        const char *text = kept_of(outcome);
        if (json_get(step, "keep") != NULL && text != NULL) {
            snprintf(of->names.kept, sizeof of->names.kept, "%s", text);
        }
        ok = as_expected(of, expect == NULL ? json_get(step, "expect") : expect->items[n], outcome,
                         0);
        json_free(step);
    }
    return ok;
}

/* Runs a case as often as it says; fills `got` with the last outcome that matters. */
static int holds(runner *of, const json *item, json **got) {
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
                 "{\"filter\": {\"field\": \"name\", \"op\": \"=\", \"value\": \"%s.%s\"}}",
                 of->names.to, json_get_text(item, "agent"));
        hubless_query options = {.size = sizeof options, .query_json = hubless_cstr(query),
                                 .wait_ms = PATIENCE_MS};
        hubless_find(of->node, &options, &list, NULL);
        if (hubless_agents_get(list, 0, &found, NULL) == HUBLESS_OK) {
            snprintf(of->names.agent_id, sizeof of->names.agent_id, "%.*s", (int)found.agent_id.len,
                     found.agent_id.data);
        }
        hubless_agents_free(list);
    }
    free(text);
}

/* Makes the switch of a case, if it has one; 0: it was refused. */
static int has_budget(runner *of, const json *item, json **got) {
    const json *terms = json_get(item, "switch");
    hubless_error err = HUBLESS_ERROR_INIT;
    of->patience_ms = (long)json_get_number(item, "patienceMs", PATIENCE_MS);
    of->budget = terms == NULL ? NULL : budget_new(terms, &err);
    if (terms != NULL && of->budget == NULL) {
        *got = error_of(&err);
    }
    hubless_error_clear(&err);
    return *got == NULL;
}

static void run_case(runner *of, const json *item) {
    const char *agent = json_get_text(item, "agent");
    snprintf(of->names.run, sizeof of->names.run, "%ld-%d-%d", (long)getpid(), ++of->number,
             (int)now_ms());
    json *before = stats(of), *got = NULL;
    const char *key = json_get_text(before, "peer");
    snprintf(of->names.peer_key, sizeof of->names.peer_key, "%s", key == NULL ? "" : key);
    of->path[0] = of->peer[0] = '\0';
    note_way(of, before);
    of->way_of = "stats";
    long began = now_ms();
    learn_id(of, item);
    int ok = has_budget(of, item, &got) && holds(of, item, &got);
    budget_free(of->budget);
    of->budget = NULL;
    long ms = now_ms() - began;
    json *after = stats(of), *line = json_new(JSON_OBJECT);
    double runs = counted(after, "runs", agent) - counted(before, "runs", agent);
    const json *wanted_runs = json_get(item, "runs");
    ok = ok && (wanted_runs == NULL || wanted_runs->number == runs) && came_away(of);
    json_set(line, "case", json_string(json_get_text(item, "id")));
    json_set(line, "ok", json_bool(ok));
    const json *expected = json_get(item, json_get(item, "expect") ? "expect" : "steps");
    json_set(line, "expected", json_copy(expected));
    json_set(line, "got", got == NULL ? json_new(JSON_NULL) : got);
    json_set(line, "path", json_string(of->path));
    json_set(line, "peer", json_string(of->peer));
    json_set(line, "wayOf", json_string(of->way_of));
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
            char go[16];
            if (json_get(cases->items[i], "waits") != NULL && fgets(go, sizeof go, stdin) == NULL) {
                break;
            }
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
    runner of = {.node = node, .names = {.to = to}};
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
