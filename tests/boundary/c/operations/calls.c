/* What a handler does with its call, and how questions are answered. */
#include "decode.h"

#include <stdlib.h>
#include <unistd.h>

enum { ARRIVAL_TRIES = 200 };

static void on_reply(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(REPLY, reply);
    ended();
}

static void on_done(hubless_status status, const hubless_error *err, void *user) {
    (void)status;
    (void)err;
    (void)user;
    ended();
}

static void on_spend(hubless_status status, hubless_spend *spend, const hubless_error *err,
                     void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(SPEND, spend);
    ended();
}

static void on_provider(hubless_status status, hubless_provider *provider,
                        const hubless_error *err, void *user) {
    (void)status;
    (void)err;
    (void)user;
    keep(PROVIDER, provider);
    ended();
}

static uint64_t arrival_tries(void) { return ARRIVAL_TRIES * slowness * patience; }

/* The next operations are for a call that a handler has: it is there a moment after the asking. */
static void call_arrives(const unsigned char *arg) {
    hubless_call_info info = {.size = sizeof info};
    hubless_status status = HUBLESS_INVALID_ARGUMENT;
    for (uint64_t left = arrival_tries(); left > 0 && status != HUBLESS_OK; left--) {
        usleep(100);
        status = hubless_call_get(handle_of(CALL, arg[0]), &info, NULL);
    }
    came(status);
}

static void call_get(const unsigned char *arg) {
    hubless_call_info info = {.size = sizeof info};
    came(hubless_call_get(handle_of(CALL, arg[0]), sized(&info, sizeof info, arg[1]),
                          error_of(arg[2])));
    hubless_call_value(handle_of(CALL, arg[0]), text_of(arg[3], ""));
}

static void call_cancelled(const unsigned char *arg) {
    int32_t cancelled = 0;
    came(hubless_call_cancelled(handle_of(CALL, arg[0]), arg[1] == 1 ? NULL : &cancelled,
                                error_of(arg[2])));
}

static void call_final(const unsigned char *arg) {
    hubless_call *call = handle_of(CALL, arg[0]);
    hubless_status status = hubless_call_final(call, content_of(arg[1]), error_of(arg[2]));
    came(status);
    if (status == HUBLESS_OK && hubless_call_final(call, NULL, NULL) == HUBLESS_OK) {
        wrong("a call was answered twice", arg[0]);
    }
}

static void call_fail(const unsigned char *arg) {
    came(hubless_call_fail(handle_of(CALL, arg[0]), arg[1], text_of(arg[2], "code"),
                           text_of(arg[3], "why"), error_of(arg[4])));
}

static void call_fail_with(const unsigned char *arg) {
    hubless_failure failure = {.kind = arg[1],
                               .has_retry = arg[5] & 3,
                               .code = text_of(arg[2], "code"),
                               .message = text_of(arg[3], "why"),
                               .field = text_of(arg[4], "content"),
                               .retry = arg[5] >> 2 & 3,
                               .retry_after_ms = arg[5] >> 4};
    came(hubless_call_fail_with(handle_of(CALL, arg[0]), sized(&failure, sizeof failure, arg[6]),
                                NULL));
}

static void call_progress(const unsigned char *arg) {
    came(hubless_call_progress(handle_of(CALL, arg[0]), text_of(arg[1], "half"),
                               (double)arg[2] / 100 - 0.5, error_of(arg[3])));
}

static void call_chunk(const unsigned char *arg) {
    came(hubless_call_chunk(handle_of(CALL, arg[0]), content_of(arg[1]), arg[2] % 4 - 1,
                            error_of(arg[3])));
}

static void call_usage(const unsigned char *arg) {
    came(hubless_call_usage(handle_of(CALL, arg[0]), arg[1], arg[2], text_of(arg[3], "model"),
                            error_of(arg[4])));
}

static void call_usage_with(const unsigned char *arg) {
    hubless_usage_report report = {.input_tokens = arg[1],
                                   .output_tokens = arg[2],
                                   .cost_micros = arg[3],
                                   .calls = arg[4],
                                   .model = text_of(arg[5], "model")};
    came(hubless_call_usage_with(handle_of(CALL, arg[0]), sized(&report, sizeof report, arg[6]),
                                 NULL));
}

static void call_history(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[1] == 1 ? NULL : &text;
    gave(hubless_call_history(handle_of(CALL, arg[0]), out, error_of(arg[2])), TEXT, (void **)out);
}

static void call_tool(const unsigned char *arg) {
    began(hubless_call_tool_async(handle_of(CALL, arg[0]), text_of(arg[1], "tool"),
                                  text_of(arg[2], "{}"), on_reply, NULL, error_of(arg[3])));
}

static void call_input(const unsigned char *arg) {
    began(hubless_call_input_async(handle_of(CALL, arg[0]), content_of(arg[1]), on_reply, NULL,
                                   error_of(arg[2])));
}

static void call_trip(const unsigned char *arg) {
    began(hubless_call_trip_async(handle_of(CALL, arg[0]), arg[1] == 1 ? NULL : on_done, NULL,
                                  error_of(arg[2])));
}

static void call_spend(const unsigned char *arg) {
    hubless_amount most = {.output_tokens = arg[1]};
    hubless_spend *spend = NULL, **out = arg[2] == 1 ? NULL : &spend;
    gave(hubless_call_spend(handle_of(CALL, arg[0]), arg[2] == 2 ? NULL : &most, out,
                            error_of(arg[3])),
         SPEND, (void **)out);
}

static void call_spend_async(const unsigned char *arg) {
    hubless_amount most = {.output_tokens = arg[1]};
    began(hubless_call_spend_async(handle_of(CALL, arg[0]), &most, on_spend, NULL,
                                   error_of(arg[3])));
}

static void spend_used(const unsigned char *arg) {
    hubless_amount used = {.output_tokens = arg[1]};
    came(hubless_spend_used(handle_of(SPEND, arg[0]), arg[2] == 1 ? NULL : &used,
                            error_of(arg[3])));
}

static void spend_drop(const unsigned char *arg) {
    hubless_spend *spend = handle_of(SPEND, arg[0]);
    hubless_status status = hubless_spend_drop(spend);
    came(status);
    if (hubless_spend_drop(spend) == HUBLESS_OK) {
        wrong("a spending was dropped twice", (long)status);
    }
}

static void call_provider(const unsigned char *arg) {
    uint64_t most = arg[1];
    hubless_allowance limits = {.output_tokens = HUBLESS_AT_MOST(arg[1]),
                                .calls = {.limited = arg[2] >> 7}};
    if (arg[2] & 2) {
        began(hubless_call_provider_for_async(handle_of(CALL, arg[0]),
                                              arg[2] & 1 ? NULL : &limits, on_provider, NULL,
                                              error_of(arg[3])));
        return;
    }
    began(hubless_call_provider_async(handle_of(CALL, arg[0]), arg[2] & 1 ? NULL : &most,
                                      on_provider, NULL, error_of(arg[3])));
}

static void provider_get(const unsigned char *arg) {
    hubless_provider_info info = {.size = sizeof info};
    came(hubless_provider_get(handle_of(PROVIDER, arg[0]), sized(&info, sizeof info, arg[1]),
                              error_of(arg[2])));
}

static void provider_free(const unsigned char *arg) {
    came(hubless_provider_free(handle_of(PROVIDER, arg[0])));
}

/* The next operations answer a question: it comes a moment after its asking. */
static void question_arrives(const unsigned char *arg) {
    uint64_t left = arrival_tries();
    while (handle_of(QUESTION, arg[0]) == NULL && left > 0) {
        usleep(100);
        left--;
    }
    came(handle_of(QUESTION, arg[0]) != NULL ? HUBLESS_OK : HUBLESS_INVALID_ARGUMENT);
}

static void answer(const unsigned char *arg) {
    came(hubless_answer(handle_of(QUESTION, arg[0]), content_of(arg[1]), error_of(arg[2])));
}

static void answer_fail(const unsigned char *arg) {
    came(hubless_answer_fail(handle_of(QUESTION, arg[0]), arg[1], text_of(arg[2], "code"),
                             text_of(arg[3], "why"), error_of(arg[4])));
}

static void auth_verdict(const unsigned char *arg) {
    came(hubless_auth_verdict(handle_of(QUESTION, arg[0]), arg[1], arg[2], error_of(arg[3])));
}

static void count_result(const unsigned char *arg) {
    came(hubless_count_result(handle_of(QUESTION, arg[0]), arg[1], error_of(arg[2])));
}

static void credential_result(const unsigned char *arg) {
    came(hubless_credential_result(handle_of(QUESTION, arg[0]), text_of(arg[1], NULL),
                                   text_of(arg[2], "secret"), error_of(arg[3])));
}

const operation call_operations[] = {
    {"call arrives", call_arrives, 0},
    {"call_get", call_get, 0},
    {"call_cancelled", call_cancelled, 0},
    {"call_final", call_final, 0},
    {"call_fail", call_fail, 0},
    {"call_fail_with", call_fail_with, 0},
    {"call_progress", call_progress, 0},
    {"call_chunk", call_chunk, 0},
    {"call_usage", call_usage, 0},
    {"call_usage_with", call_usage_with, 0},
    {"call_history", call_history, 0},
    {"call_tool_async", call_tool, 0},
    {"call_input_async", call_input, 0},
    {"call_trip_async", call_trip, 0},
    {"call_spend", call_spend, 0},
    {"call_spend_async", call_spend_async, 0},
    {"spend_used", spend_used, 0},
    {"spend_drop", spend_drop, 0},
    {"call_provider_async", call_provider, 0},
    /* There is no gateway. */
    {"provider_get", provider_get, 1},
    {"provider_free", provider_free, 1},
    {"question arrives", question_arrives, 0},
    {"answer", answer, 0},
    {"answer_fail", answer_fail, 0},
    /* Questions of these kinds are answered as they come. */
    {"auth_verdict", auth_verdict, 1},
    {"count_result", count_result, 1},
    {"credential_result", credential_result, 1},
    {NULL, NULL, 0},
};
