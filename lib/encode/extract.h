/* extract.h - manifest -> feature store, in parts that survive a crash.
 *
 * The records are cut into parts of 4,096. A part is computed batch by batch (pictures decoded and prepared by all threads, then encoded),
 * written as OUT.parts/NNNNN.h5 and renamed when whole; at the end the parts are copied one after another into OUT and removed. A part
 * carries the hash of everything its rows depend on (encoders, options, ids, captions, size and time of the picture files), so the same
 * command resumes after any death and a part that no longer fits is made again. Memory is bounded by the batch. The bytes of OUT depend on
 * neither threads, batch, nor the number of resumptions.
 */
#ifndef ITR_ENCODE_EXTRACT_H
#define ITR_ENCODE_EXTRACT_H

#include <signal.h>

#include "base/option.h"
#include "data/features.h"
#include "data/image_text_set.h"
#include "tensor/packed_weight.h"

typedef struct itr_extract_opts {
	const char *image_encoder, *text_encoder;        /* NULL: the side has no vectors */
	const char *model;                               /* a model file that is both encoders; NULL: those named */
	const char *weights, *image_weights, *text_weights, *pooling;    /* weights: of both, where the others are NULL */
	const char *prompt, *prompt_name;                /* of the text encoder; NULL: what its weights' folder says */
	const char *vocabulary, *preset;                 /* NULL: what lies beside the weights, what the weights were published with */
	int compute;                                     /* itr_compute of the networks' products */
	bool patches, tokens, normalize;
	int64_t max_tokens;
	int64_t batch;                                   /* pictures a batch; 0: what the encoder likes */
	int64_t part_rows;                               /* 0: 4,096 */
	int64_t max_failed;                              /* pictures that may fail */
	int64_t shard, shards;                           /* this one of so many; shards 0: everything */
	/* With a model: pictures are decoded as those that it was fitted on, whatever the set says */
	bool pictures_of_model;
	const char *slice, *batch_size;                  /* "I/N" or NULL, "auto" or a number: what shard, shards and batch are made from */
	/* no rows */
	int threads;
	const volatile sig_atomic_t *interrupted;        /* looked at after every batch; may be NULL */
	void (*progress)(void *ctx, int64_t done);       /* may be NULL */
	void *progress_ctx;
} itr_extract_opts;

typedef struct itr_extract_result {
	int64_t images, texts;           /* rows written */
	int64_t failed;                  /* pictures left out, with their captions */
	int64_t empty_texts;             /* captions whose vector is zero */
	int64_t parts, resumed;          /* parts in all, and those that an earlier run had finished */
	itr_features_layout layout;      /* strings die with the call */
} itr_extract_result;

extern const itr_option itr_extract_options[];           /* over itr_extract_opts, and what they begin as: */
extern const itr_extract_opts itr_extract_defaults;
/* What rows alone cannot say: weights of both encoders, shard and batch from their texts, what does not go together. -1 with err: wrong
 * use. */
ITR_MUST_USE int itr_extract_complete(itr_extract_opts *o, itr_err *err);

/* Pictures that this call works on (the shard's), for progress. */
int64_t itr_extract_count(const itr_image_text_set *s, const itr_extract_opts *o);

/* Writes `out` from every row of s, which was opened without check_pictures (each part decodes its own and remembers what failed) and
 * without pairs_only. 0; or -1 with err: nothing at `out` has changed, finished parts stay in OUT.parts. Bad pictures are named by
 * itr_warn, one line each; more than max_failed of them is an error that says what succeeded. p may be NULL. r is filled in either way.
 */
ITR_MUST_USE int itr_extract(itr_image_text_set *s, const char *out, const itr_extract_opts *o, itr_provenance *p,
                             itr_extract_result *r, itr_err *err);

#endif
