/* Counts what a process copies and allocates, by standing before the C library (LD_PRELOAD): calls
 * of memcpy and memmove by size, and calls of malloc and its kin. The counts are in a file of the
 * folder HUBLESS_COUNTS, named by the process, which whoever measures reads before and after. For
 * x86-64 and glibc. What it cannot see stands in tests/bench/BENCH.md. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Copies of at least so many bytes, each in a count of its own; the last count is allocations. */
static const size_t sizes[] = {64, 1024, 65536};
enum { SIZES = sizeof sizes / sizeof sizes[0], COUNTS = SIZES + 1, PATH_BYTES = 4096 };

static uint64_t early[COUNTS];
static uint64_t *counts = early;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("HUBLESS_COUNTS");
    char path[PATH_BYTES];
    if (folder == NULL) {
        return;
    }
    snprintf(path, sizeof path, "%s/%ld", folder, (long)getpid());
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof early) != 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof early, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) {
        counts = mapped;
    }
}

static void copied(size_t bytes) {
    for (size_t i = 0; i < SIZES && bytes >= sizes[i]; i++) {
        __atomic_fetch_add(&counts[i], 1, __ATOMIC_RELAXED);
    }
}

static void allocated(void) { __atomic_fetch_add(&counts[SIZES], 1, __ATOMIC_RELAXED); }

/* The instruction itself: in C the compiler would make a call of memcpy of it. */
static void forwards(void *to, const void *from, size_t bytes) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static void backwards(void *to, const void *from, size_t bytes) {
    char *last_to = (char *)to + bytes - 1;
    const char *last_from = (const char *)from + bytes - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld"
                     : "+D"(last_to), "+S"(last_from), "+c"(bytes)
                     :
                     : "memory", "cc");
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    copied(bytes);
    forwards(to, from, bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
    copied(bytes);
    if ((uintptr_t)to - (uintptr_t)from < bytes && bytes > 0) {
        backwards(to, from, bytes);
    } else {
        forwards(to, from, bytes);
    }
    return to;
}

/* As programs call them that were built with _FORTIFY_SOURCE. */
void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room) {
    return bytes > room ? (abort(), NULL) : memcpy(to, from, bytes);
}

void *__memmove_chk(void *to, const void *from, size_t bytes, size_t room) {
    return bytes > room ? (abort(), NULL) : memmove(to, from, bytes);
}

void *malloc(size_t bytes) {
    allocated();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    allocated();
    return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) {
    allocated();
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    allocated();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **made, size_t alignment, size_t bytes) {
    allocated();
    *made = __libc_memalign(alignment, bytes);
    return *made == NULL ? ENOMEM : 0;
}
