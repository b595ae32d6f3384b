/* One request of a case, as the C API makes it. */
#ifndef RUNNER_ASK_H
#define RUNNER_ASK_H

#include "support/json.h"

#include <hubless.h>

/* A request that can be made any number of times. */
typedef struct {
    hubless_node *node;
    const char *to;      /* NULL: where the request says */
    const json *request; /* the contract's RequestOptions without `to` */
    const json *action;  /* or NULL */
    const hubless_switch *kill_switch; /* or NULL */
} ask;

/* Makes it, and gives its outcome: `{"value", "text", "blob"?, "path", "peer"}`, with
 * `{"chunks", "notes"}` of a stream, or `{"error": {...}}`. */
json *ask_once(const ask *what);
/* A request that was made and is not over. */
typedef struct asked asked;

/* Makes it without waiting for its outcome, which `ask_end` does. */
asked *ask_begin(const ask *what);
/* Gives up what was begun; `ask_end` tells how it ended. */
void ask_cancel(const ask *what, const asked *it);
json *ask_end(asked *it);
/* As `ask_once`, but a refusal is `{"rejection": {...}}`. */
json *ask_send(const ask *what);
/* As `ask_send`, of a request in its short form. */
json *ask_send_short(const ask *what);
/* Whether an own agent would take it: `{"value": "accepted"}`, or `{"rejection": {...}}`. */
json *ask_check(const ask *what, const hubless_agent *agent);
/* `{"error": {...}}` with all that an error says. */
json *error_of(const hubless_error *err);

#endif
