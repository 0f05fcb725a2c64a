/* groups.h - rows that belong together, so that a split keeps them together: near-duplicates, pictures that share a label, groups of a
 * file. */
#ifndef ITR_DATA_GROUPS_H
#define ITR_DATA_GROUPS_H

#include "base/err.h"

typedef struct itr_groups itr_groups;

itr_groups *itr_groups_new(int64_t n);                          /* n rows, each alone */
void itr_groups_free(itr_groups *g);                            /* NULL is fine */
void itr_groups_join(itr_groups *g, int64_t a, int64_t b);      /* and with them all that either is joined with */
void itr_groups_tag(itr_groups *g, int64_t row, const char *tag);       /* joins all rows of one tag */
int64_t itr_groups_of(itr_groups *g, int64_t row);              /* the group's number: the smallest row in it */

/* Tags rows as a CSV file says: `id,group` a line (a first line `id,group` is a header); an id in several groups joins them. Ids that are
 * not among `ids` are passed over, rows that the file does not name stay alone: both are counted in a warning. -1 with err: unreadable, a
 * line of another form, or no id of the file is known. */
ITR_MUST_USE int itr_groups_read(itr_groups *g, const char *path, const char *const *ids, int64_t n, itr_err *err);

#endif
