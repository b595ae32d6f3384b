/* The subject of tests/boundary/BOUNDARY.md in C. Uses the public header only. */
#include <hubless.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NODES = 3,
    BLOCK_BYTES = 1 << 20,
    /* Exit statuses that the caller looks for. */
    AT_ONCE = 7,
    REFUSED = 7,
    /* How long handles may take to be released after the close of their node. */
    RELEASE_MS = 15000,
    /* How often the second loop looks whether it is to end. */
    TICK_MS = 10,
};

static hubless_node *node;
static hubless_agent *leaver;
static atomic_int streams_ended;

static void fail(hubless_call *call, const char *message) {
    hubless_call_fail(call, HUBLESS_HANDLER_FAILED, HUBLESS_STR(""), hubless_cstr(message), NULL);
}

static int is(hubless_str text, const char *wanted) {
    return text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
}

/* Runs what blocks on a thread of its own: callbacks come from one, which must go on. */
static void on_thread(hubless_call *call, void *(*run)(void *)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, call) == 0) {
        pthread_detach(thread);
    } else {
        fail(call, "no thread");
    }
}

static void on_steady(hubless_call *call, void *user) {
    (void)user;
    hubless_str number = hubless_call_value(call, HUBLESS_STR(""));
    char text[32] = "";
    if (number.len < sizeof text) {
        memcpy(text, number.data, number.len);
    }
    hubless_call_jsonf(call, "%ld", atol(text) + 1);
}

static void on_held(hubless_status status, hubless_reply *reply, const hubless_error *err,
                    void *user) {
    hubless_call *call = user;
    if (status == HUBLESS_OK) {
        hubless_content answer = hubless_content_text(hubless_reply_text(reply));
        hubless_call_final(call, &answer, NULL);
        hubless_reply_free(reply);
    } else {
        hubless_call_fail(call, HUBLESS_HANDLER_FAILED, HUBLESS_STR(""), err->message, NULL);
    }
}

static void on_relay(hubless_call *call, void *user) {
    (void)user;
    hubless_call_info info = {.size = sizeof info};
    hubless_call_get(call, &info, NULL);
    hubless_content tag = hubless_content_text(info.content.text);
    hubless_request_options options = {.size = sizeof options, .parent = call};
    if (hubless_request_async(node, HUBLESS_STR("hold"), &tag, &options, on_held, call, NULL) !=
        HUBLESS_OK) {
        fail(call, "not asked");
    }
}

static void on_raises(hubless_call *call, void *user) {
    (void)user;
    fail(call, "broken");
}

static void on_wrong(hubless_call *call, void *user) {
    (void)user;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content answer = hubless_content_json(HUBLESS_STR("{\"x\": "));
    if (hubless_call_final(call, &answer, &err) == HUBLESS_INVALID_ARGUMENT) {
        hubless_call_fail(call, HUBLESS_HANDLER_FAILED, HUBLESS_STR(""), err.message, NULL);
    }
    hubless_error_clear(&err);
}

static void on_never(hubless_call *call, void *user) {
    (void)user;
    if (is(hubless_call_value(call, HUBLESS_STR("")), "false")) {
        hubless_call_finalf(call, "place is free");
    }
}

/* A call that is to be stopped must still be ended. */
static void on_never_cancelled(hubless_call *call, hubless_status reason, void *user) {
    (void)reason;
    (void)user;
    fail(call, "stopped");
}

static void *stream(void *argument) {
    hubless_call *call = argument;
    hubless_content part = hubless_content_text(HUBLESS_STR("x"));
    while (hubless_call_chunk(call, &part, 0, NULL) == HUBLESS_OK) {
    }
    fail(call, "stopped");
    atomic_fetch_add(&streams_ended, 1);
    return NULL;
}

static void on_chunks(hubless_call *call, void *user) {
    (void)user;
    on_thread(call, stream);
}

static void on_leaves(hubless_call *call, void *user) {
    (void)user;
    hubless_agent_free(leaver);
    hubless_call_finalf(call, "last words");
}

static void *nest(void *argument) {
    for (int i = 0; i < NODES; i++) {
        hubless_node *other = NULL;
        hubless_text *status = NULL;
        if (hubless_node_start(NULL, &other, NULL) != HUBLESS_OK ||
            hubless_node_status(other, &status, NULL) != HUBLESS_OK ||
            hubless_text_free(status) != HUBLESS_OK ||
            hubless_node_close(other, 0) != HUBLESS_OK) {
            fail(argument, "a node did not start and close");
            return NULL;
        }
    }
    hubless_call_jsonf(argument, "%d", NODES);
    return NULL;
}

static void on_nests(hubless_call *call, void *user) {
    (void)user;
    on_thread(call, nest);
}

static void on_forks(hubless_call *call, void *user) {
    (void)user;
    pid_t child = fork();
    if (child == 0) {
        hubless_switch *made = NULL;
        hubless_node *other = NULL;
        hubless_switch_options limits = {.size = sizeof limits, .unlimited = 1};
        int refused = hubless_switch_new(&limits, &made, NULL) == HUBLESS_CLOSED &&
                      hubless_node_start(NULL, &other, NULL) == HUBLESS_CLOSED &&
                      hubless_call_finalf(call, "from the child") == HUBLESS_CLOSED;
        _exit(refused ? REFUSED : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    hubless_call_jsonf(call, "%d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* The second event loop: a polled node, and the thread that polls it. */
static struct {
    hubless_node *node;
    pthread_t thread;
    atomic_int over;
} beside;

static void on_beside(hubless_call *call, void *user) {
    (void)call;
    (void)user;
}

static void *loop(void *argument) {
    struct pollfd bell = {.events = POLLIN};
    hubless_node_fd(beside.node, &bell.fd, NULL);
    while (!atomic_load(&beside.over)) {
        if (poll(&bell, 1, TICK_MS) > 0) {
            hubless_poll(beside.node, 0, NULL, NULL);
        }
    }
    return argument;
}

static void *begin_loop(void *argument) {
    hubless_node_options options = {.size = sizeof options, .polled = 1};
    hubless_agent_options agent = hubless_agent_named("c.beside", on_beside, NULL);
    if (hubless_node_start(&options, &beside.node, NULL) != HUBLESS_OK ||
        hubless_register(beside.node, &agent, NULL, NULL) != HUBLESS_OK ||
        pthread_create(&beside.thread, NULL, loop, NULL) != 0) {
        fail(argument, "no second loop");
    } else {
        hubless_call_finalf(argument, "begun");
    }
    return NULL;
}

static void on_loops(hubless_call *call, void *user) {
    (void)user;
    on_thread(call, begin_loop);
}

static void *end_loop(void *argument) {
    atomic_store(&beside.over, 1);
    pthread_join(beside.thread, NULL);
    if (hubless_node_close(beside.node, 0) == HUBLESS_OK) {
        hubless_call_finalf(argument, "ended");
    } else {
        fail(argument, "the second node did not close");
    }
    return NULL;
}

static void on_unloop(hubless_call *call, void *user) {
    (void)user;
    on_thread(call, end_loop);
}

static void on_memory(hubless_call *call, void *user) {
    (void)user;
    void **last = NULL, **block;
    while ((block = malloc(BLOCK_BYTES)) != NULL) {
        block[0] = last;
        last = block;
    }
    while (last != NULL) {
        block = last[0];
        free(last);
        last = block;
    }
    fail(call, "no memory is left");
}

static void *leave(void *argument) {
    (void)argument;
    exit(0);
}

static void on_exits(hubless_call *call, void *user) {
    (void)user;
    hubless_call_info info = {.size = sizeof info};
    hubless_call_get(call, &info, NULL);
    if (is(info.content.text, "now")) {
        _exit(AT_ONCE);
    }
    on_thread(call, leave);
}

static void on_stats(hubless_call *call, void *user) {
    (void)user;
    hubless_call_jsonf(call, "{\"handles\": %zu, \"ended\": %d}", hubless_handles(),
                       atomic_load(&streams_ended));
}

static const struct {
    const char *name;
    hubless_on_call run;
    hubless_on_cancel stop;
    const char *requirements;
    hubless_agent **made;
} subjects[] = {
    {.name = "c.steady", .run = on_steady},
    {.name = "c.relay", .run = on_relay},
    {.name = "c.raises", .run = on_raises},
    {.name = "c.wrong", .run = on_wrong},
    {.name = "c.never", .run = on_never, .stop = on_never_cancelled,
     .requirements = "{\"maxConcurrency\": 1, \"queue\": 0}"},
    {.name = "c.chunks", .run = on_chunks},
    {.name = "c.leaves", .run = on_leaves, .made = &leaver},
    {.name = "c.nests", .run = on_nests},
    {.name = "c.forks", .run = on_forks},
    {.name = "c.loops", .run = on_loops},
    {.name = "c.unloop", .run = on_unloop},
    {.name = "c.memory", .run = on_memory},
    {.name = "c.exits", .run = on_exits},
    {.name = "c.stats", .run = on_stats},
};

static int register_all(void) {
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        hubless_agent_options options =
            hubless_agent_named(subjects[i].name, subjects[i].run, NULL);
        options.on_cancel = subjects[i].stop;
        options.requirements_json = hubless_cstr(subjects[i].requirements);
        if (hubless_register(node, &options, subjects[i].made, NULL) != HUBLESS_OK) {
            fprintf(stderr, "%s was not registered\n", subjects[i].name);
            return 0;
        }
    }
    return 1;
}

int main(void) {
    hubless_text *status = NULL, *key = NULL;
    if (hubless_node_start(NULL, &node, NULL) != HUBLESS_OK || !register_all() ||
        hubless_node_status(node, &status, NULL) != HUBLESS_OK ||
        hubless_json_get(hubless_text_get(status), HUBLESS_STR("/nodeKey"), &key, NULL)) {
        return 1;
    }
    printf("ready %.*s\n", (int)hubless_text_get(key).len, hubless_text_get(key).data);
    fflush(stdout);
    hubless_text_free(status);
    hubless_text_free(key);
    if (hubless_serve(node) != 0) {
        return 1;
    }
    for (int i = 0; i < RELEASE_MS && hubless_handles() > 0; i++) {
        usleep(1000);
    }
    printf("handles %zu\n", hubless_handles());
    return 0;
}
