/* Subjects that spend, that pass a budget on, and that lose their call. */
#include "behaviour.h"
#include "budget.h"

#include "support/json.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Says that the handler spends nothing by itself; 0: the call was ended with why not. */
static int spends_nothing(hubless_call *call) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_spend *spend = NULL;
    if (hubless_call_spend(call, NULL, &spend, &err) != HUBLESS_OK) {
        fail_with(call, &err);
        return 0;
    }
    hubless_spend_drop(spend);
    return 1;
}

static hubless_status spend_once(hubless_call *call, const json *in, hubless_error *err) {
    hubless_amount most = amount_of(json_get(in, "most")), used = amount_of(json_get(in, "used"));
    hubless_spend *spend = NULL;
    hubless_status status = hubless_call_spend(call, &most, &spend, err);
    if (status == HUBLESS_OK && json_get(in, "used") != NULL) {
        status = hubless_spend_used(spend, &used, err);
    }
    return status;
}

void run_spender(hubless_call *call, const hubless_call_info *info) {
    hubless_error err = HUBLESS_ERROR_INIT;
    json *in = value_of(&info->content);
    int times = (int)json_get_number(in, "times", 1);
    for (int n = 0; n < times; n++) {
        if (spend_once(call, in, &err) != HUBLESS_OK) {
            json_free(in);
            fail_with(call, &err);
            return;
        }
    }
    json *out = json_new(JSON_OBJECT);
    json_set(out, "spent", json_number(times));
    json_set(out, "granted",
             info->has_budget ? allowance_shown(&info->granted) : json_new(JSON_NULL));
    json_free(in);
    answer(call, out);
}

void run_needy(hubless_call *call, const hubless_call_info *info) {
    if (spends_nothing(call)) {
        run_ok(call, info);
    }
}

static hubless_status ask(const char *to, const json *value, const hubless_call *parent,
                          hubless_reply **reply, hubless_error *err) {
    char *text = json_print(value);
    hubless_content content = hubless_content_json(hubless_cstr(text));
    hubless_request_options options = {.size = sizeof options, .parent = parent, .wait_ms = 20000};
    hubless_status status =
        hubless_request(behaviour_node, hubless_cstr(to), &content, &options, reply, err);
    free(text);
    return status;
}

/* What the first of the names is asked: the others and the value, or the value alone. */
static json *passed(const json *in) {
    const json *names = json_get(in, "to"), *value = json_get(in, "value");
    if (names->count < 2) {
        return json_copy(value);
    }
    json *out = json_new(JSON_OBJECT), *others = json_new(JSON_ARRAY);
    for (size_t i = 1; i < names->count; i++) {
        json_push(others, json_copy(names->items[i]));
    }
    json_set(out, "to", others);
    json_set(out, "value", json_copy(value));
    return out;
}

void run_pass(hubless_call *call, const hubless_call_info *info) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    if (!spends_nothing(call)) {
        return;
    }
    json *in = value_of(&info->content), *value = passed(in);
    if (ask(json_get(in, "to")->items[0]->text, value, call, &reply, &err) == HUBLESS_OK) {
        hubless_reply_info got = {.size = sizeof got};
        hubless_reply_get(reply, &got, NULL);
        answer(call, value_of(&got.content));
        hubless_reply_free(reply);
    } else {
        fail_with(call, &err);
    }
    json_free(value);
    json_free(in);
}

/* One way to ask without the call: how it ended. */
typedef struct {
    const char *to;
    hubless_status status;
    hubless_error err;
} stray;

static void *ask_without(void *argument) {
    stray *way = argument;
    hubless_reply *reply = NULL;
    json *value = json_string("stray");
    way->status = ask(way->to, value, NULL, &reply, &way->err);
    hubless_reply_free(reply);
    json_free(value);
    return NULL;
}

static void plainly(stray *way) { ask_without(way); }

static void on_a_thread(stray *way) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, ask_without, way) == 0) {
        pthread_join(thread, NULL);
    }
}

static int is_orphan(const hubless_error *err) {
    return err->kind == HUBLESS_CONFIGURATION && err->code.len == 6 &&
           memcmp(err->code.data, "orphan", 6) == 0;
}

void run_stray(hubless_call *call, const hubless_call_info *info) {
    static const struct {
        const char *name;
        void (*go)(stray *way);
    } ways[] = {{"thread", on_a_thread}, {"plain", plainly}};
    if (!spends_nothing(call)) {
        return;
    }
    json *in = value_of(&info->content), *out = json_new(JSON_OBJECT);
    json *drawn = json_new(JSON_ARRAY), *refused = json_new(JSON_ARRAY);
    json_set(out, "drawn", drawn);
    json_set(out, "refused", refused);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        stray way = {json_get_text(in, "to"), HUBLESS_INTERNAL, HUBLESS_ERROR_INIT};
        ways[i].go(&way);
        if (way.status != HUBLESS_OK && !is_orphan(&way.err)) {
            fail_with(call, &way.err);
            json_free(out);
            json_free(in);
            return;
        }
        json_push(way.status == HUBLESS_OK ? drawn : refused, json_string(ways[i].name));
        hubless_error_clear(&way.err);
    }
    json_free(in);
    answer(call, out);
}
