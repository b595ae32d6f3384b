/* The subject `visit`: agents that come and go in this node. */
#include "behaviour.h"

#include "support/json.h"

#include <pthread.h>
#include <string.h>

enum { GUESTS_MAX = 64 };

typedef struct {
    char name[80], rules[160];
    hubless_agent *agent;
    int runs;
} guest;
static guest guests[GUESTS_MAX];
static pthread_mutex_t guests_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_guest(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "ok");
}

/* Answers how often it ran. */
static void on_return(hubless_call *call, void *user) {
    int runs = __atomic_add_fetch(&((guest *)user)->runs, 1, __ATOMIC_SEQ_CST);
    hubless_call_finalf(call, "%d", runs);
}

/* Registers a guest; of one that lives only moments `*who` is the agent. */
static hubless_status arrive(const json *in, hubless_agent **who, hubless_error *err) {
    const char *name = json_get_text(in, "arrive"), *from = json_get_text(in, "returnsOf");
    const json *brief = json_get(in, "transient"), *plain = json_get(in, "plain");
    char full[160];
    if (plain != NULL && plain->flag) {
        snprintf(full, sizeof full, "%s", name);
    } else {
        snprintf(full, sizeof full, "%s.%s", behaviour_prefix, name);
    }
    hubless_agent_options options = hubless_agent_named(full, on_guest, NULL);
    size_t at = 0;
    while (at < GUESTS_MAX && guests[at].agent != NULL) {
        at++;
    }
    if (at == GUESTS_MAX) {
        return HUBLESS_BUSY;
    }
    snprintf(guests[at].name, sizeof guests[at].name, "%s", name);
    options.transient = brief != NULL && brief->flag;
    if (from != NULL) {
        snprintf(guests[at].rules, sizeof guests[at].rules, "{\"acceptReturnsFrom\": [\"%s\"]}",
                 from);
        options.requirements_json = hubless_cstr(guests[at].rules);
        options.on_call = on_return;
        options.user = &guests[at];
        guests[at].runs = 0;
    }
    hubless_status status = hubless_register(behaviour_node, &options, &guests[at].agent, err);
    *who = options.transient ? guests[at].agent : NULL;
    return status;
}

static guest *guest_named(const char *name) {
    for (size_t at = 0; at < GUESTS_MAX; at++) {
        if (guests[at].agent != NULL && strcmp(guests[at].name, name) == 0) {
            return &guests[at];
        }
    }
    return NULL;
}

static hubless_status depart(const char *name) {
    guest *known = guest_named(name);
    if (known == NULL) {
        return HUBLESS_NOT_FOUND;
    }
    hubless_agent *gone = known->agent;
    known->agent = NULL;
    return hubless_agent_free(gone);
}

static hubless_status ails(const char *name, const json *in, hubless_error *err) {
    const guest *known = guest_named(name);
    if (known == NULL) {
        return HUBLESS_NOT_FOUND;
    }
    return hubless_agent_health(known->agent, hubless_cstr(json_get_text(in, "health")), err);
}

void run_visit(hubless_call *call, const hubless_call_info *info) {
    hubless_error err = HUBLESS_ERROR_INIT;
    json *in = json_parse(info->content.value_json.data, info->content.value_json.len);
    const char *comes = json_get_text(in, "arrive"), *goes = json_get_text(in, "depart");
    const char *ill = json_get_text(in, "ails");
    hubless_agent *brief = NULL;
    hubless_agent_info known = {.size = sizeof known, .reach = HUBLESS_STR("ok")};
    pthread_mutex_lock(&guests_lock);
    hubless_status status = comes != NULL ? arrive(in, &brief, &err) : HUBLESS_OK;
    if (status == HUBLESS_OK && brief != NULL) {
        status = hubless_agent_get(brief, &known, &err);
    }
    if (status == HUBLESS_OK && ill != NULL) {
        status = ails(ill, in, &err);
    }
    if (status == HUBLESS_OK && goes != NULL) {
        status = depart(goes);
    }
    pthread_mutex_unlock(&guests_lock);
    if (status == HUBLESS_OK) {
        hubless_call_finalf(call, "%.*s", (int)known.reach.len, known.reach.data);
    } else {
        const int kind = err.kind == HUBLESS_OK ? HUBLESS_HANDLER_FAILED : (int)err.kind;
        hubless_call_fail(call, kind, err.code, err.message, NULL);
    }
    hubless_error_clear(&err);
    json_free(in);
}
