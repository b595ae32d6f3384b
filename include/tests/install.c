/* The library as it is installed: its names, its versions, and the ways in which it is found. */
#include "suite.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        suite_skip("the folders are not named; run it by make check");
    }
    return value;
}

static int shell(const char *command) {
    fflush(stdout);
    return system(command);
}

/* Whether a tool is missing; the test is skipped then. */
static int lacks(const char *tool) {
    static char reason[64];
    char command[64];
    snprintf(command, sizeof command, "command -v %s > /dev/null", tool);
    if (shell(command) == 0) {
        return 0;
    }
    snprintf(reason, sizeof reason, "%s is missing", tool);
    suite_skip(reason);
    return 1;
}

static void the_header_is_taken_as_cxx17(void) {
    char command[8192];
    const char *programs = setting("HUBLESS_PROGRAMS");
    if (programs == NULL) {
        return;
    }
    snprintf(command, sizeof command, "%s/header", programs);
    if (access(command, X_OK) != 0) {
        suite_skip("a C++ compiler is missing");
        return;
    }
    CHECK(shell(command) == 0);
}

static void the_library_has_its_versions(void) {
    /* By the name that programs are bound to, with nothing loaded anew. */
    void *library = dlopen("libhubless.so.0", RTLD_NOW | RTLD_NOLOAD);
    CHECK(library != NULL);
    if (library != NULL) {
        CHECK(dlsym(library, "hubless_request") == (void *)(uintptr_t)hubless_request);
        CHECK(dlvsym(library, "hubless_request", "HUBLESS_1") == NULL);
        CHECK(dlvsym(library, "hubless_request", "HUBLESS_0") != NULL);
        dlclose(library);
    }
}

static void the_library_exports_what_the_header_says(void) {
    const char *root = setting("HUBLESS_ROOT"), *programs = setting("HUBLESS_PROGRAMS");
    char command[8192];
    if (root == NULL || programs == NULL) {
        return;
    }
    if (lacks("nm")) {
        return;
    }
    /* Functions of the header that are not inline, against defined dynamic symbols. */
    snprintf(command, sizeof command,
             "nm -D --defined-only %s/libhubless.so | awk '$2 != \"A\" {print $3}'"
             " | sed 's/@.*//' | grep -vE '^hubless_(panic_now|bridge_[a-z_]+)$'"
             " | sort > %s/exported.txt;"
             " grep -oE '^[a-z].*\\bhubless_[a-z_0-9]+\\(' %s/include/hubless.h"
             " | grep -vE '^(static|typedef)' | grep -oE 'hubless_[a-z_0-9]+\\(' | tr -d '('"
             " | sort > %s/declared.txt;"
             " test $(wc -l < %s/declared.txt) -gt 70 && diff %s/declared.txt %s/exported.txt",
             programs, programs, root, programs, programs, programs, programs);
    CHECK(shell(command) == 0);
}

/* Installs into a folder of its own. */
static const char *installed(void) {
    static char prefix[64];
    char command[8192];
    const char *root = setting("HUBLESS_ROOT"), *programs = setting("HUBLESS_PROGRAMS");
    if (root == NULL || programs == NULL) {
        return NULL;
    }
    snprintf(prefix, sizeof prefix, "/tmp/hubless-c-prefix-XXXXXX");
    CHECK(mkdtemp(prefix) != NULL);
    snprintf(command, sizeof command,
             "make -s -C %s/include install PREFIX=%s OUT=%s > /dev/null", root, prefix, programs);
    CHECK(shell(command) == 0);
    return prefix;
}

static void removed(const char *prefix) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", prefix);
    CHECK(shell(command) == 0);
}

static void pkg_config_finds_the_library(void) {
    char command[8192];
    const char *prefix = installed();
    if (prefix == NULL) {
        return;
    }
    if (!lacks("pkg-config") && !lacks("c++")) {
        snprintf(command, sizeof command,
                 "export PKG_CONFIG_PATH=%s/lib/pkgconfig; "
                 "c++ -std=c++17 -o %s/program %s/include/tests/header/header.cc "
                 "$(pkg-config --cflags --libs hubless) -Wl,-rpath,%s/lib && %s/program",
                 prefix, prefix, getenv("HUBLESS_ROOT"), prefix, prefix);
        CHECK(shell(command) == 0);
    }
    removed(prefix);
}

static void cmake_finds_the_library(void) {
    char command[8192];
    const char *prefix = installed();
    if (prefix == NULL) {
        return;
    }
    if (!lacks("cmake") && !lacks("c++")) {
        snprintf(command, sizeof command,
                 "mkdir %s/src && cp %s/include/tests/header/header.cc %s/src && printf '%%s\\n' "
                 "'cmake_minimum_required(VERSION 3.10)' 'project(x CXX)' "
                 "'set(CMAKE_CXX_STANDARD 17)' 'find_package(hubless REQUIRED)' "
                 "'add_executable(program header.cc)' "
                 "'target_link_libraries(program hubless::hubless)' > %s/src/CMakeLists.txt && "
                 "cmake -S %s/src -B %s/build -DCMAKE_PREFIX_PATH=%s > /dev/null && "
                 "cmake --build %s/build > /dev/null && %s/build/program",
                 prefix, getenv("HUBLESS_ROOT"), prefix, prefix, prefix, prefix, prefix, prefix,
                 prefix);
        CHECK(shell(command) == 0);
    }
    removed(prefix);
}

const test install_tests[] = {
    {"the header is taken as C++17", the_header_is_taken_as_cxx17},
    {"the library has its versions", the_library_has_its_versions},
    {"the library exports what the header says", the_library_exports_what_the_header_says},
    {"pkg-config finds the library", pkg_config_finds_the_library},
    {"cmake finds the library", cmake_finds_the_library},
    {NULL, NULL},
};
