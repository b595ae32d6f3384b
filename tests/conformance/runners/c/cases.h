/* Runs conformance cases against the subject agents of another process. */
#ifndef RUNNER_CASES_H
#define RUNNER_CASES_H

#include <hubless.h>

/* Runs the cases of a file or folder, prints a line for each, and gives how many failed; a run
 * without any case counts as failed. `only`: ids separated by commas, or NULL. */
int cases_run(hubless_node *node, const char *to, const char *path, const char *only);

#endif
