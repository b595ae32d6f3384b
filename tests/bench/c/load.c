/* Many calls at once, by callbacks: a closed loop and an open one; see measure.h. */
#include "measure.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RAMP_MS = 200, RAMP_MAX_MS = 6000, FIRST_CALLS = 3, OPEN_MAX = 128 };

/* What all calls of one loop share; counts are guarded by the lock. */
typedef struct {
    const bench_caller *caller;
    char *body;
    size_t size;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t running;
    int stopped;
} loop;

/* One that asks again and again. */
typedef struct {
    loop *of;
    unsigned long done;
} worker;

/* One call that is due at a time. */
typedef struct {
    loop *of;
    double due_us;
    double late_us;
    double took_us;
} arrival;

static void loop_begin(loop *of, const bench_caller *caller, size_t size) {
    memset(of, 0, sizeof *of);
    of->caller = caller;
    of->body = bench_body(size);
    of->size = size;
    pthread_mutex_init(&of->lock, NULL);
    pthread_cond_init(&of->changed, NULL);
}

static void loop_end(loop *of) {
    pthread_mutex_lock(&of->lock);
    while (of->running > 0) {
        pthread_cond_wait(&of->changed, &of->lock);
    }
    pthread_mutex_unlock(&of->lock);
    pthread_cond_destroy(&of->changed);
    pthread_mutex_destroy(&of->lock);
    free(of->body);
}

/* Starts a call; the program ends where it cannot. */
static void start(const loop *of, hubless_on_reply on_reply, void *user) {
    hubless_content content = hubless_content_json(hubless_cstr(of->body));
    hubless_error err = HUBLESS_ERROR_INIT;
    const bench_caller *caller = of->caller;
    if (hubless_request_async(caller->node, caller->name, &content, NULL, on_reply, user, &err)) {
        fprintf(stderr, "%.*s\n", (int)err.message.len, err.message.data);
        exit(1);
    }
}

/* Takes an answer; the program ends unless it is what was asked. */
static void take(const loop *of, hubless_status status, hubless_reply *reply) {
    if (status != HUBLESS_OK ||
        hubless_reply_value(reply, HUBLESS_STR("/body")).len != of->size) {
        fprintf(stderr, "a call ended with %d, or its answer is not what was asked\n", status);
        exit(1);
    }
    hubless_reply_free(reply);
}

static void on_again(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)err;
    worker *own = user;
    take(own->of, status, reply);
    pthread_mutex_lock(&own->of->lock);
    own->done++;
    int stopped = own->of->stopped;
    if (stopped) {
        own->of->running--;
        pthread_cond_signal(&own->of->changed);
    }
    pthread_mutex_unlock(&own->of->lock);
    if (!stopped) {
        start(own->of, on_again, own);
    }
}

static void sleep_us(double us) {
    if (us > 0) {
        struct timespec pause = {.tv_sec = (time_t)(us / 1e6),
                                 .tv_nsec = (long)(us - (double)(long)(us / 1e6) * 1e6) * 1000};
        nanosleep(&pause, NULL);
    }
}

/* The calls that all have made, and those of the slowest. */
static unsigned long counted(loop *of, const worker *workers, size_t count,
                             unsigned long *slowest) {
    unsigned long sum = 0;
    pthread_mutex_lock(&of->lock);
    *slowest = workers[0].done;
    for (size_t number = 0; number < count; number++) {
        sum += workers[number].done;
        *slowest = workers[number].done < *slowest ? workers[number].done : *slowest;
    }
    pthread_mutex_unlock(&of->lock);
    return sum;
}

void bench_load(const bench_caller *caller, size_t size, size_t in_flight, long window_ms) {
    static worker workers[IN_FLIGHT_MAX];
    loop of;
    loop_begin(&of, caller, size);
    of.running = in_flight = in_flight < IN_FLIGHT_MAX ? in_flight : IN_FLIGHT_MAX;
    for (size_t number = 0; number < in_flight; number++) {
        workers[number] = (worker){.of = &of};
        start(&of, on_again, &workers[number]);
    }
    double end = bench_now_us() + RAMP_MAX_MS * 1e3;
    unsigned long slowest = 0;
    sleep_us(RAMP_MS * 1e3);
    counted(&of, workers, in_flight, &slowest);
    while (slowest < FIRST_CALLS && bench_now_us() < end) {
        sleep_us(RAMP_MS * 1e2);
        counted(&of, workers, in_flight, &slowest);
    }
    unsigned long before = counted(&of, workers, in_flight, &slowest);
    double began = bench_now_us();
    sleep_us((double)window_ms * 1e3);
    unsigned long after = counted(&of, workers, in_flight, &slowest);
    double took = bench_now_us() - began;
    pthread_mutex_lock(&of.lock);
    of.stopped = 1;
    pthread_mutex_unlock(&of.lock);
    loop_end(&of);
    printf("{\"per_second\": %.3f}\n", (double)(after - before) / (took / 1e6));
}

static void on_arrived(hubless_status status, hubless_reply *reply, const hubless_error *err,
                       void *user) {
    (void)err;
    arrival *own = user;
    take(own->of, status, reply);
    own->took_us = bench_now_us() - own->due_us;
    pthread_mutex_lock(&own->of->lock);
    own->of->running--;
    pthread_cond_signal(&own->of->changed);
    pthread_mutex_unlock(&own->of->lock);
}

static int sooner(const void *one, const void *other) {
    double left = ((const arrival *)one)->took_us, right = ((const arrival *)other)->took_us;
    return (left > right) - (left < right);
}

static int less_late(const void *one, const void *other) {
    double left = ((const arrival *)one)->late_us, right = ((const arrival *)other)->late_us;
    return (left > right) - (left < right);
}

void bench_arrivals(const bench_caller *caller, size_t size, long per_second, long window_ms) {
    size_t count = (size_t)(window_ms * per_second / 1000);
    arrival *all = calloc(count > 0 ? count : 1, sizeof *all);
    if (all == NULL) {
        exit(1);
    }
    loop of;
    loop_begin(&of, caller, size);
    double began = bench_now_us();
    for (size_t number = 0; number < count; number++) {
        double due = began + (double)number * 1e6 / (double)per_second;
        all[number] = (arrival){.of = &of, .due_us = due};
        sleep_us(due - bench_now_us());
        pthread_mutex_lock(&of.lock);
        while (of.running >= OPEN_MAX) {
            pthread_cond_wait(&of.changed, &of.lock);
        }
        of.running++;
        pthread_mutex_unlock(&of.lock);
        all[number].late_us = bench_now_us() - due;
        start(&of, on_arrived, &all[number]);
    }
    loop_end(&of);
    double rate = (double)count / ((bench_now_us() - began) / 1e6);
    qsort(all, count, sizeof *all, less_late);
    double late = all[count / 2].late_us;
    qsort(all, count, sizeof *all, sooner);
    printf("{\"median_us\": %.3f, \"p99_us\": %.3f, \"per_second\": %.3f, "
           "\"late_us\": %.3f}\n",
           all[count / 2].took_us, all[count * 99 / 100].took_us, rate, late);
    free(all);
}
