/* How a handler says that it has failed: kind, code, message, field, and when to ask again. */
#include "suite.h"


static const hubless_failure *the_failure;

static void on_failing(hubless_call *call, void *user) {
    *(hubless_status *)user = hubless_call_fail_with(call, the_failure, NULL);
}

/* What the caller is told of a failure. */
static hubless_status told(const hubless_failure *failure, hubless_error *err) {
    hubless_reply *reply = NULL;
    the_failure = failure;
    hubless_status status = suite_ask("failing", "x", &reply, err);
    CHECK(reply == NULL);
    return status;
}

static void a_failure_arrives_with_all_that_it_says(void) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_status said = HUBLESS_INTERNAL;
    hubless_failure failure = {.size = sizeof failure,
                               .kind = HUBLESS_BUSY,
                               .code = HUBLESS_STR("on_purpose"),
                               .message = HUBLESS_STR("as asked"),
                               .field = HUBLESS_STR("content"),
                               .has_retry = 1,
                               .retry = HUBLESS_RETRY_AFTER,
                               .retry_after_ms = 250};
    suite_agent("failing", on_failing, &said);
    CHECK(told(&failure, &err) == HUBLESS_REJECTED && said == HUBLESS_OK);
    CHECK(err.kind == HUBLESS_BUSY && suite_is(err.code, "on_purpose"));
    CHECK(suite_is(err.message, "as asked") && suite_is(err.field, "content"));
    CHECK(err.retry == HUBLESS_RETRY_AFTER && err.retry_after_ms == 250);
    failure.retry = HUBLESS_RETRY_NEVER;
    failure.retry_after_ms = 0;
    CHECK(told(&failure, &err) == HUBLESS_REJECTED && err.retry == HUBLESS_RETRY_NEVER);
    failure.kind = HUBLESS_DENIED;
    failure.retry = HUBLESS_RETRY_LATER;
    CHECK(told(&failure, &err) == HUBLESS_REJECTED && err.retry == HUBLESS_RETRY_LATER);
    /* Where it says nothing of that, the kind does. */
    failure.has_retry = 0;
    failure.retry = 0;
    CHECK(told(&failure, &err) == HUBLESS_REJECTED && err.retry == HUBLESS_RETRY_NEVER);
    failure.kind = HUBLESS_BUSY;
    CHECK(told(&failure, &err) == HUBLESS_REJECTED && err.retry == HUBLESS_RETRY_LATER);
    hubless_error_clear(&err);
}

static void a_failure_that_says_nothing_is_one_of_the_handler(void) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_status said = HUBLESS_INTERNAL;
    hubless_failure failure = {.size = sizeof failure};
    suite_agent("failing", on_failing, &said);
    CHECK(told(&failure, &err) == HUBLESS_REJECTED && said == HUBLESS_OK);
    CHECK(err.kind == HUBLESS_HANDLER_FAILED && err.code.len == 0 && err.field.len == 0);
    CHECK(err.retry == HUBLESS_RETRY_NEVER);
    hubless_error_clear(&err);
}

typedef struct {
    hubless_call *call;
    volatile int calls, ended;
    hubless_status status;
} held;

static void on_keep(hubless_call *call, void *user) {
    ((held *)user)->call = call;
    suite_count(&((held *)user)->calls);
}

static void on_ended(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    held *to = user;
    to->status = status;
    CHECK(reply == NULL && suite_is(err->code, "held"));
    suite_count(&to->ended);
}

/* Checks that a failure is refused for a field, and that the call goes on. */
static void refused(hubless_call *call, hubless_failure failure, const char *field) {
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_call_fail_with(call, &failure, &err) == HUBLESS_INVALID_ARGUMENT);
    if (!suite_is(err.field, field)) {
        printf("    %s, not %.*s\n", field, (int)err.field.len, err.field.data);
        CHECK(suite_is(err.field, field));
    }
    hubless_error_clear(&err);
}

#define REFUSED(field_name, ...)                                                                   \
    refused(all.call, (hubless_failure){.size = sizeof(hubless_failure), __VA_ARGS__}, field_name)

static void a_failure_that_is_refused_ends_nothing(void) {
    held all = {NULL, 0, 0, HUBLESS_OK};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    suite_agent("kept", on_keep, &all);
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("kept"), &content, NULL, on_ended, &all,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.calls, 1));
    CHECK(hubless_call_fail_with(all.call, NULL, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "failure"));
    hubless_error_clear(&err);
    REFUSED("kind", .kind = -1);
    REFUSED("kind", .kind = HUBLESS_REJECTED);
    REFUSED("code", .code = {"\xff", 1});
    REFUSED("message", .message = {"a\xff", 2});
    REFUSED("field", .field = {NULL, 1});
    REFUSED("has_retry", .has_retry = 2);
    REFUSED("has_retry", .retry = HUBLESS_RETRY_LATER);
    REFUSED("has_retry", .retry = HUBLESS_RETRY_AFTER, .retry_after_ms = 1);
    REFUSED("retry", .has_retry = 1, .retry = 3);
    REFUSED("retry", .has_retry = 1, .retry = -1);
    REFUSED("retry_after_ms", .has_retry = 1, .retry_after_ms = 1);
    REFUSED("retry_after_ms", .has_retry = 1, .retry = HUBLESS_RETRY_LATER, .retry_after_ms = 1);
    CHECK(suite_seen(&all.ended) == 0);
    hubless_failure failure = {.size = sizeof failure, .code = HUBLESS_STR("held")};
    CHECK(hubless_call_fail_with(all.call, &failure, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1) && all.status == HUBLESS_REJECTED);
    /* It was freed: a second end finds nothing. */
    CHECK(hubless_call_fail_with(all.call, &failure, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "call"));
    hubless_error_clear(&err);
}

const test failure_tests[] = {
    {"a failure arrives with all that it says", a_failure_arrives_with_all_that_it_says},
    {"a failure that says nothing is one of the handler",
     a_failure_that_says_nothing_is_one_of_the_handler},
    {"a failure that is refused ends nothing", a_failure_that_is_refused_ends_nothing},
    {NULL, NULL},
};
