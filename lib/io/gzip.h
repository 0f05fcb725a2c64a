/* gzip.h - decompression of a gzip file (RFC 1952) in memory. */
#ifndef ITR_IO_GZIP_H
#define ITR_IO_GZIP_H

#include "base/buf.h"
#include "base/err.h"

/* True when the bytes start with the signature of gzip. */
bool itr_is_gzip(const void *bytes, size_t n);
/* Appends the decompressed bytes of a gzip file with one member to out and verifies the checksum. More than `limit` bytes are an error (a
 * few kilobytes can decompress to gigabytes). `where` names the file in messages. 0, or -1 with err. */
ITR_MUST_USE int itr_gunzip(itr_buf *out, const void *bytes, size_t n, size_t limit, const char *where, itr_err *err);

#endif
