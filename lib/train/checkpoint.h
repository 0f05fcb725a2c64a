/* checkpoint.h - everything that a run needs to resume as if nothing had happened ("itr-checkpoint", HDF5, version 2): for each net
 * /net/NAME/{param/ARRAY, optim/{name,step,state0..}, ema, best}; /state/{counts,sums,terms}; /metric/{name,history}; /info. Version 1 (one
 * net, under the root) reads as the net "model"; a later version is refused. The one before is kept as NAME.1: at every moment at least one
 * whole checkpoint is on disk. */
#ifndef ITR_TRAIN_CHECKPOINT_H
#define ITR_TRAIN_CHECKPOINT_H

#include "io/json.h"
#include "train/trainer.h"

typedef struct itr_train_state {
	int64_t epoch, step_in_epoch;           /* completed epochs; steps done in the present one */
	double loss_sum, loss_weight;           /* of the present epoch */
	double term_sum[ITR_TRAIN_OBJECTIVES];  /* the same of each objective's term, and of its own step's loss */
	double own_sum[ITR_TRAIN_OBJECTIVES];
	int64_t best_epoch, stale_epochs;
	double best_value;
} itr_train_state;

typedef struct itr_checkpoint_parts {
	const itr_train_net *net;               /* [0] is "model" */
	int n_nets;
	const float *best;                      /* written: block of the model's best weights; NULL before there are any */
	itr_train_state *state;
	double *history;                        /* state->epoch rows of `metrics` numbers; on reading room for max_epochs rows */
	int metrics;
	const char *const *metric;              /* their names */
	const itr_json *info;                   /* written; NULL on reading */
} itr_checkpoint_parts;

ITR_MUST_USE int itr_checkpoint_write(const char *path, const itr_checkpoint_parts *p, itr_err *err);
/* Fills the parts (nets, their optimisers and averages must exist; best is left alone). Metrics are found by name; one that the file does
 * not have becomes NaN. A position behind max_epochs is refused. A broken file: -1, and err names the previous checkpoint when that one is
 * whole. */
ITR_MUST_USE int itr_checkpoint_read(const char *path, itr_checkpoint_parts *p, int64_t max_epochs, itr_err *err);
/* The block of the net's best weights (itr_params_live floats; itr_aligned_free), or NULL when the file has none or, with err, cannot be
 * read. They live in the file, not in memory. */
float *itr_checkpoint_best(const char *path, const itr_train_net *net, itr_err *err);
/* The info object alone, to know the options before anything is built. NULL with err (naming the previous checkpoint when it is whole). */
itr_json *itr_checkpoint_info(const char *path, itr_err *err);
char *itr_checkpoint_previous(const char *path);        /* "m.ckpt.h5" -> "m.ckpt.1.h5"; the caller frees */

#endif
