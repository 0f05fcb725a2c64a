/* zipwrite.h - a zip archive written from front to back: members go to the file as they come, nothing is kept but the directory. (libzip
 * keeps every source until it closes: twice the archive in memory, or temporary files.) Times are 1980-01-01, so that equal members make
 * equal bytes. zip64 where sizes need it. */
#ifndef ITR_IO_ZIPWRITE_H
#define ITR_IO_ZIPWRITE_H

#include <stdio.h>

#include "base/err.h"

typedef struct itr_zipw itr_zipw;

/* f must be seekable and stays the caller's; `path` is for messages. */
itr_zipw *itr_zipw_new(FILE *f, const char *path, bool deflate);
/* One member of exactly `size` bytes: begin, write as often as needed, end. */
ITR_MUST_USE int itr_zipw_begin(itr_zipw *w, const char *name, int64_t size, itr_err *err);
ITR_MUST_USE int itr_zipw_write(itr_zipw *w, const void *bytes, size_t n, itr_err *err);
ITR_MUST_USE int itr_zipw_end(itr_zipw *w, itr_err *err);
ITR_MUST_USE int itr_zipw_finish(itr_zipw *w, itr_err *err);              /* the directory; does not free */
void itr_zipw_free(itr_zipw *w);

/* The other direction, for a reader that holds only a slice of an archive (lib/fetch): raw deflate, chunk by chunk. */
typedef struct itr_inflate itr_inflate;
itr_inflate *itr_inflate_new(void);
/* Gives what n more packed bytes unpack to, in pieces: 1 at the end of the stream, 0 for more, -1 with err (damaged, or `sink` failed). */
ITR_MUST_USE int itr_inflate_feed(itr_inflate *z, const void *bytes, size_t n,
                                  int (*sink)(void *ctx, const void *bytes, size_t n, itr_err *err), void *ctx, itr_err *err);
void itr_inflate_free(itr_inflate *z);
uint32_t itr_crc32(uint32_t crc, const void *bytes, size_t n);             /* begins with 0 */

#endif
