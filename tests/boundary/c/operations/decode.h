/* From bytes to arguments: handles, texts and structs as they should be and as they should not. */
#ifndef DECODE_H
#define DECODE_H

#include <hubless.h>

/* One operation is so many bytes: which, and what for. Zero means what is usual. */
enum { OPERATION_BYTES = 8 };

enum kind {
    NODE,
    AGENT,
    CALL,
    REPLY,
    BODY,
    QUESTION,
    LIST,
    WATCH,
    SWITCH,
    SPEND,
    PROVIDER,
    TEXT,
    KINDS,
};

typedef struct {
    const char *name;
    void (*run)(const unsigned char *arg);
    /* 1: nothing here can bring it to succeed. */
    int hopeless;
} operation;

/* The operations of each file; the last one has no name. */
extern const operation life_operations[];
extern const operation ask_operations[];
extern const operation call_operations[];
extern const operation keep_operations[];

/* A handle: 0 the newest of this kind; others are older ones, freed ones, of another kind or node,
 * NULL, or none at all. */
void *handle_of(enum kind kind, unsigned char arg);
/* Remembers a handle, from any thread; NULL is none. */
void keep(enum kind kind, void *handle);
/* A text: 0 is `usual`; others are NULL, too long, no UTF-8, hold a NUL, or are other words. */
hubless_str text_of(unsigned char arg, const char *usual);
/* A copy of a struct that says a size and is as long as it says: 0 is its own size. */
void *sized(const void *full, size_t known, unsigned char arg);
/* Content: 0 is a text; others are JSON, several parts, streams, or none. */
const hubless_content *content_of(unsigned char arg);
/* What a request may take, in milliseconds: one that is waited for, and one that is not and ends
 * with its node at the latest. */
enum { WAITED_MS = 25, UNWAITED_MS = 500 };
/* By how much longer everything takes where a tool watches each step. */
extern uint64_t slowness;
/* By how much longer what has to succeed is waited for: on a busy machine all takes its time. */
extern uint64_t patience;
/* Options of a request, which say how long it may take unless they are cut short. */
const hubless_request_options *options_of(unsigned char arg, unsigned char size, uint64_t ms);
/* 1 when such options say all that they were given. */
int is_whole(unsigned char size);
/* A query. */
const hubless_query *query_of(unsigned char arg, unsigned char size);
/* The error that every operation may fill, or NULL. */
hubless_error *error_of(unsigned char arg);
/* Frees what the arguments of an operation took. */
void release_arguments(void);

/* Checks a status. */
void came(hubless_status status);
/* Checks that there is a handle exactly where there is success, and remembers it. */
void gave(hubless_status status, enum kind kind, void *const *out);
/* Checks the status of an operation that will be told. */
void began(hubless_status status);
/* It was told, from any thread. */
void ended(void);
/* 1 once everything that began was told. */
int all_ended(void);
/* Calls that a handler took, all of them failed. */
void fail_calls(void);
/* How often the running operation has succeeded. */
void count_into(unsigned long *counter);
/* Says what is wrong and ends the process; `what` with the running list. */
void wrong(const char *what, long value);
/* Removes the home of this process, if it has made one. */
void remove_home(void);
/* What is running, for `wrong`. */
void running(const operation *one, const unsigned char *list, size_t size);
/* Frees everything that is left but nodes, and forgets every handle. */
void forget_handles(void);
/* Nodes of the list; at most a few. */
int has_room_for_a_node(void);
void close_nodes(void);

#endif
