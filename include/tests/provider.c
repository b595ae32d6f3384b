/* Base URL and key of a node's gateway in handlers; nobody listens there, and nobody is asked
 * before the call ends. */
#include "suite.h"

#include <pthread.h>
#include <time.h>

#define URL "http://127.0.0.1:9/v1"
/* A key of a root whose seed is 32 times 1. */
#define KEY                                                                                        \
    "hbl_A4qI4910CfGV_VLbLTy6XXLKZwm_HZQSG_N0iAG0D29cAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

/* Ends a call with the base URL, or as it was refused. */
static void answer(hubless_call *call, hubless_status status, hubless_provider *provider,
                   const hubless_error *err) {
    hubless_provider_info info = {.size = sizeof info};
    CHECK((status == HUBLESS_OK) == (provider != NULL));
    if (status != HUBLESS_OK) {
        CHECK(hubless_call_fail(call, err->kind, err->code, err->message, NULL) == HUBLESS_OK);
        return;
    }
    CHECK(hubless_provider_get(provider, &info, NULL) == HUBLESS_OK);
    CHECK(info.api_key.len > 8 && memcmp(info.api_key.data, "hbl_", 4) == 0);
    CHECK(info.until_ms / 1000 + 1 >= (uint64_t)time(NULL));
    CHECK(info.until_ms / 1000 <= (uint64_t)time(NULL) + 600);
    CHECK(hubless_call_finalf(call, "%.*s", (int)info.base_url.len, info.base_url.data) ==
          HUBLESS_OK);
    CHECK(hubless_provider_free(provider) == HUBLESS_OK);
    CHECK(hubless_provider_free(provider) == HUBLESS_INVALID_ARGUMENT);
}

static void on_provider(hubless_status status, hubless_provider *provider,
                        const hubless_error *err, void *user) {
    answer(user, status, provider, err);
}

static void on_tells(hubless_call *call, void *user) {
    CHECK(hubless_call_provider_async(call, user, on_provider, call, NULL) == HUBLESS_OK);
}

static const uint64_t most = 40;
static const hubless_allowance limits = {.input_tokens = {1, 30}, .output_tokens = {1, 0}};

static void on_limits(hubless_call *call, void *user) {
    (void)user;
    CHECK(hubless_call_provider_for_async(call, &limits, on_provider, call, NULL) == HUBLESS_OK);
}

/* What is no most, or does not fit, gives nothing; the call answers with the code of the last. */
static void *try_others(void *call) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_provider *provider = NULL;
    hubless_allowance wrong = {.calls = HUBLESS_AT_MOST(1)};
    hubless_status status = hubless_call_provider_for(call, &wrong, &provider, &err);
    CHECK(status == HUBLESS_INVALID_ARGUMENT && suite_is(err.field, "calls"));
    hubless_error_clear(&err);
    wrong = (hubless_allowance){.output_tokens = HUBLESS_AT_MOST(UINT64_MAX)};
    status = hubless_call_provider_for(call, &wrong, &provider, &err);
    CHECK(status == HUBLESS_INVALID_ARGUMENT && suite_is(err.field, "maxOutput"));
    hubless_error_clear(&err);
    wrong = (hubless_allowance){.input_tokens = HUBLESS_AT_MOST(201)};
    status = hubless_call_provider_for(call, &wrong, &provider, &err);
    CHECK(status == HUBLESS_REJECTED && err.kind == HUBLESS_BUDGET_EXHAUSTED);
    CHECK(suite_is(err.code, "input_exceeded"));
    hubless_error_clear(&err);
    CHECK(provider == NULL);
    status = hubless_call_provider_for(call, NULL, &provider, &err);
    answer(call, status, provider, &err);
    hubless_error_clear(&err);
    return NULL;
}

static void on_others(hubless_call *call, void *user) {
    pthread_t thread;
    (void)user;
    CHECK(pthread_create(&thread, NULL, try_others, call) == 0);
    pthread_detach(thread);
}

static void *wait_for_it(void *call) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_provider *provider = NULL;
    hubless_status status = hubless_call_provider(call, &most, &provider, &err);
    answer(call, status, provider, &err);
    hubless_error_clear(&err);
    return NULL;
}

static void on_own_thread(void *(*work)(void *), hubless_call *call) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, call) == 0);
    pthread_detach(thread);
}

static void on_waits(hubless_call *call, void *user) {
    (void)user;
    on_own_thread(wait_for_it, call);
}

/* Asks an agent of a node under a switch or none, and checks what its key cost. */
static void asks(hubless_node *node, const char *to, const hubless_switch *kill_switch,
                 uint64_t cost) {
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options under = {.size = sizeof under, .kill_switch = kill_switch};
    hubless_reply_info info = {.size = sizeof info};
    hubless_reply *reply = NULL;
    CHECK(hubless_request(node, hubless_cstr(to), &content, &under, &reply, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), URL));
    CHECK(hubless_reply_get(reply, &info, NULL) == HUBLESS_OK);
    CHECK(info.cost_micros == cost && info.charged_in_full == 0);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
}

static void refused(hubless_node *node, const char *to, const hubless_switch *kill_switch,
                    const char *code) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options under = {.size = sizeof under, .kill_switch = kill_switch};
    hubless_reply *reply = NULL;
    CHECK(hubless_request(node, hubless_cstr(to), &content, &under, &reply, &err) != HUBLESS_OK);
    CHECK(err.kind == HUBLESS_CONFIGURATION && suite_is(err.code, code));
    hubless_error_clear(&err);
}

/* An amount that is none is refused by its field, and the call goes on. */
static void *ask_for_too_much(void *call) {
    const uint64_t bad[] = {9007199254740992, UINT64_MAX};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_provider *none = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(hubless_call_provider(call, &bad[i], &none, &err) == HUBLESS_INVALID_ARGUMENT);
        CHECK(suite_is(err.field, "maxCost") && suite_is(err.code, "amount") && none == NULL);
    }
    hubless_error_clear(&err);
    wait_for_it(call);
    return NULL;
}

static void on_greedy(hubless_call *call, void *user) {
    (void)user;
    on_own_thread(ask_for_too_much, call);
}

static void register_at(hubless_node *node, const char *name, hubless_on_call on_call,
                        const uint64_t *cost) {
    hubless_agent_options options = hubless_agent_named(name, on_call, (void *)(uintptr_t)cost);
    CHECK(hubless_register(node, &options, NULL, NULL) == HUBLESS_OK);
}

static hubless_switch *switch_of(uint64_t cost) {
    hubless_switch *made = NULL;
    hubless_switch_options limits = {.size = sizeof limits, .cost_micros = HUBLESS_AT_MOST(cost)};
    CHECK(hubless_switch_new(&limits, &made, NULL) == HUBLESS_OK);
    return made;
}

static void a_handler_gets_base_url_and_key_paid_from_its_grant(void) {
    hubless_node_options with = {.size = sizeof with,
                                 .memory_only = 1,
                                 .gateway = HUBLESS_STR(URL),
                                 .gateway_key = HUBLESS_STR(KEY)};
    hubless_switch *kill_switch = switch_of(4000);
    hubless_node *node = NULL;
    CHECK(hubless_node_start(&with, &node, NULL) == HUBLESS_OK);
    register_at(node, "tells", on_tells, &most);
    register_at(node, "quarter", on_tells, NULL);
    register_at(node, "waits", on_waits, NULL);
    asks(node, "tells", kill_switch, most);
    asks(node, "waits", kill_switch, most);
    /* A quarter of the grant, which is a quarter of what is left: 3,920. */
    asks(node, "quarter", kill_switch, 245);
    refused(node, "tells", NULL, "no_budget");
    register_at(node, "greedy", on_greedy, NULL);
    asks(node, "greedy", kill_switch, most);
    CHECK(hubless_switch_free(kill_switch) == HUBLESS_OK);
    CHECK(hubless_node_close(node, 1000) == HUBLESS_OK);
}

/* Asks an agent under a switch that limits tokens and cost, and checks what its key took. */
static void takes(hubless_node *node, const char *to, const hubless_amount *taken) {
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_switch_options terms = {.size = sizeof terms,
                                    .input_tokens = HUBLESS_AT_MOST(800),
                                    .output_tokens = HUBLESS_AT_MOST(400),
                                    .cost_micros = HUBLESS_AT_MOST(4000)};
    hubless_switch *kill_switch = NULL;
    CHECK(hubless_switch_new(&terms, &kill_switch, NULL) == HUBLESS_OK);
    hubless_request_options under = {.size = sizeof under, .kill_switch = kill_switch};
    hubless_reply_info info = {.size = sizeof info};
    hubless_reply *reply = NULL;
    CHECK(hubless_request(node, hubless_cstr(to), &content, &under, &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_get(reply, &info, NULL) == HUBLESS_OK);
    CHECK(info.input_tokens == taken->input_tokens && info.output_tokens == taken->output_tokens);
    CHECK(info.cost_micros == taken->cost_micros && info.charged_in_full == 0);
    CHECK(hubless_reply_free(reply) == HUBLESS_OK);
    CHECK(hubless_switch_free(kill_switch) == HUBLESS_OK);
}

static void each_component_is_set_aside_by_itself(void) {
    hubless_node_options with = {.size = sizeof with,
                                 .memory_only = 1,
                                 .gateway = HUBLESS_STR(URL),
                                 .gateway_key = HUBLESS_STR(KEY)};
    hubless_node *node = NULL;
    CHECK(hubless_node_start(&with, &node, NULL) == HUBLESS_OK);
    register_at(node, "limits", on_limits, NULL);
    register_at(node, "others", on_others, NULL);
    register_at(node, "tells", on_tells, &most);
    /* Nobody listens there, so all that is set aside is charged: of what no most is given of, a
     * quarter of the grant, which is a quarter of the budget. */
    takes(node, "limits", &(hubless_amount){.input_tokens = 30, .cost_micros = 250});
    takes(node, "others",
          &(hubless_amount){.input_tokens = 50, .output_tokens = 25, .cost_micros = 250});
    takes(node, "tells",
          &(hubless_amount){.input_tokens = 50, .output_tokens = 25, .cost_micros = most});
    CHECK(hubless_node_close(node, 1000) == HUBLESS_OK);
}

static void without_a_gateway_the_reason_is_said(void) {
    hubless_node_options wrong = {.size = sizeof wrong,
                                  .memory_only = 1,
                                  .gateway = HUBLESS_STR("http://10.0.0.1/v1"),
                                  .gateway_key = HUBLESS_STR(KEY)};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_switch *kill_switch = switch_of(4000);
    hubless_node *node = NULL;
    register_at(suite_node(), "tells", on_tells, &most);
    refused(suite_node(), "tells", kill_switch, "no_gateway");
    CHECK(hubless_node_start(&wrong, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "gateway"));
    hubless_error_clear(&err);
    wrong.gateway = HUBLESS_STR(URL);
    wrong.refund = HUBLESS_STR("provider");
    CHECK(hubless_node_start(&wrong, &node, &err) == HUBLESS_CONFIGURATION);
    CHECK(suite_is(err.code, "no_gateway"));
    hubless_error_clear(&err);
    wrong.refund = HUBLESS_STR("always");
    CHECK(hubless_node_start(&wrong, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "refund"));
    hubless_error_clear(&err);
    wrong.refund = HUBLESS_STR("member=never,member=signed");
    CHECK(hubless_node_start(&wrong, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "refund"));
    hubless_error_clear(&err);
    wrong.refund = (hubless_str){0};
    wrong.gateway_signer = HUBLESS_STR("x");
    CHECK(hubless_node_start(&wrong, &node, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "gatewaySigner"));
    hubless_error_clear(&err);
    CHECK(hubless_switch_free(kill_switch) == HUBLESS_OK);
}

const test provider_tests[] = {
    {"a handler gets base URL and key, paid from its grant",
     a_handler_gets_base_url_and_key_paid_from_its_grant},
    {"each component is set aside by itself", each_component_is_set_aside_by_itself},
    {"without a gateway the reason is said", without_a_gateway_the_reason_is_said},
    {NULL, NULL},
};
