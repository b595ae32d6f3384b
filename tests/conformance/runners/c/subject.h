/* The standard agents of the conformance cases (tests/conformance/SUBJECT.md). */
#ifndef RUNNER_SUBJECT_H
#define RUNNER_SUBJECT_H

#include <hubless.h>

/* Registers every subject agent with the prefix `<name>.`; 0 when all went well. */
int subject_register(hubless_node *node, const char *name);

#endif
