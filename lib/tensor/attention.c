#include "tensor/attention.h"

#include <math.h>
#include <string.h>

#include "tensor/gemm_kernel.h"
#include "tensor/rowwise.h"

/* Scores are computed transposed, (keys, nr queries): the tile of the micro-kernel is then already a right panel of the second product, and
 * softmax needs no sum across vector lanes. */
/* a block of keys: 256 x 32 scores are 32 KB; queries whose probabilities are recomputed at a time */
enum { KEYS = 256, QUERIES = 128 };

static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t round_up(int64_t a, int64_t b) { return div_up(a, b) * b; }

/* Offsets into scratch, in floats; multiples of 16. */
struct places {
	int64_t keys, values, query, scores, out, turned, total;
	int step_keys, step_dim;         /* rows of a left panel: even, as in packed_weight.c */
	int64_t panels_keys, panels_dim;
};

static struct places places_of(const itr_gemm_isa *g, int64_t rows, int64_t dim)
{
	struct places p;
	p.panels_keys = div_up(rows, g->mr);
	p.step_keys = (int)div_up(rows, ITR_MAX(p.panels_keys, (int64_t)1));
	p.panels_dim = div_up(dim, g->mr);
	p.step_dim = (int)div_up(dim, p.panels_dim);
	p.keys = 0;
	p.values = p.keys + round_up(p.panels_keys * g->mr * dim, 16);
	p.query = p.values + round_up(p.panels_dim * g->mr * rows, 16);
	p.scores = p.query + round_up(g->nr * dim, 16);
	p.out = p.scores + round_up((KEYS + ITR_GEMM_MAX_MR) * g->nr, 16);
	p.turned = p.out + round_up((dim + ITR_GEMM_MAX_MR) * g->nr, 16);
	p.total = p.turned + round_up(g->nr * g->nr, 16);
	return p;
}

int64_t itr_attention_scratch(int64_t rows, int64_t dim) { return places_of(itr_gemm_isa_get(), rows, dim).total; }

static int64_t keys_of(const itr_attention_head *a) { return a->keys ? a->keys : a->rows; }
static int64_t ld_keys(const itr_attention_head *a) { return a->keys ? a->ld_keys : a->ld; }

static void pack_sequence(const itr_gemm_isa *g, const itr_attention_head *a, const struct places *p, float *scratch)
{
	const int64_t keys = keys_of(a), ld = ld_keys(a);
	for (int64_t i = 0, r = 0; r < keys; i++, r += p->step_keys)
		g->pack(scratch + p->keys + i * g->mr * a->dim, g->mr, a->k + r * ld, ld, 1,
		        (int)ITR_MIN((int64_t)p->step_keys, keys - r), a->dim);
	for (int64_t i = 0, r = 0; r < a->dim; i++, r += p->step_dim)
		g->pack(scratch + p->values + i * g->mr * keys, g->mr, a->v + r, 1, ld,
		        (int)ITR_MIN((int64_t)p->step_dim, a->dim - r), keys);
}

/* Scores of the panel's queries with keys k0 .. k1-1 (k0 the first of a left panel). */
static void score_block(const itr_gemm_isa *g, const itr_attention_head *a, const struct places *p, int64_t k0, int64_t k1, float *scratch)
{
	for (int64_t k = k0; k < k1; k += p->step_keys)
		g->tile((int)ITR_MIN((int64_t)p->step_keys, k1 - k), a->dim, scratch + p->keys + k / p->step_keys * g->mr * a->dim,
		        scratch + p->query, scratch + p->scores + (k - k0) * g->nr, g->nr, false);
}

/* out rows q0 .. q0+n-1 from the panel of columns, each divided by its sum. */
static void put_panel(const itr_gemm_isa *g, const itr_attention_head *a, const struct places *p, int64_t q0, int n, const float *sum,
                      float *out, int64_t ld_out, float *scratch)
{
	float *o = scratch + p->out, *t = scratch + p->turned;
	for (int64_t j0 = 0; j0 < a->dim; j0 += g->nr) {
		const int cols = (int)ITR_MIN((int64_t)g->nr, a->dim - j0);
		g->pack(t, g->nr, o + j0 * g->nr, g->nr, 1, cols, n);
		for (int i = 0; i < n; i++) {
			float *to = out + (q0 + i) * ld_out + j0;
			const float inverse = 1.0f / sum[i];
			if (cols == 32)
				for (int j = 0; j < 32; j++)
					to[j] = t[i * g->nr + j] * inverse;
			else
				for (int j = 0; j < cols; j++)
					to[j] = t[i * g->nr + j] * inverse;
		}
	}
}

void itr_attention_forward(const itr_attention_head *a, float *out, int64_t ld_out, float *lse, float *scratch)
{
	const itr_gemm_isa *g = itr_gemm_isa_get();
	const itr_rowwise *w = itr_rowwise_get();
	const struct places p = places_of(g, keys_of(a), a->dim);
	const float scale = (float)(1 / sqrt((double)a->dim));
	float *s = scratch + p.scores, *o = scratch + p.out, top[ITR_GEMM_MAX_NR], sum[ITR_GEMM_MAX_NR], old[ITR_GEMM_MAX_NR];
	if (a->rows < 1)
		return;
	const int64_t block = KEYS / p.step_keys * p.step_keys;
	pack_sequence(g, a, &p, scratch);
	for (int64_t q0 = 0; q0 < a->rows; q0 += g->nr) {
		const int n = (int)ITR_MIN((int64_t)g->nr, a->rows - q0);
		const int64_t end = a->causal ? q0 + n : keys_of(a);
		g->pack(scratch + p.query, g->nr, a->q + q0 * a->ld, a->ld, 1, n, a->dim);
		for (int l = 0; l < g->nr; l++)
			top[l] = -INFINITY, sum[l] = 0;
		for (int64_t k0 = 0; k0 < end; k0 += block) {
			const int64_t keys = ITR_MIN(block, end - k0);
			score_block(g, a, &p, k0, k0 + keys, scratch);
			w->softmax_columns(s, keys, g->nr, a->causal ? q0 + 1 - k0 : keys, scale, top, sum, old);
			for (int64_t j = 0; k0 > 0 && j < a->dim; j++)
				for (int l = 0; l < g->nr; l++)
					o[j * g->nr + l] *= old[l];
			for (int64_t i = 0, r = 0; r < a->dim; i++, r += p.step_dim)
				g->tile((int)ITR_MIN((int64_t)p.step_dim, a->dim - r), keys,
				        scratch + p.values + (i * keys_of(a) + k0) * g->mr, s, o + r * g->nr, g->nr, k0 > 0);
		}
		put_panel(g, a, &p, q0, n, sum, out, ld_out, scratch);
		for (int l = 0; l < n; l++)
			lse[q0 + l] = top[l] * scale + logf(sum[l]);
	}
}

/* --- backward: with P = exp(scale q k^T - lse), delta = out . dout by row: dv = P^T dout, dS = scale P (dout v^T - delta), dq = dS k, dk =
 * dS^T q ---------------- */

static int64_t probabilities(int64_t rows) { return round_up(ITR_MIN((int64_t)QUERIES, rows) * rows, 16); }

int64_t itr_attention_backward_scratch(int64_t rows, int64_t dim)
{
	const int64_t most = ITR_MAX(ITR_MAX(rows, dim), (int64_t)QUERIES);
	return 2 * probabilities(rows) +
	       round_up((ITR_MAX(rows, (int64_t)QUERIES) + ITR_GEMM_MAX_NR) * (dim + ITR_GEMM_MAX_NR) + ITR_GEMM_MAX_MR * most, 16);
}

/* c (m, n) = or += op(a) op(b), like itr_gemm, for small matrices, in one thread and with given scratch: allocating scratch from the shared
 * cache for many heads at a time would take longer than these products. */
static void small_product(const itr_gemm_isa *g, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                          const float *b, int64_t ldb, bool add, float *c, int64_t ldc, float *scratch)
{
	float t[ITR_GEMM_MAX_MR * ITR_GEMM_MAX_NR] __attribute__((aligned(64))), *left = scratch + round_up(round_up(n, g->nr) * k, 16);
	for (int64_t j = 0; j < n; j += g->nr)
		g->pack(scratch + j * k, g->nr, b + (tb ? j * ldb : j), tb ? ldb : 1, tb ? 1 : ldb, (int)ITR_MIN((int64_t)g->nr, n - j), k);
	for (int64_t i = 0; i < m; i += g->mr) {
		const int rows = (int)ITR_MIN((int64_t)g->mr, m - i);
		g->pack(left, g->mr, a + (ta ? i : i * lda), ta ? 1 : lda, ta ? lda : 1, rows, k);
		for (int64_t j = 0; j < n; j += g->nr) {
			const int cols = (int)ITR_MIN((int64_t)g->nr, n - j);
			g->tile(rows, k, left, scratch + j * k, t, g->nr, false);
			for (int r = 0; r < rows; r++) {
				float *to = c + (i + r) * ldc + j;
				const float *from = t + r * g->nr;
				if (add)
					for (int l = 0; l < cols; l++)
						to[l] += from[l];
				else
					memcpy(to, from, (size_t)cols * sizeof *to);
			}
		}
	}
}

void itr_attention_backward(const itr_attention_head *a, const float *out, const float *grad, int64_t ld_out, const float *lse, float *dq,
                            float *dk, float *dv, float *scratch)
{
	const itr_rowwise *w = itr_rowwise_get();
	const itr_gemm_isa *g = itr_gemm_isa_get();
	const float scale = (float)(1 / sqrt((double)a->dim));
	const int64_t ld = ld_keys(a), most = probabilities(ITR_MAX(a->rows, keys_of(a)));
	float *p = scratch, *d = p + most, *rest = d + most;
	for (int64_t q0 = 0; q0 < a->rows; q0 += QUERIES) {
		const int64_t n = ITR_MIN((int64_t)QUERIES, a->rows - q0), keys = a->causal ? q0 + n : keys_of(a);
		const float *go = grad + q0 * ld_out, *q = a->q + q0 * a->ld;
		small_product(g, false, true, n, keys, a->dim, q, a->ld, a->k, ld, false, p, keys, rest);
		small_product(g, false, true, n, keys, a->dim, go, ld_out, a->v, ld, false, d, keys, rest);
		w->attention_slope(n, keys, a->dim, scale, a->causal ? q0 : -1, lse + q0, out + q0 * ld_out, go, ld_out, p, d);
		small_product(g, true, false, keys, a->dim, n, p, keys, go, ld_out, true, dv, ld, rest);
		small_product(g, false, false, n, a->dim, keys, d, keys, a->k, ld, true, dq + q0 * a->ld, a->ld, rest);
		small_product(g, true, false, keys, a->dim, n, d, keys, q, a->ld, true, dk, ld, rest);
	}
}
