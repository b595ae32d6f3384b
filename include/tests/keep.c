/* What a node keeps and tells: templates, pins, descriptions, catalogues, invitations, checks. */
#include "suite.h"

#include <stdlib.h>
#include <unistd.h>

/* The text at a pointer of a JSON text that is freed; none: the pointer finds nothing. */
static const char *at(hubless_text *text, const char *pointer) {
    static char kept[512];
    hubless_text *found = NULL;
    hubless_json_get(hubless_text_get(text), hubless_cstr(pointer), &found, NULL);
    hubless_str read = hubless_text_get(found);
    snprintf(kept, sizeof kept, "%.*s", (int)read.len, read.data == NULL ? "" : read.data);
    hubless_text_free(found);
    hubless_text_free(text);
    return read.data == NULL ? NULL : kept;
}

static const char *id_of(hubless_agent *agent) {
    static char id[128];
    hubless_agent_info info = {.size = sizeof info};
    CHECK(hubless_agent_get(agent, &info, NULL) == HUBLESS_OK);
    snprintf(id, sizeof id, "%.*s", (int)info.agent_id.len, info.agent_id.data);
    return id;
}

static void a_template_fills_a_request_in(void) {
    hubless_node *node = suite_node();
    hubless_text *text = NULL;
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    suite_agent("echo", suite_on_echo, NULL);
    CHECK(hubless_template_set(node, HUBLESS_STR("hi"),
                               HUBLESS_STR("{\"content\": {\"value\": \"from the template\"}}"),
                               NULL) == HUBLESS_OK);
    CHECK(hubless_template_list(node, &text, NULL) == HUBLESS_OK);
    CHECK(strcmp(at(text, "/templates/0"), "hi") == 0);
    hubless_content none = {.size = sizeof none};
    hubless_request_options asked = {.size = sizeof asked, .template_name = HUBLESS_STR("hi")};
    CHECK(hubless_request(node, HUBLESS_STR("echo"), &none, &asked, &reply, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "from the template"));
    hubless_reply_free(reply);
    CHECK(hubless_template_remove(node, HUBLESS_STR("hi"), NULL) == HUBLESS_OK);
    CHECK(hubless_request(node, HUBLESS_STR("echo"), &none, &asked, &reply, &err) != HUBLESS_OK);
    CHECK(hubless_template_set(node, HUBLESS_STR("hi"), HUBLESS_STR("{\"colour\": 1}"), &err) !=
          HUBLESS_OK);
    hubless_error_clear(&err);
    CHECK(hubless_template_list(node, &text, NULL) == HUBLESS_OK);
    CHECK(at(text, "/templates/0") == NULL);
}

static void a_pinned_name_has_one_key(void) {
    hubless_node *node = suite_node(), *elsewhere = suite_other_node();
    hubless_text *text = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    const char *other = id_of(suite_agent("other", suite_on_echo, NULL));
    hubless_agent_options options = hubless_agent_named("far", suite_on_echo, NULL);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = SUITE_PATIENCE_MS};
    CHECK(hubless_register(elsewhere, &options, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_request(node, HUBLESS_STR("far"), &content, &asked, &reply, NULL) == HUBLESS_OK);
    hubless_reply_free(reply);
    CHECK(hubless_pin_set(node, HUBLESS_STR("far"), hubless_cstr(other), NULL) == HUBLESS_OK);
    CHECK(hubless_pin_list(node, &text, NULL) == HUBLESS_OK);
    CHECK(strcmp(at(text, "/pins/0/agentId"), other) == 0);
    CHECK(suite_ask("far", "x", &reply, &err) != HUBLESS_OK && err.kind == HUBLESS_CONFLICT);
    CHECK(hubless_pin_remove(node, HUBLESS_STR("far"), NULL) == HUBLESS_OK);
    CHECK(suite_ask("far", "x", &reply, NULL) == HUBLESS_OK);
    hubless_reply_free(reply);
    CHECK(hubless_pin_set(node, HUBLESS_STR("far"), HUBLESS_STR("nobody"), &err) ==
          HUBLESS_INVALID_ARGUMENT);
    hubless_error_clear(&err);
}

static void an_agent_is_described(void) {
    hubless_text *text = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_agent_options options = hubless_agent_named("told", suite_on_echo, NULL);
    options.description = HUBLESS_STR("Says it again");
    options.skill_json = HUBLESS_STR("{\"id\": \"say\", \"inputSchema\": {\"type\": \"string\"}}");
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_describe(suite_node(), HUBLESS_STR("told"), &text, NULL) == HUBLESS_OK);
    CHECK(strcmp(at(text, "/descriptor/description"), "Says it again") == 0);
    CHECK(hubless_describe(suite_node(), HUBLESS_STR("told"), &text, NULL) == HUBLESS_OK);
    CHECK(strcmp(at(text, "/skills/0/id"), "say") == 0);
    CHECK(hubless_describe(suite_node(), HUBLESS_STR("nobody"), &text, &err) ==
          HUBLESS_NOT_FOUND);
    hubless_error_clear(&err);
}

static size_t listed(const char *scope) {
    hubless_agents *list = NULL;
    CHECK(hubless_list_agents(suite_node(), hubless_cstr(scope), &list, NULL) == HUBLESS_OK);
    size_t count = hubless_agents_count(list);
    CHECK(hubless_agents_free(list) == HUBLESS_OK);
    return count;
}

static void agents_are_listed_by_scope(void) {
    hubless_agents *list = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    suite_agent("echo", suite_on_echo, NULL);
    CHECK(listed("local") == 1 && listed("all") == 1 && listed("client") == 0);
    CHECK(hubless_list_agents(suite_node(), HUBLESS_STR("galaxy"), &list, &err) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "scope") && list == NULL);
    hubless_error_clear(&err);
}

static void a_catalogue_says_what_it_refused(void) {
    hubless_text *text = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_load_agents(suite_node(), HUBLESS_STR("[{\"name\": 7}]"), &text, NULL) ==
          HUBLESS_OK);
    CHECK(at(text, "/refused/0/kind") != NULL);
    CHECK(hubless_load_agents(suite_node(), HUBLESS_STR("{"), &text, &err) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "descriptors_json"));
    hubless_error_clear(&err);
}

typedef struct {
    hubless_text *text;
    hubless_status status;
    volatile int told;
} joined;

static void on_joined(hubless_status status, hubless_text *text, const hubless_error *err,
                      void *user) {
    joined *of = user;
    CHECK((status == HUBLESS_OK) == (err->message.len == 0));
    of->text = text;
    of->status = status;
    suite_count(&of->told);
}

static hubless_status join_and_be_told(hubless_str home, hubless_str ticket, hubless_text **text) {
    joined of = {.told = 0};
    CHECK(hubless_join_async(home, ticket, on_joined, &of, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.told, 1));
    *text = of.text;
    return of.status;
}

static hubless_status join_and_wait(hubless_str home, hubless_str ticket, hubless_text **text) {
    return hubless_join(home, ticket, text, NULL);
}

static void join_by(hubless_status (*join)(hubless_str, hubless_str, hubless_text **)) {
    char home[] = "/tmp/hubless-c-join-XXXXXX", ticket[8192], command[128], mesh[128];
    hubless_text *text = NULL;
    CHECK(mkdtemp(home) != NULL);
    CHECK(hubless_invite(suite_node(), HUBLESS_STR("{\"local\": true}"), &text, NULL) ==
          HUBLESS_OK);
    hubless_text *read = NULL;
    hubless_json_get(hubless_text_get(text), HUBLESS_STR("/ticket"), &read, NULL);
    hubless_str word = hubless_text_get(read);
    snprintf(ticket, sizeof ticket, "%.*s", (int)word.len, word.data);
    hubless_text_free(read);
    hubless_text_free(text);
    CHECK(hubless_node_status(suite_node(), &text, NULL) == HUBLESS_OK);
    snprintf(mesh, sizeof mesh, "%s", at(text, "/meshId"));
    CHECK(join(hubless_cstr(home), hubless_cstr(ticket), &text) == HUBLESS_OK);
    CHECK(strcmp(at(text, "/meshId"), mesh) == 0);
    snprintf(command, sizeof command, "rm -rf %s", home);
    CHECK(system(command) == 0);
}

static void an_invitation_joins_another_folder(void) {
    hubless_text *text = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    join_by(join_and_wait);
    join_by(join_and_be_told);
    CHECK(hubless_join(hubless_cstr(NULL), HUBLESS_STR("no ticket"), &text, &err) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "ticket") && text == NULL);
    hubless_error_clear(&err);
}

static int runs;

static void on_counted(hubless_call *call, void *user) {
    (void)user;
    runs++;
    hubless_call_finalf(call, "in");
}

static void a_check_runs_no_handler(void) {
    hubless_text *text = NULL;
    hubless_agent *agent = NULL;
    hubless_agent_options options = hubless_agent_named("frugal", on_counted, NULL);
    options.requirements_json = HUBLESS_STR("{\"maxTokens\": 3}");
    CHECK(hubless_register(suite_node(), &options, &agent, NULL) == HUBLESS_OK);
    hubless_content brief = hubless_content_text(HUBLESS_STR("hello"));
    hubless_content wordy = hubless_content_text(HUBLESS_STR("one two three four five six"));
    CHECK(hubless_check(agent, &brief, NULL, &text, NULL) == HUBLESS_OK);
    CHECK(at(text, "/rejection") == NULL);
    CHECK(hubless_check(agent, &wordy, NULL, &text, NULL) == HUBLESS_OK);
    CHECK(strcmp(at(text, "/rejection/kind"), "prompt") == 0);
    CHECK(runs == 0);
}

static void a_refusal_is_a_result_of_send(void) {
    hubless_reply *reply = NULL;
    hubless_error refused = HUBLESS_ERROR_INIT, err = HUBLESS_ERROR_INIT;
    hubless_agent_options options = hubless_agent_named("frugal", on_counted, NULL);
    options.requirements_json = HUBLESS_STR("{\"maxTokens\": 3}");
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    hubless_content brief = hubless_content_text(HUBLESS_STR("hello"));
    hubless_content wordy = hubless_content_text(HUBLESS_STR("one two three four five six"));
    hubless_str to = HUBLESS_STR("frugal");
    CHECK(hubless_send(suite_node(), to, &wordy, NULL, &reply, &refused, &err) == HUBLESS_OK);
    CHECK(reply == NULL && refused.kind == HUBLESS_PROMPT && refused.rejected == 1);
    CHECK(err.kind == HUBLESS_OK);
    CHECK(hubless_send(suite_node(), to, &brief, NULL, &reply, &refused, &err) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "in") && refused.kind == HUBLESS_OK);
    hubless_reply_free(reply);
    CHECK(hubless_send(suite_node(), to, &brief, NULL, &reply, NULL, &err) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "refused") && reply == NULL);
    hubless_error_clear(&refused);
    hubless_error_clear(&err);
}

static void on_shown(hubless_call *call, void *user) {
    (void)user;
    hubless_call_info info = {.size = sizeof info};
    hubless_call_get(call, &info, NULL);
    hubless_call_finalf(call, "%.*s, %.*s, %s", (int)info.content.text.len,
                        info.content.text.data, (int)info.skill.len, info.skill.data,
                        info.tools_json.len > 2 ? "a tool" : "no tool");
}

/* The status; `reply` and `refused` hold what came. */
static hubless_status briefly(const hubless_agent_request *asked, hubless_reply **reply,
                              hubless_error *refused) {
    hubless_reply_free(*reply);
    return hubless_send_short(suite_node(), asked, reply, refused, NULL);
}

static void a_short_request_says_what_is_asked(void) {
    hubless_reply *reply = NULL;
    hubless_error refused = HUBLESS_ERROR_INIT;
    hubless_agent_options options = hubless_agent_named("shown", on_shown, NULL);
    hubless_content more = hubless_content_text(HUBLESS_STR("two"));
    hubless_tool tool = {.size = sizeof tool, .name = HUBLESS_STR("add"), .on_tool = suite_on_tool,
                         .input_schema_json = HUBLESS_STR("{}")};
    hubless_agent_request asked = {.size = sizeof asked, .agent = HUBLESS_STR("shown"),
                                   .prompt = HUBLESS_STR("one, "),
                                   .skill = HUBLESS_STR("show")};
    options.skill_json = HUBLESS_STR("{\"id\": \"show\"}");
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    CHECK(briefly(&asked, &reply, &refused) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "one, , show, no tool"));
    asked.content = &more;
    asked.tools = &tool;
    asked.tool_count = 1;
    CHECK(briefly(&asked, &reply, &refused) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "one, two, show, a tool"));
    asked.prompt_schema_json = HUBLESS_STR("{\"type\": \"integer\"}");
    CHECK(briefly(&asked, &reply, &refused) == HUBLESS_OK);
    CHECK(reply == NULL && refused.kind == HUBLESS_JSON && refused.rejected == 1);
    hubless_agent_request bare = {.size = sizeof bare, .agent = HUBLESS_STR("shown"),
                                  .skill = HUBLESS_STR("show"),
                                  .template_name = HUBLESS_STR("hi")};
    CHECK(hubless_template_set(suite_node(), HUBLESS_STR("hi"),
                               HUBLESS_STR("{\"content\": {\"value\": \"of the template\"}}"),
                               NULL) == HUBLESS_OK);
    CHECK(briefly(&bare, &reply, &refused) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_text(reply), "of the template, show, no tool"));
    hubless_reply_free(reply);
    hubless_error_clear(&refused);
}

static void the_version_is_told(void) {
    hubless_str version = hubless_version();
    int major = -1, minor = -1, patch = -1;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)version.len, version.data);
    CHECK(sscanf(text, "%d.%d.%d", &major, &minor, &patch) == 3);
}

const test keep_tests[] = {
    {"a template fills a request in", a_template_fills_a_request_in},
    {"a pinned name has one key", a_pinned_name_has_one_key},
    {"an agent is described", an_agent_is_described},
    {"agents are listed by scope", agents_are_listed_by_scope},
    {"a catalogue says what it refused", a_catalogue_says_what_it_refused},
    {"an invitation joins another folder", an_invitation_joins_another_folder},
    {"a check runs no handler", a_check_runs_no_handler},
    {"a refusal is a result of send", a_refusal_is_a_result_of_send},
    {"a short request says what is asked", a_short_request_says_what_is_asked},
    {"the version is told", the_version_is_told},
    {NULL, NULL},
};
