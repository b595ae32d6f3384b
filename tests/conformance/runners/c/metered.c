/* A subject that asks the gateway of its node. */
#include "behaviour.h"
#include "budget.h"

#include "support/json.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASKED                                                                                      \
    "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

/* A connection to the gateway of a base URL on this machine; below 0: there is none. */
static int connected(const char *base_url, int *port) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    int stream;
    if (sscanf(base_url, "http://127.0.0.1:%d", port) != 1) {
        return -1;
    }
    to.sin_port = htons((uint16_t)*port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stream = socket(AF_INET, SOCK_STREAM, 0);
    if (stream >= 0 && connect(stream, (struct sockaddr *)&to, sizeof to) != 0) {
        close(stream);
        return -1;
    }
    return stream;
}

/* Reads an answer to its end; its status, 0 for none. */
static int status_of(int stream) {
    char head[1024], rest[1024];
    size_t have = 0;
    ssize_t got;
    int status = 0;
    while (have < sizeof head - 1 &&
           (got = read(stream, head + have, sizeof head - 1 - have)) > 0) {
        have += (size_t)got;
    }
    while (read(stream, rest, sizeof rest) > 0) {
    }
    head[have] = 0;
    return sscanf(head, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

/* Asks for a chat completion; the status of the answer, 0 for none. */
static int posted(const hubless_provider_info *given) {
    char post[8192], base[256];
    int port = 0, status = 0;
    snprintf(base, sizeof base, "%.*s", (int)given->base_url.len, given->base_url.data);
    int stream = connected(base, &port);
    if (stream < 0) {
        return 0;
    }
    int length = snprintf(post, sizeof post,
                          "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
                          "connection: close\r\nauthorization: Bearer %.*s\r\n"
                          "content-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                          port, (int)given->api_key.len, given->api_key.data, sizeof ASKED - 1,
                          ASKED);
    if (write(stream, post, (size_t)length) == length) {
        status = status_of(stream);
    }
    close(stream);
    return status;
}

static hubless_limit most_of(const json *most, const char *name) {
    double value = json_get_number(most, name, -1);
    return value < 0 ? (hubless_limit){0} : HUBLESS_AT_MOST((uint64_t)value);
}

void run_metered(hubless_call *call, const hubless_call_info *info) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_provider *provider = NULL;
    hubless_provider_info given = {.size = sizeof given};
    json *in = value_of(&info->content);
    const json *most = json_get(in, "most");
    hubless_allowance limits = {.input_tokens = most_of(most, "inputTokens"),
                                .output_tokens = most_of(most, "outputTokens"),
                                .cost_micros = most_of(most, "costMicros")};
    int times = (int)json_get_number(in, "times", 1), answered = 0, status = 200;
    json_free(in);
    if (hubless_call_provider_for(call, &limits, &provider, &err) != HUBLESS_OK) {
        fail_with(call, &err);
        return;
    }
    hubless_provider_get(provider, &given, NULL);
    while (status == 200 && answered < times) {
        status = posted(&given);
        answered += status == 200;
    }
    hubless_provider_free(provider);
    json *out = json_new(JSON_OBJECT);
    json_set(out, "answered", json_number(answered));
    json_set(out, "status", json_number(status));
    answer(call, out);
}
