/* gzip.h - a packed file (RFC 1952) in memory. */
#ifndef ITR_IO_GZIP_H
#define ITR_IO_GZIP_H

#include "base/buf.h"
#include "base/err.h"

/* True when the bytes begin as a gzip file does. */
bool itr_is_gzip(const void *bytes, size_t n);
/* Appends what a file of one member unpacks to, its checksum verified; refuses more than `limit` bytes (a few packed kilobytes can claim
 * gigabytes). `where` is for messages. 0, or -1 with err. */
ITR_MUST_USE int itr_gunzip(itr_buf *out, const void *bytes, size_t n, size_t limit, const char *where, itr_err *err);

#endif
