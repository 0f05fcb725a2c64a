/* trec_internal.h - inside of evaluate: whole rankings of vectors, query by query. */
#ifndef ITR_EVALUATE_TREC_INTERNAL_H
#define ITR_EVALUATE_TREC_INTERNAL_H

#include "evaluate/trec.h"

typedef struct itr_trec_hit { float score; int32_t row; } itr_trec_hit;
/* Best first, equal scores in the gallery's order. Called from one thread, in the queries' order. */
typedef void itr_trec_take(void *ctx, int64_t query, const itr_trec_hit *hit, int64_t n);
/* The first `depth` of every ranking of the other side that rows of `asks` ask for. */
void itr_trec_each_list(const itr_embeddings *e, itr_modality asks, int64_t depth, int threads, itr_trec_take *take, void *ctx);

#endif
