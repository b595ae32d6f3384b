#include "json.h"
#include "json_inside.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *json_need(void *memory) {
    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

char *json_text_copy(const char *text, size_t len) {
    char *made = json_need(malloc(len + 1));
    memcpy(made, text, len);
    made[len] = '\0';
    return made;
}

json *json_new(json_type type) {
    json *made = json_need(calloc(1, sizeof *made));
    made->type = type;
    return made;
}

json *json_string_of(const char *text, size_t len) {
    json *made = json_new(JSON_STRING);
    made->text = json_text_copy(text, len);
    made->len = len;
    return made;
}

json *json_string(const char *text) { return json_string_of(text, strlen(text)); }

json *json_number(double number) {
    json *made = json_new(JSON_NUMBER);
    made->number = number;
    return made;
}

json *json_bool(int flag) {
    json *made = json_new(JSON_BOOL);
    made->flag = flag != 0;
    return made;
}

void json_free(json *value) {
    if (value == NULL) {
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        json_free(value->items[i]);
        if (value->keys != NULL) {
            free(value->keys[i]);
        }
    }
    free(value->keys);
    free(value->items);
    free(value->text);
    free(value);
}

void json_add(json *holder, char *key, json *value) {
    size_t count = holder->count + 1;
    holder->items = json_need(realloc(holder->items, count * sizeof *holder->items));
    holder->items[holder->count] = value;
    if (holder->type == JSON_OBJECT) {
        holder->keys = json_need(realloc(holder->keys, count * sizeof *holder->keys));
        holder->keys[holder->count] = key;
    }
    holder->count = count;
}

void json_push(json *array, json *value) { json_add(array, NULL, value); }

static size_t find(const json *object, const char *key) {
    size_t at = 0;
    while (at < object->count && strcmp(object->keys[at], key) != 0) {
        at++;
    }
    return at;
}

json *json_get(const json *object, const char *key) {
    if (object == NULL || object->type != JSON_OBJECT) {
        return NULL;
    }
    size_t at = find(object, key);
    return at < object->count ? object->items[at] : NULL;
}

const char *json_get_text(const json *object, const char *key) {
    const json *found = json_get(object, key);
    return found != NULL && found->type == JSON_STRING ? found->text : NULL;
}

double json_get_number(const json *object, const char *key, double none) {
    const json *found = json_get(object, key);
    return found != NULL && found->type == JSON_NUMBER ? found->number : none;
}

void json_set(json *object, const char *key, json *value) {
    size_t at = find(object, key);
    if (at < object->count) {
        json_free(object->items[at]);
        object->items[at] = value;
    } else {
        json_add(object, json_text_copy(key, strlen(key)), value);
    }
}

void json_remove(json *object, const char *key) {
    size_t at = find(object, key);
    if (at == object->count) {
        return;
    }
    json_free(object->items[at]);
    free(object->keys[at]);
    object->count--;
    memmove(&object->items[at], &object->items[at + 1],
            (object->count - at) * sizeof *object->items);
    memmove(&object->keys[at], &object->keys[at + 1],
            (object->count - at) * sizeof *object->keys);
}

json *json_copy(const json *value) {
    json *made = json_new(value->type);
    made->flag = value->flag;
    made->number = value->number;
    made->len = value->len;
    if (value->text != NULL) {
        size_t len = value->type == JSON_STRING ? value->len : strlen(value->text);
        made->text = json_text_copy(value->text, len);
    }
    for (size_t i = 0; i < value->count; i++) {
        const char *name = value->keys == NULL ? NULL : value->keys[i];
        char *key = name == NULL ? NULL : json_text_copy(name, strlen(name));
        json_add(made, key, json_copy(value->items[i]));
    }
    return made;
}

int json_equal(const json *a, const json *b) {
    if (a == NULL || b == NULL || a->type != b->type || a->count != b->count) {
        return a == b;
    }
    switch (a->type) {
    case JSON_NULL:
        return 1;
    case JSON_BOOL:
        return a->flag == b->flag;
    case JSON_NUMBER:
        return a->number == b->number;
    case JSON_STRING:
        return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    for (size_t i = 0; i < a->count; i++) {
        const json *other = a->keys == NULL ? b->items[i] : json_get(b, a->keys[i]);
        if (!json_equal(a->items[i], other)) {
            return 0;
        }
    }
    return 1;
}

/* Printing. */

static void print_text(FILE *out, const char *text, size_t len) {
    const unsigned char *end = (const unsigned char *)text + len;
    fputc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; at < end; at++) {
        if (*at == '"' || *at == '\\') {
            fprintf(out, "\\%c", *at);
        } else if (*at < 0x20) {
            fprintf(out, "\\u%04x", *at);
        } else {
            fputc(*at, out);
        }
    }
    fputc('"', out);
}

static void print(FILE *out, const json *value) {
    switch (value->type) {
    case JSON_NULL:
        fputs("null", out);
        return;
    case JSON_BOOL:
        fputs(value->flag ? "true" : "false", out);
        return;
    case JSON_NUMBER:
        if (value->text != NULL) {
            fputs(value->text, out);
        } else if (floor(value->number) == value->number && fabs(value->number) < 1e15) {
            fprintf(out, "%.0f", value->number);
        } else {
            fprintf(out, "%.17g", value->number);
        }
        return;
    case JSON_STRING:
        print_text(out, value->text, value->len);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    fputc(value->type == JSON_ARRAY ? '[' : '{', out);
    for (size_t i = 0; i < value->count; i++) {
        if (i > 0) {
            fputc(',', out);
        }
        if (value->keys != NULL) {
            print_text(out, value->keys[i], strlen(value->keys[i]));
            fputc(':', out);
        }
        print(out, value->items[i]);
    }
    fputc(value->type == JSON_ARRAY ? ']' : '}', out);
}

char *json_print(const json *value) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = json_need(open_memstream(&text, &len));
    print(out, value);
    fclose(out);
    return text;
}
