/* loss.h - losses over a batch of pairs: row i of `query` and row i of `target` are a positive pair. One loss = one file with one
 * descriptor + one line in losses.def; the descriptor has its options and their defaults.
 *
 *	const itr_loss_ops *l = itr_loss_find("infonce", &err);
 *	itr_var *v = l->value(l->defaults, tape, &(itr_loss_in){ text, image, .symmetric = true, .scale = 1 / 0.07 });
 */
#ifndef ITR_LOSS_LOSS_H
#define ITR_LOSS_LOSS_H

#include "autograd/ops.h"
#include "base/err.h"
#include "base/option.h"
#include "nn/param.h"

/* Inputs of a loss. Optional pointers are NULL when absent. */
typedef struct itr_loss_in {
	/* (B, E), (N, E), N >= B, not normalised: target i is the positive of query i; targets B .. N-1 are negatives of every query */
	itr_var *query, *target;
	/* (B n_own, E): further negatives of each query; those of query i are rows i n_own .. (i + 1) n_own - 1 */
	itr_var *own;
	int64_t n_own;
	const int64_t *group;           /* [N] targets with equal numbers have the same image; see option --positives */
	const int64_t *excluded;        /* [B] one more target that query i ignores, or -1 */
	bool symmetric;                 /* mean of the losses query -> target and target -> query (targets 0 .. B-1) */
	itr_var *log_scale;             /* logarithm of the learnable logit scale (1 element); NULL: the fixed `scale` */
	double scale;                   /* 1 / temperature */
} itr_loss_in;

/* The logit scale is clamped at log(100), as CLIP does. */
#define ITR_LOG_SCALE_CEILING 4.605170185988092

typedef struct itr_loss_ops {
	const char *name, *summary;
	bool contrastive;               /* depends on the other rows of the batch */
	size_t size;                    /* size of `self`, a copy of `defaults` that the options change; 0: no options */
	const void *defaults;
	const itr_option *options;
	/* checks the options for embeddings of `dim` dimensions: 0, or -1 with err; NULL: nothing to check */
	int (*check)(const void *self, int64_t dim, itr_err *err);
	void (*init)(void *self, itr_params *p); /* registers parameters of the loss (a bias) and stores them in self; NULL: none */
	itr_var *(*value)(const void *self, itr_tape *t,
	                  const itr_loss_in *in); /* the loss, one element. Aborts when it gets an input that it does not support */
} itr_loss_ops;

extern const itr_loss_ops *const itr_losses[];          /* losses.def, NULL-terminated */
extern const char *const itr_loss_names[];              /* their names in the same order, NULL-terminated */
const itr_loss_ops *itr_loss_find(const char *name, itr_err *err);       /* NULL with err, which gives the nearest name */

#endif
