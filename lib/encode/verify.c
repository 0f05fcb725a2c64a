#include "encode/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK = 1024 };

struct scan {
	itr_verify_side *side;
	double *norm, *mean;            /* per row; per dimension, of unit rows */
	float *first;
	uint8_t *varies;
	char (*hash)[ITR_SHA256_HEX];
};

static void scan_row(struct scan *s, int64_t row, const float *x)
{
	itr_verify_side *v = s->side;
	double sum = 0;
	bool good = true;
	for (int64_t k = 0; k < v->dim; k++) {
		good &= isfinite(x[k]) != 0;
		sum += (double)x[k] * x[k];
		s->varies[k] |= memcmp(&x[k], &s->first[k], sizeof *x) != 0;
	}
	if (!good) {
		v->first_bad = v->bad_rows++ ? v->first_bad : row;
		sum = 0;
	}
	v->zero_rows += good && sum == 0;
	s->norm[row] = sqrt(sum);
	for (int64_t k = 0; k < v->dim && sum > 0; k++)
		s->mean[k] += x[k] / s->norm[row];
	itr_sha256_bytes(x, (size_t)v->dim * sizeof *x, s->hash[row]);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void summarise(struct scan *s)
{
	itr_verify_side *v = s->side;
	double sum = 0;
	v->norm_min = v->norm_max = s->norm[0];
	for (int64_t i = 0; i < v->rows; i++) {
		v->norm_min = fmin(v->norm_min, s->norm[i]);
		v->norm_max = fmax(v->norm_max, s->norm[i]);
		sum += s->norm[i];
	}
	v->norm_mean = sum / (double)v->rows;
	for (int64_t i = 0; i < v->rows; i++) {
		double at = v->norm_max > v->norm_min ? (s->norm[i] - v->norm_min) / (v->norm_max - v->norm_min) : 0;
		v->norm_count[ITR_MIN((int)(at * ITR_VERIFY_BINS), ITR_VERIFY_BINS - 1)]++;
	}
	qsort(s->hash, (size_t)v->rows, sizeof *s->hash, by_text);
	for (int64_t i = 1; i < v->rows; i++)
		v->repeated_rows += !strcmp(s->hash[i], s->hash[i - 1]);
	for (int64_t k = 0; k < v->dim; k++) {
		v->constant_dims += !s->varies[k];
		s->mean[k] /= (double)v->rows;
	}
	v->constant = v->rows > 1 && v->repeated_rows == v->rows - 1;
}

/* *mean receives the mean unit row; the caller frees. */
static int scan_side(const itr_features *f, const char *path, int64_t rows, int64_t dim, itr_verify_side *v, double **mean, itr_err *err)
{
	*v = (itr_verify_side){ .rows = dim ? rows : 0, .dim = dim, .first_bad = -1 };
	*mean = NULL;
	if (v->rows == 0)
		return 0;
	float *x = itr_aligned_alloc((size_t)(ITR_MIN(rows, BLOCK) * dim) * sizeof *x);
	struct scan s = { .side = v };
	s.norm = itr_xcalloc((size_t)rows, sizeof *s.norm);
	s.mean = *mean = itr_xcalloc((size_t)dim, sizeof *s.mean);
	s.first = itr_xcalloc((size_t)dim, sizeof *s.first);
	s.varies = itr_xcalloc((size_t)dim, 1);
	s.hash = itr_xcalloc((size_t)rows, sizeof *s.hash);
	int rc = 0;
	for (int64_t at = 0, n; at < rows && rc == 0; at += n) {
		n = ITR_MIN(rows - at, BLOCK);
		rc = itr_h5_read_rows(f->h5, path, ITR_F32, at, n, x, err);
		if (rc == 0 && at == 0)
			memcpy(s.first, x, (size_t)dim * sizeof *x);
		for (int64_t i = 0; i < n && rc == 0; i++)
			scan_row(&s, at + i, x + i * dim);
	}
	if (rc == 0)
		summarise(&s);
	itr_aligned_free(x);
	free(s.norm);
	free(s.first);
	free(s.varies);
	free(s.hash);
	return rc;
}

int itr_verify_store(const itr_features *f, itr_verify *v, itr_err *err)
{
	double *image = NULL, *text = NULL, sum = 0;
	*v = (itr_verify){ .has_gap = false };
	int rc = scan_side(f, "/image/pooled", f->table.n[ITR_IMAGE], f->image_dim, &v->image, &image, err);
	if (rc == 0)
		rc = scan_side(f, "/text/pooled", f->table.n[ITR_TEXT], f->text_dim, &v->text, &text, err);
	v->has_gap = rc == 0 && image && text && v->image.dim == v->text.dim;
	for (int64_t k = 0; v->has_gap && k < v->image.dim; k++)
		sum += (image[k] - text[k]) * (image[k] - text[k]);
	v->gap = sqrt(sum);
	free(image);
	free(text);
	return rc;
}

bool itr_verify_ok(const itr_verify *v)
{
	return !v->image.bad_rows && !v->text.bad_rows && !v->image.constant && !v->text.constant && v->image.rows + v->text.rows > 0;
}

static void print_side(const char *what, const itr_verify_side *s, itr_buf *b)
{
	if (s->rows == 0) {
		itr_buf_printf(b, "%-9s no vectors\n", what);
		return;
	}
	itr_buf_printf(b, "%-9s %lld x %lld: %lld with NaN or infinity, %lld zero, %lld repeated%s, %lld constant dimensions\n", what,
	               (long long)s->rows, (long long)s->dim, (long long)s->bad_rows, (long long)s->zero_rows, (long long)s->repeated_rows,
	               s->constant ? " (ALL ROWS ARE EQUAL)" : "", (long long)s->constant_dims);
	itr_buf_printf(b, "          norms %.4g to %.4g, mean %.4g; histogram", s->norm_min, s->norm_max, s->norm_mean);
	for (int k = 0; k < ITR_VERIFY_BINS; k++)
		itr_buf_printf(b, " %lld", (long long)s->norm_count[k]);
	itr_buf_putc(b, '\n');
}

void itr_verify_print(const itr_verify *v, itr_buf *b)
{
	print_side("images", &v->image, b);
	print_side("captions", &v->text, b);
	if (v->has_gap)
		itr_buf_printf(b, "gap       %.4g between the mean image and the mean caption (unit rows)\n", v->gap);
}

static void side_json(const itr_verify_side *s, itr_json *o)
{
	itr_json_add_int(o, "rows", s->rows);
	itr_json_add_int(o, "dim", s->dim);
	itr_json_add_int(o, "not_finite", s->bad_rows);
	itr_json_add_int(o, "zero", s->zero_rows);
	itr_json_add_int(o, "repeated", s->repeated_rows);
	itr_json_add_int(o, "constant_dims", s->constant_dims);
	itr_json_add_bool(o, "constant", s->constant);
	itr_json_add_num(o, "norm_min", s->norm_min);
	itr_json_add_num(o, "norm_max", s->norm_max);
	itr_json_add_num(o, "norm_mean", s->norm_mean);
	itr_json *h = itr_json_add_array(o, "norm_histogram");
	for (int k = 0; k < ITR_VERIFY_BINS; k++)
		itr_json_push(h, itr_json_new_int(s->norm_count[k]));
}

void itr_verify_json(const itr_verify *v, itr_json *into)
{
	side_json(&v->image, itr_json_add_object(into, "image"));
	side_json(&v->text, itr_json_add_object(into, "text"));
	itr_json_add(into, "modality_gap", v->has_gap ? itr_json_new_num(v->gap) : itr_json_new_null());
	itr_json_add_bool(into, "ok", itr_verify_ok(v));
}

int itr_verify_file(const char *path, const char *against, itr_buf *text, itr_json *json, itr_err *err)
{
	itr_verify v;
	itr_against a;
	itr_features *f = itr_features_open(path, err), *g = f && against ? itr_features_open(against, err) : NULL;
	int rc = f && (g || !against) ? itr_verify_store(f, &v, err) : -1;
	if (rc == 0 && g)
		rc = itr_verify_against(f, g, &a, err);
	itr_features_close(f);
	itr_features_close(g);
	if (rc < 0)
		return -1;
	itr_verify_json(&v, json);
	itr_verify_print(&v, text);
	if (against) {
		itr_buf_printf(text, "against '%s'\n", against);
		itr_against_json(&a, itr_json_add_object(json, "against"));
		itr_against_print(&a, text);
	}
	return itr_verify_ok(&v);
}
