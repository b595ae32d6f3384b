#include "budget.h"

#include <pthread.h>
#include <stdlib.h>

struct budget {
    hubless_switch *kill_switch;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int told, tripped;
};

static uint64_t number_of(const json *amounts, const char *name) {
    return (uint64_t)json_get_number(amounts, name, 0);
}

static hubless_limit limit_of(const json *amounts, const char *name) {
    const json *given = json_get(amounts, name);
    if (given == NULL || given->type != JSON_NUMBER) {
        return (hubless_limit){0, 0};
    }
    return HUBLESS_AT_MOST((uint64_t)given->number);
}

hubless_amount amount_of(const json *amounts) {
    return (hubless_amount){number_of(amounts, "inputTokens"), number_of(amounts, "outputTokens"),
                            number_of(amounts, "costMicros"), number_of(amounts, "calls")};
}

hubless_allowance allowance_of(const json *amounts) {
    return (hubless_allowance){limit_of(amounts, "inputTokens"), limit_of(amounts, "outputTokens"),
                               limit_of(amounts, "costMicros"), limit_of(amounts, "calls")};
}

static json *limit_shown(hubless_limit limit) {
    return limit.limited ? json_number((double)limit.value) : json_new(JSON_NULL);
}

json *allowance_shown(const hubless_allowance *of) {
    json *out = json_new(JSON_OBJECT);
    json_set(out, "inputTokens", limit_shown(of->input_tokens));
    json_set(out, "outputTokens", limit_shown(of->output_tokens));
    json_set(out, "costMicros", limit_shown(of->cost_micros));
    json_set(out, "calls", limit_shown(of->calls));
    return out;
}

static json *amount_shown(const hubless_amount *of) {
    hubless_allowance exactly = {HUBLESS_AT_MOST(of->input_tokens),
                                 HUBLESS_AT_MOST(of->output_tokens),
                                 HUBLESS_AT_MOST(of->cost_micros), HUBLESS_AT_MOST(of->calls)};
    return allowance_shown(&exactly);
}

static void on_tripped(const hubless_stop *stop, void *user) {
    budget *of = user;
    pthread_mutex_lock(&of->lock);
    of->told = 1;
    of->tripped += stop != NULL;
    pthread_cond_broadcast(&of->changed);
    pthread_mutex_unlock(&of->lock);
}

budget *budget_new(const json *terms, hubless_error *err) {
    const json *unlimited = json_get(terms, "unlimited");
    const json *strict = json_get(terms, "strict");
    hubless_switch_options limits = {.size = sizeof limits,
                                     .input_tokens = limit_of(terms, "inputTokens"),
                                     .output_tokens = limit_of(terms, "outputTokens"),
                                     .cost_micros = limit_of(terms, "costMicros"),
                                     .calls = limit_of(terms, "calls"),
                                     .wall_time_ms = limit_of(terms, "wallTimeMs"),
                                     .depth = limit_of(terms, "depth"),
                                     .fan_out = limit_of(terms, "fanOut"),
                                     .lease_ms = number_of(terms, "leaseMs"),
                                     .soft = allowance_of(json_get(terms, "soft")),
                                     .unlimited = unlimited != NULL && unlimited->flag,
                                     .strict = strict != NULL && strict->flag};
    budget *made = calloc(1, sizeof *made);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    if (hubless_switch_new(&limits, &made->kill_switch, err) != HUBLESS_OK ||
        hubless_switch_on_tripped(made->kill_switch, on_tripped, made, err) != HUBLESS_OK) {
        free(made);
        return NULL;
    }
    return made;
}

void budget_free(budget *of) {
    if (of == NULL) {
        return;
    }
    hubless_switch_free(of->kill_switch);
    pthread_mutex_lock(&of->lock);
    while (!of->told) {
        pthread_cond_wait(&of->changed, &of->lock);
    }
    pthread_mutex_unlock(&of->lock);
    pthread_cond_destroy(&of->changed);
    pthread_mutex_destroy(&of->lock);
    free(of);
}

const hubless_switch *budget_switch(const budget *of) {
    return of == NULL ? NULL : of->kill_switch;
}

json *budget_view(budget *of) {
    hubless_switch_info info = {.size = sizeof info};
    json *out = json_new(JSON_OBJECT);
    hubless_switch_get(of->kill_switch, &info, NULL);
    json_set(out, "spent", amount_shown(&info.spent));
    json_set(out, "remaining", allowance_shown(&info.remaining));
    json_set(out, "overrun", amount_shown(&info.overrun));
    json_set(out, "state", json_string(info.tripped ? "tripped" : "armed"));
    if (info.tripped) {
        json_set(out, "reason", json_string_of(info.reason.data, info.reason.len));
    }
    pthread_mutex_lock(&of->lock);
    json_set(out, "tripped", json_number(of->tripped));
    pthread_mutex_unlock(&of->lock);
    return out;
}
