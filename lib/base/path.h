/* path.h - names of files. Everything that returns char * is the caller's to free. */
#ifndef ITR_BASE_PATH_H
#define ITR_BASE_PATH_H

#include "base/err.h"

char *itr_path_join(const char *dir, const char *name);          /* name alone when it is absolute or dir is empty or "." */
char *itr_path_dirname(const char *path);                        /* "." when there is no slash */
const char *itr_path_basename(const char *path);                 /* points into path */
const char *itr_path_extension(const char *path);                /* ".png", or "" ; points into path */
char *itr_path_replace_extension(const char *path, const char *extension);   /* "a/b.png", ".txt" -> "a/b.txt" */
bool itr_path_has_suffix(const char *path, const char *suffix);  /* case-insensitive */
char *itr_path_absolute(const char *path);                       /* against the working folder; need not exist */

bool itr_path_exists(const char *path);
bool itr_path_is_dir(const char *path);
int64_t itr_path_size(const char *path);                         /* bytes; -1 when it is not there */

/* A relative path without "..", empty parts or NUL: safe to join below a folder when it comes from a file. */
bool itr_path_is_safe(const char *path);

/* As `mkdir -p`. 0, or -1 with err. */
ITR_MUST_USE int itr_path_mkdirs(const char *dir, itr_err *err);
/* Free bytes for an unprivileged user on the disk that holds `path` (an existing file or folder). -1 unknown. */
int64_t itr_path_free_bytes(const char *path);
/* Whole file into memory, NUL added; refuses more than max_bytes. The caller frees. NULL with err. */
char *itr_path_read(const char *path, size_t max_bytes, size_t *len, itr_err *err);
/* The same for a name that comes out of data (a manifest's picture): only a regular file, never a device or a pipe, which could hold the
 * program for ever. */
char *itr_path_read_named(const char *path, size_t max_bytes, size_t *len, itr_err *err);
/* Deletes a folder and everything below it; no error when it is not there. */
ITR_MUST_USE int itr_path_remove_tree(const char *path, itr_err *err);

#endif
