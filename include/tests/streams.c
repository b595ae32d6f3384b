/* Streamed answers, streamed parts, and searches that go on. */
#include "suite.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    volatile int chunks, notes, ended;
    hubless_status status;
    char text[256];
} seen;

static void on_event(const hubless_event *event, void *user) {
    seen *all = user;
    if (event->kind == HUBLESS_EVENT_CHUNK) {
        if (event->text.len > 0) {
            strncat(all->text, event->text.data, event->text.len);
        }
        all->chunks++;
    } else if (event->kind == HUBLESS_EVENT_PROGRESS) {
        all->notes++;
    } else if (event->kind == HUBLESS_EVENT_FINAL) {
        hubless_reply_free(event->reply);
        all->ended++;
    } else if (event->kind == HUBLESS_EVENT_FAILED) {
        all->status = event->status;
        all->ended++;
    }
}

/* In a callback: chunks queue up, nothing waits. */
static void on_count(hubless_call *call, void *user) {
    (void)user;
    for (int i = 0; i < 40; i++) {
        char letter[2] = {(char)('a' + i % 26), '\0'};
        hubless_content chunk = hubless_content_text(hubless_cstr(letter));
        CHECK(hubless_call_chunk(call, &chunk, -1, NULL) == HUBLESS_OK);
    }
    hubless_call_progress(call, HUBLESS_STR("half"), 0.5, NULL);
    hubless_call_jsonf(call, "{\"n\": 40}");
}

static void a_streamed_answer_comes_in_order(void) {
    seen all = {.status = HUBLESS_OK};
    suite_agent("count", on_count, NULL);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    CHECK(hubless_stream(suite_node(), HUBLESS_STR("count"), &content, NULL, on_event, &all,
                         NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1));
    CHECK(all.chunks == 40 && all.notes == 1 && all.status == HUBLESS_OK);
    CHECK(strcmp(all.text, "abcdefghijklmnopqrstuvwxyzabcdefghijklmn") == 0);
}

static void on_parts(hubless_call *call, void *user) {
    hubless_part parts[3] = {
        {.size = sizeof parts[0], .kind = HUBLESS_PART_TEXT, .text = HUBLESS_STR("a")},
        {.size = sizeof parts[0], .kind = HUBLESS_PART_JSON, .text = HUBLESS_STR("1")},
        {.size = sizeof parts[0], .kind = HUBLESS_PART_TEXT, .text = HUBLESS_STR("b")},
    };
    hubless_content piece = {.size = sizeof piece, .parts = parts, .part_count = 3};
    hubless_content none = {.size = sizeof none};
    hubless_content odd = hubless_content_text(HUBLESS_STR("x"));
    hubless_error err = HUBLESS_ERROR_INIT;
    (void)user;
    odd.metadata_json = HUBLESS_STR("{\"of\": \"all\"}");
    CHECK(hubless_call_chunk(call, &none, -1, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "content"));
    CHECK(hubless_call_chunk(call, &odd, -1, &err) == HUBLESS_INVALID_ARGUMENT);
    CHECK(suite_is(err.field, "metadata"));
    hubless_error_clear(&err);
    CHECK(hubless_call_chunk(call, &piece, -1, NULL) == HUBLESS_OK);
    CHECK(hubless_call_chunk(call, &piece, -1, NULL) == HUBLESS_OK);
    CHECK(hubless_call_final(call, NULL, NULL) == HUBLESS_OK);
}

static void a_piece_of_several_parts_comes_as_several_pieces(void) {
    seen all = {.status = HUBLESS_OK};
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_reply *reply = NULL;
    hubless_reply_info info = {.size = sizeof info};
    suite_agent("parts", on_parts, NULL);
    CHECK(hubless_stream(suite_node(), HUBLESS_STR("parts"), &content, NULL, on_event, &all,
                         NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1));
    CHECK(all.chunks == 6 && all.status == HUBLESS_OK);
    /* The text that goes on is that of the next piece; parts of one piece stay what they are. */
    CHECK(suite_ask("parts", "x", &reply, NULL) == HUBLESS_OK);
    CHECK(hubless_reply_get(reply, &info, NULL) == HUBLESS_OK && info.content.part_count == 5);
    CHECK(info.content.part_count == 5 && suite_is(info.content.parts[2].text, "ba"));
    hubless_reply_free(reply);
}

/* A reader whose callback does not return holds the callee back; then both go on. */

/* Looks after which a sender that sent nothing meanwhile is held back. */
enum { PIECES = 600, PIECE_SIZE = 10000, STILL = 10 };

typedef struct {
    volatile int sent, read, gone_on, ended;
    pthread_t sender;
} pace;

static pace pacing;

static void *send_pieces(void *user) {
    hubless_call *call = user;
    char *piece = malloc(PIECE_SIZE);
    memset(piece, 'x', PIECE_SIZE);
    hubless_content chunk = hubless_content_text((hubless_str){piece, PIECE_SIZE});
    for (int i = 0; i < PIECES; i++) {
        CHECK(hubless_call_chunk(call, &chunk, 0, NULL) == HUBLESS_OK);
        suite_count(&pacing.sent);
    }
    CHECK(hubless_call_final(call, NULL, NULL) == HUBLESS_OK);
    free(piece);
    return NULL;
}

static void on_pieces(hubless_call *call, void *user) {
    (void)user;
    CHECK(pthread_create(&pacing.sender, NULL, send_pieces, call) == 0);
}

static void on_piece(const hubless_event *event, void *user) {
    (void)user;
    if (event->kind == HUBLESS_EVENT_CHUNK) {
        pacing.read++;
        CHECK(suite_reaches(&pacing.gone_on, 1));
    } else if (event->kind == HUBLESS_EVENT_FINAL || event->kind == HUBLESS_EVENT_FAILED) {
        CHECK(event->kind == HUBLESS_EVENT_FINAL);
        hubless_reply_free(event->reply);
        suite_count(&pacing.ended);
    }
}

static void a_slow_reader_holds_its_callee_back(void) {
    hubless_node *reads = suite_node(), *sends = suite_other_node();
    hubless_agent_options options = hubless_agent_named("sends", on_pieces, NULL);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = SUITE_PATIENCE_MS};
    int before = -1, still = 0;
    memset(&pacing, 0, sizeof pacing);
    CHECK(hubless_register(sends, &options, NULL, NULL) == HUBLESS_OK);
    CHECK(hubless_stream(reads, HUBLESS_STR("sends"), &content, &asked, on_piece, NULL, NULL) ==
          HUBLESS_OK);
    /* Until it stands still for a while; the first piece may be long in coming. */
    const double end = suite_ms() + SUITE_PATIENCE_MS;
    for (; still < STILL && suite_ms() < end; usleep(50000)) {
        const int now = suite_seen(&pacing.sent);
        still = now > 0 && now == before ? still + 1 : 0;
        before = now;
    }
    CHECK(still == STILL && before < PIECES / 2);
    __atomic_store_n(&pacing.gone_on, 1, __ATOMIC_SEQ_CST);
    CHECK(suite_reaches(&pacing.ended, 1));
    CHECK(pacing.sent == PIECES && pacing.read == PIECES);
    pthread_join(pacing.sender, NULL);
}

/* A callback that sends and sends is told when too much waits, and loses nothing of it. */

typedef struct {
    int sent;
    volatile int read, ended;
} flood;

static void on_flood(hubless_call *call, void *user) {
    flood *of = user;
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_content piece = hubless_content_text(HUBLESS_STR("x"));
    while (of->sent < 100000 && hubless_call_chunk(call, &piece, -1, &err) == HUBLESS_OK) {
        of->sent++;
    }
    CHECK(err.kind == HUBLESS_BUSY && suite_is(err.limit_name, "CALLBACK_CHUNKS"));
    /* That one was taken may be told after its reader has had it. */
    CHECK((uint64_t)of->sent > err.limit_value / 2 && (uint64_t)of->sent <= err.limit_value);
    hubless_error_clear(&err);
    CHECK(hubless_call_final(call, NULL, NULL) == HUBLESS_OK);
}

static void on_flooded(const hubless_event *event, void *user) {
    flood *of = user;
    if (event->kind == HUBLESS_EVENT_CHUNK) {
        of->read += (int)event->text.len;
    } else if (event->kind == HUBLESS_EVENT_FINAL || event->kind == HUBLESS_EVENT_FAILED) {
        CHECK(event->kind == HUBLESS_EVENT_FINAL);
        hubless_reply_free(event->reply);
        suite_count(&of->ended);
    }
}

static void a_callback_that_sends_too_much_is_told(void) {
    flood of = {0, 0, 0};
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    suite_agent("floods", on_flood, &of);
    for (int round = 1; round <= 2; round++) {
        /* What was taken counts no more. */
        of.sent = of.read = 0;
        CHECK(hubless_stream(suite_node(), HUBLESS_STR("floods"), &content, NULL, on_flooded, &of,
                             NULL) == HUBLESS_OK);
        CHECK(suite_reaches(&of.ended, round) && of.read == of.sent);
    }
}

static void on_nothing(hubless_call *call, void *user) {
    (void)call;
    (void)user;
}

/* A call that never ends by itself. */
typedef struct {
    volatile int begun, reason;
} stopped;

static void on_begun(hubless_call *call, void *user) {
    (void)call;
    suite_count(&((stopped *)user)->begun);
}

static void on_cancel(hubless_call *call, hubless_status reason, void *user) {
    ((stopped *)user)->reason = (int)reason;
    hubless_call_final(call, NULL, NULL);
}

static void a_stream_is_cancelled_by_its_ticket(void) {
    seen all = {.status = HUBLESS_OK};
    stopped call = {0, 0};
    uint64_t ticket = 0;
    hubless_agent_options options = hubless_agent_named("slow", on_begun, &call);
    options.on_cancel = on_cancel;
    CHECK(hubless_register(suite_node(), &options, NULL, NULL) == HUBLESS_OK);
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .ticket = &ticket};
    CHECK(hubless_stream(suite_node(), HUBLESS_STR("slow"), &content, &asked, on_event, &all,
                         NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&call.begun, 1));
    CHECK(hubless_cancel(suite_node(), ticket, NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1));
    CHECK(all.status == HUBLESS_CANCELLED);
    CHECK(suite_reaches(&call.reason, HUBLESS_CANCELLED));
}

static void a_refused_stream_ends_once(void) {
    seen all = {.status = HUBLESS_OK};
    hubless_content content = hubless_content_text(HUBLESS_STR("x"));
    hubless_request_options asked = {.size = sizeof asked, .wait_ms = -1};
    CHECK(hubless_stream(suite_node(), HUBLESS_STR("nobody"), &content, &asked, on_event, &all,
                         NULL) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1));
    /* Whatever would still be told is told by the end of its node. */
    CHECK(hubless_node_close(suite_node(), 0) == HUBLESS_OK);
    CHECK(all.ended == 1 && all.status != HUBLESS_OK);
}

enum { SIZE = 700000 };

static void *sum_body(void *user) {
    hubless_call *call = user;
    hubless_call_info info = {.size = sizeof info};
    hubless_error err = HUBLESS_ERROR_INIT;
    uint8_t piece[50000];
    size_t count = 0, size = 0;
    unsigned long sum = 0;
    hubless_call_get(call, &info, NULL);
    while (hubless_body_read(info.content.parts[0].body, piece, sizeof piece, &count, &err) ==
               HUBLESS_OK && count > 0) {
        size += count;
        for (size_t i = 0; i < count; i++) {
            sum += piece[i];
        }
    }
    if (err.kind == HUBLESS_OK) {
        hubless_call_jsonf(call, "{\"size\": %zu, \"sum\": %lu}", size, sum);
    } else {
        hubless_call_fail(call, (int)err.kind, err.code, err.message, NULL);
    }
    hubless_error_clear(&err);
    return NULL;
}

static void on_sum(hubless_call *call, void *user) {
    (void)user;
    pthread_t thread;
    pthread_create(&thread, NULL, sum_body, call);
    pthread_detach(thread);
}

typedef struct {
    hubless_body *body;
    int fails;
} writing;

static void *write_body(void *user) {
    writing *what = user;
    uint8_t *bytes = malloc(SIZE);
    memset(bytes, 3, SIZE);
    hubless_body_write(what->body, (hubless_bytes){bytes, SIZE}, NULL);
    if (what->fails) {
        hubless_body_fail(what->body, HUBLESS_STR("gave up"), NULL);
    } else {
        hubless_body_end(what->body, NULL);
    }
    free(bytes);
    return NULL;
}

static hubless_status send_stream(int fails, hubless_reply **reply, hubless_error *err) {
    writing what = {NULL, fails};
    pthread_t writer;
    CHECK(hubless_body_open(suite_node(), &what.body, NULL) == HUBLESS_OK);
    hubless_part part = {.size = sizeof part, .kind = HUBLESS_PART_STREAM, .body = what.body,
                         .media_type = HUBLESS_STR("application/octet-stream")};
    hubless_content content = {.size = sizeof content, .parts = &part, .part_count = 1};
    pthread_create(&writer, NULL, write_body, &what);
    hubless_status status =
        hubless_request(suite_node(), HUBLESS_STR("sum"), &content, NULL, reply, err);
    pthread_join(writer, NULL);
    return status;
}

static void a_streamed_part_is_read_in_pieces(void) {
    hubless_reply *reply = NULL;
    suite_agent("sum", on_sum, NULL);
    CHECK(send_stream(0, &reply, NULL) == HUBLESS_OK);
    CHECK(suite_is(hubless_reply_value(reply, HUBLESS_STR("/size")), "700000"));
    CHECK(suite_is(hubless_reply_value(reply, HUBLESS_STR("/sum")), "2100000"));
    hubless_reply_free(reply);
}

static void a_part_that_is_given_up_fails_its_reader(void) {
    hubless_reply *reply = NULL;
    hubless_error err = HUBLESS_ERROR_INIT;
    suite_agent("sum", on_sum, NULL);
    CHECK(send_stream(1, &reply, &err) == HUBLESS_REJECTED);
    CHECK(err.kind == HUBLESS_TRANSPORT);
    hubless_error_clear(&err);
}

typedef struct {
    volatile int arrived, departed, ended;
} changes;

static void on_change(int kind, const hubless_found *found, void *user) {
    changes *all = user;
    if (kind == HUBLESS_CHANGE_END) {
        suite_count(&all->ended);
    } else if (found != NULL && suite_is(found->name, "late")) {
        __atomic_add_fetch(kind == HUBLESS_CHANGE_DEPARTED ? &all->departed : &all->arrived, 1,
                           __ATOMIC_SEQ_CST);
    }
}

static void a_watch_tells_who_comes_and_goes(void) {
    changes all = {0, 0, 0};
    hubless_watch *watch = NULL;
    hubless_query query = {.size = sizeof query, .text = HUBLESS_STR("late")};
    CHECK(hubless_watch_start(suite_node(), &query, on_change, &all, &watch, NULL) == HUBLESS_OK);
    hubless_agent *agent = suite_agent("late", on_nothing, NULL);
    CHECK(suite_reaches(&all.arrived, 1));
    CHECK(hubless_agent_free(agent) == HUBLESS_OK);
    CHECK(suite_reaches(&all.departed, 1));
    CHECK(hubless_watch_free(watch) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1));
    CHECK(hubless_watch_free(watch) == HUBLESS_INVALID_ARGUMENT);
}

static void a_discovery_tells_each_once(void) {
    changes all = {0, 0, 0};
    hubless_watch *watch = NULL;
    hubless_query query = {.size = sizeof query, .text = HUBLESS_STR("late")};
    CHECK(hubless_discover(suite_node(), &query, on_change, &all, &watch, NULL) == HUBLESS_OK);
    suite_agent("late", on_nothing, NULL);
    CHECK(suite_reaches(&all.arrived, 1));
    CHECK(hubless_watch_free(watch) == HUBLESS_OK);
    CHECK(suite_reaches(&all.ended, 1));
}

const test stream_tests[] = {
    {"a streamed answer comes in order", a_streamed_answer_comes_in_order},
    {"a piece of several parts comes as several pieces",
     a_piece_of_several_parts_comes_as_several_pieces},
    {"a slow reader holds its callee back", a_slow_reader_holds_its_callee_back},
    {"a callback that sends too much is told", a_callback_that_sends_too_much_is_told},
    {"a stream is cancelled by its ticket", a_stream_is_cancelled_by_its_ticket},
    {"a refused stream ends once", a_refused_stream_ends_once},
    {"a streamed part is read in pieces", a_streamed_part_is_read_in_pieces},
    {"a part that is given up fails its reader", a_part_that_is_given_up_fails_its_reader},
    {"a watch tells who comes and goes", a_watch_tells_who_comes_and_goes},
    {"a discovery tells each once", a_discovery_tells_each_once},
    {NULL, NULL},
};
