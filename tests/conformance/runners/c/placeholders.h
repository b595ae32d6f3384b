/* What `$NAME` in a case stands for. */
#ifndef RUNNER_PLACEHOLDERS_H
#define RUNNER_PLACEHOLDERS_H

#include "support/json.h"

typedef struct {
    const char *to; /* the language called */
    char peer_key[80], agent_id[80], run[64], kept[256];
} placeholders;

/* A text with each `from` in it replaced; to be freed. */
char *replaced(const char *text, const char *from, const char *with);
/* A value with what its placeholders stand for. */
json *filled(const placeholders *by, const json *value, int repetition);

#endif
