/* network.h - a network from stored pairs to a model file: split, loop, checkpoints, learning curve, report. What `train --model
 * mlp|residual-mlp|heads` is. */
#ifndef ITR_TRAIN_NETWORK_H
#define ITR_TRAIN_NETWORK_H

#include "train/loop.h"

typedef struct itr_network_job {
	const char *model;
	itr_model_config config;        /* text_dim and image_dim come from the data */
	itr_train_opts opts;
	itr_model *built;               /* borrowed: the model with towers (finetune.h); NULL: made from `model` and config */
	int64_t max_failed;             /* pictures that were allowed to fail, which evaluation then allows too */
	const itr_embeddings *data;      /* split already, with: */
	double sizes[3];
	const char *output;             /* MODEL.h5; MODEL.ckpt.h5 and MODEL.curves.png are written beside it */
	const char *resume;             /* checkpoint to go on from; NULL: from the start */
	itr_provenance *provenance;
	double started, read_seconds; /* itr_clock_now at the program's start, what reading the data took: "start_seconds" is what went by
	                                 until the first step began besides reading, "first_step_seconds" what that step took */
	itr_json *info; /* goes into checkpoints: the options. "data_sha256" is added; on resumption compared with the checkpoint's */
	itr_train_hooks hooks;          /* metric, progress, stop and ctx; the rest is filled in */
} itr_network_job;

/* Opens pairs, of which max_memory bytes are held (itr_embeddings_opts), and splits them ("0.9/0.1/0") where the file has no split;
 * `sizes` receives the shares. Files of queries only are refused. 0, or -1 with err and d empty. */
ITR_MUST_USE int itr_network_data(itr_embeddings *d, const char *path, const char *sizes_text, const itr_split_rule *rule, uint64_t seed,
                                  size_t max_memory, int threads, double sizes[3], itr_err *err);

/* Is there a checkpoint beside `output` that a fresh run would replace? -1 with err, which names --resume; 0: there is none. */
ITR_MUST_USE int itr_network_check_fresh(const char *output, itr_err *err);

/* Pairs that a whole run goes through, for a progress line. */
int64_t itr_network_samples(const itr_network_job *job);

/* Trains. The report (report.h) with "artifacts": the files beside the model; "output" is the model file, null where this training has
 * written none. The caller frees. NULL with err: a failure, or an interruption, whose message says how to go on. A report together with
 * err: the training ran, but it diverged, or no epoch gave a model to keep; a file of an earlier training at job->output was left as it is.
 * A curve that cannot be drawn is a warning, not a failure. */
itr_json *itr_network_fit(itr_network_job *job, itr_err *err);

#endif
