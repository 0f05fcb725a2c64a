/* loss.h - losses over rows that belong together: row i of `query` belongs to row i of `target`. One loss = one file with one descriptor
 * + one line in losses.def; its options and their defaults stand in the descriptor.
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

/* What a loss is computed from. NULL: there is none of it. */
typedef struct itr_loss_in {
	itr_var *query, *target; /* (B, E), (N, E), N >= B, not normalised: row i belongs to column i; columns B .. N-1 are negatives of
	                            every row */
	itr_var *own; int64_t n_own;    /* (B n_own, E): further negatives, those of row i alone at i n_own .. (i + 1) n_own - 1 */
	const int64_t
		*group; /* [N] equal: the same picture, hence no negatives of each other; which is which says the loss (--positives) */
	const int64_t *excluded;        /* [B] a column that row i leaves out besides, or -1 */
	bool symmetric;                 /* columns 0 .. B-1 -> rows too, both directions with equal weight */
	itr_var *log_scale;             /* trainable logit scale (1), or NULL: */
	double scale;                   /* 1 / temperature */
} itr_loss_in;

/* The logit scale is clamped at log(100), as CLIP does. */
#define ITR_LOG_SCALE_CEILING 4.605170185988092

typedef struct itr_loss_ops {
	const char *name, *summary;
	bool contrastive;               /* depends on the other rows of the batch */
	size_t size;                    /* self: begins as a copy of `defaults`; `options` write into it. 0: the loss has neither */
	const void *defaults;
	const itr_option *options;
	/* do the options fit embeddings of `dim` dimensions? -1 with err; NULL: always */
	int (*check)(const void *self, int64_t dim, itr_err *err);
	void (*init)(void *self, itr_params *p); /* registers trainable arrays of its own (a bias) and keeps them in self; NULL: none */
	itr_var *(*value)(const void *self, itr_tape *t,
	                  const itr_loss_in *in); /* one element. Aborts on an input that it has no use for */
} itr_loss_ops;

extern const itr_loss_ops *const itr_losses[];          /* losses.def, NULL-terminated */
const itr_loss_ops *itr_loss_find(const char *name, itr_err *err);       /* unknown: the nearest is named */

#endif
