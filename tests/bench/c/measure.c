/* Calls one after another; see measure.h. */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BEFORE "{\"body\":\""
#define AFTER "\"}"
enum { LATE = 99, PERCENT = 100 };

double bench_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

char *bench_body(size_t size) {
    char *body = malloc(strlen(BEFORE) + size + sizeof AFTER);
    if (body == NULL) {
        exit(1);
    }
    memcpy(body, BEFORE, strlen(BEFORE));
    memset(body + strlen(BEFORE), 'x', size);
    memcpy(body + strlen(BEFORE) + size, AFTER, sizeof AFTER);
    return body;
}

/* Asks, and gives the answer, which is to be freed. */
static hubless_reply *ask(const bench_caller *caller, const char *body) {
    hubless_content content = hubless_content_json(hubless_cstr(body));
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    if (hubless_request(caller->node, caller->name, &content, NULL, &reply, &err)) {
        fprintf(stderr, "%.*s\n", (int)err.message.len, err.message.data);
        exit(1);
    }
    return reply;
}

/* Ends the program unless the answer was what was asked. */
static void check_size(size_t answered, size_t size) {
    if (answered != size) {
        fprintf(stderr, "the answer is not what was asked\n");
        exit(1);
    }
}

double bench_once(const bench_caller *caller, const char *body, size_t size) {
    double began = bench_now_us();
    hubless_reply *reply = ask(caller, body);
    size_t answered = hubless_reply_value(reply, HUBLESS_STR("/body")).len;
    double took = bench_now_us() - began;
    hubless_reply_free(reply);
    check_size(answered, size);
    return took;
}

static int ascending(const void *one, const void *other) {
    double left = *(const double *)one, right = *(const double *)other;
    return (left > right) - (left < right);
}

static double *room(size_t count) {
    double *times = calloc(count > 0 ? count : 1, sizeof *times);
    if (times == NULL) {
        exit(1);
    }
    return times;
}

static double at(double *times, size_t count, size_t part) {
    qsort(times, count, sizeof *times, ascending);
    return times[count * part / PERCENT];
}

void bench_round_trips(const bench_caller *caller, size_t size, size_t count, size_t warm) {
    char *body = bench_body(size);
    double *times = room(count);
    for (size_t number = 0; number < warm; number++) {
        bench_once(caller, body, size);
    }
    for (size_t number = 0; number < count; number++) {
        times[number] = bench_once(caller, body, size);
    }
    double median = at(times, count, PERCENT / 2), late = at(times, count, LATE);
    printf("{\"median_us\": %.3f, \"p99_us\": %.3f}\n", median, late);
    free(times);
    free(body);
}

void bench_stages(const bench_caller *caller, size_t size, size_t count) {
    char *body = bench_body(size);
    double *total = room(count), *queue = room(count), *handler = room(count);
    double *network = room(count);
    for (size_t number = 0; number < count; number++) {
        double began = bench_now_us();
        hubless_reply *reply = ask(caller, body);
        /* As every language has the decoded value by then. */
        size_t answered = hubless_reply_value(reply, HUBLESS_STR("/body")).len;
        total[number] = bench_now_us() - began;
        check_size(answered, size);
        hubless_reply_info info = {.size = sizeof info};
        hubless_reply_get(reply, &info, NULL);
        queue[number] = (double)info.queue_us;
        handler[number] = (double)info.handler_us;
        network[number] = (double)info.network_us;
        hubless_reply_free(reply);
    }
    printf("{\"total_us\": %.3f, \"queue_us\": %.3f, \"handler_us\": %.3f, "
           "\"network_us\": %.3f}\n",
           at(total, count, PERCENT / 2), at(queue, count, PERCENT / 2),
           at(handler, count, PERCENT / 2), at(network, count, PERCENT / 2));
    free(total);
    free(queue);
    free(handler);
    free(network);
    free(body);
}

void bench_big(const bench_caller *caller, size_t size) {
    char *body = bench_body(size);
    printf("{\"ms\": %.3f}\n", bench_once(caller, body, size) / 1e3);
    free(body);
}
