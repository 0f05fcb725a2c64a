/* hash.h - SHA-256 (by libcrypto) for files and provenance, and a 64-bit mixing function for hash tables and derived seeds. */
#ifndef ITR_BASE_HASH_H
#define ITR_BASE_HASH_H

#include "base/err.h"

#define ITR_SHA256_HEX 65                /* 64 lower-case hex digits and the NUL */

typedef struct itr_sha256 itr_sha256;    /* incremental hash; not thread-safe */

itr_sha256 *itr_sha256_new(void);
void itr_sha256_add(itr_sha256 *h, const void *bytes, size_t n);
void itr_sha256_end(itr_sha256 *h, char hex[ITR_SHA256_HEX]);     /* writes the digest and frees h; hex NULL: only frees */

void itr_sha256_bytes(const void *bytes, size_t n, char hex[ITR_SHA256_HEX]);
/* Hash of a whole file. 0, or -1 with err. */
ITR_MUST_USE int itr_sha256_file(const char *path, char hex[ITR_SHA256_HEX], itr_err *err);

/* Stafford's variant 13 of the murmur finaliser: a bijection of 64-bit integers. */
static inline uint64_t itr_mix64(uint64_t x)            /* inline, so that the compiler vectorises loops over it */
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

#endif
