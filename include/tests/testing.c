/* Test meshes, fake peers and recordings. */
#include "suite.h"

#include <stdlib.h>
#include <unistd.h>

static const hubless_str word = {"x", 1};

/* A mesh with one node. */
typedef struct {
    hubless_testing_mesh *mesh;
    hubless_node *node;
} place;

static hubless_node *node_of(hubless_testing_mesh *mesh) {
    hubless_node_options options = {.size = sizeof options, .testing = mesh};
    hubless_node *node = NULL;
    CHECK(hubless_node_start(&options, &node, NULL) == HUBLESS_OK);
    return node;
}

static place begin(void) {
    place made = {.mesh = NULL};
    CHECK(hubless_testing_mesh_new(&made.mesh, NULL) == HUBLESS_OK);
    made.node = node_of(made.mesh);
    return made;
}

static void end(place *made) {
    CHECK(hubless_node_close(made->node, 0) == HUBLESS_OK);
    CHECK(hubless_testing_mesh_free(made->mesh) == HUBLESS_OK);
}

static hubless_agent *fake(hubless_node *node, const char *script) {
    hubless_testing_options options = {.size = sizeof options, .name = HUBLESS_STR("weather")};
    hubless_agent *agent = NULL;
    options.script_json = hubless_cstr(script);
    CHECK(hubless_testing_peer(node, &options, &agent, NULL) == HUBLESS_OK);
    return agent;
}

/* Asks with a text: 1 when the answer is this text, or the refusal has this code. */
static int says(hubless_node *node, const char *to, const char *text, const char *wanted) {
    hubless_content content = hubless_content_text(hubless_cstr(text));
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    int same;
    if (hubless_request(node, hubless_cstr(to), &content, NULL, &reply, &err) == HUBLESS_OK) {
        same = suite_is(hubless_reply_text(reply), wanted);
        hubless_reply_free(reply);
    } else {
        same = suite_is(err.code.len > 0 ? err.code : err.name, wanted);
    }
    hubless_error_clear(&err);
    return same;
}

/* 1 when a JSON text has this at a pointer. */
static int has(hubless_text *json, const char *pointer, const char *wanted) {
    hubless_text *part = NULL;
    int same = hubless_json_get(hubless_text_get(json), hubless_cstr(pointer), &part, NULL) ==
                   HUBLESS_OK &&
               suite_is(hubless_text_get(part), wanted);
    hubless_text_free(part);
    return same;
}

static void a_mesh_meets_nobody_else_and_is_removed(void) {
    place made = begin();
    hubless_node *other = node_of(made.mesh), *none = NULL;
    hubless_node_options both = {.size = sizeof both, .testing = made.mesh, .home = word};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_agent *agent = fake(made.node, "{\"otherwise\": {\"answer\": {\"value\": \"hi\"}}}");
    char home[256];
    hubless_str folder = hubless_testing_mesh_home(made.mesh);
    suite_agent("outside", suite_on_x, NULL);
    snprintf(home, sizeof home, "%.*s", (int)folder.len, folder.data);
    CHECK(says(other, "weather", "?", "hi"));
    CHECK(says(suite_node(), "outside", "?", "x"));
    CHECK(says(other, "outside", "?", "not_found"));
    CHECK(hubless_node_start(&both, &none, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "home") && access(home, F_OK) == 0);
    CHECK(agent != NULL && hubless_agent_free(agent) == HUBLESS_OK);
    hubless_error_clear(&err);
    CHECK(none == NULL && hubless_node_close(other, 0) == HUBLESS_OK);
    end(&made);
    CHECK(access(home, F_OK) != 0);
    CHECK(hubless_testing_mesh_home(made.mesh).data == NULL);
    CHECK(hubless_testing_mesh_free(made.mesh) == HUBLESS_INVALID_ARGUMENT);
}

static const char *const steps =
    "{\"steps\": [{\"when\": {\"value\": \"Oslo\"}, \"answer\": {\"value\": \"cold\"}},"
    " {\"error\": {\"kind\": \"busy\", \"code\": \"later\"}}]}";

static void a_fake_answers_by_its_script_and_tells_what_it_was_asked(void) {
    place made = begin();
    hubless_agent *agent = fake(made.node, steps);
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_text *asked = NULL;
    CHECK(says(made.node, "weather", "Oslo", "cold"));
    CHECK(hubless_testing_verify(agent, &err) == HUBLESS_CONFLICT);
    CHECK(suite_is(err.code, "script_unmet"));
    CHECK(says(made.node, "weather", "Rome", "later"));
    CHECK(hubless_testing_verify(agent, &err) == HUBLESS_OK);
    CHECK(says(made.node, "weather", "Rome", "script_used_up"));
    CHECK(hubless_testing_asked(agent, 3, &asked, NULL) == HUBLESS_OK);
    CHECK(has(asked, "/count", "3") && has(asked, "/asked/0/content/text", "Oslo"));
    CHECK(has(asked, "/asked/0/ending", "answered") && has(asked, "/asked/1/ending", "failed"));
    CHECK(has(asked, "/asked/1/step", "1") && has(asked, "/asked/2/ending", "refused"));
    CHECK(hubless_text_free(asked) == HUBLESS_OK);
    CHECK(hubless_testing_save(agent, word, &asked, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_testing_release(agent, word, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "gate"));
    hubless_error_clear(&err);
    end(&made);
}

static void a_script_that_is_none_is_refused_with_its_place(void) {
    place made = begin();
    hubless_testing_options options = {.size = sizeof options, .name = HUBLESS_STR("weather")};
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_agent *agent = NULL;
    options.script_json = HUBLESS_STR("{\"steps\": [{\"answr\": 1}]}");
    CHECK(hubless_testing_peer(made.node, &options, &agent, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "script.steps.0.answr"));
    options.record = word;
    CHECK(hubless_testing_peer(made.node, &options, &agent, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "script_json") && agent == NULL);
    options = (hubless_testing_options){.size = sizeof options, .replay = HUBLESS_STR("/none")};
    CHECK(hubless_testing_peer(made.node, &options, &agent, &err) == HUBLESS_CONFIGURATION);
    CHECK(suite_is(err.code, "bad_file"));
    hubless_error_clear(&err);
    end(&made);
}

static void on_greet(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "hello");
}

static void a_recording_answers_without_the_peer(void) {
    place made = begin();
    hubless_agent_options real = hubless_agent_named("greet", on_greet, NULL);
    hubless_testing_options record = {.size = sizeof record, .name = HUBLESS_STR("recorded")};
    hubless_testing_options replay = {.size = sizeof replay, .mode = HUBLESS_STR("loose")};
    hubless_agent *peer = NULL, *recorder = NULL, *again = NULL;
    hubless_str home = hubless_testing_mesh_home(made.mesh);
    hubless_text *saved = NULL;
    char path[256], command[600];
    snprintf(path, sizeof path, "%.*s/greet.json", (int)home.len, home.data);
    snprintf(command, sizeof command, "! grep -q canary %s && grep -q redacted %s", path, path);
    CHECK(hubless_register(made.node, &real, &peer, NULL) == HUBLESS_OK);
    record.record = HUBLESS_STR("greet");
    CHECK(hubless_testing_peer(made.node, &record, &recorder, NULL) == HUBLESS_OK);
    CHECK(says(made.node, "recorded", "{\"token\": \"canary\"}", "hello"));
    CHECK(hubless_testing_save(recorder, hubless_cstr(path), &saved, NULL) == HUBLESS_OK);
    CHECK(has(saved, "/steps", "1") && has(saved, "/open", "0"));
    CHECK(hubless_text_free(saved) == HUBLESS_OK && system(command) == 0);
    CHECK(hubless_agent_free(peer) == HUBLESS_OK);
    replay.replay = hubless_cstr(path);
    CHECK(hubless_testing_peer(made.node, &replay, &again, NULL) == HUBLESS_OK);
    CHECK(says(made.node, "greet", "{\"token\": \"other\"}", "hello"));
    CHECK(says(made.node, "greet", "{\"token\": \"third\"}", "hello"));
    CHECK(says(made.node, "greet", "else", "script_used_up"));
    end(&made);
}

/* What the forms that tell have told, with a held answer between. */
typedef struct {
    volatile int told;
    hubless_agent *agent;
    hubless_status status;
    int fits;
} outcome;

static void on_registered(hubless_status status, hubless_agent *agent, const hubless_error *err,
                          void *user) {
    outcome *of = user;
    (void)err;
    of->status = status;
    of->agent = agent;
    suite_count(&of->told);
}

static void on_text(hubless_status status, hubless_text *text, const hubless_error *err,
                    void *user) {
    outcome *of = user;
    (void)err;
    of->status = status;
    of->fits = status == HUBLESS_OK && has(text, "/asked/0/ending", "open");
    hubless_text_free(text);
    suite_count(&of->told);
}

static void on_done(hubless_status status, const hubless_error *err, void *user) {
    outcome *of = user;
    (void)err;
    of->status = status;
    suite_count(&of->told);
}

static void on_reply(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    outcome *of = user;
    (void)err;
    of->fits = status == HUBLESS_OK && suite_is(hubless_reply_text(reply), "late");
    hubless_reply_free(reply);
    suite_count(&of->told);
}

static void the_other_forms_tell_the_same(void) {
    place made = begin();
    hubless_testing_options options = {.size = sizeof options, .name = HUBLESS_STR("slow")};
    hubless_content content = hubless_content_text(word);
    outcome of = {.told = 0}, reply = {.told = 0};
    options.script_json =
        HUBLESS_STR("{\"steps\": [{\"hold\": \"door\", \"answer\": {\"value\": \"late\"}}]}");
    CHECK(hubless_testing_peer_async(made.node, &options, on_registered, &of, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.told, 1) && of.status == HUBLESS_OK);
    CHECK(hubless_testing_asked_async(of.agent, 1, on_text, &of, NULL) == HUBLESS_OK);
    CHECK(hubless_request_async(made.node, HUBLESS_STR("slow"), &content, NULL, on_reply, &reply,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.told, 2) && of.fits);
    CHECK(suite_seen(&reply.told) == 0);
    CHECK(hubless_testing_release(of.agent, HUBLESS_STR("door"), NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&reply.told, 1) && reply.fits);
    CHECK(hubless_testing_verify_async(of.agent, on_done, &of, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.told, 3) && of.status == HUBLESS_OK);
    CHECK(hubless_testing_save_async(of.agent, word, on_text, &of, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of.told, 4) && of.status == HUBLESS_INVALID_ARGUMENT);
    end(&made);
}

const test testing_tests[] = {
    {"a mesh meets nobody else and is removed", a_mesh_meets_nobody_else_and_is_removed},
    {"a fake answers by its script and tells what it was asked",
     a_fake_answers_by_its_script_and_tells_what_it_was_asked},
    {"a script that is none is refused with its place",
     a_script_that_is_none_is_refused_with_its_place},
    {"a recording answers without the peer", a_recording_answers_without_the_peer},
    {"the other forms tell the same", the_other_forms_tell_the_same},
    {NULL, NULL},
};
