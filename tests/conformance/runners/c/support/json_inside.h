/* What the two halves of the JSON tree share. */
#ifndef SUPPORT_JSON_INSIDE_H
#define SUPPORT_JSON_INSIDE_H

#include "json.h"

/* Gives the memory back, or ends the program when there is none. */
void *json_need(void *memory);
char *json_text_copy(const char *text, size_t len);
void json_add(json *holder, char *key, json *value);

#endif
