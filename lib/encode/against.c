/* The same pictures and captions in two stores, row by row: what a precision, a preset or another machine changed. */
#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "encode/verify.h"

static int by_number(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double cosine(const float *a, const float *b, int64_t n)
{
	double aa = 0, bb = 0, ab = 0;
	for (int64_t k = 0; k < n; k++) {
		aa += (double)a[k] * a[k];
		bb += (double)b[k] * b[k];
		ab += (double)a[k] * b[k];
	}
	return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : aa == bb;        /* two zero rows are alike */
}

struct side { const char *what; char *const *id; int64_t rows, dim; };

/* Rows of `b` in the order of `a`'s ids; NULL with err. */
static int64_t *matched(const struct side *a, const struct side *b, const char *name, itr_err *err)
{
	itr_map *at = itr_map_new();
	int64_t *row = itr_xmalloc(((size_t)a->rows + 1) * sizeof *row), missing = -1;
	for (int64_t i = 0; i < b->rows; i++)
		itr_map_add(at, b->id[i], i);
	for (int64_t i = 0; i < a->rows && missing < 0; i++)
		if ((row[i] = itr_map_get(at, a->id[i], -1)) < 0)
			missing = i;
	itr_map_free(at);
	if (missing < 0 && a->rows == b->rows)
		return row;
	if (missing < 0)
		itr_err_set(err, "'%s' holds %lld %ss, the other store %lld", name, (long long)b->rows, a->what, (long long)a->rows);
	else
		itr_err_set(err, "'%s' has no %s '%s'", name, a->what, a->id[missing]);
	free(row);
	return NULL;
}

static int compare(const struct side *a, const struct side *b, float *(*read)(const itr_features *, const int64_t *, int64_t, itr_err *),
                   const itr_features *fa, const itr_features *fb, itr_against_side *out, itr_err *err)
{
	*out = (itr_against_side){ .rows = 0 };
	if (!a->dim && !b->dim)
		return 0;
	if (a->dim != b->dim)
		return itr_err_set(err, "%s vectors of %lld dimensions and of %lld ('%s') cannot be compared", a->what, (long long)a->dim,
		                   (long long)b->dim, fb->path);
	int64_t *row = matched(a, b, fb->path, err);
	float *x = row ? read(fa, NULL, 0, err) : NULL, *y = x ? read(fb, row, a->rows, err) : NULL;
	if (y && a->rows) {
		double *c = itr_xmalloc((size_t)a->rows * sizeof *c), sum = 0;
		for (int64_t i = 0; i < a->rows; i++)
			sum += c[i] = cosine(x + i * a->dim, y + i * a->dim, a->dim);
		qsort(c, (size_t)a->rows, sizeof *c, by_number);
		*out = (itr_against_side){ a->rows, c[0], c[a->rows / 100], c[a->rows / 2], sum / (double)a->rows };
		free(c);
	}
	itr_aligned_free(x);
	itr_aligned_free(y);
	free(row);
	return y ? 0 : -1;
}

int itr_verify_against(const itr_features *a, const itr_features *b, itr_against *out, itr_err *err)
{
	const struct side image[2] = { { "image", a->table.id[ITR_IMAGE], a->table.n[ITR_IMAGE], a->image_dim },
		                       { "image", b->table.id[ITR_IMAGE], b->table.n[ITR_IMAGE], b->image_dim } };
	const struct side text[2] = { { "caption", a->table.id[ITR_TEXT], a->table.n[ITR_TEXT], a->text_dim },
		                      { "caption", b->table.id[ITR_TEXT], b->table.n[ITR_TEXT], b->text_dim } };
	if (compare(&image[0], &image[1], itr_features_images, a, b, &out->image, err) < 0)
		return -1;
	return compare(&text[0], &text[1], itr_features_texts, a, b, &out->text, err);
}

static void print_side(const char *what, const itr_against_side *s, itr_buf *b)
{
	if (s->rows)
		itr_buf_printf(b, "%-9s %lld: cosine at least %.6f, 1 %% below %.6f, median %.6f, mean %.6f\n", what, (long long)s->rows,
		               s->least, s->percentile, s->median, s->mean);
}

void itr_against_print(const itr_against *v, itr_buf *out)
{
	print_side("images", &v->image, out);
	print_side("captions", &v->text, out);
}

static void side_json(const itr_against_side *s, itr_json *o)
{
	itr_json_add_int(o, "rows", s->rows);
	itr_json_add_num(o, "cosine_min", s->least);
	itr_json_add_num(o, "cosine_p1", s->percentile);
	itr_json_add_num(o, "cosine_median", s->median);
	itr_json_add_num(o, "cosine_mean", s->mean);
}

void itr_against_json(const itr_against *v, itr_json *into)
{
	side_json(&v->image, itr_json_add_object(into, "image"));
	side_json(&v->text, itr_json_add_object(into, "text"));
}
