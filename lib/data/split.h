/* split.h - who is train, val and test (methods section 0): ids sorted bytewise, permuted by default_rng(seed); test the first floor(N*t), val the next floor(N*v),
 * train the rest. Always by image unless a document did otherwise. */
#ifndef ITR_DATA_SPLIT_H
#define ITR_DATA_SPLIT_H

#include "base/err.h"
#include "base/hash.h"

typedef enum { ITR_TRAIN, ITR_VAL, ITR_TEST, ITR_RESTVAL, ITR_SPLIT_COUNT } itr_split;
extern const char *const itr_split_names[];      /* "train" "val" "test" "restval" NULL */

/* The part that a data set's own file means by `name`: those names, and dev, valid and validation (val) and training (train), in any case; -1 for others and for NULL. */
int itr_split_find(const char *name);
/* part[i] for ids[i]. fractions: train, val, test; they must be >= 0 and sum to 1 (1e-6). -1 with err, also on duplicate ids. */
ITR_MUST_USE int itr_split_assign(itr_split *part, const char *const *ids, int64_t n, const double fractions[3], uint64_t seed, itr_err *err);
/* SHA-256 of the sorted ids of one part, one per line: what a model file remembers and evaluate compares. */
void itr_split_hash(const char *const *ids, const itr_split *part, int64_t n, itr_split which, char hex[ITR_SHA256_HEX]);

#endif
