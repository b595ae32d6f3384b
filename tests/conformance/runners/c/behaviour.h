/* What the subject agents do. */
#ifndef RUNNER_BEHAVIOUR_H
#define RUNNER_BEHAVIOUR_H

#include "support/json.h"

#include <hubless.h>
#include <pthread.h>

/* Node that further calls go through. */
extern hubless_node *behaviour_node;
/* Begins the name of each subject. */
extern const char *behaviour_prefix;
/* Told when any call is cancelled. */
extern pthread_mutex_t cancel_lock;
extern pthread_cond_t cancel_told;

/* The one value of a content, to be freed; NULL when there is none. */
json *value_of(const hubless_received *content);
/* Ends a call with an error that was let out, and clears it. */
void fail_with(hubless_call *call, hubless_error *err);
/* Ends a call with a JSON value, and frees the value. */
void answer(hubless_call *call, json *value);

void run_echo(hubless_call *call, const hubless_call_info *info);
void run_sum(hubless_call *call, const hubless_call_info *info);
void run_context(hubless_call *call, const hubless_call_info *info);
void run_digest(hubless_call *call, const hubless_call_info *info);
void run_make(hubless_call *call, const hubless_call_info *info);
void run_count(hubless_call *call, const hubless_call_info *info);
void run_slow(hubless_call *call, const hubless_call_info *info);
void run_in(hubless_call *call, const hubless_call_info *info);
void run_ok(hubless_call *call, const hubless_call_info *info);
void run_skill(hubless_call *call, const hubless_call_info *info);
void run_fail(hubless_call *call, const hubless_call_info *info);
void run_refuse(hubless_call *call, const hubless_call_info *info);
void run_decline(hubless_call *call, const hubless_call_info *info);
void run_tool(hubless_call *call, const hubless_call_info *info);
void run_eager(hubless_call *call, const hubless_call_info *info);
void run_badtool(hubless_call *call, const hubless_call_info *info);
void run_fresh(hubless_call *call, const hubless_call_info *info);
void run_once(hubless_call *call, const hubless_call_info *info);
void run_wrong(hubless_call *call, const hubless_call_info *info);
void run_ask(hubless_call *call, const hubless_call_info *info);
void run_nested(hubless_call *call, const hubless_call_info *info);
void run_visit(hubless_call *call, const hubless_call_info *info);
void run_depth(hubless_call *call, const hubless_call_info *info);
void run_trace(hubless_call *call, const hubless_call_info *info);
void run_talk(hubless_call *call, const hubless_call_info *info);
void run_spender(hubless_call *call, const hubless_call_info *info);
void run_metered(hubless_call *call, const hubless_call_info *info);
void run_needy(hubless_call *call, const hubless_call_info *info);
void run_pass(hubless_call *call, const hubless_call_info *info);
void run_stray(hubless_call *call, const hubless_call_info *info);

#endif
