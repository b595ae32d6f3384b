#include "cases.h"

#include "ask.h"
#include "expect.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PARALLEL_MAX = 64, FILES_MAX = 64 };

typedef struct {
    hubless_node *node;
    const char *to;
    char own_key[80];
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
    json *made = json_copy(value);
    if (made->type == JSON_STRING) {
        char *to = replaced(made->text, "$TO", of->to);
        char *run = replaced(to, "$RUN", of->run);
        free(made->text);
        made->text = replaced(run, "$N", number);
        free(to);
        free(run);
    }
    for (size_t i = 0; i < made->count; i++) {
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

static json *find(const runner *of, const json *query) {
    char *text = json_print(query);
    hubless_query options = {.size = sizeof options, .query_json = hubless_cstr(text)};
    hubless_agents *list = NULL;
    hubless_found first = {.size = sizeof first};
    json *out = json_new(JSON_OBJECT);
    hubless_find(of->node, &options, &list, NULL);
    if (hubless_agents_count(list) == 0) {
        json_set(out, "none", json_bool(1));
    } else if (hubless_agents_get(list, 0, &first, NULL) == HUBLESS_OK) {
        json_set(out, "first", json_string_of(first.name.data, first.name.len));
    }
    hubless_agents_free(list);
    free(text);
    return out;
}

static void *in_parallel(void *what) { return ask_once(what); }

static json *parallel(const ask *what, int n) {
    pthread_t threads[PARALLEL_MAX];
    json *out = json_new(JSON_OBJECT), *outcomes = json_new(JSON_OBJECT);
    for (int i = 0; i < n && i < PARALLEL_MAX; i++) {
        pthread_create(&threads[i], NULL, in_parallel, (void *)what);
    }
    for (int i = 0; i < n && i < PARALLEL_MAX; i++) {
        void *ended = NULL;
        pthread_join(threads[i], &ended);
        const char *kind = json_get_text(json_get(ended, "error"), "kind");
        const char *name = kind == NULL ? "ok" : kind;
        json_set(outcomes, name, json_number(json_get_number(outcomes, name, 0) + 1));
        json_free(ended);
    }
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

static json *one(const runner *of, const json *item, const char *to, int repetition) {
    const json *action = json_get(item, "action");
    json *request = filled(of, json_get(item, "request"), repetition);
    json *query = json_get(action, "find");
    ask what = {.node = of->node, .to = to, .request = request, .action = action};
    json *outcome;
    if (query != NULL) {
        json *wanted = filled(of, query, repetition);
        outcome = find(of, wanted);
        json_free(wanted);
    } else if (json_get(action, "parallel") != NULL) {
        outcome = parallel(&what, (int)json_get_number(action, "parallel", 1));
    } else if (json_get(action, "cancelAfterMs") != NULL) {
        outcome = cancelled(of, &what, json_get_text(item, "agent"),
                            (long)json_get_number(action, "cancelAfterMs", 0));
    } else {
        outcome = ask_once(&what);
    }
    json_free(request);
    return outcome;
}

/* Runs a case as often as it says; fills `got` with the last outcome that matters. */
static int holds(const runner *of, const json *item, const char *to, json **got) {
    const json *expect = json_get(item, "expect");
    int times = (int)json_get_number(json_get(item, "action"), "repeat", 1), ok = 1;
    for (int n = 0; n < times && ok; n++) {
        const json *wanted = expect;
        if (expect->type == JSON_ARRAY) {
            wanted = (size_t)n < expect->count ? expect->items[n] : json_new(JSON_NULL);
        }
        json *full = filled(of, wanted, n);
        json_free(*got);
        *got = one(of, item, to, n);
        ok = expect_holds(full, *got);
        json_free(full);
    }
    return ok;
}

static void run_case(runner *of, const json *item) {
    const char *agent = json_get_text(item, "agent"), *own = json_get_text(item, "to");
    char to[160];
    snprintf(to, sizeof to, "%s%s%s", own != NULL ? own : of->to, own != NULL ? "" : ".",
             own != NULL ? "" : agent);
    snprintf(of->run, sizeof of->run, "%ld-%d-%d", (long)getpid(), ++of->number, (int)now_ms());
    json *before = stats(of), *got = NULL;
    long began = now_ms();
    int ok = holds(of, item, to, &got);
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
    json_set(line, "expected", json_copy(json_get(item, "expect")));
    json_set(line, "got", got == NULL ? json_new(JSON_NULL) : got);
    json_set(line, "path", json_string(path == NULL ? "" : path));
    json_set(line, "peer", json_string(peer == NULL ? "" : peer));
    json_set(line, "runs", json_number(runs));
    json_set(line, "ms", json_number((double)ms));
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
