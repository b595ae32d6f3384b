/* Structs that begin with their own size: shorter ones of an older header, longer ones of a newer
 * one, and sizes that were never set. */
#include "suite.h"

#include <stdint.h>
#include <stdlib.h>

enum { LATER = 32 };

static const hubless_str word = {"x", 1};

static void on_free(void *user) { ++*(int *)user; }

/* Each struct of options: a valid one, and a function that takes it. */

typedef struct {
    const char *name;
    /* Bytes that this header knows, and those of an older one that lacks the last fields. */
    size_t size, older;
    void (*fill)(void *options);
    hubless_status (*use)(const void *options, hubless_error *err);
} form;

static void fill_node(void *options) { memset(options, 0, sizeof(hubless_node_options)); }

static hubless_status use_node(const void *options, hubless_error *err) {
    hubless_node *node = NULL;
    hubless_status status = hubless_node_start(options, &node, err);
    CHECK(status == HUBLESS_OK ? hubless_node_close(node, 0) == HUBLESS_OK : node == NULL);
    return status;
}

static void fill_agent(void *options) {
    *(hubless_agent_options *)options = hubless_agent_named("sized", suite_on_x, NULL);
}

static hubless_status use_agent(const void *options, hubless_error *err) {
    hubless_agent *agent = NULL;
    hubless_status status = hubless_register(suite_node(), options, &agent, err);
    CHECK(status == HUBLESS_OK ? hubless_agent_free(agent) == HUBLESS_OK : agent == NULL);
    return status;
}

static hubless_status asked(const hubless_content *content, const hubless_request_options *options,
                            hubless_error *err) {
    hubless_reply *reply = NULL;
    hubless_status status =
        hubless_request(suite_node(), HUBLESS_STR("echo"), content, options, &reply, err);
    CHECK(status == HUBLESS_OK ? hubless_reply_free(reply) == HUBLESS_OK : reply == NULL);
    return status;
}

static void fill_request(void *options) { memset(options, 0, sizeof(hubless_request_options)); }

static hubless_status use_request(const void *options, hubless_error *err) {
    hubless_content content = hubless_content_text(word);
    return asked(&content, options, err);
}

static void fill_short(void *options) {
    *(hubless_agent_request *)options =
        (hubless_agent_request){.agent = HUBLESS_STR("echo"), .prompt = word};
}

static hubless_status use_short(const void *options, hubless_error *err) {
    hubless_reply *reply = NULL;
    hubless_error refused = HUBLESS_ERROR_INIT;
    hubless_status status = hubless_send_short(suite_node(), options, &reply, &refused, err);
    CHECK(status == HUBLESS_OK ? hubless_reply_free(reply) == HUBLESS_OK : reply == NULL);
    return status;
}

static void fill_content(void *options) {
    *(hubless_content *)options = hubless_content_text(word);
}

static hubless_status use_content(const void *options, hubless_error *err) {
    return asked(options, NULL, err);
}

static void fill_part(void *options) {
    *(hubless_part *)options = (hubless_part){.kind = HUBLESS_PART_TEXT, .text = word};
}

static hubless_status use_part(const void *options, hubless_error *err) {
    hubless_content content = {.size = sizeof content, .parts = options, .part_count = 1};
    return asked(&content, NULL, err);
}

static void fill_tool(void *options) {
    *(hubless_tool *)options = (hubless_tool){
        .name = word, .input_schema_json = HUBLESS_STR("{}"), .on_tool = suite_on_tool};
}

static hubless_status use_tool(const void *options, hubless_error *err) {
    hubless_content content = hubless_content_text(word);
    hubless_request_options asks = {.size = sizeof asks, .tools = options, .tool_count = 1};
    return asked(&content, &asks, err);
}

static void fill_query(void *options) {
    *(hubless_query *)options = (hubless_query){.text = word, .wait_ms = -1};
}

static hubless_status use_query(const void *options, hubless_error *err) {
    hubless_agents *list = NULL;
    hubless_status status = hubless_find(suite_node(), options, &list, err);
    CHECK(status == HUBLESS_OK ? hubless_agents_free(list) == HUBLESS_OK : list == NULL);
    return status;
}

static void fill_switch(void *options) {
    *(hubless_switch_options *)options = (hubless_switch_options){.calls = HUBLESS_AT_MOST(1)};
}

static hubless_status use_switch(const void *options, hubless_error *err) {
    hubless_switch *made = NULL;
    hubless_status status = hubless_switch_new(options, &made, err);
    CHECK(status == HUBLESS_OK ? hubless_switch_free(made) == HUBLESS_OK : made == NULL);
    return status;
}

static void fill_testing(void *options) {
    *(hubless_testing_options *)options = (hubless_testing_options){.name = word};
}

static hubless_status use_testing(const void *options, hubless_error *err) {
    hubless_agent *agent = NULL;
    hubless_status status = hubless_testing_peer(suite_node(), options, &agent, err);
    CHECK(status == HUBLESS_OK ? hubless_agent_free(agent) == HUBLESS_OK : agent == NULL);
    return status;
}

static void fill_failure(void *options) {
    *(hubless_failure *)options = (hubless_failure){.kind = HUBLESS_DENIED, .field = word};
}

/* How the failure of `failing` was taken, and what its caller was told. */
static const hubless_failure *failing;
static hubless_status taken;

static void on_failing(hubless_call *call, void *user) {
    taken = hubless_call_fail_with(call, failing, user);
    if (taken != HUBLESS_OK) {
        hubless_call_finalf(call, "refused");
    }
}

static hubless_status use_failure(const void *options, hubless_error *err) {
    hubless_agent *agent = suite_agent("failing", on_failing, err);
    hubless_reply *reply = NULL;
    failing = options;
    hubless_status status = suite_ask("failing", "x", &reply, NULL);
    CHECK(status == (taken == HUBLESS_OK ? HUBLESS_REJECTED : HUBLESS_OK));
    hubless_reply_free(reply);
    CHECK(hubless_agent_free(agent) == HUBLESS_OK);
    return taken;
}

static void fill_usage(void *options) {
    *(hubless_usage_report *)options = (hubless_usage_report){.input_tokens = 1, .model = word};
}

/* What is used, and what is said of it. */
static const hubless_usage_report *using;

static void on_using(hubless_call *call, void *user) {
    taken = hubless_call_usage_with(call, using, user);
    hubless_call_finalf(call, "used");
}

static hubless_status use_usage(const void *options, hubless_error *err) {
    hubless_agent *agent = suite_agent("using", on_using, err);
    hubless_reply *reply = NULL;
    using = options;
    CHECK(suite_ask("using", "x", &reply, NULL) == HUBLESS_OK);
    hubless_reply_free(reply);
    CHECK(hubless_agent_free(agent) == HUBLESS_OK);
    return taken;
}

static const form forms[] = {
    {"failure", sizeof(hubless_failure), offsetof(hubless_failure, retry), fill_failure,
     use_failure},
    {"usage", sizeof(hubless_usage_report), offsetof(hubless_usage_report, calls), fill_usage,
     use_usage},
    {"node", sizeof(hubless_node_options), offsetof(hubless_node_options, orphans), fill_node,
     use_node},
    {"agent", sizeof(hubless_agent_options), offsetof(hubless_agent_options, on_cancel),
     fill_agent, use_agent},
    {"request", sizeof(hubless_request_options), offsetof(hubless_request_options, parent),
     fill_request, use_request},
    {"short", sizeof(hubless_agent_request), offsetof(hubless_agent_request, tools), fill_short,
     use_short},
    {"content", sizeof(hubless_content), offsetof(hubless_content, parts), fill_content,
     use_content},
    {"part", sizeof(hubless_part), offsetof(hubless_part, bytes), fill_part, use_part},
    {"tool", sizeof(hubless_tool), offsetof(hubless_tool, user), fill_tool, use_tool},
    {"query", sizeof(hubless_query), offsetof(hubless_query, explain), fill_query, use_query},
    {"switch", sizeof(hubless_switch_options), offsetof(hubless_switch_options, lease_ms),
     fill_switch, use_switch},
    {"testing", sizeof(hubless_testing_options), offsetof(hubless_testing_options, replay),
     fill_testing, use_testing},
};

static void has(const form *of, unsigned char *bytes, size_t size, hubless_status wanted) {
    hubless_error err = HUBLESS_ERROR_INIT;
    memcpy(bytes, &size, sizeof size);
    hubless_status status = of->use(bytes, &err);
    if (status != wanted || (wanted != HUBLESS_OK && !suite_is(err.field, "size"))) {
        printf("    %s of %zu bytes: %d, not %d\n", of->name, size, (int)status, (int)wanted);
        CHECK(status == wanted);
        CHECK(wanted == HUBLESS_OK || suite_is(err.field, "size"));
    }
    hubless_error_clear(&err);
}

static void each_struct_is_of_any_version(void) {
    suite_agent("echo", suite_on_x, NULL);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const form *of = &forms[i];
        unsigned char *bytes = calloc(1, of->size + LATER);
        of->fill(bytes);
        has(of, bytes, of->size, HUBLESS_OK);
        /* No size was ever set, or one that no struct has. */
        has(of, bytes, 0, HUBLESS_INVALID_ARGUMENT);
        has(of, bytes, sizeof(size_t) - 1, HUBLESS_INVALID_ARGUMENT);
        has(of, bytes, SIZE_MAX, HUBLESS_INVALID_ARGUMENT);
        has(of, bytes, (size_t)1 << 40, HUBLESS_INVALID_ARGUMENT);
        /* A newer header: what is not known must be zero. */
        has(of, bytes, of->size + LATER, HUBLESS_OK);
        bytes[of->size + LATER - 1] = 1;
        has(of, bytes, of->size + LATER, HUBLESS_UNSUPPORTED);
        /* An older header: what lies behind is not read. */
        memset(bytes + of->older, 0xff, of->size + LATER - of->older);
        has(of, bytes, of->older, HUBLESS_OK);
        free(bytes);
    }
}

/* Elements follow each other by the size that the first one says. */
static void an_array_has_elements_of_its_own_size(void) {
    struct {
        hubless_part known;
        uint64_t later;
    } newer[3];
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = {.size = sizeof content, .parts = &newer[0].known, .part_count = 3};
    suite_agent("echo", suite_on_x, NULL);
    memset(newer, 0, sizeof newer);
    for (int i = 0; i < 3; i++) {
        newer[i].known = (hubless_part){.size = sizeof *newer, .kind = HUBLESS_PART_TEXT,
                                        .text = word};
    }
    CHECK(asked(&content, NULL, &err) == HUBLESS_OK);
    newer[2].later = 1;
    CHECK(asked(&content, NULL, &err) == HUBLESS_UNSUPPORTED && suite_is(err.field, "size"));
    /* A size that no element can have would leave the next one between two words. */
    newer[2].later = 0;
    newer[0].known.size = sizeof *newer - 1;
    CHECK(asked(&content, NULL, &err) == HUBLESS_INVALID_ARGUMENT && suite_is(err.field, "size"));
    newer[0].known.size = sizeof *newer;
    content.part_count = (size_t)1 << 40;
    CHECK(asked(&content, NULL, &err) == HUBLESS_INVALID_ARGUMENT && suite_is(err.field, "parts"));
    content.parts = NULL;
    content.part_count = 1;
    CHECK(asked(&content, NULL, &err) == HUBLESS_INVALID_ARGUMENT && suite_is(err.field, "parts"));
    hubless_error_clear(&err);
}

/* Each struct that is filled. */

typedef struct {
    hubless_call *call;
    hubless_reply *reply;
    hubless_agent *agent;
    hubless_agents *list;
    hubless_switch *kill_switch;
    volatile int calls, ended;
} things;

static hubless_status call_into(const things *of, void *out, hubless_error *err) {
    return hubless_call_get(of->call, out, err);
}

static hubless_status reply_into(const things *of, void *out, hubless_error *err) {
    return hubless_reply_get(of->reply, out, err);
}

static hubless_status agent_into(const things *of, void *out, hubless_error *err) {
    return hubless_agent_get(of->agent, out, err);
}

static hubless_status found_into(const things *of, void *out, hubless_error *err) {
    return hubless_agents_get(of->list, 0, out, err);
}

static hubless_status switch_into(const things *of, void *out, hubless_error *err) {
    return hubless_switch_get(of->kill_switch, out, err);
}

static const struct {
    const char *field;
    size_t size, older;
    hubless_status (*into)(const things *of, void *out, hubless_error *err);
} filled[] = {
    {"info", sizeof(hubless_call_info), offsetof(hubless_call_info, json), call_into},
    {"info", sizeof(hubless_reply_info), offsetof(hubless_reply_info, attempts), reply_into},
    {"info", sizeof(hubless_agent_info), offsetof(hubless_agent_info, reach), agent_into},
    {"found", sizeof(hubless_found), offsetof(hubless_found, json), found_into},
    {"info", sizeof(hubless_switch_info), offsetof(hubless_switch_info, spent), switch_into},
};

static void on_keep(hubless_call *call, void *user) {
    ((things *)user)->call = call;
    suite_count(&((things *)user)->calls);
}

static void on_ended(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)err;
    CHECK(status == HUBLESS_OK && hubless_reply_free(reply) == HUBLESS_OK);
    suite_count(&((things *)user)->ended);
}

static void each_struct_is_filled_as_far_as_it_goes(void) {
    things all = {NULL, NULL, NULL, NULL, NULL, 0, 0};
    hubless_content content = hubless_content_text(word);
    hubless_switch_options limits = {.size = sizeof limits, .unlimited = 1};
    all.agent = suite_agent("kept", on_keep, &all);
    suite_agent("echo", suite_on_x, NULL);
    CHECK(hubless_request_async(suite_node(), HUBLESS_STR("kept"), &content, NULL, on_ended, &all,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.calls, 1));
    CHECK(suite_ask("echo", "x", &all.reply, NULL) == HUBLESS_OK);
    CHECK(hubless_list_agents(suite_node(), HUBLESS_STR("local"), &all.list, NULL) == HUBLESS_OK);
    CHECK(hubless_switch_new(&limits, &all.kill_switch, NULL) == HUBLESS_OK);
    for (size_t i = 0; i < sizeof filled / sizeof filled[0]; i++) {
        hubless_error err = HUBLESS_ERROR_INIT;
        size_t size = filled[i].size, older = filled[i].older, none = 0, newer = size + LATER;
        unsigned char *bytes = malloc(newer);
        CHECK(filled[i].into(&all, NULL, &err) == HUBLESS_INVALID_ARGUMENT);
        CHECK(suite_is(err.field, filled[i].field));
        memset(bytes, 0x5a, newer);
        memcpy(bytes, &none, sizeof none);
        CHECK(filled[i].into(&all, bytes, &err) == HUBLESS_INVALID_ARGUMENT);
        CHECK(suite_is(err.field, filled[i].field) && bytes[sizeof none] == 0x5a);
        /* An older header: nothing behind its end is written. */
        memcpy(bytes, &older, sizeof older);
        CHECK(filled[i].into(&all, bytes, &err) == HUBLESS_OK);
        CHECK(bytes[older] == 0x5a && memchr(bytes + older, 0, newer - older) == NULL);
        /* A newer one: what this library does not know stays as it was. */
        memcpy(bytes, &newer, sizeof newer);
        CHECK(filled[i].into(&all, bytes, &err) == HUBLESS_OK);
        CHECK(memcmp(bytes, &newer, sizeof newer) == 0);
        CHECK(memchr(bytes + older, 0, size - older) != NULL && bytes[size] == 0x5a);
        free(bytes);
    }
    CHECK(hubless_call_final(all.call, &content, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1));
    CHECK(hubless_reply_free(all.reply) == HUBLESS_OK);
    CHECK(hubless_agents_free(all.list) == HUBLESS_OK);
    CHECK(hubless_switch_free(all.kill_switch) == HUBLESS_OK);
}

/* A field behind the end is not read: a callback that is given there is never called. */
static void a_callback_behind_the_end_is_not_called(void) {
    int freed = 0;
    hubless_agent *agent = NULL;
    hubless_agent_options options = hubless_agent_named("sized", suite_on_x, &freed);
    options.on_free = on_free;
    CHECK(hubless_register(suite_node(), &options, &agent, NULL) == HUBLESS_OK);
    CHECK(hubless_agent_free(agent) == HUBLESS_OK && freed == 1);
    options.size = offsetof(hubless_agent_options, on_free);
    CHECK(hubless_register(suite_node(), &options, &agent, NULL) == HUBLESS_OK);
    CHECK(hubless_agent_free(agent) == HUBLESS_OK && freed == 1);
}

const test struct_tests[] = {
    {"each struct is of any version", each_struct_is_of_any_version},
    {"an array has elements of its own size", an_array_has_elements_of_its_own_size},
    {"each struct is filled as far as it goes", each_struct_is_filled_as_far_as_it_goes},
    {"a callback behind the end is not called", a_callback_behind_the_end_is_not_called},
    {NULL, NULL},
};
