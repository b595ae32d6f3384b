/* The subject `visit`: agents that come and go in this node. */
#include "behaviour.h"

#include "support/json.h"

#include <pthread.h>
#include <string.h>

enum { GUESTS_MAX = 64 };

static struct {
    char name[80];
    hubless_agent *agent;
} guests[GUESTS_MAX];
static pthread_mutex_t guests_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_guest(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "ok");
}

static hubless_status arrive(const char *name, hubless_error *err) {
    char full[160];
    snprintf(full, sizeof full, "%s.%s", behaviour_prefix, name);
    hubless_agent_options options = hubless_agent_named(full, on_guest, NULL);
    size_t at = 0;
    while (at < GUESTS_MAX && guests[at].agent != NULL) {
        at++;
    }
    if (at == GUESTS_MAX) {
        return HUBLESS_BUSY;
    }
    snprintf(guests[at].name, sizeof guests[at].name, "%s", name);
    return hubless_register(behaviour_node, &options, &guests[at].agent, err);
}

static hubless_status depart(const char *name) {
    for (size_t at = 0; at < GUESTS_MAX; at++) {
        if (guests[at].agent != NULL && strcmp(guests[at].name, name) == 0) {
            hubless_agent *gone = guests[at].agent;
            guests[at].agent = NULL;
            return hubless_agent_free(gone);
        }
    }
    return HUBLESS_NOT_FOUND;
}

void run_visit(hubless_call *call, const hubless_call_info *info) {
    hubless_error err = HUBLESS_ERROR_INIT;
    json *in = json_parse(info->content.value_json.data, info->content.value_json.len);
    const char *comes = json_get_text(in, "arrive"), *goes = json_get_text(in, "depart");
    pthread_mutex_lock(&guests_lock);
    hubless_status status = comes != NULL ? arrive(comes, &err) : HUBLESS_OK;
    if (status == HUBLESS_OK && goes != NULL) {
        status = depart(goes);
    }
    pthread_mutex_unlock(&guests_lock);
    if (status == HUBLESS_OK) {
        hubless_call_finalf(call, "ok");
    } else {
        hubless_call_fail(call, HUBLESS_HANDLER_FAILED, err.code, err.message, NULL);
    }
    hubless_error_clear(&err);
    json_free(in);
}
