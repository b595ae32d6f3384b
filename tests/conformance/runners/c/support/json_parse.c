#include "json.h"
#include "json_inside.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 256 };

typedef struct {
    const char *at;
    const char *end;
    int depth;
} reader;

static json *value(reader *in);

static void skip(reader *in) {
    while (in->at < in->end && strchr(" \t\r\n", *in->at) != NULL) {
        in->at++;
    }
}

static int take(reader *in, char wanted) {
    skip(in);
    if (in->at < in->end && *in->at == wanted) {
        in->at++;
        return 1;
    }
    return 0;
}

static int hex4(reader *in, unsigned *code) {
    char digits[5] = {0};
    if (in->end - in->at < 4) {
        return 0;
    }
    memcpy(digits, in->at, 4);
    in->at += 4;
    return sscanf(digits, "%4x", code) == 1;
}

static size_t utf8(unsigned code, char *out) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | (code >> 6));
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | (code >> 12));
        out[1] = (char)(0x80 | ((code >> 6) & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (code >> 18));
    out[1] = (char)(0x80 | ((code >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((code >> 6) & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

static int escape(reader *in, char *out, size_t *len) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char kind = in->at < in->end ? *in->at++ : '\0';
    const char *known = kind == '\0' ? NULL : strchr(from, kind);
    if (known != NULL) {
        out[(*len)++] = to[known - from];
        return 1;
    }
    unsigned code = 0, low = 0;
    if (kind != 'u' || !hex4(in, &code)) {
        return 0;
    }
    if (code >= 0xD800 && code < 0xDC00 && in->end - in->at >= 6 && in->at[0] == '\\') {
        in->at += 2;
        if (!hex4(in, &low)) {
            return 0;
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *len += utf8(code, out + *len);
    return 1;
}

static char *string(reader *in, size_t *count) {
    if (!take(in, '"')) {
        return NULL;
    }
    char *made = json_need(malloc((size_t)(in->end - in->at) + 5));
    size_t len = 0;
    while (in->at < in->end && *in->at != '"') {
        if (*in->at != '\\') {
            made[len++] = *in->at++;
            continue;
        }
        in->at++;
        if (!escape(in, made, &len)) {
            free(made);
            return NULL;
        }
    }
    if (!take(in, '"')) {
        free(made);
        return NULL;
    }
    made[len] = '\0';
    *count = len;
    return made;
}

static json *members(reader *in, json_type type, char close) {
    json *made = json_new(type);
    in->at++;
    if (take(in, close)) {
        return made;
    }
    do {
        size_t len = 0;
        char *key = type == JSON_OBJECT ? string(in, &len) : NULL;
        json *item = NULL;
        if (type == JSON_ARRAY || (key != NULL && take(in, ':'))) {
            item = value(in);
        }
        if (item == NULL) {
            free(key);
            json_free(made);
            return NULL;
        }
        json_add(made, key, item);
    } while (take(in, ','));
    if (!take(in, close)) {
        json_free(made);
        return NULL;
    }
    return made;
}

static json *word(reader *in) {
    static const char *const words[] = {"null", "false", "true"};
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(in->end - in->at) >= len && memcmp(in->at, words[i], len) == 0) {
            in->at += len;
            return i == 0 ? json_new(JSON_NULL) : json_bool(i == 2);
        }
    }
    const char *from = in->at;
    while (in->at < in->end && (isalnum((unsigned char)*in->at) || strchr("+-.", *in->at))) {
        in->at++;
    }
    if (in->at == from) {
        return NULL;
    }
    json *made = json_new(JSON_NUMBER);
    made->text = json_text_copy(from, (size_t)(in->at - from));
    char *end = NULL;
    made->number = strtod(made->text, &end);
    if (*end != '\0') {
        json_free(made);
        return NULL;
    }
    return made;
}

static json *value(reader *in) {
    skip(in);
    if (in->at >= in->end || in->depth >= DEPTH_MAX) {
        return NULL;
    }
    json *made = NULL;
    in->depth++;
    if (*in->at == '{') {
        made = members(in, JSON_OBJECT, '}');
    } else if (*in->at == '[') {
        made = members(in, JSON_ARRAY, ']');
    } else if (*in->at == '"') {
        size_t len = 0;
        char *text = string(in, &len);
        if (text != NULL) {
            made = json_new(JSON_STRING);
            made->text = text;
            made->len = len;
        }
    } else {
        made = word(in);
    }
    in->depth--;
    return made;
}

json *json_parse(const char *text, size_t len) {
    if (text == NULL) {
        return NULL;
    }
    reader in = {text, text + len, 0};
    json *made = value(&in);
    skip(&in);
    if (made != NULL && in.at != in.end) {
        json_free(made);
        return NULL;
    }
    return made;
}

json *json_parse_text(const char *text) { return json_parse(text, strlen(text)); }

