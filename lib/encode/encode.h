/* encode.h - anything a user names -> rows of one space, with their ids, split and which text belongs to which image: a manifest's pictures
 * and captions, a feature store, embeddings; as they are, or through a model. What evaluate, search and {predict} start from.
 *
 *	itr_encoded r;
 *	itr_encode_opts o = { .in = { .scale = ITR_SCALE_UNIT_IF_NEEDED, .threads = 2 }, .check_split = true, .split = "test" };
 *	if (itr_encode(&r, m, "manifest.jsonl", &o, err) < 0)
 *		return -1;
 *	itr_encoded_free(&r);
 */
#ifndef ITR_ENCODE_ENCODE_H
#define ITR_ENCODE_ENCODE_H

#include "data/embeddings.h"
#include "data/image_text_set.h"
#include "io/json.h"
#include "model/model.h"

typedef struct itr_encode_opts {
	itr_embeddings_opts in;         /* dim and scale are those of what comes out; ITR_SCALE_STORED: a network's rows as it gives them */
	/* a part, by its name: of the data's own split, else by the rule that m remembers; NULL: all rows */
	const char *split;
	/* Parts that are not m's are refused: for evaluation, which must not score a model on what it was trained on */
	bool check_split;
	/* Embeddings whose rows have the size that the model gives were made by it and stay as they are; where a file has vectors of
	 * several sizes, those of that size are read. Rows of a feature store are mapped all the same. */
	bool keep_mapped;
	uint64_t seed;                  /* of the Gaussian matrix, where in.dim asks for another size than a store or a model gives */
	const volatile sig_atomic_t *stop;      /* looked at between batches of pictures and captions; may be NULL */
} itr_encode_opts;

typedef struct itr_encoded {
	itr_embeddings rows;            /* loaded; synthetic also where the model was trained on such data */
	int64_t projected_from;         /* the stored rows' own size, where a Gaussian matrix brought them to this one; 0: it did not */
	int64_t restval;                /* images of restval that "train" took in */
	bool every_part;                /* a model is applied to every split, its training rows included */
	bool leaky;                     /* split by caption: images of the model's training part are in this one too */
} itr_encoded;

/* m NULL: rows as stored. in.sides says which are wanted (0: both); where both are, both must be there and of one size.
 * Manifests are told by their name (itr_manifest_is); their pictures and captions go through the model's towers or, where encoders without
 * weights made the rows that it was fitted on (classic, hash), through those. A model with towers takes the rows that it was trained on:
 * captions with a word and their pictures, of which as many may be damaged as then. Other models take every picture and caption, as
 * {extract-features} does, and none may be damaged. A caption without a word that the encoder knows is a row of zeros.
 * Rows of a store that m itself has made ({extract-features} --model, by the hash of its file) stay as they are; a model with towers takes
 * no others. Rows of another encoder than those that m was fitted on are refused where both are known.
 * m was opened with itr_model_opts.raw where path is a manifest. Data are noted in in.provenance before the model. 0; -1 with err and out
 * empty. */
ITR_MUST_USE int itr_encode(itr_encoded *out, const itr_model *m, const char *path, const itr_encode_opts *o, itr_err *err);
/* What is to be said of such rows where they are ranked: sentences for the user, pushed on a JSON array. */
void itr_encoded_warnings(const itr_encoded *r, itr_json *warnings);
void itr_encoded_free(itr_encoded *r);

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
