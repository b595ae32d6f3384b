/* What a case may do besides asking: stores, own agents, finding. */
#ifndef RUNNER_OPERATIONS_H
#define RUNNER_OPERATIONS_H

#include "support/json.h"

#include <hubless.h>

/* Does what the word of an action says; NULL when that is another kind of action. What is found may
 * take `patience_ms`. */
json *operation_run(hubless_node *node, const char *word, const json *value, long patience_ms);

/* An agent of the runner's own node, or NULL. */
const hubless_agent *operation_own_agent(const char *name);

/* One step of a watch: makes a request that changes what is seen. */
typedef void (*watch_step)(const json *request, void *user);

/* Watches what matches while steps are made; waits for one event after each. */
json *operation_watch(hubless_node *node, const json *query, const json *steps, watch_step step,
                      void *user);

#endif
