/* grid_internal.h - what the files of the grid share. */
#ifndef ITR_ABLATION_GRID_INTERNAL_H
#define ITR_ABLATION_GRID_INTERNAL_H

#include "ablation/grid.h"
#include "retrieval/bootstrap.h"
#include "retrieval/pairs.h"
#include "retrieval/relevance.h"

enum { T2V = 0, V2T = 1 };

typedef struct itr_cell {
	int dim, precision;              /* index into dims; itr_precision */
	int64_t size;                    /* candidates; 0: the whole gallery */
	char key[64];
	bool todo;
	char *error;                     /* why it failed, or NULL */
	itr_json *result;                /* entry of the results, or NULL */
	int32_t *counts[2];              /* per direction [seeds][queries][3]: g, n, m of the best positive */
} itr_cell;

/* Candidates of every query for one (seed, direction, size): as sets where these are smaller than lists, otherwise as lists; neither for
 * the whole gallery. */
typedef struct itr_drawn {
	int64_t width, words;
	uint64_t *bits;                  /* [queries][words], see retrieval/pools.h */
	int32_t *row;                    /* [queries][width] */
	int32_t *n;                      /* [queries] rows in the pool; 0: left out */
} itr_drawn;

/* Resampled images, drawn once: how often each of `clusters` is in a resample. */
typedef struct itr_grid_weights {
	int64_t clusters, resamples;
	uint16_t *count;                 /* [resamples][clusters] */
} itr_grid_weights;

struct itr_grid {
	itr_grid_opts o;
	itr_metric_set set;
	itr_pairs *base;                 /* ids, ground truth, and the vectors of the first size that was read */
	int64_t *order;                  /* --shuffle-queries: text row i is the file's row order[i]; or NULL */
	itr_relevance *rel[2];           /* T2V, V2T: the ground truth */
	int64_t unanswered;              /* texts without an image */
	int64_t n_queries[2], n_gallery[2];
	itr_cell *cells;
	int64_t n_cells;
	itr_drawn *pools;                /* [seeds][sizes][2] */
	itr_grid_weights weights;
	itr_json *warnings, *fidelity;
	char *results_path, *meta_path, *queries_path, *journal_path;
	char fingerprint[65];            /* of everything that decides the figures */
	struct itr_journal *journal;
};

/* Vectors of one size: rows as the grid's, unit length unless asked otherwise. */
typedef struct itr_vectors {
	int64_t dim;
	float *x[2];                     /* text, image: itr_aligned_alloc'd */
} itr_vectors;

/* grid_data.c */
ITR_MUST_USE int itr_grid_open(itr_grid *g, itr_provenance *p, itr_err *err);
ITR_MUST_USE int itr_grid_vectors(const itr_grid *g, int64_t dim, itr_vectors *out, itr_err *err);
/* Whether --rotate-binary concerns this precision; v multiplied by the rotation of its size. */
bool itr_grid_turns(const itr_grid *g, int precision);
void itr_grid_turn(const itr_grid *g, const itr_vectors *v, itr_vectors *turned);
void itr_vectors_free(itr_vectors *v);
/* All that is drawn, side by side, and the checksum of the data file meanwhile (p, or NULL). */
void itr_grid_draw(itr_grid *g, itr_provenance *p);
const itr_drawn *itr_grid_pool(const itr_grid *g, int seed, int size, int direction);
/* The candidates of a query as a list, positives first: what d holds, or made of its bits in out[width]. NULL: the whole gallery. */
const int32_t *itr_drawn_rows(const itr_grid *g, const itr_drawn *d, int direction, int64_t query, int32_t *out);

/* grid_score.c: ranks of all queries of one direction in every pool of a group: ranks[seed * n_sizes + size]. NULL where nothing is to do.
 */
void itr_grid_rank(const itr_grid *g, const itr_gallery *gallery, const float *queries, int direction, const bool *wanted,
                   itr_ranks **ranks, int threads);

/* grid_time.c: seconds for all queries of a direction, one by one; latency of the sample in seconds: p50, p95, p99. */
typedef struct itr_lap { double total, p50, p95, p99; } itr_lap;
itr_lap itr_grid_time(const itr_grid *g, const itr_gallery *gallery, const float *queries, int direction, int size);

/* grid_ci.c: 95 % intervals of the means (recall, mrr, ndcg; the others get NaN) of n pairs (T2V, V2T) of values at once; out[(pair * 2 +
 * direction) * ITR_METRIC_MAX + column]. */
void itr_grid_intervals(itr_grid *g, itr_metric_values *const *values, int n, itr_interval *out);

/* Draws the resamples of so many images, unless they are there. */
void itr_grid_resample(itr_grid *g, int64_t clusters);

/* grid_group.c: the cells of one (dim, precision), in two steps: what may run side by side with other groups, and what must run alone. */
typedef struct itr_group itr_group;
itr_group *itr_group_new(const itr_grid *g, int dim, int precision);             /* NULL: none of its cells is to do */
void itr_group_rank(itr_group *group, const itr_vectors *v, const char *error, int threads);   /* error: why there are no vectors */
/* Intervals, timing, results; frees the group. Cells then hold a result or an error. */
void itr_group_finish(itr_grid *g, itr_group *group, const itr_vectors *v);
void itr_group_free(itr_group *group);

/* journal.c */
typedef struct itr_journal itr_journal;
/* Reads what an earlier run left into g's cells, then opens for appending; truncated ends are cut off. A fresh grid starts a new journal.
 */
ITR_MUST_USE int itr_journal_open(itr_grid *g, itr_err *err);
ITR_MUST_USE int itr_journal_add(itr_grid *g, const itr_cell *c, itr_err *err);
void itr_journal_close(itr_journal *j);

#endif
