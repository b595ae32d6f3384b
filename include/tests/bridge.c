/* The bridge itself: errors of every kind, bytes and texts there and back, operations that wait. */
#include "bridge.h"

#include <dlfcn.h>
#include <stdlib.h>

enum { LARGEST = 1 << 20 };

/* Longer than the suite: what ends before was ended. */
#define FOREVER "{\"ms\": 3600000}"

const bridge_functions *bridge(void) {
    static bridge_functions all;
    *(void **)&all.run = dlsym(RTLD_DEFAULT, "hubless_bridge_run");
    *(void **)&all.run_async = dlsym(RTLD_DEFAULT, "hubless_bridge_run_async");
    *(void **)&all.ask = dlsym(RTLD_DEFAULT, "hubless_bridge_ask");
    if (all.run == NULL || all.run_async == NULL || all.ask == NULL) {
        suite_skip("the library was built without the feature `testing`");
        return NULL;
    }
    return &all;
}

void pieces_add(pieces *to, const char *bytes, size_t len) {
    unsigned char *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    to->bytes[to->count++] = (hubless_bytes){copy, len};
}

void pieces_add_hex(pieces *to, const char *hex) {
    size_t len = strlen(hex) / 2;
    char *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (char)strtoul(digits, NULL, 16);
    }
    pieces_add(to, bytes, len);
    free(bytes);
}

void pieces_free(pieces *all) {
    while (all->count > 0) {
        free((void *)(uintptr_t)all->bytes[--all->count].data);
    }
}

static void on_read(hubless_status status, const hubless_bridge *said, const hubless_error *err,
                    void *user) {
    (void)err;
    CHECK(status == HUBLESS_OK);
    *(json **)user = json_parse(said->body.data, said->body.len);
}

json *bridge_read(const char *body, const pieces *all, hubless_error *err) {
    hubless_bridge given = {.size = sizeof given, .operation = HUBLESS_STR("bridge.read")};
    json *said = NULL;
    given.body = hubless_cstr(body);
    given.bytes = all == NULL ? NULL : all->bytes;
    given.byte_count = all == NULL ? 0 : all->count;
    hubless_status status = bridge()->run(suite_node(), &given, on_read, &said, err);
    CHECK((status == HUBLESS_OK) == (said != NULL));
    return said;
}

/* What an operation that is not waited for ended in. */
typedef struct {
    volatile int ended;
    hubless_status status;
    int is_right;
} end;

/* Whether an error is the one that was asked for. */
static int is_whole(const hubless_error *err, const json *kind, int rejected) {
    return suite_is(err->name, json_get_text(kind, "kind")) &&
           (int)err->kind == (int)json_get_number(kind, "c", 0) && err->rejected == rejected &&
           suite_is(err->code, "on_purpose") && suite_is(err->operation, "bridge") &&
           suite_same(err->message, HUBLESS_STR("gr\xc3\xbc\xc3\x9f" "e\0x")) &&
           suite_is(err->field, "content") && suite_is(err->limit_name, "JSON_DEPTH") &&
           err->limit_value == 64 && err->retry == HUBLESS_RETRY_AFTER &&
           err->retry_after_ms == 250 && suite_is(err->agent, "one") &&
           suite_is(err->origin, "ab") && suite_is(err->trace_id, "cd") &&
           suite_is(err->pointer, "/a/0") && err->candidate_count == 2 &&
           suite_is(err->candidates[1], "two");
}

static void on_thrown(hubless_status status, const hubless_bridge *said, const hubless_error *err,
                      void *user) {
    end *to = user;
    to->status = status;
    to->is_right = said == NULL && err->limit_value == 64 && suite_is(err->field, "content") &&
                   err->candidate_count == 2;
    suite_count(&to->ended);
}

static void thrown(const bridge_functions *by, const json *kind, int rejected) {
    char body[1024];
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_text *text = NULL;
    end async = {0, HUBLESS_OK, 0};
    int number = (int)json_get_number(kind, "c", 0);
    hubless_status wanted = rejected ? HUBLESS_REJECTED : (hubless_status)number;
    hubless_bridge given = {.size = sizeof given, .operation = HUBLESS_STR("bridge.throw")};
    snprintf(body, sizeof body,
             "{\"kind\": \"%s\", \"code\": \"on_purpose\", \"operation\": \"bridge\","
             " \"message\": \"gr\xc3\xbc\xc3\x9f" "e\\u0000x\", \"field\": \"content\","
             " \"limit\": {\"name\": \"JSON_DEPTH\", \"value\": 64}, \"retry\": {\"afterMs\": 250},"
             " \"agent\": \"one\", \"origin\": \"ab\", \"traceId\": \"cd\", \"pointer\": \"/a/0\","
             " \"candidates\": [\"one\", \"two\"], \"rejection\": %s}",
             json_get_text(kind, "kind"), rejected ? "true" : "false");
    given.body = hubless_cstr(body);
    CHECK(by->run(suite_node(), &given, on_thrown, &async, &err) == wanted);
    CHECK(is_whole(&err, kind, rejected) && suite_seen(&async.ended) == 0);
    CHECK(by->ask(given.operation, given.body, &text, &err) == wanted && text == NULL);
    CHECK(is_whole(&err, kind, rejected));
    CHECK(by->run_async(suite_node(), &given, on_thrown, &async, &err) == HUBLESS_OK);
    CHECK(suite_reaches(&async.ended, 1) && async.status == wanted && async.is_right);
    hubless_error_clear(&err);
}

static void every_kind_comes_back_as_it_was_thrown(void) {
    const bridge_functions *by = bridge();
    json *table = by == NULL ? NULL : bridge_read("{\"what\": \"kinds\"}", NULL, NULL);
    const json *kinds = json_get(table, "kinds");
    if (by == NULL) {
        return;
    }
    CHECK(kinds != NULL && kinds->count == HUBLESS_INTERNAL);
    for (size_t i = 0; kinds != NULL && i < kinds->count; i++) {
        thrown(by, kinds->items[i], 0);
        thrown(by, kinds->items[i], 1);
    }
    json_free(table);
}

static const char echoed[] =
    "{\"text\":\"a\\u0000b \xf0\x9f\x92\xb1 \xef\xbb\xbf\",\"deep\":[{\"n\":1.5,\"\":null}]}";

typedef struct {
    const pieces *sent;
    volatile int ended;
    int is_right;
} echo;

static void on_echo(hubless_status status, const hubless_bridge *said, const hubless_error *err,
                    void *user) {
    echo *to = user;
    (void)err;
    to->is_right = status == HUBLESS_OK && said->byte_count == to->sent->count;
    if (to->is_right) {
        json *back = json_parse(said->body.data, said->body.len);
        json *sent = json_parse_text(echoed);
        to->is_right = back != NULL && json_equal(back, sent);
        json_free(back);
        json_free(sent);
    }
    for (size_t i = 0; to->is_right && i < said->byte_count; i++) {
        const hubless_bytes *wanted = &to->sent->bytes[i];
        to->is_right = said->bytes[i].len == wanted->len &&
                       memcmp(said->bytes[i].data, wanted->data, wanted->len) == 0;
    }
    suite_count(&to->ended);
}

static void bytes_and_texts_come_back_as_they_went(void) {
    static const size_t sizes[] = {0, 1, 64 << 10, LARGEST};
    const bridge_functions *by = bridge();
    pieces sent = {.count = 0};
    echo back = {&sent, 0, 0};
    hubless_text *text = NULL;
    hubless_bridge given = {.size = sizeof given, .operation = HUBLESS_STR("bridge.echo")};
    if (by == NULL) {
        return;
    }
    char *bytes = malloc(LARGEST);
    for (size_t i = 0; i < LARGEST; i++) {
        bytes[i] = (char)(i % 251);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pieces_add(&sent, bytes, sizes[i]);
    }
    free(bytes);
    given.body = hubless_cstr(echoed);
    given.bytes = sent.bytes;
    given.byte_count = sent.count;
    CHECK(by->run(suite_node(), &given, on_echo, &back, NULL) == HUBLESS_OK);
    CHECK(suite_seen(&back.ended) == 1 && back.is_right);
    CHECK(by->run_async(suite_node(), &given, on_echo, &back, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&back.ended, 2) && back.is_right);
    CHECK(by->ask(given.operation, given.body, &text, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_text_get(text), echoed));
    hubless_text_free(text);
    pieces_free(&sent);
}

static void on_end(hubless_status status, const hubless_bridge *said, const hubless_error *err,
                   void *user) {
    end *to = user;
    (void)err;
    to->status = status;
    to->is_right = (said != NULL) == (status == HUBLESS_OK);
    suite_count(&to->ended);
}

static void a_sleep_holds_up_nothing_and_can_be_given_up(void) {
    const bridge_functions *by = bridge();
    end given_up = {0, HUBLESS_OK, 0}, closed = given_up, over = given_up;
    uint64_t ticket = 0;
    hubless_bridge sleeps = {.size = sizeof sleeps, .operation = HUBLESS_STR("bridge.sleep")};
    hubless_bridge echoes = {.size = sizeof echoes, .operation = HUBLESS_STR("bridge.echo")};
    if (by == NULL) {
        return;
    }
    hubless_node *node = suite_node();
    sleeps.body = HUBLESS_STR(FOREVER);
    echoes.body = HUBLESS_STR("{}");
    sleeps.ticket = &ticket;
    CHECK(by->run_async(node, &sleeps, on_end, &given_up, NULL) == HUBLESS_OK && ticket != 0);
    sleeps.ticket = NULL;
    CHECK(by->run_async(node, &sleeps, on_end, &closed, NULL) == HUBLESS_OK);
    /* What comes later is through meanwhile. */
    CHECK(by->run(node, &echoes, on_end, &over, NULL) == HUBLESS_OK && over.is_right);
    sleeps.body = HUBLESS_STR("{\"ms\": 1}");
    CHECK(by->run(node, &sleeps, on_end, &over, NULL) == HUBLESS_OK && over.is_right);
    CHECK(suite_seen(&given_up.ended) == 0 && suite_seen(&closed.ended) == 0);
    CHECK(hubless_cancel(node, ticket, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&given_up.ended, 1) && given_up.status == HUBLESS_CANCELLED);
    CHECK(given_up.is_right && suite_seen(&closed.ended) == 0);
    CHECK(hubless_node_close(node, 0) == HUBLESS_OK);
    CHECK(suite_reaches(&closed.ended, 1) && closed.status == HUBLESS_CLOSED && closed.is_right);
    CHECK(suite_reaches(&given_up.ended, 1));
    CHECK(by->run(node, &echoes, on_end, &over, NULL) == HUBLESS_INVALID_ARGUMENT);
}

const test bridge_tests[] = {
    {"every kind comes back as it was thrown", every_kind_comes_back_as_it_was_thrown},
    {"bytes and texts come back as they went", bytes_and_texts_come_back_as_they_went},
    {"a sleep holds up nothing and can be given up", a_sleep_holds_up_nothing_and_can_be_given_up},
    {NULL, NULL},
};
