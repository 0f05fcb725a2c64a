/* finetune.h - heads with towers in front, from pictures and captions: what `train --finetune image|text|all` is before the loop starts.
 * The loop is that of stored features.
 *
 * The side that is not trained gets its vectors once, from a tower with published weights (which goes into the model file as a constant) or
 * from an encoder without weights.
 */
#ifndef ITR_TRAIN_FINETUNE_H
#define ITR_TRAIN_FINETUNE_H

#include "train/loop.h"
#include "train/network.h"

enum { ITR_BN_AUTO, ITR_BN_BATCH, ITR_BN_RUNNING };     /* auto: running with published weights, batch from scratch */

typedef struct itr_finetune_opts {
	bool train[2];                          /* text, image */
	const char *encoder[2], *weights[2];    /* encoder NULL: "hash", "classic" (not where trained); weights NULL: random */
	const char *vocabulary;                 /* text: NULL: beside the weights; for word towers from scratch: the training captions' */
	const char *preset;
	int pooling;                            /* itr_pooling */
	int64_t vocabulary_size, max_tokens, max_failed;
	double tower_lr;                        /* times the learning rate; 0: 0.1 with published weights, 1 from scratch */
	int bn;
	bool freeze_bn;                         /* gamma and beta stay too */
	const char *freeze_layers;              /* parts of trained towers that stay as they are (itr_towers_freeze); NULL: none */
	/* of the loop's pictures and memory */
	int augment;                            /* of itr_augment_names */
	double crop_scale, jitter;
	bool gradient_checkpointing;
	/* no rows */
	const char *split_sizes;
	uint64_t seed;
	int threads;
	const volatile sig_atomic_t *stop;
} itr_finetune_opts;
extern const itr_option itr_finetune_options[];         /* over itr_finetune_opts, and what they begin as: */
extern const itr_finetune_opts itr_finetune_defaults;
/* What must hold between them. -1 with err. */
ITR_MUST_USE int itr_finetune_check(const itr_finetune_opts *o, itr_err *err);

typedef struct itr_finetune {
	itr_image_text_set set;
	itr_embeddings data;            /* the set's rows; vectors of the side that is not trained */
	itr_model *model;
	double sizes[3];
} itr_finetune;

/* Reads, decodes every picture once, splits, opens the towers, builds the model and makes the vectors of the side that is not trained. 0,
 * or -1 with err and f empty. */
ITR_MUST_USE int itr_finetune_open(itr_finetune *f, const char *path, const char *model, const itr_model_config *c,
                                   const itr_finetune_opts *o, itr_err *err);
void itr_finetune_free(itr_finetune *f);
/* Does `batch` suit --bn batch on these data? -1 with err: some batch of an epoch would hold one pair. */
ITR_MUST_USE int itr_finetune_check_batches(const itr_finetune *f, int64_t batch, int64_t chunk, itr_err *err);

#endif
