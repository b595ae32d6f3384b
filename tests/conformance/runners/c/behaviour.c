/* What the subject agents do; each runs on a thread of its own and may block. */
#include "behaviour.h"

#include "support/json.h"
#include "support/sha256.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

hubless_node *behaviour_node;
const char *behaviour_prefix;
pthread_mutex_t cancel_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t cancel_told = PTHREAD_COND_INITIALIZER;

void fail_with(hubless_call *call, hubless_error *err) {
    hubless_failure failure = {.size = sizeof failure,
                               .kind = (int)err->kind,
                               .code = err->code,
                               .message = err->message,
                               .field = err->field,
                               .has_retry = 1,
                               .retry = err->retry,
                               .retry_after_ms = err->retry_after_ms};
    hubless_call_fail_with(call, &failure, NULL);
    hubless_error_clear(err);
}

json *value_of(const hubless_received *content) {
    return json_parse(content->value_json.data, content->value_json.len);
}

static json *text_of(hubless_str text) {
    return text.data == NULL ? json_new(JSON_NULL) : json_string_of(text.data, text.len);
}

/* Ends a call with a JSON value, and frees it. */
void answer(hubless_call *call, json *value) {
    char *text = json_print(value);
    hubless_content content = hubless_content_json(hubless_cstr(text));
    hubless_call_final(call, &content, NULL);
    free(text);
    json_free(value);
}

static void answer_text(hubless_call *call, const char *text) {
    hubless_call_finalf(call, "%s", text);
}

static void pump(hubless_body *from, hubless_body *to) {
    static const size_t room = 128 * 1024;
    uint8_t *piece = malloc(room);
    hubless_error err = HUBLESS_ERROR_INIT;
    size_t count = 0;
    while (hubless_body_read(from, piece, room, &count, &err) == HUBLESS_OK && count > 0) {
        if (hubless_body_write(to, (hubless_bytes){piece, count}, &err) != HUBLESS_OK) {
            break;
        }
    }
    if (err.kind == HUBLESS_OK) {
        hubless_body_end(to, NULL);
    } else {
        hubless_body_fail(to, err.message, NULL);
    }
    hubless_error_clear(&err);
    hubless_body_free(from);
    free(piece);
}

void run_echo(hubless_call *call, const hubless_call_info *info) {
    size_t count = info->content.part_count;
    hubless_part *parts = calloc(count + 1, sizeof *parts);
    hubless_body **from = calloc(count + 1, sizeof *from), **to = calloc(count + 1, sizeof *to);
    for (size_t i = 0; i < count; i++) {
        parts[i] = info->content.parts[i];
        if (parts[i].kind == HUBLESS_PART_STREAM) {
            from[i] = parts[i].body;
            hubless_body_keep(from[i], NULL);
            hubless_body_open(behaviour_node, &to[i], NULL);
            parts[i].body = to[i];
        }
    }
    hubless_content content = {.size = sizeof content, .parts = parts, .part_count = count,
                               .metadata_json = info->content.metadata_json};
    hubless_call_final(call, &content, NULL);
    for (size_t i = 0; i < count; i++) {
        if (to[i] != NULL) {
            pump(from[i], to[i]);
        }
    }
    free(parts);
    free(from);
    free(to);
}

void run_sum(hubless_call *call, const hubless_call_info *info) {
    json *in = value_of(&info->content), *out = json_new(JSON_OBJECT);
    json_set(out, "sum", json_number(json_get_number(in, "a", 0) + json_get_number(in, "b", 0)));
    json_free(in);
    answer(call, out);
}

static json *column(const json *list, const char *member) {
    json *made = json_new(JSON_ARRAY);
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        const json *found = json_get(list->items[i], member);
        json_push(made, found == NULL ? json_new(JSON_NULL) : json_copy(found));
    }
    return made;
}

/* A copy of a member, or what is empty of this type. */
static json *member_or(const json *of, const char *member, json_type none) {
    const json *found = json_get(of, member);
    return found == NULL ? json_new(none) : json_copy(found);
}

void run_context(hubless_call *call, const hubless_call_info *info) {
    json *in = json_parse(info->context_json.data, info->context_json.len);
    json *out = json_new(JSON_OBJECT);
    json_set(out, "keys", column(json_get(in, "entries"), "key"));
    json_set(out, "entries", member_or(in, "entries", JSON_ARRAY));
    json_set(out, "pages", member_or(in, "pages", JSON_ARRAY));
    json_set(out, "history", member_or(in, "history", JSON_ARRAY));
    json_set(out, "explanation", member_or(in, "explanation", JSON_NULL));
    json_set(out, "descriptions", member_or(in, "descriptions", JSON_OBJECT));
    json_free(in);
    answer(call, out);
}

static int digest_stream(hubless_body *body, sha256 *hash, uint64_t *size, hubless_error *err) {
    static const size_t room = 64 * 1024;
    uint8_t *piece = malloc(room);
    size_t count = 0;
    while (hubless_body_read(body, piece, room, &count, err) == HUBLESS_OK && count > 0) {
        sha256_add(hash, piece, count);
        *size += count;
    }
    free(piece);
    return err->kind == HUBLESS_OK;
}

void run_digest(hubless_call *call, const hubless_call_info *info) {
    hubless_error err = HUBLESS_ERROR_INIT;
    sha256 hash;
    char hex[65];
    uint64_t size = 0;
    const hubless_part *part = info->content.parts;
    if (info->content.part_count != 1) {
        hubless_call_fail(call, HUBLESS_CONTENT, HUBLESS_STR(""), HUBLESS_STR("expected a blob"),
                          NULL);
        return;
    }
    sha256_begin(&hash);
    if (part->kind == HUBLESS_PART_BLOB) {
        sha256_add(&hash, part->bytes.data, part->bytes.len);
        size = part->bytes.len;
    } else if (!digest_stream(part->body, &hash, &size, &err)) {
        fail_with(call, &err);
        return;
    }
    sha256_end(&hash, hex);
    json *out = json_new(JSON_OBJECT);
    json_set(out, "size", json_number((double)size));
    json_set(out, "sha256", json_string(hex));
    json_set(out, "streamed", json_bool(part->kind == HUBLESS_PART_STREAM));
    json_set(out, "mediaType", text_of(part->media_type));
    answer(call, out);
}

void run_make(hubless_call *call, const hubless_call_info *info) {
    json *in = value_of(&info->content);
    size_t size = (size_t)json_get_number(in, "size", 0), at = 0;
    json_free(in);
    hubless_part part = {.size = sizeof part, .kind = HUBLESS_PART_STREAM, .stream_size = size,
                         .media_type = HUBLESS_STR("application/octet-stream")};
    hubless_body_open(behaviour_node, &part.body, NULL);
    hubless_content content = {.size = sizeof content, .parts = &part, .part_count = 1};
    hubless_call_final(call, &content, NULL);
    uint8_t piece[32768];
    while (at < size) {
        size_t now = size - at < sizeof piece ? size - at : sizeof piece;
        for (size_t i = 0; i < now; i++) {
            piece[i] = (uint8_t)(((at + i) * 31 + 7) % 251);
        }
        if (hubless_body_write(part.body, (hubless_bytes){piece, now}, NULL) != HUBLESS_OK) {
            hubless_body_free(part.body);
            return;
        }
        at += now;
    }
    hubless_body_end(part.body, NULL);
}

void run_count(hubless_call *call, const hubless_call_info *info) {
    json *in = value_of(&info->content);
    int n = (int)json_get_number(in, "n", 0);
    json_free(in);
    for (int i = 1; i <= n; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        hubless_content chunk = hubless_content_text(hubless_cstr(text));
        hubless_call_chunk(call, &chunk, -1, NULL);
        if (i == n / 2) {
            hubless_call_progress(call, HUBLESS_STR("half"), 0.5, NULL);
        }
    }
    hubless_call_jsonf(call, "{\"n\": %d}", n);
}

static int is_cancelled(const hubless_call *call) {
    int cancelled = 1;
    hubless_call_cancelled(call, &cancelled, NULL);
    return cancelled;
}

void run_slow(hubless_call *call, const hubless_call_info *info) {
    json *in = value_of(&info->content);
    long ms = (long)json_get_number(in, "ms", 0);
    json_free(in);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000 + (until.tv_nsec + ms % 1000 * 1000000) / 1000000000;
    until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000) % 1000000000;
    pthread_mutex_lock(&cancel_lock);
    while (!is_cancelled(call) &&
           pthread_cond_timedwait(&cancel_told, &cancel_lock, &until) == 0) {
    }
    pthread_mutex_unlock(&cancel_lock);
    answer_text(call, "done");
}

void run_in(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    answer_text(call, "in");
}

void run_ok(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    answer_text(call, "ok");
}

/* Nothing but the id tells the skills of one function apart. */
void run_skill(hubless_call *call, const hubless_call_info *info) {
    int len = (int)info->skill.len;
    hubless_call_jsonf(call, "{\"ran\": \"%.*s\", \"skill\": \"%.*s\"}", len, info->skill.data,
                       len, info->skill.data);
}

void run_fail(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    hubless_call_fail(call, HUBLESS_HANDLER_FAILED, HUBLESS_STR(""),
                      HUBLESS_STR("broken on purpose"), NULL);
}

void run_refuse(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    hubless_call_fail(call, HUBLESS_DENIED, HUBLESS_STR("not_today"),
                      HUBLESS_STR("refused on purpose"), NULL);
}

void run_decline(hubless_call *call, const hubless_call_info *info) {
    json *asked = value_of(&info->content);
    const char *kind = json_get_text(asked, "kind"), *word = json_get_text(asked, "retry");
    hubless_failure failure = {.size = sizeof failure,
                               .kind = HUBLESS_DENIED,
                               .code = HUBLESS_STR("not_now"),
                               .message = HUBLESS_STR("declined on purpose")};
    failure.field = hubless_cstr(json_get_text(asked, "field"));
    if (kind != NULL && strcmp(kind, "busy") == 0) {
        failure.kind = HUBLESS_BUSY;
    }
    failure.has_retry = json_get(asked, "retry") != NULL;
    if (word != NULL) {
        failure.retry = strcmp(word, "later") == 0 ? HUBLESS_RETRY_LATER : HUBLESS_RETRY_NEVER;
    } else if (failure.has_retry) {
        failure.retry = HUBLESS_RETRY_AFTER;
        failure.retry_after_ms = (uint64_t)json_get_number(asked, "retry", 0);
    }
    hubless_call_fail_with(call, &failure, NULL);
    json_free(asked);
}

/* Answers `{member: value of a reply}`. */
static void answer_reply(hubless_call *call, const char *member, hubless_reply *reply) {
    hubless_reply_info got = {.size = sizeof got};
    hubless_reply_get(reply, &got, NULL);
    json *out = json_new(JSON_OBJECT), *value = value_of(&got.content);
    json_set(out, member, value == NULL ? json_new(JSON_NULL) : value);
    hubless_reply_free(reply);
    answer(call, out);
}

static void use_tool(hubless_call *call, const hubless_call_info *info, const char *name) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_str arguments = info->content.value_json;
    if (hubless_call_tool(call, hubless_cstr(name), arguments, &reply, &err) == HUBLESS_OK) {
        answer_reply(call, "fromTool", reply);
    } else {
        fail_with(call, &err);
    }
}

void run_tool(hubless_call *call, const hubless_call_info *info) {
    use_tool(call, info, "add");
}

void run_eager(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    hubless_str add = hubless_cstr("add");
    hubless_str arguments = hubless_cstr("{\"a\": 1, \"b\": 2}");
    for (int made = 0; made < 65; made++) {
        hubless_error err = HUBLESS_ERROR_INIT;
        hubless_reply *reply = NULL;
        if (hubless_call_tool(call, add, arguments, &reply, &err) != HUBLESS_OK) {
            fail_with(call, &err);
            return;
        }
        hubless_reply_free(reply);
    }
    answer_text(call, "done");
}

void run_badtool(hubless_call *call, const hubless_call_info *info) {
    use_tool(call, info, "undeclared");
}

void run_fresh(hubless_call *call, const hubless_call_info *info) {
    int *count = info->instance;
    hubless_call_jsonf(call, "{\"count\": %d}", ++*count);
}

void run_once(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    static atomic_long runs;
    hubless_call_jsonf(call, "{\"run\": %ld}", atomic_fetch_add(&runs, 1) + 1);
}

void run_wrong(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    hubless_call_jsonf(call, "{\"y\": 1}");
}

void run_ask(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    hubless_content prompt = hubless_content_text(HUBLESS_STR("which?"));
    if (hubless_call_input(call, &prompt, &reply, &err) == HUBLESS_OK) {
        answer_reply(call, "got", reply);
    } else {
        fail_with(call, &err);
    }
}

void run_nested(hubless_call *call, const hubless_call_info *info) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    json *in = value_of(&info->content);
    const json *after = json_get(in, "after_ms");
    if (after != NULL) {
        long ms = (long)after->number;
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
    }
    char *inner = json_print(json_get(in, "value"));
    hubless_content content = hubless_content_json(hubless_cstr(inner));
    /* The callee may have come only just now. */
    hubless_request_options options = {.size = sizeof options, .parent = call, .wait_ms = 20000};
    hubless_str to = hubless_cstr(json_get_text(in, "to"));
    if (hubless_request(behaviour_node, to, &content, &options, &reply, &err) == HUBLESS_OK) {
        hubless_reply_info got = {.size = sizeof got};
        hubless_reply_get(reply, &got, NULL);
        json *out = json_new(JSON_OBJECT);
        json_set(out, "depth", json_number(info->depth));
        json_set(out, "inner", value_of(&got.content));
        hubless_reply_free(reply);
        answer(call, out);
    } else {
        fail_with(call, &err);
    }
    free(inner);
    json_free(in);
}

void run_depth(hubless_call *call, const hubless_call_info *info) {
    json *out = json_new(JSON_OBJECT);
    json_set(out, "depth", json_number(info->depth));
    json_set(out, "caller", text_of(info->caller_kind));
    json_set(out, "from", text_of(info->caller_agent));
    json_set(out, "deadlineMs", json_number((double)info->deadline_ms));
    answer(call, out);
}

void run_trace(hubless_call *call, const hubless_call_info *info) {
    json *out = json_new(JSON_OBJECT);
    json_set(out, "traceparent", text_of(info->traceparent));
    json_set(out, "tracestate", text_of(info->tracestate));
    json_set(out, "baggage", text_of(info->baggage));
    answer(call, out);
}

void run_talk(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    hubless_text *text = NULL;
    hubless_call_history(call, &text, NULL);
    json *in = json_parse(hubless_text_get(text).data, hubless_text_get(text).len);
    const json *turns = json_get(in, "turns");
    hubless_call_jsonf(call, "{\"turns\": %d}", turns == NULL ? -1 : (int)turns->count);
    json_free(in);
    hubless_text_free(text);
}
