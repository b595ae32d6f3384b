/* Credentials that the program gives when asked, and the node's own mechanism. */
#include "suite.h"

#include <pthread.h>
#include <unistd.h>

static void on_in(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "in");
}

static hubless_agent *guarded(const char *name, const char *requirements, char *id) {
    hubless_agent_options options = hubless_agent_named(name, on_in, NULL);
    hubless_agent *agent = NULL;
    hubless_agent_info info = {.size = sizeof info};
    options.requirements_json = hubless_cstr(requirements);
    CHECK(hubless_register(suite_node(), &options, &agent, NULL) == HUBLESS_OK);
    CHECK(hubless_agent_get(agent, &info, NULL) == HUBLESS_OK);
    snprintf(id, 128, "%.*s", (int)info.agent_id.len, info.agent_id.data);
    return agent;
}

#define SESAME "{\"auth\": {\"sharedSecret\": \"sesame\"}}"

/* Asks with a secret; without one, what the store has is put in. */
static hubless_status asked_with(const char *name, const char *secret) {
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options options = {.size = sizeof options,
                                       .auth_secret = hubless_cstr(secret)};
    if (secret != NULL) {
        options.auth_scheme = HUBLESS_STR("shared_secret");
    }
    hubless_status status = hubless_request(suite_node(), hubless_cstr(name), &content, &options,
                                            &reply, &err);
    CHECK(status == HUBLESS_OK ? suite_is(hubless_reply_text(reply), "in")
                               : err.kind == HUBLESS_AUTH && err.rejected == 1);
    hubless_reply_free(reply);
    hubless_error_clear(&err);
    return status;
}

static hubless_status asked(const char *name) { return asked_with(name, NULL); }

typedef struct {
    const char *secret, *target;
    volatile int asks;
    hubless_question *question;
} keeper;

static void on_credential(hubless_question *question, hubless_str target, void *user) {
    keeper *of = user;
    CHECK(suite_is(target, of->target));
    CHECK(hubless_auth_verdict(question, 1, 0, NULL) == HUBLESS_INVALID_ARGUMENT);
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_credential_result(question, hubless_cstr(NULL), hubless_cstr(of->secret),
                                    &err) == HUBLESS_OK);
    CHECK(hubless_credential_result(question, hubless_cstr(NULL), hubless_cstr(of->secret),
                                    &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "question"));
    hubless_error_clear(&err);
    suite_count(&of->asks);
}

static void a_credential_is_asked_for_when_it_is_needed(void) {
    char id[128];
    guarded("vault", SESAME, id);
    keeper right = {"sesame", id, 0, NULL};
    keeper wrong = {"barley", id, 0, NULL}, none = {NULL, id, 0, NULL};
    hubless_node *node = suite_node();
    hubless_str target = hubless_cstr(id);
    CHECK(asked("vault") == HUBLESS_REJECTED);
    CHECK(hubless_credential_provide(node, target, on_credential, &right, NULL) == HUBLESS_OK);
    CHECK(right.asks == 0);
    CHECK(asked("vault") == HUBLESS_OK && asked("vault") == HUBLESS_OK);
    CHECK(right.asks == 2);
    /* Each one takes the place of the one before. */
    CHECK(hubless_credential_provide(node, target, on_credential, &wrong, NULL) == HUBLESS_OK);
    CHECK(asked("vault") == HUBLESS_REJECTED);
    CHECK(hubless_credential_provide(node, target, on_credential, &none, NULL) == HUBLESS_OK);
    CHECK(asked("vault") == HUBLESS_REJECTED);
    CHECK(right.asks == 2 && wrong.asks == 1 && none.asks == 1);
    CHECK(hubless_credential_set(node, target, hubless_cstr(NULL), HUBLESS_STR("sesame"), NULL) ==
          HUBLESS_OK);
    CHECK(asked("vault") == HUBLESS_OK && none.asks == 1);
}

static void a_removed_provider_is_asked_no_more(void) {
    char id[128];
    guarded("vault", SESAME, id);
    keeper right = {"sesame", id, 0, NULL};
    hubless_str target = hubless_cstr(id);
    CHECK(hubless_credential_provide(suite_node(), target, on_credential, &right, NULL) ==
          HUBLESS_OK);
    CHECK(asked("vault") == HUBLESS_OK && right.asks == 1);
    CHECK(hubless_credential_remove(suite_node(), target, NULL) == HUBLESS_OK);
    CHECK(asked("vault") == HUBLESS_REJECTED && right.asks == 1);
}

static void *answer_later(void *user) {
    keeper *of = user;
    CHECK(hubless_credential_result(of->question, HUBLESS_STR("shared_secret"),
                                    hubless_cstr(of->secret), NULL) == HUBLESS_OK);
    return NULL;
}

static void on_credential_later(hubless_question *question, hubless_str target, void *user) {
    keeper *of = user;
    pthread_t thread;
    (void)target;
    of->question = question;
    CHECK(pthread_create(&thread, NULL, answer_later, of) == 0);
    pthread_detach(thread);
}

static void a_credential_may_come_from_another_thread(void) {
    char id[128];
    guarded("vault", SESAME, id);
    keeper right = {"sesame", id, 0, NULL};
    CHECK(hubless_credential_provide(suite_node(), hubless_cstr(id), on_credential_later, &right,
                                     NULL) == HUBLESS_OK);
    CHECK(asked("vault") == HUBLESS_OK);
}

static void wrong_providers_are_refused(void) {
    char id[128];
    guarded("vault", SESAME, id);
    keeper right = {"sesame", id, 0, NULL};
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(hubless_credential_provide(suite_node(), hubless_cstr(id), NULL, NULL, &err) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "on_credential"));
    CHECK(hubless_credential_provide(suite_node(), HUBLESS_STR("no target"), on_credential, &right,
                                     &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "target"));
    CHECK(hubless_credential_provide(NULL, hubless_cstr(id), on_credential, &right, &err) ==
          HUBLESS_INVALID_ARGUMENT);
    CHECK(hubless_credential_result(NULL, hubless_cstr(NULL), hubless_cstr("x"), &err) ==
          HUBLESS_INVALID_ARGUMENT);
    hubless_error_clear(&err);
    CHECK(right.asks == 0);
}

/* Changes that are begun while others are under way. */

static volatile int changed, refused;

static void on_changed(hubless_status status, const hubless_error *err, void *user) {
    (void)err;
    (void)user;
    suite_count(status == HUBLESS_OK ? &changed : &refused);
}

static void provide(const char *id, keeper *of) {
    CHECK(hubless_credential_provide_async(suite_node(), hubless_cstr(id), on_credential,
                                           on_changed, of, NULL) == HUBLESS_OK);
}

static void the_last_change_of_a_credential_stands(void) {
    enum { ROUNDS = 30 };
    char id[128];
    guarded("vault", SESAME, id);
    keeper wrong = {"barley", id, 0, NULL}, right = {"sesame", id, 0, NULL};
    hubless_node *node = suite_node();
    hubless_str target = hubless_cstr(id);
    changed = refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
        provide(id, &wrong);
        provide(id, &right);
        CHECK(suite_reaches(&changed, 6 * i + 2));
        CHECK(asked("vault") == HUBLESS_OK && right.asks == 3 * i + 1);
        CHECK(hubless_credential_set_async(node, target, hubless_cstr(NULL), HUBLESS_STR("barley"),
                                           on_changed, NULL, NULL) == HUBLESS_OK);
        provide(id, &right);
        CHECK(suite_reaches(&changed, 6 * i + 4));
        CHECK(asked("vault") == HUBLESS_OK && right.asks == 3 * i + 2);
        CHECK(hubless_credential_remove_async(node, target, on_changed, NULL, NULL) == HUBLESS_OK);
        provide(id, &right);
        CHECK(suite_reaches(&changed, 6 * i + 6));
        CHECK(asked("vault") == HUBLESS_OK && right.asks == 3 * i + 3);
    }
    CHECK(wrong.asks == 0 && refused == 0);
}

static void on_check(hubless_question *question, const hubless_auth_check *check, void *user) {
    suite_count((int *)user);
    hubless_auth_verdict(question, suite_is(check->credential, "letmein"), 0, NULL);
}

static void the_node_has_a_mechanism_of_its_own(void) {
    char own[128], open[128];
    int checks = 0;
    hubless_node *node = suite_node();
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_str none = hubless_cstr(NULL);
    guarded("own", SESAME, own);
    guarded("open", "{}", open);
    CHECK(asked("open") == HUBLESS_OK);
    CHECK(hubless_auth_global(node, none, on_check, &checks, NULL) == HUBLESS_OK);
    /* Without a credential there is nothing to decide. */
    CHECK(asked("open") == HUBLESS_REJECTED && checks == 0);
    CHECK(asked_with("open", "nope") == HUBLESS_REJECTED && checks == 1);
    CHECK(asked_with("open", "letmein") == HUBLESS_OK && checks == 2);
    /* An agent with a mechanism of its own keeps it. */
    CHECK(asked_with("own", "letmein") == HUBLESS_REJECTED && checks == 2);
    CHECK(hubless_auth_global(node, HUBLESS_STR("{\"sharedSecret\": \"barley\"}"), NULL, NULL,
                              NULL) == HUBLESS_OK);
    CHECK(asked_with("open", "letmein") == HUBLESS_REJECTED && checks == 2);
    CHECK(asked_with("open", "barley") == HUBLESS_OK && checks == 2);
    CHECK(hubless_auth_global(node, none, NULL, NULL, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "auth_json"));
    CHECK(hubless_auth_global(node, HUBLESS_STR("{\"colour\": 1}"), NULL, NULL, &err) !=
          HUBLESS_OK);
    hubless_error_clear(&err);
    CHECK(hubless_auth_global(node, HUBLESS_STR("{\"none\": true}"), NULL, NULL, NULL) ==
          HUBLESS_OK);
    CHECK(asked("open") == HUBLESS_OK);
}

static void change_mechanism(const char *rule, hubless_on_auth on_auth, void *user) {
    CHECK(hubless_auth_global_async(suite_node(), hubless_cstr(rule), on_auth, on_changed, user,
                                    NULL) == HUBLESS_OK);
}

static void the_last_mechanism_of_a_node_stands(void) {
    enum { ROUNDS = 10 };
    char open[128];
    int checks = 0;
    guarded("open", "{}", open);
    changed = refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
        change_mechanism("{\"none\": true}", NULL, NULL);
        change_mechanism("{\"sharedSecret\": \"barley\"}", NULL, NULL);
        CHECK(suite_reaches(&changed, 2 * i + 2));
        CHECK(asked("open") == HUBLESS_REJECTED && asked_with("open", "barley") == HUBLESS_OK);
    }
    /* Those that are refused leave the function that decides. */
    CHECK(hubless_auth_global(suite_node(), hubless_cstr(NULL), on_check, &checks, NULL) ==
          HUBLESS_OK);
    change_mechanism("{\"colour\": 1}", NULL, NULL);
    change_mechanism("{\"colour\": 2}", NULL, NULL);
    CHECK(suite_reaches(&refused, 2) && changed == 2 * ROUNDS);
    CHECK(asked_with("open", "letmein") == HUBLESS_OK && checks == 1);
}

const test secret_tests[] = {
    {"a credential is asked for when it is needed", a_credential_is_asked_for_when_it_is_needed},
    {"a removed provider is asked no more", a_removed_provider_is_asked_no_more},
    {"a credential may come from another thread", a_credential_may_come_from_another_thread},
    {"wrong providers are refused", wrong_providers_are_refused},
    {"the node has a mechanism of its own", the_node_has_a_mechanism_of_its_own},
    {"the last change of a credential stands", the_last_change_of_a_credential_stands},
    {"the last mechanism of a node stands", the_last_mechanism_of_a_node_stands},
    {NULL, NULL},
};
