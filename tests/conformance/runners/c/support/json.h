/* A small JSON tree for the C test programs: parse, build, compare, print. */
#ifndef SUPPORT_JSON_H
#define SUPPORT_JSON_H

#include <stddef.h>

typedef enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_type;

typedef struct json {
    json_type type;
    int flag;            /* of a bool */
    double number;
    char *text;          /* of a string, or a number as it was written */
    size_t len;          /* of a string, which may hold NULs */
    char **keys;         /* of an object */
    struct json **items; /* of an array or object */
    size_t count;
} json;

/* Parses a text; NULL when it is no JSON, or nests deeper than 256. */
json *json_parse(const char *text, size_t len);
json *json_parse_text(const char *text);
void json_free(json *value);
json *json_copy(const json *value);

json *json_new(json_type type);
json *json_string(const char *text);
json *json_string_of(const char *text, size_t len);
json *json_number(double number);
json *json_bool(int flag);

/* A member of an object, or NULL. */
json *json_get(const json *object, const char *key);
/* Text of a string member up to a NUL in it, or NULL. */
const char *json_get_text(const json *object, const char *key);
/* Number of a member, or what stands for none. */
double json_get_number(const json *object, const char *key, double none);
/* Sets a member; takes the value over. */
void json_set(json *object, const char *key, json *value);
void json_remove(json *object, const char *key);
/* Adds an item; takes the value over. */
void json_push(json *array, json *value);

int json_equal(const json *a, const json *b);
/* The JSON text; to be freed. */
char *json_print(const json *value);

#endif
