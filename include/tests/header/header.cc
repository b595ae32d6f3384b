// The header alone, as C++17 with every warning an error; linked, so that names are not mangled.
#include <hubless.h>

int main() {
    hubless_error err = HUBLESS_ERROR_INIT;
    const hubless_content content = hubless_content_text(HUBLESS_STR("text"));
    const hubless_status status =
        hubless_request(nullptr, HUBLESS_STR("nobody"), &content, nullptr, nullptr, &err);
    const bool refused = status == HUBLESS_INVALID_ARGUMENT && err.kind == status;
    hubless_switch_options limits{};
    limits.size = sizeof limits;
    limits.calls = HUBLESS_AT_MOST(500);
    hubless_switch *kill_switch = nullptr;
    hubless_switch_info info{};
    info.size = sizeof info;
    const bool made = hubless_switch_new(&limits, &kill_switch, &err) == HUBLESS_OK &&
                      hubless_switch_get(kill_switch, &info, &err) == HUBLESS_OK &&
                      info.remaining.calls.limited == 1 && info.remaining.calls.value == 500 &&
                      info.remaining.input_tokens.limited == 0 &&
                      hubless_switch_free(kill_switch) == HUBLESS_OK;
    hubless_error_clear(&err);
    return refused && made ? 0 : 1;
}
