/* Operations that have both forms: what the one that waits gives, the one that tells tells as well,
 * once, from a callback and from any other thread; and what is refused is never told. */
#include "suite.h"

static const hubless_str word = {"x", 1};

static const hubless_query kept_one = {.size = sizeof kept_one, .text = {"kept", 4}};
static const hubless_query no_one = {.size = sizeof no_one, .skill = {"nobody", 6}, .wait_ms = -1};

/* Where an operation is asked for. */
typedef struct {
    hubless_node *node;
    hubless_agent *agent;
    hubless_call *call;
    hubless_str agent_id;
    /* 1: no function is given that is told. */
    int without;
    /* Stands instead of every JSON text. */
    const char *json;
} stage;

/* What came of it. */
typedef struct {
    volatile int told, changes;
    hubless_status status;
    char kind[32], result[256];
} outcome;

#define GIVEN(function) (on->without ? NULL : (function))
#define JSON(good) (on->json == NULL ? HUBLESS_STR(good) : hubless_cstr(on->json))

static void keep(outcome *of, hubless_str what) {
    snprintf(of->result, sizeof of->result, "%.*s", (int)what.len, what.data);
}

static void ended(outcome *of, hubless_status status, const hubless_error *err) {
    of->status = status;
    snprintf(of->kind, sizeof of->kind, "%.*s", (int)err->name.len, err->name.data);
    suite_count(&of->told);
}

/* Functions that are told; each shows its result as the other form of the operation does. */

static void show_text(outcome *of, hubless_text *text) {
    static const char *const steady[] = {"/nodeKey", "/descriptor/name"};
    hubless_str whole = hubless_text_get(text);
    hubless_text *part = NULL;
    keep(of, whole);
    if (whole.len > 10 && memcmp(whole.data, "{\"ticket\":", 10) == 0) {
        keep(of, HUBLESS_STR("a ticket"));
    }
    for (size_t i = 0; i < sizeof steady / sizeof steady[0]; i++) {
        if (hubless_json_get(whole, hubless_cstr(steady[i]), &part, NULL) == HUBLESS_OK) {
            keep(of, hubless_text_get(part));
            hubless_text_free(part);
        }
    }
    hubless_text_free(text);
}

static void show_agents(outcome *of, hubless_agents *found) {
    hubless_found one = {.size = sizeof one};
    for (size_t i = 0; i < hubless_agents_count(found); i++) {
        CHECK(hubless_agents_get(found, i, &one, NULL) == HUBLESS_OK);
        if (suite_is(one.name, "kept")) {
            keep(of, one.agent_id);
        }
    }
    hubless_agents_free(found);
}

static void show_agent(outcome *of, hubless_agent *agent) {
    hubless_agent_info info = {.size = sizeof info};
    if (hubless_agent_get(agent, &info, NULL) == HUBLESS_OK && info.name.len > 6) {
        keep(of, (hubless_str){info.name.data, 6});
        CHECK(hubless_agent_free(agent) == HUBLESS_OK);
    }
}

static void show_response(outcome *of, hubless_reply *reply, const hubless_error *refused) {
    keep(of, reply != NULL ? hubless_reply_text(reply) : refused->code);
    hubless_reply_free(reply);
}

static void show_watch(outcome *of, hubless_watch *watch) {
    if (hubless_watch_free(watch) == HUBLESS_OK) {
        keep(of, HUBLESS_STR("a watch"));
    }
}

static void show_body(outcome *of, hubless_body *body) {
    if (hubless_body_free(body) == HUBLESS_OK) {
        keep(of, HUBLESS_STR("a body"));
    }
}

static void on_done(hubless_status status, const hubless_error *err, void *user) {
    ended(user, status, err);
}

#define TOLD(name, type, show)                                                                     \
    static void name(hubless_status status, type *result, const hubless_error *err, void *user) {  \
        CHECK((status == HUBLESS_OK) == (result != NULL));                                         \
        show(user, result);                                                                        \
        ended(user, status, err);                                                                  \
    }
TOLD(on_text, hubless_text, show_text)
TOLD(on_found, hubless_agents, show_agents)
TOLD(on_registered, hubless_agent, show_agent)
TOLD(on_body, hubless_body, show_body)
TOLD(on_watch, hubless_watch, show_watch)

static void on_response(hubless_status status, hubless_reply *reply, const hubless_error *refused,
                        const hubless_error *err, void *user) {
    CHECK((status == HUBLESS_OK) == ((reply != NULL) != (refused != NULL)));
    if (status == HUBLESS_OK) {
        show_response(user, reply, refused);
    }
    ended(user, status, err);
}

/* The first change of a search comes after its watch. */
static void on_change(int kind, const hubless_found *found, void *user) {
    outcome *of = user;
    (void)kind;
    (void)found;
    CHECK(suite_seen(&of->told) == 1);
    suite_count(&of->changes);
}

static void on_change_of_both(int kind, const hubless_found *found, void *user) {
    (void)kind;
    (void)found;
    (void)user;
}

static void on_credential(hubless_question *question, hubless_str target, void *user) {
    (void)target;
    (void)user;
    hubless_credential_result(question, word, word, NULL);
}

/* The operations. `type` and `show`: of what the one that waits gives. */

#define FORM(name, waits, tells)                                                                   \
    static hubless_status name##_waits(const stage *on, outcome *of, hubless_error *err) {         \
        (void)of;                                                                                  \
        return waits;                                                                              \
    }                                                                                              \
    static hubless_status name##_tells(const stage *on, outcome *of, hubless_error *err) {         \
        return tells;                                                                              \
    }
#define FORM_OF(name, type, show, waits, tells)                                                    \
    static hubless_status name##_waits(const stage *on, outcome *of, hubless_error *err) {         \
        type *out = NULL;                                                                          \
        (void)on;                                                                                  \
        hubless_status status = waits;                                                             \
        show(of, out);                                                                             \
        return status;                                                                             \
    }                                                                                              \
    static hubless_status name##_tells(const stage *on, outcome *of, hubless_error *err) {         \
        return tells;                                                                              \
    }
#define FORM_OF_TEXT(name, waits, tells) FORM_OF(name, hubless_text, show_text, waits, tells)

FORM(template_set, hubless_template_set(on->node, word, JSON("{}"), err),
     hubless_template_set_async(on->node, word, JSON("{}"), GIVEN(on_done), of, err))
FORM_OF_TEXT(template_list, hubless_template_list(on->node, &out, err),
             hubless_template_list_async(on->node, GIVEN(on_text), of, err))
FORM(template_remove, hubless_template_remove(on->node, word, err),
     hubless_template_remove_async(on->node, word, GIVEN(on_done), of, err))
FORM(pin_set, hubless_pin_set(on->node, word, on->agent_id, err),
     hubless_pin_set_async(on->node, word, on->agent_id, GIVEN(on_done), of, err))
FORM(pin_wrong, hubless_pin_set(on->node, word, word, err),
     hubless_pin_set_async(on->node, word, word, GIVEN(on_done), of, err))
FORM_OF_TEXT(pin_list, hubless_pin_list(on->node, &out, err),
             hubless_pin_list_async(on->node, GIVEN(on_text), of, err))
FORM(pin_remove, hubless_pin_remove(on->node, word, err),
     hubless_pin_remove_async(on->node, word, GIVEN(on_done), of, err))
FORM_OF_TEXT(describe, hubless_describe(on->node, HUBLESS_STR("kept"), &out, err),
             hubless_describe_async(on->node, HUBLESS_STR("kept"), GIVEN(on_text), of, err))
FORM_OF_TEXT(describe_none, hubless_describe(on->node, HUBLESS_STR("nobody"), &out, err),
             hubless_describe_async(on->node, HUBLESS_STR("nobody"), GIVEN(on_text), of, err))
FORM_OF_TEXT(load_agents, hubless_load_agents(on->node, JSON("[]"), &out, err),
             hubless_load_agents_async(on->node, JSON("[]"), GIVEN(on_text), of, err))
FORM_OF_TEXT(invite, hubless_invite(on->node, JSON("{\"local\": true}"), &out, err),
             hubless_invite_async(on->node, JSON("{\"local\": true}"), GIVEN(on_text), of, err))
FORM_OF_TEXT(node_status, hubless_node_status(on->node, &out, err),
             hubless_node_status_async(on->node, GIVEN(on_text), of, err))
FORM_OF_TEXT(join, hubless_join(hubless_cstr(NULL), word, &out, err),
             hubless_join_async(hubless_cstr(NULL), word, GIVEN(on_text), of, err))
FORM_OF_TEXT(call_history, hubless_call_history(on->call, &out, err),
             hubless_call_history_async(on->call, GIVEN(on_text), of, err))
FORM(call_trip_none, hubless_call_trip(on->call, err),
     hubless_call_trip_async(on->call, GIVEN(on_done), of, err))
FORM_OF(list_agents, hubless_agents, show_agents,
        hubless_list_agents(on->node, HUBLESS_STR("local"), &out, err),
        hubless_list_agents_async(on->node, HUBLESS_STR("local"), GIVEN(on_found), of, err))
FORM_OF(find, hubless_agents, show_agents, hubless_find(on->node, NULL, &out, err),
        hubless_find_async(on->node, NULL, GIVEN(on_found), of, err))
FORM_OF(peer, hubless_agents, show_agents, hubless_peer(on->node, &kept_one, &out, err),
        hubless_peer_async(on->node, &kept_one, GIVEN(on_found), of, err))
FORM_OF(peer_none, hubless_agents, show_agents, hubless_peer(on->node, &no_one, &out, err),
        hubless_peer_async(on->node, &no_one, GIVEN(on_found), of, err))
FORM_OF(body_open, hubless_body, show_body, hubless_body_open(on->node, &out, err),
        hubless_body_open_async(on->node, GIVEN(on_body), of, err))
FORM_OF(discover, hubless_watch, show_watch,
        hubless_discover(on->node, NULL, on_change_of_both, NULL, &out, err),
        hubless_discover_async(on->node, NULL, on_change, GIVEN(on_watch), of, err))
FORM_OF(watch_start, hubless_watch, show_watch,
        hubless_watch_start(on->node, NULL, on_change_of_both, NULL, &out, err),
        hubless_watch_start_async(on->node, NULL, on_change, GIVEN(on_watch), of, err))
FORM(credential_set, hubless_credential_set(on->node, on->agent_id, word, word, err),
     hubless_credential_set_async(on->node, on->agent_id, word, word, GIVEN(on_done), of, err))
FORM(credential_provide,
     hubless_credential_provide(on->node, on->agent_id, on_credential, NULL, err),
     hubless_credential_provide_async(on->node, on->agent_id, on_credential, GIVEN(on_done), of,
                                      err))
FORM(credential_remove, hubless_credential_remove(on->node, on->agent_id, err),
     hubless_credential_remove_async(on->node, on->agent_id, GIVEN(on_done), of, err))
FORM(auth_global, hubless_auth_global(on->node, JSON("{\"none\": true}"), NULL, NULL, err),
     hubless_auth_global_async(on->node, JSON("{\"none\": true}"), NULL, GIVEN(on_done), of, err))
FORM(auth_wrong, hubless_auth_global(on->node, JSON("7"), NULL, NULL, err),
     hubless_auth_global_async(on->node, JSON("7"), NULL, GIVEN(on_done), of, err))

/* A name is free again some time after its agent was freed: each gets its own. */
static hubless_agent_options later(const stage *on, char name[32]) {
    static volatile int count;
    snprintf(name, 32, "later-%d", __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST));
    hubless_agent_options options = hubless_agent_named(name, suite_on_x, NULL);
    options.options_json = JSON("{}");
    return options;
}

static hubless_status register_waits(const stage *on, outcome *of, hubless_error *err) {
    char name[32];
    hubless_agent_options options = later(on, name);
    hubless_agent *agent = NULL;
    hubless_status status = hubless_register(on->node, &options, &agent, err);
    show_agent(of, agent);
    return status;
}

static hubless_status register_tells(const stage *on, outcome *of, hubless_error *err) {
    char name[32];
    hubless_agent_options options = later(on, name);
    return hubless_register_async(on->node, &options, GIVEN(on_registered), of, err);
}

static hubless_status send_waits_to(const char *to, const stage *on, outcome *of,
                                    hubless_error *err) {
    hubless_content content = hubless_content_text(word);
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = -1,
                                     .options_json = JSON("{}")};
    hubless_error refused = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_status status =
        hubless_send(on->node, hubless_cstr(to), &content, &asked, &reply, &refused, err);
    if (status == HUBLESS_OK) {
        show_response(of, reply, &refused);
    }
    hubless_error_clear(&refused);
    return status;
}

static hubless_status send_tells_to(const char *to, const stage *on, outcome *of,
                                    hubless_error *err) {
    hubless_content content = hubless_content_text(word);
    uint64_t ticket = 0;
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = -1, .ticket = &ticket,
                                     .options_json = JSON("{}")};
    hubless_status status = hubless_send_async(on->node, hubless_cstr(to), &content, &asked,
                                               GIVEN(on_response), of, err);
    CHECK((status == HUBLESS_OK) == (ticket != 0));
    return status;
}

FORM(send, send_waits_to("echo", on, of, err), send_tells_to("echo", on, of, err))
FORM(send_refused, send_waits_to("never", on, of, err), send_tells_to("never", on, of, err))
FORM(send_nobody, send_waits_to("nobody", on, of, err), send_tells_to("nobody", on, of, err))

static hubless_agent_request brief(const char *to, const stage *on) {
    return (hubless_agent_request){.size = sizeof(hubless_agent_request),
                                   .agent = hubless_cstr(to), .prompt = word,
                                   .prompt_schema_json = JSON("{}")};
}

static hubless_status short_waits_to(const char *to, const stage *on, outcome *of,
                                     hubless_error *err) {
    hubless_agent_request asked = brief(to, on);
    hubless_error refused = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_status status = hubless_send_short(on->node, &asked, &reply, &refused, err);
    if (status == HUBLESS_OK) {
        show_response(of, reply, &refused);
    }
    hubless_error_clear(&refused);
    return status;
}

static hubless_status short_tells_to(const char *to, const stage *on, outcome *of,
                                     hubless_error *err) {
    hubless_agent_request asked = brief(to, on);
    uint64_t ticket = 0;
    asked.ticket = &ticket;
    hubless_status status =
        hubless_send_short_async(on->node, &asked, GIVEN(on_response), of, err);
    CHECK((status == HUBLESS_OK) == (ticket != 0));
    return status;
}

FORM(short_send, short_waits_to("echo", on, of, err), short_tells_to("echo", on, of, err))
FORM(short_refused, short_waits_to("never", on, of, err), short_tells_to("never", on, of, err))

static hubless_status check_waits(const stage *on, outcome *of, hubless_error *err) {
    hubless_content content = hubless_content_text(word);
    hubless_request_options asked = {.size = sizeof asked, .options_json = JSON("{}")};
    hubless_text *text = NULL;
    hubless_status status = hubless_check(on->agent, &content, &asked, &text, err);
    show_text(of, text);
    return status;
}

static hubless_status check_tells(const stage *on, outcome *of, hubless_error *err) {
    hubless_content content = hubless_content_text(word);
    hubless_request_options asked = {.size = sizeof asked, .options_json = JSON("{}")};
    return hubless_check_async(on->agent, &content, &asked, GIVEN(on_text), of, err);
}

typedef struct {
    const char *name;
    hubless_status (*waits)(const stage *on, outcome *of, hubless_error *err);
    hubless_status (*tells)(const stage *on, outcome *of, hubless_error *err);
    /* 1: there is a JSON text in it. */
    int json;
    /* 1: there is no handle in it. */
    int free;
} form;

#define ROW(name, json, free) {#name, name##_waits, name##_tells, json, free}
static const form forms[] = {
    ROW(template_set, 1, 0),   ROW(template_list, 0, 0),      ROW(template_remove, 0, 0),
    ROW(pin_set, 0, 0),        ROW(pin_wrong, 0, 0),          ROW(pin_list, 0, 0),
    ROW(pin_remove, 0, 0),     ROW(describe, 0, 0),           ROW(describe_none, 0, 0),
    ROW(load_agents, 1, 0),    ROW(invite, 1, 0),             ROW(node_status, 0, 0),
    ROW(join, 0, 1),           ROW(call_history, 0, 0),       ROW(list_agents, 0, 0),
    ROW(find, 0, 0),           ROW(peer, 0, 0),               ROW(peer_none, 0, 0),
    ROW(body_open, 0, 0),      ROW(discover, 0, 0),
    ROW(watch_start, 0, 0),    ROW(credential_set, 0, 0),     ROW(credential_provide, 0, 0),
    ROW(credential_remove, 0, 0), ROW(auth_global, 1, 0),     ROW(auth_wrong, 1, 0),
    ROW(register, 1, 0),       ROW(send, 1, 0),               ROW(send_refused, 1, 0),
    ROW(send_nobody, 1, 0),    ROW(check, 1, 0),              ROW(short_send, 1, 0),
    ROW(short_refused, 1, 0),  ROW(call_trip_none, 0, 0),
};
enum { FORMS = sizeof forms / sizeof forms[0] };

/* The stage: an agent that keeps its call, one that answers, and one that never does. */

static stage here;
static volatile int calls, asked_ended;

static void on_keep(hubless_call *call, void *user) {
    ((stage *)user)->call = call;
    suite_count(&calls);
}

static void on_never(hubless_call *call, void *user) {
    (void)user;
    CHECK(hubless_call_fail(call, HUBLESS_DENIED, HUBLESS_STR("never"), word, NULL) == HUBLESS_OK);
}

static void on_asked(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)err;
    (void)user;
    CHECK((status == HUBLESS_OK) == (reply != NULL));
    hubless_reply_free(reply);
    suite_count(&asked_ended);
}

static void set_up(void) {
    static char id[128];
    hubless_content content = hubless_content_text(word);
    hubless_agent_info info = {.size = sizeof info};
    calls = asked_ended = 0;
    here = (stage){.node = suite_node()};
    here.agent = suite_agent("kept", on_keep, &here);
    suite_agent("echo", suite_on_x, NULL);
    suite_agent("never", on_never, NULL);
    CHECK(hubless_agent_get(here.agent, &info, NULL) == HUBLESS_OK && info.agent_id.len < 128);
    memcpy(id, info.agent_id.data, info.agent_id.len);
    here.agent_id = (hubless_str){id, info.agent_id.len};
    CHECK(hubless_request_async(here.node, HUBLESS_STR("kept"), &content, NULL, on_asked, NULL,
                                NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&calls, 1));
}

static void put_away(void) {
    CHECK(hubless_call_final(here.call, NULL, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&asked_ended, 1));
}

/* Outcomes outlive their tests: a search that was freed still says that it is over. */
static outcome waited[FORMS], told[FORMS], inside[FORMS], refused[FORMS], late[FORMS];

static void forget_outcomes(void) {
    memset(waited, 0, sizeof waited);
    memset(told, 0, sizeof told);
    memset(inside, 0, sizeof inside);
    memset(refused, 0, sizeof refused);
    memset(late, 0, sizeof late);
}

static void same(const form *one, const outcome *told_of, const outcome *waited_for) {
    int is = told_of->told == 1 && told_of->status == waited_for->status &&
             strcmp(told_of->kind, waited_for->kind) == 0 &&
             strcmp(told_of->result, waited_for->result) == 0;
    if (!is) {
        printf("    %s: told %d times %d %s %s, not %d %s %s\n", one->name, told_of->told,
               told_of->status, told_of->kind, told_of->result, waited_for->status,
               waited_for->kind, waited_for->result);
    }
    CHECK(is);
}

static void wait_for(int i) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_status status = forms[i].waits(&here, &waited[i], &err);
    ended(&waited[i], status, &err);
    CHECK(status != HUBLESS_WOULD_DEADLOCK && status != HUBLESS_INTERNAL);
    hubless_error_clear(&err);
}

static void be_told(int i, outcome *of) {
    CHECK(forms[i].tells(&here, of, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&of->told, 1));
}

static void both_forms_of_an_operation_say_the_same(void) {
    int good = 0;
    forget_outcomes();
    set_up();
    for (int i = 0; i < FORMS; i++) {
        wait_for(i);
        be_told(i, &told[i]);
        same(&forms[i], &told[i], &waited[i]);
        good += waited[i].status == HUBLESS_OK;
    }
    /* All but those that are wrong on purpose, whose names say so, and `join`. */
    CHECK(good == FORMS - 7);
    put_away();
}

/* In a callback the one that waits is refused, and the other one is told. */

static volatile int turn;

static void on_ask(hubless_call *call, void *user) {
    int i = turn;
    hubless_error err = HUBLESS_ERROR_INIT;
    outcome none;
    (void)user;
    memset(&none, 0, sizeof none);
    CHECK(forms[i].waits(&here, &none, &err) == HUBLESS_WOULD_DEADLOCK && err.message.len > 0);
    CHECK(none.result[0] == 0);
    hubless_error_clear(&err);
    CHECK(forms[i].tells(&here, &inside[i], &err) == HUBLESS_OK && err.message.len == 0);
    /* The node tells on the thread that is busy here; what needs no node has one of its own. */
    CHECK(forms[i].free || suite_seen(&inside[i].told) == 0);
    hubless_call_finalf(call, "asked");
}

static void a_callback_uses_the_form_that_tells(void) {
    hubless_reply *reply = NULL;
    forget_outcomes();
    set_up();
    suite_agent("asks", on_ask, NULL);
    for (turn = 0; turn < FORMS; turn++) {
        wait_for(turn);
        CHECK(suite_ask("asks", "x", &reply, NULL) == HUBLESS_OK);
        CHECK(hubless_reply_free(reply) == HUBLESS_OK);
        CHECK(suite_reaches(&inside[turn].told, 1));
        same(&forms[turn], &inside[turn], &waited[turn]);
    }
    put_away();
}

/* What is refused is never told; a good one after it is, and shows that it would have been. */

static void refuse(int i, const stage *on, const char *field) {
    hubless_error err = HUBLESS_ERROR_INIT;
    CHECK(forms[i].tells(on, &refused[i], &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.name, "invalid_argument") && err.field.len > 0);
    if (field != NULL) {
        CHECK(err.field.len > 3 && memcmp(err.field.data, field, strlen(field)) == 0);
    }
    hubless_error_clear(&err);
}

static void what_is_refused_is_never_told(void) {
    hubless_node *closed;
    stage without, gone, broken;
    forget_outcomes();
    set_up();
    closed = suite_other_node();
    CHECK(hubless_node_close(closed, 0) == HUBLESS_OK);
    without = broken = here;
    without.without = 1;
    broken.json = "{";
    gone = (stage){.node = closed, .agent_id = here.agent_id};
    for (int i = 0; i < FORMS; i++) {
        refuse(i, &without, "on_");
        if (!forms[i].free) {
            refuse(i, &gone, NULL);
        }
        if (forms[i].json) {
            refuse(i, &broken, NULL);
        }
        be_told(i, &told[i]);
        CHECK(refused[i].told == 0 && refused[i].changes == 0);
    }
    put_away();
    for (int i = 0; i < FORMS; i++) {
        CHECK(refused[i].told == 0 && told[i].told == 1);
    }
}

/* What is begun while a node closes is told once: how it ended, or `closed`. */
static void a_closing_node_tells_each_once(void) {
    hubless_agents *found = NULL;
    outcome closing;
    int closed = 0;
    memset(&closing, 0, sizeof closing);
    forget_outcomes();
    set_up();
    for (int i = 0; i < FORMS; i++) {
        wait_for(i);
    }
    CHECK(hubless_node_close_async(here.node, 10000, on_done, &closing, NULL) == HUBLESS_OK);
    /* It has begun once agents are listed no more. */
    while (hubless_list_agents(here.node, HUBLESS_STR("local"), &found, NULL) == HUBLESS_OK) {
        hubless_agents_free(found);
    }
    for (int i = 0; i < FORMS; i++) {
        be_told(i, &late[i]);
        if (late[i].status == HUBLESS_CLOSED) {
            CHECK(strcmp(late[i].kind, "closed") == 0 && late[i].result[0] == 0);
            closed++;
        } else {
            same(&forms[i], &late[i], &waited[i]);
        }
    }
    CHECK(closed > 10 && closing.told == 0);
    put_away();
    CHECK(suite_reaches(&closing.told, 1) && closing.status == HUBLESS_OK);
    for (int i = 0; i < FORMS; i++) {
        CHECK(late[i].told == 1);
    }
}

/* What waits when its node ends is told so, once. */
static void what_is_open_ends_with_its_node(void) {
    hubless_content content = hubless_content_text(word);
    hubless_query nobody = {.size = sizeof nobody, .skill = HUBLESS_STR("none"), .wait_ms = 60000};
    outcome sent, searched, closing;
    outcome *const open[] = {&sent, &searched};
    memset(&sent, 0, sizeof sent);
    memset(&searched, 0, sizeof searched);
    memset(&closing, 0, sizeof closing);
    set_up();
    CHECK(hubless_send_async(here.node, HUBLESS_STR("kept"), &content, NULL, on_response, &sent,
                             NULL) == HUBLESS_OK);
    CHECK(hubless_find_async(here.node, &nobody, on_found, &searched, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&calls, 2) && sent.told == 0 && searched.told == 0);
    CHECK(hubless_node_close_async(here.node, 0, on_done, &closing, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&closing.told, 1) && closing.status == HUBLESS_OK);
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        CHECK(open[i]->told == 1 && open[i]->status == HUBLESS_CLOSED);
        CHECK(strcmp(open[i]->kind, "closed") == 0);
    }
    CHECK(suite_seen(&asked_ended) == 1);
}

static void no_async_function_is_left_out(void) {
    suite_all_named("grep -oE '\\bhubless_[a-z_]+_async\\('", 38,
                    "include/tests/forms.c include/tests/nodes.c include/tests/tools.c "
                    "include/tests/budgets.c include/tests/provider.c "
                    "include/tests/testing.c");
}

const test form_tests[] = {
    {"both forms of an operation say the same", both_forms_of_an_operation_say_the_same},
    {"a callback uses the form that tells", a_callback_uses_the_form_that_tells},
    {"what is refused is never told", what_is_refused_is_never_told},
    {"a closing node tells each once", a_closing_node_tells_each_once},
    {"what is open ends with its node", what_is_open_ends_with_its_node},
    {"no async function is left out", no_async_function_is_left_out},
    {NULL, NULL},
};
