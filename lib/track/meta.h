/* meta.h - internal: meta.yaml, the YAML file of a run or an experiment in MLflow's store, a flat mapping of `key: value`.
 *
 * Writing: strings in single quotes; characters that YAML does not allow there (controls, line breaks) become spaces, invalid UTF-8 becomes
 * U+FFFD. Reading: a flat mapping as PyYAML writes it (plain, 'single', "double" with escapes, values folded over indented lines, null,
 * []), because MLflow rewrites these files when a run is edited in its UI.
 */
#ifndef ITR_TRACK_META_H
#define ITR_TRACK_META_H

#include "base/buf.h"
#include "base/err.h"

enum { ITR_META_MAX = 40 };

typedef struct itr_meta {
	int n;
	char *key[ITR_META_MAX];
	char *value[ITR_META_MAX];      /* NULL: null */
	bool quoted[ITR_META_MAX];      /* a string, not a number */
} itr_meta;

/* Reads all keys, also unknown ones. -1 with err when the file is missing, larger than 1 MiB or not a flat mapping. */
ITR_MUST_USE int itr_meta_read(itr_meta *m, const char *path, itr_err *err);
void itr_meta_free(itr_meta *m);
const char *itr_meta_get(const itr_meta *m, const char *key);                      /* NULL: missing or null; borrowed */
int64_t itr_meta_int(const itr_meta *m, const char *key, int64_t missing);
void itr_meta_set_str(itr_meta *m, const char *key, const char *value);            /* NULL: null; replaces */
void itr_meta_set_list(itr_meta *m, const char *key);                              /* [] */
void itr_meta_set_int(itr_meta *m, const char *key, int64_t value);
/* Writes a temporary file and renames it; sync: with fsync. 0, or -1 with err. */
ITR_MUST_USE int itr_meta_write(const itr_meta *m, const char *path, bool sync, itr_err *err);

/* Appends s as one line of valid, printable UTF-8. */
void itr_meta_clean(itr_buf *out, const char *s);

#endif
