/* plot_internal.h - internal: the struct of a figure, built by plot.c and written by plot_script.c. */
#ifndef ITR_PLOT_PLOT_INTERNAL_H
#define ITR_PLOT_PLOT_INTERNAL_H

#include "base/vec.h"
#include "plot/plot.h"

typedef enum {
	SERIES_LINE,
	SERIES_SCATTER,
	SERIES_LABELS,
	SERIES_BARS,
	SERIES_BOX,
	SERIES_HLINE,
	SERIES_DIAGONAL,
	SERIES_HEAT
} series_type;

typedef struct series {
	series_type type;
	char *name;
	int64_t n;                       /* points; heat: cells */
	double *x, *y, *low, *high;      /* NULL when not given; hline: y[0] */
	char **texts;                    /* labels */
	int64_t rows, columns;           /* heat */
	int digits;
	int block;                       /* of the .dat file; -1 none */
} series;

typedef struct names { char **v; int64_t n; } names;

struct itr_panel {
	char *title, *x_label, *y_label;
	bool log_x, log_y;
	double x_low, x_high, y_low, y_high;
	double *ticks;
	int64_t n_ticks;
	names categories, rows;
	ITR_VEC(series) series;
};

struct itr_figure {
	char *png, *title;
	int rows, columns, width, height;
	ITR_VEC(itr_panel *) panels;
};

/* Appends the script and the data file of the figure. */
void itr_plot_script(itr_figure *f, itr_buf *gp, itr_buf *dat);

/* -1 with err when there is no font. Characters that no font has are replaced in the script `gp`, with a warning. */
ITR_MUST_USE int itr_plot_fonts(const char *png, const char *gp, itr_err *err);

#endif
