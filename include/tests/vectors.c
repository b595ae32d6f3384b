/* The vectors that every language runs. */
#include "suite.h"

#include "support/json.h"

#include <stdlib.h>

static json *vectors(void) {
    const char *folder = getenv("HUBLESS_VECTORS");
    char path[4096], *text = NULL;
    if (folder == NULL) {
        suite_skip("HUBLESS_VECTORS is not set");
        return NULL;
    }
    snprintf(path, sizeof path, "%s/identity.json", folder);
    FILE *file = fopen(path, "rb");
    size_t room = 1 << 20, count;
    if (file == NULL) {
        suite_fail(__FILE__, __LINE__, "identity.json");
        return NULL;
    }
    text = malloc(room);
    count = fread(text, 1, room, file);
    fclose(file);
    json *read = json_parse(text, count);
    free(text);
    return read;
}

static void check_row(const char *kind, const json *row) {
    hubless_text *out = NULL, *read = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    const char *input = json_get_text(row, "input"), *code = json_get_text(row, "code");
    hubless_str given = hubless_cstr(input);
    /* The one row with a NUL inside, which a C string cannot tell. */
    given.len += code != NULL && strcmp(input, "a") == 0;
    hubless_status status =
        hubless_inspect(hubless_cstr(kind), given, hubless_cstr(NULL), &out, &err);
    if (code != NULL) {
        CHECK(status == HUBLESS_INVALID_ARGUMENT);
        /* The library's own check of texts comes first. */
        CHECK(suite_is(err.code, code) || suite_is(err.field, "value"));
    } else {
        CHECK(status == HUBLESS_OK);
        CHECK(hubless_json_get(hubless_text_get(out), HUBLESS_STR("/text"), &read, NULL) == 0);
        CHECK(suite_is(hubless_text_get(read), json_get_text(row, "text")));
        hubless_text_free(read);
        hubless_text_free(out);
    }
    hubless_error_clear(&err);
}

static void texts_read_as_the_vectors_say(void) {
    static const char *const lists[][2] = {
        {"agentIds", "agentId"}, {"nodeKeys", "nodeKey"}, {"meshIds", "meshId"},
        {"addresses", "address"}, {"names", "name"}, {"targets", "target"}};
    json *all = vectors();
    for (size_t list = 0; all != NULL && list < sizeof lists / sizeof lists[0]; list++) {
        const json *rows = json_get(all, lists[list][0]);
        CHECK(rows != NULL && rows->count > 0);
        for (size_t i = 0; rows != NULL && i < rows->count; i++) {
            check_row(lists[list][1], rows->items[i]);
        }
    }
    json_free(all);
}

static void keys_have_the_addresses_of_the_vectors(void) {
    json *all = vectors();
    const json *keys = json_get(all, "keys");
    for (size_t i = 0; keys != NULL && i < keys->count; i++) {
        hubless_text *out = NULL, *key = NULL, *address = NULL;
        const json *row = keys->items[i];
        CHECK(hubless_inspect(HUBLESS_STR("agentId"), hubless_cstr(json_get_text(row, "agentId")),
                              hubless_cstr(json_get_text(row, "mesh")), &out, NULL) == HUBLESS_OK);
        CHECK(hubless_json_get(hubless_text_get(out), HUBLESS_STR("/key"), &key, NULL) == 0);
        CHECK(!hubless_json_get(hubless_text_get(out), HUBLESS_STR("/address"), &address, NULL));
        CHECK(suite_is(hubless_text_get(key), json_get_text(row, "publicKey")));
        CHECK(suite_is(hubless_text_get(address), json_get_text(row, "address")));
        hubless_text_free(out);
        hubless_text_free(key);
        hubless_text_free(address);
    }
    json_free(all);
}

static void every_bound_is_told(void) {
    hubless_text *out = NULL;
    CHECK(hubless_limits(&out, NULL) == HUBLESS_OK);
    hubless_str text = hubless_text_get(out);
    json *told = json_parse(text.data, text.len);
    const char *folder = getenv("HUBLESS_VECTORS");
    char path[4096], line[512], name[128];
    size_t count = 0;
    if (folder == NULL) {
        suite_skip("HUBLESS_VECTORS is not set");
        return;
    }
    snprintf(path, sizeof path, "%s/../../../core/proto/src/limits.rs", folder);
    FILE *table = fopen(path, "r");
    CHECK(table != NULL);
    /* The table of the core: a name in capitals, its type, its value. */
    while (table != NULL && fgets(line, sizeof line, table) != NULL) {
        if (sscanf(line, "    %127[A-Z0-9_]: ", name) == 1 && strstr(line, " = ") != NULL) {
            CHECK(json_get(told, name) != NULL);
            count++;
        }
    }
    fclose(table);
    CHECK(count >= 100 && told != NULL && told->count == count);
    CHECK(json_get_number(told, "DEADLINE", 0) == 60000);
    CHECK(json_get_number(told, "CALL_DEPTH", 0) == 16);
    json_free(told);
    hubless_text_free(out);
}

const test vector_tests[] = {
    {"texts read as the vectors say", texts_read_as_the_vectors_say},
    {"keys have the addresses of the vectors", keys_have_the_addresses_of_the_vectors},
    {"every bound is told", every_bound_is_told},
    {NULL, NULL},
};
