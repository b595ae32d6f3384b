#include "content.h"

#include <stdlib.h>

/* Bytes of a part that are written at once. */
enum { PIECE = 100000 };

static uint8_t pattern(size_t i) { return (uint8_t)((i * 31 + 7) % 251); }

/* With the NULs that are in it. */
static hubless_str str_of(const json *text) {
    return text == NULL ? (hubless_str){NULL, 0} : (hubless_str){text->text, text->len};
}

static void prepare_blob(const ask *what, prepared *made, const json *blob) {
    size_t at = made->count;
    hubless_part *part = &made->parts[at];
    size_t size = (size_t)json_get_number(blob, "size", 0);
    const json *streamed = json_get(blob, "streamed");
    part->media_type = hubless_cstr(json_get_text(blob, "mediaType"));
    part->filename = hubless_cstr(json_get_text(blob, "filename"));
    if (streamed != NULL && streamed->flag) {
        part->kind = HUBLESS_PART_STREAM;
        hubless_body_open(what->node, &made->written[at], NULL);
        made->sizes[at] = size;
        part->body = made->written[at];
        part->sha256 = hubless_cstr(json_get_text(blob, "sha256"));
        return;
    }
    made->bytes[at] = malloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        made->bytes[at][i] = pattern(i);
    }
    part->kind = HUBLESS_PART_BLOB;
    part->bytes = (hubless_bytes){made->bytes[at], size};
}

static void prepare_part(const ask *what, prepared *made, const json *from) {
    size_t at = made->count;
    hubless_part *part = &made->parts[at];
    const json *data = json_get(from, "data"), *uri = json_get(from, "uri");
    *part = (hubless_part){.size = sizeof *part};
    part->role = hubless_cstr(json_get_text(from, "role"));
    if (json_get(from, "metadata") != NULL) {
        made->about[at] = json_print(json_get(from, "metadata"));
        part->metadata_json = hubless_cstr(made->about[at]);
    }
    if (json_get(from, "blob") != NULL) {
        prepare_blob(what, made, json_get(from, "blob"));
    } else if (uri != NULL) {
        part->kind = HUBLESS_PART_URI;
        part->text = hubless_cstr(json_get_text(uri, "uri"));
        part->media_type = hubless_cstr(json_get_text(uri, "mediaType"));
        part->digest = hubless_cstr(json_get_text(uri, "digest"));
        part->stream_size = (uint64_t)json_get_number(uri, "size", 0);
    } else if (data != NULL) {
        made->texts[at] = json_print(data);
        part->kind = HUBLESS_PART_JSON;
        part->text = hubless_cstr(made->texts[at]);
    } else {
        part->kind = HUBLESS_PART_TEXT;
        part->text = str_of(json_get(from, "text"));
    }
    made->count++;
}

void content_prepare(const ask *what, prepared *made) {
    const json *content = json_get(what->request, "content");
    const json *value = json_get(content, "value"), *parts = json_get(content, "parts");
    size_t room = parts == NULL || parts->count == 0 ? 1 : parts->count;
    *made = (prepared){
        .content = {.size = sizeof made->content},
        .parts = calloc(room, sizeof *made->parts),
        .texts = calloc(room, sizeof *made->texts),
        .about = calloc(room + 1, sizeof *made->about),
        .bytes = calloc(room, sizeof *made->bytes),
        .written = calloc(room, sizeof(hubless_body *)),
        .sizes = calloc(room, sizeof *made->sizes),
        .room = room,
    };
    if (json_get(content, "metadata") != NULL) {
        made->about[room] = json_print(json_get(content, "metadata"));
        made->content.metadata_json = hubless_cstr(made->about[room]);
    }
    if (value != NULL) {
        made->texts[0] = json_print(value);
        made->content.json = hubless_cstr(made->texts[0]);
        if (value->type == JSON_STRING) {
            made->content.json = (hubless_str){NULL, 0};
            made->content.text = str_of(value);
        }
        return;
    }
    for (size_t i = 0; parts != NULL && i < parts->count; i++) {
        prepare_part(what, made, parts->items[i]);
    }
    made->content.parts = made->parts;
    made->content.part_count = made->count;
}

void *content_write_all(void *argument) {
    prepared *made = argument;
    uint8_t *piece = malloc(PIECE);
    for (size_t part = 0; part < made->count; part++) {
        size_t at = 0;
        while (made->written[part] != NULL && at < made->sizes[part]) {
            size_t now = made->sizes[part] - at < PIECE ? made->sizes[part] - at : PIECE;
            for (size_t i = 0; i < now; i++) {
                piece[i] = pattern(at + i);
            }
            if (hubless_body_write(made->written[part], (hubless_bytes){piece, now}, NULL)) {
                break;
            }
            at += now;
        }
        if (made->written[part] != NULL) {
            hubless_body_end(made->written[part], NULL);
        }
    }
    free(piece);
    return NULL;
}

void content_drop(prepared *made) {
    for (size_t i = 0; i < made->room; i++) {
        free(made->texts[i]);
        free(made->bytes[i]);
        free(made->about[i]);
    }
    free(made->about[made->room]);
    free(made->about);
    free(made->parts);
    free(made->texts);
    free(made->bytes);
    free((void *)made->written);
    free(made->sizes);
}

static void say(json *out, const char *name, hubless_str text) {
    if (text.len > 0) {
        json_set(out, name, json_string_of(text.data, text.len));
    }
}

static void say_json(json *out, const char *name, hubless_str text) {
    json *read = json_parse(text.data, text.len);
    if (read != NULL) {
        json_set(out, name, read);
    }
}

static json *part_seen(const hubless_part *part) {
    json *out = json_new(JSON_OBJECT), *about = json_new(JSON_OBJECT);
    if (part->kind == HUBLESS_PART_TEXT) {
        json_set(out, "text", json_string_of(part->text.data, part->text.len));
    } else if (part->kind == HUBLESS_PART_JSON) {
        say_json(out, "data", part->text);
    } else if (part->kind == HUBLESS_PART_URI) {
        say(about, "uri", part->text);
        say(about, "mediaType", part->media_type);
        say(about, "digest", part->digest);
        if (part->stream_size > 0) {
            json_set(about, "size", json_number((double)part->stream_size));
        }
        json_set(out, "uri", json_copy(about));
    } else {
        say(about, "mediaType", part->media_type);
        say(about, "filename", part->filename);
        json_set(out, "blob", json_copy(about));
    }
    json_free(about);
    say(out, "role", part->role);
    say_json(out, "metadata", part->metadata_json);
    return out;
}

void content_seen(json *out, const hubless_received *content) {
    json *parts = json_new(JSON_ARRAY);
    for (size_t i = 0; i < content->part_count; i++) {
        json_push(parts, part_seen(&content->parts[i]));
    }
    json_set(out, "parts", parts);
    json_set(out, "metadata", json_new(JSON_OBJECT));
    say_json(out, "metadata", content->metadata_json);
}
