#include "suite.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int failures, passed, failed, skipped;
/* What failed, said once more at the end: of a long output, the end is what is kept. */
static char told[4096];
static size_t told_size;
static const char *skip_reason;
static hubless_node *nodes[4];
static int node_count;

static void fail(const char *format, ...) {
    size_t room = sizeof told - told_size;
    va_list values;
    va_start(values, format);
    int size = vsnprintf(told + told_size, room, format, values);
    va_end(values);
    printf("    ");
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    told_size += size < 0 ? 0 : (size_t)size < room ? (size_t)size : room - 1;
    failures++;
}

void suite_fail(const char *file, int line, const char *what) {
    const char *name = strrchr(file, '/');
    fail("%s:%d: expected %s\n", name == NULL ? file : name + 1, line, what);
}

void suite_skip(const char *reason) { skip_reason = reason; }

double suite_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int is_watched(void) { return getenv("HUBLESS_SUITE_WATCHED") != NULL; }

unsigned suite_promised_s(unsigned promised_s) {
    return is_watched() ? SUITE_PATIENCE_MS / 1000 : promised_s;
}

int suite_starts_itself(void) {
    if (is_watched()) {
        suite_skip("under valgrind a program cannot start itself anew");
        return 0;
    }
    return 1;
}

hubless_node *suite_other_node(void) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_node *node = NULL;
    if (hubless_node_start(NULL, &node, &err) != HUBLESS_OK) {
        printf("    no node: %.*s\n", (int)err.message.len, err.message.data);
        exit(1);
    }
    nodes[node_count++] = node;
    return node;
}

hubless_node *suite_node(void) { return node_count > 0 ? nodes[0] : suite_other_node(); }

hubless_agent *suite_agent(const char *name, hubless_on_call on_call, void *user) {
    hubless_agent_options options = hubless_agent_named(name, on_call, user);
    hubless_agent *agent = NULL;
    CHECK(hubless_register(suite_node(), &options, &agent, NULL) == HUBLESS_OK);
    return agent;
}

hubless_status suite_ask(const char *to, const char *text, hubless_reply **reply,
                         hubless_error *err) {
    hubless_content content = hubless_content_text(hubless_cstr(text));
    return hubless_request(suite_node(), hubless_cstr(to), &content, NULL, reply, err);
}

int suite_is(hubless_str text, const char *wanted) {
    return text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
}

int suite_same(hubless_str one, hubless_str other) {
    return one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
}

void suite_count(volatile int *counter) { __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST); }

int suite_seen(volatile int *counter) { return __atomic_load_n(counter, __ATOMIC_SEQ_CST); }

int suite_at_least(volatile int *counter, int value) {
    const double end = suite_ms() + SUITE_PATIENCE_MS;
    while (suite_seen(counter) < value && suite_ms() < end) {
        usleep(1000);
    }
    return suite_seen(counter) >= value;
}

int suite_reaches(volatile int *counter, int value) {
    return suite_at_least(counter, value) && suite_seen(counter) == value;
}

void suite_on_tool(hubless_question *question, hubless_str name, hubless_str arguments,
                   void *user) {
    (void)name;
    (void)arguments;
    (void)user;
    hubless_answer(question, NULL, NULL);
}

void suite_on_x(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "x");
}

void suite_on_echo(hubless_call *call, void *user) {
    (void)user;
    hubless_call_info info = {.size = sizeof info};
    hubless_call_get(call, &info, NULL);
    hubless_call_finalf(call, "%.*s", (int)info.content.text.len, info.content.text.data);
}

void suite_all_named(const char *functions, int least, const char *files) {
    const char *root = getenv("HUBLESS_ROOT"), *programs = getenv("HUBLESS_PROGRAMS");
    char command[8192];
    if (root == NULL || programs == NULL) {
        suite_skip("the folders are not named; run it by make check");
        return;
    }
    snprintf(command, sizeof command,
             "cd %s && { %s; } < include/hubless.h | sort -u > %s/functions.txt; "
             "test $(wc -l < %s/functions.txt) -ge %d || exit 1; "
             "while read -r name; do grep -qF \"$name\" %s || "
             "{ echo \"    not there: $name\"; exit 1; }; done < %s/functions.txt",
             root, functions, programs, programs, least, files, programs);
    fflush(stdout);
    CHECK(system(command) == 0);
}

static void run(const test *one) {
    failures = 0;
    skip_reason = NULL;
    one->run();
    while (node_count > 0) {
        /* A test may have closed its node by itself. */
        hubless_node_close(nodes[--node_count], 0);
    }
    /* What arrives while its node ends is let go of by a thread of the library. */
    const double end = suite_ms() + SUITE_PATIENCE_MS;
    while (hubless_handles() != 0 && suite_ms() < end) {
        usleep(1000);
    }
    if (hubless_handles() != 0) {
        fail("%zu handles are left after %s\n", hubless_handles(), one->name);
    }
    if (skip_reason != NULL) {
        printf("skip %s: %s\n", one->name, skip_reason);
        skipped++;
        return;
    }
    printf("%s %s\n", failures == 0 ? "ok  " : "FAIL", one->name);
    *(failures == 0 ? &passed : &failed) += 1;
}

/* The control of the tools that watch memory: 0 only where nobody watches. */
static int wrong(void) {
    /* Read anew at each use, so that the compiler does not see it. */
    char *volatile gone = calloc(8, 1);
    free(gone);
    return gone[0] == 1;
}

int main(int argc, char **argv) {
    const test *const files[] = {edge_tests,    call_tests,   stream_tests, life_tests,
                                 process_tests, vector_tests, secret_tests, end_tests,
                                 keep_tests,    tool_tests,   install_tests, switch_tests,
                                 budget_tests,  handle_tests, text_tests,   struct_tests,
                                 callback_tests, blocking_tests, form_tests,   node_tests,
                                 halt_tests,   provider_tests, testing_tests, bridge_tests,
                                 reading_tests, failure_tests};
    char home[] = "/tmp/hubless-c-XXXXXX", command[64];
    if (argc > 1 && strcmp(argv[1], "--wrong") == 0) {
        return wrong();
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (mkdtemp(home) == NULL) {
        return 1;
    }
    setenv("HUBLESS_HOME", home, 1);
    for (size_t file = 0; file < sizeof files / sizeof files[0]; file++) {
        for (const test *one = files[file]; one->name != NULL; one++) {
            if (argc < 2 || strstr(one->name, argv[1]) != NULL) {
                run(one);
            }
        }
    }
    snprintf(command, sizeof command, "rm -rf %s", home);
    if (system(command) != 0) {
        printf("could not remove %s\n", home);
    }
    if (failed != 0) {
        printf("failed:\n%s", told);
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed == 0 ? 0 : 1;
}
