/* How processes end: told to by a signal, killed with a child left behind. Each runs as a fresh
 * process of this same program, in a role that an environment variable names. */
#include "suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process in a role, with pipes to its standard input and from its output. */
typedef struct {
    pid_t pid;
    int to, from;
} actor;

static actor begin(const char *role) {
    int to[2], from[2];
    actor made = {-1, -1, -1};
    if (pipe(to) != 0 || pipe(from) != 0) {
        suite_fail(__FILE__, __LINE__, "pipes");
        return made;
    }
    fflush(stdout);
    made.pid = fork();
    if (made.pid == 0) {
        char *const arguments[] = {(char *)"suite", NULL};
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        setenv("HUBLESS_SUITE_ROLE", role, 1);
        execv("/proc/self/exe", arguments);
        _exit(1);
    }
    close(to[0]);
    close(from[1]);
    made.to = to[1];
    made.from = from[0];
    return made;
}

/* The next line of an actor, without its end; empty when there is none. */
static void line_of(const actor *from, char *line, size_t room) {
    size_t count = 0;
    while (count + 1 < room && read(from->from, line + count, 1) == 1 && line[count] != '\n') {
        count++;
    }
    line[count] = '\0';
}

static int exit_status(const actor *of) {
    int status = -1;
    close(of->to);
    close(of->from);
    waitpid(of->pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The roles `serves` and `told`: their one call ends when SIGUSR1 opens the gate. */

static int gate[2];

static void *wait_for_gate(void *user) {
    hubless_call *call = user;
    char byte;
    hubless_call_progress(call, HUBLESS_STR("begun"), -1, NULL);
    if (read(gate[0], &byte, 1) != 1) {
        hubless_call_fail(call, HUBLESS_INTERNAL, HUBLESS_STR(""), HUBLESS_STR("no gate"), NULL);
        return NULL;
    }
    /* The node is closing, but this call may still ask others. */
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(HUBLESS_STR("again"));
    hubless_request_options asked = {.size = sizeof asked, .parent = call};
    hubless_status status = hubless_request(hubless_default_node(NULL), HUBLESS_STR("helper"),
                                            &content, &asked, &reply, &err);
    hubless_call_finalf(call, "%s", status == HUBLESS_OK ? "helped" : "alone");
    hubless_reply_free(reply);
    hubless_error_clear(&err);
    return NULL;
}

static void on_slow(hubless_call *call, void *user) {
    pthread_t thread;
    (void)user;
    pthread_create(&thread, NULL, wait_for_gate, call);
    pthread_detach(thread);
}

static void on_open_gate(int number) {
    ssize_t written = write(gate[1], "g", 1);
    (void)number;
    (void)written;
}

static volatile int told;

static void on_served(hubless_status status, const hubless_error *err, void *user) {
    hubless_text *text = NULL;
    (void)err;
    /* A node that is still there would refuse to block here. */
    if (status == HUBLESS_OK &&
        hubless_node_status(user, &text, NULL) == HUBLESS_INVALID_ARGUMENT) {
        suite_count(&told);
    }
}

/* Serves as `hubless_serve` does, and is told of the end. */
static int serve_and_be_told(hubless_node *node) {
    hubless_serve_options options = {.size = sizeof options, .until_stdin_ends = 1};
    if (hubless_node_serve_async(node, &options, on_served, node, NULL) != HUBLESS_OK) {
        return 9;
    }
    while (suite_seen(&told) == 0) {
        usleep(1000);
    }
    return hubless_handles() == 0 ? 0 : 8;
}

static int serves(int (*serve)(hubless_node *node)) {
    hubless_node *node = hubless_default_node(NULL);
    hubless_agent_options options = hubless_agent_named("slow", on_slow, NULL);
    alarm(SUITE_PATIENCE_MS / 1000);
    if (pipe(gate) != 0 || signal(SIGUSR1, on_open_gate) == SIG_ERR ||
        hubless_register(node, &options, NULL, NULL) != HUBLESS_OK) {
        return 9;
    }
    puts("ready");
    fflush(stdout);
    return serve(node);
}

/* The role `forks`: a node whose child sleeps. */
static int forks(void) {
    hubless_node *node = hubless_default_node(NULL), *other = NULL;
    hubless_agent_options options = hubless_agent_named("forker", on_slow, NULL);
    alarm(SUITE_PATIENCE_MS / 1000);
    if (hubless_register(node, &options, NULL, NULL) != HUBLESS_OK) {
        return 9;
    }
    if (fork() == 0) {
        hubless_error err = HUBLESS_ERROR_INIT;
        alarm(SUITE_PATIENCE_MS / 1000);
        int refused = hubless_node_start(NULL, &other, &err) == HUBLESS_CLOSED &&
                      suite_is(err.code, "forked") && suite_is(err.name, "closed") &&
                      err.message.len > 0;
        hubless_error_clear(&err);
        printf("child %d %s\n", (int)getpid(), refused ? "refused" : "let in");
        fflush(stdout);
    }
    for (;;) {
        pause();
    }
}

__attribute__((constructor)) static void play(void) {
    const char *role = getenv("HUBLESS_SUITE_ROLE");
    if (role != NULL) {
        exit(strcmp(role, "forks") == 0 ? forks()
             : strcmp(role, "told") == 0 ? serves(serve_and_be_told)
                                         : serves(hubless_serve));
    }
}

typedef struct {
    volatile int begun, arrived, departed, ended, helped, ended_well;
} seen;

static void on_event(const hubless_event *event, void *user) {
    seen *all = user;
    if (event->kind == HUBLESS_EVENT_PROGRESS) {
        suite_count(&all->begun);
    } else if (event->kind == HUBLESS_EVENT_FINAL) {
        all->helped = suite_is(hubless_reply_text(event->reply), "helped");
        suite_count(&all->ended_well);
        hubless_reply_free(event->reply);
    } else if (event->kind == HUBLESS_EVENT_FAILED) {
        printf("    failed: %.*s: %.*s\n", (int)event->error->name.len, event->error->name.data,
               (int)event->error->message.len, event->error->message.data);
    }
    if (event->kind == HUBLESS_EVENT_FINAL || event->kind == HUBLESS_EVENT_FAILED) {
        suite_count(&all->ended);
    }
}

static void on_change(int kind, const hubless_found *found, void *user) {
    seen *all = user;
    (void)found;
    if (kind == HUBLESS_CHANGE_ARRIVED) {
        suite_count(&all->arrived);
    } else if (kind == HUBLESS_CHANGE_DEPARTED) {
        suite_count(&all->departed);
    }
}

static void on_help(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "here");
}

static void watch(const char *name, seen *all) {
    hubless_query query = {.size = sizeof query, .text = hubless_cstr(name)};
    hubless_watch *watching = NULL;
    CHECK(hubless_watch_start(suite_node(), &query, on_change, all, &watching, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all->arrived, 1));
}

static hubless_status ask_at_once(const char *to) {
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = -1};
    hubless_status status =
        hubless_request(suite_node(), hubless_cstr(to), &content, &asked, &reply, NULL);
    hubless_reply_free(reply);
    return status;
}

static void a_serving_program_drains(const char *role, int number) {
    if (!suite_starts_itself()) {
        return;
    }
    seen all = {0, 0, 0, 0, 0, 0};
    char line[64];
    actor server = begin(role);
    line_of(&server, line, sizeof line);
    CHECK(strcmp(line, "ready") == 0);
    suite_agent("helper", on_help, NULL);
    watch("slow", &all);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    CHECK(hubless_stream(suite_node(), HUBLESS_STR("slow"), &content, NULL, on_event, &all,
                         NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.begun, 1));
    if (number == 0) {
        close(server.to);
        server.to = -1;
    } else {
        CHECK(kill(server.pid, number) == 0);
    }
    /* Gone from find, and refused by name, while its call runs. */
    CHECK(suite_reaches(&all.departed, 1));
    CHECK(ask_at_once("slow") != HUBLESS_OK);
    CHECK(all.ended == 0 && waitpid(server.pid, NULL, WNOHANG) == 0);
    CHECK(kill(server.pid, SIGUSR1) == 0);
    CHECK(suite_reaches(&all.ended, 1) && all.ended_well == 1 && all.helped == 1);
    CHECK(exit_status(&server) == 0);
}

static void sigterm_lets_running_calls_end(void) { a_serving_program_drains("serves", SIGTERM); }

static void sigint_lets_running_calls_end(void) { a_serving_program_drains("serves", SIGINT); }

static void the_end_of_input_lets_running_calls_end(void) { a_serving_program_drains("serves", 0); }

static void sigterm_is_told_after_running_calls(void) { a_serving_program_drains("told", SIGTERM); }

static void the_end_of_input_is_told_after_running_calls(void) {
    a_serving_program_drains("told", 0);
}

static void a_second_signal_ends_the_grace(void) {
    if (!suite_starts_itself()) {
        return;
    }
    seen all = {0, 0, 0, 0, 0, 0};
    char line[64];
    actor server = begin("serves");
    line_of(&server, line, sizeof line);
    watch("slow", &all);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    CHECK(hubless_stream(suite_node(), HUBLESS_STR("slow"), &content, NULL, on_event, &all,
                         NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.begun, 1));
    double first = suite_ms();
    CHECK(kill(server.pid, SIGTERM) == 0);
    CHECK(suite_reaches(&all.departed, 1) && all.ended == 0);
    CHECK(kill(server.pid, SIGTERM) == 0);
    CHECK(suite_reaches(&all.ended, 1) && all.ended_well == 0);
    /* Left alone, the grace would have lasted so long. */
    CHECK(suite_ms() - first < 10000);
    CHECK(exit_status(&server) == 0);
}

/* Z and X: it has ended. */
static int is_alive(int pid) {
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    int read = fscanf(file, "%*d %*s %c", &state);
    fclose(file);
    return read == 1 && state != 'Z' && state != 'X';
}

static void a_forked_child_does_not_keep_a_dead_parent(void) {
    if (!suite_starts_itself()) {
        return;
    }
    seen all = {0, 0, 0, 0, 0, 0};
    char line[64], answer[16] = "";
    int child = 0;
    actor parent = begin("forks");
    line_of(&parent, line, sizeof line);
    CHECK(sscanf(line, "child %d %15[a-z ]", &child, answer) == 2);
    CHECK(strcmp(answer, "refused") == 0);
    watch("forker", &all);
    CHECK(kill(parent.pid, SIGKILL) == 0);
    /* How fast is a matter of `tests/mesh`: here, that it does not wait for the child. */
    CHECK(suite_reaches(&all.departed, 1));
    CHECK(child > 0 && is_alive(child));
    CHECK(child > 0 && kill(child, SIGKILL) == 0);
    CHECK(exit_status(&parent) == 128 + SIGKILL);
}

const test end_tests[] = {
    {"sigterm lets running calls end", sigterm_lets_running_calls_end},
    {"sigint lets running calls end", sigint_lets_running_calls_end},
    {"the end of input lets running calls end", the_end_of_input_lets_running_calls_end},
    {"sigterm is told after running calls", sigterm_is_told_after_running_calls},
    {"the end of input is told after running calls",
     the_end_of_input_is_told_after_running_calls},
    {"a second signal ends the grace", a_second_signal_ends_the_grace},
    {"a forked child does not keep a dead parent", a_forked_child_does_not_keep_a_dead_parent},
    {NULL, NULL},
};
