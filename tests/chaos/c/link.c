/* The chain's C part; see tests/chaos/CHAOS.md. */
#include <hubless.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The next one may be starting again. */
enum { LINE_MAX_BYTES = 256, WAIT_MS = 3000 };

static hubless_node *node;
static const char *provider;

/* A number at a pointer of what a call asks; 0: there is none. */
static uint64_t number(const hubless_call *call, const char *pointer) {
    char digits[32] = {0};
    hubless_str found = hubless_call_value(call, hubless_cstr(pointer));
    if (found.len < sizeof digits) {
        memcpy(digits, found.data, found.len);
    }
    return strtoull(digits, NULL, 10);
}

static uint64_t least(uint64_t one, uint64_t other) { return one < other ? one : other; }

static int open_provider(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", provider);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Says a line and reads the answer into the same place; 0: there was none. */
static int ask(int fd, char line[LINE_MAX_BYTES]) {
    size_t length = strlen(line);
    if (write(fd, line, length) != (ssize_t)length) {
        return 0;
    }
    /* Both numbers and the line end come as one piece. */
    ssize_t got = read(fd, line, LINE_MAX_BYTES - 1);
    line[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Sets tokens aside, has them written, and reports them. */
static hubless_status spend(const hubless_call *call, int fd, hubless_error *err) {
    hubless_call_info info = {.size = sizeof info};
    hubless_call_get(call, &info, NULL);
    hubless_amount most = {
        .input_tokens = least(number(call, "/input"), info.granted.input_tokens.value),
        .output_tokens = least(number(call, "/output"), info.granted.output_tokens.value)};
    hubless_spend *open = NULL;
    hubless_status status = hubless_call_spend(call, &most, &open, err);
    if (status != HUBLESS_OK) {
        return status;
    }
    char line[LINE_MAX_BYTES];
    snprintf(line, sizeof line, "spend %llu %llu\n", (unsigned long long)most.input_tokens,
             (unsigned long long)most.output_tokens);
    if (!ask(fd, line)) {
        /* Nobody knows what it cost. */
        hubless_spend_drop(open);
        return HUBLESS_HANDLER_FAILED;
    }
    char *second = NULL;
    hubless_amount used = {.input_tokens = strtoull(line, &second, 10)};
    used.output_tokens = strtoull(second, NULL, 10);
    return hubless_spend_used(open, &used, err);
}

/*
 * Calls the next one and counts how many answered; it may be dead, or there may be too little. Only
 * that all was stopped is an error.
 */
static hubless_status on(hubless_call *call, long *answered, hubless_error *err) {
    hubless_str to = hubless_call_value(call, HUBLESS_STR("/next/to"));
    if (to.len == 0) {
        return HUBLESS_OK;
    }
    hubless_str asked = hubless_call_value(call, HUBLESS_STR("/next/content"));
    hubless_content content = hubless_content_json(asked);
    hubless_request_options options = {
        .size = sizeof options,
        .parent = call,
        .wait_ms = WAIT_MS,
        .max = {.input_tokens = HUBLESS_AT_MOST(number(call, "/next/max/inputTokens")),
                .output_tokens = HUBLESS_AT_MOST(number(call, "/next/max/outputTokens")),
                .calls = HUBLESS_AT_MOST(number(call, "/next/max/calls"))}};
    hubless_reply *reply = NULL;
    hubless_status status = hubless_request(node, to, &content, &options, &reply, err);
    if (status == HUBLESS_OK) {
        char digits[32] = {0};
        hubless_str value = hubless_reply_value(reply, HUBLESS_STR(""));
        memcpy(digits, value.data, least(value.len, sizeof digits - 1));
        *answered += strtol(digits, NULL, 10);
    } else if (status != HUBLESS_KILLED && err->kind != HUBLESS_KILLED) {
        hubless_error_clear(err);
        status = HUBLESS_OK;
    }
    hubless_reply_free(reply);
    return status;
}

static void *run(void *argument) {
    hubless_call *call = argument;
    hubless_error err = HUBLESS_ERROR_INIT;
    long answered = 1;
    hubless_str label = hubless_call_value(call, HUBLESS_STR("/label"));
    char line[LINE_MAX_BYTES];
    int fd = open_provider();
    snprintf(line, sizeof line, "call c %.*s\n", (int)label.len, label.data);
    hubless_status status = fd >= 0 && ask(fd, line) ? HUBLESS_OK : HUBLESS_HANDLER_FAILED;
    if (status == HUBLESS_OK) {
        status = spend(call, fd, &err);
    }
    if (status == HUBLESS_OK) {
        status = on(call, &answered, &err);
    }
    if (fd >= 0) {
        static const char done[] = "done\n";
        ssize_t said = write(fd, done, sizeof done - 1);
        (void)said;
        close(fd);
    }
    if (status == HUBLESS_OK) {
        snprintf(line, sizeof line, "%ld", answered);
        hubless_content content = hubless_content_json(hubless_cstr(line));
        hubless_call_final(call, &content, NULL);
    } else {
        hubless_status kind = err.kind != HUBLESS_OK ? err.kind : HUBLESS_HANDLER_FAILED;
        hubless_call_fail(call, kind, err.code, err.message, NULL);
    }
    hubless_error_clear(&err);
    return NULL;
}

static void on_link(hubless_call *call, void *user) {
    (void)user;
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, call) == 0) {
        pthread_detach(thread);
    } else {
        hubless_call_fail(call, HUBLESS_BUSY, HUBLESS_STR(""), HUBLESS_STR("no thread"), NULL);
    }
}

int main(int count, char **arguments) {
    hubless_agent *agent = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    provider = count == 3 ? arguments[2] : "";
    hubless_node_options named = {.size = sizeof named, .name = HUBLESS_STR("c")};
    hubless_agent_options spending = {
        .size = sizeof spending, .name = HUBLESS_STR("c.link"),
        .skill_json = HUBLESS_STR("{\"id\": \"link\", \"spends\": \"tokens\"}"),
        .requirements_json = HUBLESS_STR("{\"maxConcurrency\": 1024}"), .on_call = on_link};
    if (hubless_node_start(&named, &node, &err) ||
        hubless_register(node, &spending, &agent, &err)) {
        fprintf(stderr, "%.*s\n", (int)err.message.len, err.message.data);
        return 1;
    }
    puts("{\"event\": \"ready\"}");
    fflush(stdout);
    hubless_serve_options serving = {.size = sizeof serving, .until_stdin_ends = 1};
    return hubless_node_serve(node, &serving, NULL) != HUBLESS_OK;
}
