#include "tensor/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"

/* Pieces of a fixed number of rows; their results are combined in order, so the number of threads does not change the result. */
enum { PIECE = 512, LANES = 8 };

/* Sum of squares in eight interleaved sums of doubles: a fixed order, which the compiler can vectorise. */
static double sum_squares(const float *x, int64_t n)
{
	double s[LANES] = { 0 };
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			s[l] += (double)x[i + l] * (double)x[i + l];
	for (int l = 0; i < n; i++, l++)
		s[l] += (double)x[i] * (double)x[i];
	return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

struct rows {
	float *out;
	const float *x;
	int64_t rows, dim;
	itr_rows_check *found;       /* one a piece */
};

static void normalize_piece(void *ctx, int64_t piece, int worker)
{
	const struct rows *q = ctx;
	int64_t zero = 0;
	(void)worker;
	for (int64_t r = piece * PIECE; r < ITR_MIN((piece + 1) * PIECE, q->rows); r++) {
		float *x = q->out + r * q->dim;
		double s = sum_squares(x, q->dim);
		if (s == 0) {
			zero++;
			continue;
		}
		float scale = (float)(1.0 / sqrt(s));
		/* a scale beyond float's range (rows of subnormals): scale in double instead */
		if (isinf(scale) || scale < 0x1p-126f)
			for (int64_t i = 0; i < q->dim; i++)
				x[i] = (float)((double)x[i] / sqrt(s));
		else
			for (int64_t i = 0; i < q->dim; i++)
				x[i] *= scale;
	}
	q->found[piece].zero_rows = zero;
}

int64_t itr_rows_normalize(float *x, int64_t rows, int64_t dim, int threads)
{
	int64_t pieces = (rows + PIECE - 1) / PIECE, zero = 0;
	struct rows q = { x, x, rows, dim, itr_xcalloc((size_t)ITR_MAX(pieces, (int64_t)1), sizeof(itr_rows_check)) };
	itr_parallel_for(rows * dim < 1 << 16 ? 1 : threads, pieces, normalize_piece, &q);
	for (int64_t i = 0; i < pieces; i++)
		zero += q.found[i].zero_rows;
	free(q.found);
	return zero;
}

int64_t itr_first_not_finite(const float *x, int64_t n)
{
	enum { BLOCK = 4096 };
	const uint32_t exponent = 0x7f800000;           /* all ones: NaN or infinity */
	for (int64_t first = 0; first < n; first += BLOCK) {
		const int64_t end = ITR_MIN(first + BLOCK, n);
		uint32_t bad = 0;
		for (int64_t i = first; i < end; i++) {         /* without a branch, so that it is vectorised */
			uint32_t bits;
			memcpy(&bits, x + i, sizeof bits);
			bad |= (bits & exponent) == exponent;
		}
		for (int64_t i = first; bad && i < end; i++)
			if (!isfinite(x[i]))
				return i;
	}
	return -1;
}

/* itr_rows_alike for every step-th row. */
static bool alike(const float *x, int64_t rows, int64_t dim, int64_t step)
{
	double *mean = itr_xcalloc((size_t)dim, sizeof *mean), square = 0, of_mean = 0;
	const int64_t n = (rows + step - 1) / step;
	for (int64_t r = 0; r < rows; r += step) {
		square += sum_squares(x + r * dim, dim);
		for (int64_t k = 0; k < dim; k++)
			mean[k] += (double)x[r * dim + k];
	}
	for (int64_t k = 0; k < dim; k++)
		of_mean += mean[k] / (double)n * (mean[k] / (double)n);
	free(mean);
	return square / (double)n - of_mean < 1e-6 * square / (double)n;
}

bool itr_rows_alike(const float *x, int64_t rows, int64_t dim)
{
	enum { SAMPLE = 1024 };
	/* first a sample: rows that differ, the usual case, are then not all read */
	return rows > 1 && alike(x, rows, dim, ITR_MAX(rows / SAMPLE, (int64_t)1)) && alike(x, rows, dim, 1);
}

static void inspect_piece(void *ctx, int64_t piece, int worker)
{
	const struct rows *q = ctx;
	itr_rows_check f = { .bad_row = -1, .constant = true };
	(void)worker;
	for (int64_t r = piece * PIECE; r < ITR_MIN((piece + 1) * PIECE, q->rows); r++) {
		const float *x = q->x + r * q->dim;
		double s = sum_squares(x, q->dim);
		if (!isfinite(s) && f.bad_row < 0)         /* squares of finite floats cannot overflow a double */
			f.bad_row = r;
		f.zero_rows += s == 0;
		f.not_unit += !(fabs(sqrt(s) - 1) <= 1e-3);
		if (f.constant && memcmp(x, q->x, (size_t)q->dim * sizeof *x))
			f.constant = false;
	}
	q->found[piece] = f;
}

itr_rows_check itr_rows_inspect(const float *x, int64_t rows, int64_t dim, int threads)
{
	int64_t pieces = (rows + PIECE - 1) / PIECE;
	struct rows q = { NULL, x, rows, dim, itr_xcalloc((size_t)ITR_MAX(pieces, (int64_t)1), sizeof(itr_rows_check)) };
	itr_rows_check all = { .bad_row = -1, .constant = rows > 1 };
	itr_parallel_for(rows * dim < 1 << 16 ? 1 : threads, pieces, inspect_piece, &q);
	for (int64_t i = 0; i < pieces; i++) {
		if (all.bad_row < 0)
			all.bad_row = q.found[i].bad_row;
		all.zero_rows += q.found[i].zero_rows;
		all.not_unit += q.found[i].not_unit;
		all.constant = all.constant && q.found[i].constant;
	}
	free(q.found);
	return all;
}
