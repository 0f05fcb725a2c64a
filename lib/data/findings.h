/* findings.h - what a reader noticed and did not stop for: nothing is dropped without being counted and named. */
#ifndef ITR_DATA_FINDINGS_H
#define ITR_DATA_FINDINGS_H

#include "io/json.h"

typedef struct itr_findings itr_findings;

itr_findings *itr_findings_new(void);
void itr_findings_free(itr_findings *f);
/* One more of a kind ("picture without a caption"), with what it is about. Kinds keep the order of their first occurrence. NULL `f` is
 * fine. */
void itr_findings_add(itr_findings *f, const char *kind, const char *format, ...) ITR_PRINTF(3, 4);
int64_t itr_findings_count(const itr_findings *f, const char *kind);     /* NULL kind: all */
/* One line a kind on standard error by itr_warn, with a few examples. */
void itr_findings_warn(const itr_findings *f);
/* "KIND, COUNT; KIND, COUNT" in one line; "" when there are none. The caller frees. */
char *itr_findings_summary(const itr_findings *f);
/* {"kind": {"count": 3, "items": [...]}}: all of them. The caller frees. */
itr_json *itr_findings_json(const itr_findings *f);
/* The same as a file; removes an old one when there is nothing to say. 0, or -1 with err. */
ITR_MUST_USE int itr_findings_write(const itr_findings *f, const char *path, itr_err *err);

#endif
