/* Nodes, agents, bodies, switches: what lives, and how it ends. */
#include "decode.h"

#include <stdlib.h>

static void on_echo(hubless_call *call, void *user) {
    (void)user;
    keep(CALL, call);
    hubless_call_finalf(call, "x");
}

static void on_hold(hubless_call *call, void *user) {
    (void)user;
    keep(CALL, call);
}

static void on_cancel(hubless_call *call, hubless_status reason, void *user) {
    (void)reason;
    (void)user;
    hubless_call_fail(call, HUBLESS_CANCELLED, HUBLESS_STR(""), HUBLESS_STR("stopped"), NULL);
}

/* Answered at once, since some operations wait for it without a bound of their own; used again. */
static void on_auth(hubless_question *question, const hubless_auth_check *check, void *user) {
    (void)check;
    (void)user;
    hubless_auth_verdict(question, 1, 0, NULL);
    keep(QUESTION, question);
}

static void on_count(hubless_question *question, const hubless_str *texts, size_t count,
                     void *user) {
    (void)texts;
    (void)user;
    hubless_count_result(question, count, NULL);
    keep(QUESTION, question);
}

static void on_node(hubless_status status, hubless_node *node, const hubless_error *err,
                    void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(NODE, node);
    ended();
}

static void on_agent(hubless_status status, hubless_agent *agent, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(AGENT, agent);
    ended();
}

static void on_body(hubless_status status, hubless_body *body, const hubless_error *err,
                    void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(BODY, body);
    ended();
}

static void on_done(hubless_status status, const hubless_error *err, void *user) {
    (void)status;
    (void)err;
    (void)user;
    ended();
}

static void on_bytes(hubless_status status, hubless_bytes bytes, const hubless_error *err,
                     void *user) {
    (void)bytes;
    on_done(status, err, user);
}

static void on_tripped(const hubless_stop *stop, void *user) {
    (void)stop;
    (void)user;
}

static const hubless_node_options *node_options(const unsigned char *arg) {
    hubless_node_options options = {.size = sizeof options, .memory_only = !(arg[6] & 1),
                                    .name = text_of(arg[0], NULL), .polled = arg[2] & 1,
                                    .log = text_of(arg[3], NULL)};
    return sized(&options, sizeof options, arg[1]);
}

static void node_start(const unsigned char *arg) {
    if (!has_room_for_a_node()) {
        return;
    }
    hubless_node *made = NULL, **out = arg[5] == 1 ? NULL : &made;
    gave(hubless_node_start(node_options(arg), out, error_of(arg[4])), NODE, (void **)out);
}

static void node_start_async(const unsigned char *arg) {
    if (has_room_for_a_node()) {
        began(hubless_node_start_async(node_options(arg), arg[5] == 1 ? NULL : on_node, NULL,
                                       error_of(arg[4])));
    }
}

static void node_close(const unsigned char *arg) {
    hubless_node *node = handle_of(NODE, arg[0]);
    hubless_status status = hubless_node_close(node, 0);
    came(status);
    if (hubless_node_close(node, 0) == HUBLESS_OK) {
        wrong("a node was closed twice", (long)status);
    }
}

static void node_close_async(const unsigned char *arg) {
    began(hubless_node_close_async(handle_of(NODE, arg[0]), 0, arg[1] == 1 ? NULL : on_done, NULL,
                                   error_of(arg[2])));
}

static void node_status(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[1] == 1 ? NULL : &text;
    gave(hubless_node_status(handle_of(NODE, arg[0]), out, error_of(arg[2])), TEXT, (void **)out);
}

static void node_fd(const unsigned char *arg) {
    int32_t fd = -1;
    came(hubless_node_fd(handle_of(NODE, arg[0]), arg[1] == 1 ? NULL : &fd, error_of(arg[2])));
}

static void node_poll(const unsigned char *arg) {
    size_t count = 0;
    came(hubless_poll(handle_of(NODE, arg[0]), arg[1], arg[2] == 1 ? NULL : &count,
                      error_of(arg[3])));
}

static const hubless_agent_options *agent_options(const unsigned char *arg) {
    hubless_agent_options options = hubless_agent_named(NULL, arg[2] & 1 ? on_hold : on_echo, NULL);
    options.name = text_of(arg[1], arg[2] & 1 ? "hold" : "echo");
    options.on_cancel = on_cancel;
    options.on_auth = on_auth;
    options.on_count = on_count;
    options.skill_json = arg[2] & 2 ? text_of(arg[2] >> 4, "{\"id\": \"s\"}") : options.skill_json;
    options.requirements_json =
        arg[2] & 4 ? text_of(arg[2] >> 4, "{\"auth\": {\"host\": true}}") : options.skill_json;
    options.options_json = arg[2] & 8 ? text_of(arg[2] >> 4, "{\"groups\": []}") : options.name;
    if (!(arg[2] & 8)) {
        options.options_json = (hubless_str){NULL, 0};
    }
    options.isolated = arg[3] & 1;
    options.streaming = arg[3] & 2;
    options.parent = arg[3] & 4 ? handle_of(CALL, arg[3] >> 4) : NULL;
    options.on_call = arg[3] & 8 ? NULL : options.on_call;
    return sized(&options, sizeof options, arg[4]);
}

static void agent_register(const unsigned char *arg) {
    hubless_agent *agent = NULL, **out = arg[5] & 4 ? NULL : &agent;
    hubless_status status =
        hubless_register(handle_of(NODE, arg[0]), agent_options(arg), out, error_of(arg[5]));
    came(status);
    keep(AGENT, agent);
}

static void agent_register_async(const unsigned char *arg) {
    began(hubless_register_async(handle_of(NODE, arg[0]), agent_options(arg), on_agent, NULL,
                                 error_of(arg[5])));
}

static void agent_get(const unsigned char *arg) {
    hubless_agent_info info = {.size = sizeof info};
    came(hubless_agent_get(handle_of(AGENT, arg[0]), sized(&info, sizeof info, arg[1]),
                           error_of(arg[2])));
}

static void agent_health(const unsigned char *arg) {
    came(hubless_agent_health(handle_of(AGENT, arg[0]), text_of(arg[1], "suspect"),
                              error_of(arg[2])));
}

static void agent_free(const unsigned char *arg) {
    hubless_agent *agent = handle_of(AGENT, arg[0]);
    /* It waits for calls that run. */
    fail_calls();
    hubless_status status = hubless_agent_free(agent);
    came(status);
    if (hubless_agent_free(agent) == HUBLESS_OK) {
        wrong("an agent was freed twice", (long)status);
    }
}

static void body_open(const unsigned char *arg) {
    hubless_body *body = NULL, **out = arg[1] == 1 ? NULL : &body;
    gave(hubless_body_open(handle_of(NODE, arg[0]), out, error_of(arg[2])), BODY, (void **)out);
}

static void body_open_async(const unsigned char *arg) {
    began(hubless_body_open_async(handle_of(NODE, arg[0]), arg[1] == 1 ? NULL : on_body, NULL,
                                  error_of(arg[2])));
}

static void body_write(const unsigned char *arg) {
    hubless_str piece = text_of(arg[1], "piece");
    hubless_bytes bytes = {(const uint8_t *)piece.data, piece.len};
    /* Not the form that blocks: nobody may ever read. */
    began(hubless_body_write_async(handle_of(BODY, arg[0]), bytes, on_done, NULL,
                                   error_of(arg[2])));
}

static void body_read(const unsigned char *arg) {
    began(hubless_body_read_async(handle_of(BODY, arg[0]), arg[1], on_bytes, NULL,
                                  error_of(arg[2])));
}

static void body_end(const unsigned char *arg) {
    came(hubless_body_end(handle_of(BODY, arg[0]), error_of(arg[1])));
}

static void body_fail(const unsigned char *arg) {
    came(hubless_body_fail(handle_of(BODY, arg[0]), text_of(arg[1], "x"), error_of(arg[2])));
}

static void body_keep(const unsigned char *arg) {
    came(hubless_body_keep(handle_of(BODY, arg[0]), error_of(arg[1])));
}

static void body_free(const unsigned char *arg) {
    hubless_body *body = handle_of(BODY, arg[0]);
    hubless_status status = hubless_body_free(body);
    came(status);
    if (hubless_body_free(body) == HUBLESS_OK) {
        wrong("a body was freed twice", (long)status);
    }
}

static void switch_new(const unsigned char *arg) {
    hubless_switch_options limits = {.size = sizeof limits, .calls = HUBLESS_AT_MOST(arg[1]),
                                     .output_tokens = HUBLESS_AT_MOST(100 + arg[2])};
    hubless_switch *made = NULL, **out = arg[3] == 1 ? NULL : &made;
    gave(hubless_switch_new(sized(&limits, sizeof limits, arg[0]), out, error_of(arg[4])), SWITCH,
         (void **)out);
}

static void switch_get(const unsigned char *arg) {
    hubless_switch_info info = {.size = sizeof info};
    came(hubless_switch_get(handle_of(SWITCH, arg[0]), sized(&info, sizeof info, arg[1]),
                            error_of(arg[2])));
}

static void switch_tree(const unsigned char *arg) {
    hubless_text *tree = NULL;
    hubless_text **out = arg[1] == 1 ? NULL : &tree;
    /* There is none before the first request. */
    came(hubless_switch_tree(handle_of(SWITCH, arg[0]), out, error_of(arg[2])));
    keep(TEXT, tree);
}

static void switch_trip(const unsigned char *arg) {
    came(hubless_switch_trip(handle_of(SWITCH, arg[0]), text_of(arg[1], "operator"),
                             error_of(arg[2])));
}

static void switch_on_tripped(const unsigned char *arg) {
    came(hubless_switch_on_tripped(handle_of(SWITCH, arg[0]), arg[1] == 1 ? NULL : on_tripped,
                                   NULL, error_of(arg[2])));
}

static void switch_free(const unsigned char *arg) {
    hubless_switch *made = handle_of(SWITCH, arg[0]);
    hubless_status status = hubless_switch_free(made);
    came(status);
    if (hubless_switch_free(made) == HUBLESS_OK) {
        wrong("a switch was freed twice", (long)status);
    }
}

const operation life_operations[] = {
    {"node_start", node_start, 0},
    {"node_start_async", node_start_async, 0},
    {"node_close", node_close, 0},
    {"node_close_async", node_close_async, 0},
    {"node_status", node_status, 0},
    {"node_fd", node_fd, 0},
    {"poll", node_poll, 0},
    {"register", agent_register, 0},
    {"register_async", agent_register_async, 0},
    {"agent_get", agent_get, 0},
    {"agent_health", agent_health, 0},
    {"agent_free", agent_free, 0},
    {"body_open", body_open, 0},
    {"body_open_async", body_open_async, 0},
    {"body_write_async", body_write, 0},
    {"body_read_async", body_read, 0},
    {"body_end", body_end, 0},
    {"body_fail", body_fail, 0},
    {"body_keep", body_keep, 0},
    {"body_free", body_free, 0},
    {"switch_new", switch_new, 0},
    {"switch_get", switch_get, 0},
    {"switch_tree", switch_tree, 0},
    {"switch_trip", switch_trip, 0},
    {"switch_on_tripped", switch_on_tripped, 0},
    {"switch_free", switch_free, 0},
    {NULL, NULL, 0},
};
