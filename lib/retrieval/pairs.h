/* pairs.h - what an evaluation starts from: texts, images, and which belong together, wherever they come from (formats.md).
 *
 *   x.npz, x.h5          text_D, video_D, ground_truth, text_ids, video_ids, itr_provenance
 *   folder               clip-retrieval: text_emb/text_emb_*.npy and img_emb/img_emb_*.npy
 *   t.npy and i.npy      own vectors, opts.text and opts.image
 *   features.h5 + model  a feature store mapped by a projection; refused when the store's split is not the one that the model was fitted
 * beside
 *
 * Rows must be finite; they are made unit length unless opts.normalize is false. What is not as it should be but can be lived with is
 * counted here and warned about by itr_pairs_warnings; the rest is an error.
 */
#ifndef ITR_RETRIEVAL_PAIRS_H
#define ITR_RETRIEVAL_PAIRS_H

#include "base/err.h"
#include "data/embeddings.h"
#include "io/json.h"
#include "io/provenance.h"

typedef struct itr_pairs {
	char *name;                     /* as the user knows it */
	int64_t n_text, n_image, dim;
	float *text, *image;            /* (n, dim), itr_aligned_alloc'd; NULL when there are ids only (a TREC run is evaluated) */
	char **text_id, **image_id;     /* unique; row numbers where the source has none */
	bool has_ids;
	int64_t *text_image;            /* [n_text]: row of its image, -1: none */
	char *truth;                    /* what text_image comes from: "ground_truth", "row by row", "5 captions an image", a file */
	int64_t n_pairs, *pair[2];      /* as in itr_row_table */
	bool synthetic;
	int64_t not_unit_text, not_unit_image, zero_text, zero_image;
	/* the vectors' own size, where a Gaussian matrix brought them to this one; 0: they are as they were */
	int64_t made_from;
	bool all_parts;                 /* a model is applied to every split, its training rows included */
	int64_t restval;                /* images of part restval that "train" took in */
	bool leaky;                     /* split by caption: images of the training part are in this one too */
	bool normalized_here, constant_text, constant_image;
	char *text_weights;             /* SHA-256 of the weights that made a feature store's texts; NULL: not told, or mapped by a model */
} itr_pairs;

typedef struct itr_pairs_opts {
	int64_t dim;                    /* which text_D, video_D; 0: the only size, or the largest */
	const char *text, *image;       /* own vectors (.npy) */
	/* .npy ([M] image rows, or [P,2] pairs) or .csv (image row a line, or text,image), replaces what the file holds */
	const char *ground_truth;
	int64_t captions_per_image;     /* 0: not said */
	const char *model, *split;      /* of a feature store; split NULL: every row */
	bool no_normalize;
	uint64_t seed;                  /* of the Gaussian map, when a store's vectors are asked for in another size */
	int threads;
} itr_pairs_opts;

/* path may be NULL when opts has text and image. Inputs are noted in p (may be NULL), `synthetic` too. NULL with err. */
itr_pairs *itr_pairs_open(const char *path, const itr_pairs_opts *o, itr_provenance *p, itr_err *err);
/* The sizes that an NPZ or HDF5 file has vectors of (text_D with video_D), ascending, at most max. How many; 0: it does not name sizes, or
 * cannot be read. */
int itr_pairs_sizes(const char *path, int64_t *size, int max);
void itr_pairs_free(itr_pairs *p);
/* Pairs from arrays: `draft` (from calloc) has name, n_text, n_image, dim, text, image, and may have ids, synthetic and all_parts; image[i]
 * is the row that text i belongs to. Takes draft over, checks and normalises its rows as itr_pairs_open does. NULL with err, draft freed.
 */
itr_pairs *itr_pairs_of(itr_pairs *draft, const int64_t *image, const itr_pairs_opts *o, itr_provenance *p, itr_err *err);

/* Rows, ids and ground truth become e's; frees p, whose warnings (itr_pairs_warnings) come first. Free e with itr_embeddings_free. */
void itr_pairs_to_embeddings(itr_pairs *p, itr_embeddings *e);

/* Sentences for the user, pushed on a JSON array. */
void itr_pairs_warnings(const itr_pairs *p, itr_json *warnings);

#endif
