/* checkpoint.h - everything that a run needs to go on as if nothing had happened ("itr-checkpoint", HDF5): weights, best weights,
 * optimiser, moving average, position. The one before is kept as NAME.1: at every moment at least one whole checkpoint is on disk. */
#ifndef ITR_TRAIN_CHECKPOINT_H
#define ITR_TRAIN_CHECKPOINT_H

#include "model/model.h"
#include "optim/optim.h"

typedef struct itr_train_state {
	int64_t epoch, step_in_epoch;           /* completed epochs; steps done in the present one */
	double loss_sum, loss_weight;           /* of the present epoch */
	int64_t best_epoch, stale_epochs;
	double best_value;
} itr_train_state;

typedef struct itr_checkpoint_parts {
	itr_model *model;
	itr_optim *optim;
	itr_ema *ema;                           /* NULL: none */
	const float *best;                      /* written: block of the best weights; NULL before there are any */
	itr_train_state *state;
	double *history;                        /* state->epoch rows of `metrics` numbers; on reading room for max_epochs rows */
	int metrics;
	const itr_json *info;                   /* written; NULL on reading */
} itr_checkpoint_parts;

ITR_MUST_USE int itr_checkpoint_write(const char *path, const itr_checkpoint_parts *p, itr_err *err);
/* Fills the parts (model, optim, ema must exist; best is left alone). A position behind max_epochs is refused. A broken file: -1, and err
 * names the previous checkpoint when that one is whole. */
ITR_MUST_USE int itr_checkpoint_read(const char *path, itr_checkpoint_parts *p, int64_t max_epochs, itr_err *err);
/* The block of the best weights (n floats; itr_aligned_free), or NULL when the file has none or, with err, cannot be read. They live in the
 * file, not in memory. */
float *itr_checkpoint_best(const char *path, int64_t n, itr_err *err);
/* The info object alone, to know the options before anything is built. NULL with err (naming the previous checkpoint when it is whole). */
itr_json *itr_checkpoint_info(const char *path, itr_err *err);
char *itr_checkpoint_previous(const char *path);        /* "m.ckpt.h5" -> "m.ckpt.1.h5"; the caller frees */

#endif
