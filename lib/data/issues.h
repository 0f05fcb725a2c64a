/* issues.h - problems in the data that do not stop a reader: each is counted by kind and named. */
#ifndef ITR_DATA_ISSUES_H
#define ITR_DATA_ISSUES_H

#include "io/json.h"

typedef struct itr_issues itr_issues;

itr_issues *itr_issues_new(void);
void itr_issues_free(itr_issues *f);
/* One more of a kind ("picture without a caption"), with what it is about. Kinds keep the order of their first occurrence. NULL `f` is
 * fine. */
void itr_issues_add(itr_issues *f, const char *kind, const char *format, ...) ITR_PRINTF(3, 4);
int64_t itr_issues_count(const itr_issues *f, const char *kind);     /* NULL kind: all */
/* One line a kind on standard error by itr_warn, with a few examples. */
void itr_issues_warn(const itr_issues *f);
/* "KIND, COUNT; KIND, COUNT" in one line; "" when there are none. The caller frees. */
char *itr_issues_summary(const itr_issues *f);
/* {"kind": {"count": 3, "items": [...]}}: all of them. The caller frees. */
itr_json *itr_issues_json(const itr_issues *f);
/* The same as a file; removes an old one when there is nothing to say. 0, or -1 with err. */
ITR_MUST_USE int itr_issues_write(const itr_issues *f, const char *path, itr_err *err);

#endif
