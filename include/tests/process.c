/* More than one process: fork, exit, and the ten-line programs. */
#include "suite.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the end of a process may take, whatever still runs: `alarm` ends one that takes longer. */
enum { END_S = 5 };

static void on_ok(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "ok");
}

static int status_of(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void a_forked_child_gets_an_error(void) {
    hubless_node *node = suite_node();
    hubless_reply *answer = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    suite_agent("ok", on_ok, NULL);
    CHECK(suite_ask("ok", "x", &answer, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(answer), "ok") && hubless_handles() > 0);
    CHECK(hubless_reply_get(NULL, NULL, &err) == HUBLESS_INVALID_ARGUMENT && err.message.len > 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        hubless_node *other = NULL;
        hubless_reply *reply = NULL;
        hubless_switch *kill_switch = NULL;
        hubless_switch_options limits = {.size = sizeof limits, .unlimited = 1};
        hubless_content content = hubless_content_text(HUBLESS_STR("x"));
        alarm(suite_promised_s(END_S));
        int refused =
            hubless_switch_new(&limits, &kill_switch, NULL) == HUBLESS_CLOSED &&
            hubless_request(node, HUBLESS_STR("ok"), &content, NULL, &reply, NULL) ==
                HUBLESS_CLOSED &&
            hubless_node_start(NULL, &other, NULL) == HUBLESS_CLOSED &&
            hubless_node_close(node, 0) == HUBLESS_CLOSED;
        /* What gives no status gives nothing. */
        int nothing = hubless_reply_text(answer).data == NULL && hubless_handles() == 0 &&
                      hubless_reply_value(answer, HUBLESS_STR("")).data == NULL;
        hubless_error_clear(&err);
        _exit(refused && nothing && err.kind == HUBLESS_OK && err.message.data == NULL ? 7 : 1);
    }
    CHECK(status_of(child) == 7);
    CHECK(suite_is(hubless_reply_text(answer), "ok"));
    CHECK(hubless_reply_free(answer) == HUBLESS_OK);
    hubless_error_clear(&err);
    hubless_reply *reply = NULL;
    CHECK(suite_ask("ok", "x", &reply, NULL) == HUBLESS_OK);
    hubless_reply_free(reply);
}

static const char *program(const char *name) {
    static char path[4096];
    const char *folder = getenv("HUBLESS_PROGRAMS");
    if (folder == NULL) {
        suite_skip("HUBLESS_PROGRAMS is not set");
        return NULL;
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void the_ten_line_programs_talk(void) {
    char command[8192], agent[4096], text[64] = "";
    const char *path = program("hello_agent");
    if (path == NULL) {
        return;
    }
    snprintf(agent, sizeof agent, "%s", path);
    FILE *serving = popen(agent, "w");
    CHECK(serving != NULL);
    for (int i = 0; i < 20 && text[0] == '\0'; i++) {
        snprintf(command, sizeof command, "%s Ada", program("hello_caller"));
        FILE *calling = popen(command, "r");
        if (fgets(text, sizeof text, calling) == NULL) {
            text[0] = '\0';
        }
        pclose(calling);
    }
    CHECK(strcmp(text, "hello Ada\n") == 0);
    CHECK(pclose(serving) == 0);
}

static void a_program_may_end_without_closing(void) {
    char *const arguments[] = {(char *)"suite", (char *)"no such test", NULL};
    if (!suite_starts_itself()) {
        return;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        /* A fresh process of the same program, which starts a node and just returns. */
        setenv("HUBLESS_SUITE_LEAVES", "1", 1);
        execv("/proc/self/exe", arguments);
        _exit(1);
    }
    CHECK(status_of(child) == 0);
}

static void on_never(const hubless_stop *stop, void *user) {
    (void)stop;
    (void)user;
    _exit(9);
}

/* A switch whose trip is waited for keeps no process alive. */
static int leaves_a_switch(void) {
    hubless_switch *kill_switch = NULL;
    hubless_switch_options limits = {.size = sizeof limits, .calls = HUBLESS_AT_MOST(1)};
    return hubless_switch_new(&limits, &kill_switch, NULL) == HUBLESS_OK &&
           hubless_switch_on_tripped(kill_switch, on_never, NULL, NULL) == HUBLESS_OK;
}

static volatile int hanging;

static void on_hang(hubless_call *call, void *user) {
    (void)call;
    (void)user;
    suite_count(&hanging);
}

static void on_answer(hubless_status status, hubless_reply *reply, const hubless_error *err,
                      void *user) {
    (void)status;
    (void)err;
    (void)user;
    hubless_reply_free(reply);
}

/* Nor does a request that is never answered. */
static int leaves_a_request(hubless_node *node) {
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_agent_options options = hubless_agent_named("hanging", on_hang, NULL);
    return hubless_register(node, &options, NULL, NULL) == HUBLESS_OK &&
           hubless_request_async(node, HUBLESS_STR("hanging"), &content, NULL, on_answer, NULL,
                                 NULL) == HUBLESS_OK &&
           suite_reaches(&hanging, 1);
}

__attribute__((constructor)) static void leave(void) {
    if (getenv("HUBLESS_SUITE_LEAVES") != NULL) {
        alarm(SUITE_PATIENCE_MS / 1000);
        hubless_node *node = hubless_default_node(NULL);
        hubless_agent_options options = hubless_agent_named("leaver", on_ok, NULL);
        int done = hubless_register(node, &options, NULL, NULL) == HUBLESS_OK &&
                   hubless_default_node(NULL) == node && leaves_a_switch() &&
                   leaves_a_request(node);
        alarm(END_S);
        exit(done ? 0 : 1);
    }
}

static void the_header_is_good_for_cxx(void) {
    const char *path = program("header");
    if (path != NULL) {
        CHECK(system(path) == 0);
    }
}

const test process_tests[] = {
    {"a forked child gets an error", a_forked_child_gets_an_error},
    {"the ten-line programs talk", the_ten_line_programs_talk},
    {"a program may end without closing", a_program_may_end_without_closing},
    {"the header is good for C++", the_header_is_good_for_cxx},
    {NULL, NULL},
};
