# How programs in C are compiled and linked, and the shared library from its archive: taken by
# include/Makefile and, where there is no make, by tests/runner/src/prepare/c.rs.
STANDARD := -std=c11 -D_GNU_SOURCE
WARN := -Wall -Wextra -Werror -Wpedantic
DEBUGGED := -g -O1
SYSTEM := -lpthread -lm
# What stands before the archive where the library is linked from it, and behind it.
WHOLE := -Wl,--gc-sections -Wl,--whole-archive
BELOW := -Wl,--no-whole-archive -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
