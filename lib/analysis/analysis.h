/* analysis.h - analysis of a candidate-pool grid (ablation/grid.h): tables, summary, figures, an HTML page, comparison of two grids.
 *
 *	itr_analysis *a = itr_analysis_read("result", 0, &err);      // experiment_results.json, and the meta file if it exists
 *	itr_json *summary = itr_analysis_summary(a, provenance);
 *	itr_analysis_write_tables(a, "result", &err);
 *	itr_analysis_figures(a, "result", &err);
 *
 * Also reads the files of the original project, which have no chance level, intervals or ties: the chance level is then cut-off / pool
 * size.
 */
#ifndef ITR_ANALYSIS_ANALYSIS_H
#define ITR_ANALYSIS_ANALYSIS_H

#include "base/err.h"
#include "io/json.h"
#include "io/provenance.h"
#include "io/table.h"

/* Columns. Up to MB_PER_QUERY: those of detailed_results.csv, in its order; the others are only in tables. */
typedef enum itr_acolumn {
	ITR_AC_EXPERIMENT,
	ITR_AC_DIM,
	ITR_AC_PRECISION,
	ITR_AC_SIZE,
	ITR_AC_SAMPLES,
	ITR_AC_T2V_RECALL,
	ITR_AC_V2T_RECALL,
	ITR_AC_RECALL,
	ITR_AC_T2V_MRR,
	ITR_AC_V2T_MRR,
	ITR_AC_MRR,
	ITR_AC_T2V_NDCG,
	ITR_AC_V2T_NDCG,
	ITR_AC_NDCG,
	ITR_AC_T2V_TIME,
	ITR_AC_V2T_TIME,
	ITR_AC_TIME,
	ITR_AC_MEMORY,
	ITR_AC_QPS,
	ITR_AC_MB_PER_QUERY,
	ITR_AC_CHANCE,
	ITR_AC_TIES,
	ITR_AC_KERNEL,
	ITR_AC_PARETO,
	ITR_AC_COUNT
} itr_acolumn;

enum { ITR_A_RECALL, ITR_A_MRR };          /* metrics with chance level and interval */
enum { ITR_A_BY_DIM, ITR_A_BY_PRECISION, ITR_A_BY_SIZE };

typedef struct itr_acell {
	char *key, *kernel;
	char *error;                       /* the reason of a failed cell, or NULL */
	int group[3];                      /* indices into the dims, precisions, sizes of the analysis */
	int64_t dim, size;
	char *precision;
	bool full;                         /* pool = the whole gallery */
	double v[ITR_AC_COUNT];            /* NaN: unknown (no timing) */
	double chance[2][2], low[2][2], high[2][2];     /* [direction: text to video, video to text][metric] */
	bool at_chance;                    /* not distinguishable from a random order in either direction */
	/* on the Pareto front of recall, time and memory among the cells with the same pool size */
	bool pareto;
} itr_acell;

typedef struct itr_agroup { int n; char **label; int64_t *value; } itr_agroup;

typedef struct itr_analysis {
	char *dir;
	int64_t k;                         /* cut-off of recall */
	char name[ITR_AC_COUNT][48];       /* names of columns */
	itr_acell *cells;                  /* in the order of the file, failed ones included */
	int64_t n_cells, n_failed;
	itr_agroup group[3];
	bool timed, synthetic;
	itr_json *meta;                    /* or NULL */
	itr_json *warnings;                /* array of strings */
} itr_analysis;

/* k: cut-off of recall; 0: 10 if the results have it, otherwise their largest. NULL with err: no file, not JSON, all cells failed. */
itr_analysis *itr_analysis_read(const char *dir, int64_t k, itr_err *err);
void itr_analysis_free(itr_analysis *a);
/* Mean of a column over the successful cells with value `index` of grouping `by` (by -1: all cells). NaN values are skipped; NaN when there
 * is no other. */
double itr_analysis_mean(const itr_analysis *a, itr_acolumn column, int by, int index);
/* Appends a column as text; exact: all digits, otherwise rounded. Nothing for NaN. */
void itr_analysis_text(const itr_acell *c, itr_acolumn column, bool exact, itr_buf *out);

/* experiment_summary.json; the caller frees. */
itr_json *itr_analysis_summary(const itr_analysis *a, const itr_provenance *p);
/* Writes detailed_results.csv and summary_by_candidate.csv into dir. */
ITR_MUST_USE int itr_analysis_write_tables(const itr_analysis *a, const char *dir, itr_err *err);

typedef struct itr_aview {
	const char *sort;                  /* "COLUMN", "COLUMN desc"; NULL: the order of the file */
	const char *keep, *drop;           /* POSIX extended regular expressions for column names: keep adds, drop removes; or NULL */
	bool only_changed;                 /* without columns that have the same value in all cells */
	bool exact;                        /* all digits */
} itr_aview;
/* A readable table. NULL with err: unknown column, invalid expression. Free with itr_table_free. */
itr_table *itr_analysis_table(const itr_analysis *a, const itr_aview *view, itr_err *err);

/* Appends a table to out. With `synthetic` every format says so: a column "synthetic" (CSV, TSV), a sentence above (Markdown) or below
 * (LaTeX, text) the table. */
void itr_analysis_print(const itr_table *t, bool synthetic, itr_table_format format, itr_buf *out);

/* Writes the table to experiment_table.md and experiment_table.tex in dir, with rounded numbers. */
ITR_MUST_USE int itr_analysis_write_view(const itr_analysis *a, const itr_aview *view, const char *dir, itr_err *err);

/* The figures, NAME.png with .gp and .dat: experiment_analysis, summary_recallK, summary_mrr, pareto. itr_analysis_figure_path: path of
 * one; the caller frees. */
enum { ITR_A_FIGURES = 4 };
char *itr_analysis_figure_path(const itr_analysis *a, const char *dir, int figure);
ITR_MUST_USE int itr_analysis_figures(const itr_analysis *a, const char *dir, itr_err *err);

/* Writes an HTML page that contains all figures, which must exist in dir. */
ITR_MUST_USE int itr_analysis_page(const itr_analysis *a, const char *dir, const char *path, const itr_provenance *p, itr_err *err);

/* Differences b - a of the cells that are in both grids. When both have per-query files of the same queries: 95 % interval of the
 * difference of recall and Holm-adjusted p-value. */
typedef struct itr_adiff {
	const itr_acell *a, *b;
	double recall, mrr, time, memory;       /* b - a, means of both directions */
	double low, high, p;                    /* of recall; NaN: not tested */
	bool bound;                             /* p is the smallest value possible with this number of resamples: "less than" */
} itr_adiff;
/* untested: the reason why there is no test, or NULL */
typedef struct itr_acompare { itr_adiff *d; int64_t n, only_a, only_b, resamples; char *untested; } itr_acompare;
itr_acompare *itr_analysis_compare(const itr_analysis *a, const itr_analysis *b, uint64_t seed, int threads, itr_err *err);
void itr_acompare_free(itr_acompare *c);
itr_table *itr_acompare_table(const itr_acompare *c, const itr_analysis *a, bool exact);
itr_json *itr_acompare_json(const itr_acompare *c, const itr_analysis *a, const itr_analysis *b);

#endif
