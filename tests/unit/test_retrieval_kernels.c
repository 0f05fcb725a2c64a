/* Every kernel that this machine can run against the scalar one, bit for bit, over awkward sizes; and search against sorting all scores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/hash.h"
#include "base/mem.h"
#include "retrieval/queries.h"
#include "retrieval/rank.h"
#include "retrieval/scorer.h"
#include "retrieval/select.h"
#include "tensor/gemm.h"

#if defined(__x86_64__)
static const itr_isa *const isas[] = { &itr_isa_avx2, &itr_isa_avx512, &itr_isa_avx512vnni, &itr_isa_avx512vpopcnt, &itr_isa_avx512bf16 };
#elif defined(__aarch64__)
static const itr_isa *const isas[] = { &itr_isa_neon };
#else
static const itr_isa *const isas[] = { &itr_isa_scalar };
#endif

static uint64_t state;

static float uniform(void) { return (float)((double)(itr_mix64(++state) >> 40) / (1 << 23) - 1); }

static float *rows_of(int64_t n, int64_t dim, uint64_t seed)
{
	float *x = itr_xmalloc((size_t)(n * dim) * sizeof *x);
	state = seed << 32;
	for (int64_t i = 0; i < n * dim; i++)
		x[i] = uniform();
	return x;
}

/* Rows whose codes reach both ends everywhere: sums as large as they get. */
static void extreme(float *x, int64_t dim, int sign)
{
	for (int64_t d = 0; d < dim; d++)
		x[d] = (d % 3 == 0 ? -1.0f : 1.0f) * (float)sign;
}

static void same_bits(const float *a, const float *b, int64_t n, const char *what, int precision, int64_t dim)
{
	for (int64_t i = 0; i < n; i++)
		if (memcmp(&a[i], &b[i], sizeof *a))
			fail_msg("%s, %s, dim %lld, row %lld: %.9g instead of %.9g", what, itr_precision_names[precision], (long long)dim,
			         (long long)i, (double)a[i], (double)b[i]);
}

static void check_tile(const itr_gallery *g, const itr_queries *q, int64_t nq, const float *expected)
{
	const int mr = g->kernel->mr, nr = g->kernel->nr;
	float *out = itr_aligned_alloc((size_t)(mr * nr) * sizeof *out);
	void *scratch = itr_aligned_alloc(itr_tile_scratch(g));
	for (int64_t row = 0; row < g->n; row += mr)
		for (int64_t p = 0; p < q->panels[ITR_EXACT].n; p++) {
			itr_krows seen;
			int64_t first = row;
			const itr_krows *rows = itr_tile_rows(g, g->kernel, &first, scratch, &seen);
			itr_kpanel panel = itr_queries_panel(q, ITR_EXACT, p);
			g->kernel->tile(rows, &panel, first, out);
			for (int r = 0; r < mr && row + r < g->n; r++)
				for (int64_t j = 0; j < nr && p * nr + j < nq; j++)
					same_bits(&out[r * nr + j], &expected[(p * nr + j) * g->n + row + r], 1, g->kernel->name,
					          g->precision, g->dim);
		}
	itr_aligned_free(out);
	itr_aligned_free(scratch);
}

static void check_kernel(itr_gallery *g, const itr_kernel *kernel, const float *queries, int64_t nq)
{
	int64_t n = g->n, *idx = itr_xmalloc((size_t)n * sizeof *idx);
	float *a = itr_xmalloc((size_t)n * sizeof *a), *b = itr_xmalloc((size_t)n * sizeof *b),
	      *all = itr_xmalloc((size_t)(n * nq) * sizeof *all);
	for (int64_t i = 0; i < n; i++)
		idx[i] = (i * 7 + 3) % n;
	g->kernel = kernel;
	itr_queries *q = itr_queries_new(g, nq);
	itr_queries_fill(q, queries, nq, 1 << ITR_EXACT);
	for (int64_t i = 0; i < nq; i++) {
		itr_kquery one = itr_queries_one(q, i);
		itr_kernel_scalar(g->precision)->few(&g->rows, &one, 0, NULL, n, a);
		memcpy(all + i * n, a, (size_t)n * sizeof *a);
		kernel->few(&g->rows, &one, 0, NULL, n, b);
		same_bits(b, a, n, kernel->name, g->precision, g->dim);
		itr_kernel_scalar(g->precision)->few(&g->rows, &one, 0, idx, n, a);
		kernel->few(&g->rows, &one, 0, idx, n, b);
		same_bits(b, a, n, kernel->name, g->precision, g->dim);
		if (n > 5) {
			kernel->few(&g->rows, &one, 5, NULL, n - 5, b);
			same_bits(b, all + i * n + 5, n - 5, kernel->name, g->precision, g->dim);
		}
	}
	if (kernel->tile)
		check_tile(g, q, nq, all);
	itr_queries_free(q);
	free(idx);
	free(a);
	free(b);
	free(all);
}

static void test_kernels_equal_the_scalar_one(void **unused)
{
	const int64_t dims[] = { 1, 3, 16, 63, 64, 65, 100, 128, 192, 257, 512 }, counts[] = { 1, 7, 16, 33, 50 };
	int ran = 0;
	(void)unused;
	for (int d = 0; d < ITR_LEN(dims); d++)
		for (int c = 0; c < ITR_LEN(counts); c++) {
			int64_t dim = dims[d], n = counts[c], nq = 35;
			float *x = rows_of(n, dim, 1), *y = rows_of(nq, dim, 2);
			extreme(x, dim, 1);
			extreme(y, dim, -1);
			extreme(y + dim, dim, 1);
			memset(y + 2 * dim, 0, (size_t)dim * sizeof *y);
			if (n > 2)
				memset(x + 2 * dim, 0, (size_t)dim * sizeof *x);
			for (int p = 0; p < ITR_PREC_COUNT; p++)
				for (int wrap = 0; wrap < 2; wrap++) {
					itr_gallery *g =
						itr_gallery_pack(x, n, dim, (itr_precision)p,
					                         &(itr_pack_opts){ .threads = 1, .quantizer = (itr_quantizer)wrap }, NULL);
					const itr_kernel *own = g->kernel;
					check_kernel(g, itr_kernel_scalar(p), y, nq);
					for (int i = 0; i < ITR_LEN(isas); i++)
						if (!(isas[i]->needs & ~itr_cpu_features()) && isas[i]->kernel[p]) {
							check_kernel(g, isas[i]->kernel[p], y, nq);
							ran++;
						}
					g->kernel = own;
					itr_gallery_free(g);
				}
			free(x);
			free(y);
		}
	if (!ran)
		print_message("no instruction set beyond the scalar kernels on this machine\n");
}

static void test_scans_agree(void **unused)
{
	enum { MR = 5, NR = 32 };
	float s[MR * NR], x[NR];
	int32_t want[MR * NR], got[MR * NR];
	(void)unused;
	state = 99;
	for (int i = 0; i < MR * NR; i++)
		s[i] = floorf(uniform() * 4);
	for (int j = 0; j < NR; j++)
		x[j] = j % 5 == 4 ? NAN : floorf(uniform() * 4);
	for (int i = 0; i < ITR_LEN(isas); i++) {
		const itr_scan *a = itr_isa_scalar.scan, *b = isas[i]->scan;
		if (!b || (isas[i]->needs & ~itr_cpu_features()))
			continue;
		for (int n = 0; n <= MR * NR; n += 7) {
			int64_t m = a->above(s, n, 0.5f, want);
			assert_int_equal(b->above(s, n, 0.5f, got), m);
			assert_memory_equal(want, got, (size_t)m * sizeof *want);
		}
		int64_t m = a->above_tile(s, MR, NR, x, want);
		assert_int_equal(b->above_tile(s, MR, NR, x, got), m);
		assert_memory_equal(want, got, (size_t)m * sizeof *want);
	}
}

/* --- search --------------------------------------------------------------------------------------------------------------------------- */

static void expect_top(const itr_gallery *g, const float *queries, int64_t nq, int64_t k, const itr_hit *hits)
{
	itr_scorer *s = itr_scorer_new(g);
	int64_t n = itr_gallery_rows(g), dim = itr_gallery_dim(g);
	float *score = itr_xmalloc((size_t)n * sizeof *score);
	itr_hit *all = itr_xmalloc((size_t)n * sizeof *all);
	for (int64_t q = 0; q < nq; q++) {
		itr_scorer_rows(s, queries + q * dim, NULL, n, score);
		for (int64_t i = 0; i < n; i++)
			all[i] = (itr_hit){ i, score[i] };
		itr_hits_sort(all, n);
		for (int64_t i = 0; i < k; i++) {
			const itr_hit *h = &hits[q * k + i];
			if (i >= n) {
				assert_int_equal(h->row, -1);
				continue;
			}
			if (h->row != all[i].row || memcmp(&h->score, &all[i].score, sizeof h->score))
				fail_msg("%s, query %lld, place %lld: row %lld (%.9g) instead of %lld (%.9g)",
				         itr_precision_names[itr_gallery_precision(g)], (long long)q, (long long)i, (long long)h->row,
				         (double)h->score, (long long)all[i].row, (double)all[i].score);
		}
	}
	itr_scorer_free(s);
	free(score);
	free(all);
}

static void test_search_finds_the_best(void **unused)
{
	const int64_t sizes[] = { 1, 5, 1003, 2500 }, batches[] = { 1, 7, 40, 300 }, ks[] = { 1, 10, 200 };
	(void)unused;
	for (int a = 0; a < ITR_LEN(sizes); a++) {
		int64_t n = sizes[a], dim = 70;
		float *x = rows_of(n, dim, 5), *y = rows_of(300, dim, 6);
		for (int64_t i = 0; i + 1 < n; i += 3)                 /* ties */
			memcpy(x + (i + 1) * dim, x + i * dim, (size_t)dim * sizeof *x);
		for (int p = 0; p < ITR_PREC_COUNT; p++) {
			itr_gallery *g = itr_gallery_pack(x, n, dim, (itr_precision)p, NULL, NULL);
			for (int b = 0; b < ITR_LEN(batches); b++)
				for (int c = 0; c < ITR_LEN(ks); c++)
					for (int threads = 1; threads <= 2; threads++) {
						if (batches[b] > 40 && (n > 2000 || ks[c] > 10))
							continue;
						itr_hit *hits = itr_xmalloc((size_t)(batches[b] * ks[c]) * sizeof *hits);
						assert_int_equal(itr_topk_search(g, y, batches[b], ks[c], hits,
						                                 &(itr_search_opts){ .threads = threads }, NULL),
						                 0);
						expect_top(g, y, batches[b], ks[c], hits);
						free(hits);
					}
			itr_gallery_free(g);
		}
		free(x);
		free(y);
	}
}

/* Equal rows, whatever the batch and the threads, give one score. */
static void test_equal_rows_one_score(void **unused)
{
	const int64_t n = 1003, dim = 96, batches[] = { 1, 7, 256 };
	float *row = rows_of(1, dim, 8), *x = itr_xmalloc((size_t)(n * dim) * sizeof *x), *y = rows_of(256, dim, 9);
	itr_hit *hits = itr_xmalloc(256 * (size_t)n * sizeof *hits);
	(void)unused;
	for (int64_t i = 0; i < n; i++)
		memcpy(x + i * dim, row, (size_t)dim * sizeof *x);
	for (int p = 0; p < ITR_PREC_COUNT; p++) {
		itr_gallery *g = itr_gallery_pack(x, n, dim, (itr_precision)p, NULL, NULL);
		float first = 0;
		for (int b = 0; b < ITR_LEN(batches); b++)
			for (int threads = 1; threads <= 2; threads++) {
				assert_int_equal(itr_topk_search(g, y, batches[b], n, hits, &(itr_search_opts){ .threads = threads }, NULL),
				                 0);
				if (b == 0 && threads == 1)
					first = hits[0].score;
				for (int64_t i = 0; i < n; i++) {
					assert_memory_equal(&hits[i].score, &first, sizeof first);
					assert_int_equal(hits[i].row, i);
				}
				for (int64_t q = 0; q < batches[b]; q++)
					for (int64_t i = 0; i < n; i++)
						assert_memory_equal(&hits[q * n + i].score, &hits[q * n].score, sizeof first);
			}
		itr_gallery_free(g);
	}
	free(row);
	free(x);
	free(y);
	free(hits);
}

static void test_fp32_is_gemm(void **unused)
{
	const int64_t n = 77, nq = 19, dim = 133;
	float *x = rows_of(n, dim, 3), *y = rows_of(nq, dim, 4), *c = itr_xmalloc((size_t)(n * nq) * sizeof *c),
	      *s = itr_xmalloc((size_t)(n * nq) * sizeof *s);
	itr_gallery *g = itr_gallery_pack(x, n, dim, ITR_PREC_FP32, NULL, NULL);
	(void)unused;
	itr_gemm(false, true, nq, n, dim, 1, y, dim, x, dim, 0, c, n, 2);
	assert_int_equal(itr_gallery_scores(g, y, nq, s, n, 2, NULL), 0);
	same_bits(s, c, n * nq, "scores", ITR_PREC_FP32, dim);
	itr_gallery_free(g);
	free(x);
	free(y);
	free(c);
	free(s);
}

static void test_rank_counts(void **unused)
{
	const int64_t n = 211, nq = 67, dim = 40;
	float *x = rows_of(n, dim, 11), *y = rows_of(nq, dim, 12), *s = itr_xmalloc((size_t)(n * nq) * sizeof *s);
	int64_t query[67 * 5], row[67 * 5], pairs = 0;
	(void)unused;
	for (int64_t i = 0; i + 1 < n; i += 4)
		memcpy(x + (i + 1) * dim, x + i * dim, (size_t)dim * sizeof *x);
	for (int64_t q = 0; q < nq; q++)                                /* 0 to 5 positives */
		for (int64_t i = 0; i < q % 6; i++) {
			query[pairs] = q;
			row[pairs++] = (q * 13 + i * 29) % n;
		}
	itr_relevance *rel = itr_relevance_from_pairs(nq, n, query, row, pairs);
	for (int p = 0; p < ITR_PREC_COUNT; p++)
		for (int threads = 1; threads <= 2; threads++) {
			itr_gallery *g = itr_gallery_pack(x, n, dim, (itr_precision)p, NULL, NULL);
			itr_score_source *source = itr_score_codes(g, y, nq);
			itr_err err = ITR_ERR_INIT;
			itr_ranks *r[2];
			assert_int_equal(itr_rank_count(source, (const itr_relevance *[]){ rel, NULL },
			                                &(itr_rank_opts){ .stable = true, .threads = threads }, r, &err),
			                 0);
			assert_int_equal(itr_gallery_scores(g, y, nq, s, n, threads, NULL), 0);
			for (int64_t q = 0; q < nq; q++)
				for (int64_t i = rel->offset[q]; i < rel->offset[q + 1]; i++) {
					int64_t m = 0, e = 0, b = 0, at = r[0]->row[i];
					for (int64_t k = 0; k < n; k++) {
						m += s[q * n + k] > s[q * n + at];
						e += s[q * n + k] == s[q * n + at];
						b += s[q * n + k] == s[q * n + at] && k < at;
					}
					assert_int_equal(r[0]->above[i], m);
					assert_int_equal(r[0]->equal[i], e);
					assert_int_equal(r[0]->before[i], b);
					assert_memory_equal(&r[0]->score[i], &s[q * n + at], sizeof *s);
				}
			itr_ranks_free(r[0]);
			y[3] = NAN;
			assert_int_equal(itr_rank_count(source, (const itr_relevance *[]){ rel, NULL },
			                                &(itr_rank_opts){ .threads = threads }, r, &err),
			                 -1);
			assert_non_null(strstr(err.msg, "NaN"));
			y[3] = 0.5f;
			itr_score_source_free(source);
			itr_gallery_free(g);
		}
	itr_relevance_free(rel);
	free(x);
	free(y);
	free(s);
}

static void test_rescoring(void **unused)
{
	const int64_t n = 3000, nq = 20, dim = 64, k = 10;
	float *x = rows_of(n, dim, 21), *y = rows_of(nq, dim, 22);
	itr_hit *fine = itr_xmalloc((size_t)(nq * k) * sizeof *fine), *hits = itr_xmalloc((size_t)(nq * k) * sizeof *hits);
	itr_gallery *f = itr_gallery_pack(x, n, dim, ITR_PREC_FP32, NULL, NULL);
	(void)unused;
	assert_int_equal(itr_topk_search(f, y, nq, k, fine, NULL, NULL), 0);
	for (int copy = ITR_COPY_FP32; copy <= ITR_COPY_BORROW; copy++) {
		itr_gallery *g = itr_gallery_pack(x, n, dim, ITR_PREC_BINARY, &(itr_pack_opts){ .copy = (itr_copy)copy }, NULL);
		/* all rescored: exact */
		assert_int_equal(itr_topk_search(g, y, nq, k, hits, &(itr_search_opts){ .rescore = n }, NULL), 0);
		for (int64_t i = 0; i < nq * k && copy != ITR_COPY_INT8; i++) {
			assert_int_equal(hits[i].row, fine[i].row);
			assert_memory_equal(&hits[i].score, &fine[i].score, sizeof(float));
		}
		itr_gallery_memory m = itr_gallery_bytes(g);
		assert_int_equal(m.codes, n * 8);
		assert_int_equal(m.copy, copy == ITR_COPY_INT8 ? n * (dim + 4) : n * dim * 4);
		assert_int_equal(m.total, m.codes + m.scales + m.copy);
		itr_gallery_free(g);
	}
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_topk_search(f, y, nq, k, hits, &(itr_search_opts){ .rescore = 50 }, &err), -1);
	assert_non_null(strstr(err.msg, "finer copy"));
	itr_gallery_free(f);
	free(x);
	free(y);
	free(fine);
	free(hits);
}

/* Rows that a bfloat16 filter cannot tell apart, next to rows that it can: batches and single queries must still agree to the bit. */
static void test_filters_lose_nothing(void **unused)
{
	const int64_t n = 4000, nq = 48, dim = 80, k = 25;
	float *x = rows_of(n, dim, 31), *y = rows_of(nq, dim, 32);
	itr_hit *a = itr_xmalloc((size_t)(nq * k) * sizeof *a), *b = itr_xmalloc((size_t)k * sizeof *b);
	(void)unused;
	for (int64_t i = 0; i < n; i++)                                  /* half of the rows: one row, moved in its last bits */
		for (int64_t d = 0; d < dim && i % 2; d++)
			x[i * dim + d] = y[d] * (1 + (float)(itr_mix64((uint64_t)(i * dim + d)) % 64) * 1e-6f);
	for (int64_t d = 0; d < dim; d++)                                  /* a query whose bound is infinite */
		y[7 * dim + d] = d % 2 ? 1e30f : -1e30f;
	for (int p = ITR_PREC_FP32; p <= ITR_PREC_BF16; p++) {
		itr_gallery *g = itr_gallery_pack(x, n, dim, (itr_precision)p, NULL, NULL);
		assert_int_equal(itr_topk_search(g, y, nq, k, a, NULL, NULL), 0);
		expect_top(g, y, nq, k, a);
		for (int64_t q = 0; q < nq; q++) {
			assert_int_equal(itr_topk_search(g, y + q * dim, 1, k, b, NULL, NULL), 0);
			for (int64_t i = 0; i < k; i++) {
				assert_int_equal(a[q * k + i].row, b[i].row);
				assert_memory_equal(&a[q * k + i].score, &b[i].score, sizeof(float));
			}
		}
		itr_gallery_free(g);
	}
	free(x);
	free(y);
	free(a);
	free(b);
}

/* The bounds that the filters rely on, against what the filters do. */
static void test_rough_scores_keep_their_bound(void **unused)
{
	const int64_t n = 480, nq = 32, dims[] = { 16, 100, 512 };
	(void)unused;
	for (int d = 0; d < ITR_LEN(dims); d++)
		for (int p = ITR_PREC_FP32; p <= ITR_PREC_BF16; p++) {
			float *x = rows_of(n, dims[d], 41), *y = rows_of(nq, dims[d], 42), exact[480], rough[480],
			      tile[ITR_TILE_MR_MAX * ITR_TILE_NR_MAX];
			itr_gallery *g = itr_gallery_pack(x, n, dims[d], (itr_precision)p, NULL, NULL);
			itr_queries *q = itr_queries_new(g, nq);
			void *scratch = itr_aligned_alloc(itr_tile_scratch(g));
			itr_queries_fill(q, y, nq, 1 << ITR_ROUGH | 1 << ITR_BOUNDS);
			for (int64_t i = 0; i < nq; i++) {
				itr_kquery one = itr_queries_one(q, i);
				g->kernel->few(&g->rows, &one, 0, NULL, n, exact);
				if (g->kernel->rough) {
					g->kernel->rough(&g->rows, &one, 0, n, rough);
					for (int64_t r = 0; r < n; r++)
						assert_true(fabsf(rough[r] - exact[r]) <= itr_rough_bound(q, i, false));
				}
				for (int64_t row = 0; g->rough && row + g->rough->kernel.mr <= n; row += g->rough->kernel.mr) {
					itr_krows seen;
					int64_t first = row;
					const itr_krows *rows = itr_tile_rows(g, &g->rough->kernel, &first, scratch, &seen);
					itr_kpanel panel = itr_queries_panel(q, ITR_ROUGH, 0);
					g->rough->kernel.tile(rows, &panel, first, tile);
					for (int r = 0; r < g->rough->kernel.mr; r++)
						assert_true(fabsf(tile[r * g->rough->kernel.nr + i] - exact[row + r]) <=
						            itr_rough_bound(q, i, true));
				}
			}
			itr_aligned_free(scratch);
			itr_queries_free(q);
			itr_gallery_free(g);
			free(x);
			free(y);
		}
}

static void test_bad_input(void **unused)
{
	float x[4 * 3] = { 0 };
	itr_hit hit;
	itr_err err = ITR_ERR_INIT;
	(void)unused;
	x[7] = NAN;
	assert_null(itr_gallery_pack(x, 4, 3, ITR_PREC_INT8, NULL, &err));
	assert_non_null(strstr(err.msg, "row 2"));
	x[7] = INFINITY;
	assert_null(itr_gallery_pack(x, 4, 3, ITR_PREC_BINARY, NULL, &err));
	assert_null(itr_gallery_pack(x, 0, 3, ITR_PREC_FP32, NULL, &err));
	assert_null(itr_gallery_pack(x, 1, ITR_DIM_MAX + 1, ITR_PREC_FP32, NULL, &err));
	itr_gallery *g = itr_gallery_pack(x, 2, 3, ITR_PREC_FP32, NULL, &err);
	assert_non_null(g);
	assert_int_equal(itr_topk_search(g, x + 6, 1, 1, &hit, NULL, &err), -1);
	assert_int_equal(itr_topk_search(g, x, 1, 0, &hit, NULL, &err), -1);
	itr_gallery_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernels_equal_the_scalar_one),
		cmocka_unit_test(test_scans_agree),
		cmocka_unit_test(test_search_finds_the_best),
		cmocka_unit_test(test_equal_rows_one_score),
		cmocka_unit_test(test_fp32_is_gemm),
		cmocka_unit_test(test_rank_counts),
		cmocka_unit_test(test_rescoring),
		cmocka_unit_test(test_filters_lose_nothing),
		cmocka_unit_test(test_rough_scores_keep_their_bound),
		cmocka_unit_test(test_bad_input),
	};
	return cmocka_run_group_tests_name("retrieval_kernels", tests, NULL, NULL);
}
