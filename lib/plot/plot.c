#include "plot/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "plot/plot_internal.h"

/* --- building ------------------------------------------------------------------------------------------------------------------------- */

static char *copy_text(const char *s) { return s ? itr_xstrdup(s) : NULL; }

static double *copy_numbers(const double *v, int64_t n)
{
	if (!v)
		return NULL;
	double *c = itr_xcalloc((size_t)n + 1, sizeof *c);
	memcpy(c, v, (size_t)n * sizeof *c);
	return c;
}

static names copy_names(const char *const *v, int64_t n)
{
	names c = { itr_xcalloc((size_t)n + 1, sizeof *c.v), n };
	for (int64_t i = 0; i < n; i++)
		c.v[i] = itr_xstrdup(v[i] ? v[i] : "");
	return c;
}

static void free_names(names *c)
{
	for (int64_t i = 0; i < c->n; i++)
		free(c->v[i]);
	free(c->v);
	c->v = NULL;
	c->n = 0;
}

itr_figure *itr_figure_new(const char *png, int rows, int columns, const char *title)
{
	if (rows < 1 || columns < 1)
		ITR_BUG("figure of %d x %d panels", rows, columns);
	itr_figure *f = itr_xcalloc(1, sizeof *f);
	f->png = itr_xstrdup(png);
	f->title = copy_text(title);
	f->rows = rows;
	f->columns = columns;
	itr_figure_size(f, 640 * columns, 460 * rows);
	return f;
}

void itr_figure_size(itr_figure *f, int width, int height)
{
	f->width = width;
	f->height = height;
}

itr_panel *itr_figure_panel(itr_figure *f, const char *title, const char *x_label, const char *y_label)
{
	if (f->panels.n >= (size_t)f->rows * (size_t)f->columns)
		ITR_BUG("figure '%s' has room for %d x %d panels", f->png, f->rows, f->columns);
	itr_panel *p = itr_xcalloc(1, sizeof *p);
	p->title = copy_text(title);
	p->x_label = copy_text(x_label);
	p->y_label = copy_text(y_label);
	p->x_low = p->x_high = p->y_low = p->y_high = NAN;
	ITR_VEC_PUSH(&f->panels, p);
	return p;
}

static void panel_free(itr_panel *p)
{
	for (size_t i = 0; i < p->series.n; i++) {
		series *s = &p->series.v[i];
		names texts = { s->texts, s->texts ? s->n : 0 };
		free_names(&texts);
		free(s->name);
		free(s->x);
		free(s->y);
		free(s->low);
		free(s->high);
	}
	free(p->series.v);
	free_names(&p->categories);
	free_names(&p->rows);
	free(p->ticks);
	free(p->title);
	free(p->x_label);
	free(p->y_label);
	free(p);
}

void itr_figure_free(itr_figure *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->panels.n; i++)
		panel_free(f->panels.v[i]);
	free(f->panels.v);
	free(f->png);
	free(f->title);
	free(f);
}

void itr_panel_log(itr_panel *p, bool x, bool y) { p->log_x = x, p->log_y = y; }
void itr_panel_x_range(itr_panel *p, double low, double high) { p->x_low = low, p->x_high = high; }
void itr_panel_y_range(itr_panel *p, double low, double high) { p->y_low = low, p->y_high = high; }

void itr_panel_x_ticks(itr_panel *p, int64_t n, const double *at)
{
	free(p->ticks);
	p->ticks = copy_numbers(at, n);
	p->n_ticks = n;
}

void itr_panel_categories(itr_panel *p, int64_t n, const char *const *list)
{
	free_names(&p->categories);
	p->categories = copy_names(list, n);
}

static series *add(itr_panel *p, series_type type, const char *name, int64_t n, const double *x, const double *y, const double *low,
                   const double *high)
{
	series s = { .type = type, .name = copy_text(name), .n = n, .x = copy_numbers(x, n), .y = copy_numbers(y, n),
	             .low = copy_numbers(low && high ? low : NULL, n), .high = copy_numbers(low && high ? high : NULL, n), .block = -1 };
	ITR_VEC_PUSH(&p->series, s);
	return &p->series.v[p->series.n - 1];
}

void itr_panel_line(itr_panel *p, const char *name, int64_t n, const double *x, const double *y, const double *low, const double *high)
{
	add(p, SERIES_LINE, name, n, x, y, low, high);
}

void itr_panel_scatter(itr_panel *p, const char *name, int64_t n, const double *x, const double *y)
{
	add(p, SERIES_SCATTER, name, n, x, y, NULL, NULL);
}

void itr_panel_labels(itr_panel *p, int64_t n, const double *x, const double *y, const char *const *texts)
{
	series *s = add(p, SERIES_LABELS, NULL, n, x, y, NULL, NULL);
	s->texts = copy_names(texts, n).v;
}

void itr_panel_bars(itr_panel *p, const char *name, int64_t n, const double *y, const double *low, const double *high)
{
	add(p, SERIES_BARS, name, n, NULL, y, low, high);
}

void itr_panel_box(itr_panel *p, const char *name, int64_t n, const double *values)
{
	int64_t at = p->categories.n;
	p->categories.v = itr_xrealloc(p->categories.v, (size_t)(at + 2) * sizeof *p->categories.v);
	p->categories.v[p->categories.n++] = itr_xstrdup(name ? name : "");
	series *s = add(p, SERIES_BOX, NULL, n, NULL, values, NULL, NULL);
	s->rows = at;
}

void itr_panel_hline(itr_panel *p, const char *name, double y)
{
	add(p, SERIES_HLINE, name, 1, NULL, &y, NULL, NULL);
}

void itr_panel_diagonal(itr_panel *p)
{
	add(p, SERIES_DIAGONAL, NULL, 0, NULL, NULL, NULL, NULL);
}

void itr_panel_heat(itr_panel *p, int64_t rows, int64_t columns, const char *const *row_names, const char *const *column_names,
                    const double *values, int digits)
{
	series *s = add(p, SERIES_HEAT, NULL, rows * columns, NULL, values, NULL, NULL);
	s->rows = rows;
	s->columns = columns;
	s->digits = digits;
	itr_panel_categories(p, columns, column_names);
	free_names(&p->rows);
	p->rows = copy_names(row_names, rows);
}

/* --- drawing -------------------------------------------------------------------------------------------------------------------------- */

int itr_plot_run(const char *png, itr_err *err)
{
	char *gp = itr_path_replace_extension(png, ".gp"), *dir = itr_path_dirname(png), *define = NULL, *temp = NULL, *made = NULL;
	int rc = 0;
	if (!itr_proc_exists("gnuplot")) {
		rc = itr_err_set(err, "gnuplot is not installed, so '%s' is not drawn: apt-get install gnuplot-nox, then: gnuplot -d '%s'",
		                 png, gp);
	} else if (itr_plot_fonts(png, gp, err) < 0) {
		rc = -1;
	} else {
		/* drawn under another name, so that an existing figure stays until the new one is complete; -d: ignores the user's
		 * ~/.gnuplot */
		temp = itr_xasprintf(".plot.%ld.%p.png", (long)getpid(), (const void *)png);
		made = itr_path_join(dir, temp);
		define = itr_xasprintf("out='%s'", temp);
		const char *argv[] = { "gnuplot", "-d", "-e", define, itr_path_basename(gp), NULL };
		rc = itr_proc_run(argv, dir, NULL, 0, err);
		if (rc < 0)
			itr_err_prefix(err, "cannot draw '%s' from '%s': ", png, gp);
		else if (itr_path_size(made) <= 0)
			rc = itr_err_set(err, "cannot draw '%s': gnuplot made no picture of '%s'", png, gp);
		else if (rename(made, png) < 0)
			rc = itr_err_errno(err, "cannot write '%s'", png);
		if (rc < 0)
			unlink(made);
	}
	free(gp);
	free(dir);
	free(define);
	free(temp);
	free(made);
	return rc;
}

int itr_figure_render(itr_figure *f, itr_err *err)
{
	itr_buf gp = ITR_BUF_INIT, dat = ITR_BUF_INIT;
	char *gp_path = itr_path_replace_extension(f->png, ".gp"), *dat_path = itr_path_replace_extension(f->png, ".dat");
	itr_plot_script(f, &gp, &dat);
	int rc = itr_atomic_write(dat_path, itr_buf_str(&dat), dat.len, err);
	if (rc == 0)
		rc = itr_atomic_write(gp_path, itr_buf_str(&gp), gp.len, err);
	if (rc == 0)
		rc = itr_plot_run(f->png, err);
	itr_buf_free(&gp);
	itr_buf_free(&dat);
	free(gp_path);
	free(dat_path);
	itr_figure_free(f);
	return rc;
}
