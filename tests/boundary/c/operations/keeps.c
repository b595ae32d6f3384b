/* What a node keeps, and texts. */
#include "decode.h"

#include <stdlib.h>

static void on_credential(hubless_question *question, hubless_str target, void *user) {
    (void)target;
    (void)user;
    hubless_credential_result(question, HUBLESS_STR(""), HUBLESS_STR("secret"), NULL);
    keep(QUESTION, question);
}

static void on_auth(hubless_question *question, const hubless_auth_check *check, void *user) {
    (void)check;
    (void)user;
    hubless_auth_verdict(question, 1, 0, NULL);
    keep(QUESTION, question);
}

static void template_set(const unsigned char *arg) {
    came(hubless_template_set(handle_of(NODE, arg[0]), text_of(arg[1], "t"),
                              text_of(arg[2], "{\"metadata\": {}}"), error_of(arg[3])));
}

static void template_remove(const unsigned char *arg) {
    came(hubless_template_remove(handle_of(NODE, arg[0]), text_of(arg[1], "t"), error_of(arg[2])));
}

static void template_list(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[1] == 1 ? NULL : &text;
    gave(hubless_template_list(handle_of(NODE, arg[0]), out, error_of(arg[2])), TEXT,
         (void **)out);
}

static void pin_list(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[1] == 1 ? NULL : &text;
    gave(hubless_pin_list(handle_of(NODE, arg[0]), out, error_of(arg[2])), TEXT, (void **)out);
}

static void pin_set(const unsigned char *arg) {
    const char *id = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    came(hubless_pin_set(handle_of(NODE, arg[0]), text_of(arg[1], "pinned"), text_of(arg[2], id),
                         error_of(arg[3])));
}

static void pin_remove(const unsigned char *arg) {
    came(hubless_pin_remove(handle_of(NODE, arg[0]), text_of(arg[1], "pinned"), error_of(arg[2])));
}

static void credential_set(const unsigned char *arg) {
    came(hubless_credential_set(handle_of(NODE, arg[0]), text_of(arg[1], "https://a.example"),
                                text_of(arg[2], NULL), text_of(arg[3], "secret"),
                                error_of(arg[4])));
}

static void credential_provide(const unsigned char *arg) {
    came(hubless_credential_provide(handle_of(NODE, arg[0]), text_of(arg[1], "https://b.example"),
                                    arg[2] == 1 ? NULL : on_credential, NULL, error_of(arg[3])));
}

static void credential_remove(const unsigned char *arg) {
    came(hubless_credential_remove(handle_of(NODE, arg[0]), text_of(arg[1], "https://a.example"),
                                   error_of(arg[2])));
}

static void auth_global(const unsigned char *arg) {
    came(hubless_auth_global(handle_of(NODE, arg[0]), text_of(arg[1], NULL),
                             arg[2] == 1 ? NULL : on_auth, NULL, error_of(arg[3])));
}

static void load_agents(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[2] == 1 ? NULL : &text;
    gave(hubless_load_agents(handle_of(NODE, arg[0]), text_of(arg[1], "[]"), out,
                             error_of(arg[3])),
         TEXT, (void **)out);
}

static void invite(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[2] == 1 ? NULL : &text;
    gave(hubless_invite(handle_of(NODE, arg[0]), text_of(arg[1], "{\"local\": true}"), out,
                        error_of(arg[3])),
         TEXT, (void **)out);
}

static void json_get(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[2] == 1 ? NULL : &text;
    /* Nothing where the pointer leads nowhere. */
    came(hubless_json_get(text_of(arg[0], "{\"x\": [1]}"), text_of(arg[1], "/x/0"), out,
                          error_of(arg[3])));
    keep(TEXT, text);
}

static void inspect(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[3] == 1 ? NULL : &text;
    gave(hubless_inspect(text_of(arg[0], NULL), text_of(arg[1], "echo"), text_of(arg[2], NULL), out,
                         error_of(arg[4])),
         TEXT, (void **)out);
}

static void limits(const unsigned char *arg) {
    hubless_text *text = NULL, **out = arg[0] == 1 ? NULL : &text;
    gave(hubless_limits(out, error_of(arg[1])), TEXT, (void **)out);
}

static void text_free(const unsigned char *arg) {
    hubless_text *text = handle_of(TEXT, arg[0]);
    hubless_text_get(text);
    hubless_status status = hubless_text_free(text);
    came(status);
    if (hubless_text_free(text) == HUBLESS_OK || hubless_text_get(text).data != NULL) {
        wrong("a freed text is there", (long)status);
    }
}

static void error_clear(const unsigned char *arg) {
    hubless_error *err = error_of(arg[0]);
    hubless_error_clear(err);
    came(err == NULL || err->size < sizeof *err ? HUBLESS_OK : err->kind);
}

const operation keep_operations[] = {
    {"template_set", template_set, 0},
    {"template_remove", template_remove, 0},
    {"template_list", template_list, 0},
    {"pin_list", pin_list, 0},
    {"pin_set", pin_set, 0},
    {"pin_remove", pin_remove, 0},
    {"credential_set", credential_set, 0},
    {"credential_provide", credential_provide, 0},
    {"credential_remove", credential_remove, 0},
    {"auth_global", auth_global, 0},
    {"load_agents", load_agents, 0},
    {"invite", invite, 0},
    {"json_get", json_get, 0},
    {"inspect", inspect, 0},
    {"limits", limits, 0},
    {"text_free", text_free, 0},
    {"error_clear", error_clear, 0},
    {NULL, NULL, 0},
};
