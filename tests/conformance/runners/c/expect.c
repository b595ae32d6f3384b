#include "expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int has(const json *wanted, const json *got) {
    for (size_t i = 0; i < wanted->count; i++) {
        if (!json_equal(wanted->items[i], json_get(got, wanted->keys[i]))) {
            return 0;
        }
    }
    return 1;
}

/* Each member is as wanted; of the message a part of it, of the candidates their number. */
static int error_holds(const json *wanted, const json *error) {
    for (size_t i = 0; error != NULL && i < wanted->count; i++) {
        const char *key = wanted->keys[i];
        if (strcmp(key, "messageHas") == 0) {
            const char *message = json_get_text(error, "message");
            if (message == NULL || strstr(message, wanted->items[i]->text) == NULL) {
                return 0;
            }
        } else if (strcmp(key, "candidates") == 0) {
            const json *candidates = json_get(error, key);
            if (candidates == NULL || (double)candidates->count != wanted->items[i]->number) {
                return 0;
            }
        } else if (!json_equal(wanted->items[i], json_get(error, key))) {
            return 0;
        }
    }
    return error != NULL;
}

/* Every kind of outcome is one that is wanted, as often as is wanted. */
static int outcomes_in(const json *wanted, const json *counts) {
    for (size_t i = 0; counts != NULL && i < counts->count; i++) {
        if (json_get(wanted, counts->keys[i]) == NULL) {
            return 0;
        }
    }
    for (size_t i = 0; counts != NULL && i < wanted->count; i++) {
        double count = json_get_number(counts, wanted->keys[i], 0);
        const json *range = wanted->items[i];
        if (count < range->items[0]->number || count > range->items[1]->number) {
            return 0;
        }
    }
    return counts != NULL;
}

/* So many outcomes were counted in all. */
static int counted_holds(const json *wanted, const json *counts) {
    double all = 0;
    for (size_t i = 0; counts != NULL && i < counts->count; i++) {
        all += counts->items[i]->number;
    }
    return counts != NULL && wanted->type == JSON_NUMBER && all == wanted->number;
}

static int trace_holds(const json *wanted, const json *value) {
    const char *parent = json_get_text(value, "traceparent");
    return parent != NULL && strstr(parent, wanted->text) != NULL;
}

static int ends_with(const char *text, const char *end) {
    size_t long_one = text == NULL ? 0 : strlen(text), short_one = strlen(end);
    return text != NULL && long_one >= short_one &&
           strcmp(text + long_one - short_one, end) == 0;
}

static int contains(const json *list, const json *name) {
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        if (json_equal(list->items[i], name)) {
            return 1;
        }
    }
    return 0;
}

/* How many of the names are in the list; -1: there is no list. */
static long among(const json *names, const json *list) {
    long count = list == NULL ? -1 : 0;
    for (size_t i = 0; list != NULL && i < names->count; i++) {
        count += contains(list, names->items[i]);
    }
    return count;
}

/* What a JSON pointer leads to, or NULL. */
static const json *follow(const json *value, const char *pointer) {
    char step[128];
    while (value != NULL && *pointer == '/') {
        size_t len = strcspn(++pointer, "/");
        snprintf(step, sizeof step, "%.*s", (int)len, pointer);
        pointer += len;
        if (value->type == JSON_ARRAY) {
            size_t at = strtoul(step, NULL, 10);
            value = at < value->count ? value->items[at] : NULL;
        } else {
            value = json_get(value, step);
        }
    }
    return value;
}

/* A member, or what a JSON pointer leads to, or NULL. */
static const json *at(const json *value, const char *where) {
    return *where == '/' ? follow(value, where) : json_get(value, where);
}

static int at_most_holds(const json *wanted, const json *value) {
    for (size_t i = 0; i < wanted->count; i++) {
        const json *found = at(value, wanted->keys[i]);
        if (found == NULL || found->type != JSON_NUMBER ||
            found->number > wanted->items[i]->number) {
            return 0;
        }
    }
    return 1;
}

static int range_holds(const json *wanted, const json *value) {
    for (size_t i = 0; i < wanted->count; i++) {
        const json *found = at(value, wanted->keys[i]), *range = wanted->items[i];
        if (found == NULL || found->type != JSON_NUMBER || range->count != 2 ||
            found->number < range->items[0]->number || found->number > range->items[1]->number) {
            return 0;
        }
    }
    return 1;
}

static int points_to(const json *wanted, const json *value) {
    for (size_t i = 0; i < wanted->count; i++) {
        if (!json_equal(wanted->items[i], follow(value, wanted->keys[i]))) {
            return 0;
        }
    }
    return 1;
}

static int list_holds(const char *key, const json *wanted, const json *found) {
    if (strcmp(key, "includes") == 0) {
        return among(wanted, found) == (long)wanted->count;
    }
    if (strcmp(key, "excludes") == 0) {
        return among(wanted, found) == 0;
    }
    if (strcmp(key, "none") == 0) {
        return found != NULL && found->count == 0;
    }
    return found != NULL && found->count > 0 && json_equal(wanted, found->items[0]);
}

static int is_list_word(const char *key) {
    return strcmp(key, "includes") == 0 || strcmp(key, "excludes") == 0 ||
           strcmp(key, "none") == 0 || strcmp(key, "first") == 0;
}

static int switch_holds(const json *wanted, const json *view) {
    for (size_t i = 0; view != NULL && i < wanted->count; i++) {
        const char *key = wanted->keys[i];
        const json *found = json_get(view, key), *is = wanted->items[i];
        int by_component = strcmp(key, "spent") == 0 || strcmp(key, "remaining") == 0 ||
                           strcmp(key, "overrun") == 0;
        if (found == NULL || !(by_component ? has(is, found) : json_equal(is, found))) {
            return 0;
        }
    }
    return view != NULL;
}

/* Each way of the language either drew one call on the switch or was refused. */
static int strayed_holds(const json *wanted, const json *outcome) {
    const json *value = json_get(outcome, "value");
    const json *drawn = json_get(value, "drawn"), *refused = json_get(value, "refused");
    const json *spent = json_get(json_get(outcome, "switch"), "spent");
    const char *language = json_get_text(wanted, "of");
    const json *ways = language == NULL ? NULL : json_get(json_get(wanted, "ways"), language);
    if (ways == NULL || drawn == NULL || refused == NULL) {
        return 0;
    }
    /* As many as there are, and each of them in one: so none twice, and no other. */
    return drawn->count + refused->count == ways->count && among(drawn, refused) == 0 &&
           among(ways, drawn) + among(ways, refused) == (long)ways->count &&
           json_get_number(spent, "calls", -1) == 1 + (double)drawn->count;
}

static int one_holds(const char *key, const json *wanted, const json *outcome) {
    const json *value = json_get(outcome, "value");
    if (strcmp(key, "error") == 0) {
        return error_holds(wanted, json_get(outcome, "error"));
    }
    if (strcmp(key, "switch") == 0) {
        return switch_holds(wanted, json_get(outcome, "switch"));
    }
    if (json_get(outcome, "error") != NULL) {
        return 0;
    }
    if (strcmp(key, "strayed") == 0) {
        return strayed_holds(wanted, outcome);
    }
    if (strcmp(key, "tracedAs") == 0) {
        return json_equal(wanted, json_get(outcome, "tracedAs"));
    }
    if (strcmp(key, "usage") == 0) {
        return json_get(outcome, "usage") != NULL && has(wanted, json_get(outcome, "usage"));
    }
    if (strcmp(key, "rejection") == 0) {
        return error_holds(wanted, json_get(outcome, "rejection"));
    }
    if (is_list_word(key)) {
        return list_holds(key, wanted, json_get(outcome, "found"));
    }
    if (strcmp(key, "at") == 0) {
        return points_to(wanted, value);
    }
    if (strcmp(key, "valueHas") == 0) {
        return has(wanted, value);
    }
    if (strcmp(key, "blob") == 0) {
        return json_get(outcome, "blob") != NULL && has(wanted, json_get(outcome, "blob"));
    }
    if (strcmp(key, "outcomesIn") == 0) {
        return outcomes_in(wanted, json_get(outcome, "kinds"));
    }
    if (strcmp(key, "counted") == 0) {
        return counted_holds(wanted, json_get(outcome, "kinds"));
    }
    if (strcmp(key, "range") == 0) {
        return range_holds(wanted, value);
    }
    if (strcmp(key, "at most") == 0) {
        return at_most_holds(wanted, value);
    }
    if (strcmp(key, "ends") == 0) {
        return ends_with(json_get_text(outcome, "text"), wanted->text);
    }
    if (strcmp(key, "traceId") == 0) {
        return trace_holds(wanted, value);
    }
    /* value, text, chunks, notes, outcomes, done, found, events, parts, metadata */
    return json_equal(wanted, json_get(outcome, key));
}

int expect_holds(const json *expect, const json *outcome) {
    for (size_t i = 0; i < expect->count; i++) {
        if (!one_holds(expect->keys[i], expect->items[i], outcome)) {
            return 0;
        }
    }
    return expect->count > 0;
}
