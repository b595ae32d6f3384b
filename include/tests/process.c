/* More than one process: fork, exit, and the ten-line programs. */
#include "suite.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

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
    suite_agent("ok", on_ok, NULL);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        hubless_node *other = NULL;
        hubless_reply *reply = NULL;
        hubless_content content = hubless_content_text(HUBLESS_STR("x"));
        alarm(5);
        int refused =
            hubless_request(node, HUBLESS_STR("ok"), &content, NULL, &reply, NULL) ==
                HUBLESS_CLOSED &&
            hubless_node_start(NULL, &other, NULL) == HUBLESS_CLOSED &&
            hubless_node_close(node, 0) == HUBLESS_CLOSED;
        _exit(refused ? 7 : 1);
    }
    CHECK(status_of(child) == 7);
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

__attribute__((constructor)) static void leave(void) {
    if (getenv("HUBLESS_SUITE_LEAVES") != NULL) {
        hubless_node *node = hubless_default_node(NULL);
        hubless_agent_options options = hubless_agent_named("leaver", on_ok, NULL);
        alarm(10);
        exit(hubless_register(node, &options, NULL, NULL) == HUBLESS_OK &&
                     hubless_default_node(NULL) == node
                 ? 0
                 : 1);
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
