/* Conformance runner of C: `serve --name c` and `call --to <language> --cases <path>`, as
 * tests/conformance/SUBJECT.md says. Uses the public header only. */
#include "cases.h"
#include "subject.h"

#include <string.h>

/* What is called where the subjects are in the node of the caller itself. */
#define OWN "own"

static const char *option(int argc, char **argv, const char *name, const char *none) {
    for (int i = 2; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return argv[i + 1];
        }
    }
    return none;
}

static int serve(hubless_node *node, const char *name) {
    hubless_text *status = NULL, *key = NULL;
    if (subject_register(node, name) != 0 ||
        hubless_node_status(node, &status, NULL) != HUBLESS_OK ||
        hubless_json_get(hubless_text_get(status), HUBLESS_STR("/nodeKey"), &key, NULL)) {
        return 1;
    }
    hubless_str text = hubless_text_get(key);
    printf("{\"ready\": \"%s\", \"nodeKey\": \"%.*s\"}\n", name, (int)text.len, text.data);
    fflush(stdout);
    return hubless_serve(node);
}

int main(int argc, char **argv) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_node *node = NULL;
    if (argc < 2 || (strcmp(argv[1], "serve") != 0 && strcmp(argv[1], "call") != 0)) {
        fprintf(stderr, "usage: %s serve --name <language> | call --to <language> --cases <path>"
                        " [--only id,id]\n", argv[0]);
        return 2;
    }
    if (hubless_node_start(NULL, &node, &err) != HUBLESS_OK) {
        fprintf(stderr, "%.*s\n", (int)err.message.len, err.message.data);
        return 1;
    }
    if (strcmp(argv[1], "serve") == 0) {
        return serve(node, option(argc, argv, "--name", "c"));
    }
    const char *to = option(argc, argv, "--to", "c");
    if (strcmp(to, OWN) == 0 && subject_register(node, OWN) != 0) {
        return 1;
    }
    int failed = cases_run(node, to,
                           option(argc, argv, "--cases", "tests/conformance/cases"),
                           option(argc, argv, "--only", NULL));
    hubless_node_close(node, 1000);
    return failed == 0 ? 0 : 1;
}
