#include "model/closed.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "tensor/gemm.h"
#include "tensor/rows.h"

enum { BLOCK = 4096 };               /* rows that are centred at a time */

itr_closed *itr_closed_new(const char *method, int64_t dim)
{
	itr_closed *p = itr_xcalloc(1, sizeof *p);
	p->method = itr_xstrdup(method);
	p->dim = dim;
	for (int s = 0; s < 2; s++)
		p->side[s].encoder = itr_xstrdup("");
	return p;
}

int64_t itr_closed_width(const itr_closed_side *s) { return s->fourier ? s->fourier->features : s->in; }

void itr_closed_free(itr_closed *p)
{
	if (!p)
		return;
	for (int s = 0; s < 2; s++) {
		itr_aligned_free(p->side[s].idf);
		itr_fourier_free(p->side[s].fourier);
		itr_aligned_free(p->side[s].mean);
		itr_aligned_free(p->side[s].weight);
		itr_aligned_free(p->side[s].bias);
		free(p->side[s].encoder);
		free(p->side[s].weights_sha256);
		free(p->side[s].preprocess);
	}
	itr_json_free(p->details);
	free(p->method);
	free(p);
}

static void add_rows(float *x, int64_t rows, int64_t dim, const float *v, float sign)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < dim; i++)
			x[r * dim + i] += sign * v[i];
}

int itr_model_bad_row(itr_err *err, const char *model, itr_modality side, const char *id)
{
	return itr_err_set(err,
	                   "'%s' makes NaN or infinity of %s '%.200s': its weights are too large for float32; train it again (a smaller "
	                   "--lr, --clip, more --regularization)",
	                   model, itr_modality_names[side], id);
}

int64_t itr_closed_apply(const itr_closed *p, itr_modality which, const float *x, int64_t rows, float *out, int64_t *zero, int threads)
{
	const itr_closed_side *s = &p->side[which];
	int64_t zeros = 0, bad = -1, block = ITR_MIN((int64_t)BLOCK, ITR_MAX(rows, (int64_t)1));
	if (!s->weight && s->in != p->dim)
		ITR_BUG("itr_closed_apply: %lld wide without a map to %lld", (long long)s->in, (long long)p->dim);
	const int64_t width = itr_closed_width(s);
	itr_packed *packed = s->weight ? itr_pack_rows(s->weight, p->dim, width, width, threads) : NULL;
	float *in = itr_aligned_alloc((size_t)(block * width) * sizeof *in);
	float *weighted = s->idf ? itr_aligned_alloc((size_t)(block * s->in) * sizeof *weighted) : NULL;
	for (int64_t r = 0; r < rows && bad < 0; r += block) {
		int64_t n = ITR_MIN(block, rows - r);
		float *o = out + r * p->dim;
		const float *from = x + r * s->in;
		if (weighted) {
			memcpy(weighted, from, (size_t)(n * s->in) * sizeof *weighted);
			itr_scale_columns(weighted, n, s->in, s->idf);
			from = weighted;
		}
		if (s->fourier)
			itr_fourier_apply(s->fourier, from, n, in, threads);
		else
			memcpy(in, from, (size_t)(n * s->in) * sizeof *in);
		if (s->normalize && !s->fourier)
			(void)itr_rows_normalize(in, n, s->in, threads);
		if (s->mean)
			add_rows(in, n, width, s->mean, -1);
		if (packed)
			itr_gemm_packed(n, in, width, packed, 0, p->dim, o, p->dim, threads);
		else
			memcpy(o, in, (size_t)(n * p->dim) * sizeof *o);
		if (s->bias)
			add_rows(o, n, p->dim, s->bias, 1);
		bad = itr_first_not_finite(o, n * p->dim);
		bad = bad < 0 ? -1 : r + bad / p->dim;
		zeros += itr_rows_normalize(o, n, p->dim, threads);
	}
	itr_aligned_free(in);
	itr_aligned_free(weighted);
	itr_packed_free(packed);
	if (zero)
		*zero = zeros;
	return bad;
}
