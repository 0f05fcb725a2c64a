/* encode.h - anything a user names through a model: a manifest's pictures and captions, a feature store, embeddings -> rows of the shared
 * space, with their ids, split and which text belongs to which image. What evaluation and {predict} start from.
 *
 *	itr_embeddings e;
 *	if (itr_encode(&e, m, "manifest.jsonl", &(itr_encode_opts){ .sides = ITR_HAS_TEXT | ITR_HAS_IMAGE, .unit = true }, err) < 0)
 *		return -1;
 *	itr_embeddings_free(&e);
 */
#ifndef ITR_ENCODE_ENCODE_H
#define ITR_ENCODE_ENCODE_H

#include "data/embeddings.h"
#include "data/image_text_set.h"
#include "model/model.h"

typedef struct itr_encode_opts {
	unsigned sides;                 /* ITR_HAS_TEXT, ITR_HAS_IMAGE or both: the rows that are wanted. Both: both must be there */
	/* Rows are split as m's record says where they have no split of their own, and refused where their parts are not the model's: for
	 * evaluation, which must not score a model on what it was trained on */
	bool check_split;
	const char *split;              /* with check_split: a part, by its name; NULL: all rows */
	bool unit;                      /* rows of unit length (those of a closed form always are) */
	int threads;
	const volatile sig_atomic_t *stop;      /* looked at between batches of pictures and captions; may be NULL */
} itr_encode_opts;

/* Manifests are told by their name (itr_manifest_is); their pictures and captions go through the model's towers or, where encoders without
 * weights made the rows that it was fitted on (classic, hash), through those. A model with towers takes the rows that it was trained on:
 * captions with a word and their pictures, of which as many may be damaged as then. Other models take every picture and caption, as
 * {extract-features} does, and none may be damaged. A caption without a word that the encoder knows is a row of zeros.
 * m was opened with itr_model_opts.raw where path is a manifest. 0; -1 with err and e empty. Free with itr_embeddings_free. */
ITR_MUST_USE int itr_encode(itr_embeddings *e, const itr_model *m, const char *path, const itr_encode_opts *o, itr_err *err);

typedef struct itr_encode_inputs_opts {
	bool unit, before_head;         /* as in itr_model_output */
	int threads;
	const volatile sig_atomic_t *stop;      /* may be NULL */
} itr_encode_inputs_opts;

/* Rows (NULL: the first n) of a side of s through m, in front of which a tower stands: (n, dim), itr_aligned_alloc'd; the caller frees.
 * NULL with err: a picture that cannot be decoded or that the tower cannot take, NaN or infinity, interrupted. */
float *itr_encode_inputs(const itr_image_text_set *s, const itr_model *m, itr_modality side, const itr_encode_inputs_opts *o,
                         const int64_t *rows, int64_t n, itr_err *err);

#endif
