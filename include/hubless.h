/*
 * Hubless: agents find each other and talk directly.
 *
 * Generated from bindings/c/src; do not edit (cargo run -p hubless-runner -- generate).
 *
 * Every function returns a status and fills an error that may be NULL. Handles are checked: a
 * freed, foreign or NULL handle is an error code. Texts are UTF-8 with a length and are copied
 * before a call returns. Callbacks come from one thread of the node, one at a time; those of a
 * `polled` node from who polls it, waits in it or closes it, those of a kill switch from one thread
 * of its own. Blocking functions called from a callback return HUBLESS_WOULD_DEADLOCK; each has a
 * form that ends in _async, for callbacks and any other thread. That one fails at once and calls
 * nothing back, or returns HUBLESS_OK and calls its function back exactly once, also when the node
 * is closed (HUBLESS_CLOSED); this may come before it returns. Structs begin with their own size.
 */

#ifndef HUBLESS_H
#define HUBLESS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/** A text from a literal. */
#ifdef __cplusplus
#define HUBLESS_STR(literal) (hubless_str{ "" literal, sizeof(literal) - 1 })
#else
#define HUBLESS_STR(literal) ((hubless_str){ "" literal, sizeof(literal) - 1 })
#endif

/** A limit: at most this much, from 0 to 2^53 - 1. A limit that is zero does not limit. */
#ifdef __cplusplus
#define HUBLESS_AT_MOST(most) (hubless_limit{ 1, most })
#else
#define HUBLESS_AT_MOST(most) ((hubless_limit){ 1, most })
#endif

/** An error to start from. */
#ifdef __cplusplus
#define HUBLESS_ERROR_INIT (hubless_error_none())
#else
#define HUBLESS_ERROR_INIT { .size = sizeof(hubless_error) }
#endif

/**
 * `kind` of a part: text.
 */
#define HUBLESS_PART_TEXT 1

/**
 * `kind` of a part: a JSON value.
 */
#define HUBLESS_PART_JSON 2

/**
 * `kind` of a part: bytes with a media type.
 */
#define HUBLESS_PART_BLOB 3

/**
 * `kind` of a part: the address of something elsewhere.
 */
#define HUBLESS_PART_URI 4

/**
 * `kind` of a part: bytes that are streamed, see `hubless_body`.
 */
#define HUBLESS_PART_STREAM 5

/**
 * `retry` of an error: the same request will be refused again.
 */
#define HUBLESS_RETRY_NEVER 0

/**
 * `retry` of an error: later, at the caller's own pace.
 */
#define HUBLESS_RETRY_LATER 1

/**
 * `retry` of an error: after `retry_after_ms`.
 */
#define HUBLESS_RETRY_AFTER 2

/**
 * `kind` of an event: the callee has the request.
 */
#define HUBLESS_EVENT_ACCEPTED 1

/**
 * `kind` of an event: how far it is.
 */
#define HUBLESS_EVENT_PROGRESS 2

/**
 * `kind` of an event: a part of the answer, sent ahead.
 */
#define HUBLESS_EVENT_CHUNK 3

/**
 * `kind` of an event: the end, with the answer.
 */
#define HUBLESS_EVENT_FINAL 4

/**
 * `kind` of an event: the end, with an error.
 */
#define HUBLESS_EVENT_FAILED 5

/**
 * `kind` of a change: the agent matches, or matches now.
 */
#define HUBLESS_CHANGE_ARRIVED 1

/**
 * `kind` of a change: the agent is different.
 */
#define HUBLESS_CHANGE_CHANGED 2

/**
 * `kind` of a change: the agent is gone; only id and name are told.
 */
#define HUBLESS_CHANGE_DEPARTED 3

/**
 * `kind` of a change: changes were left out; all that match follow as arrived.
 */
#define HUBLESS_CHANGE_LAGGED 4

/**
 * `kind` of a change: nothing more comes. The last one, exactly once.
 */
#define HUBLESS_CHANGE_END 5

/**
 * Result of every function. The numbers 1 to 28 are the kinds of errors, the same in every
 * language; `hubless_error` says more.
 */
typedef enum {
    /**
     * It is done.
     */
    HUBLESS_OK = 0,
    /**
     * The caller did not prove who it is.
     */
    HUBLESS_AUTH = 1,
    /**
     * The form or the token count of the prompt was refused.
     */
    HUBLESS_PROMPT = 2,
    /**
     * A schema does not hold, or custom JSON is not taken.
     */
    HUBLESS_JSON = 3,
    /**
     * A content type or a digest was refused.
     */
    HUBLESS_CONTENT = 4,
    /**
     * The way between two nodes failed.
     */
    HUBLESS_TRANSPORT = 5,
    /**
     * The context was refused.
     */
    HUBLESS_CONTEXT = 6,
    /**
     * Our own set-up is wrong.
     */
    HUBLESS_CONFIGURATION = 7,
    /**
     * No such agent, skill or peer.
     */
    HUBLESS_NOT_FOUND = 8,
    /**
     * Several match where one was asked for.
     */
    HUBLESS_AMBIGUOUS = 9,
    /**
     * The agent has no room; `retry` says when.
     */
    HUBLESS_BUSY = 10,
    /**
     * The time was over.
     */
    HUBLESS_DEADLINE = 11,
    /**
     * Someone gave it up.
     */
    HUBLESS_CANCELLED = 12,
    /**
     * Too many hops or nested calls.
     */
    HUBLESS_HOP_LIMIT = 13,
    /**
     * The call came back to an agent that does not take itself.
     */
    HUBLESS_CYCLE = 14,
    /**
     * Something else holds that name, key or version.
     */
    HUBLESS_CONFLICT = 15,
    /**
     * A newer attempt of the same task exists.
     */
    HUBLESS_STALE_ATTEMPT = 16,
    /**
     * Nobody can say whether it ran.
     */
    HUBLESS_UNKNOWN_OUTCOME = 17,
    /**
     * The budget does not allow it.
     */
    HUBLESS_BUDGET_EXHAUSTED = 18,
    /**
     * The call tree was stopped.
     */
    HUBLESS_KILLED = 19,
    /**
     * The agent's own code failed.
     */
    HUBLESS_HANDLER_FAILED = 20,
    /**
     * A size is over its bound.
     */
    HUBLESS_TOO_LARGE = 21,
    /**
     * This version or agent cannot do it.
     */
    HUBLESS_UNSUPPORTED = 22,
    /**
     * Its time is over.
     */
    HUBLESS_EXPIRED = 23,
    /**
     * It was taken back.
     */
    HUBLESS_REVOKED = 24,
    /**
     * The caller may not.
     */
    HUBLESS_DENIED = 25,
    /**
     * An argument is wrong: NULL, a freed or foreign handle, text that is not UTF-8.
     */
    HUBLESS_INVALID_ARGUMENT = 26,
    /**
     * The node is closed, or this process was forked after first use.
     */
    HUBLESS_CLOSED = 27,
    /**
     * A fault of the library.
     */
    HUBLESS_INTERNAL = 28,
    /**
     * A peer or a check refused; the error's `kind` says why.
     */
    HUBLESS_REJECTED = 64,
    /**
     * A blocking function was called from a callback; use its async form.
     */
    HUBLESS_WOULD_DEADLOCK = 65,
} hubless_status;

/**
 * A registered agent. Made by `hubless_register`, ended by `hubless_agent_free`.
 */
typedef struct hubless_agent hubless_agent;

/**
 * Agents that were found; freed by `hubless_agents_free`.
 */
typedef struct hubless_agents hubless_agents;

/**
 * A streamed part that is read or written; freed by `hubless_body_free`.
 */
typedef struct hubless_body hubless_body;

/**
 * An inbound call. Given to `on_call`; ended by exactly one of `hubless_call_final`,
 * `hubless_call_fail`, `hubless_call_fail_with`.
 */
typedef struct hubless_call hubless_call;

/**
 * One process's presence in a mesh. Made by `hubless_node_start`, ended by
 * `hubless_node_close`.
 */
typedef struct hubless_node hubless_node;

/**
 * What a client of OpenAI's API is given. Made by `hubless_call_provider`, freed by
 * `hubless_provider_free`.
 */
typedef struct hubless_provider hubless_provider;

/**
 * A question to the program (auth, token count, tool, input, credential); answered once.
 */
typedef struct hubless_question hubless_question;

/**
 * The answer of a request; freed by `hubless_reply_free`.
 */
typedef struct hubless_reply hubless_reply;

/**
 * What a handler has set aside for one spending. Made by `hubless_call_spend`, ended by
 * `hubless_spend_used` or `hubless_spend_drop`, and by the end of its call.
 */
typedef struct hubless_spend hubless_spend;

/**
 * A budget and a stop for everything that is called under it. Made by `hubless_switch_new`, ended
 * by `hubless_switch_free`; belongs to no node.
 */
typedef struct hubless_switch hubless_switch;

/**
 * A mesh that lives for one test. Made by `hubless_testing_mesh_new`, ended by
 * `hubless_testing_mesh_free`; belongs to no node.
 */
typedef struct hubless_testing_mesh hubless_testing_mesh;

/**
 * A text that the library made; freed by `hubless_text_free`.
 */
typedef struct hubless_text hubless_text;

/**
 * A running `hubless_discover` or `hubless_watch`; ended by `hubless_watch_free`.
 */
typedef struct hubless_watch hubless_watch;

/**
 * UTF-8 text with its length in bytes; it need not end with NUL. `{NULL, 0}` is no text.
 * Texts given to the library are copied before the call returns. The text of content may hold NUL,
 * and `len` counts it; in names, ids and all other texts it is refused.
 */
typedef struct {
    /**
     * First byte.
     */
    const char *data;
    /**
     * Number of bytes.
     */
    size_t len;
} hubless_str;

/**
 * Takes one call. It is answered by `hubless_call_final` or `hubless_call_fail`, now or later, on
 * any thread; what takes long belongs on a thread of the program's own.
 */
typedef void (*hubless_on_call)(hubless_call *call, void *user);

/**
 * Is told that a call is to be stopped: `HUBLESS_CANCELLED`, `HUBLESS_DEADLINE`, `HUBLESS_KILLED`
 * by a kill switch, and others. The call must still be ended; how does not matter any more.
 */
typedef void (*hubless_on_cancel)(hubless_call *call, hubless_status reason, void *user);

/**
 * A credential to be checked; the texts live until the callback returns.
 */
typedef struct {
    /**
     * Scheme of the credential; none: there was none.
     */
    hubless_str scheme;
    /**
     * The credential.
     */
    hubless_str credential;
    /**
     * Who calls, as a JSON object: kind, node, agent, principal, mesh, role, groups.
     */
    hubless_str caller_json;
} hubless_auth_check;

/**
 * Checks a credential; answered once by `hubless_auth_verdict`, now or later, on any thread.
 */
typedef void (*hubless_on_auth)(hubless_question *question,
                                const hubless_auth_check *check,
                                void *user);

/**
 * Counts the tokens of all texts together; answered once by `hubless_count_result`.
 */
typedef void (*hubless_on_count)(hubless_question *question,
                                 const hubless_str *texts,
                                 size_t count,
                                 void *user);

/**
 * Makes the instance of one call of an isolated agent.
 */
typedef void *(*hubless_on_create)(void *user);

/**
 * Destroys such an instance once its call has ended; may come from any thread.
 */
typedef void (*hubless_on_destroy)(void *instance, void *user);

/**
 * Is told that no further callback of an agent will come; may come from any thread.
 */
typedef void (*hubless_on_free)(void *user);

/**
 * Options of `hubless_register`. Zero means the default everywhere.
 */
typedef struct {
    /**
     * `sizeof(hubless_agent_options)`.
     */
    size_t size;
    /**
     * 1 to 64 of `a-z 0-9 - _ .`, unique in its node.
     */
    hubless_str name;
    /**
     * What the agent is good for.
     */
    hubless_str description;
    /**
     * One skill as a JSON object: id, description, inputSchema, outputSchema, effect, tags, …
     */
    hubless_str skill_json;
    /**
     * Several skills as a JSON array; instead of `skill_json`.
     */
    hubless_str skills_json;
    /**
     * Words to be found by, separated by spaces.
     */
    hubless_str tags;
    /**
     * Private rules as a JSON object: maxTokens, auth, acceptedContent, …
     */
    hubless_str requirements_json;
    /**
     * Name of a stored identity; none: a fresh key.
     */
    hubless_str identity;
    /**
     * All other fields of the contract's `register`, as a JSON object.
     */
    hubless_str options_json;
    /**
     * 1: each call gets an instance of its own, from `on_create`.
     */
    int32_t isolated;
    /**
     * 1: its answers come in pieces.
     */
    int32_t streaming;
    /**
     * 1: the agent lives only moments.
     */
    int32_t transient;
    /**
     * 1: further processes may host the same stored identity.
     */
    int32_t replica;
    /**
     * An isolated call that this agent belongs to; it is removed at the end of that call.
     */
    hubless_call *parent;
    /**
     * Takes calls; must be set.
     */
    hubless_on_call on_call;
    /**
     * Is told of calls that are to be stopped.
     */
    hubless_on_cancel on_cancel;
    /**
     * Checks credentials, when the requirements say `{"auth": {"host": true}}`.
     */
    hubless_on_auth on_auth;
    /**
     * Counts tokens, when the requirements say `{"tokenCounter": "host"}`.
     */
    hubless_on_count on_count;
    /**
     * Makes instances of an isolated agent.
     */
    hubless_on_create on_create;
    /**
     * Destroys them.
     */
    hubless_on_destroy on_destroy;
    /**
     * Is told once that nothing more comes.
     */
    hubless_on_free on_free;
    /**
     * Handed to every callback.
     */
    void *user;
} hubless_agent_options;

/**
 * What went wrong. Start from `HUBLESS_ERROR_INIT`; `hubless_error_clear` frees its texts. A
 * function that succeeds leaves it cleared. Texts may be empty.
 */
typedef struct {
    /**
     * `sizeof(hubless_error)`.
     */
    size_t size;
    /**
     * Kind of the error, `HUBLESS_AUTH` to `HUBLESS_INTERNAL`; also set for `HUBLESS_REJECTED`.
     */
    hubless_status kind;
    /**
     * 1: a peer or a check refused.
     */
    int32_t rejected;
    /**
     * One of `HUBLESS_RETRY_*`.
     */
    int32_t retry;
    /**
     * Milliseconds, with `HUBLESS_RETRY_AFTER`.
     */
    uint64_t retry_after_ms;
    /**
     * Stable name of the kind.
     */
    hubless_str name;
    /**
     * Detail in snake_case.
     */
    hubless_str code;
    /**
     * What was being done.
     */
    hubless_str operation;
    /**
     * What was expected and what came.
     */
    hubless_str message;
    /**
     * Field or argument that was refused.
     */
    hubless_str field;
    /**
     * Bound that was reached.
     */
    hubless_str limit_name;
    /**
     * Value of that bound, in the unit of its name.
     */
    uint64_t limit_value;
    /**
     * Id of the agent concerned.
     */
    hubless_str agent;
    /**
     * Key of the node that refused.
     */
    hubless_str origin;
    /**
     * Trace the call belonged to.
     */
    hubless_str trace_id;
    /**
     * JSON pointer (RFC 6901) into the refused value: of length 0 to all of it, `{NULL, 0}` to
     * none.
     */
    hubless_str pointer;
    /**
     * The library's own.
     */
    uint64_t texts;
    /**
     * Ids to choose from, of an error of kind `HUBLESS_AMBIGUOUS`; NULL without any.
     */
    const hubless_str *candidates;
    /**
     * Number of `candidates`.
     */
    size_t candidate_count;
} hubless_error;

/**
 * Is told how a registration ended; `agent` is NULL unless the status is `HUBLESS_OK`. It is freed
 * by `hubless_agent_free`, or stays until its node is closed. `err` lives until it returns.
 */
typedef void (*hubless_on_registered)(hubless_status status,
                                      hubless_agent *agent,
                                      const hubless_error *err,
                                      void *user);

/**
 * What an agent is, once it is registered.
 */
typedef struct {
    /**
     * `sizeof(hubless_agent_info)`.
     */
    size_t size;
    /**
     * Its id.
     */
    hubless_str agent_id;
    /**
     * Its short address.
     */
    hubless_str address;
    /**
     * Its name.
     */
    hubless_str name;
    /**
     * Its id with its node, for whoever is to call it at once: others know a transient agent by
     * the rest after a second.
     */
    hubless_str reach;
} hubless_agent_info;

/**
 * Is told how the opening of a streamed part ended; owns `body`, which is NULL unless the status
 * is `HUBLESS_OK`. `err` lives until it returns.
 */
typedef void (*hubless_on_body)(hubless_status status,
                                hubless_body *body,
                                const hubless_error *err,
                                void *user);

/**
 * Bytes with their length.
 */
typedef struct {
    /**
     * First byte.
     */
    const uint8_t *data;
    /**
     * Number of bytes.
     */
    size_t len;
} hubless_bytes;

/**
 * Is told how something without a result ended. `err` lives until it returns.
 */
typedef void (*hubless_on_done)(hubless_status status, const hubless_error *err, void *user);

/**
 * Takes bytes that were read; `bytes` is empty at the end, and lives until the callback returns.
 */
typedef void (*hubless_on_bytes)(hubless_status status,
                                 hubless_bytes bytes,
                                 const hubless_error *err,
                                 void *user);

/**
 * One part of content. Zero what a kind does not use.
 */
typedef struct {
    /**
     * `sizeof(hubless_part)`, in every element.
     */
    size_t size;
    /**
     * One of `HUBLESS_PART_*`.
     */
    int32_t kind;
    /**
     * The text, the JSON text, or the URI.
     */
    hubless_str text;
    /**
     * Bytes of a blob.
     */
    hubless_bytes bytes;
    /**
     * Media type of a blob, stream or URI, such as `image/png`.
     */
    hubless_str media_type;
    /**
     * File name of a blob or stream.
     */
    hubless_str filename;
    /**
     * Conversation role: `user`, `assistant`, `system`, `developer` or `tool`.
     */
    hubless_str role;
    /**
     * A JSON object.
     */
    hubless_str metadata_json;
    /**
     * The streamed bytes. Given: one of `hubless_body_open`, or one that was received.
     */
    hubless_body *body;
    /**
     * Announced size of a streamed part, or of what a URI names, in bytes; 0: not known.
     */
    uint64_t stream_size;
    /**
     * Announced SHA-256 of a streamed part in hex.
     */
    hubless_str sha256;
    /**
     * Digest of what a URI names, such as `sha256:` and hex digits.
     */
    hubless_str digest;
} hubless_part;

/**
 * Content that was received; everything in it belongs to what it came with.
 */
typedef struct {
    /**
     * All text parts, joined.
     */
    hubless_str text;
    /**
     * With exactly one text or data part: its value as JSON; else none.
     */
    hubless_str value_json;
    /**
     * The parts.
     */
    const hubless_part *parts;
    /**
     * Number of them.
     */
    size_t part_count;
    /**
     * A JSON object; none when empty.
     */
    hubless_str metadata_json;
} hubless_received;

/**
 * A limit, made by `HUBLESS_AT_MOST`. All zero: not limited.
 */
typedef struct {
    /**
     * 1: at most `value`, which may be 0. 0: not limited.
     */
    int32_t limited;
    /**
     * From 0 to 2^53 - 1.
     */
    uint64_t value;
} hubless_limit;

/**
 * Limits of each component. All zero: nothing is limited.
 */
typedef struct {
    /**
     * Tokens read.
     */
    hubless_limit input_tokens;
    /**
     * Tokens written.
     */
    hubless_limit output_tokens;
    /**
     * Cost in 1e-6 of the currency unit.
     */
    hubless_limit cost_micros;
    /**
     * Calls, counted by the nodes that make them.
     */
    hubless_limit calls;
} hubless_allowance;

/**
 * What a call asks. Its texts live until the call is ended, and at least until `on_call` returns.
 */
typedef struct {
    /**
     * `sizeof(hubless_call_info)`.
     */
    size_t size;
    /**
     * The agent that is called.
     */
    hubless_agent *agent;
    /**
     * What `on_create` made for this call; NULL unless the agent is isolated.
     */
    void *instance;
    /**
     * Skill that is meant.
     */
    hubless_str skill;
    /**
     * What is asked.
     */
    hubless_received content;
    /**
     * Milliseconds until the deadline, as it was when the call came.
     */
    uint64_t deadline_ms;
    /**
     * Depth of nested calls, 0 at the outside.
     */
    uint32_t depth;
    /**
     * `local`, `member`, `bridged`, `external` or `edge`; this version refuses `bridged` ones.
     */
    hubless_str caller_kind;
    /**
     * Key of the calling node.
     */
    hubless_str caller_node;
    /**
     * Id of the calling agent; none: the node itself.
     */
    hubless_str caller_agent;
    /**
     * Principal of the caller.
     */
    hubless_str caller_principal;
    /**
     * Conversation that it belongs to.
     */
    hubless_str conversation_id;
    /**
     * W3C Trace Context of this call.
     */
    hubless_str traceparent;
    /**
     * Idempotency key that the caller gave.
     */
    hubless_str idempotency_key;
    /**
     * The context as a JSON object; none when there is none.
     */
    hubless_str context_json;
    /**
     * Tools that the caller offers, as a JSON array.
     */
    hubless_str tools_json;
    /**
     * The whole call as the contract's JSON.
     */
    hubless_str json;
    /**
     * 1: a budget pays for the call.
     */
    int32_t has_budget;
    /**
     * What the call was granted of it.
     */
    hubless_allowance granted;
    /**
     * `tracestate` of W3C Trace Context, as the caller gave it.
     */
    hubless_str tracestate;
    /**
     * W3C Baggage, as the caller gave it.
     */
    hubless_str baggage;
} hubless_call_info;

/**
 * Content that is given: `text`, or `json`, or `parts`.
 */
typedef struct {
    /**
     * `sizeof(hubless_content)`.
     */
    size_t size;
    /**
     * One text part.
     */
    hubless_str text;
    /**
     * One data part: a JSON text.
     */
    hubless_str json;
    /**
     * Any parts.
     */
    const hubless_part *parts;
    /**
     * Number of them.
     */
    size_t part_count;
    /**
     * A JSON object.
     */
    hubless_str metadata_json;
} hubless_content;

/**
 * Is told how something ended; owns `reply`, which is NULL unless the status is `HUBLESS_OK`.
 * `err` lives until it returns.
 */
typedef void (*hubless_on_reply)(hubless_status status,
                                 hubless_reply *reply,
                                 const hubless_error *err,
                                 void *user);

/**
 * Is told how something with a JSON text as its result ended; owns `text`, which is NULL unless
 * the status is `HUBLESS_OK`. `err` lives until it returns.
 */
typedef void (*hubless_on_text)(hubless_status status,
                                hubless_text *text,
                                const hubless_error *err,
                                void *user);

/**
 * Why a call has no answer, as its caller sees it. Zero means the default everywhere.
 */
typedef struct {
    /**
     * `sizeof(hubless_failure)`.
     */
    size_t size;
    /**
     * Kind of the error, `HUBLESS_AUTH` to `HUBLESS_INTERNAL`; 0: `HUBLESS_HANDLER_FAILED`.
     */
    int32_t kind;
    /**
     * 1: `retry` says when to ask again; 0: the kind does.
     */
    int32_t has_retry;
    /**
     * Detail in snake_case.
     */
    hubless_str code;
    /**
     * What was expected and what came, for people; no secrets.
     */
    hubless_str message;
    /**
     * Field of the request that is at fault.
     */
    hubless_str field;
    /**
     * One of `HUBLESS_RETRY_*`.
     */
    int32_t retry;
    /**
     * Milliseconds, with `HUBLESS_RETRY_AFTER`.
     */
    uint64_t retry_after_ms;
} hubless_failure;

/**
 * What an agent must be like. Zero means any.
 */
typedef struct {
    /**
     * `sizeof(hubless_query)`.
     */
    size_t size;
    /**
     * What it should be good for, in words.
     */
    hubless_str text;
    /**
     * A skill that it must have.
     */
    hubless_str skill;
    /**
     * Tags that it must have, separated by spaces.
     */
    hubless_str tags;
    /**
     * All other fields of the contract's Query, as a JSON object: filter, exclude, limit, …
     */
    hubless_str query_json;
    /**
     * Milliseconds to wait for a first match; 0: 1,000, below 0: none.
     */
    int64_t wait_ms;
    /**
     * 1: each answer says why it stands where it stands.
     */
    int32_t explain;
} hubless_query;

/**
 * Is told how a find ended; owns `found`, which is NULL unless the status is `HUBLESS_OK`. `err`
 * lives until it returns.
 */
typedef void (*hubless_on_found)(hubless_status status,
                                 hubless_agents *found,
                                 const hubless_error *err,
                                 void *user);

/**
 * An agent that was found; its texts live until the list is freed, or the callback returns.
 */
typedef struct {
    /**
     * `sizeof(hubless_found)`.
     */
    size_t size;
    /**
     * Its id: what to call it by.
     */
    hubless_str agent_id;
    /**
     * Its short address.
     */
    hubless_str address;
    /**
     * Its name.
     */
    hubless_str name;
    /**
     * What it is good for.
     */
    hubless_str description;
    /**
     * Key of its node; none: known from a catalogue only.
     */
    hubless_str node_key;
    /**
     * `in_process`, `direct` or `relay`.
     */
    hubless_str path;
    /**
     * From 0 to 1, for order within one answer only.
     */
    double score;
    /**
     * Everything known as the contract's Found.
     */
    hubless_str json;
} hubless_found;

/**
 * Runs a tool; answered once by `hubless_answer` or `hubless_answer_fail`.
 */
typedef void (*hubless_on_tool)(hubless_question *question,
                                hubless_str name,
                                hubless_str arguments_json,
                                void *user);

/**
 * A function that the callee may call back during one request.
 */
typedef struct {
    /**
     * `sizeof(hubless_tool)`, in every element.
     */
    size_t size;
    /**
     * Its name.
     */
    hubless_str name;
    /**
     * What it does.
     */
    hubless_str description;
    /**
     * JSON Schema 2020-12 of its arguments.
     */
    hubless_str input_schema_json;
    /**
     * `PURE`, `IDEMPOTENT` or `AT_MOST_ONCE` (default).
     */
    hubless_str effect;
    /**
     * Runs it; must be set.
     */
    hubless_on_tool on_tool;
    /**
     * Handed to `on_tool`.
     */
    void *user;
    /**
     * JSON Schema 2020-12 that its result must hold; none: it may be anything.
     */
    hubless_str output_schema_json;
} hubless_tool;

/**
 * Answers what a callee asks back; answered once by `hubless_answer` or `hubless_answer_fail`.
 */
typedef void (*hubless_on_input)(hubless_question *question,
                                 const hubless_received *prompt,
                                 hubless_str schema_json,
                                 void *user);

/**
 * Options of a request. Zero means the default everywhere.
 */
typedef struct {
    /**
     * `sizeof(hubless_request_options)`.
     */
    size_t size;
    /**
     * Skill that is meant.
     */
    hubless_str skill;
    /**
     * The call that is being handled: deadline, depth and trace go on, its end cancels this.
     */
    const hubless_call *parent;
    /**
     * Agent of this node that asks; NULL: the parent's, or the node itself.
     */
    const hubless_agent *from;
    /**
     * Milliseconds to the first event, then between events; 0: 60,000.
     */
    uint64_t timeout_ms;
    /**
     * Milliseconds of the whole call; 0: no bound of its own.
     */
    uint64_t total_ms;
    /**
     * Milliseconds that a name may take to appear; 0: 1,000, below 0: none.
     */
    int64_t wait_ms;
    /**
     * Scheme of the credential for the agent; with `auth_secret`: `shared_secret`.
     */
    hubless_str auth_scheme;
    /**
     * Credential for the agent.
     */
    hubless_str auth_secret;
    /**
     * Context as a JSON object.
     */
    hubless_str context_json;
    /**
     * At most 64 bytes, chosen by the caller.
     */
    hubless_str conversation_id;
    /**
     * Same key, same outcome, for 10 minutes. Streamed parts are compared by their sha256: a
     * repeat with one that names none is refused with `HUBLESS_CONFLICT`.
     */
    hubless_str idempotency_key;
    /**
     * `PURE`, `IDEMPOTENT` or `AT_MOST_ONCE`; none: as the skill says.
     */
    hubless_str effect;
    /**
     * JSON Schema 2020-12 that the content must hold.
     */
    hubless_str input_schema_json;
    /**
     * JSON Schema 2020-12 that the answer must hold.
     */
    hubless_str output_schema_json;
    /**
     * W3C Trace Context to continue.
     */
    hubless_str traceparent;
    /**
     * Name of a template of this node.
     */
    hubless_str template_name;
    /**
     * All other fields of the contract's RequestOptions, as a JSON object.
     */
    hubless_str options_json;
    /**
     * Functions that the callee may call back.
     */
    const hubless_tool *tools;
    /**
     * Number of them.
     */
    size_t tool_count;
    /**
     * Answers what the callee asks back; NULL: it is refused.
     */
    hubless_on_input on_input;
    /**
     * Handed to `on_input`.
     */
    void *user;
    /**
     * Where to write the ticket for `hubless_cancel`, before anything is sent; may be NULL.
     */
    uint64_t *ticket;
    /**
     * Pays for the call, and stops it; NULL: the budget of `parent`, if it has one.
     */
    const hubless_switch *kill_switch;
    /**
     * The most that the call may be granted of its budget; nothing limited: a quarter of what is
     * free.
     */
    hubless_allowance max;
    /**
     * `tracestate` of the trace to continue, carried as it is; only with `traceparent`.
     */
    hubless_str tracestate;
    /**
     * W3C Baggage, carried as it is to every call below; only with `traceparent`.
     */
    hubless_str baggage;
} hubless_request_options;

/**
 * Takes one log line of the library; must not call the library.
 */
typedef void (*hubless_on_log)(hubless_str level,
                               hubless_str target,
                               hubless_str message,
                               hubless_str fields_json,
                               void *user);

/**
 * Limits of `hubless_switch_new`. A limit that is zero does not limit; `HUBLESS_AT_MOST(0)`
 * refuses everything.
 */
typedef struct {
    /**
     * `sizeof(hubless_switch_options)`.
     */
    size_t size;
    /**
     * Tokens read.
     */
    hubless_limit input_tokens;
    /**
     * Tokens written.
     */
    hubless_limit output_tokens;
    /**
     * Cost in 1e-6 of the currency unit.
     */
    hubless_limit cost_micros;
    /**
     * Calls.
     */
    hubless_limit calls;
    /**
     * Milliseconds from its making to its end.
     */
    hubless_limit wall_time_ms;
    /**
     * Depth of nested calls, at most 16; those of the switch itself have depth 1.
     */
    hubless_limit depth;
    /**
     * Calls that one call may have open at once, at most 4096.
     */
    hubless_limit fan_out;
    /**
     * Milliseconds that a node which hears nothing goes on, at most 300,000; 0: 10,000.
     */
    uint64_t lease_ms;
    /**
     * What trips the switch once more than this is known to be spent.
     */
    hubless_allowance soft;
    /**
     * 1: nothing is limited, on purpose. A switch without any limit must say so.
     */
    int32_t unlimited;
    /**
     * 1: each node goes on only as long as the first one itself says so, and not those between: a
     * dishonest one keeps nothing below it going for longer than `lease_ms`. Each call then waits
     * for the way to the first node and back before it spends (SPEC 04, R7).
     */
    int32_t strict;
} hubless_switch_options;

/**
 * Options of `hubless_node_start`. Zero means the default everywhere.
 */
typedef struct {
    /**
     * `sizeof(hubless_node_options)`.
     */
    size_t size;
    /**
     * Name of a stored node key; none: a fresh key in memory.
     */
    hubless_str name;
    /**
     * Id of a joined mesh; none: the user's own.
     */
    hubless_str mesh;
    /**
     * Folder of data and runtime files; none: `HUBLESS_HOME`, else the platform's.
     */
    hubless_str home;
    /**
     * `loopback` (default), `all`, or addresses separated by commas.
     */
    hubless_str listen;
    /**
     * UDP port; 0: any.
     */
    uint16_t port;
    /**
     * 1: nothing is read from or written to a disk.
     */
    int32_t memory_only;
    /**
     * Concurrent calls of all agents together; 0: no bound of the node's own.
     */
    uint64_t max_concurrency;
    /**
     * `error`, `warn`, `info`, `debug` or `trace`: lines at this level and graver go to `on_log`.
     */
    hubless_str log;
    /**
     * Takes log lines.
     */
    hubless_on_log on_log;
    /**
     * Handed to `on_log`.
     */
    void *user;
    /**
     * 1: no thread of the library calls back; the program calls `hubless_poll`. Only log lines of
     * the start come from who starts it: with `hubless_node_start_async` the thread of `on_node`.
     */
    int32_t polled;
    /**
     * What becomes of a request without `parent` and `kill_switch` while the node handles a call
     * with a budget: `refuse` (default: `HUBLESS_CONFIGURATION`, code `orphan`) or `allow`.
     */
    hubless_str orphans;
    /**
     * Instead of `orphans`: the limits of the budget of its own that each such request gets.
     */
    const hubless_switch_options *own_budget;
    /**
     * File that spans are appended to, as JSON Lines of OTLP, or URL of a collector that they are
     * posted to, such as `http://127.0.0.1:4318/v1/traces`; none: that of `HUBLESS_TRACE`.
     */
    hubless_str trace;
    /**
     * Base URL of the metering gateway of `hubless_call_provider`, such as
     * `http://127.0.0.1:8430/v1`; none: that of `HUBLESS_GATEWAY`.
     */
    hubless_str gateway;
    /**
     * Spending key that the node has of its gateway; none: that of `HUBLESS_GATEWAY_KEY`.
     */
    hubless_str gateway_key;
    /**
     * Where its agents say they are, such as `eu,on-prem`, separated by commas: any in the user's
     * own mesh, in one that was joined those of its ticket; none: those of `HUBLESS_ZONES`, else
     * all of the ticket.
     */
    hubless_str zones;
    /**
     * Key under which receipts of the gateway are believed, as `hubless expose gateway` prints it;
     * none: that of `HUBLESS_GATEWAY_SIGNER`.
     */
    hubless_str gateway_signer;
    /**
     * What comes back of the grants of calls that other nodes answer: `signed`, what they say that
     * they did not use; `provider`, only what receipts of the gateway show unpaid;
     * `never`, nothing. One word for all of them, or one for each class: `member`, nodes that
     * showed a token of this node's mesh, and `external`, all others. None: that of
     * `HUBLESS_REFUND`, else `member=signed,external=never`.
     */
    hubless_str refund;
    /**
     * Mesh of a test that the node lives in, of which it has `mesh`, `home` and `listen`; NULL: it
     * lives in none.
     */
    const hubless_testing_mesh *testing;
    /**
     * Relays by which it can be reached and reaches others, such as `https://relay.example`, at
     * most 4, separated by commas; none: those of `HUBLESS_RELAYS`, else those of the ticket by
     * which its mesh was joined.
     */
    hubless_str relays;
    /**
     * File of the certificates, in PEM, that relays are believed by, and by no others; none: that
     * of `HUBLESS_RELAY_CA`, else those that the machine trusts.
     */
    hubless_str relay_ca;
    /**
     * 1: nodes of its mesh are met on the local networks that it listens to (loopback counts as
     * all then), by multicast DNS (RFC 6762); 0: as `HUBLESS_LAN` says.
     */
    int32_t lan;
} hubless_node_options;

/**
 * Is told how the start of a node ended; owns `node`, which is NULL unless the status is
 * `HUBLESS_OK`. `err` lives until it returns.
 */
typedef void (*hubless_on_node)(hubless_status status,
                                hubless_node *node,
                                const hubless_error *err,
                                void *user);

/**
 * Options of `hubless_testing_peer`. Zero means the default everywhere. With `record` it is a
 * recorder, with `replay` it answers as recorded, else by `script_json`.
 */
typedef struct {
    /**
     * `sizeof(hubless_testing_options)`.
     */
    size_t size;
    /**
     * Name of the peer; none in `replay`: the recorded one.
     */
    hubless_str name;
    /**
     * What it answers, as a JSON object `{mode?, steps?, otherwise?}`; none: it refuses all.
     */
    hubless_str script_json;
    /**
     * File of a recording, from which it answers.
     */
    hubless_str replay;
    /**
     * In `replay`: `byContent`, `strict` or `loose`; none: as recorded, `strict`.
     */
    hubless_str mode;
    /**
     * Id, address or name of a real peer, which requests are handed on to and recorded.
     */
    hubless_str record;
    /**
     * In `record`: further names whose values are kept out, as a JSON array of texts.
     */
    hubless_str redact_json;
    /**
     * In `record`: scheme of the credential for the real peer; none: `shared_secret`.
     */
    hubless_str auth_scheme;
    /**
     * In `record`: that credential; none: none is sent.
     */
    hubless_str auth_secret;
    /**
     * All other fields of the contract's `register`, such as `skills`, as a JSON object.
     */
    hubless_str options_json;
} hubless_testing_options;

/**
 * Is told how asking for a key ended; owns `provider`, which is NULL unless the status is
 * `HUBLESS_OK`. `err` lives until it returns.
 */
typedef void (*hubless_on_provider)(hubless_status status,
                                    hubless_provider *provider,
                                    const hubless_error *err,
                                    void *user);

/**
 * What a client of OpenAI's API is to be given. Its texts live until the provider is freed.
 */
typedef struct {
    /**
     * `sizeof(hubless_provider_info)`.
     */
    size_t size;
    /**
     * Base URL, as in `OPENAI_BASE_URL`.
     */
    hubless_str base_url;
    /**
     * Key, as in `OPENAI_API_KEY`; a secret.
     */
    hubless_str api_key;
    /**
     * Unix time in milliseconds from which on the key begins nothing more.
     */
    uint64_t until_ms;
} hubless_provider_info;

/**
 * What was answered; its texts live until the reply is freed.
 */
typedef struct {
    /**
     * `sizeof(hubless_reply_info)`.
     */
    size_t size;
    /**
     * The answer.
     */
    hubless_received content;
    /**
     * Tokens read.
     */
    uint64_t input_tokens;
    /**
     * Tokens written.
     */
    uint64_t output_tokens;
    /**
     * Cost in 1e-6 of the currency unit.
     */
    uint64_t cost_micros;
    /**
     * The same by model, as a JSON object.
     */
    hubless_str by_model_json;
    /**
     * Microseconds in the agent's queue.
     */
    uint64_t queue_us;
    /**
     * Microseconds in its handler.
     */
    uint64_t handler_us;
    /**
     * Microseconds on the way.
     */
    uint64_t network_us;
    /**
     * Id of who answered.
     */
    hubless_str agent_id;
    /**
     * Name of who answered.
     */
    hubless_str agent_name;
    /**
     * Key of its node.
     */
    hubless_str node_key;
    /**
     * `in_process`, `direct` or `relay`.
     */
    hubless_str path;
    /**
     * Attempts that were made.
     */
    uint32_t attempts;
    /**
     * Calls of models and others, as the handler counted them.
     */
    uint64_t calls;
    /**
     * 1: the handler did not say what it spent, and its whole grant was charged.
     */
    int32_t charged_in_full;
    /**
     * 32 hex digits by which `hubless trace` draws all calls that it caused.
     */
    hubless_str trace_id;
} hubless_reply_info;

/**
 * Gives the credential for a target; answered once by `hubless_credential_result`, now or later,
 * on any thread.
 */
typedef void (*hubless_on_credential)(hubless_question *question, hubless_str target, void *user);

/**
 * Is told how a request whose refusal is a result ended. With `HUBLESS_OK` it owns `reply`, or
 * that is NULL and `refused` says why; with anything else both are NULL. `refused` and `err` live
 * until it returns.
 */
typedef void (*hubless_on_response)(hubless_status status,
                                    hubless_reply *reply,
                                    const hubless_error *refused,
                                    const hubless_error *err,
                                    void *user);

/**
 * Options of `hubless_node_serve`. Zero means the default everywhere.
 */
typedef struct {
    /**
     * `sizeof(hubless_serve_options)`.
     */
    size_t size;
    /**
     * 1: the end of standard input ends it too; the library reads it and throws it away.
     */
    int32_t until_stdin_ends;
    /**
     * How long running calls may take to end, in milliseconds; 0: 10,000, negative: not at all.
     */
    int64_t grace_ms;
} hubless_serve_options;

/**
 * A request in its short form. Zero means the default everywhere but in `agent`.
 */
typedef struct {
    /**
     * `sizeof(hubless_agent_request)`.
     */
    size_t size;
    /**
     * Id, address or name of the agent; must be there.
     */
    hubless_str agent;
    /**
     * What is asked, in words; comes before `content`.
     */
    hubless_str prompt;
    /**
     * JSON Schema 2020-12 that the content must hold.
     */
    hubless_str prompt_schema_json;
    /**
     * What is asked, in parts; NULL: nothing besides the prompt.
     */
    const hubless_content *content;
    /**
     * Skill that is meant.
     */
    hubless_str skill;
    /**
     * Name of a template of this node.
     */
    hubless_str template_name;
    /**
     * Functions that the callee may call back.
     */
    const hubless_tool *tools;
    /**
     * Number of them.
     */
    size_t tool_count;
    /**
     * The call that is being handled: deadline, depth and trace go on, its end cancels this.
     */
    const hubless_call *parent;
    /**
     * Pays for the call, and stops it; NULL: the budget of `parent`, if it has one.
     */
    const hubless_switch *kill_switch;
    /**
     * The most that the call may be granted of its budget; nothing limited: a quarter of what is
     * free.
     */
    hubless_allowance max;
    /**
     * Where to write the ticket for `hubless_cancel`, before anything is sent; may be NULL.
     */
    uint64_t *ticket;
} hubless_agent_request;

/**
 * Amounts of each component, each from 0 to 2^53 - 1.
 */
typedef struct {
    /**
     * Tokens read.
     */
    uint64_t input_tokens;
    /**
     * Tokens written.
     */
    uint64_t output_tokens;
    /**
     * Cost in 1e-6 of the currency unit.
     */
    uint64_t cost_micros;
    /**
     * Calls; the nodes count them by themselves, so that a handler never says any.
     */
    uint64_t calls;
} hubless_amount;

/**
 * Is told how setting something aside ended; owns `spend`, which is NULL unless the status is
 * `HUBLESS_OK`. `err` lives until it returns.
 */
typedef void (*hubless_on_spend)(hubless_status status,
                                 hubless_spend *spend,
                                 const hubless_error *err,
                                 void *user);

/**
 * One event of a streamed answer; everything in it lives until the callback returns, but `reply`,
 * which belongs to the program.
 */
typedef struct {
    /**
     * `sizeof(hubless_event)`.
     */
    size_t size;
    /**
     * One of `HUBLESS_EVENT_*`.
     */
    int32_t kind;
    /**
     * Note of a progress event.
     */
    hubless_str note;
    /**
     * Fraction of a progress event, 0 to 1; below 0: not known.
     */
    double fraction;
    /**
     * The part of a chunk.
     */
    const hubless_part *part;
    /**
     * Text of a chunk.
     */
    hubless_str text;
    /**
     * 1: the chunk continues the part before it.
     */
    int32_t append;
    /**
     * The answer of a final event; freed by the program.
     */
    hubless_reply *reply;
    /**
     * The status of a failed event.
     */
    hubless_status status;
    /**
     * The error of a failed event.
     */
    const hubless_error *error;
} hubless_event;

/**
 * Takes one event; the last one is `HUBLESS_EVENT_FINAL` or `HUBLESS_EVENT_FAILED`, exactly once.
 */
typedef void (*hubless_on_event)(const hubless_event *event, void *user);

/**
 * How a switch stands. Texts live until the switch is freed.
 */
typedef struct {
    /**
     * `sizeof(hubless_switch_info)`.
     */
    size_t size;
    /**
     * 1: it was tripped, for good. 0: it is armed.
     */
    int32_t tripped;
    /**
     * Why it was tripped, as in `hubless_stop`.
     */
    hubless_str reason;
    /**
     * Key of the node that asked for the trip; none: it was tripped before a node used it.
     */
    hubless_str by;
    /**
     * When it was tripped, in Unix milliseconds.
     */
    uint64_t at_ms;
    /**
     * What was spent, as far as calls have ended. Calls count when they are made.
     */
    hubless_amount spent;
    /**
     * What is neither spent nor set aside.
     */
    hubless_allowance remaining;
    /**
     * Part of `spent`: what providers took above what was set aside for it. Zero unless a provider
     * broke its cap, which trips the switch.
     */
    hubless_amount overrun;
} hubless_switch_info;

/**
 * Why, by whom and when a switch was tripped; its texts live until the callback returns.
 */
typedef struct {
    /**
     * `sizeof(hubless_stop)`.
     */
    size_t size;
    /**
     * `input_exceeded`, `output_exceeded`, `input_and_output_exceeded`, `cost_exceeded`,
     * `calls_exceeded`, `wall_time`, `depth`, `fan_out`, `operator`, `parent` or `lease_lost`.
     */
    hubless_str reason;
    /**
     * Key of the node that asked for it; none: the switch was tripped before a node used it.
     */
    hubless_str by;
    /**
     * When, in Unix milliseconds.
     */
    uint64_t at_ms;
} hubless_stop;

/**
 * Is told once that a switch was tripped; `stop` is NULL when the switch was freed instead. It
 * comes from a thread of the switch's own. Whatever it does, the trip stands; one that does not
 * return holds up only further ones of the same switch.
 */
typedef void (*hubless_on_tripped)(const hubless_stop *stop, void *user);

/**
 * What a handler used. Zero what it did not.
 */
typedef struct {
    /**
     * `sizeof(hubless_usage_report)`.
     */
    size_t size;
    /**
     * Tokens read.
     */
    uint64_t input_tokens;
    /**
     * Tokens written.
     */
    uint64_t output_tokens;
    /**
     * Cost in 1e-6 of the currency unit.
     */
    uint64_t cost_micros;
    /**
     * Calls that were made.
     */
    uint64_t calls;
    /**
     * Model that it was used for; none: no certain one.
     */
    hubless_str model;
} hubless_usage_report;

/**
 * Takes a change; `found` is NULL where there is no agent, and lives until it returns.
 */
typedef void (*hubless_on_change)(int32_t kind, const hubless_found *found, void *user);

/**
 * Is told how the beginning of a search ended; owns `watch`, which is NULL unless the status is
 * `HUBLESS_OK`. `err` lives until it returns.
 */
typedef void (*hubless_on_watch)(hubless_status status,
                                 hubless_watch *watch,
                                 const hubless_error *err,
                                 void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Registers an agent: it can be found and called when this returns. Blocks shortly. `agent` may
 * be NULL: it stays until its node is closed.
 *
 * # Safety
 * `given` is valid; `agent` is NULL or writable; `err` is NULL or initialised.
 */
hubless_status hubless_register(const hubless_node *node,
                                const hubless_agent_options *given,
                                hubless_agent **agent,
                                hubless_error *err);

/**
 * As `hubless_register`, without blocking: `on_registered` comes exactly once, unless this
 * function itself fails, and before the first call. An agent that is not registered calls none of
 * its functions.
 *
 * # Safety
 * `given` is valid; `err` is NULL or initialised.
 */
hubless_status hubless_register_async(const hubless_node *node,
                                      const hubless_agent_options *given,
                                      hubless_on_registered on_registered,
                                      void *user,
                                      hubless_error *err);

/**
 * Tells what an agent is; the texts live until it is freed.
 *
 * # Safety
 * `info` is NULL or its `size` is set; `err` is NULL or initialised.
 */
hubless_status hubless_agent_get(const hubless_agent *agent,
                                 hubless_agent_info *info,
                                 hubless_error *err);

/**
 * States how well an agent is, `up`, `suspect` or `down`, for the order in which others find it:
 * one that is down comes last, and is still called by who asks for it; `up` takes the word back.
 * `HUBLESS_UNSUPPORTED` for a transient agent that others know already. Inside a callback it
 * returns at once, and what the node refuses is not told.
 *
 * # Safety
 * `state` is readable; `err` is NULL or initialised.
 */
hubless_status hubless_agent_health(const hubless_agent *agent,
                                    hubless_str state,
                                    hubless_error *err);

/**
 * Takes an agent out: new calls are refused at once, running ones may end within 10 s. Waits for
 * them, except inside a callback, where it returns at once; `on_free` says when it is over.
 */
hubless_status hubless_agent_free(hubless_agent *agent);

/**
 * Opens a streamed part for writing. Use it in a `HUBLESS_PART_STREAM` part, then write to it.
 * Blocks shortly.
 *
 * # Safety
 * `body` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_body_open(const hubless_node *node, hubless_body **body, hubless_error *err);

/**
 * As `hubless_body_open`, without blocking: `on_body` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_body_open_async(const hubless_node *node,
                                       hubless_on_body on_body,
                                       void *user,
                                       hubless_error *err);

/**
 * Writes bytes of any number; waits while the reader is behind. Blocks.
 *
 * # Safety
 * The bytes are readable; `err` is NULL or initialised.
 */
hubless_status hubless_body_write(const hubless_body *body,
                                  hubless_bytes piece,
                                  hubless_error *err);

/**
 * As `hubless_body_write`, without blocking: `on_done` comes when there is room for more.
 *
 * # Safety
 * As `hubless_body_write`.
 */
hubless_status hubless_body_write_async(const hubless_body *body,
                                        hubless_bytes piece,
                                        hubless_on_done on_done,
                                        void *user,
                                        hubless_error *err);

/**
 * Says that a written part is complete, and frees it. Never blocks.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_body_end(hubless_body *body, hubless_error *err);

/**
 * Says why a written part will not be completed, and frees it. Never blocks.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_body_fail(hubless_body *body, hubless_str message, hubless_error *err);

/**
 * Reads at most `room` bytes into `into`; waits for some. Blocks. `count` is 0 at the end, when
 * the size and digest that were announced have been checked.
 *
 * # Safety
 * `into` points to `room` writable bytes; `count` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_body_read(const hubless_body *body,
                                 uint8_t *into,
                                 size_t room,
                                 size_t *count,
                                 hubless_error *err);

/**
 * As `hubless_body_read`, without blocking: at most `max` bytes come to `on_bytes`.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_body_read_async(const hubless_body *body,
                                       size_t max,
                                       hubless_on_bytes on_bytes,
                                       void *user,
                                       hubless_error *err);

/**
 * Keeps a received part that would be freed with its call or reply: it is the program's own to
 * free from now on. For handlers that answer first and read on.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_body_keep(const hubless_body *body, hubless_error *err);

/**
 * Frees a streamed part: one that is read is given up, one that is written fails.
 */
hubless_status hubless_body_free(hubless_body *body);

/**
 * Tells what a call asks.
 *
 * # Safety
 * `info` is NULL or its `size` is set; `err` is NULL or initialised.
 */
hubless_status hubless_call_get(const hubless_call *call,
                                hubless_call_info *info,
                                hubless_error *err);

/**
 * Tells whether a call is to be stopped: 1 or 0.
 *
 * # Safety
 * `cancelled` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_call_cancelled(const hubless_call *call,
                                      int32_t *cancelled,
                                      hubless_error *err);

/**
 * Ends a call with its answer and frees it. Never blocks.
 *
 * # Safety
 * `answer` is NULL (nothing to say) or valid; `err` is NULL or initialised.
 */
hubless_status hubless_call_final(hubless_call *call,
                                  const hubless_content *answer,
                                  hubless_error *err);

/**
 * Tells the caller how far the call is; `fraction` below 0: not known. Never blocks.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_call_progress(const hubless_call *call,
                                     hubless_str note,
                                     double fraction,
                                     hubless_error *err);

/**
 * Sends a piece of the answer ahead. `append`: 1 continues the part before it, 0 begins a new
 * one, -1 decides by kind (text continues text). Each part of a content is a piece of its own; one
 * without parts, or with metadata of the whole, is `HUBLESS_INVALID_ARGUMENT`. Waits while the
 * caller is behind, except inside a callback, where it never waits: pieces queue up there, and one
 * too many (the limit `CALLBACK_CHUNKS`) is `HUBLESS_BUSY` and is not sent.
 *
 * # Safety
 * `content` is valid content; `err` is NULL or initialised.
 */
hubless_status hubless_call_chunk(const hubless_call *call,
                                  const hubless_content *content,
                                  int32_t append,
                                  hubless_error *err);

/**
 * Calls a tool that the caller offered; its answer is read like a reply. Blocks.
 *
 * # Safety
 * The texts are readable; `answer` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_call_tool(const hubless_call *call,
                                 hubless_str name,
                                 hubless_str arguments_json,
                                 hubless_reply **answer,
                                 hubless_error *err);

/**
 * As `hubless_call_tool`, without blocking.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_call_tool_async(const hubless_call *call,
                                       hubless_str name,
                                       hubless_str arguments_json,
                                       hubless_on_reply on_answer,
                                       void *user,
                                       hubless_error *err);

/**
 * Asks the caller back; its answer is read like a reply. Blocks; the time does not count.
 *
 * # Safety
 * `prompt` is valid; `answer` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_call_input(const hubless_call *call,
                                  const hubless_content *prompt,
                                  hubless_reply **answer,
                                  hubless_error *err);

/**
 * As `hubless_call_input`, without blocking.
 *
 * # Safety
 * `prompt` is valid; `err` is NULL or initialised.
 */
hubless_status hubless_call_input_async(const hubless_call *call,
                                        const hubless_content *prompt,
                                        hubless_on_reply on_answer,
                                        void *user,
                                        hubless_error *err);

/**
 * Gives the turns of this conversation before this one, as a JSON text `{"turns": […]}`. Blocks
 * shortly.
 *
 * # Safety
 * `turns` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_call_history(const hubless_call *call,
                                    hubless_text **turns,
                                    hubless_error *err);

/**
 * As `hubless_call_history`, without blocking: `on_text` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_call_history_async(const hubless_call *call,
                                          hubless_on_text on_text,
                                          void *user,
                                          hubless_error *err);

/**
 * Closes a node: refuses new calls, lets running ones end within `grace_ms`, says good-bye to
 * every peer. Blocks. Afterwards every handle of the node is gone, and no callback comes.
 */
hubless_status hubless_node_close(hubless_node *node, uint64_t grace_ms);

/**
 * As `hubless_node_close`, without blocking: `on_done` comes exactly once, unless this function
 * itself fails. It is the last callback of the node, and comes when every handle of it is gone; a
 * `polled` node is polled until then.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_node_close_async(hubless_node *node,
                                        uint64_t grace_ms,
                                        hubless_on_done on_done,
                                        void *user,
                                        hubless_error *err);

/**
 * Ends a call with a failure and frees it. Never blocks. `kind`: `HUBLESS_HANDLER_FAILED`, or
 * what the program means; `code` and `message` are for people and tests. When to ask again is
 * said by the kind; `hubless_call_fail_with` says it otherwise, and which field is at fault.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_call_fail(hubless_call *call,
                                 int32_t kind,
                                 hubless_str code,
                                 hubless_str message,
                                 hubless_error *err);

/**
 * As `hubless_call_fail`, with all that a failure can say. One that is refused ends nothing.
 *
 * # Safety
 * `failure` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_call_fail_with(hubless_call *call,
                                      const hubless_failure *failure,
                                      hubless_error *err);

/**
 * Finds agents, best first; waits for a first match. Finding none is no error. Blocks.
 *
 * # Safety
 * `query` is NULL or valid; `found` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_find(const hubless_node *node,
                            const hubless_query *query,
                            hubless_agents **found,
                            hubless_error *err);

/**
 * As `hubless_find`, without blocking, and so for handlers as well: `on_found` comes exactly once,
 * unless this function itself fails.
 *
 * # Safety
 * `query` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_find_async(const hubless_node *node,
                                  const hubless_query *query,
                                  hubless_on_found on_found,
                                  void *user,
                                  hubless_error *err);

/**
 * Finds the best agent, and gives a list of it alone; waits for it. `HUBLESS_NOT_FOUND` when there
 * is none. Blocks.
 *
 * # Safety
 * `query` is NULL or valid; `found` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_peer(const hubless_node *node,
                            const hubless_query *query,
                            hubless_agents **found,
                            hubless_error *err);

/**
 * As `hubless_peer`, without blocking: `on_found` comes exactly once, unless this function itself
 * fails.
 *
 * # Safety
 * `query` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_peer_async(const hubless_node *node,
                                  const hubless_query *query,
                                  hubless_on_found on_found,
                                  void *user,
                                  hubless_error *err);

/**
 * Lists agents by scope: `global`, `local`, `client` or `all`. Blocks shortly.
 *
 * # Safety
 * The text is readable; `found` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_list_agents(const hubless_node *node,
                                   hubless_str scope,
                                   hubless_agents **found,
                                   hubless_error *err);

/**
 * As `hubless_list_agents`, without blocking: `on_found` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_list_agents_async(const hubless_node *node,
                                         hubless_str scope,
                                         hubless_on_found on_found,
                                         void *user,
                                         hubless_error *err);

/**
 * Number of agents in a list; 0 for a freed one.
 */
size_t hubless_agents_count(const hubless_agents *list);

/**
 * Tells about one agent of a list.
 *
 * # Safety
 * `found` is NULL or its `size` is set; `err` is NULL or initialised.
 */
hubless_status hubless_agents_get(const hubless_agents *list,
                                  size_t index,
                                  hubless_found *found,
                                  hubless_error *err);

/**
 * Frees a list.
 */
hubless_status hubless_agents_free(hubless_agents *list);

/**
 * Makes a ticket for others to join this mesh; options as a JSON object, or none; gives
 * `{ticket}`. Blocks.
 *
 * # Safety
 * The text is readable; `out` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_invite(const hubless_node *node,
                              hubless_str options_json,
                              hubless_text **out,
                              hubless_error *err);

/**
 * As `hubless_invite`, without blocking: `on_text` comes exactly once, unless this function itself
 * fails.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_invite_async(const hubless_node *node,
                                    hubless_str options_json,
                                    hubless_on_text on_text,
                                    void *user,
                                    hubless_error *err);

/**
 * Joins the mesh of a ticket, for all nodes of this data folder that are started later. `home`
 * may be none. Gives `{meshId}`. Blocks.
 *
 * # Safety
 * The texts are readable; `out` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_join(hubless_str home,
                            hubless_str ticket,
                            hubless_text **out,
                            hubless_error *err);

/**
 * As `hubless_join`, without blocking: `on_text` comes exactly once, from a thread of its own,
 * unless this function itself fails.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_join_async(hubless_str home,
                                  hubless_str ticket,
                                  hubless_on_text on_text,
                                  void *user,
                                  hubless_error *err);

/**
 * Gives the value at a JSON pointer (RFC 6901) of a JSON text: a string as its text, anything
 * else as JSON. `HUBLESS_NOT_FOUND` when there is none.
 *
 * # Safety
 * The texts are readable; `value` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_json_get(hubless_str json,
                                hubless_str pointer,
                                hubless_text **value,
                                hubless_error *err);

/**
 * The value at a JSON pointer of what a call asks, such as `/name`; lives as long as the call.
 * No text when there is none.
 *
 * # Safety
 * The text is readable.
 */
hubless_str hubless_call_value(const hubless_call *call, hubless_str pointer);

/**
 * The value at a JSON pointer of an answer; lives as long as the reply. No text when there is
 * none.
 *
 * # Safety
 * The text is readable.
 */
hubless_str hubless_reply_value(const hubless_reply *reply, hubless_str pointer);

/**
 * Keeps a template of requests: content, context, auth, schemas, tools, metadata as a JSON
 * object. Blocks shortly.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_template_set(const hubless_node *node,
                                    hubless_str name,
                                    hubless_str template_json,
                                    hubless_error *err);

/**
 * As `hubless_template_set`, without blocking: `on_done` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_template_set_async(const hubless_node *node,
                                          hubless_str name,
                                          hubless_str template_json,
                                          hubless_on_done on_done,
                                          void *user,
                                          hubless_error *err);

/**
 * Forgets a template. Blocks shortly.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_template_remove(const hubless_node *node,
                                       hubless_str name,
                                       hubless_error *err);

/**
 * As `hubless_template_remove`, without blocking: `on_done` comes exactly once, unless this
 * function itself fails.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_template_remove_async(const hubless_node *node,
                                             hubless_str name,
                                             hubless_on_done on_done,
                                             void *user,
                                             hubless_error *err);

/**
 * Gives the names of templates as `{templates: […]}`. Blocks shortly.
 *
 * # Safety
 * `out` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_template_list(const hubless_node *node,
                                     hubless_text **out,
                                     hubless_error *err);

/**
 * As `hubless_template_list`, without blocking: `on_text` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_template_list_async(const hubless_node *node,
                                           hubless_on_text on_text,
                                           void *user,
                                           hubless_error *err);

/**
 * Pins a name to an agent id: no other key may answer to it. Blocks shortly.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_pin_set(const hubless_node *node,
                               hubless_str name,
                               hubless_str agent_id,
                               hubless_error *err);

/**
 * As `hubless_pin_set`, without blocking: `on_done` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_pin_set_async(const hubless_node *node,
                                     hubless_str name,
                                     hubless_str agent_id,
                                     hubless_on_done on_done,
                                     void *user,
                                     hubless_error *err);

/**
 * Forgets a pin. Blocks shortly.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_pin_remove(const hubless_node *node, hubless_str name, hubless_error *err);

/**
 * As `hubless_pin_remove`, without blocking: `on_done` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_pin_remove_async(const hubless_node *node,
                                        hubless_str name,
                                        hubless_on_done on_done,
                                        void *user,
                                        hubless_error *err);

/**
 * Gives the pins as `{pins: [{name, agentId}]}`. Blocks shortly.
 *
 * # Safety
 * `out` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_pin_list(const hubless_node *node, hubless_text **out, hubless_error *err);

/**
 * As `hubless_pin_list`, without blocking: `on_text` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_pin_list_async(const hubless_node *node,
                                      hubless_on_text on_text,
                                      void *user,
                                      hubless_error *err);

/**
 * Gives everything that is public of an agent, by id, address or name, as a JSON text
 * `{descriptor, skills}`. Blocks.
 *
 * # Safety
 * The text is readable; `out` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_describe(const hubless_node *node,
                                hubless_str agent,
                                hubless_text **out,
                                hubless_error *err);

/**
 * As `hubless_describe`, without blocking: `on_text` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_describe_async(const hubless_node *node,
                                      hubless_str agent,
                                      hubless_on_text on_text,
                                      void *user,
                                      hubless_error *err);

/**
 * Imports a static catalogue: a JSON array of descriptors; gives `{loaded, refused}`. Blocks
 * shortly.
 *
 * # Safety
 * The text is readable; `out` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_load_agents(const hubless_node *node,
                                   hubless_str descriptors_json,
                                   hubless_text **out,
                                   hubless_error *err);

/**
 * As `hubless_load_agents`, without blocking: `on_text` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_load_agents_async(const hubless_node *node,
                                         hubless_str descriptors_json,
                                         hubless_on_text on_text,
                                         void *user,
                                         hubless_error *err);

/**
 * Runs the checks of a hosted agent on a request without calling it; gives `{}` or
 * `{rejection: …}`. Nothing is counted, so neither its rate nor its queue is asked.
 * Blocks shortly.
 *
 * # Safety
 * All pointers are valid; `given` may be NULL; `err` is NULL or initialised.
 */
hubless_status hubless_check(const hubless_agent *agent,
                             const hubless_content *content,
                             const hubless_request_options *given,
                             hubless_text **out,
                             hubless_error *err);

/**
 * As `hubless_check`, without blocking: `on_text` comes exactly once, unless this function itself
 * fails.
 *
 * # Safety
 * All pointers are valid; `given` may be NULL; `err` is NULL or initialised.
 */
hubless_status hubless_check_async(const hubless_agent *agent,
                                   const hubless_content *content,
                                   const hubless_request_options *given,
                                   hubless_on_text on_text,
                                   void *user,
                                   hubless_error *err);

/**
 * Reads an id, key, address or name and gives `{text, key?, address?}`: its canonical form, and
 * the key and address (within `mesh`, which may be none) of an agent id. `kind`: `agentId`,
 * `nodeKey`, `meshId`, `address`, `name`, or none for whatever a request may be for.
 *
 * # Safety
 * The texts are readable; `out` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_inspect(hubless_str kind,
                               hubless_str value,
                               hubless_str mesh,
                               hubless_text **out,
                               hubless_error *err);

/**
 * Gives every bound of the library as a JSON object `{NAME: value}`, by the names that errors say
 * in `limit_name`: times in milliseconds, sizes in bytes. Needs no node.
 *
 * # Safety
 * `out` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_limits(hubless_text **out, hubless_error *err);

/**
 * Makes the temporary home of a mesh of its own, for `testing` of `hubless_node_options`: its
 * nodes read no `HUBLESS_*` variable, bind loopback only and meet nobody else.
 * `HUBLESS_CONFIGURATION`, code `not_writable`, where no folder can be made.
 *
 * # Safety
 * `mesh` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_testing_mesh_new(hubless_testing_mesh **mesh, hubless_error *err);

/**
 * Folder of the nodes of a mesh, where a test may put files; lives until it is freed. No text for
 * a freed one.
 */
hubless_str hubless_testing_mesh_home(const hubless_testing_mesh *mesh);

/**
 * Removes the home of a mesh with all that is in it; close its nodes first.
 */
hubless_status hubless_testing_mesh_free(hubless_testing_mesh *mesh);

/**
 * Starts a node and joins this user's mesh on this machine. Blocks, for milliseconds.
 *
 * Callbacks of the node come from one thread of the library, one at a time, unless the node is
 * `polled`.
 *
 * # Safety
 * `given` is NULL or valid; `node` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_node_start(const hubless_node_options *given,
                                  hubless_node **node,
                                  hubless_error *err);

/**
 * As `hubless_node_start`, without blocking: `on_node` comes exactly once, from a thread of its
 * own, unless this function itself fails.
 *
 * # Safety
 * `given` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_node_start_async(const hubless_node_options *given,
                                        hubless_on_node on_node,
                                        void *user,
                                        hubless_error *err);

/**
 * The node that this process shares by default, started on first use without any option; NULL
 * when it cannot be started. Blocks, on first use.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_node *hubless_default_node(hubless_error *err);

/**
 * As `hubless_default_node`, without blocking: `on_node` comes exactly once, from a thread of its
 * own, unless this function itself fails.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_default_node_async(hubless_on_node on_node, void *user, hubless_error *err);

/**
 * Describes the node as a JSON text: key, mesh, addresses, agents, peers, calls. Blocks shortly.
 *
 * # Safety
 * `status` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_node_status(const hubless_node *node,
                                   hubless_text **status,
                                   hubless_error *err);

/**
 * As `hubless_node_status`, without blocking: `on_text` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_node_status_async(const hubless_node *node,
                                         hubless_on_text on_text,
                                         void *user,
                                         hubless_error *err);

/**
 * Gives an open operation up by the ticket that its options gave; unknown tickets are ignored.
 * It still ends exactly once: with `HUBLESS_CANCELLED`, unless its end came first.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_cancel(const hubless_node *node, uint64_t ticket, hubless_error *err);

/**
 * Version of the library, as in `0.1.0`; lives as long as the library.
 */
hubless_str hubless_version(void);

/**
 * Counts live sessions, agents, calls, streams, bodies, switches, spendings and test meshes of
 * this process, for leak tests.
 */
size_t hubless_handles(void);

/**
 * Frees the texts of an error and empties it; harmless when it is empty.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
void hubless_error_clear(hubless_error *err);

/**
 * Registers a peer of a test, which the library answers for. Blocks shortly. `agent` is that of
 * `hubless_testing_asked` and the others; it is freed by `hubless_agent_free`, or stays until its
 * node is closed. A request that no step of a script fits is refused: kind `handler_failed`, code
 * `script_unmatched` or `script_used_up`, with a message that names what came.
 * `HUBLESS_INVALID_ARGUMENT` naming the place in the script; `HUBLESS_CONFIGURATION`, code
 * `bad_file` or `newer_format`, for a recording that cannot be read.
 *
 * # Safety
 * `given` is valid; `agent` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_testing_peer(const hubless_node *node,
                                    const hubless_testing_options *given,
                                    hubless_agent **agent,
                                    hubless_error *err);

/**
 * As `hubless_testing_peer`, without blocking: `on_registered` comes exactly once, unless this
 * function itself fails.
 *
 * # Safety
 * `given` is valid; `err` is NULL or initialised.
 */
hubless_status hubless_testing_peer_async(const hubless_node *node,
                                          const hubless_testing_options *given,
                                          hubless_on_registered on_registered,
                                          void *user,
                                          hubless_error *err);

/**
 * Waits until a fake peer was asked `at_least` so often, and gives what it was asked as a JSON
 * text `{count, asked: [{skill, content, caller, step, ending}]}`, the last 10,000 of
 * 64 MiB at most, oldest first. Blocks.
 *
 * # Safety
 * `asked` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_testing_asked(const hubless_agent *agent,
                                     uint64_t at_least,
                                     hubless_text **asked,
                                     hubless_error *err);

/**
 * As `hubless_testing_asked`, without blocking: `on_text` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_testing_asked_async(const hubless_agent *agent,
                                           uint64_t at_least,
                                           hubless_on_text on_text,
                                           void *user,
                                           hubless_error *err);

/**
 * Opens a gate of a script for good: answers of steps with this `hold` go on. Inside a callback it
 * returns at once, and what the node refuses is not told.
 *
 * # Safety
 * `gate` is readable; `err` is NULL or initialised.
 */
hubless_status hubless_testing_release(const hubless_agent *agent,
                                       hubless_str gate,
                                       hubless_error *err);

/**
 * Checks that the whole script of a fake peer was asked for, and nothing else:
 * `HUBLESS_CONFLICT`, code `script_unmet`, naming what is open and what did not fit. Blocks
 * shortly.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_testing_verify(const hubless_agent *agent, hubless_error *err);

/**
 * As `hubless_testing_verify`, without blocking: `on_done` comes exactly once, unless this
 * function itself fails.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_testing_verify_async(const hubless_agent *agent,
                                            hubless_on_done on_done,
                                            void *user,
                                            hubless_error *err);

/**
 * Writes what a recorder recorded, whole or not at all, and gives `{steps, open}`: requests that
 * are in it, and those that had not ended and are not. Values under names such as `password`,
 * `token` and `apiKey` are never in it, nor credentials of requests; bytes of blobs are not looked
 * into. `HUBLESS_TOO_LARGE` beyond 10,000 requests or 64 MiB. Blocks shortly.
 *
 * # Safety
 * `path` is readable; `saved` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_testing_save(const hubless_agent *agent,
                                    hubless_str path,
                                    hubless_text **saved,
                                    hubless_error *err);

/**
 * As `hubless_testing_save`, without blocking: `on_text` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * `path` is readable; `err` is NULL or initialised.
 */
hubless_status hubless_testing_save_async(const hubless_agent *agent,
                                          hubless_str path,
                                          hubless_on_text on_text,
                                          void *user,
                                          hubless_error *err);

/**
 * Gives a descriptor that is readable while the node has events; watch it, never read or close
 * it. Only for nodes started with `polled`; -1 where the system has none.
 *
 * # Safety
 * `fd` is NULL or writable; `err` is NULL or initialised.
 */
hubless_status hubless_node_fd(const hubless_node *node, int32_t *fd, hubless_error *err);

/**
 * Delivers events of a polled node: runs their callbacks on this thread, and returns without
 * waiting. `max`: most events, 0: 64. `delivered`: how many, may be NULL. Inside a callback it is
 * `HUBLESS_WOULD_DEADLOCK`: whoever called that back delivers the rest.
 *
 * # Safety
 * `delivered` is NULL or writable; `err` is NULL or initialised.
 */
hubless_status hubless_poll(const hubless_node *node,
                            size_t max,
                            size_t *delivered,
                            hubless_error *err);

/**
 * As `hubless_call_provider_for`, with a most of the cost alone: `max_cost`, in 1e-6 of the
 * currency unit; NULL: none. Blocks shortly.
 *
 * # Safety
 * `max_cost` is NULL or readable; `provider` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_call_provider(const hubless_call *call,
                                     const uint64_t *max_cost,
                                     hubless_provider **provider,
                                     hubless_error *err);

/**
 * As `hubless_call_provider`, without blocking.
 *
 * # Safety
 * `max_cost` is NULL or readable; `err` is NULL or initialised.
 */
hubless_status hubless_call_provider_async(const hubless_call *call,
                                           const uint64_t *max_cost,
                                           hubless_on_provider on_provider,
                                           void *user,
                                           hubless_error *err);

/**
 * Gives a base URL and a short-lived key of the node's metering gateway. What the key may take of
 * input tokens, output tokens and cost is set aside in the grant of the call first: of each the
 * most that is given, or a quarter of what is free; NULL: none is given. What the budget does not
 * limit, and no most is given of, is limited by the node's own key alone, and counts in the usage
 * of the answer only. Each time it is another key. All of them end with the call, with the stop of
 * its budget, or with its total deadline, and after ten minutes at the latest; what the gateway
 * says they took is charged at the end of the call, and all that was set aside where it says
 * nothing. `HUBLESS_CONFIGURATION`: code `no_budget`, `no_gateway`, or `token_limit` where tokens
 * are to be limited and the node's own key is of version 2, which limits cost alone;
 * `HUBLESS_BUDGET_EXHAUSTED`: it does not fit; `HUBLESS_INVALID_ARGUMENT` for a most of calls,
 * which a gateway does not count. Blocks shortly.
 *
 * # Safety
 * `most` is NULL or readable; `provider` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_call_provider_for(const hubless_call *call,
                                         const hubless_allowance *most,
                                         hubless_provider **provider,
                                         hubless_error *err);

/**
 * As `hubless_call_provider_for`, without blocking.
 *
 * # Safety
 * `most` is NULL or readable; `err` is NULL or initialised.
 */
hubless_status hubless_call_provider_for_async(const hubless_call *call,
                                               const hubless_allowance *most,
                                               hubless_on_provider on_provider,
                                               void *user,
                                               hubless_error *err);

/**
 * Tells what a client is to be given.
 *
 * # Safety
 * `info` is NULL or its `size` is set; `err` is NULL or initialised.
 */
hubless_status hubless_provider_get(const hubless_provider *provider,
                                    hubless_provider_info *info,
                                    hubless_error *err);

/**
 * Frees what was given; the key itself ends with its call.
 */
hubless_status hubless_provider_free(hubless_provider *provider);

/**
 * Says whether a credential lets its caller in. The answer may be kept for `cache_ms`, at most
 * 60,000; 0: not at all.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_auth_verdict(hubless_question *question,
                                    int32_t allow,
                                    uint64_t cache_ms,
                                    hubless_error *err);

/**
 * Says how many tokens the texts have.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_count_result(hubless_question *question,
                                    uint64_t tokens,
                                    hubless_error *err);

/**
 * Answers a tool call or a question of the callee.
 *
 * # Safety
 * `answer` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_answer(hubless_question *question,
                              const hubless_content *answer,
                              hubless_error *err);

/**
 * Fails a tool call or a question of the callee, which sees the error. `kind`, `code` and
 * `message` as of `hubless_call_fail`.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_answer_fail(hubless_question *question,
                                   int32_t kind,
                                   hubless_str code,
                                   hubless_str message,
                                   hubless_error *err);

/**
 * Tells what was answered.
 *
 * # Safety
 * `info` is NULL or its `size` is set; `err` is NULL or initialised.
 */
hubless_status hubless_reply_get(const hubless_reply *reply,
                                 hubless_reply_info *info,
                                 hubless_error *err);

/**
 * All text of an answer; lives until the reply is freed. `{NULL, 0}` for a freed one.
 */
hubless_str hubless_reply_text(const hubless_reply *reply);

/**
 * Frees an answer, with its streamed parts.
 */
hubless_status hubless_reply_free(hubless_reply *reply);

/**
 * Asks an agent, by id, address or name, and waits for its whole answer. Blocks. `to` may be none
 * when `options_json` holds `{"to": {"query": …}}`. A refusal is `HUBLESS_REJECTED`.
 *
 * # Safety
 * All pointers are valid; `given` may be NULL; `err` is NULL or initialised.
 */
hubless_status hubless_request(const hubless_node *node,
                               hubless_str to,
                               const hubless_content *content,
                               const hubless_request_options *given,
                               hubless_reply **reply,
                               hubless_error *err);

/**
 * As `hubless_request`, without blocking: `on_reply` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * As `hubless_request`.
 */
hubless_status hubless_request_async(const hubless_node *node,
                                     hubless_str to,
                                     const hubless_content *content,
                                     const hubless_request_options *given,
                                     hubless_on_reply on_reply,
                                     void *user,
                                     hubless_error *err);

/**
 * Keeps a credential for a target: an agent id, a mesh id or a URL origin. `scheme` may be
 * none: `shared_secret`. Blocks shortly.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_credential_set(const hubless_node *node,
                                      hubless_str target,
                                      hubless_str scheme,
                                      hubless_str secret,
                                      hubless_error *err);

/**
 * As `hubless_credential_set`, without blocking: `on_done` comes exactly once, unless this
 * function itself fails.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_credential_set_async(const hubless_node *node,
                                            hubless_str target,
                                            hubless_str scheme,
                                            hubless_str secret,
                                            hubless_on_done on_done,
                                            void *user,
                                            hubless_error *err);

/**
 * Asks the program for the credential of a target, each time it is needed, instead of keeping
 * one. An answer must come within 10 s. Blocks shortly.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised. `user` is valid until the credential of
 * this target was set, provided or removed again, or the node is closed.
 */
hubless_status hubless_credential_provide(const hubless_node *node,
                                          hubless_str target,
                                          hubless_on_credential on_credential,
                                          void *user,
                                          hubless_error *err);

/**
 * As `hubless_credential_provide`, without blocking: `on_done` comes exactly once, unless this
 * function itself fails. Both functions get the same `user`.
 *
 * # Safety
 * As `hubless_credential_provide`.
 */
hubless_status hubless_credential_provide_async(const hubless_node *node,
                                                hubless_str target,
                                                hubless_on_credential on_credential,
                                                hubless_on_done on_done,
                                                void *user,
                                                hubless_error *err);

/**
 * Forgets a credential, or the function that gives it: it is not called after this returns.
 * Blocks shortly.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_credential_remove(const hubless_node *node,
                                         hubless_str target,
                                         hubless_error *err);

/**
 * As `hubless_credential_remove`, without blocking: `on_done` comes exactly once, unless this
 * function itself fails; the function that gave the credential is not called after it.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_credential_remove_async(const hubless_node *node,
                                               hubless_str target,
                                               hubless_on_done on_done,
                                               void *user,
                                               hubless_error *err);

/**
 * Gives the credential that was asked for; `scheme` may be none: `shared_secret`; `secret` none:
 * there is none for this target.
 *
 * # Safety
 * The texts are readable; `err` is NULL or initialised.
 */
hubless_status hubless_credential_result(hubless_question *question,
                                         hubless_str scheme,
                                         hubless_str secret,
                                         hubless_error *err);

/**
 * Sets how callers prove themselves to agents whose requirements do not say: `auth_json` is
 * `{"none": true}`, `{"sharedSecret": "…"}`, or none with `on_auth`, which then decides. Blocks
 * shortly.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised. `user` is valid until this is set again or
 * the node is closed.
 */
hubless_status hubless_auth_global(const hubless_node *node,
                                   hubless_str auth_json,
                                   hubless_on_auth on_auth,
                                   void *user,
                                   hubless_error *err);

/**
 * As `hubless_auth_global`, without blocking: `on_done` comes exactly once, unless this function
 * itself fails. Both functions get the same `user`.
 *
 * # Safety
 * As `hubless_auth_global`.
 */
hubless_status hubless_auth_global_async(const hubless_node *node,
                                         hubless_str auth_json,
                                         hubless_on_auth on_auth,
                                         hubless_on_done on_done,
                                         void *user,
                                         hubless_error *err);

/**
 * As `hubless_request`, but a refusal is no failure: the result is `HUBLESS_OK` with either the
 * answer in `reply`, or NULL there and why in `refused`. Blocks.
 *
 * # Safety
 * As `hubless_request`; `refused` is writable and initialised, and is cleared like any error.
 */
hubless_status hubless_send(const hubless_node *node,
                            hubless_str to,
                            const hubless_content *content,
                            const hubless_request_options *given,
                            hubless_reply **reply,
                            hubless_error *refused,
                            hubless_error *err);

/**
 * As `hubless_send`, without blocking: `on_response` comes exactly once, unless this function
 * itself fails.
 *
 * # Safety
 * As `hubless_request`.
 */
hubless_status hubless_send_async(const hubless_node *node,
                                  hubless_str to,
                                  const hubless_content *content,
                                  const hubless_request_options *given,
                                  hubless_on_response on_response,
                                  void *user,
                                  hubless_error *err);

/**
 * Serves until SIGTERM or SIGINT, the end of standard input if asked for, or the close of the
 * node by another function, whose end it waits for; then refuses new calls, lets running ones end,
 * says good-bye and closes the node as `hubless_node_close` does. A second signal ends the grace.
 * Blocks. No callback of the node comes after it returns.
 *
 * From here on these signals do not end the process by themselves; handlers that were set before
 * are called as well.
 *
 * # Safety
 * `given` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_node_serve(hubless_node *node,
                                  const hubless_serve_options *given,
                                  hubless_error *err);

/**
 * As `hubless_node_serve`, without blocking: `on_done` comes exactly once, unless this function
 * itself fails, and is the last callback of the node unless that is closed by another function. A
 * `polled` node is polled until then.
 *
 * # Safety
 * `given` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_node_serve_async(hubless_node *node,
                                        const hubless_serve_options *given,
                                        hubless_on_done on_done,
                                        void *user,
                                        hubless_error *err);

/**
 * As `hubless_send`, of a request in its short form: `.agent = HUBLESS_STR("greet"), .prompt =
 * HUBLESS_STR("Ada")` is a whole one. Blocks.
 *
 * # Safety
 * All pointers are valid; `refused` is writable and initialised, and is cleared like any error;
 * `err` is NULL or initialised.
 */
hubless_status hubless_send_short(const hubless_node *node,
                                  const hubless_agent_request *request,
                                  hubless_reply **reply,
                                  hubless_error *refused,
                                  hubless_error *err);

/**
 * As `hubless_send_short`, without blocking: `on_response` comes exactly once, unless this
 * function itself fails.
 *
 * # Safety
 * As `hubless_send_short`.
 */
hubless_status hubless_send_short_async(const hubless_node *node,
                                        const hubless_agent_request *request,
                                        hubless_on_response on_response,
                                        void *user,
                                        hubless_error *err);

/**
 * Sets the most of one spending aside in the budget of a call, before it begins; NULL or zero:
 * nothing, which says that the handler spends nothing by itself. Without a budget nothing is set
 * aside, and what was used only counts in the usage of the answer. What does not fit is an error
 * of kind `HUBLESS_BUDGET_EXHAUSTED`. A handler that never does this is charged all that its call
 * was granted. Blocks shortly.
 *
 * # Safety
 * `most` is NULL or readable; `spend` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_call_spend(const hubless_call *call,
                                  const hubless_amount *most,
                                  hubless_spend **spend,
                                  hubless_error *err);

/**
 * As `hubless_call_spend`, without blocking.
 *
 * # Safety
 * `most` is NULL or readable; `err` is NULL or initialised.
 */
hubless_status hubless_call_spend_async(const hubless_call *call,
                                        const hubless_amount *most,
                                        hubless_on_spend on_spend,
                                        void *user,
                                        hubless_error *err);

/**
 * Says what was spent and ends the spending: the rest of what was set aside is free again. More
 * than was set aside is charged as it is, and trips the switch. NULL: nothing was spent. It counts
 * in the usage of the answer by itself. A second time, or after the end of the call, it is
 * `HUBLESS_INVALID_ARGUMENT`; so is an amount that is none, which ends nothing. Never blocks.
 *
 * # Safety
 * `used` is NULL or readable; `err` is NULL or initialised.
 */
hubless_status hubless_spend_used(hubless_spend *spend,
                                  const hubless_amount *used,
                                  hubless_error *err);

/**
 * Ends a spending without a word: all that was set aside is charged. So does the end of its call,
 * which takes the handle with it. Never blocks.
 */
hubless_status hubless_spend_drop(hubless_spend *spend);

/**
 * Asks an agent and gives its answer as it comes, by callbacks; does not block. The callee is
 * held back while a callback runs. `hubless_cancel` with the ticket of the options ends it.
 *
 * # Safety
 * As `hubless_request`.
 */
hubless_status hubless_stream(const hubless_node *node,
                              hubless_str to,
                              const hubless_content *content,
                              const hubless_request_options *given,
                              hubless_on_event on_event,
                              void *user,
                              hubless_error *err);

/**
 * Makes a switch; needs no node. Its wall time begins. Its budget lives at the first node that
 * uses it. Never blocks.
 *
 * # Safety
 * `given` is NULL or valid; `kill_switch` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_switch_new(const hubless_switch_options *given,
                                  hubless_switch **kill_switch,
                                  hubless_error *err);

/**
 * Stops everything below a switch, for good: running handlers are cancelled, and whatever is
 * asked under it ends with an error of kind `HUBLESS_KILLED`, with the reason as its code.
 * `reason` is one of those of `hubless_stop`; none: `operator`. The first stop stands. Never
 * blocks.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_switch_trip(const hubless_switch *kill_switch,
                                   hubless_str reason,
                                   hubless_error *err);

/**
 * Tells how a switch stands. Never blocks.
 *
 * # Safety
 * `info` is NULL or its `size` is set; `err` is NULL or initialised.
 */
hubless_status hubless_switch_get(const hubless_switch *kill_switch,
                                  hubless_switch_info *info,
                                  hubless_error *err);

/**
 * Gives what was granted under a switch as a JSON text, the contract's Branch: `{agentId,
 * nodeKey, state, amount, charged, used, children}`, or `null` before the first request. Never
 * blocks.
 *
 * # Safety
 * `tree` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_switch_tree(const hubless_switch *kill_switch,
                                   hubless_text **tree,
                                   hubless_error *err);

/**
 * Has a function told once when a switch is tripped, at once when it was already, or when it is
 * freed. There may be several. Never blocks.
 *
 * # Safety
 * `user` is valid until the function was told; `err` is NULL or initialised.
 */
hubless_status hubless_switch_on_tripped(const hubless_switch *kill_switch,
                                         hubless_on_tripped on_tripped,
                                         void *user,
                                         hubless_error *err);

/**
 * Lets a switch go: its budget is over with the last request under it. Functions of
 * `hubless_switch_on_tripped` that were not told yet are told, with NULL unless it was tripped.
 * Never blocks, and may be called by such a function.
 */
hubless_status hubless_switch_free(hubless_switch *kill_switch);

/**
 * Reads a text; the result lives until the text is freed. `{NULL, 0}` for a freed one.
 */
hubless_str hubless_text_get(const hubless_text *text);

/**
 * Frees a text.
 */
hubless_status hubless_text_free(hubless_text *text);

/**
 * Stops a call and everything below it, for good: all that its grant pays for. Its handler and
 * those that it asked are told by `on_cancel`, on any node, and nothing more is spent. The caller
 * gets `HUBLESS_KILLED`, code `operator`; its budget, and what else that pays for, go on with what
 * was not used. The call is still to be ended by `hubless_call_final` or `hubless_call_fail`,
 * which frees it. A call without a budget holds nothing that could be stopped:
 * `HUBLESS_NOT_FOUND`, code `grant`. Blocks shortly.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_call_trip(const hubless_call *call, hubless_error *err);

/**
 * As `hubless_call_trip`, without blocking.
 *
 * # Safety
 * `err` is NULL or initialised.
 */
hubless_status hubless_call_trip_async(const hubless_call *call,
                                       hubless_on_done on_done,
                                       void *user,
                                       hubless_error *err);

/**
 * Adds tokens to the usage that the answer reports. Never blocks.
 *
 * # Safety
 * The text is readable; `err` is NULL or initialised.
 */
hubless_status hubless_call_usage(const hubless_call *call,
                                  uint64_t input_tokens,
                                  uint64_t output_tokens,
                                  hubless_str model,
                                  hubless_error *err);

/**
 * As `hubless_call_usage`, with cost and calls.
 *
 * # Safety
 * `report` is NULL (nothing was used) or its `size` is set; `err` is NULL or initialised.
 */
hubless_status hubless_call_usage_with(const hubless_call *call,
                                       const hubless_usage_report *report,
                                       hubless_error *err);

/**
 * Tells agents that match as they are found, each once, until it is freed. Blocks shortly.
 *
 * # Safety
 * `query` is NULL or valid; `watch` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_discover(const hubless_node *node,
                                const hubless_query *query,
                                hubless_on_change on_change,
                                void *user,
                                hubless_watch **watch,
                                hubless_error *err);

/**
 * As `hubless_discover`, without blocking: `on_watch` comes exactly once, unless this function
 * itself fails, and before the first change; none comes unless its status is `HUBLESS_OK`. Both
 * functions get the same `user`.
 *
 * # Safety
 * `query` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_discover_async(const hubless_node *node,
                                      const hubless_query *query,
                                      hubless_on_change on_change,
                                      hubless_on_watch on_watch,
                                      void *user,
                                      hubless_error *err);

/**
 * Tells what matches, then every change of it, until it is freed. Blocks shortly.
 *
 * # Safety
 * `query` is NULL or valid; `watch` is writable; `err` is NULL or initialised.
 */
hubless_status hubless_watch_start(const hubless_node *node,
                                   const hubless_query *query,
                                   hubless_on_change on_change,
                                   void *user,
                                   hubless_watch **watch,
                                   hubless_error *err);

/**
 * As `hubless_watch_start`, without blocking: `on_watch` comes exactly once, unless this function
 * itself fails, and before the first change; none comes unless its status is `HUBLESS_OK`. Both
 * functions get the same `user`.
 *
 * # Safety
 * `query` is NULL or valid; `err` is NULL or initialised.
 */
hubless_status hubless_watch_start_async(const hubless_node *node,
                                         const hubless_query *query,
                                         hubless_on_change on_change,
                                         hubless_on_watch on_watch,
                                         void *user,
                                         hubless_error *err);

/**
 * Ends a search. Its last change is `HUBLESS_CHANGE_END`. Never blocks.
 */
hubless_status hubless_watch_free(hubless_watch *watch);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A text from a string that ends with NUL; NULL is no text. */
static inline hubless_str hubless_cstr(const char *text) {
    hubless_str made;
    made.data = text;
    made.len = text == NULL ? 0 : strlen(text);
    return made;
}

/** Content of one text part. */
static inline hubless_content hubless_content_text(hubless_str text) {
    hubless_content made;
    memset(&made, 0, sizeof made);
    made.size = sizeof made;
    made.text = text;
    return made;
}

/** Content of one data part: a JSON text. */
static inline hubless_content hubless_content_json(hubless_str json) {
    hubless_content made;
    memset(&made, 0, sizeof made);
    made.size = sizeof made;
    made.json = json;
    return made;
}

/** Options of an agent with a name, a handler, and what is handed to it. */
static inline hubless_agent_options hubless_agent_named(const char *name, hubless_on_call on_call,
                                                        void *user) {
    hubless_agent_options made;
    memset(&made, 0, sizeof made);
    made.size = sizeof made;
    made.name = hubless_cstr(name);
    made.on_call = on_call;
    made.user = user;
    return made;
}

/** Serves until SIGTERM, SIGINT or the end of standard input; the exit status of a program. */
static inline int hubless_serve(hubless_node *node) {
    hubless_serve_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.until_stdin_ends = 1;
    return hubless_node_serve(node, &options, NULL) == HUBLESS_OK ? 0 : 1;
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
/** Ends a call with a text of at most 4,095 bytes, made as by printf. */
static inline hubless_status hubless_call_finalf(hubless_call *call, const char *format, ...) {
    char text[4096];
    va_list values;
    hubless_content content;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    content = hubless_content_text(hubless_cstr(text));
    return hubless_call_final(call, &content, NULL);
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
/** Ends a call with a JSON text of at most 4,095 bytes, made as by printf. */
static inline hubless_status hubless_call_jsonf(hubless_call *call, const char *format, ...) {
    char text[4096];
    va_list values;
    hubless_content content;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    content = hubless_content_json(hubless_cstr(text));
    return hubless_call_final(call, &content, NULL);
}

/** An error without texts. */
static inline hubless_error hubless_error_none(void) {
    hubless_error made;
    memset(&made, 0, sizeof made);
    made.size = sizeof made;
    return made;
}

#endif /* HUBLESS_H */
