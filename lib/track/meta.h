/* meta.h - meta.yaml, the one file of MLflow's store that is YAML: a flat list of `key: value`. Inside of track.
 *
 * Written: strings in single quotes, characters that YAML cannot hold there (controls, line breaks) as spaces, invalid UTF-8 as U+FFFD.
 * Read: what PyYAML writes for a flat mapping (plain, 'single', "double" with escapes, values folded over indented lines, null, []),
 * because MLflow rewrites these files when somebody edits a run in its UI.
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
	bool quoted[ITR_META_MAX];      /* string, not number */
} itr_meta;

/* -1 with err: not there, larger than 1 MiB, not of this form. Unknown keys are kept. */
ITR_MUST_USE int itr_meta_read(itr_meta *m, const char *path, itr_err *err);
void itr_meta_free(itr_meta *m);
const char *itr_meta_get(const itr_meta *m, const char *key);                      /* NULL: missing or null; borrowed */
int64_t itr_meta_int(const itr_meta *m, const char *key, int64_t missing);
void itr_meta_set_str(itr_meta *m, const char *key, const char *value);            /* NULL: null; replaces */
void itr_meta_set_list(itr_meta *m, const char *key);                              /* [] */
void itr_meta_set_int(itr_meta *m, const char *key, int64_t value);
/* Beside the target, then renamed; `sync`: on the disk before it returns. */
ITR_MUST_USE int itr_meta_write(const itr_meta *m, const char *path, bool sync, itr_err *err);

/* s as one line of valid, printable UTF-8. */
void itr_meta_clean(itr_buf *out, const char *s);

#endif
