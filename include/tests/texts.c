/* Texts that are none, in every place that takes one: NUL, no UTF-8, no bytes, 2^31 of them. What
 * content carries of it is in `edges.c`. */
#include "suite.h"

#include <stdint.h>
#include <stdlib.h>

static const hubless_str bad[] = {
    {"with\0nul", 8}, {"\xff\xfe", 2}, {"\xed\xa0\x80", 3}, {NULL, 3},
    {"x", (size_t)1 << 31}, {"x", SIZE_MAX},
};

enum { BAD = sizeof bad / sizeof bad[0] };

static const hubless_str word = {"x", 1}, object = {"{}", 2}, echo = {"echo", 4};

typedef struct {
    hubless_call *call;
    hubless_question *question;
    volatile int calls, questions, ended;
    hubless_status status;
} held;

static void on_keep(hubless_call *call, void *user) {
    ((held *)user)->call = call;
    suite_count(&((held *)user)->calls);
}

static void on_tool(hubless_question *question, hubless_str name, hubless_str arguments,
                    void *user) {
    (void)name;
    (void)arguments;
    ((held *)user)->question = question;
    suite_count(&((held *)user)->questions);
}

static void on_credential(hubless_question *question, hubless_str target, void *user) {
    (void)target;
    on_tool(question, target, target, user);
}

static void on_ended(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)err;
    ((held *)user)->status = status;
    if (status == HUBLESS_OK) {
        hubless_reply_free(reply);
    }
    suite_count(&((held *)user)->ended);
}

static void on_event(const hubless_event *event, void *user) {
    (void)event;
    (void)user;
}

/* Refused, with the name of the field. */
#define FIELD(name, what)                                                                          \
    do {                                                                                           \
        hubless_error err = HUBLESS_ERROR_INIT;                                                    \
        CHECK((what) == HUBLESS_INVALID_ARGUMENT);                                                 \
        CHECK(suite_is(err.field, name));                                                          \
        hubless_error_clear(&err);                                                                 \
    } while (0)

/* Refused in the text of content, which carries the first of them. */
#define CONTENT(what)                                                                              \
    do {                                                                                           \
        if (row > 0) {                                                                             \
            FIELD("content", what);                                                                \
        }                                                                                          \
    } while (0)

/* The same of a text that people are shown: the core leaves NULs out of it. */
#define SHOWN(name, what)                                                                          \
    do {                                                                                           \
        if (row > 0) {                                                                             \
            FIELD(name, what);                                                                     \
        }                                                                                          \
    } while (0)

/* Each of them, with one after the other in place of `odd`. */
#define EACH(...)                                                                                  \
    for (size_t row = 0; row < BAD; row++) {                                                       \
        const hubless_str odd = bad[row];                                                          \
        __VA_ARGS__                                                                                \
    }

static void a_node_refuses_them(void) {
    hubless_node *node = NULL;
    EACH({
        hubless_node_options name = {.size = sizeof name, .name = odd};
        hubless_node_options mesh = {.size = sizeof mesh, .mesh = odd};
        hubless_node_options home = {.size = sizeof home, .home = odd};
        hubless_node_options trace = {.size = sizeof trace, .trace = odd};
        hubless_node_options listen = {.size = sizeof listen, .listen = odd};
        hubless_node_options log = {.size = sizeof log, .log = odd};
        hubless_node_options orphans = {.size = sizeof orphans, .orphans = odd};
        FIELD("name", hubless_node_start(&name, &node, &err));
        FIELD("mesh", hubless_node_start(&mesh, &node, &err));
        FIELD("home", hubless_node_start(&home, &node, &err));
        FIELD("listen", hubless_node_start(&listen, &node, &err));
        FIELD("log", hubless_node_start(&log, &node, &err));
        FIELD("orphans", hubless_node_start(&orphans, &node, &err));
        FIELD("trace", hubless_node_start(&trace, &node, &err));
        CHECK(node == NULL);
    })
    hubless_node_options good = {.size = sizeof good, .log = HUBLESS_STR("error")};
    CHECK(hubless_node_start(&good, &node, NULL) == HUBLESS_OK);
    CHECK(hubless_node_close(node, 0) == HUBLESS_OK);
}

static void an_agent_refuses_them(void) {
    hubless_agent *agent = suite_agent("echo", suite_on_x, NULL);
    hubless_node *node = suite_node();
    EACH({
        hubless_agent_options all[8];
        const char *const fields[8] = {"name",       "description",       "skill_json",
                                       "skills_json", "tags",              "requirements_json",
                                       "identity",   "options_json"};
        for (int i = 0; i < 8; i++) {
            all[i] = hubless_agent_named("never", suite_on_x, NULL);
        }
        all[0].name = odd;
        all[1].description = odd;
        all[2].skill_json = odd;
        all[3].skills_json = odd;
        all[4].tags = odd;
        all[5].requirements_json = odd;
        all[6].identity = odd;
        all[7].options_json = odd;
        for (int i = 0; i < 8; i++) {
            if (row == 0 && i == 1) {
                continue; /* A description is shown. */
            }
            FIELD(fields[i], hubless_register(node, &all[i], NULL, &err));
        }
        FIELD("state", hubless_agent_health(agent, odd, &err));
    })
    CHECK(hubless_agent_health(agent, HUBLESS_STR("up"), NULL) == HUBLESS_OK);
    hubless_reply *reply = NULL;
    CHECK(suite_ask("echo", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

/* Each way to ask. */
static void asked(hubless_str to, const hubless_content *content,
                  const hubless_request_options *given, const char *field) {
    hubless_reply *reply = NULL;
    hubless_error refused = HUBLESS_ERROR_INIT;
    hubless_node *node = suite_node();
    held all = {NULL, NULL, 0, 0, 0, HUBLESS_OK};
    FIELD(field, hubless_request(node, to, content, given, &reply, &err));
    FIELD(field, hubless_request_async(node, to, content, given, on_ended, &all, &err));
    FIELD(field, hubless_stream(node, to, content, given, on_event, NULL, &err));
    FIELD(field, hubless_send(node, to, content, given, &reply, &refused, &err));
    CHECK(reply == NULL && all.ended == 0);
}

static void a_request_refuses_them(void) {
    hubless_agent *agent = suite_agent("echo", suite_on_x, NULL);
    const hubless_content content = hubless_content_text(word);
    EACH({
        const hubless_request_options none = {.size = sizeof none};
        const hubless_tool tool = {.size = sizeof tool, .name = word, .on_tool = on_tool};
        hubless_request_options all[14];
        const char *const fields[14] = {"skill",          "auth_scheme",   "auth_secret",
                                        "context",        "conversationId", "idempotencyKey",
                                        "effect",         "inputSchema",   "outputSchema",
                                        "traceparent",    "template",      "options_json",
                                        "tracestate",     "baggage"};
        for (int i = 0; i < 14; i++) {
            all[i] = none;
        }
        all[0].skill = odd;
        all[1].auth_secret = word;
        all[1].auth_scheme = odd;
        all[2].auth_secret = odd;
        all[3].context_json = odd;
        all[4].conversation_id = odd;
        all[5].idempotency_key = odd;
        all[6].effect = odd;
        all[7].input_schema_json = odd;
        all[8].output_schema_json = odd;
        all[9].traceparent = odd;
        all[10].template_name = odd;
        all[11].options_json = odd;
        all[12].tracestate = odd;
        all[13].baggage = odd;
        for (int i = 0; i < 14; i++) {
            asked(echo, &content, &all[i], fields[i]);
        }
        hubless_tool tools[5] = {tool, tool, tool, tool, tool};
        const char *const parts[5] = {"tools.name", "tools.description",
                                      "tools.input_schema_json", "tools.effect",
                                      "tools.output_schema_json"};
        tools[0].name = odd;
        tools[1].description = odd;
        tools[2].input_schema_json = odd;
        tools[3].effect = odd;
        tools[4].output_schema_json = odd;
        for (int i = 0; i < 5; i++) {
            if (row == 0 && i == 1) {
                continue; /* So is that of a tool. */
            }
            hubless_request_options with = {.size = sizeof with, .tools = &tools[i],
                                            .tool_count = 1};
            asked(echo, &content, &with, parts[i]);
        }
        hubless_text *text = NULL;
        asked(odd, &content, NULL, "to");
        FIELD("skill", hubless_check(agent, &content, &all[0], &text, &err));
    })
    hubless_reply *reply = NULL;
    CHECK(suite_ask("echo", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

static void a_short_request_refuses_them(void) {
    EACH({
        const hubless_agent_request none = {.size = sizeof none, .agent = echo};
        hubless_agent_request all[5] = {none, none, none, none, none};
        const char *const fields[5] = {"prompt", "agent", "promptSchema", "skill", "template"};
        all[0].prompt = odd;
        all[1].agent = odd;
        all[2].prompt_schema_json = odd;
        all[3].skill = odd;
        all[4].template_name = odd;
        /* A prompt carries the first one. */
        for (int i = row == 0 ? 1 : 0; i < 5; i++) {
            hubless_reply *reply = NULL;
            hubless_error refused = HUBLESS_ERROR_INIT;
            FIELD(fields[i], hubless_send_short(suite_node(), &all[i], &reply, &refused, &err));
            CHECK(reply == NULL && refused.kind == HUBLESS_OK);
        }
    })
}

static void content_refuses_them(void) {
    hubless_agent *agent = suite_agent("echo", suite_on_x, NULL);
    hubless_body *body = NULL;
    CHECK(hubless_body_open(suite_node(), &body, NULL) == HUBLESS_OK);
    EACH({
        const hubless_part blank = {.size = sizeof blank, .kind = HUBLESS_PART_TEXT};
        const hubless_part link = {.size = sizeof link, .kind = HUBLESS_PART_URI, .text = odd};
        const hubless_part file = {.size = sizeof file, .kind = HUBLESS_PART_STREAM,
                                   .body = body, .sha256 = odd};
        const hubless_content json = {.size = sizeof json, .json = odd};
        const hubless_content about = {.size = sizeof about, .text = word, .metadata_json = odd};
        hubless_part all[8] = {blank, blank, blank, blank, blank, blank, link, file};
        const char *const fields[8] = {"content", "content",       "media_type", "filename",
                                       "role",    "metadata_json", "text",       "sha256"};
        hubless_text *text = NULL;
        all[0].text = odd;
        all[1].kind = HUBLESS_PART_JSON;
        all[1].text = odd;
        all[2].media_type = odd;
        all[3].filename = odd;
        all[4].role = odd;
        all[5].metadata_json = odd;
        /* A text part carries the first one. */
        for (int i = row == 0 ? 1 : 0; i < 8; i++) {
            hubless_content with = {.size = sizeof with, .parts = &all[i], .part_count = 1};
            asked(echo, &with, NULL, fields[i]);
            FIELD(fields[i], hubless_check(agent, &with, NULL, &text, &err));
        }
        asked(echo, &json, NULL, "content");
        asked(echo, &about, NULL, "metadata_json");
        SHOWN("message", hubless_body_fail(body, odd, &err));
    })
    /* A refused one has ended nothing. */
    CHECK(hubless_body_fail(body, word, NULL) == HUBLESS_OK);
}

static void a_call_refuses_them(void) {
    held all = {NULL, NULL, 0, 0, 0, HUBLESS_OK};
    hubless_content content = hubless_content_text(word);
    suite_agent("kept", on_keep, &all);
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("kept"), &content, NULL, on_ended, &all,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.calls, 1));
    EACH({
        hubless_content with = hubless_content_text(odd);
        hubless_reply *reply = NULL;
        hubless_call *call = all.call;
        CONTENT(hubless_call_final(call, &with, &err));
        FIELD("code", hubless_call_fail(call, HUBLESS_DENIED, odd, word, &err));
        SHOWN("message", hubless_call_fail(call, HUBLESS_DENIED, word, odd, &err));
        SHOWN("note", hubless_call_progress(call, odd, 0, &err));
        CONTENT(hubless_call_chunk(call, &with, -1, &err));
        hubless_usage_report usage = {.size = sizeof usage};
        usage.model = odd;
        FIELD("model", hubless_call_usage(call, 1, 1, odd, &err));
        FIELD("model", hubless_call_usage_with(call, &usage, &err));
        FIELD("name", hubless_call_tool(call, odd, object, &reply, &err));
        FIELD("arguments_json", hubless_call_tool(call, word, odd, &reply, &err));
        FIELD("name", hubless_call_tool_async(call, odd, object, on_ended, &all, &err));
        FIELD("arguments_json", hubless_call_tool_async(call, word, odd, on_ended, &all, &err));
        CONTENT(hubless_call_input(call, &with, &reply, &err));
        CONTENT(hubless_call_input_async(call, &with, on_ended, &all, &err));
        CHECK(hubless_call_value(call, odd).data == NULL);
        CHECK(all.ended == 0);
    })
    CHECK(hubless_call_value(all.call, HUBLESS_STR("")).len == 1);
    CHECK(hubless_call_final(all.call, &content, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1) && all.status == HUBLESS_OK);
}

static void on_tool_ended(hubless_status status, hubless_reply *reply, const hubless_error *err,
                          void *user) {
    (void)err;
    hubless_call_finalf(user, status == HUBLESS_OK ? "used" : "refused");
    if (status == HUBLESS_OK) {
        hubless_reply_free(reply);
    }
}

static void on_use(hubless_call *call, void *user) {
    (void)user;
    CHECK(hubless_call_tool_async(call, word, object, on_tool_ended, call, NULL) == HUBLESS_OK);
}

static void an_answer_refuses_them(void) {
    held all = {NULL, NULL, 0, 0, 0, HUBLESS_OK};
    hubless_content content = hubless_content_text(word);
    hubless_tool tool = {.size = sizeof tool, .name = word, .on_tool = on_tool, .user = &all,
                         .input_schema_json = object};
    hubless_request_options asks = {.size = sizeof asks, .tools = &tool, .tool_count = 1};
    suite_agent("user", on_use, NULL);
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("user"), &content, &asks, on_ended, &all,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.questions, 1));
    EACH({
        hubless_content with = hubless_content_text(odd);
        CONTENT(hubless_answer(all.question, &with, &err));
        SHOWN("message", hubless_answer_fail(all.question, HUBLESS_DENIED, word, odd, &err));
        FIELD("code", hubless_answer_fail(all.question, HUBLESS_DENIED, odd, word, &err));
    })
    CHECK(hubless_answer(all.question, &content, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1) && all.status == HUBLESS_OK);
}

static void a_secret_refuses_them(void) {
    held all = {NULL, NULL, 0, 0, 0, HUBLESS_OK};
    hubless_node *node = suite_node();
    hubless_content content = hubless_content_text(word);
    hubless_agent_options guarded = hubless_agent_named("vault", suite_on_x, NULL);
    hubless_agent_info info = {.size = sizeof info};
    hubless_agent *agent = NULL;
    guarded.requirements_json = HUBLESS_STR("{\"auth\": {\"sharedSecret\": \"sesame\"}}");
    CHECK(hubless_register(node, &guarded, &agent, NULL) == HUBLESS_OK);
    CHECK(hubless_agent_get(agent, &info, NULL) == HUBLESS_OK);
    CHECK(hubless_credential_provide(node, info.agent_id, on_credential, &all, NULL) ==
          HUBLESS_OK);
    EACH({
        FIELD("target", hubless_credential_set(node, odd, word, word, &err));
        FIELD("scheme", hubless_credential_set(node, info.agent_id, odd, word, &err));
        FIELD("secret", hubless_credential_set(node, info.agent_id, word, odd, &err));
        FIELD("target", hubless_credential_provide(node, odd, on_credential, &all, &err));
        FIELD("target", hubless_credential_remove(node, odd, &err));
        FIELD("auth_json", hubless_auth_global(node, odd, NULL, NULL, &err));
    })
    CHECK(hubless_request_async(node, HUBLESS_STR("vault"), &content, NULL, on_ended, &all,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.questions, 1));
    /* For as short as can be: a credential is waited for no longer than a few seconds. */
    EACH({
        FIELD("scheme", hubless_credential_result(all.question, odd, word, &err));
        FIELD("secret", hubless_credential_result(all.question, word, odd, &err));
    })
    CHECK(hubless_credential_result(all.question, hubless_cstr(NULL), HUBLESS_STR("sesame"),
                                    NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1) && all.status == HUBLESS_OK);
}

static void what_is_kept_and_found_refuses_them(void) {
    hubless_node *node = suite_node();
    hubless_text *text = NULL;
    hubless_agents *found = NULL;
    hubless_watch *watch = NULL;
    hubless_reply *reply = NULL;
    hubless_switch *kill_switch = NULL;
    hubless_switch_options limits = {.size = sizeof limits, .unlimited = 1};
    const hubless_str name = HUBLESS_STR("name");
    suite_agent("echo", suite_on_x, NULL);
    CHECK(suite_ask("echo", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_new(&limits, &kill_switch, NULL) == HUBLESS_OK);
    EACH({
        hubless_query all[4];
        const char *const fields[4] = {"text", "skill", "tags", "query_json"};
        for (int i = 0; i < 4; i++) {
            all[i] = (hubless_query){.size = sizeof *all, .wait_ms = -1};
        }
        all[0].text = odd;
        all[1].skill = odd;
        all[2].tags = odd;
        all[3].query_json = odd;
        for (int i = 0; i < 4; i++) {
            FIELD(fields[i], hubless_find(node, &all[i], &found, &err));
            FIELD(fields[i], hubless_find_async(node, &all[i], NULL, NULL, &err));
            FIELD(fields[i], hubless_peer(node, &all[i], &found, &err));
            FIELD(fields[i], hubless_peer_async(node, &all[i], NULL, NULL, &err));
            FIELD(fields[i], hubless_discover(node, &all[i], NULL, NULL, &watch, &err));
            FIELD(fields[i], hubless_watch_start(node, &all[i], NULL, NULL, &watch, &err));
        }
        FIELD("scope", hubless_list_agents(node, odd, &found, &err));
        FIELD("name", hubless_template_set(node, odd, object, &err));
        FIELD("template_json", hubless_template_set(node, word, odd, &err));
        FIELD("name", hubless_template_remove(node, odd, &err));
        FIELD("name", hubless_pin_set(node, odd, word, &err));
        FIELD("agent_id", hubless_pin_set(node, word, odd, &err));
        FIELD("name", hubless_pin_remove(node, odd, &err));
        FIELD("agent", hubless_describe(node, odd, &text, &err));
        FIELD("descriptors_json", hubless_load_agents(node, odd, &text, &err));
        FIELD("options_json", hubless_invite(node, odd, &text, &err));
        FIELD("home", hubless_join(odd, word, &text, &err));
        FIELD("ticket", hubless_join(word, odd, &text, &err));
        FIELD("kind", hubless_inspect(odd, word, word, &text, &err));
        FIELD("value", hubless_inspect(name, odd, word, &text, &err));
        FIELD("mesh", hubless_inspect(name, word, odd, &text, &err));
        FIELD("json", hubless_json_get(odd, word, &text, &err));
        FIELD("pointer", hubless_json_get(object, odd, &text, &err));
        FIELD("reason", hubless_switch_trip(kill_switch, odd, &err));
        CHECK(hubless_reply_value(reply, odd).data == NULL);
        CHECK(text == NULL && found == NULL && watch == NULL);
    })
    hubless_switch_info info = {.size = sizeof info};
    CHECK(hubless_switch_get(kill_switch, &info, NULL) == HUBLESS_OK && info.tripped == 0);
    CHECK(hubless_switch_free(kill_switch) == HUBLESS_OK);
    CHECK(hubless_inspect(name, word, hubless_cstr(NULL), &text, NULL) == HUBLESS_OK);
    CHECK(hubless_text_free(text) == HUBLESS_OK);
    CHECK(hubless_reply_value(reply, HUBLESS_STR("")).len > 0);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

/* Longer than what one request may carry, and whole: the core says so, with its bound. */
static void a_huge_text_is_refused_with_its_bound(void) {
    enum { HUGE = 80 << 20 };
    char *bytes = malloc(HUGE);
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    suite_agent("echo", suite_on_x, NULL);
    CHECK(bytes != NULL);
    memset(bytes, 'x', HUGE);
    hubless_content content = hubless_content_text((hubless_str){bytes, HUGE});
    CHECK(hubless_request(suite_node(), echo, &content, NULL, &reply, &err) != HUBLESS_OK);
    CHECK(err.kind == HUBLESS_TOO_LARGE && suite_is(err.limit_name, "REQUEST_BYTES"));
    CHECK(err.limit_value == 64 << 20);
    hubless_error_clear(&err);
    free(bytes);
    CHECK(suite_ask("echo", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

static void on_shows(hubless_call *call, void *user) {
    (void)user;
    CHECK(hubless_call_progress(call, bad[0], 0, NULL) == HUBLESS_OK);
    CHECK(hubless_call_fail(call, HUBLESS_DENIED, word, bad[0], NULL) == HUBLESS_OK);
}

typedef struct {
    volatile int notes, failed;
} shown;

static void on_shown(const hubless_event *event, void *user) {
    shown *all = user;
    if (event->kind == HUBLESS_EVENT_PROGRESS) {
        CHECK(suite_is(event->note, "withnul"));
        suite_count(&all->notes);
    } else if (event->kind == HUBLESS_EVENT_FAILED) {
        CHECK(event->error->kind == HUBLESS_DENIED);
        CHECK(suite_is(event->error->message, "withnul"));
        suite_count(&all->failed);
    }
}

static void what_is_shown_comes_without_nul(void) {
    hubless_text *text = NULL, *told = NULL;
    shown all = {0, 0};
    const hubless_content content = hubless_content_text(word);
    hubless_agent_options options = hubless_agent_named("shows", on_shows, NULL);
    options.description = bad[0];
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_describe(suite_node(), HUBLESS_STR("shows"), &text, NULL) == HUBLESS_OK);
    CHECK(hubless_json_get(hubless_text_get(text), HUBLESS_STR("/descriptor/description"), &told,
                           NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_text_get(told), "withnul"));
    CHECK(hubless_text_free(told) == HUBLESS_OK && hubless_text_free(text) == HUBLESS_OK);
    CHECK(hubless_stream(suite_node(), HUBLESS_STR("shows"), &content, NULL, on_shown, &all,
                         NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.failed, 1) && all.notes == 1);
}

const test text_tests[] = {
    {"a node refuses bad texts", a_node_refuses_them},
    {"an agent refuses bad texts", an_agent_refuses_them},
    {"a request refuses bad texts", a_request_refuses_them},
    {"a short request refuses bad texts", a_short_request_refuses_them},
    {"content refuses bad texts", content_refuses_them},
    {"a call refuses bad texts", a_call_refuses_them},
    {"an answer refuses bad texts", an_answer_refuses_them},
    {"a secret refuses bad texts", a_secret_refuses_them},
    {"what is kept and found refuses bad texts", what_is_kept_and_found_refuses_them},
    {"what is shown comes without NUL", what_is_shown_comes_without_nul},
    {"a huge text is refused with its bound", a_huge_text_is_refused_with_its_bound},
    {NULL, NULL},
};
