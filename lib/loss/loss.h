/* loss.h - losses over a batch of pairs: row i of `text` belongs to row i of `image`. One loss = one file + one line in losses.def. */
#ifndef ITR_LOSS_LOSS_H
#define ITR_LOSS_LOSS_H

#include "autograd/ops.h"
#include "base/err.h"

typedef struct itr_loss_opts {
	itr_var *log_scale;             /* trainable logit scale, or NULL: */
	double scale;                   /* 1 / temperature */
	itr_positives positives;
	bool symmetric;
	const int64_t *image;           /* per row: which image it is; rows of one image are not each other's negatives by `positives` */
} itr_loss_opts;

/* The logit scale is clamped at log(100), as CLIP does. */
#define ITR_LOG_SCALE_CEILING 4.605170185988092

typedef struct itr_loss_ops {
	const char *name, *summary;
	bool contrastive;               /* depends on the other rows of the batch */
	itr_var *(*value)(itr_tape *t, itr_var *text, itr_var *image, const itr_loss_opts *o);      /* one element */
} itr_loss_ops;

extern const itr_loss_ops *const itr_losses[];          /* losses.def, NULL-terminated */
const itr_loss_ops *itr_loss_find(const char *name, itr_err *err);

#endif
