/* What a handler asks its caller, and streamed parts, without blocking: all from callbacks. */
#include "suite.h"

#include <stdlib.h>

/* The caller's side: a tool that adds, and one answer to any question. */

static void on_add(hubless_question *question, hubless_str name, hubless_str arguments,
                   void *user) {
    char text[128], sum[32];
    int a = 0, b = 0;
    (void)user;
    CHECK(suite_is(name, "add"));
    snprintf(text, sizeof text, "%.*s", (int)arguments.len, arguments.data);
    if (sscanf(text, "{\"a\":%d,\"b\":%d}", &a, &b) != 2) {
        hubless_str code = HUBLESS_STR("numbers"), message = HUBLESS_STR("no numbers");
        /* What is no kind of error answers nothing. */
        CHECK(hubless_answer_fail(question, 0, code, message, NULL) == HUBLESS_INVALID_ARGUMENT);
        CHECK(hubless_answer_fail(question, HUBLESS_EXPIRED, code, message, NULL) == HUBLESS_OK);
        CHECK(hubless_answer_fail(question, HUBLESS_EXPIRED, code, message, NULL) ==
              HUBLESS_INVALID_ARGUMENT);
        return;
    }
    snprintf(sum, sizeof sum, "%d", a + b);
    hubless_content content = hubless_content_json(hubless_cstr(sum));
    CHECK(hubless_answer(question, &content, NULL) == HUBLESS_OK);
}

static void on_question(hubless_question *question, const hubless_received *prompt,
                        hubless_str schema_json, void *user) {
    (void)schema_json;
    (void)user;
    if (suite_is(prompt->text, "fail")) {
        CHECK(hubless_answer_fail(question, HUBLESS_DENIED, HUBLESS_STR("shy"),
                                  HUBLESS_STR("I will not say"), NULL) == HUBLESS_OK);
        return;
    }
    CHECK(suite_is(prompt->text, "which?"));
    hubless_content content = hubless_content_text(HUBLESS_STR("this one"));
    CHECK(hubless_answer(question, &content, NULL) == HUBLESS_OK);
}

static hubless_status ask(const char *text, hubless_reply **reply, hubless_error *err) {
    hubless_tool add = {.size = sizeof add, .name = HUBLESS_STR("add"),
                        .description = HUBLESS_STR("adds"),
                        .input_schema_json = HUBLESS_STR("{\"type\": \"object\"}"),
                        .on_tool = on_add};
    hubless_request_options asked = {.size = sizeof asked, .tools = &add, .tool_count = 1,
                                     .on_input = on_question};
    hubless_content content = hubless_content_text(hubless_cstr(text));
    return hubless_request(suite_node(), HUBLESS_STR("asker"), &content, &asked, reply, err);
}

/* The callee's side. */

static void on_answer(hubless_status status, hubless_reply *reply, const hubless_error *err,
                      void *user) {
    hubless_call *call = user;
    if (status == HUBLESS_OK) {
        hubless_str value = hubless_reply_value(reply, HUBLESS_STR(""));
        hubless_call_finalf(call, "got %.*s", (int)value.len, value.data);
    } else {
        hubless_call_fail(call, (int)err->kind, err->code, err->message, NULL);
    }
    hubless_reply_free(reply);
}

static void on_ask(hubless_call *call, void *user) {
    hubless_call_info info = {.size = sizeof info};
    hubless_content prompt = hubless_content_text(HUBLESS_STR("which?"));
    hubless_reply *answer = NULL;
    (void)user;
    hubless_call_get(call, &info, NULL);
    if (suite_is(info.content.text, "fail")) {
        prompt = hubless_content_text(info.content.text);
        CHECK(hubless_call_input_async(call, &prompt, on_answer, call, NULL) == HUBLESS_OK);
        return;
    }
    if (suite_is(info.content.text, "input")) {
        CHECK(hubless_call_input(call, &prompt, &answer, NULL) == HUBLESS_WOULD_DEADLOCK);
        CHECK(hubless_call_input_async(call, &prompt, on_answer, call, NULL) == HUBLESS_OK);
        return;
    }
    CHECK(hubless_call_tool(call, HUBLESS_STR("add"), info.content.text, &answer, NULL) ==
          HUBLESS_WOULD_DEADLOCK);
    CHECK(hubless_call_tool_async(call, HUBLESS_STR("add"), info.content.text, on_answer, call,
                                  NULL) == HUBLESS_OK);
}

static void a_tool_is_called_from_a_callback(void) {
    hubless_reply *reply = NULL;
    suite_agent("asker", on_ask, NULL);
    CHECK(ask("{\"a\": 3, \"b\": 4}", &reply, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "got 7"));
    hubless_reply_free(reply);
}

static void on_seven(hubless_question *question, hubless_str name, hubless_str arguments,
                     void *user) {
    hubless_content content = hubless_content_json(HUBLESS_STR("7"));
    (void)name;
    (void)arguments;
    suite_count(user);
    CHECK(hubless_answer(question, &content, NULL) == HUBLESS_OK);
}

/* What a tool gives is held to the schema that was promised of it. */
static void a_tool_answers_as_its_schema_says(void) {
    const char *const schemas[] = {"{\"type\": \"integer\"}", NULL, "{\"type\": \"string\"}"};
    int runs = 0;
    suite_agent("asker", on_ask, NULL);
    for (int i = 0; i < 3; i++) {
        hubless_tool add = {.size = sizeof add, .name = HUBLESS_STR("add"), .on_tool = on_seven,
                            .user = &runs, .input_schema_json = HUBLESS_STR("{}"),
                            .output_schema_json = hubless_cstr(schemas[i])};
        hubless_request_options asked = {.size = sizeof asked, .tools = &add, .tool_count = 1};
        hubless_content content = hubless_content_text(HUBLESS_STR("{}"));
        hubless_reply *reply = NULL;
        hubless_error err = HUBLESS_ERROR_INIT;
        hubless_status status = hubless_request(suite_node(), HUBLESS_STR("asker"), &content,
                                                &asked, &reply, &err);
        CHECK(runs == i + 1 && (status == HUBLESS_OK) == (i < 2));
        CHECK(i < 2 ? suite_is(hubless_reply_text(reply), "got 7")
                    : err.kind == HUBLESS_JSON && suite_is(err.code, "schema"));
        hubless_reply_free(reply);
        hubless_error_clear(&err);
    }
}

static void a_tool_that_fails_says_so(void) {
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    suite_agent("asker", on_ask, NULL);
    CHECK(ask("{\"a\": \"x\"}", &reply, &err) == HUBLESS_REJECTED);
    CHECK(err.kind == HUBLESS_EXPIRED && suite_is(err.code, "numbers"));
    CHECK(suite_is(err.message, "no numbers"));
    hubless_error_clear(&err);
}

static void a_question_that_fails_says_so(void) {
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    suite_agent("asker", on_ask, NULL);
    CHECK(ask("fail", &reply, &err) == HUBLESS_REJECTED);
    CHECK(err.kind == HUBLESS_DENIED && suite_is(err.code, "shy"));
    CHECK(suite_is(err.message, "I will not say"));
    hubless_error_clear(&err);
}

static void input_is_asked_for_from_a_callback(void) {
    hubless_reply *reply = NULL;
    suite_agent("asker", on_ask, NULL);
    CHECK(ask("input", &reply, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "got \"this one\"") ||
          suite_is(hubless_reply_text(reply), "got this one"));
    hubless_reply_free(reply);
}

/* A body that is written in pieces, each from the callback of the one before, and read so too. */

enum { PIECE = 100000, PIECES = 7 };

typedef struct {
    hubless_body *body;
    int left;
    volatile int ended;
} writing;

static uint8_t piece[PIECE];

static void on_room(hubless_status status, const hubless_error *err, void *user) {
    writing *what = user;
    (void)err;
    CHECK(status == HUBLESS_OK);
    if (what->left-- > 0) {
        CHECK(hubless_body_write_async(what->body, (hubless_bytes){piece, PIECE}, on_room, what,
                                       NULL) == HUBLESS_OK);
    } else {
        CHECK(hubless_body_end(what->body, NULL) == HUBLESS_OK);
        suite_count(&what->ended);
    }
}

typedef struct {
    hubless_call *call;
    hubless_body *body;
    size_t size;
} reading;

static void on_bytes(hubless_status status, hubless_bytes bytes, const hubless_error *err,
                     void *user) {
    reading *what = user;
    (void)err;
    CHECK(status == HUBLESS_OK && bytes.len <= 65536);
    what->size += bytes.len;
    if (bytes.len > 0) {
        CHECK(hubless_body_read_async(what->body, 65536, on_bytes, what, NULL) == HUBLESS_OK);
        return;
    }
    hubless_call_jsonf(what->call, "%zu", what->size);
    free(what);
}

static void on_measure(hubless_call *call, void *user) {
    hubless_call_info info = {.size = sizeof info};
    reading *what = calloc(1, sizeof *what);
    (void)user;
    hubless_call_get(call, &info, NULL);
    what->call = call;
    what->body = info.content.parts[0].body;
    CHECK(hubless_body_read_async(what->body, 65536, on_bytes, what, NULL) == HUBLESS_OK);
}

static void a_body_moves_by_callbacks_alone(void) {
    writing what = {NULL, PIECES, 0};
    hubless_reply *reply = NULL;
    suite_agent("measure", on_measure, NULL);
    CHECK(hubless_body_open(suite_node(), &what.body, NULL) == HUBLESS_OK);
    hubless_part part = {.size = sizeof part, .kind = HUBLESS_PART_STREAM, .body = what.body,
                         .media_type = HUBLESS_STR("application/octet-stream")};
    hubless_content content = {.size = sizeof content, .parts = &part, .part_count = 1};
    CHECK(hubless_body_write_async(what.body, (hubless_bytes){piece, PIECE}, on_room, &what,
                                   NULL) == HUBLESS_OK);
    CHECK(hubless_request(suite_node(), HUBLESS_STR("measure"), &content, NULL, &reply, NULL) ==
          HUBLESS_OK);
    CHECK(suite_is(hubless_reply_value(reply, HUBLESS_STR("")), "800000"));
    CHECK(suite_reaches(&what.ended, 1));
    hubless_reply_free(reply);
}

const test tool_tests[] = {
    {"a tool is called from a callback", a_tool_is_called_from_a_callback},
    {"a tool answers as its schema says", a_tool_answers_as_its_schema_says},
    {"a tool that fails says so", a_tool_that_fails_says_so},
    {"a question that fails says so", a_question_that_fails_says_so},
    {"input is asked for from a callback", input_is_asked_for_from_a_callback},
    {"a body moves by callbacks alone", a_body_moves_by_callbacks_alone},
    {NULL, NULL},
};
