/* The runaway's C part; see tests/demo/RUNAWAY.md. */
#include <hubless.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NEXT HUBLESS_STR("python.runaway")
enum { FEW = 4, LINE_MAX_BYTES = 64 };

static hubless_node *node;
static int provider;

static void say(const char *event) {
    static pthread_mutex_t line = PTHREAD_MUTEX_INITIALIZER;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&line);
    printf("{\"event\": \"%s\", \"at_ms\": %.3f}\n", event,
           (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6);
    fflush(stdout);
    pthread_mutex_unlock(&line);
}

/* Asks the provider, and gives the number of tokens that it wrote; 0: it cannot be asked. */
static uint64_t write_tokens(uint64_t most) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)provider),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char line[LINE_MAX_BYTES] = {0};
    int length = snprintf(line, sizeof line, "c %llu\n", (unsigned long long)most);
    int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t read_bytes = 0;
    if (connect(socket_fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        write(socket_fd, line, (size_t)length) == length) {
        /* A number and its line end come as one piece. */
        read_bytes = read(socket_fd, line, sizeof line - 1);
    }
    close(socket_fd);
    line[read_bytes > 0 ? read_bytes : 0] = '\0';
    return strtoull(line, NULL, 10);
}

typedef struct {
    hubless_call *call;
    hubless_status status;
    hubless_error err;
} asking;

/* Calls the next one; that there is nothing left for it is no reason to stop. */
static void *on(void *argument) {
    asking *what = argument;
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_text(HUBLESS_STR("on"));
    hubless_request_options options = {.size = sizeof options, .parent = what->call};
    what->status = hubless_request(node, NEXT, &content, &options, &reply, &what->err);
    hubless_reply_free(reply);
    if (what->status == HUBLESS_BUDGET_EXHAUSTED || what->err.kind == HUBLESS_BUDGET_EXHAUSTED) {
        what->status = HUBLESS_OK;
    }
    return NULL;
}

/* Sets tokens aside, has them written, and reports them. */
static hubless_status think(const hubless_call *call, uint64_t left, hubless_error *err) {
    hubless_amount most = {.output_tokens = left <= FEW ? left : left / FEW};
    hubless_spend *spend = NULL;
    hubless_status status = hubless_call_spend(call, &most, &spend, err);
    if (status != HUBLESS_OK) {
        return status;
    }
    hubless_amount used = {.output_tokens = write_tokens(most.output_tokens)};
    return hubless_spend_used(spend, &used, err);
}

static void *run(void *argument) {
    hubless_call *call = argument;
    hubless_call_info info = {.size = sizeof info};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_call_get(call, &info, NULL);
    uint64_t left = info.granted.output_tokens.value;
    hubless_status status = think(call, left, &err);
    if (status == HUBLESS_OK && left > FEW) {
        asking two[2] = {{call, HUBLESS_OK, HUBLESS_ERROR_INIT},
                         {call, HUBLESS_OK, HUBLESS_ERROR_INIT}};
        pthread_t thread;
        int beside = pthread_create(&thread, NULL, on, &two[0]) == 0;
        on(&two[1]);
        if (beside) {
            pthread_join(thread, NULL);
        }
        asking *worse = two[0].status != HUBLESS_OK ? &two[0] : &two[1];
        asking *other = worse == &two[0] ? &two[1] : &two[0];
        status = worse->status;
        hubless_error_clear(&err);
        err = worse->err;
        hubless_error_clear(&other->err);
    }
    if (status == HUBLESS_OK) {
        hubless_content content = hubless_content_text(HUBLESS_STR("thought"));
        hubless_call_final(call, &content, NULL);
    } else {
        hubless_status kind = err.kind != HUBLESS_OK ? err.kind : HUBLESS_HANDLER_FAILED;
        hubless_call_fail(call, kind, err.code, err.message, NULL);
    }
    hubless_error_clear(&err);
    return NULL;
}

static void on_think(hubless_call *call, void *user) {
    (void)user;
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, call) == 0) {
        pthread_detach(thread);
    } else {
        hubless_call_fail(call, HUBLESS_BUSY, HUBLESS_STR(""), HUBLESS_STR("no thread"), NULL);
    }
}

static void on_watch(hubless_call *call, void *user) {
    (void)call, (void)user;
    say("watching");
}

static void on_stopped(hubless_call *call, hubless_status reason, void *user) {
    (void)user;
    say("stopped");
    hubless_call_fail(call, reason, HUBLESS_STR(""), HUBLESS_STR("stopped"), NULL);
}

int main(int count, char **arguments) {
    hubless_agent *agent = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    provider = count == 3 ? atoi(arguments[2]) : 0;
    hubless_agent_options thinking = {
        .size = sizeof thinking, .name = HUBLESS_STR("c.runaway"),
        .skill_json = HUBLESS_STR("{\"id\": \"think\", \"spends\": \"tokens\"}"),
        .requirements_json = HUBLESS_STR("{\"maxConcurrency\": 1024}"), .on_call = on_think};
    hubless_agent_options watching = {
        .size = sizeof watching, .name = HUBLESS_STR("c.watcher"),
        .skill_json = HUBLESS_STR("{\"id\": \"watch\", \"spends\": \"none\"}"),
        .on_call = on_watch, .on_cancel = on_stopped};
    if (hubless_node_start(NULL, &node, &err) ||
        hubless_register(node, &thinking, &agent, &err) ||
        hubless_register(node, &watching, &agent, &err)) {
        fprintf(stderr, "%.*s\n", (int)err.message.len, err.message.data);
        return 1;
    }
    say("ready");
    hubless_serve_options serving = {.size = sizeof serving, .until_stdin_ends = 1};
    return hubless_node_serve(node, &serving, NULL) != HUBLESS_OK;
}
