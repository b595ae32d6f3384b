/* What a node asks of others: requests, searches, and what is read of the answers. */
#include "decode.h"

#include <stdlib.h>

static void on_reply(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(REPLY, reply);
    ended();
}

static void on_response(hubless_status status, hubless_reply *reply, const hubless_error *refused,
                        const hubless_error *err, void *user) {
    (void)refused;
    on_reply(status, reply, err, user);
}

static void on_found(hubless_status status, hubless_agents *found, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(LIST, found);
    ended();
}

static void on_watch(hubless_status status, hubless_watch *watch, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(WATCH, watch);
    ended();
}

static void on_change(int32_t kind, const hubless_found *found, void *user) {
    (void)kind;
    (void)found;
    (void)user;
}

static void on_event(const hubless_event *event, void *user) {
    (void)user;
    keep(REPLY, event->reply);
}

static void request(const unsigned char *arg) {
    hubless_reply *reply = NULL, **out = arg[5] & 4 ? NULL : &reply;
    hubless_node *node = handle_of(NODE, arg[0]);
    hubless_str to = text_of(arg[1], "echo");
    const hubless_content *content = content_of(arg[2]);
    const hubless_request_options *options = options_of(arg[3], arg[4], WAITED_MS);
    if (is_whole(arg[4])) {
        gave(hubless_request(node, to, content, options, out, error_of(arg[5])), REPLY,
             (void **)out);
    } else {
        began(hubless_request_async(node, to, content, options, on_reply, NULL,
                                    error_of(arg[5])));
    }
}

static void request_async(const unsigned char *arg) {
    began(hubless_request_async(handle_of(NODE, arg[0]), text_of(arg[1], "hold"),
                                content_of(arg[2]), options_of(arg[3], arg[4], UNWAITED_MS),
                                arg[6] == 1 ? NULL : on_reply, NULL, error_of(arg[5])));
}

static void send_one(const unsigned char *arg) {
    hubless_error refused = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_node *node = handle_of(NODE, arg[0]);
    hubless_str to = text_of(arg[1], "echo");
    const hubless_content *content = content_of(arg[2]);
    const hubless_request_options *options = options_of(arg[3], arg[4], WAITED_MS);
    if (is_whole(arg[4])) {
        /* A refusal is no failure, and brings no reply. */
        came(hubless_send(node, to, content, options, arg[5] & 4 ? NULL : &reply,
                          arg[5] & 8 ? NULL : &refused, error_of(arg[5])));
    } else {
        began(hubless_send_async(node, to, content, options, on_response, NULL,
                                 error_of(arg[5])));
    }
    keep(REPLY, reply);
    hubless_error_clear(&refused);
}

static void send_short(const unsigned char *arg) {
    hubless_agent_request request = {.size = sizeof request, .agent = text_of(arg[1], "echo"),
                                     .prompt = text_of(arg[2], "x"),
                                     .parent = arg[3] & 1 ? handle_of(CALL, arg[3] >> 4) : NULL,
                                     .kill_switch =
                                         arg[3] & 2 ? handle_of(SWITCH, arg[3] >> 4) : NULL,
                                     .content = arg[3] & 4 ? content_of(arg[3] >> 4) : NULL};
    /* It has no bound of its own: the form that waits may wait for long. */
    began(hubless_send_short_async(handle_of(NODE, arg[0]),
                                   sized(&request, sizeof request, arg[4]), on_response, NULL,
                                   error_of(arg[5])));
}

static void stream(const unsigned char *arg) {
    came(hubless_stream(handle_of(NODE, arg[0]), text_of(arg[1], "echo"), content_of(arg[2]),
                        options_of(arg[3], arg[4], UNWAITED_MS), arg[6] == 1 ? NULL : on_event,
                        NULL, error_of(arg[5])));
}

static void cancel(const unsigned char *arg) {
    came(hubless_cancel(handle_of(NODE, arg[0]), arg[1], error_of(arg[2])));
}

static void check(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[4] == 1 ? NULL : &text;
    /* Nothing where there is nothing to say. */
    came(hubless_check(handle_of(AGENT, arg[0]), content_of(arg[1]),
                       options_of(arg[2], arg[3], WAITED_MS), out, error_of(arg[5])));
    keep(TEXT, text);
}

static void reply_get(const unsigned char *arg) {
    hubless_reply_info info = {.size = sizeof info};
    came(hubless_reply_get(handle_of(REPLY, arg[0]), sized(&info, sizeof info, arg[1]),
                           error_of(arg[2])));
    hubless_reply_text(handle_of(REPLY, arg[0]));
    hubless_reply_value(handle_of(REPLY, arg[0]), text_of(arg[3], ""));
}

static void reply_free(const unsigned char *arg) {
    hubless_reply *reply = handle_of(REPLY, arg[0]);
    hubless_status status = hubless_reply_free(reply);
    came(status);
    if (hubless_reply_free(reply) == HUBLESS_OK || hubless_reply_text(reply).data != NULL) {
        wrong("a freed reply is there", (long)status);
    }
}

static void find(const unsigned char *arg) {
    hubless_agents *found = NULL, **out = arg[3] == 1 ? NULL : &found;
    gave(hubless_find(handle_of(NODE, arg[0]), query_of(arg[1], arg[2]), out, error_of(arg[4])),
         LIST, (void **)out);
}

static void find_async(const unsigned char *arg) {
    began(hubless_find_async(handle_of(NODE, arg[0]), query_of(arg[1], arg[2]),
                             arg[3] == 1 ? NULL : on_found, NULL, error_of(arg[4])));
}

static void peer(const unsigned char *arg) {
    hubless_agents *found = NULL, **out = arg[3] == 1 ? NULL : &found;
    gave(hubless_peer(handle_of(NODE, arg[0]), query_of(arg[1], arg[2]), out, error_of(arg[4])),
         LIST, (void **)out);
}

static void list_agents(const unsigned char *arg) {
    hubless_agents *found = NULL, **out = arg[2] == 1 ? NULL : &found;
    gave(hubless_list_agents(handle_of(NODE, arg[0]), text_of(arg[1], "local"), out,
                             error_of(arg[3])),
         LIST, (void **)out);
}

static void agents_get(const unsigned char *arg) {
    hubless_found found = {.size = sizeof found};
    const hubless_agents *list = handle_of(LIST, arg[0]);
    hubless_status status = hubless_agents_get(list, arg[1], sized(&found, sizeof found, arg[2]),
                                               error_of(arg[3]));
    came(status);
    if (status == HUBLESS_OK && hubless_agents_count(list) <= arg[1]) {
        wrong("an agent past the end of a list", arg[1]);
    }
}

static void agents_free(const unsigned char *arg) {
    hubless_agents *list = handle_of(LIST, arg[0]);
    hubless_status status = hubless_agents_free(list);
    came(status);
    if (hubless_agents_free(list) == HUBLESS_OK || hubless_agents_count(list) != 0) {
        wrong("a freed list is there", (long)status);
    }
}

static void describe(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[2] == 1 ? NULL : &text;
    gave(hubless_describe(handle_of(NODE, arg[0]), text_of(arg[1], "echo"), out, error_of(arg[3])),
         TEXT, (void **)out);
}

static void discover(const unsigned char *arg) {
    hubless_watch *watch = NULL, **out = arg[3] == 1 ? NULL : &watch;
    gave(hubless_discover(handle_of(NODE, arg[0]), query_of(arg[1], arg[2]),
                          arg[4] == 1 ? NULL : on_change, NULL, out, error_of(arg[5])),
         WATCH, (void **)out);
}

static void watch_start(const unsigned char *arg) {
    began(hubless_watch_start_async(handle_of(NODE, arg[0]), query_of(arg[1], arg[2]),
                                    arg[4] == 1 ? NULL : on_change, on_watch, NULL,
                                    error_of(arg[5])));
}

static void watch_free(const unsigned char *arg) {
    hubless_watch *watch = handle_of(WATCH, arg[0]);
    hubless_status status = hubless_watch_free(watch);
    came(status);
    if (hubless_watch_free(watch) == HUBLESS_OK) {
        wrong("a watch was freed twice", (long)status);
    }
}

const operation ask_operations[] = {
    {"request", request, 0},
    {"request_async", request_async, 0},
    {"send", send_one, 0},
    {"send_short_async", send_short, 0},
    {"stream", stream, 0},
    {"cancel", cancel, 0},
    {"check", check, 0},
    {"reply_get", reply_get, 0},
    {"reply_free", reply_free, 0},
    {"find", find, 0},
    {"find_async", find_async, 0},
    {"peer", peer, 0},
    {"list_agents", list_agents, 0},
    {"agents_get", agents_get, 0},
    {"agents_free", agents_free, 0},
    {"describe", describe, 0},
    {"discover", discover, 0},
    {"watch_start_async", watch_start, 0},
    {"watch_free", watch_free, 0},
    {NULL, NULL, 0},
};
