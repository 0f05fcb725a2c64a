/* plot_script.c - a figure as a gnuplot script and a data file of numbered blocks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "track/meta.h"
#include "plot/plot_internal.h"

/* Okabe and Ito's eight; yellow last, it is faint on white. */
static const char *const palette[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442" };
static const int marks[] = { 7, 5, 9, 13, 6, 4, 8, 12 };
static const int dashes[] = { 1, 2, 4, 5, 3, 1, 2, 4 };

const char *itr_plot_colour(int i) { return palette[(unsigned)i % ITR_LEN(palette)]; }

/* In single quotes gnuplot expands nothing: no backslashes, no backquotes, no macros. */
void itr_plot_quote(itr_buf *out, const char *s)
{
	itr_buf clean = ITR_BUF_INIT;
	itr_meta_clean(&clean, s);
	itr_buf_putc(out, '\'');
	for (const char *c = itr_buf_str(&clean); *c; c++) {
		if (*c == '\'')
			itr_buf_putc(out, '\'');
		itr_buf_putc(out, *c);
	}
	itr_buf_putc(out, '\'');
	itr_buf_free(&clean);
}

/* A number that gnuplot reads; NaN and infinities leave a gap. */
static void put(itr_buf *b, double v)
{
	if (isfinite(v))
		itr_buf_printf(b, " %.10g", v);
	else
		itr_buf_puts(b, " NaN");
}

static void put_limit(itr_buf *b, double v)
{
	if (isfinite(v))
		itr_buf_printf(b, "%.10g", v);
	else
		itr_buf_putc(b, '*');
}

void itr_plot_preamble(itr_buf *b, const char *png, int width, int height, int font)
{
	char *gp = itr_path_replace_extension(itr_path_basename(png), ".gp");
	itr_buf_puts(b, "# To draw this again: gnuplot -d ");
	itr_meta_clean(b, gp);
	itr_buf_printf(b, "\nif (exists(\"ARG0\") && strlen(ARG0) > %zu) { cd ARG0[1:strlen(ARG0)-%zu] }\nif (!exists(\"out\")) { out = ",
	               strlen(gp), strlen(gp));
	itr_plot_quote(b, itr_path_basename(png));
	itr_buf_printf(b,
	               " }\nset encoding utf8\n"
	               "if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) { set terminal pngcairo noenhanced size %d,%d font 'DejaVu Sans,%d' "
	               "background '#ffffff' } else "
	               "{ set terminal png noenhanced truecolor size %d,%d font '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf,%d' "
	               "background '#ffffff' }\n"
	               "set output out\n",
	               width, height, font, width, height, font);
	free(gp);
}

/* --- data ----------------------------------------------------------------------------------------------------------------------------- */

/* Position and width of the bar of one of `of` series at category i. */
static double bar_width(int of) { return 0.8 / of; }
static double bar_at(int64_t i, int which, int of) { return (double)i - 0.4 + bar_width(of) * (which + 0.5); }

static double mean(const double *v, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += v[i];
	return n ? sum / (double)n : NAN;
}

static void cell_range(const series *s, double *low, double *high)
{
	*low = INFINITY, *high = -INFINITY;
	for (int64_t i = 0; i < s->n; i++)
		if (isfinite(s->y[i])) {
			*low = ITR_MIN(*low, s->y[i]);
			*high = ITR_MAX(*high, s->y[i]);
		}
}

/* One block of the data file; which/of: index and number of the bar series of the panel. */
static void put_block(itr_buf *dat, series *s, int which, int of)
{
	double low, high;
	for (int64_t i = 0; i < s->n; i++) {
		switch (s->type) {
		case SERIES_BARS:
			put(dat, bar_at(i, which, of));
			put(dat, s->y[i]);
			break;
		case SERIES_BOX:
			put(dat, s->y[i]);
			break;
		case SERIES_HEAT:
			cell_range(s, &low, &high);
			itr_buf_printf(dat, " %lld %lld", (long long)(i % s->columns), (long long)(s->rows - 1 - i / s->columns));
			put(dat, s->y[i]);
			if (isfinite(s->y[i]))
				itr_buf_printf(dat, " \"%.*f\" %s", s->digits, s->y[i],
				               high > low && (s->y[i] - low) / (high - low) > 0.45 ? "0x000000" : "0xffffff");
			else
				itr_buf_puts(dat, " \"-\" 0x000000");
			break;
		default:
			put(dat, s->x ? s->x[i] : (double)i);
			put(dat, s->y[i]);
		}
		if (s->low && s->high) {
			put(dat, s->low[i]);
			put(dat, s->high[i]);
		}
		itr_buf_putc(dat, '\n');
	}
	if (s->type == SERIES_BOX) {                          /* a separate block for the mean */
		itr_buf_puts(dat, "\n\n");
		itr_buf_printf(dat, " %lld", (long long)s->rows);
		put(dat, mean(s->y, s->n));
		itr_buf_putc(dat, '\n');
	}
	itr_buf_puts(dat, "\n\n");
}

static int count_type(const itr_panel *p, series_type type)
{
	int n = 0;
	for (size_t i = 0; i < p->series.n; i++)
		n += p->series.v[i].type == type;
	return n;
}

static void put_data(itr_figure *f, itr_buf *dat)
{
	int block = 0;
	for (size_t k = 0; k < f->panels.n; k++) {
		itr_panel *p = f->panels.v[k];
		int bar = 0, bars = count_type(p, SERIES_BARS);
		for (size_t i = 0; i < p->series.n; i++) {
			series *s = &p->series.v[i];
			if (s->type == SERIES_HLINE || s->type == SERIES_DIAGONAL || s->type == SERIES_LABELS || s->n == 0)
				continue;
			itr_buf_printf(dat, "# block %d: ", block);
			itr_meta_clean(dat, s->name                 ? s->name
			                    : s->type == SERIES_BOX ? p->categories.v[s->rows]
			                    : p->title              ? p->title
			                                            : "");
			itr_buf_putc(dat, '\n');
			s->block = block;
			block += 1 + (s->type == SERIES_BOX);
			put_block(dat, s, bar, bars);
			bar += s->type == SERIES_BARS;
		}
	}
}

/* --- script --------------------------------------------------------------------------------------------------------------------------- */

static void put_set(itr_buf *gp, const char *what, const char *text)
{
	itr_buf_printf(gp, "set %s ", what);
	itr_plot_quote(gp, text ? text : "");
	itr_buf_putc(gp, '\n');
}

static void put_ticks(itr_buf *gp, const char *axis, const names *c, bool reversed, bool slant)
{
	itr_buf_printf(gp, "set %stics %s(", axis, slant ? "rotate by 30 right " : "norotate ");
	for (int64_t i = 0; i < c->n; i++) {
		itr_buf_puts(gp, i ? ", " : "");
		itr_plot_quote(gp, c->v[i]);
		itr_buf_printf(gp, " %lld", (long long)(reversed ? c->n - 1 - i : i));
	}
	itr_buf_puts(gp, ")\n");
}

/* True when the names have to be rotated, because they would overlap. */
static bool crowded(const names *c, int panel_width)
{
	size_t longest = 0;
	for (int64_t i = 0; i < c->n; i++)
		longest = ITR_MAX(longest, strlen(c->v[i]));
	return (int64_t)(longest + 2) * c->n * 9 > panel_width - 90;
}

/* y = x needs equal axes: the range of all points of the panel, a little wider. */
static void square_ranges(itr_panel *p)
{
	double low = INFINITY, high = -INFINITY;
	for (size_t i = 0; i < p->series.n; i++)
		for (int64_t k = 0; k < p->series.v[i].n && p->series.v[i].type == SERIES_SCATTER; k++) {
			double x = p->series.v[i].x[k], y = p->series.v[i].y[k];
			if (isfinite(x) && isfinite(y)) {
				low = ITR_MIN(low, ITR_MIN(x, y));
				high = ITR_MAX(high, ITR_MAX(x, y));
			}
		}
	if (low > high)
		return;
	double room = high > low ? 0.06 * (high - low) : 0.1;
	p->x_low = p->y_low = low - room;
	p->x_high = p->y_high = high + room;
}

struct range { double low, high; };

static void widen(struct range *r, const double *v, int64_t n, bool positive)
{
	for (int64_t i = 0; v && i < n; i++)
		if (isfinite(v[i]) && (!positive || v[i] > 0)) {
			r->low = ITR_MIN(r->low, v[i]);
			r->high = ITR_MAX(r->high, v[i]);
		}
}

/* Ends that were not given: from the data, with a margin. y starts at zero when zero is near, and always for bars, whose length is
 * compared. */
static void choose_ranges(itr_panel *p)
{
	struct range x = { INFINITY, -INFINITY }, y = { INFINITY, -INFINITY };
	bool bars = count_type(p, SERIES_BARS) > 0;
	for (size_t i = 0; i < p->series.n; i++) {
		const series *s = &p->series.v[i];
		widen(&x, s->x, s->n, p->log_x);
		widen(&y, s->y, s->n, p->log_y);
		widen(&y, s->low, s->n, p->log_y);
		widen(&y, s->high, s->n, p->log_y);
	}
	double room = x.high > x.low ? (p->log_x ? 0.06 * log(x.high / x.low) : 0.05 * (x.high - x.low))
	              : p->log_x     ? 0.5
	                             : 0.5 * fabs(x.high) + 0.1;
	if (x.low <= x.high) {
		p->x_low = isfinite(p->x_low) ? p->x_low : p->log_x ? x.low / exp(room) : x.low - room;
		p->x_high = isfinite(p->x_high) ? p->x_high : p->log_x ? x.high * exp(room) : x.high + room;
	}
	if (y.low > y.high || p->log_y)
		return;
	bool zero = y.low >= 0 && (bars || y.low < 0.45 * y.high);
	room = y.high > y.low ? 0.06 * (y.high - (zero ? 0 : y.low)) : 0.1 * fabs(y.high) + (y.high == 0);
	p->y_low = isfinite(p->y_low) ? p->y_low : zero ? 0 : y.low - room;
	p->y_high = isfinite(p->y_high) ? p->y_high : bars && y.high <= 0 ? 0 : y.high + room;
}

static void put_range(itr_buf *gp, const char *axis, double low, double high)
{
	itr_buf_printf(gp, "set %srange [", axis);
	put_limit(gp, low);
	itr_buf_putc(gp, ':');
	put_limit(gp, high);
	itr_buf_puts(gp, "]\n");
}

/* Ticks' names, the label and the key share the room under the axis. */
static void put_key(itr_buf *gp, const itr_panel *p, bool slanted, int panel_width)
{
	int named = 0;
	size_t longest = 0, widest = 0;
	for (size_t i = 0; i < p->series.n; i++)
		if (p->series.v[i].name) {
			named++;
			widest = ITR_MAX(widest, strlen(p->series.v[i].name));
		}
	for (int64_t i = 0; slanted && i < p->categories.n; i++)
		longest = ITR_MAX(longest, strlen(p->categories.v[i]));
	int columns = (int)ITR_MAX(1, ITR_MIN(4, (size_t)(panel_width - 60) / (9 * (widest + 7)))), lines = (named + columns - 1) / columns;
	double below = 2.2 + (slanted ? 0.35 * (double)ITR_MIN(longest, (size_t)24) : 0) + (p->x_label && *p->x_label ? 1.6 : 0) +
	               (named ? 0.4 + 1.2 * lines : 0);
	itr_buf_printf(gp, "set bmargin %.1f\n", below);
	if (named)
		itr_buf_printf(gp, "set key bottom outside center horizontal Left reverse samplen 2.5 spacing 1.1 maxcols %d\n", columns);
	else
		itr_buf_puts(gp, "unset key\n");
}

static void put_axes(itr_buf *gp, itr_panel *p, int panel_width)
{
	bool heat = count_type(p, SERIES_HEAT) > 0, square = count_type(p, SERIES_DIAGONAL) > 0,
	     slanted = p->categories.n && crowded(&p->categories, panel_width);
	put_set(gp, "title", p->title);
	put_set(gp, "xlabel", p->x_label);
	put_set(gp, "ylabel", p->y_label);
	if (square)
		square_ranges(p);
	choose_ranges(p);
	itr_buf_puts(gp, "unset logscale\nunset label\nset xtics autofreq norotate\nset ytics autofreq\nset format '%g'\n");
	itr_buf_printf(gp, "%s%sset size %s\n", p->log_x ? "set logscale x\n" : "", p->log_y ? "set logscale y\n" : "",
	               square ? "square" : "nosquare");
	if (p->categories.n) {
		put_ticks(gp, "x", &p->categories, false, slanted);
		itr_buf_printf(gp, "set xrange [%s:%lld%s]\n", heat ? "-0.5" : "-0.6", (long long)p->categories.n - 1, heat ? ".5" : ".6");
	} else {
		put_range(gp, "x", p->x_low, p->x_high);
	}
	for (int64_t i = 0; i < p->n_ticks; i++)
		itr_buf_printf(gp, "%s%.10g%s", i ? ", " : "set xtics (", p->ticks[i], i + 1 == p->n_ticks ? ")\n" : "");
	if (heat) {
		put_ticks(gp, "y", &p->rows, true, false);
		itr_buf_printf(gp, "set yrange [-0.5:%lld.5]\nunset grid\nset border 0\nset tics scale 0\nset cbtics autofreq\n",
		               (long long)p->rows.n - 1);
	} else {
		put_range(gp, "y", p->y_low, p->y_high);
		itr_buf_puts(gp, "set grid ytics back lc rgb '#cccccc' lw 1 dt 1\nset border 3\nset tics scale 0.6\n");
	}
	put_key(gp, p, slanted, panel_width);
}

static void put_title(itr_buf *gp, const char *name)
{
	itr_buf_puts(gp, name ? " title " : " notitle");
	if (name)
		itr_plot_quote(gp, name);
}

static void put_series(itr_buf *gp, const series *s, const char *dat, int style, int bars)
{
	const char *colour = itr_plot_colour(style);
	int mark = marks[style % ITR_LEN(marks)], dash = dashes[style % ITR_LEN(dashes)];
	itr_buf source = ITR_BUF_INIT;
	itr_plot_quote(&source, dat);
	itr_buf_printf(&source, " index %d", s->block);
	switch (s->type) {
	case SERIES_LINE:
		if (s->low)
			itr_buf_printf(gp, "%s using 1:2:3:4 with yerrorbars lc rgb '%s' lw 1.2 pt -1 notitle, \\\n     ", source.data,
			               colour);
		itr_buf_printf(gp, "%s using 1:2 with linespoints lc rgb '%s' lw 2 dt %d pt %d ps 1.1", source.data, colour, dash, mark);
		break;
	case SERIES_SCATTER:
		itr_buf_printf(gp, "%s using 1:2 with points lc rgb '%s' pt %d ps 1.1", source.data, colour, mark);
		break;
	case SERIES_BARS:
		itr_buf_printf(gp, "%s using 1:2:(%.4f) with boxes lc rgb '%s' fs solid %s border lc rgb '#444444'", source.data,
		               0.94 * bar_width(bars), colour, style % 2 ? "0.55" : "0.9");
		put_title(gp, s->name);
		if (s->low)
			itr_buf_printf(gp, ", \\\n     %s using 1:2:3:4 with yerrorbars lc rgb '#222222' lw 1.2 pt 7 ps 0.5 notitle",
			               source.data);
		itr_buf_free(&source);
		return;
	case SERIES_BOX:
		itr_buf_printf(
			gp, "%s using (%lld):1:(0.5) with boxplot lc rgb '%s' lw 1.4 fs solid 0.25 border lc rgb '%s' notitle, \\\n     ",
			source.data, (long long)s->rows, colour, colour);
		itr_plot_quote(gp, dat);
		itr_buf_printf(gp, " index %d using 1:2 with points lc rgb '#000000' pt 12 ps 1.2", s->block + 1);
		break;
	case SERIES_HLINE:
		itr_buf_printf(gp, "%.10g with lines lc rgb '#555555' lw 1.8 dt 2", s->y[0]);
		break;
	case SERIES_DIAGONAL:
		itr_buf_puts(gp, "x with lines lc rgb '#555555' lw 1.6 dt 2");
		break;
	default:                                             /* heat: cells, then their numbers */
		itr_buf_printf(gp,
		               "%s using 1:2:($1-.5):($1+.5):($2-.5):($2+.5):3 with boxxyerror lc palette fs solid 1 border lc rgb "
		               "'#ffffff' notitle, \\\n     "
		               "%s using 1:2:4:5 with labels tc rgb variable",
		               source.data, source.data);
	}
	put_title(gp, s->name);
	itr_buf_free(&source);
}

static void put_labels(itr_buf *gp, const itr_panel *p)
{
	for (size_t i = 0; i < p->series.n; i++) {
		const series *s = &p->series.v[i];
		for (int64_t k = 0; s->type == SERIES_LABELS && k < s->n; k++) {
			if (!isfinite(s->x[k]) || !isfinite(s->y[k]))
				continue;
			itr_buf_puts(gp, "set label ");
			itr_plot_quote(gp, s->texts[k]);
			itr_buf_printf(gp, " at %.10g,%.10g offset 0.8,0.5 font ',9'\n", s->x[k], s->y[k]);
		}
	}
}

static void put_panel(itr_buf *gp, itr_panel *p, const char *dat, int panel_width)
{
	int style = 0, bars = count_type(p, SERIES_BARS), drawn = 0;
	itr_buf_putc(gp, '\n');
	put_axes(gp, p, panel_width);
	put_labels(gp, p);
	for (size_t i = 0; i < p->series.n; i++) {
		const series *s = &p->series.v[i];
		bool line = s->type == SERIES_HLINE || s->type == SERIES_DIAGONAL;
		if (s->block < 0 && !line)
			continue;
		itr_buf_puts(gp, drawn++ ? ", \\\n     " : "plot ");
		put_series(gp, s, dat, s->type == SERIES_BOX ? 0 : style, bars);
		style += !line && s->type != SERIES_BOX;
	}
	if (!drawn)                                          /* an empty panel keeps its place */
		itr_buf_puts(gp, "set label 1 'no data' at graph 0.5,0.5 center\nset xrange [0:1]\nset yrange [0:1]\nplot -1 notitle");
	itr_buf_putc(gp, '\n');
}

void itr_plot_script(itr_figure *f, itr_buf *gp, itr_buf *dat)
{
	char *data = itr_path_replace_extension(itr_path_basename(f->png), ".dat");
	bool many = f->rows * f->columns > 1;
	put_data(f, dat);
	itr_plot_preamble(gp, f->png, f->width, f->height, 11);
	/* cividis-like: dark blue to yellow, even in lightness for every kind of sight */
	itr_buf_puts(gp, "set tics nomirror out\nset style boxplot outliers pointtype 6\nset errorbars 0.6\nset pointintervalbox 0\n"
	                 "set palette defined (0 '#00224e', 0.25 '#35456c', 0.5 '#7d7c78', 0.75 '#bcad6c', 1 '#fee838')\n");
	if (many) {
		itr_buf_printf(gp, "set multiplot layout %d,%d", f->rows, f->columns);
		if (f->title) {
			itr_buf_puts(gp, " title ");
			itr_plot_quote(gp, f->title);
			itr_buf_puts(gp, " font ',15'");
		}
		itr_buf_putc(gp, '\n');
	} else if (f->title && f->panels.n && !f->panels.v[0]->title) {
		f->panels.v[0]->title = itr_xstrdup(f->title);
	}
	for (size_t i = 0; i < f->panels.n; i++)
		put_panel(gp, f->panels.v[i], data, f->width / f->columns);
	if (many)
		itr_buf_puts(gp, "unset multiplot\n");
	itr_buf_puts(gp, "unset output\n");
	free(data);
}
