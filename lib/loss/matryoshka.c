/* matryoshka: weighted sum of InfoNCE over the first D dimensions, for several D, so that embeddings can be truncated (Kusupati et al.
 * 2022; sentence-transformers' MatryoshkaLoss). */
#include "loss/scores.h"

struct matryoshka {
	itr_ints dims;
	itr_nums weights;
	int positives;
};
static const struct matryoshka defaults = { .positives = ITR_POSITIVES_DIAGONAL };
static const itr_option options[] = { ITR_OPT_INTS_IN("matryoshka-dims", 0, struct matryoshka, dims, "D...", ITR_FROM(1),
	                                              "trained sizes (default: all dimensions, 1/2, 1/4 and 1/8 of them)"),
	                              ITR_OPT_NUMS_IN("matryoshka-weights", 0, struct matryoshka, weights, "W...", ITR_ABOVE(0),
	                                              "weights of their losses (default: 1 each)"),
	                              ITR_LOSS_POSITIVES(struct matryoshka), ITR_OPT_END };

enum { PARTS = 4 };

static int check(const void *self, int64_t dim, itr_err *err)
{
	const struct matryoshka *l = self;
	const int64_t n = l->dims.n ? l->dims.n : PARTS;
	if (l->weights.n && l->weights.n != n)
		return itr_err_set(err, "--matryoshka-weights: %lld weights for %lld dimensions", (long long)l->weights.n, (long long)n);
	for (int64_t i = 0; i < l->dims.n; i++)
		if (l->dims.v[i] > dim)
			return itr_err_set(err, "--matryoshka-dims: %lld, but embeddings have %lld dimensions", (long long)l->dims.v[i],
			                   (long long)dim);
	if (!l->dims.n && dim < 1 << (PARTS - 1))
		return itr_err_set(err, "embeddings of %lld dimensions have no eighth: --matryoshka-dims", (long long)dim);
	return 0;
}

static itr_var *value(const void *self, itr_tape *t, const itr_loss_in *in)
{
	const struct matryoshka *l = self;
	const int64_t n = l->dims.n ? l->dims.n : PARTS, dim = in->query->shape[1];
	itr_var *sum = NULL;
	for (int64_t i = 0; i < n; i++) {
		const int64_t d = l->dims.n ? l->dims.v[i] : dim >> i;
		itr_loss_in cut = *in;
		itr_match m;
		cut.query = itr_slice(t, in->query, 0, d);
		cut.target = itr_slice(t, in->target, 0, d);
		cut.own = in->own ? itr_slice(t, in->own, 0, d) : NULL;
		itr_var *scores = itr_loss_scores(t, &cut, (itr_positives)l->positives, &m);
		itr_var *part = itr_scale(t, itr_infonce(t, scores, &m), l->weights.n ? l->weights.v[i] : 1);
		sum = sum ? itr_add(t, sum, part) : part;
	}
	return sum;
}

const itr_loss_ops itr_loss_matryoshka = {
	.name = "matryoshka",
	.summary = "infonce of the first dimensions too, so that embeddings may be cut",
	.contrastive = true,
	.size = sizeof(struct matryoshka),
	.defaults = &defaults,
	.options = options,
	.check = check,
	.value = value,
};
