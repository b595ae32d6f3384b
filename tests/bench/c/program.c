/* The measuring program in C: agent, caller, or both; see tests/bench/BENCH.md. */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 64, LINE_MAX_BYTES = 256 };

/*
 * Gives back what it was asked. The callback comes from the thread of the node, which is the event
 * loop of a program in C: it is the one trip through it. What is given back is written anew from
 * what was read.
 */
static void echo(hubless_call *call, void *user) {
    (void)user;
    size_t size = hubless_call_value(call, HUBLESS_STR("/body")).len;
    char *answer = bench_body(size);
    hubless_str body = hubless_call_value(call, HUBLESS_STR("/body"));
    memcpy(strchr(answer, ':') + 2, body.data, size);
    hubless_content content = hubless_content_json(hubless_cstr(answer));
    hubless_call_final(call, &content, NULL);
    free(answer);
}

static void answer(const bench_caller *caller, const char *line) {
    char verb[16] = "";
    long first = 0, second = 0, third = 0;
    sscanf(line, "%15s %ld %ld %ld", verb, &first, &second, &third);
    if (strcmp(verb, "rtt") == 0) {
        bench_round_trips(caller, (size_t)first, (size_t)second, (size_t)third);
    } else if (strcmp(verb, "stages") == 0) {
        bench_stages(caller, (size_t)first, (size_t)second);
    } else if (strcmp(verb, "load") == 0) {
        bench_load(caller, (size_t)first, (size_t)second, third);
    } else if (strcmp(verb, "arrivals") == 0) {
        bench_arrivals(caller, (size_t)first, second, third);
    } else if (strcmp(verb, "big") == 0) {
        bench_big(caller, (size_t)first);
    } else {
        printf("{\"error\": \"expected a command of tests/bench/BENCH.md, got %s\"}\n", verb);
    }
    fflush(stdout);
}

int main(int count, char **arguments) {
    const char *role = count == 2 ? arguments[1] : "";
    hubless_agent_options options = hubless_agent_named("bench", echo, NULL);
    hubless_error err = HUBLESS_ERROR_INIT;
    bench_caller caller = {.name = HUBLESS_STR("bench")};
    hubless_agent *agent = NULL;
    double began = bench_now_us();
    if (hubless_node_start(NULL, &caller.node, &err) ||
        (strcmp(role, "caller") != 0 && hubless_register(caller.node, &options, &agent, &err))) {
        fprintf(stderr, "%.*s\n", (int)err.message.len, err.message.data);
        return 1;
    }
    if (strcmp(role, "agent") == 0) {
        printf("{\"ready\": true}\n");
    } else {
        char *body = bench_body(FIRST_SIZE);
        bench_once(&caller, body, FIRST_SIZE);
        printf("{\"ready\": true, \"cold_ms\": %.3f}\n", (bench_now_us() - began) / 1e3);
        free(body);
    }
    fflush(stdout);
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, stdin) != NULL) {
        answer(&caller, line);
    }
    return hubless_node_close(caller.node, 1000) != HUBLESS_OK;
}
