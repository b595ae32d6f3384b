/* What only a library for tests exports and no header declares: as bindings/c/src/testing.rs. */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "suite.h"

#include "support/json.h"

/* An operation `bridge.*` of the contract, or what it gave. */
typedef struct {
    size_t size;
    hubless_str operation;
    hubless_str body;
    const hubless_bytes *bytes;
    size_t byte_count;
    uint64_t *ticket;
} hubless_bridge;

typedef void (*hubless_on_bridge)(hubless_status status, const hubless_bridge *said,
                                  const hubless_error *err, void *user);

typedef struct {
    hubless_status (*run)(const hubless_node *node, const hubless_bridge *given,
                          hubless_on_bridge on_bridge, void *user, hubless_error *err);
    hubless_status (*run_async)(const hubless_node *node, const hubless_bridge *given,
                                hubless_on_bridge on_bridge, void *user, hubless_error *err);
    hubless_status (*ask)(hubless_str operation, hubless_str body, hubless_text **out,
                          hubless_error *err);
} bridge_functions;

/* The functions; NULL where the library has none: then the running test is skipped. */
const bridge_functions *bridge(void);

/* Byte strings that go along, each a copy. */
enum { PIECES_MAX = 4 };
typedef struct {
    hubless_bytes bytes[PIECES_MAX];
    size_t count;
} pieces;

void pieces_add(pieces *to, const char *bytes, size_t len);
/* From hexadecimal, as vectors have it. */
void pieces_add_hex(pieces *to, const char *hex);
void pieces_free(pieces *all);

/* What the core reads from byte strings, by a body such as {"what": "frames"}; NULL and the error
 * where it refuses. To be freed. */
json *bridge_read(const char *body, const pieces *all, hubless_error *err);

#endif
