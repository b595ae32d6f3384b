/* SHA-256 (FIPS 180-4) for the C test programs. */
#ifndef SUPPORT_SHA256_H
#define SUPPORT_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} sha256;

void sha256_begin(sha256 *hash);
void sha256_add(sha256 *hash, const uint8_t *data, size_t len);
/* Writes 64 hex digits and a NUL. */
void sha256_end(sha256 *hash, char hex[65]);

#endif
