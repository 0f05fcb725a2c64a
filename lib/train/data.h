/* data.h - what a training works on: stored vectors, or a manifest's pictures and captions with towers in front of the model. */
#ifndef ITR_TRAIN_DATA_H
#define ITR_TRAIN_DATA_H

#include "train/options.h"

typedef struct itr_train_data {
	const itr_embeddings *d;        /* split; of the one that is open: */
	itr_embeddings stored;
	itr_finetune tuned;             /* model NULL: vectors are stored */
	double sizes[3];                /* shares of the split */
	double read_seconds;
} itr_train_data;

/* Opens `path` as o says, with its seed, threads and stop; towers: a manifest. Inputs are noted in p, which is marked synthetic where the
 * data are. What makes learning hopeless (equal rows, leaky splits) is a warning. 0, or -1 with err and x empty. */
ITR_MUST_USE int itr_train_data_open(itr_train_data *x, const char *path, const char *model, bool towers, const itr_train_options *o,
                                     itr_provenance *p, itr_err *err);
void itr_train_data_free(itr_train_data *x);

#endif
