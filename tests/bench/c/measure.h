/* How calls are measured in C, by the definitions of tests/bench/BENCH.md. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <hubless.h>

enum { IN_FLIGHT_MAX = 1024 };

/* Whom to ask. */
typedef struct {
    hubless_node *node;
    hubless_str name;
} bench_caller;

/* A monotonic clock, in microseconds. */
double bench_now_us(void);

/* A body of so many characters as a JSON text; freed by who asked. */
char *bench_body(size_t size);

/* One call, in microseconds; ends the program unless the answer is what was asked. */
double bench_once(const bench_caller *caller, const char *body, size_t size);

/* Each prints one line of JSON. */
void bench_round_trips(const bench_caller *caller, size_t size, size_t count, size_t warm);
void bench_stages(const bench_caller *caller, size_t size, size_t count);
void bench_load(const bench_caller *caller, size_t size, size_t in_flight, long window_ms);
void bench_arrivals(const bench_caller *caller, size_t size, long per_second, long window_ms);
void bench_big(const bench_caller *caller, size_t size);

#endif
