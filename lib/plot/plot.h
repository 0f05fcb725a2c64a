/* plot.h - figures drawn by gnuplot, without a display: NAME.png, and NAME.gp and NAME.dat in the same folder, so that the figure can be
 * edited and drawn again by `gnuplot -d NAME.gp`. Palette: Okabe and Ito, "Color Universal Design" (2008), distinguishable for colour-blind
 * readers; series also differ in marks and dashes.
 *
 *	itr_figure *f = itr_figure_new("result/recall.png", 1, 2, "Recall by precision");
 *	itr_panel *p = itr_figure_panel(f, "text to image", "dimensions", "Recall@10");
 *	itr_panel_line(p, "fp32", n, dims, recall, low, high);
 *	itr_panel_hline(p, "chance", 0.025);
 *	return itr_figure_render(f, err);                           // frees f in any case
 *
 * Strings may have any characters: they are quoted, and gnuplot's mark-up is disabled. NaN gives a gap. All arguments are copied.
 */
#ifndef ITR_PLOT_PLOT_H
#define ITR_PLOT_PLOT_H

#include "base/buf.h"
#include "base/err.h"

typedef struct itr_figure itr_figure;
typedef struct itr_panel itr_panel;

/* png: path of the figure (its folder is created); rows x columns panels, filled row by row; title may be NULL. */
itr_figure *itr_figure_new(const char *png, int rows, int columns, const char *title);
/* Size of the whole figure in pixels; default: 640 x 460 for each panel. */
void itr_figure_size(itr_figure *f, int width, int height);
/* The next panel; borrowed. Labels may be NULL. */
itr_panel *itr_figure_panel(itr_figure *f, const char *title, const char *x_label, const char *y_label);
void itr_figure_free(itr_figure *f);
/* Writes .gp and .dat, runs gnuplot, renames the result to the png. Frees f. -1 with err when a file cannot be written, gnuplot or all
 * fonts are missing (the message says how to install them and how to draw the figure later), or gnuplot fails; .gp and .dat are kept. */
ITR_MUST_USE int itr_figure_render(itr_figure *f, itr_err *err);

/* --- a panel's axes ------------------------------------------------------------------------------------------------------------------- */
void itr_panel_log(itr_panel *p, bool x, bool y);
void itr_panel_x_range(itr_panel *p, double low, double high);       /* NaN: from the data */
void itr_panel_y_range(itr_panel *p, double low, double high);
void itr_panel_x_ticks(itr_panel *p, int64_t n, const double *at);   /* only these ticks, such as dimensions 256, 512, 1024 */
/* Names of positions 0, 1, 2, ... for bars; boxes have their own names. */
void itr_panel_categories(itr_panel *p, int64_t n, const char *const *names);

/* --- series of a panel. low, high: ends of confidence intervals, or NULL -------------------------------------------------------------- */
void itr_panel_line(itr_panel *p, const char *name, int64_t n, const double *x, const double *y, const double *low, const double *high);
void itr_panel_scatter(itr_panel *p, const char *name, int64_t n, const double *x, const double *y);
void itr_panel_labels(itr_panel *p, int64_t n, const double *x, const double *y, const char *const *texts);      /* text beside points */
/* several calls give grouped bars */
void itr_panel_bars(itr_panel *p, const char *name, int64_t n, const double *y, const double *low, const double *high);
/* one box: quartiles, whiskers 1.5 IQR, outliers, mean as a diamond */
void itr_panel_box(itr_panel *p, const char *name, int64_t n, const double *values);
void itr_panel_hline(itr_panel *p, const char *name, double y);                          /* dashed grey: chance */
void itr_panel_diagonal(itr_panel *p);                                                   /* the line y = x; equal axes, square panel */
/* heat map of values (rows, columns), row 0 at the top; each cell shows its number with `digits` decimals. It must be the only series of
 * its panel. */
void itr_panel_heat(itr_panel *p, int64_t rows, int64_t columns, const char *const *row_names, const char *const *column_names,
                    const double *values, int digits);

/* --- for figures with their own script (result pictures) ------------------------------------------------------------------------------ */

/* Appends s in single quotes, as literal text for gnuplot. */
void itr_plot_quote(itr_buf *out, const char *s);
/* Colour i of the palette as "#RRGGBB". */
const char *itr_plot_colour(int i);
/* Appends the first lines of a script NAME.gp for NAME.png: works from any folder, selects pngcairo or png, respects the variable `out`. */
void itr_plot_preamble(itr_buf *out, const char *png, int width, int height, int font);
/* Runs the script of `png` (NAME.gp). -1 with err, also when there are no fonts (the texts would be missing). Characters that no font has
 * become small boxes, with a warning. */
ITR_MUST_USE int itr_plot_run(const char *png, itr_err *err);

#endif
