/* The demo's digester: one pass over a CSV table, found and called by others
 * (tests/demo/DEMO.md). Values have at most one decimal and are kept as tenths. */
#include "demo.h"

#include "support/sha256.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { COLUMNS_MAX = 16, FIELD_MAX = 64, PIECE = 65536 };

static const char *const FIGURES[] = {"precipitation", "temp_max", "temp_min", "wind"};
enum { FIGURE_COUNT = sizeof FIGURES / sizeof FIGURES[0] };

typedef struct {
    long sum, min, max;
} figure;

/* What is known of the table after some of its bytes. */
typedef struct {
    sha256 hash;
    uint64_t bytes;
    long rows;
    int figure_of[COLUMNS_MAX]; /* by column; -1: none of ours */
    figure figures[FIGURE_COUNT];
    char field[FIELD_MAX];
    size_t length;
    int column, is_header;
} table;

static void begin(table *of) {
    memset(of, 0, sizeof *of);
    sha256_begin(&of->hash);
    of->is_header = 1;
    for (int i = 0; i < COLUMNS_MAX; i++) {
        of->figure_of[i] = -1;
    }
    for (int i = 0; i < FIGURE_COUNT; i++) {
        of->figures[i] = (figure){0, 1000000, -1000000};
    }
}

static long tenths(const char *text) {
    int negative = *text == '-';
    long whole = 0, tenth = 0;
    for (text += negative; *text >= '0' && *text <= '9'; text++) {
        whole = whole * 10 + (*text - '0');
    }
    if (*text == '.' && text[1] >= '0' && text[1] <= '9') {
        tenth = text[1] - '0';
    }
    return negative ? -(whole * 10 + tenth) : whole * 10 + tenth;
}

static void end_field(table *of) {
    of->field[of->length] = '\0';
    int known = of->column < COLUMNS_MAX;
    if (of->is_header && known) {
        for (int i = 0; i < FIGURE_COUNT; i++) {
            if (strcmp(of->field, FIGURES[i]) == 0) {
                of->figure_of[of->column] = i;
            }
        }
    } else if (known && of->figure_of[of->column] >= 0) {
        figure *into = &of->figures[of->figure_of[of->column]];
        long value = tenths(of->field);
        into->sum += value;
        into->min = value < into->min ? value : into->min;
        into->max = value > into->max ? value : into->max;
    }
    of->length = 0;
    of->column++;
}

static void end_line(table *of) {
    if (of->column == 0 && of->length == 0) {
        return;
    }
    end_field(of);
    of->rows += !of->is_header;
    of->is_header = 0;
    of->column = 0;
}

static void add(table *of, const uint8_t *bytes, size_t count) {
    sha256_add(&of->hash, bytes, count);
    of->bytes += count;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == ',') {
            end_field(of);
        } else if (bytes[i] == '\n') {
            end_line(of);
        } else if (bytes[i] != '\r' && of->length + 1 < FIELD_MAX) {
            of->field[of->length++] = (char)bytes[i];
        }
    }
}

static json *result(table *of) {
    char hex[65];
    end_line(of);
    sha256_end(&of->hash, hex);
    json *out = json_new(JSON_OBJECT), *columns = json_new(JSON_OBJECT);
    json_set(out, "bytes", json_number((double)of->bytes));
    json_set(out, "sha256", json_string(hex));
    json_set(out, "rows", json_number((double)of->rows));
    for (int i = 0; i < FIGURE_COUNT; i++) {
        json *column = json_new(JSON_OBJECT);
        json_set(column, "sumTenths", json_number((double)of->figures[i].sum));
        json_set(column, "minTenths", json_number((double)of->figures[i].min));
        json_set(column, "maxTenths", json_number((double)of->figures[i].max));
        json_set(columns, FIGURES[i], column);
    }
    json_set(out, "columns", columns);
    return out;
}

/* Reads the first part that holds bytes. */
static int read_part(const hubless_received *content, table *of, hubless_error *err) {
    for (size_t i = 0; i < content->part_count; i++) {
        const hubless_part *part = &content->parts[i];
        if (part->kind == HUBLESS_PART_BLOB) {
            add(of, part->bytes.data, part->bytes.len);
            return 1;
        }
        if (part->kind == HUBLESS_PART_STREAM) {
            uint8_t *piece = malloc(PIECE);
            size_t count = 0;
            while (!hubless_body_read(part->body, piece, PIECE, &count, err) && count > 0) {
                add(of, piece, count);
            }
            free(piece);
            return err->kind == HUBLESS_OK;
        }
    }
    return 0;
}

static void *digest(void *argument) {
    hubless_call *call = argument;
    hubless_call_info info = {.size = sizeof info};
    hubless_error err = HUBLESS_ERROR_INIT;
    table *of = malloc(sizeof *of);
    double began = demo_ms();
    begin(of);
    hubless_call_get(call, &info, NULL);
    char *caller = demo_text(info.caller_agent.len > 0 ? info.caller_agent : info.caller_node);
    if (read_part(&info.content, of, &err)) {
        json *out = result(of);
        char *text = json_print(out);
        hubless_content content = hubless_content_json(hubless_cstr(text));
        hubless_call_final(call, &content, NULL);
        free(text);
        json_free(out);
    } else {
        hubless_call_fail(call, HUBLESS_CONTENT, HUBLESS_STR(""),
                          HUBLESS_STR("expected the table as a blob"), NULL);
    }
    json *event = demo_event("served");
    json_set(event, "skill", json_string("digest_table"));
    json_set(event, "caller", json_string(caller));
    json_set(event, "ms", json_number((double)(long)(demo_ms() - began)));
    demo_print(event);
    hubless_error_clear(&err);
    free(caller);
    free(of);
    return NULL;
}

static void on_call(hubless_call *call, void *user) {
    (void)user;
    pthread_t thread;
    if (pthread_create(&thread, NULL, digest, call) == 0) {
        pthread_detach(thread);
    } else {
        hubless_call_fail(call, HUBLESS_BUSY, HUBLESS_STR(""), HUBLESS_STR("no thread"), NULL);
    }
}

#define SKILL                                                                                      \
    "{\"id\": \"digest_table\", \"title\": \"Digest a table\", \"effect\": \"PURE\", "             \
    "\"description\": \"Reads a CSV table once: bytes, SHA-256, rows, and sum, minimum and "       \
    "maximum of each column of figures in tenths\", \"tags\": [\"digest\", \"csv\"], "             \
    "\"modesIn\": [\"text/csv\"], \"attributes\": {\"language\": \"c\"}}"

int main(void) {
    hubless_node *node = NULL;
    hubless_agent *agent = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    demo_ms();
    hubless_agent_options options = {
        .size = sizeof options, .name = HUBLESS_STR("table-digester"),
        .description = HUBLESS_STR("Digests a CSV table in one fast pass"),
        .tags = HUBLESS_STR("digest csv"), .skill_json = HUBLESS_STR(SKILL), .on_call = on_call};
    if (hubless_node_start(NULL, &node, &err) || hubless_register(node, &options, &agent, &err)) {
        fprintf(stderr, "%.*s\n", (int)err.message.len, err.message.data);
        return 1;
    }
    demo_ready(node, agent);
    return demo_serve(node);
}
