/* Pools as sets of bits against pools as lists: the same rows, the same counts, the same state of the generator; and the interval kernels
 * of every instruction set. */
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
#include "experiment/grid_weigh.h"
#include "retrieval/pools.h"
#include "retrieval/rank_bits.h"

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
	float *score = itr_xmalloc((size_t)n * sizeof *score), *some = itr_xmalloc((size_t)n * sizeof *some);
	int32_t *row = itr_xmalloc((size_t)n * sizeof *row);
	uint64_t *bits = itr_xmalloc((size_t)words * 5 * sizeof *bits);
	itr_rng rng;
	itr_rng_seed(&rng, 5);
	for (int64_t q = 0; q < rel->queries; q++) {
		for (int64_t i = 0; i < n; i++)
			score[i] = (float)itr_rng_integers(&rng, -3, 4) / 8;
		int64_t k = itr_pools_next(pa, row), most = itr_pools_next_bits(pc, bits + words);
		itr_pools_next_bits(pb, bits);
		if (!k || !most)
			continue;
		for (int64_t i = 0; i < k; i++)
			some[i] = score[row[i]];
		itr_ranks_query(lists, rel, q, some, row, k);
		itr_ranks_query(whole, rel, q, score, NULL, n);
		itr_ranks_query_bits((itr_ranks *[]){ sets, NULL, all }, 3, rel, q, score, (const uint64_t *[]){ bits, NULL, bits + words },
		                     (int64_t[]){ k, 0, n }, bits + 2 * words);
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
	free(some);
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

static void kernel_agrees(const itr_bits_kernel *kernel)
{
	float score[200];
	uint64_t a[2][4], e[2][4];
	for (int i = 0; i < 200; i++)
		score[i] = i % 29 == 28 ? NAN : i % 17 == 16 ? -0.0f : (float)(i * 7 % 13) - 6;
	for (int64_t n = 1; n <= 200; n++)
		for (float t = -7; t <= 7; t++) {
			memset(a, 0xff, sizeof a);
			memset(e, 0xff, sizeof e);
			itr_bits_plain.compare(score, n, t, a[0], e[0]);
			kernel->compare(score, n, t, a[1], e[1]);
			assert_memory_equal(a[0], a[1], sizeof *a);           /* words behind the last are left alone too */
			assert_memory_equal(e[0], e[1], sizeof *e);
			assert_int_equal(kernel->common(a[0], e[0], itr_bits_words(n)), 0);
			assert_int_equal(kernel->common(a[0], a[1], itr_bits_words(n)),
			                 itr_bits_plain.common(a[0], a[0], itr_bits_words(n)));
		}
}

/* Every kernel that this processor can run, not only the one that it would choose. */
static void kernels_agree(void **state)
{
	(void)state;
	kernel_agrees(itr_bits_kernel_get());
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX2)
		kernel_agrees(&itr_bits_avx2);
	if (itr_cpu_features() & ITR_CPU_AVX512)
		kernel_agrees(&itr_bits_avx512);
#endif
}

static void one_sum(itr_weigh_tile tile, const double *weight, const double *sum, double *out)
{
	for (int i = 0; i < ITR_WEIGH_ROWS * ITR_WEIGH_COLUMNS; i++)
		out[i] = 0.25;
	tile(weight, 37, 37, sum, ITR_WEIGH_COLUMNS, out);
}

static void sums_are_the_same_bits(void **state)
{
	(void)state;
	enum { N = 37 };
	static double weight[ITR_WEIGH_ROWS * N], sum[N * ITR_WEIGH_COLUMNS], want[ITR_WEIGH_ROWS * ITR_WEIGH_COLUMNS],
		got[ITR_WEIGH_ROWS * ITR_WEIGH_COLUMNS];
	itr_rng rng;
	itr_rng_seed(&rng, 2);
	for (int i = 0; i < ITR_LEN(weight); i++)
		weight[i] = (double)itr_rng_integers(&rng, 0, 6);
	for (int i = 0; i < ITR_LEN(sum); i++)
		sum[i] = itr_rng_random(&rng);
	one_sum(itr_weigh_plain, weight, sum, want);
	one_sum(itr_weigh_tile_get(), weight, sum, got);
	assert_memory_equal(got, want, sizeof want);
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX2) {
		one_sum(itr_weigh_avx2, weight, sum, got);
		assert_memory_equal(got, want, sizeof want);
	}
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_the_lists), cmocka_unit_test(choice_is_the_same), cmocka_unit_test(indices_are_integers),
		cmocka_unit_test(counts_are_those_of_lists), cmocka_unit_test(kernels_agree), cmocka_unit_test(sums_are_the_same_bits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
