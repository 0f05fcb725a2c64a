/* split.h - who is train, val and test: ids sorted bytewise, permuted by default_rng(seed); test the first floor(N*t),
 * val the next floor(N*v), train the rest. Always by image unless a document did otherwise. */
#ifndef ITR_DATA_SPLIT_H
#define ITR_DATA_SPLIT_H

#include "base/err.h"
#include "base/hash.h"
#include "data/groups.h"

typedef enum { ITR_TRAIN, ITR_VAL, ITR_TEST, ITR_RESTVAL, ITR_SPLIT_COUNT } itr_split;
extern const char *const itr_split_names[];      /* "train" "val" "test" "restval" NULL */

/* The part that a data set's own file means by `name`: those names, and dev, valid and validation (val) and training (train), in any case;
 * -1 for others and for NULL. */
int itr_split_find(const char *name);
/* The same for a name that somebody typed (--split); -1 with err, which names the nearest. */
ITR_MUST_USE int itr_split_named(const char *name, itr_err *err);
/* part[i] for ids[i]. fractions: train, val, test; they must be >= 0 and sum to 1 (1e-6). -1 with err, also on duplicate ids. */
ITR_MUST_USE int itr_split_assign(itr_split *part, const char *const *ids, int64_t n, const double fractions[3], uint64_t seed,
                                  itr_err *err);
/* The same with groups of rows (groups.h) in place of ids: sorted by their smallest id, permuted as ids are; test takes whole groups until
 * it has floor(N*t) rows or more, then val until floor(N*v), train the rest. Groups of one row each: the same parts as above. -1 with err,
 * also when train would have a share and gets nothing. */
ITR_MUST_USE int itr_split_assign_groups(itr_split *part, const char *const *ids, int64_t n, itr_groups *g, const double fractions[3],
                                         uint64_t seed, itr_err *err);

/* What stays together in a split: `--split-by image|caption|near|label|group:FILE`. */
typedef enum { ITR_SPLIT_BY_IMAGE, ITR_SPLIT_BY_CAPTION, ITR_SPLIT_BY_NEAR, ITR_SPLIT_BY_LABEL, ITR_SPLIT_BY_GROUP } itr_split_by;
extern const char *const itr_split_by_names[];   /* in that order, then NULL */
typedef struct itr_split_rule {
	itr_split_by by;
	const char *file;               /* of "group:FILE", borrowed; else NULL */
} itr_split_rule;
/* The option's value; NULL is "image". -1 with err, which names the nearest. */
ITR_MUST_USE int itr_split_rule_parse(itr_split_rule *r, const char *text, itr_err *err);
/* Back from what a model file keeps (`by` and the file of groups); false when `by` is no rule for a split: "" or "file". */
bool itr_split_rule_of(itr_split_rule *r, const char *by, const char *file);

/* SHA-256 of the sorted ids of one part, one per line: what a model file remembers and evaluate compares. */
void itr_split_hash(const char *const *ids, const itr_split *part, int64_t n, itr_split which, char hex[ITR_SHA256_HEX]);

#endif
