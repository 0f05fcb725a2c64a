/* grid.h - the candidate-pool ablation: a grid of dims x precisions x candidate sizes, both directions, several seeds.
 *
 *	itr_grid *g = itr_grid_new(&opts, provenance, &err);        // checks options and files; with resume, reads finished cells
 *	itr_grid_run(g, &watch, &err);                              // computes the cells; appends finished ones to the journal
 *	itr_grid_write(g, provenance, paths, &err);                 // experiment_results.json, .meta.json, .per_query.npz
 *
 * Pools depend only on (seed, direction, size) (retrieval/pools.h), so all dims and precisions rank the same candidates and cells can be
 * compared by paired tests, also when only a part of the grid is run. A cell that cannot be computed has an error; the others continue.
 */
#ifndef ITR_ABLATION_GRID_H
#define ITR_ABLATION_GRID_H

#include <signal.h>

#include "base/err.h"
#include "base/option.h"
#include "io/json.h"
#include "io/provenance.h"
#include "retrieval/bootstrap.h"
#include "retrieval/gallery.h"
#include "retrieval/metrics.h"

enum { ITR_GRID_LIST = ITR_OPT_LIST };

typedef enum itr_timing { ITR_TIMING_QUICK, ITR_TIMING_FULL, ITR_TIMING_OFF } itr_timing;
extern const char *const itr_timing_names[];          /* "quick" "full" "off" NULL */

/* The cells of an earlier run to compute again. */
typedef enum itr_pick { ITR_PICK_MISSING, ITR_PICK_FAILED, ITR_PICK_ALL } itr_pick;
extern const char *const itr_pick_names[];            /* "missing" "failed" "all" (both) NULL */

typedef struct itr_grid_opts {
	const char *data, *output_dir;
	itr_ints dims;              /* empty: those of `project` or `truncate`, otherwise all dims of the data */
	itr_ints precisions;        /* itr_precision */
	itr_ints sizes;             /* of candidate pools */
	itr_ints recall_k;
	itr_ints seeds;             /* of the pools; with several seeds a cell is the mean over them */
	itr_ints project, truncate; /* dims computed from the file's largest: by a Gaussian projection, by truncation */
	bool full;                       /* also the whole gallery */
	bool shuffle, normalize, calibrate, fidelity;
	bool rotate, rotate_binary;      /* random rotation of all embeddings; only for binary precisions */
	int ties, timing;                /* itr_ties, itr_timing */
	int64_t rescore;                 /* the N best of a pool are ranked again by float32 scores; 0: off */
	int quantizer;                   /* itr_quantizer */
	int64_t resamples;                 /* of the confidence intervals; 0: none */
	bool resume;
	bool dry_run;                    /* only list the cells; no journal is written */
	int pick;                        /* itr_pick */
	uint64_t seed;                   /* of everything except the pools */
	int threads;
	int64_t jobs;                    /* number of (dim, precision) groups computed at the same time */
} itr_grid_opts;

typedef struct itr_grid itr_grid;

/* NULL with err: invalid options, a file that cannot be read, a journal of another grid, ... */
itr_grid *itr_grid_new(const itr_grid_opts *o, itr_provenance *p, itr_err *err);
void itr_grid_free(itr_grid *g);

/* The cells in order, for --dry-run: their number, the number to compute, key and plan ("compute", "keep", "failed before") of each. */
int64_t itr_grid_cells(const itr_grid *g);
int64_t itr_grid_todo(const itr_grid *g);
const char *itr_grid_cell_key(const itr_grid *g, int64_t i);
const char *itr_grid_cell_plan(const itr_grid *g, int64_t i);
/* After the run: the error of the cell, or NULL; its entry in experiment_results.json, or NULL when it was not computed. Borrowed. */
const char *itr_grid_cell_error(const itr_grid *g, int64_t i);
const itr_json *itr_grid_cell_result(const itr_grid *g, int64_t i);
/* Warnings for the user (about the data, pools larger than the gallery, cut-offs larger than the pool) as a JSON array of strings,
 * borrowed. */
const itr_json *itr_grid_warnings(const itr_grid *g);

/* Callbacks during the run, from one thread at a time. */
typedef struct itr_grid_watch {
	void (*done)(void *ctx, int64_t cells);                       /* number of cells finished since the last call */
	void (*cell)(void *ctx, const itr_grid *g, int64_t i);        /* cell i is finished or failed */
	void *ctx;
	const volatile sig_atomic_t *stop;                            /* non-zero: stop after the current group */
} itr_grid_watch;

/* 0 when all cells were tried (they may have errors); -1 with err when stopped or when the journal cannot be written. */
ITR_MUST_USE int itr_grid_run(itr_grid *g, const itr_grid_watch *watch, itr_err *err);
/* Writes the three files into output_dir. paths: results, meta, per-query, for artifacts; borrowed from g. */
ITR_MUST_USE int itr_grid_write(itr_grid *g, itr_provenance *p, const char *paths[3], itr_err *err);

/* Handles `--sweep FILE` in argv: inserts the options of FILE at the front, as --set name=value, so that the command line overrides them.
 * FILE: {"extends": "OTHER.json", "why": "...", "options": {...}}; extends is relative to the folder of the file. 0, or -1 with err. Free
 * with itr_sweep_free. */
typedef struct itr_sweep { int argc; char **argv; int owned; char **text; } itr_sweep;
ITR_MUST_USE int itr_sweep_args(int argc, char **argv, itr_sweep *out, itr_err *err);
void itr_sweep_free(itr_sweep *s);

#endif
