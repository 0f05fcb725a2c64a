/* Codes and scales as retrieval/quantise.h defines them; fidelity; calibration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "retrieval/fidelity.h"
#include "retrieval/gallery.h"
#include "retrieval/scorer.h"
#include "retrieval/topk.h"
#include "tensor/dtype.h"
#include "tensor/rows.h"

static void test_int8_codes(void **state)
{
	/* scale 1 (max 127): halves go to even, both ends are reached */
	const float x[] = { 127, -127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f, 0 };
	const int8_t want[] = { 127, -127, 0, 2, 2, 0, -2, 126, 0 };
	int8_t code[9];
	(void)state;
	assert_true(itr_quantise_int8(x, 9, code) == 1.0f);
	assert_memory_equal(code, want, sizeof want);
	memset(code, 9, sizeof code);
	assert_true(itr_quantise_int8((float[9]){ 0 }, 9, code) == 0);            /* zero row: s = 0, codes 0 */
	for (int i = 0; i < 9; i++)
		assert_int_equal(code[i], 0);
}

static void test_int4_codes_and_layout(void **state)
{
	float x[70], y[70];
	int8_t code[64];
	(void)state;
	for (int i = 0; i < 70; i++)
		/* two groups, scales 0.25 and 8, both exact in float16 */
		x[i] = (float)(i % 15 - 7) * (i < 64 ? 0.25f : 8.0f);
	assert_int_equal(itr_quantise_int4(x, 64, code), itr_f16_from_f32(0.25f));
	for (int i = 0; i < 64; i++)
		assert_int_equal(code[i], i % 15 - 7);
	x[64] = -56;
	itr_gallery *g = itr_gallery_pack(x, 1, 70, ITR_PREC_INT4, NULL, NULL);
	itr_gallery_decode(g, 0, y);
	for (int i = 0; i < 70; i++)
		assert_true(x[i] == y[i]);
	assert_int_equal(itr_gallery_bytes(g).codes, 64);                          /* 2 groups x 32 bytes */
	assert_int_equal(itr_gallery_bytes(g).scales, 4);
	itr_gallery_free(g);
}

/* Every precision of the table: a row comes back as near as its bits allow, and its own kernel scores what it decodes to. */
static void test_table(void **state)
{
	enum { N = 20, DIM = 75 };
	static const float near[ITR_PREC_COUNT] = {
		[ITR_PREC_FP16] = 1e-3f, [ITR_PREC_BF16] = 8e-3f, [ITR_PREC_INT8] = 8e-3f, [ITR_PREC_INT4] = 0.15f
	};
	float x[N * DIM], y[DIM], s[N];
	(void)state;
	for (int i = 0; i < N * DIM; i++)
		x[i] = (float)((i * 37) % 101 - 50) / 50;
	for (int p = 0; p < ITR_PREC_COUNT; p++) {
		const itr_precision_ops *ops = itr_precisions[p];
		assert_string_equal(ops->name, itr_precision_names[p]);
		assert_true(ops->summary && ops->best_kernel && ops->reference && ops->query_bytes && ops->layout && ops->pack &&
		            ops->decode && ops->query);
		itr_gallery *g = itr_gallery_pack(x, N, DIM, (itr_precision)p, NULL, NULL);
		itr_scorer *scorer = itr_scorer_new(g);
		itr_scorer_rows(scorer, x, NULL, N, s);
		for (int i = 0; i < N; i++) {
			double dot = 0, own = 0;
			itr_gallery_decode(g, i, y);
			for (int d = 0; d < DIM; d++) {
				assert_true(ops->signs_only ? (y[d] < 0) == (x[i * DIM + d] < 0) : fabsf(y[d] - x[i * DIM + d]) <= near[p]);
				dot += (double)y[d] * x[d];
				own += (ops->signs_only ? (x[d] < 0 ? -1 : 1) : (double)x[d]) * y[d];
			}
			assert_true(fabs(s[i] - (ops->signs_only ? own : dot)) < (ops->quantised ? 0.5 : 1e-3));
		}
		itr_scorer_free(scorer);
		itr_gallery_free(g);
	}
	assert_null(itr_precision_names[ITR_PREC_COUNT]);
}

static void test_binary_scores(void **state)
{
	const float x[] = { 1, -1, 0, -0.0f, -2, 3 }, q[] = { 1, 1, 1, 1, 1, 1 };
	float s;
	uint64_t bits;
	(void)state;
	itr_quantise_binary(x, 6, &bits);
	assert_int_equal(bits, 1 << 1 | 1 << 4);                                   /* x < 0 alone; zeros of either sign count as positive */
	itr_gallery *g = itr_gallery_pack(x, 1, 6, ITR_PREC_BINARY, NULL, NULL);
	itr_scorer *scorer = itr_scorer_new(g);
	itr_scorer_rows(scorer, q, NULL, 1, &s);
	assert_true(s == 6 - 2 * 2);
	itr_scorer_free(scorer);
	itr_gallery_free(g);
}

/* Against NumPy: np.round((x - x.min()) / ((x.max() - x.min()) / 255)).astype(uint8).astype(int8), and /15 without the wrap. */
static void test_minmax_wraps_as_published(void **state)
{
	const float x[] = { 0.5f, -0.25f, 0.125f, 1.0f, -1.0f, 0.75f, 0.1f, -0.3f };
	const int8_t want8[] = { -65, 96, -113, -1, 0, -33, -116, 89 }, want4[] = { 11, 6, 8, 15, 0, 13, 8, 5 };
	int8_t code[8];
	(void)state;
	itr_quantise_minmax(x, 8, -1, 1, 255, code);
	assert_memory_equal(code, want8, sizeof want8);
	itr_quantise_minmax(x, 8, -1, 1, 15, code);
	assert_memory_equal(code, want4, sizeof want4);
	itr_quantise_minmax(x, 8, 1, 1, 255, code);                                /* nothing between minimum and maximum */
	for (int i = 0; i < 8; i++)
		assert_int_equal(code[i], 0);
}

static float *normals(int64_t n, int64_t dim, uint64_t seed)
{
	itr_rng r;
	float *x = itr_xmalloc((size_t)(n * dim) * sizeof *x);
	itr_rng_seed(&r, seed);
	for (int64_t i = 0; i < n * dim; i++)
		x[i] = (float)itr_rng_normal(&r);
	return x;
}

static void test_fidelity_orders_precisions(void **state)
{
	const int64_t n = 600, dim = 128, nq = 12;
	float *x = normals(n, dim, 1), *q = normals(nq, dim, 2);
	itr_fidelity f[ITR_PREC_COUNT];
	(void)state;
	itr_rows_normalize(x, n, dim, 1);
	for (int p = 0; p < ITR_PREC_COUNT; p++) {
		itr_gallery *g = itr_gallery_pack(x, n, dim, (itr_precision)p, NULL, NULL);
		assert_int_equal(itr_gallery_fidelity(g, x, q, nq, 10, 2, &f[p], NULL), 0);
		itr_gallery_free(g);
	}
	assert_true(f[ITR_PREC_FP32].cosine_error < 1e-12 && f[ITR_PREC_FP32].spearman == 1 && f[ITR_PREC_FP32].overlap == 1);
	assert_true(f[ITR_PREC_FP16].cosine_error < 1e-6 && f[ITR_PREC_FP16].spearman > 0.99999);
	assert_true(f[ITR_PREC_INT8].cosine_error < 1e-4 && f[ITR_PREC_INT8].spearman > 0.999);
	assert_true(f[ITR_PREC_INT4].cosine_error > f[ITR_PREC_INT8].cosine_error && f[ITR_PREC_INT4].spearman > 0.98);
	assert_true(f[ITR_PREC_BINARY].cosine_error > f[ITR_PREC_INT4].cosine_error && f[ITR_PREC_BINARY].spearman > 0.5);
	assert_true(f[ITR_PREC_BINARY].cosine_error_max >= f[ITR_PREC_BINARY].cosine_error);
	free(x);
	free(q);
}

/* One dimension a hundred times the others, and queries that hardly use it: a row's scale is wasted on it unless dimensions have scales of
 * their own. */
static void test_calibration_helps_uneven_dimensions(void **state)
{
	const int64_t n = 600, dim = 64, nq = 12;
	float *x = normals(n, dim, 3), *q = normals(nq, dim, 4);
	itr_fidelity plain, scaled;
	(void)state;
	for (int64_t i = 0; i < n; i++)
		x[i * dim] *= 100;
	for (int64_t i = 0; i < nq; i++)
		q[i * dim] /= 100;
	itr_gallery *a = itr_gallery_pack(x, n, dim, ITR_PREC_INT8, NULL, NULL),
		    *b = itr_gallery_pack(x, n, dim, ITR_PREC_INT8, &(itr_pack_opts){ .calibrate = x, .calibrate_rows = 200 }, NULL);
	assert_int_equal(itr_gallery_fidelity(a, x, q, nq, 10, 1, &plain, NULL), 0);
	assert_int_equal(itr_gallery_fidelity(b, x, q, nq, 10, 1, &scaled, NULL), 0);
	assert_true(scaled.spearman > 0.999 && plain.spearman < scaled.spearman);
	assert_int_equal(itr_gallery_bytes(b).scales, itr_gallery_bytes(a).scales + (size_t)dim * 4);
	itr_gallery_free(a);
	itr_gallery_free(b);
	free(x);
	free(q);
}

static void test_half_overflow_is_refused(void **state)
{
	const float x[] = { 1, 70000 };
	itr_err err = ITR_ERR_INIT;
	(void)state;
	assert_null(itr_gallery_pack(x, 1, 2, ITR_PREC_FP16, NULL, &err));
	assert_non_null(strstr(err.msg, "65504"));
	itr_gallery *g = itr_gallery_pack(x, 1, 2, ITR_PREC_BF16, NULL, &err);
	assert_non_null(g);
	itr_gallery_free(g);
}

static void test_top_of_candidates(void **state)
{
	const int64_t n = 500, dim = 32, k = 7;
	float *x = normals(n, dim, 5), *q = normals(1, dim, 6);
	int64_t rows[100], got;
	itr_hit hits[7], fine[7];
	(void)state;
	for (int i = 0; i < 100; i++)
		rows[i] = i * 5;
	itr_gallery *g = itr_gallery_pack(x, n, dim, ITR_PREC_BINARY, &(itr_pack_opts){ .copy = ITR_COPY_FP32 }, NULL);
	itr_scorer *s = itr_scorer_new(g), *f = itr_scorer_new(itr_gallery_fine(g));
	got = itr_scorer_top(s, q, rows, 100, k, 100, hits);                       /* all rescored: as float32 itself */
	assert_int_equal(got, k);
	assert_int_equal(itr_scorer_top(f, q, rows, 100, k, 0, fine), k);
	for (int i = 0; i < k; i++)
		assert_true(hits[i].row == fine[i].row && hits[i].score == fine[i].score && hits[i].row % 5 == 0);
	assert_int_equal(itr_scorer_top(f, q, rows, 3, k, 0, fine), 3);
	itr_scorer_free(s);
	itr_scorer_free(f);
	itr_gallery_free(g);
	free(x);
	free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int8_codes),
		cmocka_unit_test(test_int4_codes_and_layout),
		cmocka_unit_test(test_table), cmocka_unit_test(test_binary_scores),
		cmocka_unit_test(test_minmax_wraps_as_published),
		cmocka_unit_test(test_fidelity_orders_precisions),
		cmocka_unit_test(test_calibration_helps_uneven_dimensions),
		cmocka_unit_test(test_half_overflow_is_refused),
		cmocka_unit_test(test_top_of_candidates),
	};
	return cmocka_run_group_tests_name("retrieval_quantise", tests, NULL, NULL);
}
