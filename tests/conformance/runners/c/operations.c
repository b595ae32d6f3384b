#include "operations.h"

#include "ask.h"
#include "endurance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OWN_MAX = 16, EVENT_WAIT_S = 20 };

typedef struct {
    char name[80];
    hubless_agent *agent;
    atomic_long runs;
} own_agent;

static own_agent own[OWN_MAX];
static size_t own_count;

static json *word_of(const char *word, json *value) {
    json *out = json_new(JSON_OBJECT);
    json_set(out, word, value);
    return out;
}

/* `{"done": true}`, or the error. */
static json *done(hubless_status status, hubless_error *err) {
    json *out = status == HUBLESS_OK ? word_of("done", json_bool(1)) : error_of(err);
    hubless_error_clear(err);
    return out;
}

/* The JSON of a text that the library made; frees the text. */
static json *json_of(hubless_text *text) {
    hubless_str got = hubless_text_get(text);
    json *value = json_parse(got.data, got.len);
    hubless_text_free(text);
    return value == NULL ? json_new(JSON_NULL) : value;
}

static hubless_str text(const json *object, const char *key) {
    return hubless_cstr(json_get_text(object, key));
}

static json *template(hubless_node *node, const char *word, const json *value) {
    hubless_error err = HUBLESS_ERROR_INIT;
    if (strcmp(word, "templateSet") == 0) {
        char *made = json_print(json_get(value, "template"));
        hubless_status status =
            hubless_template_set(node, text(value, "name"), hubless_cstr(made), &err);
        free(made);
        return done(status, &err);
    }
    if (strcmp(word, "templateRemove") == 0) {
        return done(hubless_template_remove(node, hubless_cstr(value->text), &err), &err);
    }
    if (strcmp(word, "templateList") != 0) {
        return NULL;
    }
    hubless_text *listed = NULL;
    hubless_template_list(node, &listed, NULL);
    json *all = json_of(listed);
    json *out = word_of("found", json_copy(json_get(all, "templates")));
    json_free(all);
    return out;
}

static json *credential(hubless_node *node, const char *word, const json *value) {
    hubless_error err = HUBLESS_ERROR_INIT;
    if (strcmp(word, "credentialRemove") == 0) {
        return done(hubless_credential_remove(node, hubless_cstr(value->text), &err), &err);
    }
    if (strcmp(word, "credentialSet") != 0) {
        return NULL;
    }
    hubless_str none = {NULL, 0};
    return done(hubless_credential_set(node, text(value, "target"), none, text(value, "secret"),
                                       &err),
                &err);
}

static json *pin(hubless_node *node, const char *word, const json *value) {
    hubless_error err = HUBLESS_ERROR_INIT;
    if (strcmp(word, "pinSet") == 0) {
        return done(hubless_pin_set(node, text(value, "name"), text(value, "agentId"), &err),
                    &err);
    }
    if (strcmp(word, "pinRemove") == 0) {
        return done(hubless_pin_remove(node, hubless_cstr(value->text), &err), &err);
    }
    if (strcmp(word, "pinList") != 0) {
        return NULL;
    }
    hubless_text *listed = NULL;
    hubless_pin_list(node, &listed, NULL);
    json *all = json_of(listed), *pins = json_get(all, "pins"), *ids = json_new(JSON_OBJECT);
    for (size_t i = 0; pins != NULL && i < pins->count; i++) {
        const char *name = json_get_text(pins->items[i], "name");
        json_set(ids, name, json_copy(json_get(pins->items[i], "agentId")));
    }
    json_free(all);
    return word_of("value", ids);
}

static own_agent *own_named(const char *name) {
    size_t at = own_count;
    while (at > 0 && strcmp(own[at - 1].name, name) != 0) {
        at--;
    }
    return at == 0 ? NULL : &own[at - 1];
}

const hubless_agent *operation_own_agent(const char *name) {
    own_agent *found = own_named(name);
    return found == NULL ? NULL : found->agent;
}

static void on_own(hubless_call *call, void *user) {
    own_agent *called = user;
    atomic_fetch_add(&called->runs, 1);
    hubless_call_finalf(call, "own");
}

static json *register_own(hubless_node *node, const json *value) {
    if (own_count == OWN_MAX) {
        return word_of("error", json_string("too many own agents"));
    }
    hubless_error err = HUBLESS_ERROR_INIT;
    own_agent *made = &own[own_count];
    const json *rules = json_get(value, "requirements");
    char *requirements = rules == NULL ? NULL : json_print(rules);
    json *rest = json_copy(value);
    json_remove(rest, "name");
    json_remove(rest, "requirements");
    json_remove(rest, "identity");
    json_remove(rest, "replica");
    char *options_text = json_print(rest);
    snprintf(made->name, sizeof made->name, "%s", json_get_text(value, "name"));
    hubless_agent_options options = hubless_agent_named(made->name, on_own, made);
    options.options_json = hubless_cstr(options_text);
    options.requirements_json = hubless_cstr(requirements);
    const json *replica = json_get(value, "replica");
    options.identity = hubless_cstr(json_get_text(value, "identity"));
    options.replica = replica != NULL && replica->flag;
    hubless_status status = hubless_register(node, &options, &made->agent, &err);
    own_count += status == HUBLESS_OK;
    json_free(rest);
    free(options_text);
    free(requirements);
    return done(status, &err);
}

static json *unregister(const char *name) {
    hubless_error err = HUBLESS_ERROR_INIT;
    own_agent *gone = own_named(name);
    hubless_status status = gone == NULL ? HUBLESS_NOT_FOUND : hubless_agent_free(gone->agent);
    err.kind = status;
    return done(status, &err);
}

static json *names_of(hubless_agents *list) {
    json *names = json_new(JSON_ARRAY);
    for (size_t i = 0; i < hubless_agents_count(list); i++) {
        hubless_found found = {.size = sizeof found};
        hubless_agents_get(list, i, &found, NULL);
        json_push(names, json_string_of(found.name.data, found.name.len));
    }
    hubless_agents_free(list);
    return word_of("found", names);
}

static json *find(hubless_node *node, const json *query, long patience_ms) {
    char *made = json_print(query);
    hubless_query options = {.size = sizeof options, .query_json = hubless_cstr(made),
                             .wait_ms = patience_ms};
    hubless_agents *list = NULL;
    hubless_find(node, &options, &list, NULL);
    free(made);
    return names_of(list);
}

static json *list(hubless_node *node, const char *scope) {
    hubless_agents *all = NULL;
    hubless_list_agents(node, hubless_cstr(scope), &all, NULL);
    return names_of(all);
}

static json *describe(hubless_node *node, const char *name) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_text *about = NULL;
    hubless_status status = hubless_describe(node, hubless_cstr(name), &about, &err);
    return status == HUBLESS_OK ? word_of("value", json_of(about)) : done(status, &err);
}

static json *load(hubless_node *node, const json *descriptors) {
    hubless_text *told = NULL;
    char *made = json_print(descriptors);
    hubless_load_agents(node, hubless_cstr(made), &told, NULL);
    json *all = json_of(told), *refused = json_get(all, "refused"), *kinds = json_new(JSON_ARRAY);
    for (size_t i = 0; refused != NULL && i < refused->count; i++) {
        json_push(kinds, json_copy(json_get(refused->items[i], "kind")));
    }
    json *out = word_of("refused", kinds);
    json_set(out, "loaded", json_copy(json_get(all, "loaded")));
    json_free(all);
    free(made);
    return word_of("value", out);
}

/* What a watch or a discovery has told. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t told;
    json *events;
    int over;
} sightings;

static void on_change(int32_t kind, const hubless_found *found, void *user) {
    static const char *const words[] = {"", "arrived", "changed", "departed", "lagged"};
    sightings *all = user;
    pthread_mutex_lock(&all->lock);
    if (kind == HUBLESS_CHANGE_END) {
        all->over = 1;
    } else {
        json *event = json_new(JSON_ARRAY);
        json_push(event, json_string(words[kind]));
        json_push(event, found == NULL ? json_new(JSON_NULL)
                                       : json_string_of(found->name.data, found->name.len));
        json_push(all->events, event);
    }
    pthread_cond_broadcast(&all->told);
    pthread_mutex_unlock(&all->lock);
}

static void wait_for(sightings *all, size_t count, int over) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += EVENT_WAIT_S;
    pthread_mutex_lock(&all->lock);
    while ((over ? !all->over : all->events->count < count) &&
           pthread_cond_timedwait(&all->told, &all->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&all->lock);
}

static json *discover(hubless_node *node, const json *query) {
    sightings all = {.lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER,
                     .events = json_new(JSON_ARRAY)};
    char *made = json_print(query);
    hubless_query options = {.size = sizeof options, .query_json = hubless_cstr(made)};
    hubless_watch *watch = NULL;
    hubless_discover(node, &options, on_change, &all, &watch, NULL);
    wait_for(&all, 1, 0);
    hubless_watch_free(watch);
    wait_for(&all, 0, 1);
    json *names = json_new(JSON_ARRAY);
    for (size_t i = 0; i < all.events->count; i++) {
        json_push(names, json_copy(all.events->items[i]->items[1]));
    }
    json_free(all.events);
    free(made);
    return word_of("found", names);
}

json *operation_watch(hubless_node *node, const json *query, const json *steps, watch_step step,
                      void *user) {
    sightings all = {.lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER,
                     .events = json_new(JSON_ARRAY)};
    char *made = json_print(query);
    hubless_query options = {.size = sizeof options, .query_json = hubless_cstr(made)};
    hubless_watch *watch = NULL;
    hubless_watch_start(node, &options, on_change, &all, &watch, NULL);
    for (size_t i = 0; i < steps->count; i++) {
        step(steps->items[i], user);
        wait_for(&all, i + 1, 0);
    }
    hubless_watch_free(watch);
    wait_for(&all, 0, 1);
    free(made);
    return word_of("events", all.events);
}

json *operation_run(hubless_node *node, const char *word, const json *value, long patience_ms) {
    json *(*const kept[])(hubless_node *, const char *, const json *) = {template, credential, pin};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        json *out = kept[i](node, word, value);
        if (out != NULL) {
            return out;
        }
    }
    if (strcmp(word, "register") == 0) {
        return register_own(node, value);
    }
    if (strcmp(word, "unregister") == 0) {
        return unregister(value->text);
    }
    if (strcmp(word, "ownRuns") == 0) {
        const own_agent *asked = own_named(value->text);
        return word_of("value", json_number(asked == NULL ? -1 : (double)asked->runs));
    }
    if (strcmp(word, "find") == 0) {
        return find(node, value, patience_ms);
    }
    if (strcmp(word, "discover") == 0) {
        return discover(node, value);
    }
    if (strcmp(word, "list") == 0) {
        return list(node, value->text);
    }
    if (strcmp(word, "describe") == 0) {
        return describe(node, value->text);
    }
    return strcmp(word, "load") == 0 ? load(node, value) : endurance_run(node, word, value);
}
