/* zip.h - members of a zip archive, read one after the other in constant memory; zip.h of libzip is included by zip.c alone.
 * Stored and deflated members, zip64; encrypted ones are refused. A member that holds more or less than the directory says, or whose CRC is
 * wrong, is an error, and so is a directory that claims what deflate cannot have packed (1032:1). One thread at a time for an archive. */
#ifndef ITR_IO_ZIP_H
#define ITR_IO_ZIP_H

#include "base/err.h"

typedef struct itr_zip itr_zip;
typedef struct itr_zip_member itr_zip_member;

itr_zip *itr_zip_open(const char *path, itr_err *err);
void itr_zip_close(itr_zip *z);                                           /* members first. NULL is fine */
int64_t itr_zip_count(const itr_zip *z);
/* as stored; borrowed. Not checked: see itr_path_is_safe before making files of it */
const char *itr_zip_name(const itr_zip *z, int64_t i);
int64_t itr_zip_find(const itr_zip *z, const char *name);                 /* -1: no such member */
int64_t itr_zip_size(const itr_zip *z, int64_t i);                        /* uncompressed bytes as the directory claims */

itr_zip_member *itr_zip_member_open(itr_zip *z, int64_t i, itr_err *err);
/* The next bytes, at most n: their number, 0 at the (checked) end, -1 with err. */
int64_t itr_zip_member_read(itr_zip_member *m, void *bytes, int64_t n, itr_err *err);
void itr_zip_member_close(itr_zip_member *m);

#endif
