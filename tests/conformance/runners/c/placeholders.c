#include "placeholders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *replaced(const char *text, const char *from, const char *with) {
    const char *at = strstr(text, from);
    if (at == NULL) {
        return strdup(text);
    }
    size_t before = (size_t)(at - text);
    char *rest = replaced(at + strlen(from), from, with);
    char *made = malloc(before + strlen(with) + strlen(rest) + 1);
    memcpy(made, text, before);
    strcpy(made + before, with);
    strcat(made, rest);
    free(rest);
    return made;
}

static json *long_text(size_t len) {
    json *made = json_new(JSON_STRING);
    made->text = malloc(len + 1);
    memset(made->text, 'x', len);
    made->text[len] = '\0';
    made->len = len;
    return made;
}

/* Puts in what the placeholders stand for, everywhere in a value. */
json *filled(const placeholders *by, const json *value, int repetition) {
    char number[16];
    snprintf(number, sizeof number, "%d", repetition);
    if (value->type == JSON_STRING && strcmp(value->text, "$DEEP") == 0) {
        char deep[201];
        memset(deep, '[', 100);
        memset(deep + 100, ']', 100);
        deep[200] = '\0';
        return json_parse_text(deep);
    }
    if (value->type == JSON_STRING && strncmp(value->text, "$LONG", 5) == 0) {
        return long_text(strtoul(value->text + 5, NULL, 10));
    }
    json *made = json_copy(value);
    /* No placeholder stands in a text with a NUL. */
    if (made->type == JSON_STRING && strlen(made->text) == made->len) {
        char *to = replaced(made->text, "$TO", by->to);
        char *run = replaced(to, "$RUN", by->run);
        char *key = replaced(run, "$KEY", by->peer_key);
        char *id = replaced(key, "$ID", by->agent_id);
        free(made->text);
        char *kept = replaced(id, "$KEPT", by->kept);
        made->text = replaced(kept, "$N", number);
        made->len = strlen(made->text);
        free(kept);
        free(to);
        free(run);
        free(key);
        free(id);
    }
    for (size_t i = 0; i < made->count; i++) {
        if (made->keys != NULL) {
            char *to = replaced(made->keys[i], "$TO", by->to);
            free(made->keys[i]);
            made->keys[i] = to;
        }
        json *inner = filled(by, made->items[i], repetition);
        json_free(made->items[i]);
        made->items[i] = inner;
    }
    return made;
}
