/* Whether an outcome is what a case expects. */
#ifndef RUNNER_EXPECT_H
#define RUNNER_EXPECT_H

#include "support/json.h"

/* 1 when every member of `expect` holds of the outcome. */
int expect_holds(const json *expect, const json *outcome);

#endif
