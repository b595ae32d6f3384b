#include "endurance.h"

#include "ask.h"
#include "behaviour.h"

#include <dirent.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* More than any stream is read of, and no bound of what may be read. */
enum { ENDLESS = 1000000000 };
/* So many answers in a row that say the same: the writer stands. */
enum { STILL = 50 };
enum { LOOK_MS = 50 };
/* Of so many calls one is a stream, and of so many streams one is given up half way. */
enum { STREAM_EACH = 10, GIVEN_UP_EACH = 10, PIECES = 10, PIECE_SIZE = 100 };
/* How long a node that is closed waits for what it still does. */
enum { CLOSE_MS = 10000 };

static atomic_long poured;

long endurance_poured(void) { return poured; }

/* Writes a piece, which takes up to 24 bytes more than its size, and gives its length. */
static size_t piece(char *to, long number, size_t size) {
    int begins = snprintf(to, 24, "%ld:", number);
    memset(to + begins, 'x', size);
    return (size_t)begins + size;
}

void run_pour(hubless_call *call, const hubless_call_info *info) {
    json *in = value_of(&info->content);
    long n = (long)json_get_number(in, "n", 0);
    size_t size = (size_t)json_get_number(in, "size", 0);
    char *text = malloc(size + 24);
    json_free(in);
    for (long number = 1; number <= n; number++) {
        hubless_content chunk =
            hubless_content_text((hubless_str){text, piece(text, number, size)});
        if (hubless_call_chunk(call, &chunk, -1, NULL) != HUBLESS_OK) {
            break; /* given up: what ends the call then is not looked at */
        }
        poured++;
    }
    free(text);
    hubless_call_jsonf(call, "{\"n\": %ld}", n);
}

void run_hold(hubless_call *call, const hubless_call_info *info) {
    json *in = value_of(&info->content);
    long ms = (long)json_get_number(in, "ms", 0);
    json_free(in);
    printf("{\"holding\": %ld}\n", ms);
    fflush(stdout);
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
    hubless_call_finalf(call, "done");
}

/* What the process has. */
typedef struct {
    size_t handles, threads, descriptors, memory_kib;
} holdings;

static size_t entries(const char *folder) {
    size_t count = 0;
    DIR *all = opendir(folder);
    for (struct dirent *one = all == NULL ? NULL : readdir(all); one != NULL; one = readdir(all)) {
        count += one->d_name[0] != '.';
    }
    if (all != NULL) {
        closedir(all);
    }
    return count;
}

static size_t memory_kib(void) {
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        kib = strncmp(line, "VmRSS:", 6) == 0 ? strtoul(line + 6, NULL, 10) : kib;
    }
    if (status != NULL) {
        fclose(status);
    }
    return kib;
}

static size_t lesser(size_t one, size_t other) { return one < other ? one : other; }

/* Gives back to the system what is free, and gives what the process has: the least that was seen in
 * a while, since what is only on its way out does not count. */
static holdings least_holdings(long rest_ms) {
    malloc_trim(0);
    holdings least = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX};
    for (long ms = 0; ms <= rest_ms; ms += LOOK_MS) {
        least.handles = lesser(least.handles, hubless_handles());
        least.threads = lesser(least.threads, entries("/proc/self/task"));
        least.descriptors = lesser(least.descriptors, entries("/proc/self/fd"));
        least.memory_kib = lesser(least.memory_kib, memory_kib());
        usleep(LOOK_MS * 1000);
    }
    return least;
}

static void set(json *value, const char *member, double number) {
    json_set(value, member, json_number(number));
}

static void set_holdings(json *value, const holdings *of) {
    set(value, "handles", (double)of->handles);
    set(value, "threads", (double)of->threads);
    set(value, "descriptors", (double)of->descriptors);
    set(value, "memoryKiB", (double)of->memory_kib);
}

void run_usage(hubless_call *call, const hubless_call_info *info) {
    json *in = value_of(&info->content), *out = json_new(JSON_OBJECT);
    holdings least = least_holdings((long)json_get_number(in, "restMs", 0));
    json_free(in);
    set_holdings(out, &least);
    answer(call, out);
}

/* A stream that is read; after as many pieces as are allowed its callback holds the writer back. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t told;
    const hubless_node *node;
    uint64_t ticket;
    size_t size;
    char *wanted; /* room for a piece */
    long read, wrong, allowed;
    useconds_t every_us;
    int given_up, ended;
    json *error; /* how it failed, unless it was given up */
} reading;

static void take_piece(reading *of, hubless_str text) {
    of->read++;
    size_t len = piece(of->wanted, of->read, of->size);
    of->wrong += text.len != len || memcmp(text.data, of->wanted, len) != 0;
    pthread_cond_broadcast(&of->told);
    while (of->read >= of->allowed && !of->given_up) {
        pthread_cond_wait(&of->told, &of->lock);
    }
}

static void on_piece(const hubless_event *event, void *user) {
    reading *of = user;
    useconds_t pause = 0;
    pthread_mutex_lock(&of->lock);
    if (event->kind == HUBLESS_EVENT_CHUNK && !of->given_up) {
        pause = of->every_us;
        take_piece(of, event->text);
    } else if (event->kind == HUBLESS_EVENT_FINAL) {
        hubless_reply_free(event->reply);
        of->ended = 1;
    } else if (event->kind == HUBLESS_EVENT_FAILED) {
        of->error = of->given_up ? NULL : error_of(event->error);
        of->ended = 1;
    }
    pthread_cond_broadcast(&of->told);
    int over = of->ended || of->given_up;
    pthread_mutex_unlock(&of->lock);
    if (!over && pause > 0) {
        usleep(pause);
    }
}

/* Begins to read; `size`, `allowed` and `every_us` are set. */
static void reading_begin(reading *of, const hubless_node *node, const char *to, long n) {
    char wanted[64];
    hubless_error err = HUBLESS_ERROR_INIT;
    pthread_mutex_init(&of->lock, NULL);
    pthread_cond_init(&of->told, NULL);
    of->node = node;
    of->wanted = malloc(of->size + 24);
    snprintf(wanted, sizeof wanted, "{\"n\": %ld, \"size\": %zu}", n, of->size);
    hubless_content content = hubless_content_json(hubless_cstr(wanted));
    hubless_request_options options = {.size = sizeof options, .ticket = &of->ticket,
                                       .wait_ms = 20000};
    if (hubless_stream(node, hubless_cstr(to), &content, &options, on_piece, of, &err) !=
        HUBLESS_OK) {
        of->error = error_of(&err);
        of->ended = 1;
    }
    hubless_error_clear(&err);
}

/* Waits until so many pieces were read, the stream has ended, or the time has come (NULL: never);
 * 1 when so many were read. */
static int reading_wait(reading *of, long pieces, const struct timespec *until) {
    int waits = 0;
    pthread_mutex_lock(&of->lock);
    while (of->read < pieces && !of->ended && waits == 0) {
        waits = until == NULL ? pthread_cond_wait(&of->told, &of->lock)
                              : pthread_cond_timedwait(&of->told, &of->lock, until);
    }
    int read = of->read >= pieces;
    pthread_mutex_unlock(&of->lock);
    return read;
}

static void reading_allow(reading *of, long pieces) {
    pthread_mutex_lock(&of->lock);
    of->allowed = pieces;
    pthread_cond_broadcast(&of->told);
    pthread_mutex_unlock(&of->lock);
}

/* Gives it up if it has not ended, waits for its end, and gives how it failed, or NULL. */
static json *reading_end(reading *of) {
    pthread_mutex_lock(&of->lock);
    of->given_up = !of->ended;
    pthread_cond_broadcast(&of->told);
    pthread_mutex_unlock(&of->lock);
    if (of->given_up) {
        hubless_cancel(of->node, of->ticket, NULL);
    }
    reading_wait(of, LONG_MAX, NULL);
    pthread_cond_destroy(&of->told);
    pthread_mutex_destroy(&of->lock);
    free(of->wanted);
    return of->error;
}

static json *value_with(json *value) {
    json *out = json_new(JSON_OBJECT);
    json_set(out, "value", value);
    return out;
}

/* Reads one stream for so long, a piece at a time, and gives it up. */
static json *read_for(const hubless_node *node, const json *given) {
    long ms = (long)json_get_number(given, "ms", 0);
    reading of = {.size = (size_t)json_get_number(given, "size", 0), .allowed = LONG_MAX,
                  .every_us = (useconds_t)(json_get_number(given, "everyMs", 0) * 1000)};
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000 + (until.tv_nsec + ms % 1000 * 1000000) / 1000000000;
    until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000) % 1000000000;
    reading_begin(&of, node, json_get_text(given, "to"), ENDLESS);
    reading_wait(&of, LONG_MAX, &until);
    json *failed = reading_end(&of), *value = json_new(JSON_OBJECT);
    set(value, "read", (double)of.read);
    set(value, "wrong", (double)of.wrong);
    json *out = value_with(value);
    return failed == NULL ? out : (json_free(out), failed);
}

static long poured_of(hubless_node *node, const char *stats) {
    json *request = json_parse_text("{\"content\": {\"value\": \"?\"}}");
    ask what = {.node = node, .to = stats, .request = request};
    json *told = ask_once(&what);
    long count = (long)json_get_number(json_get(told, "value"), "poured", -1);
    json_free(told);
    json_free(request);
    return count;
}

static long still(hubless_node *node, const char *stats) {
    long seen = -1;
    for (int same = 0; same < STILL;) {
        long now = poured_of(node, stats);
        same = now == seen ? same + 1 : 0;
        seen = now;
    }
    return seen;
}

/* Reads one piece, waits until the writer stands, and reads on until it must have moved. A node of
 * its own reads: while its callback waits, no other callback of it runs. */
static json *read_slowly(hubless_node *node, const json *given) {
    const char *stats = json_get_text(given, "stats");
    reading of = {.size = (size_t)json_get_number(given, "size", 0), .allowed = 1};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_node *reads = NULL;
    if (hubless_node_start(NULL, &reads, &err) != HUBLESS_OK) {
        json *failed = error_of(&err);
        hubless_error_clear(&err);
        return failed;
    }
    long before = poured_of(node, stats), stood = 0;
    reading_begin(&of, reads, json_get_text(given, "to"), (long)json_get_number(given, "n", 0));
    if (reading_wait(&of, 1, NULL)) {
        stood = still(node, stats) - before;
        reading_allow(&of, stood + 1);
        reading_wait(&of, stood + 1, NULL);
    }
    json *failed = reading_end(&of), *value = json_new(JSON_OBJECT);
    hubless_node_close(reads, CLOSE_MS);
    set(value, "stood", (double)stood);
    set(value, "read", (double)of.read);
    set(value, "wrong", (double)of.wrong);
    json *out = value_with(value);
    return failed == NULL ? out : (json_free(out), failed);
}

/* One of the threads that call often. */
typedef struct {
    pthread_t thread;
    hubless_node *node;
    const char *to;
    long first, count, step, right;
} worker;

static int call_whole(const worker *of, const char *to) {
    hubless_content content = hubless_content_text(HUBLESS_STR("?"));
    hubless_reply *reply = NULL;
    if (hubless_request(of->node, hubless_cstr(to), &content, NULL, &reply, NULL) != HUBLESS_OK) {
        return 0;
    }
    hubless_str text = hubless_reply_text(reply);
    int right = text.len == 2 && memcmp(text.data, "ok", 2) == 0;
    hubless_reply_free(reply);
    return right;
}

static int call_stream(const worker *of, const char *to, int given_up) {
    reading one = {.size = PIECE_SIZE, .allowed = given_up ? PIECES : LONG_MAX};
    reading_begin(&one, of->node, to, given_up ? ENDLESS : PIECES);
    reading_wait(&one, given_up ? PIECES : LONG_MAX, NULL);
    json *failed = reading_end(&one);
    int right = failed == NULL && one.read == PIECES && one.wrong == 0;
    json_free(failed);
    return right;
}

static void *work(void *user) {
    worker *of = user;
    char whole[96], stream[96];
    snprintf(whole, sizeof whole, "%s.wide0", of->to);
    snprintf(stream, sizeof stream, "%s.pour", of->to);
    for (long number = of->first; number < of->count; number += of->step) {
        of->right += number % STREAM_EACH != 0
                         ? call_whole(of, whole)
                         : call_stream(of, stream, number % (STREAM_EACH * GIVEN_UP_EACH) == 0);
    }
    return NULL;
}

/* Makes so many calls, streams among them, some at once; each must come to its end. */
static json *call_often(hubless_node *node, const json *given) {
    long at_once = (long)json_get_number(given, "atOnce", 1), right = 0;
    worker *workers = calloc((size_t)at_once, sizeof *workers);
    for (long i = 0; i < at_once; i++) {
        workers[i] = (worker){.node = node, .to = json_get_text(given, "to"), .first = i,
                              .count = (long)json_get_number(given, "count", 0), .step = at_once};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            abort();
        }
    }
    for (long i = 0; i < at_once; i++) {
        pthread_join(workers[i].thread, NULL);
        right += workers[i].right;
    }
    free(workers);
    holdings least = least_holdings((long)json_get_number(given, "restMs", 0));
    json *value = json_new(JSON_OBJECT);
    set(value, "right", (double)right);
    set_holdings(value, &least);
    return value_with(value);
}

static void on_cycled(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "ok");
}

static int cycle_once(long number) {
    char name[64];
    hubless_node *node = NULL;
    snprintf(name, sizeof name, "cycled-%ld-%ld", (long)getpid(), number);
    hubless_agent_options options = hubless_agent_named(name, on_cycled, NULL);
    if (hubless_node_start(NULL, &node, NULL) != HUBLESS_OK) {
        return 0;
    }
    worker one = {.node = node};
    int right = hubless_register(node, &options, NULL, NULL) == HUBLESS_OK &&
                call_whole(&one, name);
    return hubless_node_close(node, CLOSE_MS) == HUBLESS_OK && right;
}

/* Starts a node, has an agent of it called, and closes it, so many times. */
static json *cycle(const json *given) {
    long count = (long)json_get_number(given, "count", 0), cycles = 0;
    while (cycles < count && cycle_once(cycles)) {
        cycles++;
    }
    holdings least = least_holdings((long)json_get_number(given, "restMs", 0));
    json *value = json_new(JSON_OBJECT);
    set(value, "cycles", (double)cycles);
    set_holdings(value, &least);
    return value_with(value);
}

json *endurance_run(hubless_node *node, const char *word, const json *value) {
    if (strcmp(word, "readFor") == 0) {
        return read_for(node, value);
    }
    if (strcmp(word, "readSlowly") == 0) {
        return read_slowly(node, value);
    }
    if (strcmp(word, "callOften") == 0) {
        return call_often(node, value);
    }
    return strcmp(word, "cycle") == 0 ? cycle(value) : NULL;
}
