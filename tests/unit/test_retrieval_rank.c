/* The rank counter with exclusions against plain loops, from every source of scores; pools as sets of bits against pools as lists: the same
 * rows, the same counts, the same state of the generator; and the interval kernels of every instruction set. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "ablation/grid_weighted_sum.h"
#include "retrieval/kernels.h"
#include "retrieval/metrics.h"
#include "retrieval/pools.h"
#include "retrieval/rank.h"
#include "tensor/gemm.h"

static int ascending(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

/* Texts with one answer, none, or (inverted) images with several. */
static itr_relevance *texts(int64_t n_text, int64_t n_image, uint64_t seed)
{
	itr_rng rng;
	int64_t *image = itr_xmalloc((size_t)n_text * sizeof *image);
	itr_rng_seed(&rng, seed);
	for (int64_t i = 0; i < n_text; i++)
		image[i] = itr_rng_integers(&rng, -1, n_image);
	itr_relevance *r = itr_relevance_from_map(n_text, n_image, image);
	free(image);
	return r;
}

static void pools_agree(const itr_relevance *rel, int64_t size)
{
	int64_t words = itr_bits_words(rel->gallery);
	itr_pools *lists = itr_pools_begin(rel, size, 7, 1), *sets = itr_pools_begin(rel, size, 7, 1);
	int32_t *a = itr_xmalloc((size_t)(rel->gallery + 1) * sizeof *a), *b = itr_xmalloc((size_t)(rel->gallery + 1) * sizeof *b);
	uint64_t *bits = itr_xmalloc((size_t)words * sizeof *bits);
	for (int64_t q = 0; q < rel->queries; q++) {
		int64_t n = itr_pools_next(lists, a), p = itr_relevance_count(rel, q);
		assert_int_equal(itr_pools_next_bits(sets, bits), n);
		if (!n)
			continue;
		assert_int_equal(itr_pools_rows(rel, q, bits, b), n);
		assert_memory_equal(a, b, (size_t)p * sizeof *a);
		qsort(a, (size_t)n, sizeof *a, ascending);
		qsort(b, (size_t)n, sizeof *b, ascending);
		assert_memory_equal(a, b, (size_t)n * sizeof *a);
	}
	itr_pools_free(lists);
	itr_pools_free(sets);
	free(a);
	free(b);
	free(bits);
}

static void sets_are_the_lists(void **state)
{
	(void)state;
	const int64_t galleries[] = { 1, 2, 63, 64, 65, 130, 1000 };
	for (int g = 0; g < ITR_LEN(galleries); g++) {
		itr_relevance *t2i = texts(300, galleries[g], 3), *i2t = itr_relevance_invert(t2i);
		for (int64_t size = 1; size <= 400; size = size * 3 + 1) {
			pools_agree(t2i, size);
			pools_agree(i2t, size);
		}
		itr_relevance_free(t2i);
		itr_relevance_free(i2t);
	}
}

/* NumPy's tail shuffle (more than 10,000, more than a fiftieth of them) goes another way. */
static void choice_is_the_same(void **state)
{
	(void)state;
	const int64_t cases[][2] = { { 1, 0 },        { 1, 1 },       { 2, 2 },        { 64, 64 },      { 999, 99 },
		                     { 10000, 9000 }, { 10001, 200 }, { 10001, 5000 }, { 10001, 10001 } };
	for (int c = 0; c < ITR_LEN(cases); c++) {
		int64_t n = cases[c][0], k = cases[c][1], set = 0, *out = itr_xmalloc((size_t)(k + 1) * sizeof *out);
		uint64_t *bits = itr_xmalloc((size_t)itr_bits_words(n) * sizeof *bits);
		itr_rng a, b;
		itr_rng_seed(&a, (uint64_t)c);
		itr_rng_u32(&a);                       /* half a word is waiting */
		b = a;
		itr_rng_choice(&a, n, k, out);
		itr_rng_choice_bits(&b, n, k, bits);
		for (int64_t i = 0; i < k; i++)
			assert_true(bits[out[i] / 64] >> out[i] % 64 & 1);
		for (int64_t w = 0; w < itr_bits_words(n); w++)
			set += __builtin_popcountll(bits[w]);
		assert_int_equal(set, k);
		assert_int_equal(itr_rng_u32(&a), itr_rng_u32(&b));
		assert_true(itr_rng_u64(&a) == itr_rng_u64(&b));
		free(out);
		free(bits);
	}
}

static void indices_are_integers(void **state)
{
	(void)state;
	const int64_t highs[] = { 1, 2, 1000, INT32_MAX };
	for (int c = 0; c < ITR_LEN(highs); c++) {
		int32_t out[501];
		itr_rng a, b;
		itr_rng_seed(&a, 11);
		b = a;
		itr_rng_indices(&b, highs[c], ITR_LEN(out), out);
		for (int i = 0; i < ITR_LEN(out); i++)
			assert_int_equal(itr_rng_integers(&a, 0, highs[c]), out[i]);
		assert_int_equal(itr_rng_u32(&a), itr_rng_u32(&b));
	}
}

/* Scores of few values, so that most are tied. */
static void ranks_agree(const itr_relevance *rel, int64_t size)
{
	int64_t n = rel->gallery, words = itr_bits_words(n);
	itr_ranks *whole = itr_ranks_new(rel, true), *lists = itr_ranks_new(rel, true), *sets = itr_ranks_new(rel, true),
		  *all = itr_ranks_new(rel, true);
	itr_pools *pa = itr_pools_begin(rel, size, 1, 0), *pb = itr_pools_begin(rel, size, 1, 0), *pc = itr_pools_begin(rel, n, 1, 0);
	float *score = itr_xmalloc((size_t)n * sizeof *score);
	int32_t *row = itr_xmalloc((size_t)n * sizeof *row);
	uint64_t *bits = itr_xmalloc((size_t)words * 2 * sizeof *bits), *scratch = itr_xmalloc(itr_rank_scratch(n));
	itr_rng rng;
	itr_rng_seed(&rng, 5);
	for (int64_t q = 0; q < rel->queries; q++) {
		for (int64_t i = 0; i < n; i++)
			score[i] = (float)itr_rng_integers(&rng, -3, 4) / 8;
		int64_t k = itr_pools_next(pa, row), most = itr_pools_next_bits(pc, bits + words);
		itr_pools_next_bits(pb, bits);
		if (!k || !most)
			continue;
		itr_rank_scores(&lists, &(itr_candidates){ .row = row, .n = k }, 1, rel, NULL, q, score, scratch);
		itr_rank_scores(&whole, &(itr_candidates){ .n = n }, 1, rel, NULL, q, score, NULL);
		itr_rank_scores((itr_ranks *[]){ sets, NULL, all },
		                (itr_candidates[]){ { .bits = bits, .n = k }, { .n = 0 }, { .bits = bits + words, .n = n } }, 3, rel, NULL,
		                q, score, scratch);
		assert_int_equal(sets->pool[q], k);
		for (int64_t e = rel->offset[q]; e < rel->offset[q + 1]; e++) {
			assert_true(sets->row[e] == lists->row[e] && sets->score[e] == lists->score[e]);
			assert_true(sets->above[e] == lists->above[e] && sets->equal[e] == lists->equal[e] &&
			            sets->before[e] == lists->before[e]);
			assert_true(all->above[e] == whole->above[e] && all->equal[e] == whole->equal[e] &&
			            all->before[e] == whole->before[e]);
		}
	}
	itr_pools_free(pa);
	itr_pools_free(pb);
	itr_pools_free(pc);
	itr_ranks_free(whole);
	itr_ranks_free(lists);
	itr_ranks_free(sets);
	itr_ranks_free(all);
	free(score);
	free(scratch);
	free(row);
	free(bits);
}

static void counts_are_those_of_lists(void **state)
{
	(void)state;
	itr_relevance *t2i = texts(200, 150, 9), *i2t = itr_relevance_invert(t2i);
	ranks_agree(t2i, 40);
	ranks_agree(i2t, 60);
	itr_relevance_free(t2i);
	itr_relevance_free(i2t);
}

static void kernel_agrees(const itr_count_kernel *kernel)
{
	const itr_count_kernel *plain = itr_isa_scalar.count;
	float score[200];
	uint64_t a[2][4], e[2][4];
	for (int i = 0; i < 200; i++)
		score[i] = i % 29 == 28 ? NAN : i % 17 == 16 ? -0.0f : (float)(i * 7 % 13) - 6;
	for (int64_t n = 1; n <= 200; n++)
		for (float t = -7; t <= 7; t++) {
			memset(a, 0xff, sizeof a);
			memset(e, 0xff, sizeof e);
			plain->compare(score, n, t, a[0], e[0]);
			kernel->compare(score, n, t, a[1], e[1]);
			assert_memory_equal(a[0], a[1], sizeof *a);           /* words behind the last are left alone too */
			assert_memory_equal(e[0], e[1], sizeof *e);
			assert_int_equal(kernel->common(a[0], e[0], itr_bits_words(n)), 0);
			assert_int_equal(kernel->common(a[0], a[1], itr_bits_words(n)),
			                 plain->common(a[0], a[0], itr_bits_words(n)));
		}
}

/* Every kernel that this processor can run, not only the one that it would choose. */
static void kernels_agree(void **state)
{
	(void)state;
	kernel_agrees(itr_count_best());
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX2)
		kernel_agrees(itr_isa_avx2.count);
	if (itr_cpu_features() & ITR_CPU_AVX512)
		kernel_agrees(itr_isa_avx512.count);
#endif
}

static void one_sum(itr_weighted_sum_tile tile, const double *weight, const double *sum, double *out)
{
	for (int i = 0; i < ITR_WEIGHTED_SUM_ROWS * ITR_WEIGHTED_SUM_COLUMNS; i++)
		out[i] = 0.25;
	tile(weight, 37, 37, sum, ITR_WEIGHTED_SUM_COLUMNS, out);
}

static void sums_are_the_same_bits(void **state)
{
	(void)state;
	enum { N = 37 };
	static double weight[ITR_WEIGHTED_SUM_ROWS * N], sum[N * ITR_WEIGHTED_SUM_COLUMNS],
		want[ITR_WEIGHTED_SUM_ROWS * ITR_WEIGHTED_SUM_COLUMNS], got[ITR_WEIGHTED_SUM_ROWS * ITR_WEIGHTED_SUM_COLUMNS];
	itr_rng rng;
	itr_rng_seed(&rng, 2);
	for (int i = 0; i < ITR_LEN(weight); i++)
		weight[i] = (double)itr_rng_integers(&rng, 0, 6);
	for (int i = 0; i < ITR_LEN(sum); i++)
		sum[i] = itr_rng_random(&rng);
	one_sum(itr_weighted_sum_scalar, weight, sum, want);
	one_sum(itr_weighted_sum_tile_get(), weight, sum, got);
	assert_memory_equal(got, want, sizeof want);
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX2) {
		one_sum(itr_weighted_sum_avx2, weight, sum, got);
		assert_memory_equal(got, want, sizeof want);
	}
#endif
}

/* --- exclusions ----------------------------------------------------------------------------------------------------------------------- */

/* Rows of small integers, so that many scores are equal. */
static float *tied_rows(itr_rng *rng, int64_t rows, int64_t dim)
{
	float *x = itr_aligned_alloc((size_t)(rows * dim + 1) * sizeof *x);
	for (int64_t i = 0; i < rows * dim; i++)
		x[i] = (float)itr_rng_integers(rng, -1, 2);
	return x;
}

/* Up to `most` rows a query, none of which `other` has. */
static itr_relevance *some_rows(itr_rng *rng, int64_t queries, int64_t gallery, int64_t most, const itr_relevance *other)
{
	int64_t n = 0, *query = itr_xmalloc((size_t)(queries * most + 1) * sizeof *query),
		*row = itr_xmalloc((size_t)(queries * most + 1) * sizeof *row);
	for (int64_t q = 0; q < queries; q++)
		for (int64_t k = itr_rng_integers(rng, 0, most + 1); k > 0; k--) {
			query[n] = q;
			row[n] = itr_rng_integers(rng, 0, gallery);
			n += !other || !itr_relevance_has(other, q, row[n]);
		}
	itr_relevance *r = itr_relevance_from_pairs(queries, gallery, query, row, n);
	free(query);
	free(row);
	return r;
}

/* The counts are those of a gallery without the excluded rows, and so is what a random order gives. */
static void without(const itr_ranks *r, const itr_relevance *rel, const itr_relevance *excluded, const float *score, int64_t query_step,
                    int64_t row_step)
{
	itr_metric_set set = { 0 };
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_metric_set_add(&set, "recall@2", NULL, &err), 0);
	itr_metric_values *v = itr_metric_values_new(r, &set, ITR_TIES_EXPECTED, 1);
	int64_t ranked = 0;
	for (int64_t q = 0; q < rel->queries; q++) {
		const float *s = score + q * query_step;
		const int64_t left = rel->gallery - itr_relevance_count(excluded, q), p = itr_relevance_count(rel, q);
		assert_int_equal(r->pool[q], p ? left : 0);
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++) {
			int64_t above = 0, equal = 0, before = 0;
			for (int64_t k = 0; k < rel->gallery; k++) {
				if (itr_relevance_has(excluded, q, k))
					continue;
				above += s[k * row_step] > r->score[e];
				equal += s[k * row_step] == r->score[e];
				before += s[k * row_step] == r->score[e] && k < r->row[e];
			}
			assert_true(r->score[e] == s[r->row[e] * row_step]);
			assert_int_equal(r->above[e], above);
			assert_int_equal(r->equal[e], equal);
			assert_int_equal(r->before[e], before);
		}
		if (p) {                                     /* neither of the first two of `left` rows is one of p */
			double miss = left - p <= 0 ? 0
			                            : (double)(left - p) / (double)left *
			                                      (left > 1 ? (double)(left - p - 1) / (double)(left - 1) : 1);
			assert_true(fabs(v->chance[ranked++] - (1 - miss)) < 1e-12);
		}
	}
	assert_int_equal(ranked, v->n);
	itr_metric_values_free(v);
}

struct held { const float *x; int64_t dim; };

static int read_block(void *ctx, int round, int64_t first, int64_t n, const float **rows, itr_err *err)
{
	const struct held *h = ctx;
	(void)round;
	(void)n;
	(void)err;
	*rows = h->x + first * h->dim;
	return 0;
}

static void exclusions_leave(void **state)
{
	(void)state;
	static const struct {
		int64_t nq, ng, dim, most;
	} cases[] = { { 203, 97, 5, 3 }, { 97, 203, 5, 3 }, { 600, 530, 4, 2 }, { 1, 9, 3, 2 }, { 9, 1, 3, 1 } };
	itr_rng rng;
	itr_rng_seed(&rng, 12);
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
		for (int threads = 1; threads <= 2; threads++) {
			const int64_t nq = cases[c].nq, ng = cases[c].ng, dim = cases[c].dim;
			float *a = tied_rows(&rng, nq, dim), *b = tied_rows(&rng, ng, dim), *s = itr_xmalloc((size_t)(nq * ng) * sizeof *s);
			itr_relevance *rel[2], *out[2];
			rel[0] = some_rows(&rng, nq, ng, cases[c].most, NULL);
			rel[1] = itr_relevance_invert(rel[0]);
			out[0] = some_rows(&rng, nq, ng, 4, rel[0]);
			out[1] = some_rows(&rng, ng, nq, 4, rel[1]);
			const itr_relevance *both[2] = { rel[0], rel[1] };
			const itr_rank_opts o = { .excluded = { out[0], out[1] }, .stable = true, .threads = threads };
			itr_ranks *r[2];
			itr_err err = ITR_ERR_INIT;
			for (int64_t q = 0; q < nq; q++)
				for (int64_t k = 0; k < ng; k++)
					s[q * ng + k] = itr_dot_chain(a + q * dim, b + k * dim, dim);
			itr_score_source *source[2] = { itr_score_rows(a, nq, b, ng, dim),
				                        itr_score_blocks(nq, 70, read_block, &(struct held){ a, dim }, b, ng, dim) };
			for (int k = 0; k < 2; k++) {
				assert_int_equal(itr_rank_count(source[k], both, &o, r, &err), 0);
				without(r[0], rel[0], out[0], s, ng, 1);
				without(r[1], rel[1], out[1], s, 1, ng);
				itr_ranks_free(r[0]);
				itr_ranks_free(r[1]);
				itr_score_source_free(source[k]);
			}
			for (int p = 0; p < ITR_PREC_COUNT; p++) {
				itr_gallery *g = itr_gallery_pack(b, ng, dim, (itr_precision)p, NULL, &err);
				float *codes = itr_xmalloc((size_t)(nq * ng) * sizeof *codes);
				assert_int_equal(itr_gallery_scores(g, a, nq, codes, ng, 1, &err), 0);
				itr_score_source *packed = itr_score_codes(g, a, nq);
				assert_int_equal(itr_rank_count(packed, (const itr_relevance *[]){ rel[0], NULL }, &o, r, &err), 0);
				without(r[0], rel[0], out[0], codes, ng, 1);
				itr_ranks_free(r[0]);
				itr_score_source_free(packed);
				itr_gallery_free(g);
				free(codes);
			}
			for (int d = 0; d < 2; d++) {
				itr_relevance_free(rel[d]);
				itr_relevance_free(out[d]);
			}
			itr_aligned_free(a);
			itr_aligned_free(b);
			free(s);
		}
}

/* Pools are drawn as if nothing were excluded; then the excluded rows that they hold leave. */
static void exclusions_leave_pools(void **state)
{
	(void)state;
	enum { NQ = 90, NG = 130, DIM = 4, SIZE = 40 };
	itr_rng rng;
	itr_rng_seed(&rng, 13);
	float *a = tied_rows(&rng, NQ, DIM), *b = tied_rows(&rng, NG, DIM), s[NG];
	itr_relevance *rel = some_rows(&rng, NQ, NG, 3, NULL), *out = some_rows(&rng, NQ, NG, 6, rel);
	itr_ranks *r[2], *sets = itr_ranks_new(rel, true);
	itr_pools *lists = itr_pools_begin(rel, SIZE, 3, 0), *bits = itr_pools_begin(rel, SIZE, 3, 0);
	uint64_t set[(NG + 63) / 64], scratch[4 * NG];
	int32_t row[SIZE];
	assert_true(itr_rank_scratch(NG) <= sizeof scratch);
	itr_rank_rows(a, NQ, b, NG, DIM, (const itr_relevance *[]){ rel, NULL },
	              &(itr_rank_opts){ .excluded = { out, NULL }, .stable = true, .threads = 2, .pool = SIZE, .seed = 3 }, r);
	for (int64_t q = 0; q < NQ; q++) {
		int64_t n = itr_pools_next(lists, row), kept = 0;
		itr_pools_next_bits(bits, set);
		for (int64_t k = 0; k < NG; k++)
			s[k] = itr_dot_chain(a + q * DIM, b + k * DIM, DIM);
		itr_rank_scores(&sets, &(itr_candidates){ .bits = set, .n = n }, 1, rel, out, q, s, scratch);
		for (int64_t i = 0; i < n; i++)
			kept += !itr_relevance_has(out, q, row[i]);
		assert_int_equal(r[0]->pool[q], kept);
		assert_int_equal(sets->pool[q], kept);
		for (int64_t e = rel->offset[q]; n && e < rel->offset[q + 1]; e++) {
			int64_t above = 0, equal = 0, before = 0;
			for (int64_t i = 0; i < n; i++) {
				if (itr_relevance_has(out, q, row[i]))
					continue;
				above += s[row[i]] > r[0]->score[e];
				equal += s[row[i]] == r[0]->score[e];
				before += s[row[i]] == r[0]->score[e] && row[i] < r[0]->row[e];
			}
			assert_true(r[0]->above[e] == above && r[0]->equal[e] == equal && r[0]->before[e] == before);
			assert_true(sets->above[e] == above && sets->equal[e] == equal && sets->before[e] == before);
		}
	}
	itr_pools_free(lists);
	itr_pools_free(bits);
	itr_ranks_free(r[0]);
	itr_ranks_free(sets);
	itr_relevance_free(rel);
	itr_relevance_free(out);
	itr_aligned_free(a);
	itr_aligned_free(b);
}

static void a_positive_stays(void **state)
{
	(void)state;
	const float x[6] = { 1, 0, 0, 1, 1, 1 };
	itr_relevance *rel = itr_relevance_from_map(3, 3, (int64_t[]){ 0, 1, 2 }),
		      *out = itr_relevance_from_map(3, 3, (int64_t[]){ 1, 1, 0 });
	itr_score_source *s = itr_score_rows(x, 3, x, 3, 2);
	itr_ranks *r[2];
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_rank_count(s, (const itr_relevance *[]){ rel, NULL }, &(itr_rank_opts){ .excluded = { out, NULL } }, r, &err),
	                 -1);
	assert_non_null(strstr(err.msg, "query row 1 excludes row 1, which is one of its positives"));
	itr_score_source_free(s);
	itr_relevance_free(rel);
	itr_relevance_free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_the_lists), cmocka_unit_test(choice_is_the_same), cmocka_unit_test(indices_are_integers),
		cmocka_unit_test(counts_are_those_of_lists), cmocka_unit_test(kernels_agree), cmocka_unit_test(sums_are_the_same_bits),
		cmocka_unit_test(exclusions_leave), cmocka_unit_test(exclusions_leave_pools), cmocka_unit_test(a_positive_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
