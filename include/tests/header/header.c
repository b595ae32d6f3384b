/* The header alone, as C11 with every warning an error. */
#include <hubless.h>

int hubless_header_compiles(void);
int hubless_header_compiles(void) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_str text = HUBLESS_STR("text");
    hubless_switch_options limits = {.size = sizeof limits, .calls = HUBLESS_AT_MOST(5)};
    return (int)(err.size + text.len + limits.calls.value);
}
