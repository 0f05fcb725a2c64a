/* zipwrite.h - sequential writing of a zip archive: only the directory is kept in memory. (libzip keeps every source until it closes: twice
 * the archive in memory, or temporary files.) Times are 1980-01-01, so that equal members give equal bytes. zip64 when sizes need it. */
#ifndef ITR_IO_ZIPWRITE_H
#define ITR_IO_ZIPWRITE_H

#include <stdio.h>

#include "base/err.h"

typedef struct itr_zipw itr_zipw;

/* f must be seekable and is borrowed; `path` is for messages. */
itr_zipw *itr_zipw_new(FILE *f, const char *path, bool deflate);
/* One member of exactly `size` bytes: begin, write as often as needed, end. */
ITR_MUST_USE int itr_zipw_begin(itr_zipw *w, const char *name, int64_t size, itr_err *err);
ITR_MUST_USE int itr_zipw_write(itr_zipw *w, const void *bytes, size_t n, itr_err *err);
ITR_MUST_USE int itr_zipw_end(itr_zipw *w, itr_err *err);
ITR_MUST_USE int itr_zipw_finish(itr_zipw *w, itr_err *err);              /* the directory; does not free */
void itr_zipw_free(itr_zipw *w);

/* Decompression of raw deflate data in chunks, for lib/fetch, which downloads parts of an archive. */
typedef struct itr_inflate itr_inflate;
itr_inflate *itr_inflate_new(void);
/* Decompresses n more bytes and passes the result to `sink` in pieces. 1 at the end of the stream, 0 when it continues, -1 with err
 * (damaged, or sink returned -1). */
ITR_MUST_USE int itr_inflate_feed(itr_inflate *z, const void *bytes, size_t n,
                                  int (*sink)(void *ctx, const void *bytes, size_t n, itr_err *err), void *ctx, itr_err *err);
void itr_inflate_free(itr_inflate *z);
uint32_t itr_crc32(uint32_t crc, const void *bytes, size_t n);             /* start with crc = 0 */

#endif
