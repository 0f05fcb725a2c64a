/* plot.h - figures by gnuplot, without X: NAME.png with NAME.gp and NAME.dat beside it, so that anybody can redo a plot with `gnuplot -d
 * NAME.gp` after changing either. Palette: Okabe and Ito, "Color Universal Design" (2008), distinguishable for the colour-blind; series
 * differ in mark and dash too.
 *
 *	itr_figure *f = itr_figure_new("result/recall.png", 1, 2, "Recall by precision");
 *	itr_panel *p = itr_figure_panel(f, "text to image", "dimensions", "Recall@10");
 *	itr_panel_line(p, "fp32", n, dims, recall, low, high);
 *	itr_panel_hline(p, "chance", 0.025);
 *	return itr_figure_render(f, err);                           // frees f either way
 *
 * All strings may hold anything: they reach gnuplot as quoted text with its own mark-up switched off. Numbers that are NaN leave a gap.
 * Everything given is copied.
 */
#ifndef ITR_PLOT_PLOT_H
#define ITR_PLOT_PLOT_H

#include "base/buf.h"
#include "base/err.h"

typedef struct itr_figure itr_figure;
typedef struct itr_panel itr_panel;

/* `png` names the picture (the folder is made); rows x columns panels, filled row by row; title may be NULL. */
itr_figure *itr_figure_new(const char *png, int rows, int columns, const char *title);
/* Pixels of the whole; default 640 x 460 a panel. */
void itr_figure_size(itr_figure *f, int width, int height);
/* The next panel; borrowed. Labels may be NULL. */
itr_panel *itr_figure_panel(itr_figure *f, const char *title, const char *x_label, const char *y_label);
void itr_figure_free(itr_figure *f);
/* Writes .gp and .dat, runs gnuplot, puts the picture in place. Frees f. -1 with err when a file cannot be written, gnuplot or every font
 * is missing (the message says how to get it and how to draw the plot later) or refuses: .gp and .dat stay. */
ITR_MUST_USE int itr_figure_render(itr_figure *f, itr_err *err);

/* --- a panel's axes ------------------------------------------------------------------------------------------------------------------- */
void itr_panel_log(itr_panel *p, bool x, bool y);
void itr_panel_x_range(itr_panel *p, double low, double high);       /* NaN: by the data */
void itr_panel_y_range(itr_panel *p, double low, double high);
void itr_panel_x_ticks(itr_panel *p, int64_t n, const double *at);   /* only these (dimensions 256, 512, 1024); NULL names: the numbers */
/* Names below positions 0, 1, 2, ... for bars; boxes name themselves. */
void itr_panel_categories(itr_panel *p, int64_t n, const char *const *names);

/* --- what a panel shows. low, high: ends of confidence intervals, or NULL ------------------------------------------------------------- */
void itr_panel_line(itr_panel *p, const char *name, int64_t n, const double *x, const double *y, const double *low, const double *high);
void itr_panel_scatter(itr_panel *p, const char *name, int64_t n, const double *x, const double *y);
void itr_panel_labels(itr_panel *p, int64_t n, const double *x, const double *y, const char *const *texts);      /* text beside points */
/* several calls: groups side by side */
void itr_panel_bars(itr_panel *p, const char *name, int64_t n, const double *y, const double *low, const double *high);
/* one box: quartiles, whiskers 1.5 IQR, outliers, mean as a diamond */
void itr_panel_box(itr_panel *p, const char *name, int64_t n, const double *values);
void itr_panel_hline(itr_panel *p, const char *name, double y);                          /* dashed grey: chance */
void itr_panel_diagonal(itr_panel *p);                                                   /* y = x, both axes alike, square */
/* values row by row, row 0 on top; each cell shows its number with `digits` decimals. The only thing in its panel. */
void itr_panel_heat(itr_panel *p, int64_t rows, int64_t columns, const char *const *row_names, const char *const *column_names,
                    const double *values, int digits);

/* --- for figures with a script of their own: result pictures ------------------------------------------------------------------------- */

/* s between single quotes, so that gnuplot takes it as nothing but text. */
void itr_plot_quote(itr_buf *out, const char *s);
/* Colour i of the palette as "#RRGGBB". */
const char *itr_plot_colour(int i);
/* The first lines of a script NAME.gp for NAME.png: it works from any folder, picks pngcairo or png, knows `out`. */
void itr_plot_preamble(itr_buf *out, const char *png, int width, int height, int font);
/* Runs the script that lies beside `png`. Without fonts it fails (the texts would be missing); characters that no font has become small
 * boxes, with a warning. */
ITR_MUST_USE int itr_plot_run(const char *png, itr_err *err);

#endif
