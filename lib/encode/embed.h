/* embed.h - feature store, or embeddings of any form -> embeddings NPZ: the rows of a split, mapped by a model, cut to the
 * sizes that are asked for. */
#ifndef ITR_ENCODE_EMBED_H
#define ITR_ENCODE_EMBED_H

#include "base/err.h"
#include "base/option.h"
#include "io/provenance.h"

typedef struct itr_embed_opts {
	const char *model;               /* on rows; NULL: the stored vectors, if both sides have one size */
	const char *split;               /* part, by its name; NULL: every row */
	itr_ints project;                /* sizes made by Gaussian projection */
	itr_ints truncate;               /* sizes made by cutting (Matryoshka) */
	bool shuffle_queries;            /* text rows, their ids and ground truth permuted together by default_rng(seed) */
	uint64_t seed;
	int threads;
} itr_embed_opts;
extern const itr_option itr_embed_options[];             /* over itr_embed_opts */

typedef struct itr_embed_result {
	int64_t texts, images, base;     /* rows, and the model's own size */
	int64_t dims[130], n_dims;       /* sizes written */
	int64_t restval;                 /* images of restval that "train" took in */
	int64_t zero_texts, zero_images; /* rows without direction: they stay zero */
} itr_embed_result;

/* A part of data without a split is that of the rule that the model remembers; without such a model, or where the data are not what that
 * was fitted on, it is refused. Writes text_D, video_D (float32, unit rows), ground_truth (int64: row of the image; where it is known),
 * text_ids, video_ids, itr_provenance. No sizes given: the base size. Inputs are noted in p (may be NULL), which is marked synthetic when
 * the data or the model are. 0, or -1 with err and nothing written. */
ITR_MUST_USE int itr_embed(const char *path, const char *out, const itr_embed_opts *o, itr_provenance *p, itr_embed_result *r,
                           itr_err *err);

#endif
