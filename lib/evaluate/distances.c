#include "evaluate/distances.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "plot/plot.h"

enum { EUCLIDEAN, MANHATTAN, COSINE, KINDS, SAMPLES = 15 };
static const char *const kind_names[KINDS] = { "euclidean", "manhattan", "cosine" }, *const target_names[2] = { "true", "random" };

struct distances {
	const itr_embeddings *e;
	int64_t n, *text, *target[2];           /* texts that have an image; rows of their true and random targets */
	double *value[KINDS][2];
};

static void measure(void *ctx, int64_t i, int worker)
{
	struct distances *d = ctx;
	const int64_t dim = d->e->side[ITR_TEXT].dim;
	const float *text = d->e->side[ITR_TEXT].rows, *image = d->e->side[ITR_IMAGE].rows;
	(void)worker;
	for (int t = 0; t < 2; t++) {
		const float *a = text + d->text[i] * dim, *b = image + d->target[t][i] * dim;
		double square = 0, absolute = 0, dot = 0, aa = 0, bb = 0;
		for (int64_t k = 0; k < dim; k++) {
			const double x = (double)a[k], y = (double)b[k];
			square += (x - y) * (x - y);
			absolute += fabs(x - y);
			dot += x * y;
			aa += x * x;
			bb += y * y;
		}
		d->value[EUCLIDEAN][t][i] = sqrt(square);
		d->value[MANHATTAN][t][i] = absolute;
		d->value[COSINE][t][i] = aa > 0 && bb > 0 ? 1 - dot / sqrt(aa * bb) : 1;
	}
}

static void collect(struct distances *d, uint64_t seed, int threads)
{
	const itr_row_table *rows = &d->e->table;
	itr_rng r;
	itr_rng_init(&r, (uint64_t[]){ seed, 4 }, 2);
	d->text = itr_xmalloc((size_t)(rows->n[ITR_TEXT] + 1) * sizeof *d->text);
	for (int t = 0; t < 2; t++)
		d->target[t] = itr_xmalloc((size_t)(rows->n[ITR_TEXT] + 1) * sizeof *d->target[t]);
	for (int64_t i = 0; i < rows->n[ITR_TEXT]; i++) {
		const int64_t own = rows->text_image[i];
		if (own < 0)
			continue;
		const int64_t other = itr_rng_integers(&r, 0, rows->n[ITR_IMAGE] - 1);
		d->text[d->n] = i;
		d->target[0][d->n] = own;
		d->target[1][d->n++] = other + (other >= own);
	}
	for (int k = 0; k < KINDS; k++)
		for (int t = 0; t < 2; t++)
			d->value[k][t] = itr_xmalloc((size_t)(d->n + 1) * sizeof(double));
	itr_parallel_for(threads, d->n, measure, d);
}

static void release(struct distances *d)
{
	for (int k = 0; k < KINDS; k++)
		for (int t = 0; t < 2; t++)
			free(d->value[k][t]);
	for (int t = 0; t < 2; t++)
		free(d->target[t]);
	free(d->text);
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double mean_of(const double *x, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += x[i];
	return sum / (double)n;
}

static double improvement(double true_mean, double random_mean)
{
	return random_mean > 0 ? 100 * (random_mean - true_mean) / random_mean : 0;
}

static void summary_json(itr_json *object, const char *key, const double *x, int64_t n)
{
	itr_json *j = itr_json_add_object(object, key);
	const double mean = mean_of(x, n);
	double square = 0, *sorted = itr_xmalloc((size_t)n * sizeof *sorted);
	for (int64_t i = 0; i < n; i++) {
		square += (x[i] - mean) * (x[i] - mean);
		sorted[i] = x[i];
	}
	qsort(sorted, (size_t)n, sizeof *sorted, ascending);
	itr_json_add_num(j, "mean", mean);
	itr_json_add_num(j, "std", n > 1 ? sqrt(square / (double)(n - 1)) : 0);
	itr_json_add_num(j, "median", 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]));
	free(sorted);
}

static itr_json *report(const struct distances *d)
{
	itr_json *j = itr_json_object(), *samples;
	for (int k = 0; k < KINDS; k++) {
		itr_json *one = itr_json_add_object(j, kind_names[k]);
		for (int t = 0; t < 2; t++)
			summary_json(one, target_names[t], d->value[k][t], d->n);
		itr_json_add_num(one, "improvement_percent", improvement(mean_of(d->value[k][0], d->n), mean_of(d->value[k][1], d->n)));
	}
	itr_json_add_int(j, "texts", d->n);
	samples = itr_json_add_array(j, "samples");
	for (int64_t i = 0; i < ITR_MIN(d->n, (int64_t)SAMPLES); i++) {
		itr_json *s = itr_json_push(samples, itr_json_object());
		itr_json_add_str(s, "text", d->e->table.id[ITR_TEXT][d->text[i]]);
		for (int t = 0; t < 2; t++)
			itr_json_add_str(s, t ? "random_image" : "image", d->e->table.id[ITR_IMAGE][d->target[t][i]]);
		for (int k = 0; k < KINDS; k++) {
			itr_json *one = itr_json_add_object(s, kind_names[k]);
			for (int t = 0; t < 2; t++)
				itr_json_add_num(one, target_names[t], d->value[k][t][i]);
		}
	}
	return j;
}

/* Boxes of all texts, or bars of the first ones. */
static int draw(const struct distances *d, const char *stem, bool samples, itr_json *figures, itr_err *err)
{
	char *png = itr_xasprintf("%s.%s.png", stem, samples ? "samples" : "distances");
	const int64_t n = samples ? ITR_MIN(d->n, (int64_t)SAMPLES) : d->n;
	const char *names[SAMPLES];
	itr_figure *f = itr_figure_new(png, samples ? KINDS : 1, samples ? 1 : KINDS,
	                               d->e->table.synthetic ? "distance to the own and to a random image (synthetic data)"
	                                               : "distance to the own and to a random image");
	for (int64_t i = 0; i < n && samples; i++)
		names[i] = d->e->table.id[ITR_TEXT][d->text[i]];
	for (int k = 0; k < KINDS; k++) {
		char title[80];
		snprintf(title, sizeof title, "%s, %.1f %% nearer", kind_names[k],
		         improvement(mean_of(d->value[k][0], n), mean_of(d->value[k][1], n)));
		itr_panel *panel = itr_figure_panel(f, title, samples ? "text" : NULL, "distance");
		if (samples)
			itr_panel_categories(panel, n, names);
		for (int t = 0; t < 2; t++) {
			if (samples)
				itr_panel_bars(panel, target_names[t], n, d->value[k][t], NULL, NULL);
			else
				itr_panel_box(panel, target_names[t], n, d->value[k][t]);
		}
	}
	if (samples)
		itr_figure_size(f, 1100, 3 * 330);
	int rc = itr_figure_render(f, err);
	if (rc == 0)
		itr_json_push(figures, itr_json_new_str(png));
	free(png);
	return rc;
}

itr_json *itr_distances(const itr_embeddings *e, uint64_t seed, int threads, const char *stem, itr_err *err)
{
	struct distances d = { .e = e };
	if (!e->side[ITR_TEXT].rows || e->table.n[ITR_IMAGE] < 2) {
		itr_err_set(err, "'%s': distances need vectors, and at least two images", e->table.name);
		return NULL;
	}
	collect(&d, seed, threads);
	itr_json *j = NULL;
	if (d.n == 0)
		itr_err_set(err, "'%s': no text has an image", e->table.name);
	else
		j = report(&d);
	if (j && stem) {
		itr_json *figures = itr_json_add_array(j, "figures");
		if (draw(&d, stem, false, figures, err) < 0 || draw(&d, stem, true, figures, err) < 0) {
			itr_json_free(j);
			j = NULL;
		}
	}
	release(&d);
	return j;
}

void itr_distances_table(const itr_json *j, itr_buf *out)
{
	itr_buf_printf(out, "\n%-10s  %-24s  %-24s  %s\n", "distance", "to the own image", "to a random image", "improvement");
	for (int k = 0; k < KINDS; k++) {
		const itr_json *one = itr_json_get(j, kind_names[k]);
		itr_buf_printf(out, "%-10s", kind_names[k]);
		for (int t = 0; t < 2; t++) {
			const itr_json *s = itr_json_get(one, target_names[t]);
			itr_buf_printf(out, "  %9.4f +- %-11.4f", itr_json_num(itr_json_get(s, "mean"), NAN),
			               itr_json_num(itr_json_get(s, "std"), NAN));
		}
		itr_buf_printf(out, "  %.1f %%\n", itr_json_num(itr_json_get(one, "improvement_percent"), NAN));
	}
}

double itr_mean_cosine(const itr_embeddings *e)
{
	const int64_t dim = e->side[ITR_TEXT].dim;
	double sum = 0;
	int64_t n = 0;
	for (int64_t i = 0; i < e->table.n[ITR_TEXT]; i++) {
		if (e->table.text_image[i] < 0)
			continue;
		const float *a = e->side[ITR_TEXT].rows + i * dim, *b = e->side[ITR_IMAGE].rows + e->table.text_image[i] * dim;
		double s = 0;
		for (int64_t k = 0; k < dim; k++)
			s += (double)a[k] * (double)b[k];
		sum += s;
		n++;
	}
	return n ? sum / (double)n : 0;
}
