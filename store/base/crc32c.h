/* CRC-32C (Castagnoli, as in RFC 3720): the checksum of everything Hecate stores and sends. */
#ifndef HECATE_STORE_BASE_CRC32C_H
#define HECATE_STORE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to start) over the data: crc32c(crc32c(0, a), b) equals the checksum of a followed by b. Uses the
 * processor's instruction when it has one. Thread-safe. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The same by table, for tests and other processors. */
uint32_t crc32c_table(uint32_t crc, const void *data, size_t len);

#endif
