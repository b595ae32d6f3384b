/* The header alone, as C11 with every warning an error. */
#include <hubless.h>

int hubless_header_compiles(void);
int hubless_header_compiles(void) {
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_str text = HUBLESS_STR("text");
    return (int)(err.size + text.len);
}
