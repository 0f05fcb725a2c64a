/* lib/tensor/attention.c: against the definition in double, at lengths around every block and panel, causal or not; gradients too. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tensor/attention.h"

static float *draws(itr_rng *r, int64_t n, double scale)
{
	float *x = itr_aligned_alloc((size_t)n * sizeof *x);
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)(itr_rng_normal(r) * scale);
	return x;
}

/* Probabilities of one query. */
static void row_of(const itr_attention_head *a, int64_t i, double *p, double *lse)
{
	const int64_t seen = a->causal ? i + 1 : a->rows;
	double top = -INFINITY, sum = 0;
	for (int64_t j = 0; j < seen; j++) {
		p[j] = 0;
		for (int64_t l = 0; l < a->dim; l++)
			p[j] += (double)a->q[i * a->ld + l] * (double)a->k[j * a->ld + l] / sqrt((double)a->dim);
		top = fmax(top, p[j]);
	}
	for (int64_t j = 0; j < seen; j++)
		sum += p[j] = exp(p[j] - top);
	for (int64_t j = 0; j < a->rows; j++)
		p[j] = j < seen ? p[j] / sum : 0;
	*lse = top + log(sum);
}

static double worst(const double *want, const float *got, int64_t rows, int64_t dim, int64_t ld, double *size)
{
	double e = 0;
	*size = 0;
	for (int64_t i = 0; i < rows; i++)
		for (int64_t l = 0; l < dim; l++) {
			e = fmax(e, fabs(want[i * dim + l] - (double)got[i * ld + l]));
			*size = fmax(*size, fabs(want[i * dim + l]));
		}
	return e;
}

static void check(itr_rng *r, int64_t rows, int64_t dim, bool causal, double scale)
{
	const int64_t ld = 3 * dim + 5, ld_out = dim + 3;
	float *qkv = draws(r, rows * ld, scale), *g = draws(r, rows * ld_out, 1), *out = draws(r, rows * ld_out, 1),
	      *lse = draws(r, rows, 1), *d = itr_aligned_calloc((size_t)(rows * ld) * sizeof *d);
	const itr_attention_head a = { rows, dim, qkv, qkv + dim, qkv + 2 * dim, ld, causal, 0, 0 };
	float *scratch = itr_aligned_alloc((size_t)itr_attention_scratch(rows, dim) * sizeof *scratch);
	float *scratch2 = itr_aligned_alloc((size_t)itr_attention_backward_scratch(rows, dim) * sizeof *scratch2);
	double *p = itr_xmalloc((size_t)rows * sizeof *p), *o = itr_xcalloc((size_t)(rows * dim), sizeof *o), *w[3], size, size_d[3],
	       lse_error = 0;
	for (int k = 0; k < 3; k++)
		w[k] = itr_xcalloc((size_t)(rows * dim), sizeof(double));
	itr_attention_forward(&a, out, ld_out, lse, scratch);
	itr_attention_backward(&a, out, g, ld_out, lse, d, d + dim, d + 2 * dim, scratch2);
	for (int64_t i = 0; i < rows; i++) {
		double l, dot = 0;
		row_of(&a, i, p, &l);
		lse_error = fmax(lse_error, fabs(l - (double)lse[i]) / fmax(1, fabs(l)));
		for (int64_t j = 0; j < rows; j++)
			for (int64_t c = 0; c < dim; c++) {
				o[i * dim + c] += p[j] * (double)a.v[j * ld + c];
				dot += p[j] * (double)a.v[j * ld + c] * (double)g[i * ld_out + c];
			}
		for (int64_t j = 0; j < rows; j++) {
			double dp = 0;
			for (int64_t c = 0; c < dim; c++)
				dp += (double)a.v[j * ld + c] * (double)g[i * ld_out + c];
			const double s = p[j] * (dp - dot) / sqrt((double)dim);
			for (int64_t c = 0; c < dim; c++) {
				w[0][i * dim + c] += s * (double)a.k[j * ld + c];
				w[1][j * dim + c] += s * (double)a.q[i * ld + c];
				w[2][j * dim + c] += p[j] * (double)g[i * ld_out + c];
			}
		}
	}
	const double e = worst(o, out, rows, dim, ld_out, &size);
	if (!(e < 4e-6 * fmax(size, 1e-3)) || !(lse_error < 2e-6))
		fail_msg("%lld x %lld causal %d: forward off by %g of %g, log-sum-exp by %g", (long long)rows, (long long)dim, causal, e,
		         size, lse_error);
	for (int k = 0; k < 3; k++) {
		const double b = worst(w[k], d + k * dim, rows, dim, ld, &size_d[k]);
		if (!(b < 2e-5 * fmax(size_d[k], 1)))
			fail_msg("%lld x %lld causal %d: gradient %d off by %g of %g", (long long)rows, (long long)dim, causal, k, b,
			         size_d[k]);
	}
	for (int k = 0; k < 3; k++)
		free(w[k]);
	free(o), free(p);
	itr_aligned_free(qkv), itr_aligned_free(g), itr_aligned_free(out), itr_aligned_free(lse), itr_aligned_free(d),
		itr_aligned_free(scratch), itr_aligned_free(scratch2);
}

static void test_lengths(void **state)
{
	static const int64_t rows[] = { 1, 2, 13, 16, 31, 32, 33, 50, 77, 197, 252, 253, 300 }, dim[] = { 64, 32, 20, 3, 96 };
	itr_rng r;
	(void)state;
	itr_rng_init(&r, (uint64_t[]){ 7, 1 }, 2);
	for (int i = 0; i < ITR_LEN(rows); i++)
		for (int causal = 0; causal < 2; causal++)
			check(&r, rows[i], dim[i % ITR_LEN(dim)], causal, i % 2 ? 1 : 0.3);
	check(&r, 530, 16, true, 1);
	check(&r, 577, 16, false, 1);
	check(&r, 50, 64, false, 6);                    /* scores of hundreds: probabilities of nearly 0 and 1 */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lengths) };
	static const char *const kernels[] = { "avx512", "avx2", "scalar" };
	char command[4300];
	(void)argc;
	int failed = cmocka_run_group_tests_name(itr_cpu_names(), tests, NULL, NULL);
	for (int i = 0; i < ITR_LEN(kernels) && !getenv("ITR_CPU"); i++) {
		snprintf(command, sizeof command, "ITR_CPU=%s '%s'", kernels[i], argv[0]);
		failed += system(command) != 0;
	}
	return failed;
}
