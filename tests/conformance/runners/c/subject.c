/* The table of subject agents, and how their calls start. */
#include "subject.h"

#include "behaviour.h"
#include "endurance.h"
#include "support/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void (*behaviour)(hubless_call *call, const hubless_call_info *info);

typedef struct {
    const char *name;
    behaviour run;
    const char *options; /* further fields of `register` */
    const char *skill;   /* a skill, or NULL */
    const char *skills;  /* several, or NULL */
    const char *requirements;
    int isolated;
    int stored; /* its key is kept, under its name */
    int at_once; /* runs on the thread that it is called on, which others wait for */
    hubless_on_auth on_auth;
    hubless_on_count on_count;
    atomic_long runs;
    atomic_long cancelled;
} subject;

static void run_stats(hubless_call *call, const hubless_call_info *info);

/* How long `guarded` looks at the credential `slowly`. */
enum { SLOWLY_S = 1 };

static int is(hubless_str text, const char *wanted) {
    return text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
}

/* Lets in; not on the library's own thread, which others wait for. */
static void *let_in_slowly(void *question) {
    nanosleep(&(struct timespec){.tv_sec = SLOWLY_S}, NULL);
    hubless_auth_verdict(question, 1, 0, NULL);
    return NULL;
}

static void on_auth(hubless_question *question, const hubless_auth_check *check, void *user) {
    (void)user;
    int known = is(check->scheme, "custom");
    pthread_t thread;
    if (known && is(check->credential, "slowly") &&
        pthread_create(&thread, NULL, let_in_slowly, question) == 0) {
        pthread_detach(thread);
        return;
    }
    hubless_auth_verdict(question, known && is(check->credential, "letmein"), 0, NULL);
}

static void on_count(hubless_question *question, const hubless_str *texts, size_t count,
                     void *user) {
    (void)user;
    uint64_t words = 0;
    for (size_t i = 0; i < count; i++) {
        int inside = 0;
        for (size_t at = 0; at < texts[i].len; at++) {
            int letter = texts[i].data[at] != ' ';
            words += letter && !inside;
            inside = letter;
        }
    }
    hubless_count_result(question, words, NULL);
}

static void *on_create(void *user) {
    (void)user;
    return calloc(1, sizeof(int));
}

static void on_destroy(void *instance, void *user) {
    (void)user;
    free(instance);
}

#define SUM_IN                                                                                     \
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},"                           \
    "\"b\":{\"type\":\"integer\"}},\"required\":[\"a\",\"b\"],\"additionalProperties\":false}"
#define SUM_OUT                                                                                    \
    "{\"type\":\"object\",\"properties\":{\"sum\":{\"type\":\"integer\"}},"                        \
    "\"required\":[\"sum\"]}"

/* Signed the tokens that `badge` takes. */
#define ROOT "97e92cbf815223ddc790124e79febc6a368b1fadda85b9c431a8bba5d59e5be8"

#define WIDE "{\"maxConcurrency\": 1024}"

static subject subjects[] = {
    {.name = "echo", .run = run_echo, .skill = "{\"id\": \"echo\", \"effect\": \"PURE\"}"},
    {.name = "sum", .run = run_sum,
     .skill = "{\"id\": \"sum\", \"effect\": \"PURE\", \"inputSchema\": " SUM_IN
              ", \"outputSchema\": " SUM_OUT "}"},
    {.name = "context", .run = run_context},
    {.name = "templated", .run = run_context,
     .options =
         "{\"requestTemplate\": {\"context\": {\"explanation\": \"of the descriptor\"}}}"},
    {.name = "rates", .run = run_ok,
     .skill = "{\"id\": \"rates\", \"attributes\": {\"pair\": [\"EUR/USD\"], \"period\": "
              "{\"interval\": {\"from\": \"2021-01-01\", \"to\": \"2024-12-31\"}}, "
              "\"resolution_s\": 60}}"},
    {.name = "digest", .run = run_digest,
     .requirements = "{\"maxRequestBytes\": 536870912, \"maxBinaryBytes\": 536870912}"},
    {.name = "make", .run = run_make},
    {.name = "count", .run = run_count, .options = "{\"streaming\": true}"},
    {.name = "slow", .run = run_slow},
    {.name = "secret", .run = run_in,
     .requirements = "{\"auth\": {\"sharedSecret\": \"open-sesame\"}}"},
    {.name = "badge", .run = run_in,
     .requirements = "{\"auth\": {\"token\": {\"root\": \"" ROOT "\", "
                     "\"facts\": {\"team\": \"finance\", \"level\": 3}}}}"},
    {.name = "guarded", .run = run_in, .on_auth = on_auth,
     .requirements = "{\"auth\": {\"host\": true}}"},
    {.name = "modelled", .run = run_ok,
     .options = "{\"contextProtocol\": \"pcp\", \"allowedModels\": {\"chat\": [\"small-1\"]}}"},
    {.name = "equipped", .run = run_ok, .options = "{\"needs\": {\"tools\": [\"add\"]}}"},
    {.name = "kept", .run = run_ok, .stored = 1},
    {.name = "textonly", .run = run_ok, .requirements = "{\"acceptedContent\": [\"text\"]}"},
    {.name = "frugal", .run = run_ok, .requirements = "{\"maxTokens\": 16}"},
    {.name = "counted", .run = run_ok, .on_count = on_count,
     .requirements = "{\"maxTokens\": 5, \"tokenCounter\": \"host\"}"},
    {.name = "single", .run = run_slow, .requirements = "{\"maxConcurrency\": 1, \"queue\": 0}"},
    {.name = "wide0", .run = run_ok, .requirements = WIDE},
    {.name = "wide1", .run = run_ok, .requirements = WIDE},
    {.name = "wide2", .run = run_ok, .requirements = WIDE},
    {.name = "wide3", .run = run_ok, .requirements = WIDE},
    {.name = "wide4", .run = run_ok, .requirements = WIDE},
    {.name = "wide5", .run = run_ok, .requirements = WIDE},
    {.name = "wide6", .run = run_ok, .requirements = WIDE},
    {.name = "wide7", .run = run_ok, .requirements = WIDE},
    {.name = "wide8", .run = run_ok, .requirements = WIDE},
    {.name = "wide9", .run = run_ok, .requirements = WIDE},
    {.name = "private", .run = run_ok,
     .requirements = "{\"allowedCallers\": {\"principals\": [\"mesh:nobody\"]}}"},
    {.name = "members", .run = run_ok,
     .requirements = "{\"allowedCallers\": {\"principals\": [\"mesh:*\"]}}"},
    {.name = "hurried", .run = run_ok, .requirements = "{\"ratePerS\": 0.01, \"rateBurst\": 1}"},
    {.name = "small", .run = run_ok, .requirements = "{\"maxRequestBytes\": 2000}"},
    {.name = "lean", .run = run_ok, .requirements = "{\"maxBinaryBytes\": 1000}"},
    {.name = "dialogue", .run = run_ok, .requirements = "{\"requireConverse\": true}"},
    {.name = "plain", .run = run_ok, .requirements = "{\"allowCustomJson\": false}"},
    {.name = "sealed", .run = run_ok, .requirements = "{\"allowCustomContext\": false}"},
    {.name = "onepage", .run = run_ok, .requirements = "{\"allowMultiPageContext\": false}"},
    {.name = "unique", .run = run_ok, .requirements = "{\"allowAgentDuplication\": false}"},
    {.name = "strict", .run = run_ok,
     .requirements = "{\"auth\": {\"sharedSecret\": \"open-sesame\"}, \"maxRequestBytes\": 4000, "
                     "\"acceptedContent\": [\"text\"], \"requireConverse\": true, "
                     "\"allowCustomJson\": false, \"allowCustomContext\": false, "
                     "\"maxTokens\": 8}"},
    {.name = "fail", .run = run_fail},
    {.name = "refuse", .run = run_refuse},
    {.name = "decline", .run = run_decline},
    {.name = "tool", .run = run_tool},
    {.name = "badtool", .run = run_badtool},
    {.name = "eager", .run = run_eager},
    {.name = "fresh", .run = run_fresh, .isolated = 1},
    {.name = "once", .run = run_once,
     .skill = "{\"id\": \"once\", \"effect\": \"IDEMPOTENT\"}"},
    {.name = "wrong", .run = run_wrong,
     .skill = "{\"id\": \"wrong\", \"outputSchema\": {\"type\": \"object\", "
              "\"required\": [\"x\"]}}"},
    {.name = "ask", .run = run_ask},
    {.name = "nested", .run = run_nested},
    {.name = "visit", .run = run_visit},
    {.name = "alone", .run = run_nested, .requirements = "{\"reentrant\": false}"},
    {.name = "depth", .run = run_depth},
    {.name = "open", .run = run_depth, .requirements = "{\"allowExternalConnections\": true}"},
    {.name = "trace", .run = run_trace},
    {.name = "talk", .run = run_talk,
     .options = "{\"flags\": {\"recordsInteractionContext\": true}}"},
    {.name = "spender", .run = run_spender,
     .skill = "{\"id\": \"spend\", \"effect\": \"AT_MOST_ONCE\", \"spends\": \"tokens\"}"},
    {.name = "metered", .run = run_metered,
     .skill = "{\"id\": \"spend\", \"effect\": \"AT_MOST_ONCE\", \"spends\": \"tokens\"}"},
    {.name = "thrifty", .run = run_spender,
     .skill = "{\"id\": \"spend\", \"spends\": \"none\"}"},
    {.name = "silent", .run = run_ok, .skill = "{\"id\": \"silent\", \"spends\": \"tokens\"}"},
    {.name = "needy", .run = run_needy, .options = "{\"needs\": {\"grant\": \"required\"}}"},
    {.name = "pass", .run = run_pass},
    {.name = "clone", .run = run_pass, .isolated = 1},
    {.name = "stray", .run = run_stray},
    {.name = "pour", .run = run_pour, .options = "{\"streaming\": true}"},
    {.name = "hold", .run = run_hold, .at_once = 1},
    {.name = "usage", .run = run_usage},
    {.name = "pair", .run = run_skill, .skills = "[{\"id\": \"first\"}, {\"id\": \"second\"}]"},
    {.name = "whole", .run = run_skill,
     .skills = "[{\"id\": \"handle\"}, {\"id\": \"other\"}]"},
    {.name = "stats", .run = run_stats},
};

static const size_t subject_count = sizeof subjects / sizeof subjects[0];

static void run_stats(hubless_call *call, const hubless_call_info *info) {
    (void)info;
    json *out = json_new(JSON_OBJECT);
    json *runs = json_new(JSON_OBJECT), *cancelled = json_new(JSON_OBJECT);
    for (size_t i = 0; i < subject_count; i++) {
        json_set(runs, subjects[i].name, json_number((double)subjects[i].runs));
        json_set(cancelled, subjects[i].name, json_number((double)subjects[i].cancelled));
    }
    json_set(out, "runs", runs);
    json_set(out, "cancelled", cancelled);
    json_set(out, "poured", json_number((double)endurance_poured()));
    answer(call, out);
}

typedef struct {
    hubless_call *call;
    subject *of;
} job;

static void *run(void *argument) {
    job *work = argument;
    hubless_call_info info = {.size = sizeof info};
    if (hubless_call_get(work->call, &info, NULL) == HUBLESS_OK) {
        work->of->run(work->call, &info);
    }
    free(work);
    return NULL;
}

static void on_call(hubless_call *call, void *user) {
    subject *of = user;
    atomic_fetch_add(&of->runs, 1);
    job *work = malloc(sizeof *work);
    *work = (job){call, of};
    if (of->at_once) {
        run(work);
        return;
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, work) == 0) {
        pthread_detach(thread);
    } else {
        free(work);
        hubless_call_fail(call, HUBLESS_BUSY, HUBLESS_STR(""), HUBLESS_STR("no thread"), NULL);
    }
}

static void on_cancel(hubless_call *call, hubless_status reason, void *user) {
    (void)call;
    (void)reason;
    subject *of = user;
    atomic_fetch_add(&of->cancelled, 1);
    pthread_mutex_lock(&cancel_lock);
    pthread_cond_broadcast(&cancel_told);
    pthread_mutex_unlock(&cancel_lock);
}

int subject_register(hubless_node *node, const char *name) {
    behaviour_node = node;
    behaviour_prefix = name;
    for (size_t i = 0; i < subject_count; i++) {
        subject *of = &subjects[i];
        char full[80];
        snprintf(full, sizeof full, "%s.%s", name, of->name);
        hubless_error err = HUBLESS_ERROR_INIT;
        hubless_agent_options options = {
            .size = sizeof options, .name = hubless_cstr(full),
            .options_json = hubless_cstr(of->options), .skill_json = hubless_cstr(of->skill),
            .skills_json = hubless_cstr(of->skills),
            .requirements_json = hubless_cstr(of->requirements), .isolated = of->isolated,
            .identity = hubless_cstr(of->stored ? full : NULL),
            .on_call = on_call, .on_cancel = on_cancel, .on_auth = of->on_auth,
            .on_count = of->on_count, .on_create = of->isolated ? on_create : NULL,
            .on_destroy = of->isolated ? on_destroy : NULL, .user = of};
        if (hubless_register(node, &options, NULL, &err) != HUBLESS_OK) {
            fprintf(stderr, "%s: %.*s\n", full, (int)err.message.len, err.message.data);
            hubless_error_clear(&err);
            return 1;
        }
    }
    return 0;
}
