/* What a precision does to scores and rankings, against float32. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/fidelity.h"
#include "retrieval/queries.h"
#include "retrieval/scorer.h"
#include "retrieval/select.h"

struct work {
	const itr_gallery *g, *exact;
	const float *vectors, *queries;
	int64_t k;
	double *error;                  /* [rows] */
	double *rho, *overlap;          /* [queries] */
	int threads;
};

static void row_error(void *ctx, int64_t row, int worker)
{
	struct work *w = ctx;
	int64_t dim = w->g->dim;
	float *y = itr_xmalloc((size_t)dim * sizeof *y);
	const float *x = w->vectors + row * dim;
	double xy = 0, xx = 0, yy = 0;
	(void)worker;
	itr_gallery_decode(w->g, row, y);
	for (int64_t d = 0; d < dim; d++) {
		xy += (double)x[d] * y[d];
		xx += (double)x[d] * x[d];
		yy += (double)y[d] * y[d];
	}
	w->error[row] = xx > 0 && yy > 0 ? 1 - xy / sqrt(xx * yy) : xx > 0 || yy > 0;
	free(y);
}

/* Ranks 0..n-1 by score, equal scores sharing the mean of their places. order: scratch, sorted best first. */
static void ranks(const float *score, int64_t n, itr_hit *order, double *rank)
{
	for (int64_t i = 0; i < n; i++)
		order[i] = (itr_hit){ i, score[i] };
	itr_hits_sort(order, n);
	for (int64_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && order[next].score == order[i].score;)
			next++;
		for (int64_t j = i; j < next; j++)
			rank[order[j].row] = (double)(i + next - 1) / 2;
	}
}

static double correlation(const double *a, const double *b, int64_t n)
{
	double mean = (double)(n - 1) / 2, ab = 0, aa = 0, bb = 0;
	for (int64_t i = 0; i < n; i++) {
		ab += (a[i] - mean) * (b[i] - mean);
		aa += (a[i] - mean) * (a[i] - mean);
		bb += (b[i] - mean) * (b[i] - mean);
	}
	return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : aa == bb;
}

static void one_query(void *ctx, int64_t q, int worker)
{
	struct work *w = ctx;
	int64_t n = w->g->n, k = ITR_MIN(w->k, n), same = 0;
	itr_scorer *s[2] = { itr_scorer_new(w->g), itr_scorer_new(w->exact) };
	itr_hit *order[2];
	double *rank[2];
	float *score = itr_xmalloc((size_t)n * sizeof *score);
	(void)worker;
	for (int i = 0; i < 2; i++) {
		order[i] = itr_xmalloc((size_t)n * sizeof **order);
		rank[i] = itr_xmalloc((size_t)n * sizeof **rank);
		itr_scorer_rows(s[i], w->queries + q * w->g->dim, NULL, n, score);
		ranks(score, n, order[i], rank[i]);
		itr_scorer_free(s[i]);
	}
	w->rho[q] = correlation(rank[0], rank[1], n);
	for (int64_t i = 0; i < k; i++)
		for (int64_t j = 0; j < k; j++)
			same += order[0][i].row == order[1][j].row;
	w->overlap[q] = (double)same / (double)k;
	for (int i = 0; i < 2; i++) {
		free(order[i]);
		free(rank[i]);
	}
	free(score);
}

int itr_gallery_fidelity(const itr_gallery *g, const float *vectors, const float *queries, int64_t nq, int64_t k, int threads,
                         itr_fidelity *out, itr_err *err)
{
	memset(out, 0, sizeof *out);
	if (itr_queries_check(queries, nq, g->dim, err) < 0)
		return -1;
	itr_gallery *exact = itr_gallery_pack(vectors, g->n, g->dim, ITR_PREC_FP32, &(itr_pack_opts){ .threads = threads }, err);
	if (!exact)
		return -1;
	struct work w = { .g = g, .exact = exact, .vectors = vectors, .queries = queries, .k = k };
	w.error = itr_xmalloc((size_t)g->n * sizeof *w.error);
	w.rho = itr_xmalloc((size_t)(nq + 1) * sizeof *w.rho);
	w.overlap = itr_xmalloc((size_t)(nq + 1) * sizeof *w.overlap);
	itr_parallel_for(threads, g->n, row_error, &w);
	itr_parallel_for(threads, nq, one_query, &w);
	for (int64_t i = 0; i < g->n; i++) {
		out->cosine_error += w.error[i] / (double)g->n;
		out->cosine_error_max = ITR_MAX(out->cosine_error_max, w.error[i]);
	}
	for (int64_t q = 0; q < nq; q++) {
		out->spearman += w.rho[q] / (double)nq;
		out->overlap += w.overlap[q] / (double)nq;
	}
	free(w.error);
	free(w.rho);
	free(w.overlap);
	itr_gallery_free(exact);
	return 0;
}
