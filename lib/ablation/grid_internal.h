/* grid_internal.h - internal: declarations shared by the files of the grid. */
#ifndef ITR_ABLATION_GRID_INTERNAL_H
#define ITR_ABLATION_GRID_INTERNAL_H

#include "ablation/grid.h"
#include "retrieval/bootstrap.h"
#include "encode/encode.h"
#include "retrieval/relevance.h"

enum { T2V = 0, V2T = 1 };

typedef struct itr_cell {
	int dim, precision;              /* index into dims; itr_precision */
	int64_t size;                    /* candidates; 0: the whole gallery */
	char key[64];
	bool todo;
	char *error;                     /* the reason of a failure, or NULL */
	itr_json *result;                /* entry of the results, or NULL */
	int32_t *counts[2];              /* per direction [seeds][queries][3]: g, n, m of the best positive */
} itr_cell;

/* Candidates of every query for one (seed, direction, size): as bit sets when these are smaller, otherwise as lists; neither for the whole
 * gallery. */
typedef struct itr_drawn {
	int64_t width, words;
	uint64_t *bits;                  /* [queries][words], see retrieval/pools.h */
	int32_t *row;                    /* [queries][width] */
	int32_t *n;                      /* [queries] number of rows in the pool; 0: the query is not ranked */
} itr_drawn;

/* Bootstrap resamples of images, drawn once: how often each of `clusters` images is in a resample. */
typedef struct itr_grid_weights {
	int64_t clusters, resamples;
	uint16_t *count;                 /* [resamples][clusters] */
} itr_grid_weights;

struct itr_grid {
	itr_grid_opts o;
	itr_metric_set set;
	itr_encoded base;                /* ids, relevance, and the embeddings of the first dim that was read */
	int64_t *order;                  /* --shuffle-queries: text row i is row order[i] of the file; or NULL */
	itr_relevance *rel[2];           /* T2V, V2T */
	int64_t unanswered;              /* texts without an image */
	int64_t n_queries[2], n_gallery[2];
	itr_cell *cells;
	int64_t n_cells;
	itr_drawn *pools;                /* [seeds][sizes][2] */
	itr_grid_weights weights;
	itr_json *warnings, *fidelity;
	char *results_path, *meta_path, *queries_path, *journal_path;
	char fingerprint[65];            /* hash of everything that determines the results */
	struct itr_journal *journal;
};

/* Embeddings of one dim, in the order of the grid, L2-normalised where o.normalize says so. */
typedef struct itr_vectors {
	int64_t dim;
	float *x[2];                     /* text, image: itr_aligned_alloc'd */
} itr_vectors;

/* grid_data.c */
ITR_MUST_USE int itr_grid_open(itr_grid *g, itr_provenance *p, itr_err *err);
ITR_MUST_USE int itr_grid_vectors(itr_grid *g, int64_t dim, itr_vectors *out, itr_err *err);
/* True when --rotate-binary applies to this precision. _rotate: rotated = v times the random rotation of its dim. */
bool itr_grid_rotates(const itr_grid *g, int precision);
void itr_grid_rotate(const itr_grid *g, const itr_vectors *v, itr_vectors *rotated);
void itr_vectors_free(itr_vectors *v);
/* Draws all pools and resamples in parallel, and hashes the data file at the same time (p, or NULL). */
void itr_grid_draw(itr_grid *g, itr_provenance *p);
const itr_drawn *itr_grid_pool(const itr_grid *g, int seed, int size, int direction);
/* The candidates of a query as a list, positives first: borrowed from d, or written to out[width] from its bit set. NULL: the whole
 * gallery. */
const int32_t *itr_drawn_rows(const itr_grid *g, const itr_drawn *d, int direction, int64_t query, int32_t *out);

/* grid_score.c: ranks of all queries of one direction in every pool of a group: ranks[seed * n_sizes + size], NULL for pools that are not
 * wanted. */
void itr_grid_rank(const itr_grid *g, const itr_gallery *gallery, const float *queries, int direction, const bool *wanted,
                   itr_ranks **ranks, int threads);

/* grid_time.c: time of all queries of a direction, one at a time, and percentiles of the latency, in seconds. */
typedef struct itr_grid_latency { double total, p50, p95, p99; } itr_grid_latency;
itr_grid_latency itr_grid_time(const itr_grid *g, const itr_gallery *gallery, const float *queries, int direction, int size);

/* grid_ci.c: 95 % confidence intervals of the means (recall, mrr, ndcg; NaN for others) of n pairs (T2V, V2T) of values; out[(pair * 2 +
 * direction) * ITR_METRIC_MAX + column]. */
void itr_grid_intervals(itr_grid *g, itr_metric_values *const *values, int n, itr_interval *out);

/* Draws the resamples of so many images, unless they exist. */
void itr_grid_resample(itr_grid *g, int64_t clusters);

/* grid_group.c: the cells of one (dim, precision), in two steps: itr_group_rank may run at the same time as other groups, itr_group_finish
 * may not. */
typedef struct itr_group itr_group;
itr_group *itr_group_new(const itr_grid *g, int dim, int precision);             /* NULL: none of its cells has to be computed */
void itr_group_rank(itr_group *group, const itr_vectors *v, const char *error, int threads);   /* error: when there are no embeddings */
/* Intervals, timing, results; frees the group. Each of its cells then has a result or an error. */
void itr_group_finish(itr_grid *g, itr_group *group, const itr_vectors *v);
void itr_group_free(itr_group *group);

/* journal.c */
typedef struct itr_journal itr_journal;
/* Reads the journal of an earlier run into g's cells, removes an incomplete last record and opens it for appending. Without resume starts a
 * new journal. 0, or -1 with err. */
ITR_MUST_USE int itr_journal_open(itr_grid *g, itr_err *err);
ITR_MUST_USE int itr_journal_add(itr_grid *g, const itr_cell *c, itr_err *err);
void itr_journal_close(itr_journal *j);

#endif
