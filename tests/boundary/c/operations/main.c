/* The C library under lists of operations: those that do what they should, and seeded mutations of
 * them. Whatever they are, each operation comes back with a status, each that began is told of its
 * end once, and nothing is left of them. `operations [cases [slowness]]`; `--list <hex>` runs one
 * list again; `--wrong` is the control of the tools that watch memory. */
#include "decode.h"
#include "seeds.h"

#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CASES = 150,
    OPERATIONS_MAX = 128,
    LIST_MAX = 64,
    SEEDS_MAX = 16,
    /* What a list may take, and its end; only proves that nothing hangs. */
    LIST_S = 60,
    END_MS = 30000,
    /* What begins a run has to succeed on a busy machine too: it is waited for so many times as
     * long, and ends as soon as it has. Mutations need not, and are to be many. */
    SEED_LIST_S = 240,
    SEED_PATIENCE = 400,
    HOME_BYTES = 4096,
};

typedef struct {
    unsigned char bytes[LIST_MAX * OPERATION_BYTES];
    size_t count;
} list;

static const operation *all[OPERATIONS_MAX];
static unsigned long succeeded[OPERATIONS_MAX];
static size_t operation_count;
static list begun[SEEDS_MAX];
static size_t begun_count;
static unsigned list_s = LIST_S;
static char home[HOME_BYTES];

static void collect(void) {
    const operation *const files[] = {life_operations, ask_operations, call_operations,
                                      keep_operations};
    for (size_t file = 0; file < sizeof files / sizeof files[0]; file++) {
        for (const operation *one = files[file]; one->name != NULL; one++) {
            all[operation_count++] = one;
        }
    }
}

static void finish(void) {
    uint64_t tries = 0, most = END_MS * slowness;
    /* Nodes that are starting come later than those that are there. */
    while (fail_calls(), close_nodes(), !all_ended()) {
        usleep(1000);
        if (++tries > most) {
            wrong("operations were not told of their end", (long)tries);
        }
    }
    forget_handles();
    while (hubless_handles() != 0) {
        usleep(1000);
        if (++tries > most) {
            wrong("handles are left", (long)hubless_handles());
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (operation_count == 0) {
        collect();
    }
    alarm(list_s * (unsigned)slowness);
    for (size_t at = 0; at + OPERATION_BYTES <= size && at < sizeof(begun[0].bytes);
         at += OPERATION_BYTES) {
        size_t index = data[at] % operation_count;
        running(all[index], data, size);
        count_into(&succeeded[index]);
        all[index]->run(data + at + 1);
        release_arguments();
    }
    finish();
    alarm(0);
    return 0;
}

static unsigned char code_of(const char *name) {
    for (size_t i = 0; i < operation_count; i++) {
        if (strcmp(all[i]->name, name) == 0) {
            return (unsigned char)i;
        }
    }
    wrong(name, 0);
    return 0;
}

static void read_seeds(void) {
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        list *to = &begun[begun_count];
        if (seeds[i].name == NULL) {
            begun_count++;
            continue;
        }
        unsigned char *at = to->bytes + to->count++ * OPERATION_BYTES;
        at[0] = code_of(seeds[i].name);
        memcpy(at + 1, seeds[i].arg, sizeof seeds[i].arg);
    }
}

/* A small generator of numbers (splitmix64): the same seed gives the same lists. */
static uint64_t numbers;

static size_t below(size_t end) {
    numbers += 0x9e3779b97f4a7c15u;
    uint64_t mixed = numbers;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return (size_t)((mixed ^ (mixed >> 31)) % end);
}

static void mutate(list *one) {
    unsigned char *at = one->bytes + below(one->count) * OPERATION_BYTES;
    size_t rest = (size_t)(one->bytes + one->count * OPERATION_BYTES - at);
    const list *other = &begun[below(begun_count)];
    const unsigned char *piece = other->bytes + below(other->count) * OPERATION_BYTES;
    switch (below(5)) {
    case 0: /* another argument: a small one mostly, those have a meaning each */
        at[1 + below(OPERATION_BYTES - 1)] = (unsigned char)below(below(2) ? 16 : 256);
        break;
    case 1: /* another operation, with the same arguments */
        at[0] = (unsigned char)below(operation_count);
        break;
    case 2: /* once more: what was freed is used again */
    case 3: /* one of another list */
        if (one->count < LIST_MAX) {
            memmove(at + OPERATION_BYTES, at, rest);
            if (below(2)) {
                memcpy(at, piece, OPERATION_BYTES);
            }
            one->count++;
        }
        break;
    default: /* one less */
        if (one->count > 1) {
            memmove(at, at + OPERATION_BYTES, rest - OPERATION_BYTES);
            one->count--;
        }
    }
}

static void on_alarm(int number) { wrong("an operation, or the end of a list, hangs", number); }

/* Every operation is to come behind its first checks somewhere. */
static int never_succeeded(void) {
    int missing = 0;
    for (size_t i = 0; i < operation_count; i++) {
        if (succeeded[i] == 0 && !all[i]->hopeless) {
            printf("    %s has never succeeded\n", all[i]->name);
            missing++;
        }
    }
    return missing;
}

/* One list again, from the hex that `wrong` printed. */
static int again(const char *hex) {
    list one = {.count = strlen(hex) / 2 / OPERATION_BYTES};
    if (one.count > LIST_MAX) {
        return 2;
    }
    for (size_t i = 0; i < one.count * OPERATION_BYTES; i++) {
        unsigned byte = 0;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1) {
            return 2;
        }
        one.bytes[i] = (unsigned char)byte;
    }
    for (size_t i = 0; i < one.count; i++) {
        const unsigned char *at = one.bytes + i * OPERATION_BYTES;
        printf("%s(%d, %d, %d, %d, %d, %d, %d)\n", all[at[0] % operation_count]->name, at[1], at[2],
               at[3], at[4], at[5], at[6], at[7]);
    }
    return LLVMFuzzerTestOneInput(one.bytes, one.count * OPERATION_BYTES);
}

static int read_freed(void) {
    /* Read anew at each use, so that the compiler does not see it. */
    char *volatile gone = calloc(8, 1);
    free(gone);
    return gone[0] == 1;
}

static int all_lists(long cases) {
    read_seeds();
    patience = SEED_PATIENCE;
    list_s = SEED_LIST_S;
    for (size_t i = 0; i < begun_count; i++) {
        LLVMFuzzerTestOneInput(begun[i].bytes, begun[i].count * OPERATION_BYTES);
    }
    patience = 1;
    list_s = LIST_S;
    for (long number = 0; number < cases; number++) {
        numbers = (uint64_t)number;
        list one = begun[below(begun_count)];
        for (size_t times = (size_t)1 << below(5); times > 0; times--) {
            mutate(&one);
        }
        LLVMFuzzerTestOneInput(one.bytes, one.count * OPERATION_BYTES);
    }
    return never_succeeded();
}

static int make_home(void) {
    const char *folder = getenv("TMPDIR");
    int length = snprintf(home, sizeof home, "%s/hubless-operations-XXXXXX",
                          folder == NULL || *folder == '\0' ? "/tmp" : folder);
    if (length >= (int)sizeof home || mkdtemp(home) == NULL) {
        home[0] = '\0';
        return 0;
    }
    setenv("HUBLESS_HOME", home, 1);
    return 1;
}

/* In another process, since what hangs may hold the lock of `malloc`. */
void remove_home(void) {
    char *command[] = {"rm", "-rf", "--", home, NULL};
    pid_t remover = 0;
    int status = 1;
    if (home[0] == '\0') {
        return;
    }
    if (posix_spawnp(&remover, command[0], NULL, NULL, command, environ) == 0) {
        waitpid(remover, &status, 0);
    }
    if (status != 0) {
        fprintf(stderr, "could not remove %s\n", home);
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--wrong") == 0) {
        return read_freed();
    }
    long cases = argc > 1 ? atol(argv[1]) : CASES;
    int listed = argc > 2 && strcmp(argv[1], "--list") == 0;
    if (argc > 2 && !listed) {
        slowness = strtoull(argv[2], NULL, 10);
    }
    if (!make_home()) {
        perror("no home was made");
        return 1;
    }
    signal(SIGALRM, on_alarm);
    collect();
    int missing = listed ? again(argv[2]) : all_lists(cases);
    remove_home();
    printf("%zu lists and %ld mutations of %zu operations\n", begun_count, cases, operation_count);
    printf("%d passed, %d failed, 0 skipped\n", missing == 0, missing);
    return missing != 0;
}
