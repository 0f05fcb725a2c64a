/* pooling.h - many tokens to one vector, as sentence-transformers' Pooling: a list of ways, whose results are joined in its order.
 *
 * An itr_pooling holds up to six ways, three bits each, the first one lowest: a single way is the value of its name, and ITR_POOL_CLS |
 * ITR_POOL_MAX << 3 is [CLS], then the maximum.
 */
#ifndef ITR_MODEL_POOLING_H
#define ITR_MODEL_POOLING_H

#include "autograd/ops.h"
#include "base/buf.h"
#include "base/err.h"

typedef enum {
	ITR_POOL_DEFAULT,
	ITR_POOL_CLS,
	ITR_POOL_MEAN,
	ITR_POOL_MAX,
	ITR_POOL_SQRT,
	ITR_POOL_PLACE,
	ITR_POOL_LAST,
	ITR_POOL_COUNT
} itr_pooling_way;
typedef int itr_pooling;
enum { ITR_POOL_BITS = 3, ITR_POOL_MOST = 6 };

extern const char *const
	itr_pooling_names[]; /* "default" "cls" "mean" "max" "mean_sqrt_len_tokens" "weightedmean" "lasttoken" NULL, by itr_pooling_way */

/* "mean", "cls+max". 0, or -1 with err: a way that is not known, more than six. */
ITR_MUST_USE int itr_pooling_parse(const char *text, itr_pooling *p, itr_err *err);
void itr_pooling_print(itr_pooling p, itr_buf *b);
int itr_pooling_count(itr_pooling p);                                    /* ways in the list; the result is so many times as wide */
itr_pooling itr_pooling_add(itr_pooling p, itr_pooling_way way);         /* behind the others */

/* x (N, D): tokens of n sequences end to end -> (n, count D). The first `skip` tokens of each sequence (a prompt) take no part; a sequence
 * that has no others gives zeros or, for max, -infinity. */
itr_var *itr_pool(itr_tape *t, itr_var *x, const int64_t *start, int64_t n, itr_pooling p, int64_t skip);

#endif
