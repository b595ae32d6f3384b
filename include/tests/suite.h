/* The C suite: tests that count themselves, on a node in an empty home of its own. */
#ifndef SUITE_H
#define SUITE_H

#include <hubless.h>

typedef struct {
    const char *name;
    void (*run)(void);
} test;

/* How long is waited for what comes by itself in the end, in ms: a busy machine may stand still for
 * seconds, and a program whose memory is watched runs tens of times slower. */
enum { SUITE_PATIENCE_MS = 120000 };

/* The tests of each file; the last one has no name. */
extern const test edge_tests[];
extern const test call_tests[];
extern const test stream_tests[];
extern const test life_tests[];
extern const test process_tests[];
extern const test vector_tests[];
extern const test secret_tests[];
extern const test end_tests[];
extern const test keep_tests[];
extern const test tool_tests[];
extern const test install_tests[];
extern const test switch_tests[];
extern const test budget_tests[];
extern const test handle_tests[];
extern const test text_tests[];
extern const test struct_tests[];
extern const test callback_tests[];
extern const test blocking_tests[];
extern const test form_tests[];
extern const test node_tests[];
extern const test halt_tests[];
extern const test provider_tests[];
extern const test testing_tests[];
extern const test bridge_tests[];
extern const test reading_tests[];
extern const test failure_tests[];

/* Fails the running test, and says where; the test goes on. */
void suite_fail(const char *file, int line, const char *what);
/* Skips the running test. */
void suite_skip(const char *reason);
/* 1 when this program can start itself anew; else the running test is skipped. */
int suite_starts_itself(void);
/* A node of the running test, closed at its end. */
hubless_node *suite_node(void);
/* A further one. */
hubless_node *suite_other_node(void);
/* Registers an agent on `suite_node`. */
hubless_agent *suite_agent(const char *name, hubless_on_call on_call, void *user);
/* Asks an agent of `suite_node` with a text; the status, and the error in `err`. */
hubless_status suite_ask(const char *to, const char *text, hubless_reply **reply,
                         hubless_error *err);
/* 1 when a text is this. */
int suite_is(hubless_str text, const char *wanted);
/* 1 when two texts are the same. */
int suite_same(hubless_str one, hubless_str other);
/* Counters of what happens on other threads. */
void suite_count(volatile int *counter);
int suite_seen(volatile int *counter);
/* Milliseconds of a clock that nobody sets. */
double suite_ms(void);
/* How long a promised time is waited for, in seconds: so long, and under valgrind, where it is not
 * promised, as long as anything. */
unsigned suite_promised_s(unsigned promised_s);
/* Waits until a counter has reached a value, for at most SUITE_PATIENCE_MS; 1 when it has. */
int suite_at_least(volatile int *counter, int value);
/* As `suite_at_least`; 1 when it has, and went no further. */
int suite_reaches(volatile int *counter, int value);
/* Handlers that answer "x", and what they were asked. */
void suite_on_x(hubless_call *call, void *user);
/* A tool that answers nothing. */
void suite_on_tool(hubless_question *question, hubless_str name, hubless_str arguments, void *user);
void suite_on_echo(hubless_call *call, void *user);
/* Checks that each name that a command of the shell finds in the header, at least so many, stands
 * in one of some files of the repository. */
void suite_all_named(const char *functions, int least, const char *files);

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            suite_fail(__FILE__, __LINE__, #what);                                                 \
        }                                                                                          \
    } while (0)

#endif
