#include "demo.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

double demo_ms(void) {
    static struct timespec began;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (began.tv_sec == 0) {
        began = now;
    }
    return (double)(now.tv_sec - began.tv_sec) * 1e3 + (double)(now.tv_nsec - began.tv_nsec) / 1e6;
}

char *demo_text(hubless_str text) {
    char *made = malloc(text.len + 1);
    if (text.len > 0) {
        memcpy(made, text.data, text.len);
    }
    made[text.len] = '\0';
    return made;
}

static json *text_of(hubless_str text) {
    return json_string_of(text.data == NULL ? "" : text.data, text.len);
}

json *demo_event(const char *name) {
    json *event = json_new(JSON_OBJECT);
    json_set(event, "event", json_string(name));
    json_set(event, "t_ms", json_number((double)(long)demo_ms()));
    return event;
}

void demo_print(json *event) {
    static pthread_mutex_t line = PTHREAD_MUTEX_INITIALIZER;
    char *text = json_print(event);
    pthread_mutex_lock(&line);
    puts(text);
    fflush(stdout);
    pthread_mutex_unlock(&line);
    free(text);
    json_free(event);
}

void demo_ready(hubless_node *node, hubless_agent *agent) {
    hubless_agent_info info = {.size = sizeof info};
    hubless_text *status = NULL, *key = NULL;
    hubless_agent_get(agent, &info, NULL);
    hubless_node_status(node, &status, NULL);
    hubless_json_get(hubless_text_get(status), HUBLESS_STR("/nodeKey"), &key, NULL);
    json *event = demo_event("ready");
    json_set(event, "language", json_string("c"));
    json_set(event, "name", text_of(info.name));
    json_set(event, "nodeKey", text_of(hubless_text_get(key)));
    json_set(event, "address", text_of(info.address));
    json_set(event, "pid", json_number(getpid()));
    demo_print(event);
    hubless_text_free(status);
    hubless_text_free(key);
}

/* Asking for the report over the network. */

typedef struct {
    char *agent;
    double began;
    size_t bytes_out;
} asking;

static void failed(const hubless_error *err) {
    json *event = demo_event("failed"), *error = json_new(JSON_OBJECT);
    json_set(error, "kind", text_of(err->name));
    json_set(error, "code", text_of(err->code));
    json_set(error, "message", text_of(err->message));
    json_set(event, "error", error);
    demo_print(event);
}

static void answered(const asking *what, hubless_reply *reply) {
    hubless_reply_info got = {.size = sizeof got};
    hubless_reply_get(reply, &got, NULL);
    double ms = demo_ms() - what->began;
    json *event = demo_event("answered");
    json_set(event, "skill", json_string("weather_report"));
    json_set(event, "agent", text_of(got.agent_name));
    json_set(event, "path", text_of(got.path));
    json_set(event, "ms", json_number((double)(long)ms));
    json_set(event, "bytesOut", json_number((double)what->bytes_out));
    json_set(event, "bytesIn", json_number((double)got.content.value_json.len));
    demo_print(event);
    json *value = json_parse(got.content.value_json.data, got.content.value_json.len);
    event = demo_event("done");
    json_set(event, "result", value == NULL ? json_new(JSON_NULL) : value);
    json_set(event, "ms", json_number((double)(long)ms));
    demo_print(event);
    hubless_reply_free(reply);
}

static void on_event(const hubless_event *event, void *user) {
    asking *what = user;
    if (event->kind == HUBLESS_EVENT_PROGRESS) {
        json *line = demo_event("progress");
        json_set(line, "note", text_of(event->note));
        if (event->fraction >= 0) {
            json_set(line, "fraction", json_number(event->fraction));
        }
        demo_print(line);
        return;
    }
    if (event->kind == HUBLESS_EVENT_FINAL) {
        answered(what, event->reply);
    } else if (event->kind == HUBLESS_EVENT_FAILED) {
        failed(event->error);
    } else {
        return;
    }
    free(what->agent);
    free(what);
}

static void ask(hubless_node *node, const char *request) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_query query = {.size = sizeof query, .skill = HUBLESS_STR("weather_report"),
                           .text = HUBLESS_STR("a weather report with charts")};
    hubless_agents *list = NULL;
    hubless_found found = {.size = sizeof found};
    double began = demo_ms();
    if (hubless_find(node, &query, &list, &err) ||
        hubless_agents_get(list, 0, &found, &err)) {
        failed(&err);
        hubless_error_clear(&err);
        hubless_agents_free(list);
        return;
    }
    json *event = demo_event("found");
    json_set(event, "skill", json_string("weather_report"));
    json_set(event, "agent", text_of(found.name));
    json_set(event, "address", text_of(found.address));
    json_set(event, "nodeKey", text_of(found.node_key));
    json_set(event, "score", json_number(found.score));
    json_set(event, "path", text_of(found.path));
    json_set(event, "ms", json_number((double)(long)(demo_ms() - began)));
    demo_print(event);
    event = demo_event("calling");
    json_set(event, "skill", json_string("weather_report"));
    json_set(event, "agent", text_of(found.name));
    json_set(event, "nodeKey", text_of(found.node_key));
    demo_print(event);
    asking *what = malloc(sizeof *what);
    *what = (asking){demo_text(found.agent_id), demo_ms(), strlen(request)};
    hubless_content content = hubless_content_json(hubless_cstr(request));
    hubless_request_options options = {.size = sizeof options,
                                       .skill = HUBLESS_STR("weather_report")};
    if (hubless_stream(node, hubless_cstr(what->agent), &content, &options, on_event, what, &err)) {
        failed(&err);
        free(what->agent);
        free(what);
    }
    hubless_error_clear(&err);
    hubless_agents_free(list);
}

/* Asks for what each line says; the end of the lines closes the node. */
static void *read_lines(void *user) {
    hubless_node *node = user;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strncmp(line, "ask ", 4) == 0) {
            ask(node, line + 4);
        }
    }
    free(line);
    return hubless_node_close(node, 10000) == HUBLESS_OK ? node : NULL;
}

int demo_serve(hubless_node *node) {
    pthread_t reader;
    void *closed = NULL;
    if (pthread_create(&reader, NULL, read_lines, node) != 0) {
        return 1;
    }
    if (hubless_node_serve(node, NULL, NULL) == HUBLESS_OK) {
        return 0;
    }
    /* The lines may have ended before it began to serve. */
    pthread_join(reader, &closed);
    return closed == NULL;
}
