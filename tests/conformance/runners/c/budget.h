/* The switch of a case, and amounts as the cases write them. */
#ifndef RUNNER_BUDGET_H
#define RUNNER_BUDGET_H

#include "support/json.h"

#include <hubless.h>

/* A switch, with the count of how often its callback said that it was tripped. */
typedef struct budget budget;

/* Makes one of the contract's Terms; NULL, and why in `err`. */
budget *budget_new(const json *terms, hubless_error *err);
void budget_free(budget *of);
/* NULL without a budget. */
const hubless_switch *budget_switch(const budget *of);
/* `{"spent", "remaining", "overrun", "state", "reason"?, "tripped"}`. */
json *budget_view(budget *of);

hubless_amount amount_of(const json *amounts);
hubless_allowance allowance_of(const json *amounts);
/* Every component by its name; null: it is not limited. */
json *allowance_shown(const hubless_allowance *of);

#endif
