/* grid.h - the candidate-pool ablation (methods.md section 1): dims x precisions x candidate sizes, both directions, seeds.
 *
 *	itr_grid *g = itr_grid_new(&opts, provenance, &err);        // checks options and files; with resume, reads what is done
 *	itr_grid_run(g, &watch, &err);                              // cell by cell; a finished cell is journaled before the next group
 *	itr_grid_write(g, provenance, paths, &err);                 // experiment_results.json, .meta.json, .per_query.npz
 *
 * Pools depend on (seed, direction, size) alone (retrieval/pools.h), so every dim and precision ranks the same candidates and cells are
 * paired, whatever part of the grid is run. A cell that cannot be computed holds its reason; the others continue.
 */
#ifndef ITR_ABLATION_GRID_H
#define ITR_ABLATION_GRID_H

#include <signal.h>

#include "base/err.h"
#include "io/json.h"
#include "io/provenance.h"
#include "retrieval/bootstrap.h"
#include "retrieval/gallery.h"
#include "retrieval/metrics.h"

enum { ITR_GRID_LIST = 64 };

typedef enum itr_timing { ITR_TIMING_QUICK, ITR_TIMING_FULL, ITR_TIMING_OFF } itr_timing;
extern const char *const itr_timing_names[];          /* "quick" "full" "off" NULL */

/* Which cells of an interrupted or imperfect grid are computed again. */
typedef enum itr_pick { ITR_PICK_MISSING, ITR_PICK_FAILED, ITR_PICK_ALL } itr_pick;
extern const char *const itr_pick_names[];            /* "missing" "failed" "all" (both) NULL */

typedef struct itr_grid_list { int n; int64_t v[ITR_GRID_LIST]; } itr_grid_list;

typedef struct itr_grid_opts {
	const char *data, *output_dir;
	itr_grid_list dims;              /* empty: those of `project` or `truncate`, else the sizes that the data has */
	itr_grid_list precisions;        /* itr_precision */
	itr_grid_list sizes;
	itr_grid_list recall_k;
	itr_grid_list seeds;             /* of the pools; more than one: a cell is their mean */
	itr_grid_list project, truncate; /* dims made from the file's largest size: by a Gaussian matrix, or by cutting */
	bool full;                       /* also the whole gallery */
	bool shuffle, no_normalize, calibrate, fidelity;
	bool rotate, rotate_binary;      /* all vectors multiplied by a random rotation; or those of precision binary alone */
	itr_ties ties;
	itr_timing timing;
	int64_t rescore;                 /* N best of a pool ranked again in float32; 0: off */
	itr_quantizer quantizer;
	int resamples;                   /* of the confidence intervals; 0: none */
	bool resume;
	bool dry_run;                    /* list only: no journal is written */
	itr_pick pick;
	uint64_t seed;                   /* of everything that is not a pool */
	int threads, jobs;               /* jobs: (dim, precision) groups computed side by side */
} itr_grid_opts;

typedef struct itr_grid itr_grid;

/* NULL with err: no data, a file that cannot be read, a journal of another grid, ... */
itr_grid *itr_grid_new(const itr_grid_opts *o, itr_provenance *p, itr_err *err);
void itr_grid_free(itr_grid *g);

/* The cells in order, for --dry-run: key, what will happen ("compute", "keep", "failed before"), rows in a pool. */
int64_t itr_grid_cells(const itr_grid *g);
int64_t itr_grid_todo(const itr_grid *g);
const char *itr_grid_cell_key(const itr_grid *g, int64_t i);
const char *itr_grid_cell_plan(const itr_grid *g, int64_t i);
/* After the run: NULL, or why the cell failed; the cell's entry of experiment_results.json (borrowed; NULL when it was not reached). */
const char *itr_grid_cell_error(const itr_grid *g, int64_t i);
const itr_json *itr_grid_cell_result(const itr_grid *g, int64_t i);
/* Sentences for the user: about the data, pools larger than the gallery, cut-offs beyond the pool. A JSON array, borrowed. */
const itr_json *itr_grid_warnings(const itr_grid *g);

/* Called during the work, from one thread at a time. */
typedef struct itr_grid_watch {
	void (*done)(void *ctx, int64_t cells);                       /* so many more cells */
	void (*cell)(void *ctx, const itr_grid *g, int64_t i);        /* cell i is finished (or failed) */
	void *ctx;
	const volatile sig_atomic_t *stop;                            /* set: leave after the present group */
} itr_grid_watch;

/* 0: all cells were tried (see their errors); -1 with err: stopped, or the journal could not be written. */
ITR_MUST_USE int itr_grid_run(itr_grid *g, const itr_grid_watch *watch, itr_err *err);
/* Writes the three files into output_dir. Paths of what was written, for artifacts: results, meta, per-query; borrowed. */
ITR_MUST_USE int itr_grid_write(itr_grid *g, itr_provenance *p, const char *paths[3], itr_err *err);

/* argv with the options of a sweep file put in front (as --set name=value), so that the command line wins: `--sweep FILE` anywhere in it.
 * FILE: {"extends": "OTHER.json", "why": "...", "options": {...}}; extends is relative to the file's folder. -1 with err. The caller frees
 * with itr_sweep_free. */
typedef struct itr_sweep { int argc; char **argv; int owned; char **text; } itr_sweep;
ITR_MUST_USE int itr_sweep_args(int argc, char **argv, itr_sweep *out, itr_err *err);
void itr_sweep_free(itr_sweep *s);

#endif
