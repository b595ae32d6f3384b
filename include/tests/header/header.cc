// The header alone, as C++17 with every warning an error; linked, so that names are not mangled.
#include <hubless.h>

int main() {
    hubless_error err = HUBLESS_ERROR_INIT;
    const hubless_content content = hubless_content_text(HUBLESS_STR("text"));
    const hubless_status status =
        hubless_request(nullptr, HUBLESS_STR("nobody"), &content, nullptr, nullptr, &err);
    const bool refused = status == HUBLESS_INVALID_ARGUMENT && err.kind == status;
    hubless_error_clear(&err);
    return refused ? 0 : 1;
}
