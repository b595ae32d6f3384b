/* One request of a case, as the C API makes it. */
#ifndef RUNNER_ASK_H
#define RUNNER_ASK_H

#include "support/json.h"

#include <hubless.h>

/* A request that can be made any number of times. */
typedef struct {
    hubless_node *node;
    const char *to;
    const json *request; /* the contract's RequestOptions without `to` */
    const json *action;  /* or NULL */
} ask;

/* Makes it, and gives its outcome: `{"value", "text", "blob"?, "path", "peer"}`, with
 * `{"chunks", "notes"}` of a stream, or `{"error": {...}}`. */
json *ask_once(const ask *what);
/* Makes it and gives it up after some milliseconds. */
json *ask_and_cancel(const ask *what, long ms);

#endif
