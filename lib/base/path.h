/* path.h - paths, whole files, folders. The caller frees a result of type char *. */
#ifndef ITR_BASE_PATH_H
#define ITR_BASE_PATH_H

#include "base/err.h"

char *itr_path_join(const char *dir, const char *name);          /* name alone when it is absolute or dir is empty or "." */
char *itr_path_dirname(const char *path);                        /* "." when there is no slash */
const char *itr_path_basename(const char *path);                 /* points into path */
const char *itr_path_extension(const char *path);                /* ".png" or ""; points into path */
char *itr_path_replace_extension(const char *path, const char *extension);   /* "a/b.png", ".txt" -> "a/b.txt" */
bool itr_path_has_suffix(const char *path, const char *suffix);  /* case-insensitive */
char *itr_path_absolute(const char *path);                       /* relative to the working directory; need not exist */

bool itr_path_exists(const char *path);
bool itr_path_is_dir(const char *path);
int64_t itr_path_size(const char *path);                         /* bytes; -1 when it does not exist */

/* A relative path without "..", empty parts or NUL: safe to join below a folder when it comes from a file. */
bool itr_path_is_safe(const char *path);

/* As `mkdir -p`. 0, or -1 with err. */
ITR_MUST_USE int itr_path_mkdirs(const char *dir, itr_err *err);
/* Free bytes for an unprivileged user on the file system of `path` (an existing file or folder); -1 when unknown. */
int64_t itr_path_free_bytes(const char *path);
/* Reads a whole file and adds a NUL; *len (may be NULL) is its size without the NUL. More than max_bytes is an error. The caller frees.
 * NULL with err. */
char *itr_path_read(const char *path, size_t max_bytes, size_t *len, itr_err *err);
/* The same for a path that comes from data, such as an image of a manifest: anything but a regular file is an error, because reading a
 * device or a pipe could block for ever. */
char *itr_path_read_named(const char *path, size_t max_bytes, size_t *len, itr_err *err);
/* Deletes a folder and everything below it. 0, also when it does not exist, or -1 with err. */
ITR_MUST_USE int itr_path_remove_tree(const char *path, itr_err *err);

#endif
