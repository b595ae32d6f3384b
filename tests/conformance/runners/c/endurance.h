/* What runs long or often: agents that pour, hold and are counted, and actions that last. */
#ifndef RUNNER_ENDURANCE_H
#define RUNNER_ENDURANCE_H

#include "support/json.h"

#include <hubless.h>

void run_pour(hubless_call *call, const hubless_call_info *info);
/* Holds the thread that it is called on. */
void run_hold(hubless_call *call, const hubless_call_info *info);
void run_usage(hubless_call *call, const hubless_call_info *info);

/* How many pieces `pour` has got rid of. */
long endurance_poured(void);

/* Does what the word of an action says; NULL when that is another kind of action. */
json *endurance_run(hubless_node *node, const char *word, const json *value);

#endif
