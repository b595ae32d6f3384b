#include "decode.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    SLOTS = 8,
    /* Started in one list; with each comes the time that it takes. */
    NODES_MAX = 4,
    MEMORY_MAX = 64,
    LARGE_BYTES = 70000,
};

uint64_t slowness = 1;
uint64_t patience = 1;

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static void *slots[KINDS][SLOTS];
static unsigned newest[KINDS];
static hubless_node *nodes[NODES_MAX];
static atomic_int node_count;
static int started;

static void *memory[MEMORY_MAX];
static size_t memory_count;
static hubless_error *error, *odd_error;

static atomic_long told, to_be_told;
static unsigned long *succeeded;

static const operation *now;
static const unsigned char *list;
static size_t list_size;

void running(const operation *one, const unsigned char *data, size_t size) {
    now = one;
    list = data;
    list_size = size;
}

void wrong(const char *what, long value) {
    fprintf(stderr, "%s: %s (%ld); the list, in hex:\n", now == NULL ? "" : now->name, what, value);
    for (size_t i = 0; i < list_size; i++) {
        fprintf(stderr, "%02x", list[i]);
    }
    fprintf(stderr, "\n");
    remove_home();
    abort();
}

static void *taken(size_t size) {
    void *made = calloc(1, size);
    if (made == NULL || memory_count == MEMORY_MAX) {
        wrong("no memory for an argument", (long)size);
    }
    memory[memory_count++] = made;
    return made;
}

void release_arguments(void) {
    if (odd_error != NULL) {
        hubless_error_clear(odd_error);
        odd_error = NULL;
    }
    while (memory_count > 0) {
        free(memory[--memory_count]);
    }
}

/* What belongs to no node is let go of by whoever got it. */
static void let_go(enum kind kind, void *handle) {
    if (kind == REPLY) {
        hubless_reply_free(handle);
    } else if (kind == LIST) {
        hubless_agents_free(handle);
    } else if (kind == TEXT) {
        hubless_text_free(handle);
    } else if (kind == SWITCH) {
        hubless_switch_free(handle);
    } else if (kind == PROVIDER) {
        hubless_provider_free(handle);
    }
}

void keep(enum kind kind, void *handle) {
    if (handle == NULL) {
        return;
    }
    pthread_mutex_lock(&slots_lock);
    newest[kind] = (newest[kind] + 1) % SLOTS;
    void *before = slots[kind][newest[kind]];
    slots[kind][newest[kind]] = handle;
    pthread_mutex_unlock(&slots_lock);
    if (before != NULL) {
        let_go(kind, before);
    }
    if (kind == NODE) {
        nodes[atomic_fetch_add(&node_count, 1)] = handle;
    }
}

void *handle_of(enum kind kind, unsigned char arg) {
    if (arg >= 64 && arg < 128) {
        kind = arg % KINDS;
    }
    pthread_mutex_lock(&slots_lock);
    char *last = slots[kind][newest[kind]];
    char *older = slots[kind][arg % SLOTS];
    pthread_mutex_unlock(&slots_lock);
    if (arg == 0) {
        return last;
    }
    if (arg < 128) {
        return older;
    }
    /* Numbers are never followed: one that was given to nobody is one like any other. */
    return arg < 192 ? (void *)(uintptr_t)(arg - 128) : (void *)((uintptr_t)last + arg);
}

static const char *const words[] = {
    "", "echo", "hold", "a.b", "pure", "{}", "[]", "null", "{\"x\": [1, 2.5, null, \"y\"]}",
    "[{\"name\": \"far\"}]", "{\"auth\": {\"host\": true}}", "did:key:z6Mk", "1:0000.0000.0001",
    "local", "/x/0", "{\"x\": ", "down", "AT_MOST_ONCE", "{\"host\": true}", "agentId",
};

hubless_str text_of(unsigned char arg, const char *usual) {
    static const char odd[] = "a\0b\xff\xfe";
    hubless_str text = hubless_cstr(usual);
    switch (arg) {
    case 0:
        break;
    case 1:
        return (hubless_str){NULL, 0};
    case 2:
        return (hubless_str){NULL, 5};
    case 3:
        return (hubless_str){odd, SIZE_MAX};
    case 4:
        text = (hubless_str){odd, 5};
        break;
    case 5:
        text = (hubless_str){odd, 3};
        break;
    case 6:
        text = (hubless_str){memset(taken(LARGE_BYTES), 'x', LARGE_BYTES), LARGE_BYTES};
        break;
    default:
        text = hubless_cstr(words[arg % (sizeof words / sizeof words[0])]);
    }
    if (text.data == NULL) {
        return text;
    }
    /* Of its own, so that a byte too many is seen. */
    char *copy = taken(text.len);
    memcpy(copy, text.data, text.len);
    return (hubless_str){copy, text.len};
}

void *sized(const void *full, size_t known, unsigned char arg) {
    static const size_t small[] = {0, 4, 8, 12, 24};
    size_t says = known, holds;
    if (arg == 1) {
        return NULL;
    } else if (arg >= 2 && arg < 7) {
        says = small[arg - 2];
    } else if (arg == 7) {
        says = known - sizeof(size_t);
    } else if (arg == 8 || arg == 9) {
        says = known + 2 * sizeof(size_t);
    } else if (arg == 10) {
        says = known / 2;
    } else if (arg == 11) {
        says = 65537;
    } else if (arg == 12) {
        says = SIZE_MAX;
    }
    /* A size beyond all sense is refused, or nothing past the known fields is touched. */
    holds = says > 65537 ? known : says < sizeof says ? sizeof says : says;
    char *made = taken(holds);
    memcpy(made, full, holds < known ? holds : known);
    if (arg == 9) {
        memset(made + known, 1, holds - known);
    }
    memcpy(made, &says, sizeof says);
    return made;
}

static const hubless_part *parts_of(unsigned char arg, size_t *count) {
    hubless_part *parts = taken(2 * sizeof *parts);
    for (size_t i = 0; i < 2; i++) {
        parts[i] = (hubless_part){.size = sizeof *parts, .kind = HUBLESS_PART_TEXT,
                                  .text = text_of(0, "part")};
    }
    *count = 1 + arg % 2;
    if (arg & 2) {
        parts[0].kind = HUBLESS_PART_STREAM;
        parts[0].body = handle_of(BODY, arg >> 4);
        parts[0].media_type = text_of(0, "text/plain");
    }
    if (arg & 4) {
        char *bytes = memset(taken(LARGE_BYTES), 7, LARGE_BYTES);
        parts[1].kind = HUBLESS_PART_BLOB;
        parts[1].bytes = (hubless_bytes){(const uint8_t *)bytes, LARGE_BYTES};
        parts[1].media_type = text_of(0, "image/png");
    }
    if (arg & 8) {
        parts[0].kind = arg;
        /* Less than it holds. */
        parts[1].size = arg / 2;
    }
    return parts;
}

const hubless_content *content_of(unsigned char arg) {
    hubless_content content = {.size = sizeof content, .text = text_of(0, "x")};
    if (arg >= 16) {
        content.text = (hubless_str){NULL, 0};
        content.parts = parts_of(arg, &content.part_count);
        return sized(&content, sizeof content, 0);
    }
    if (arg == 13) {
        content.json = text_of(0, "{\"a\": 1}");
    } else if (arg == 14) {
        content.text = (hubless_str){NULL, 0};
        content.json = text_of(0, "{\"a\": ");
    } else if (arg == 15) {
        content.part_count = SIZE_MAX;
    }
    return sized(&content, sizeof content, arg < 13 ? arg : 0);
}

int is_whole(unsigned char size) { return size == 0 || size == 8; }

static void on_tool(hubless_question *question, hubless_str name, hubless_str arguments,
                    void *user) {
    (void)name;
    (void)arguments;
    (void)user;
    /* Answered by a later operation, or never. */
    keep(QUESTION, question);
}

static void on_input(hubless_question *question, const hubless_received *prompt,
                     hubless_str schema, void *user) {
    (void)prompt;
    (void)schema;
    (void)user;
    /* Time spent on it does not count: it must not be left open. */
    hubless_answer(question, NULL, NULL);
    keep(QUESTION, question);
}

const hubless_request_options *options_of(unsigned char arg, unsigned char size, uint64_t ms) {
    uint64_t most = ms * slowness * patience;
    hubless_request_options options = {.size = sizeof options, .timeout_ms = most,
                                       .total_ms = most, .wait_ms = -1, .on_input = on_input};
    hubless_tool tool = {.size = sizeof tool, .name = text_of(0, "tool"), .on_tool = on_tool};
    if (arg & 1) {
        options.parent = handle_of(CALL, arg >> 4);
    }
    if (arg & 2) {
        options.kill_switch = handle_of(SWITCH, arg >> 4);
    }
    if (arg & 4) {
        options.tools = sized(&tool, sizeof tool, arg >> 5);
        options.tool_count = options.tools == NULL ? arg & 8 : 1;
    }
    if (arg & 8) {
        options.options_json = text_of(arg >> 4, "{\"metadata\": {}}");
        options.from = handle_of(AGENT, arg >> 4);
        options.ticket = taken(sizeof *options.ticket);
    }
    return sized(&options, sizeof options, size);
}

const hubless_query *query_of(unsigned char arg, unsigned char size) {
    hubless_query query = {.size = sizeof query, .text = text_of(arg, "echo"), .wait_ms = -1,
                           .explain = arg & 1};
    return sized(&query, sizeof query, size);
}

hubless_error *error_of(unsigned char arg) {
    hubless_error none = HUBLESS_ERROR_INIT;
    if (arg & 1) {
        return NULL;
    }
    if (arg & 2) {
        /* Too small, or larger than any: what does not fit is not written. */
        return odd_error = sized(&none, sizeof none, 2 + arg % 9);
    }
    if (error == NULL) {
        error = malloc(sizeof *error);
        *error = none;
    }
    return error;
}

void count_into(unsigned long *counter) { succeeded = counter; }

void came(hubless_status status) {
    int known = (int)status >= 0 && (status <= HUBLESS_INTERNAL || status == HUBLESS_REJECTED ||
                                     status == HUBLESS_WOULD_DEADLOCK);
    if (!known || status == HUBLESS_INTERNAL) {
        wrong("not a status that may come", (long)status);
    }
    *succeeded += status == HUBLESS_OK;
}

void gave(hubless_status status, enum kind kind, void *const *out) {
    came(status);
    if ((status == HUBLESS_OK) != (out != NULL && *out != NULL)) {
        wrong("a handle without success, or success without one", (long)status);
    }
    keep(kind, out == NULL ? NULL : *out);
}

void began(hubless_status status) {
    came(status);
    atomic_fetch_add(&to_be_told, status == HUBLESS_OK);
}

void ended(void) { atomic_fetch_add(&told, 1); }

int all_ended(void) { return atomic_load(&told) == atomic_load(&to_be_told); }

void fail_calls(void) {
    for (size_t i = 0; i < SLOTS; i++) {
        hubless_call_fail(handle_of(CALL, 8 + i), HUBLESS_HANDLER_FAILED, HUBLESS_STR(""),
                          HUBLESS_STR("over"), NULL);
    }
}

int has_room_for_a_node(void) { return started++ < NODES_MAX; }

void close_nodes(void) {
    for (int i = 0; i < atomic_load(&node_count); i++) {
        /* One that is closing is polled until it says that it is over. */
        hubless_poll(nodes[i], 0, NULL, NULL);
        hubless_node_close(nodes[i], 0);
    }
}

void forget_handles(void) {
    for (int kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < SLOTS; i++) {
            let_go(kind, slots[kind][i]);
            slots[kind][i] = NULL;
        }
        newest[kind] = 0;
    }
    atomic_store(&node_count, 0);
    started = 0;
    if (error != NULL) {
        hubless_error_clear(error);
        free(error);
        error = NULL;
    }
}
