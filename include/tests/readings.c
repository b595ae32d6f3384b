/* The vectors that the core reads, through the library: every list of every file. What is text in
 * identity.json is read in vectors.c, by what programs use. */
#include "bridge.h"

#include <dirent.h>
#include <stdlib.h>

enum { LARGEST_FILE = 1 << 20 };

/* The files, and how many of their members are read elsewhere: of identity.json the texts. */
static const struct {
    const char *name;
    size_t elsewhere;
} files[] = {
    {"records", 0}, {"frames", 0}, {"killswitch", 0}, {"errors", 0}, {"codes", 0}, {"identity", 6},
};
enum { FILES = sizeof files / sizeof files[0] };

/* How many files with vectors there are. */
static size_t files_there(void) {
    size_t count = 0;
    DIR *open = opendir(getenv("HUBLESS_VECTORS"));
    for (struct dirent *one = open == NULL ? NULL : readdir(open); one != NULL;
         one = readdir(open)) {
        size_t len = strlen(one->d_name);
        count += len > 5 && strcmp(one->d_name + len - 5, ".json") == 0;
    }
    if (open != NULL) {
        closedir(open);
    }
    return count;
}

static json *file_of(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.json", getenv("HUBLESS_VECTORS"), name);
    FILE *file = fopen(path, "rb");
    char *text = malloc(LARGEST_FILE);
    size_t count = file == NULL ? 0 : fread(text, 1, LARGEST_FILE, file);
    json *read = json_parse(text, count);
    free(text);
    if (file != NULL) {
        fclose(file);
    }
    CHECK(read != NULL && count < LARGEST_FILE);
    return read;
}

/* Reads a row by its members that hold bytes. */
static json *read_as(const char *body, const json *row, const char *const *members,
                     hubless_error *err) {
    pieces all = {.count = 0};
    for (; *members != NULL; members++) {
        const char *hex = json_get_text(row, *members);
        CHECK(hex != NULL);
        pieces_add_hex(&all, hex == NULL ? "" : hex);
    }
    json *said = bridge_read(body, &all, err);
    pieces_free(&all);
    return said;
}

/* Checks that a refusal is the one that a row says. */
static int is_refused(const json *said, const hubless_error *err, const json *wanted) {
    const char *kind = json_get_text(wanted, "kind"), *code = json_get_text(wanted, "code");
    const char *field = json_get_text(wanted, "field");
    return said == NULL && kind != NULL && suite_is(err->name, kind) &&
           suite_is(err->code, code == NULL ? "" : code) &&
           (json_get(wanted, "field") == NULL || suite_is(err->field, field == NULL ? "" : field));
}

/* Checks that all that was read stands in the row; so many members. */
static int is_said(const json *said, const json *row, size_t members) {
    int all = said != NULL && said->count == members;
    for (size_t i = 0; all && i < members; i++) {
        const json *wanted = json_get(row, said->keys[i]);
        all = wanted != NULL && json_equal(wanted, said->items[i]);
    }
    return all;
}

/* Checks a row that either says what was read or, in `refused`, why not. */
static void check_read(const json *said, const hubless_error *err, const json *row,
                       size_t members) {
    const json *refused = json_get(row, "refused");
    if (refused != NULL && refused->type != JSON_NULL) {
        CHECK(is_refused(said, err, refused));
    } else {
        CHECK(is_said(said, row, members));
    }
}

static void check_record(const json *row) {
    static const char *const signed_by[] = {"signed", "signature", NULL};
    static const char *const signed_only[] = {"signed", NULL};
    char body[256];
    hubless_error err = HUBLESS_ERROR_INIT;
    snprintf(body, sizeof body, "{\"what\": \"%s\", \"nowMs\": %.0f}", json_get_text(row, "kind"),
             json_get_number(row, "nowMs", 0));
    json *said = read_as(body, row, signed_by, &err);
    check_read(said, &err, row, 5);
    json_free(said);
    said = read_as("{\"what\": \"digest\"}", row, signed_only, NULL);
    CHECK(is_said(said, row, 1));
    json_free(said);
    hubless_error_clear(&err);
}

static const char *const of_bytes[] = {"bytes", NULL};

static void check_frame(const json *row) {
    json *said = read_as("{\"what\": \"frames\"}", row, of_bytes, NULL);
    const json *frames = json_get(said, "frames");
    CHECK(frames != NULL && frames->count == 1);
    CHECK(frames != NULL && frames->count == 1 && is_said(frames->items[0], row, 3));
    json_free(said);
}

static void check_data(const json *row) {
    json *said = read_as("{\"what\": \"frames\"}", row, of_bytes, NULL);
    const json *frames = json_get(said, "frames");
    CHECK(frames != NULL && frames->count == 1);
    if (frames != NULL && frames->count == 1) {
        CHECK(json_equal(json_get(frames->items[0], "index"), json_get(row, "index")));
        CHECK(json_equal(json_get(frames->items[0], "chunk"), json_get(row, "chunk")));
    }
    json_free(said);
}

static void check_skipped(const json *row) {
    json *said = read_as("{\"what\": \"frames\"}", row, of_bytes, NULL);
    CHECK(json_get(said, "frames") != NULL && json_get(said, "frames")->count == 0);
    json_free(said);
}

static void check_no_frame(const json *row) {
    hubless_error err = HUBLESS_ERROR_INIT;
    json *said = read_as("{\"what\": \"frames\"}", row, of_bytes, &err);
    CHECK(is_refused(said, &err, row));
    json_free(said);
    hubless_error_clear(&err);
}

static void check_key(const json *row) {
    static const char *const members[] = {"seed", "mesh", NULL};
    json *said = read_as("{\"what\": \"key\"}", row, members, NULL);
    CHECK(is_said(said, row, 5));
    json_free(said);
}

static void check_signature(const json *row) {
    static const char *const members[] = {"publicKey", "tag", "message", "signature", NULL};
    hubless_error err = HUBLESS_ERROR_INIT;
    json *said = read_as("{\"what\": \"signature\"}", row, members, &err);
    const json *valid = json_get(row, "valid");
    CHECK(valid != NULL && valid->flag == (said != NULL));
    CHECK(said != NULL || (err.kind == HUBLESS_AUTH && suite_is(err.code, "bad_signature")));
    json_free(said);
    hubless_error_clear(&err);
}

static void check_budget(const json *row) {
    static const char *const members[] = {"root", "nonce", NULL};
    json *said = read_as("{\"what\": \"budget\"}", row, members, NULL);
    CHECK(is_said(said, row, 2));
    json_free(said);
}

/* A row whose bytes are its text; `count`: members of the row that are said of it. */
static void check_text(const char *body, const json *row, size_t count) {
    pieces all = {.count = 0};
    hubless_error err = HUBLESS_ERROR_INIT;
    const char *text = json_get_text(row, "text");
    pieces_add(&all, text, strlen(text));
    json *said = bridge_read(body, &all, &err);
    check_read(said, &err, row, count);
    pieces_free(&all);
    json_free(said);
    hubless_error_clear(&err);
}

static void check_terms(const json *row) {
    check_text("{\"what\": \"terms\"}", row, 0);
}

static void check_code(const json *row) {
    check_text("{\"what\": \"redeem_code\"}", row, 5);
}

static void check_message(const json *row) {
    json *said = read_as("{\"what\": \"ledger\"}", row, of_bytes, NULL);
    CHECK(is_said(said, row, 1));
    json_free(said);
}

static void check_trip(const json *row) {
    static const char *const members[] = {"signed", "signature", NULL};
    hubless_error err = HUBLESS_ERROR_INIT;
    json *said = read_as("{\"what\": \"trip\"}", row, members, &err);
    check_read(said, &err, row, 1);
    json_free(said);
    hubless_error_clear(&err);
}

/* Lists of the files, by a function that checks one row, or the whole table at once. */
static const struct {
    const char *file, *list, *table;
    void (*check)(const json *row);
} lists[] = {
    {"records", "taken", NULL, check_record},
    {"records", "refused", NULL, check_record},
    {"frames", "types", "frame_types", NULL},
    {"frames", "taken", NULL, check_frame},
    {"frames", "data", NULL, check_data},
    {"frames", "skipped", NULL, check_skipped},
    {"frames", "refused", NULL, check_no_frame},
    {"identity", "keys", NULL, check_key},
    {"identity", "signatures", NULL, check_signature},
    {"killswitch", "budgets", NULL, check_budget},
    {"killswitch", "terms", NULL, check_terms},
    {"killswitch", "messages", NULL, check_message},
    {"killswitch", "trips", NULL, check_trip},
    {"killswitch", "codes", NULL, check_code},
    {"errors", "kinds", "kinds", NULL},
    {"codes", "codes", "codes", NULL},
};

/* Checks one list; how many rows were checked. */
static size_t checked(size_t which, const json *list) {
    char body[64];
    if (lists[which].check == NULL) {
        snprintf(body, sizeof body, "{\"what\": \"%s\"}", lists[which].table);
        json *said = bridge_read(body, NULL, NULL);
        CHECK(said != NULL && json_equal(json_get(said, lists[which].list), list));
        json_free(said);
        return list->count;
    }
    if (list->type == JSON_OBJECT) {
        lists[which].check(list);
        return 1;
    }
    size_t rows = 0;
    for (; rows < list->count; rows++) {
        lists[which].check(list->items[rows]);
    }
    return rows;
}

/* Checks the lists of a file; `elsewhere`: how many of its members are read elsewhere. */
static void check_file(const char *name, size_t elsewhere) {
    json *file = file_of(name);
    size_t known = 0;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (strcmp(lists[i].file, name) == 0) {
            const json *list = json_get(file, lists[i].list);
            size_t all = list == NULL ? 0 : list->type == JSON_OBJECT ? 1 : list->count;
            size_t rows = list == NULL ? 0 : checked(i, list);
            CHECK(rows > 0 && rows == all);
            known++;
        }
    }
    CHECK(file != NULL && file->count == known + elsewhere);
    json_free(file);
}

static void the_core_reads_what_the_vectors_say(void) {
    if (getenv("HUBLESS_VECTORS") == NULL) {
        suite_skip("HUBLESS_VECTORS is not set");
        return;
    }
    if (bridge() == NULL) {
        return;
    }
    /* A file that is new is to be read as well. */
    CHECK(files_there() == FILES);
    for (size_t i = 0; i < FILES; i++) {
        check_file(files[i].name, files[i].elsewhere);
    }
}

static void what_is_read_as_nothing_is_refused(void) {
    hubless_error err = HUBLESS_ERROR_INIT;
    pieces none = {.count = 0};
    if (bridge() == NULL) {
        return;
    }
    CHECK(bridge_read("{\"what\": \"odd\"}", &none, &err) == NULL && suite_is(err.field, "what"));
    CHECK(bridge_read("{\"what\": \"trip\"}", &none, &err) == NULL && suite_is(err.field, "bytes"));
    CHECK(bridge_read("{}", &none, &err) == NULL && err.kind == HUBLESS_INVALID_ARGUMENT);
    hubless_error_clear(&err);
}

const test reading_tests[] = {
    {"the core reads what the vectors say", the_core_reads_what_the_vectors_say},
    {"what is read as nothing is refused", what_is_read_as_nothing_is_refused},
    {NULL, NULL},
};
