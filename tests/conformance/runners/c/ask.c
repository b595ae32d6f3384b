#include "ask.h"
#include "budget.h"
#include "content.h"

#include "support/sha256.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a part that are read at once. */
enum { PIECE = 100000 };

static json *text_of(hubless_str text) {
    return text.data == NULL ? json_string("") : json_string_of(text.data, text.len);
}

static const char *retry_of(const hubless_error *err) {
    static const char *const words[] = {"never", "later", "after"};
    return err->retry >= 0 && err->retry <= HUBLESS_RETRY_AFTER ? words[err->retry] : "unknown";
}

/* Null when no bound was reached. */
static json *limit_of(const hubless_error *err) {
    if (err->limit_name.len == 0) {
        return json_new(JSON_NULL);
    }
    json *limit = json_new(JSON_OBJECT);
    json_set(limit, "name", text_of(err->limit_name));
    json_set(limit, "value", json_number((double)err->limit_value));
    return limit;
}

static json *candidates_of(const hubless_error *err) {
    json *candidates = json_new(JSON_ARRAY);
    for (size_t i = 0; i < err->candidate_count; i++) {
        json_push(candidates, text_of(err->candidates[i]));
    }
    return candidates;
}

json *error_of(const hubless_error *err) {
    json *out = json_new(JSON_OBJECT), *error = json_new(JSON_OBJECT);
    json_set(error, "kind", text_of(err->name));
    json_set(error, "code", text_of(err->code));
    json_set(error, "field", text_of(err->field));
    json_set(error, "message", text_of(err->message));
    if (err->pointer.data != NULL) {
        json_set(error, "pointer", text_of(err->pointer));
    }
    json_set(error, "retry", json_string(retry_of(err)));
    if (err->retry == HUBLESS_RETRY_AFTER) {
        json_set(error, "retryAfterMs", json_number((double)err->retry_after_ms));
    }
    json_set(error, "limit", limit_of(err));
    json_set(error, "origin", text_of(err->origin));
    json_set(error, "traceId", text_of(err->trace_id));
    json_set(error, "candidates", candidates_of(err));
    json_set(error, "rejection", json_bool(err->rejected));
    json_set(out, "error", error);
    return out;
}

static json *blob_of(const hubless_part *part) {
    sha256 hash;
    char hex[65];
    uint64_t size = part->bytes.len;
    sha256_begin(&hash);
    if (part->kind == HUBLESS_PART_BLOB) {
        sha256_add(&hash, part->bytes.data, part->bytes.len);
    } else {
        uint8_t *piece = malloc(PIECE);
        size_t count = 0;
        while (!hubless_body_read(part->body, piece, PIECE, &count, NULL) && count > 0) {
            sha256_add(&hash, piece, count);
            size += count;
        }
        free(piece);
    }
    sha256_end(&hash, hex);
    json *out = json_new(JSON_OBJECT);
    json_set(out, "size", json_number((double)size));
    json_set(out, "sha256", json_string(hex));
    json_set(out, "streamed", json_bool(part->kind == HUBLESS_PART_STREAM));
    return out;
}

static json *usage_of(const hubless_reply_info *got) {
    json *out = json_new(JSON_OBJECT);
    json_set(out, "inputTokens", json_number((double)got->input_tokens));
    json_set(out, "outputTokens", json_number((double)got->output_tokens));
    json_set(out, "costMicros", json_number((double)got->cost_micros));
    json_set(out, "calls", json_number((double)got->calls));
    json_set(out, "chargedInFull", json_bool(got->charged_in_full));
    return out;
}

static json *reply_of(hubless_reply *reply) {
    hubless_reply_info got = {.size = sizeof got};
    json *out = json_new(JSON_OBJECT);
    hubless_reply_get(reply, &got, NULL);
    json *value = json_parse(got.content.value_json.data, got.content.value_json.len);
    json_set(out, "value", value == NULL ? json_new(JSON_NULL) : value);
    json_set(out, "text", text_of(got.content.text));
    json_set(out, "path", text_of(got.path));
    json_set(out, "peer", text_of(got.node_key));
    json_set(out, "usage", usage_of(&got));
    json_set(out, "tracedAs", text_of(got.trace_id));
    content_seen(out, &got.content);
    for (size_t i = 0; i < got.content.part_count; i++) {
        const hubless_part *part = &got.content.parts[i];
        if (part->kind == HUBLESS_PART_BLOB || part->kind == HUBLESS_PART_STREAM) {
            json_set(out, "blob", blob_of(part));
        }
    }
    hubless_reply_free(reply);
    return out;
}

static void on_add(hubless_question *question, hubless_str name, hubless_str arguments,
                   void *user) {
    (void)name;
    (void)user;
    char text[64];
    json *in = json_parse(arguments.data, arguments.len);
    snprintf(text, sizeof text, "%.0f", json_get_number(in, "a", 0) + json_get_number(in, "b", 0));
    hubless_content sum = hubless_content_json(hubless_cstr(text));
    hubless_answer(question, &sum, NULL);
    json_free(in);
}

static void on_input(hubless_question *question, const hubless_received *prompt,
                     hubless_str schema, void *user) {
    (void)prompt;
    (void)schema;
    char *text = json_print(json_get(user, "input"));
    hubless_content given = hubless_content_json(hubless_cstr(text));
    hubless_answer(question, &given, NULL);
    free(text);
}

/* Events of a stream, as they come on the library's thread. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t over;
    json *outcome, *chunks, *notes;
    hubless_reply *reply;
    int ended;
} collected;

static void on_event(const hubless_event *event, void *user) {
    collected *all = user;
    pthread_mutex_lock(&all->lock);
    if (event->kind == HUBLESS_EVENT_CHUNK) {
        json_push(all->chunks, text_of(event->text));
    } else if (event->kind == HUBLESS_EVENT_PROGRESS) {
        json_push(all->notes, text_of(event->note));
    } else if (event->kind == HUBLESS_EVENT_FINAL) {
        all->reply = event->reply;
        all->ended = 1;
    } else if (event->kind == HUBLESS_EVENT_FAILED) {
        all->outcome = error_of(event->error);
        all->ended = 1;
    }
    pthread_cond_broadcast(&all->over);
    pthread_mutex_unlock(&all->lock);
}

static void on_reply(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    collected *all = user;
    pthread_mutex_lock(&all->lock);
    all->reply = reply;
    all->outcome = status == HUBLESS_OK ? NULL : error_of(err);
    all->ended = 1;
    pthread_cond_broadcast(&all->over);
    pthread_mutex_unlock(&all->lock);
}

static json *outcome_of(collected *all) {
    pthread_mutex_lock(&all->lock);
    while (!all->ended) {
        pthread_cond_wait(&all->over, &all->lock);
    }
    pthread_mutex_unlock(&all->lock);
    json *out = all->outcome != NULL ? all->outcome : reply_of(all->reply);
    json_set(out, "chunks", all->chunks);
    json_set(out, "notes", all->notes);
    return out;
}

struct asked {
    prepared made;
    collected all;
    json *rest, *action;
    char *to, *options_text;
    hubless_allowance max;
    uint64_t ticket;
    pthread_t writer;
    int writes;
    hubless_error err;
};

enum { BY_REQUEST, BY_STREAM, BY_SEND, BY_SHORT };

static hubless_status sent_short(const ask *what, asked *it, hubless_error *refused) {
    const json *schema = json_get(what->request, "promptSchema");
    char *text = schema == NULL ? NULL : json_print(schema);
    hubless_agent_request brief = {
        .size = sizeof brief, .agent = hubless_cstr(what->to),
        .prompt = hubless_cstr(json_get_text(what->request, "prompt")),
        .prompt_schema_json = hubless_cstr(text),
        .content = json_get(what->request, "content") != NULL ? &it->made.content : NULL,
        .skill = hubless_cstr(json_get_text(what->request, "skill")),
        .template_name = hubless_cstr(json_get_text(what->request, "template")),
        .kill_switch = what->kill_switch, .max = it->max};
    hubless_status status =
        hubless_send_short(what->node, &brief, &it->all.reply, refused, &it->err);
    free(text);
    return status;
}

/* Blocks; in both forms of `hubless_send` a refusal is a result. */
static hubless_status sent(const ask *what, asked *it, const hubless_request_options *options) {
    hubless_error refused = HUBLESS_ERROR_INIT;
    hubless_status status =
        options == NULL ? sent_short(what, it, &refused)
                        : hubless_send(what->node, hubless_cstr(it->to), &it->made.content,
                                       options, &it->all.reply, &refused, &it->err);
    if (status == HUBLESS_OK && it->all.reply == NULL) {
        json *told = error_of(&refused);
        it->all.outcome = json_new(JSON_OBJECT);
        json_set(it->all.outcome, "rejection", json_copy(json_get(told, "error")));
        json_free(told);
    }
    it->all.ended = 1;
    hubless_error_clear(&refused);
    return status;
}

/* How often the tool is offered. */
static size_t tools_of(const json *action) {
    return json_get(action, "tool") == NULL ? 0 : (size_t)json_get_number(action, "times", 1);
}

static hubless_status start(const ask *what, asked *it, int how) {
    hubless_tool add = {
        .size = sizeof add, .name = HUBLESS_STR("add"), .description = HUBLESS_STR("adds"),
        .input_schema_json =
            HUBLESS_STR("{\"type\": \"object\", \"required\": [\"a\", \"b\"]}"),
        .on_tool = on_add};
    size_t count = tools_of(it->action);
    hubless_tool *tools = malloc((count + 1) * sizeof add);
    for (size_t i = 0; i < count; i++) {
        tools[i] = add;
    }
    hubless_request_options options = {
        .size = sizeof options, .options_json = hubless_cstr(it->options_text),
        .ticket = &it->ticket, .kill_switch = what->kill_switch, .max = it->max,
        .tools = tools, .tool_count = count,
        .on_input = json_get(it->action, "input") != NULL ? on_input : NULL,
        .user = it->action};
    hubless_str to = hubless_cstr(it->to);
    hubless_status status;
    if (how == BY_SEND || how == BY_SHORT) {
        status = sent(what, it, how == BY_SHORT ? NULL : &options);
    } else if (how == BY_STREAM) {
        status = hubless_stream(what->node, to, &it->made.content, &options, on_event, &it->all,
                                &it->err);
    } else {
        status = hubless_request_async(what->node, to, &it->made.content, &options, on_reply,
                                       &it->all, &it->err);
    }
    free(tools);
    return status;
}

static asked *begin(const ask *what, int how) {
    asked *it = calloc(1, sizeof *it);
    content_prepare(what, &it->made);
    it->rest = json_copy(what->request);
    json_remove(it->rest, "content");
    it->max = allowance_of(json_get(it->rest, "max"));
    json_remove(it->rest, "max");
    it->options_text = json_print(it->rest);
    it->action = what->action == NULL ? json_new(JSON_OBJECT) : json_copy(what->action);
    it->to = what->to == NULL ? NULL : strdup(what->to);
    it->err = (hubless_error)HUBLESS_ERROR_INIT;
    pthread_mutex_init(&it->all.lock, NULL);
    pthread_cond_init(&it->all.over, NULL);
    it->all.chunks = json_new(JSON_ARRAY);
    it->all.notes = json_new(JSON_ARRAY);
    for (size_t part = 0; part < it->made.count; part++) {
        it->writes |= it->made.written[part] != NULL;
    }
    if (it->writes) {
        pthread_create(&it->writer, NULL, content_write_all, &it->made);
    }
    if (start(what, it, how) != HUBLESS_OK) {
        it->all.outcome = error_of(&it->err);
        it->all.ended = 1;
    }
    return it;
}

asked *ask_begin(const ask *what) { return begin(what, BY_REQUEST); }

void ask_cancel(const ask *what, const asked *it) { hubless_cancel(what->node, it->ticket, NULL); }

json *ask_end(asked *it) {
    json *out = outcome_of(&it->all);
    if (it->writes) {
        pthread_join(it->writer, NULL);
    }
    hubless_error_clear(&it->err);
    pthread_cond_destroy(&it->all.over);
    pthread_mutex_destroy(&it->all.lock);
    json_free(it->rest);
    json_free(it->action);
    free(it->options_text);
    free(it->to);
    content_drop(&it->made);
    free(it);
    return out;
}

json *ask_once(const ask *what) {
    return ask_end(begin(what, json_get(what->action, "stream") != NULL ? BY_STREAM : BY_REQUEST));
}

json *ask_send(const ask *what) { return ask_end(begin(what, BY_SEND)); }

json *ask_send_short(const ask *what) { return ask_end(begin(what, BY_SHORT)); }

json *ask_check(const ask *what, const hubless_agent *agent) {
    prepared made;
    hubless_text *told = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    content_prepare(what, &made);
    if (hubless_check(agent, &made.content, NULL, &told, &err) != HUBLESS_OK) {
        json *out = error_of(&err);
        hubless_error_clear(&err);
        content_drop(&made);
        return out;
    }
    hubless_str text = hubless_text_get(told);
    json *out = json_parse(text.data, text.len);
    if (json_get(out, "rejection") == NULL) {
        json_set(out, "value", json_string("accepted"));
    }
    hubless_text_free(told);
    content_drop(&made);
    return out;
}
