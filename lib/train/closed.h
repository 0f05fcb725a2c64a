/* closed.h - fitting a closed form (model/closed.h) on stored pairs: the train part is fitted, the val part chooses the regularization, the
 * file remembers both. */
#ifndef ITR_TRAIN_CLOSED_H
#define ITR_TRAIN_CLOSED_H

#include <signal.h>

#include "data/embeddings.h"
#include "model/model.h"
#include "train/validate.h"

enum { ITR_CLOSED_TRIALS = ITR_OPT_LIST };

typedef struct itr_closed_opts {
	const itr_model_ops *kind;
	itr_closed_fit_opts
		*options; /* the values of kind->options (a larger struct where the kind has one); seed and threads are set here */
	double sizes[3];                /* the split rule that `d` was split by; written into the model unless the data came with a split */
	uint64_t seed;
	int monitor;                    /* ITR_VAL_*: what the val part is asked for (ITR_VAL_MEAN_R10) */
	int threads;
	const volatile sig_atomic_t *stop;      /* set: the fit is given up between two candidates. May be NULL */
	void (*tried)(void *ctx, double r, const double value[ITR_VAL_COUNT], int64_t step);     /* after each candidate; may be NULL */
	void *ctx;
} itr_closed_opts;

typedef struct itr_closed_report {
	int64_t train_texts, train_images, val_texts, val_images;
	int64_t n_trials, best;         /* index of the chosen one */
	double r[ITR_CLOSED_TRIALS];
	double value[ITR_CLOSED_TRIALS][ITR_VAL_COUNT];          /* on val; ITR_VAL_LOSS is NaN */
} itr_closed_report;

/* itr_train_closed into the file `output`. The report as JSON (report.h), with "output". NULL with err. */
itr_json *itr_train_closed_file(const itr_embeddings *d, const itr_closed_opts *o, const char *output, const itr_provenance *p,
                                itr_err *err);

/* d is split already. The caller frees the model. NULL with err. */
itr_closed *itr_train_closed(const itr_embeddings *d, const itr_closed_opts *o, itr_closed_report *report, itr_err *err);

#endif
