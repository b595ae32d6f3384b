/* Wrong handles, texts and options: an error code each time, and the next good call works. */
#include "suite.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

static void echoes(void) {
    hubless_reply *reply = NULL;
    CHECK(suite_ask("echo", "still here", &reply, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "still here"));
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

#define INVALID(what) CHECK((what) == HUBLESS_INVALID_ARGUMENT)

static void wrong_handles(void *bad) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_call_info call = {.size = sizeof call};
    hubless_reply_info reply = {.size = sizeof reply};
    hubless_agent_info agent = {.size = sizeof agent};
    hubless_found found = {.size = sizeof found};
    hubless_reply *answer = NULL;
    hubless_body *body = NULL;
    hubless_text *text = NULL;
    size_t count = 0;
    uint8_t bytes[8];
    int flag = 0;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    INVALID(hubless_node_close(bad, 0));
    INVALID(hubless_node_status(bad, &text, &err));
    INVALID(hubless_node_fd(bad, &flag, &err));
    INVALID(hubless_poll(bad, 0, &count, &err));
    INVALID(hubless_cancel(bad, 1, &err));
    INVALID(hubless_request(bad, HUBLESS_STR("echo"), &content, NULL, &answer, &err));
    INVALID(hubless_agent_free(bad));
    INVALID(hubless_agent_get(bad, &agent, &err));
    INVALID(hubless_call_get(bad, &call, &err));
    INVALID(hubless_call_final(bad, &content, &err));
    INVALID(hubless_call_fail(bad, HUBLESS_DENIED, HUBLESS_STR(""), HUBLESS_STR(""), &err));
    INVALID(hubless_call_chunk(bad, &content, -1, &err));
    INVALID(hubless_call_progress(bad, HUBLESS_STR("x"), 0, &err));
    INVALID(hubless_reply_get(bad, &reply, &err));
    INVALID(hubless_reply_free(bad));
    INVALID(hubless_body_open(bad, &body, &err));
    INVALID(hubless_body_read(bad, bytes, sizeof bytes, &count, &err));
    INVALID(hubless_body_write(bad, (hubless_bytes){bytes, 1}, &err));
    INVALID(hubless_body_free(bad));
    INVALID(hubless_answer(bad, &content, &err));
    INVALID(hubless_auth_verdict(bad, 1, 0, &err));
    INVALID(hubless_count_result(bad, 1, &err));
    INVALID(hubless_agents_get(bad, 0, &found, &err));
    INVALID(hubless_agents_free(bad));
    INVALID(hubless_watch_free(bad));
    INVALID(hubless_text_free(bad));
    CHECK(hubless_text_get(bad).data == NULL);
    CHECK(hubless_reply_text(bad).data == NULL);
    CHECK(hubless_agents_count(bad) == 0);
    INVALID(hubless_node_status(bad, &text, &err));
    CHECK(suite_is(err.name, "invalid_argument") && suite_is(err.field, "node"));
    hubless_error_clear(&err);
}

static void handles_are_checked(void) {
    hubless_agent *agent = suite_agent("echo", suite_on_echo, NULL);
    hubless_reply *reply = NULL;
    wrong_handles(NULL);
    wrong_handles((void *)(uintptr_t)7);
    wrong_handles((void *)&reply);
    wrong_handles((void *)UINTPTR_MAX);
    CHECK(suite_ask("echo", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
    wrong_handles(reply);
    /* Of another kind. */
    INVALID(hubless_reply_free((hubless_reply *)(void *)agent));
    INVALID(hubless_agent_free((hubless_agent *)(void *)suite_node()));
    echoes();
    CHECK(hubless_agent_free(agent) == HUBLESS_OK);
    wrong_handles(agent);
}

static void handles_end_with_their_node(void) {
    hubless_node *node = suite_node();
    hubless_agent *agent = suite_agent("echo", suite_on_echo, NULL);
    hubless_body *body = NULL;
    CHECK(hubless_body_open(node, &body, NULL) == HUBLESS_OK);
    CHECK(hubless_node_close(node, 0) == HUBLESS_OK);
    wrong_handles(node);
    wrong_handles(agent);
    wrong_handles(body);
}

static void handles_of_another_node_are_refused(void) {
    suite_agent("echo", suite_on_echo, NULL);
    hubless_node *other = suite_other_node();
    hubless_agent_options options = hubless_agent_named("elsewhere", suite_on_echo, NULL);
    hubless_agent *foreign = NULL;
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    CHECK(hubless_register(other, &options, &foreign, NULL) == HUBLESS_OK);
    hubless_request_options asked = {.size = sizeof asked, .from = foreign};
    INVALID(hubless_request(suite_node(), HUBLESS_STR("echo"), &content, &asked, &reply, &err));
    CHECK(suite_is(err.field, "agent") && reply == NULL);
    hubless_error_clear(&err);
    echoes();
}

static void texts_are_checked(void) {
    suite_agent("echo", suite_on_echo, NULL);
    const hubless_str rows[] = {
        {"with\0nul", 8}, {"\xff\xfe", 2}, {"\xed\xa0\x80", 3}, {NULL, 3},
        {"x", (size_t)1 << 31}, {"x", SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hubless_error err = HUBLESS_ERROR_INIT;
        hubless_reply *reply = NULL;
        hubless_content content = hubless_content_text(rows[i]);
        /* Content carries the first one. */
        if (i > 0) {
            INVALID(hubless_request(suite_node(), HUBLESS_STR("echo"), &content, NULL, &reply,
                                    &err));
            CHECK(suite_is(err.field, "content"));
        }
        content = hubless_content_text(HUBLESS_STR("x"));
        INVALID(hubless_request(suite_node(), rows[i], &content, NULL, &reply, &err));
        CHECK(suite_is(err.field, "to"));
        hubless_agent_options options = hubless_agent_named("other", suite_on_echo, NULL);
        /* A description is shown: it loses the NUL of the first one. */
        options.description = i == 0 ? rows[1] : rows[i];
        INVALID(hubless_register(suite_node(), &options, NULL, &err));
        CHECK(suite_is(err.field, "description"));
        hubless_error_clear(&err);
    }
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_json(HUBLESS_STR("{\"open\": "));
    INVALID(hubless_request(suite_node(), HUBLESS_STR("echo"), &content, NULL, &reply, &err));
    CHECK(suite_is(err.field, "content"));
    hubless_error_clear(&err);
    echoes();
}

static void on_same(hubless_call *call, void *user) {
    (void)user;
    hubless_call_info info = {.size = sizeof info};
    hubless_call_get(call, &info, NULL);
    hubless_content answer = {.size = sizeof answer, .parts = info.content.parts,
                              .part_count = info.content.part_count};
    hubless_call_final(call, &answer, NULL);
}

/* The text that arrives in answer to this content. */
static void carries(const hubless_content *content, hubless_str wanted) {
    hubless_reply *reply = NULL;
    CHECK(hubless_request(suite_node(), HUBLESS_STR("same"), content, NULL, &reply, NULL) ==
          HUBLESS_OK);
    const hubless_str text = hubless_reply_text(reply);
    const hubless_str value = hubless_reply_value(reply, HUBLESS_STR(""));
    CHECK(suite_same(text.len > 0 ? text : value, wanted));
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

static void content_carries_nul(void) {
    suite_agent("same", on_same, NULL);
    const hubless_str texts[] = {{"a\0b", 3}, {"\0", 1}, {"end\0", 4}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        hubless_part part = {.size = sizeof part, .kind = HUBLESS_PART_TEXT, .text = texts[i]};
        hubless_content content = hubless_content_text(texts[i]);
        hubless_content parts = {.size = sizeof parts, .parts = &part, .part_count = 1};
        carries(&content, texts[i]);
        carries(&parts, texts[i]);
    }
    /* Within JSON it is escaped. */
    const hubless_str json = HUBLESS_STR("{\"a\\u0000b\":\"\\u0000\"}");
    hubless_content content = hubless_content_json(json);
    carries(&content, json);
}

static void options_are_of_any_version(void) {
    suite_agent("echo", suite_on_echo, NULL);
    struct {
        hubless_request_options known;
        uint64_t later;
    } newer;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = 0};
    INVALID(hubless_request(suite_node(), HUBLESS_STR("echo"), &content, &asked, &reply, &err));
    CHECK(suite_is(err.field, "size"));
    /* An older header ends after `skill`: what lies behind it is not read. */
    memset(&asked, 0xff, sizeof asked);
    asked.size = offsetof(hubless_request_options, parent);
    asked.skill = (hubless_str){NULL, 0};
    CHECK(hubless_request(suite_node(), HUBLESS_STR("echo"), &content, &asked, &reply, &err) ==
          HUBLESS_OK);
    hubless_reply_free(reply);
    memset(&newer, 0, sizeof newer);
    newer.known.size = sizeof newer;
    CHECK(hubless_request(suite_node(), HUBLESS_STR("echo"), &content, &newer.known, &reply,
                          &err) == HUBLESS_OK);
    hubless_reply_free(reply);
    newer.later = 1;
    CHECK(hubless_request(suite_node(), HUBLESS_STR("echo"), &content, &newer.known, &reply,
                          &err) == HUBLESS_UNSUPPORTED);
    /* A struct to be filled is filled as far as the program knows it. */
    hubless_agent_info info[2];
    memset(info, 0x5a, sizeof info);
    info[0].size = offsetof(hubless_agent_info, address);
    hubless_agent *agent = suite_agent("third", suite_on_echo, NULL);
    CHECK(hubless_agent_get(agent, &info[0], &err) == HUBLESS_OK);
    CHECK(info[0].agent_id.len > 40 && ((unsigned char *)&info[0].address)[0] == 0x5a);
    hubless_error_clear(&err);
}

static void outputs_must_be_there(void) {
    suite_agent("echo", suite_on_echo, NULL);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_agent_options options = hubless_agent_named("other", NULL, NULL);
    INVALID(hubless_node_start(NULL, NULL, NULL));
    INVALID(hubless_request(suite_node(), HUBLESS_STR("echo"), &content, NULL, NULL, NULL));
    INVALID(hubless_request_async(suite_node(), HUBLESS_STR("echo"), &content, NULL, NULL, NULL,
                                  NULL));
    INVALID(hubless_stream(suite_node(), HUBLESS_STR("echo"), &content, NULL, NULL, NULL, NULL));
    INVALID(hubless_find(suite_node(), NULL, NULL, NULL));
    INVALID(hubless_find_async(suite_node(), NULL, NULL, NULL, NULL));
    INVALID(hubless_register(suite_node(), &options, NULL, NULL));
    echoes();
}

static void errors_can_be_cleared_and_copied(void) {
    hubless_error err = HUBLESS_ERROR_INIT, copy;
    CHECK(hubless_reply_get(NULL, NULL, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(err.kind == HUBLESS_INVALID_ARGUMENT && err.rejected == 0 && err.message.len > 0);
    copy = err;
    hubless_error_clear(&err);
    CHECK(err.kind == HUBLESS_OK && err.message.data == NULL);
    hubless_error_clear(&err);
    hubless_error_clear(&copy);
    hubless_error_clear(NULL);
    /* Success leaves it cleared. */
    CHECK(hubless_reply_get(NULL, NULL, &err) == HUBLESS_INVALID_ARGUMENT);
    hubless_text *text = NULL;
    CHECK(hubless_node_status(suite_node(), &text, &err) == HUBLESS_OK);
    CHECK(err.kind == HUBLESS_OK && err.message.data == NULL);
    hubless_text_free(text);
}

static void an_ambiguous_name_says_whom_it_may_mean(void) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_agent *twins[2] = {NULL, NULL};
    hubless_node *nodes[2] = {NULL, NULL};
    hubless_agent_options options = hubless_agent_named("twin", suite_on_echo, NULL);
    suite_node();
    for (int i = 0; i < 2; i++) {
        nodes[i] = suite_other_node();
        CHECK(hubless_register(nodes[i], &options, &twins[i], NULL) == HUBLESS_OK);
    }
    /* The second one may be seen a moment later. */
    const double end = suite_ms() + SUITE_PATIENCE_MS;
    while (err.kind != HUBLESS_AMBIGUOUS && suite_ms() < end) {
        hubless_reply_free(reply);
        reply = NULL;
        suite_ask("twin", "x", &reply, &err);
    }
    CHECK(err.kind == HUBLESS_AMBIGUOUS && err.candidate_count == 2 && err.candidates != NULL);
    for (size_t i = 0; i < err.candidate_count; i++) {
        hubless_agent_info info[2] = {{.size = sizeof *info}, {.size = sizeof *info}};
        CHECK(hubless_agent_get(twins[0], &info[0], NULL) == HUBLESS_OK);
        CHECK(hubless_agent_get(twins[1], &info[1], NULL) == HUBLESS_OK);
        CHECK(suite_same(err.candidates[i], info[0].agent_id) ||
              suite_same(err.candidates[i], info[1].agent_id));
    }
    hubless_error_clear(&err);
    CHECK(err.candidates == NULL && err.candidate_count == 0);
}

static void an_older_error_is_filled_as_far_as_it_goes(void) {
    union {
        hubless_error known;
        unsigned char bytes[sizeof(hubless_error)];
    } older;
    size_t oldest = offsetof(hubless_error, candidates);
    memset(&older, 0, sizeof older);
    memset(older.bytes + oldest, 0x5a, sizeof older - oldest);
    older.known.size = oldest;
    CHECK(hubless_reply_get(NULL, NULL, &older.known) == HUBLESS_INVALID_ARGUMENT);
    CHECK(older.known.kind == HUBLESS_INVALID_ARGUMENT && older.known.message.len > 0);
    CHECK(older.known.size == oldest && older.bytes[oldest] == 0x5a);
    CHECK(older.bytes[sizeof older - 1] == 0x5a);
    hubless_error_clear(&older.known);
    CHECK(older.known.kind == HUBLESS_OK && older.known.message.data == NULL);
    CHECK(older.bytes[oldest] == 0x5a);
    /* What is smaller than any error that there was is left alone. */
    older.known.size = sizeof older.known.size;
    CHECK(hubless_reply_get(NULL, NULL, &older.known) == HUBLESS_INVALID_ARGUMENT);
    CHECK(older.known.kind == HUBLESS_OK && older.known.message.data == NULL);
}

static void a_panic_is_an_error(void) {
    hubless_status (*panic_now)(hubless_error *) = NULL;
    *(void **)&panic_now = dlsym(RTLD_DEFAULT, "hubless_panic_now");
    if (panic_now == NULL) {
        suite_skip("the library was built without the feature `testing`");
        return;
    }
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(panic_now(&err) == HUBLESS_INTERNAL);
    CHECK(err.message.len > 0);
    hubless_error_clear(&err);
    suite_agent("echo", suite_on_echo, NULL);
    echoes();
}

const test edge_tests[] = {
    {"handles are checked", handles_are_checked},
    {"handles end with their node", handles_end_with_their_node},
    {"handles of another node are refused", handles_of_another_node_are_refused},
    {"texts are checked", texts_are_checked},
    {"content carries NUL", content_carries_nul},
    {"options are of any version", options_are_of_any_version},
    {"outputs must be there", outputs_must_be_there},
    {"errors can be cleared and copied", errors_can_be_cleared_and_copied},
    {"an ambiguous name says whom it may mean", an_ambiguous_name_says_whom_it_may_mean},
    {"an older error is filled as far as it goes", an_older_error_is_filled_as_far_as_it_goes},
    {"a panic is an error", a_panic_is_an_error},
    {NULL, NULL},
};
