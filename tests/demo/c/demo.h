/* What the demo's C process prints and is told: events on stdout, commands on stdin. */
#ifndef DEMO_H
#define DEMO_H

#include "support/json.h"

#include <hubless.h>

/* Milliseconds since the first call of this function. */
double demo_ms(void);
/* An event with its time. */
json *demo_event(const char *name);
/* Prints an event as one line, and frees it. */
void demo_print(json *event);
/* A copy that ends with NUL; to be freed. */
char *demo_text(hubless_str text);
/* Says that the agent can be called. */
void demo_ready(hubless_node *node, hubless_agent *agent);
/* Takes commands until stdin ends or a signal comes, then closes the node; the exit status. */
int demo_serve(hubless_node *node);

#endif
