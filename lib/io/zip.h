/* zip.h - reading of zip archives by libzip, in constant memory. Stored and deflated members, zip64. Errors: an encrypted member, a member
 * whose size differs from the directory, a wrong CRC, and a size in the directory beyond deflate's best ratio (1032:1). An archive is not
 * thread-safe. */
#ifndef ITR_IO_ZIP_H
#define ITR_IO_ZIP_H

#include "base/err.h"

typedef struct itr_zip itr_zip;
typedef struct itr_zip_member itr_zip_member;

itr_zip *itr_zip_open(const char *path, itr_err *err);
void itr_zip_close(itr_zip *z);                                           /* close its members first. NULL does nothing */
int64_t itr_zip_count(const itr_zip *z);
/* the name as stored; borrowed. Check it with itr_path_is_safe before using it as a path */
const char *itr_zip_name(const itr_zip *z, int64_t i);
int64_t itr_zip_find(const itr_zip *z, const char *name);                 /* -1: no such member */
int64_t itr_zip_size(const itr_zip *z, int64_t i);                        /* uncompressed size in the directory, bytes */

itr_zip_member *itr_zip_member_open(itr_zip *z, int64_t i, itr_err *err);
/* Reads at most n bytes. Returns their number; 0 at the end, when size and CRC are right; -1 with err. */
int64_t itr_zip_member_read(itr_zip_member *m, void *bytes, int64_t n, itr_err *err);
void itr_zip_member_close(itr_zip_member *m);

#endif
