/* pair_data.h - text vectors, image vectors, and which image each text belongs to: what training on stored vectors reads. Two sources, one
 * shape: the translation competition's NPZ (document 003: captions/embeddings [M,1024], images/embeddings [N,1536], captions/label or five
 * captions an image) and a feature store.
 *
 * All rows are L2-normalised in place after reading, in training and in inference alike (the published baseline forgets the latter). Memory
 * is the arrays themselves: a one-hot captions/label (3 GB at full size) is streamed to indices, never held.
 */
#ifndef ITR_DATA_PAIR_DATA_H
#define ITR_DATA_PAIR_DATA_H

#include "base/err.h"
#include "data/split.h"

typedef struct itr_pair_data {
	int64_t n_texts, n_images, text_dim, image_dim;
	float *text, *image;            /* rows, unit length; image NULL in a file of queries only (test.clean.npz) */
	int64_t *text_image;            /* [n_texts] row of its image; NULL without images */
	char **text_id, **image_id;     /* never NULL; row numbers where the file has none */
	itr_split *text_split;          /* by its image, or by itself when `leaky`; set by itr_pair_data_split or the store */
	itr_split *image_split;         /* NULL until split; meaningless when leaky */
	bool has_split;                 /* the file came with one (feature store): official splits win */
	bool leaky;                     /* split by caption: an image may stand on both sides */
	/* how itr_pair_data_split dealt it out; the file of ITR_SPLIT_BY_GROUP as an absolute path, else NULL */
	itr_split_by split_by; char *groups;
	char *path;                     /* of a feature store; NULL otherwise */
	bool synthetic;
	char *text_encoder, *image_encoder;     /* of a feature store; NULL otherwise */
	char *text_weights, *text_preprocess;   /* of its text encoder: SHA-256 and description; NULL where there is none */
	int64_t zero_rows;              /* rows without direction, left as they are */
} itr_pair_data;

/* Opens either kind, told apart by content. NaN or infinity, wrong shapes, labels out of range, several images in one one-hot row: -1 with
 * err. A wrong key lists those present. */
ITR_MUST_USE int itr_pair_data_open(itr_pair_data *d, const char *path, int threads, itr_err *err);
/* methods section 0: by image, by groups of images (label, group), or by caption (leaky). fractions as itr_split_assign. Does nothing when
 * the file has its own split. -1 with err also for labels that the file does not have and for `near`, which needs pictures. */
ITR_MUST_USE int itr_pair_data_split(itr_pair_data *d, const double fractions[3], uint64_t seed, const itr_split_rule *rule, itr_err *err);
/* Rows of texts in `which`, ascending. The caller frees. */
int64_t *itr_pair_data_texts(const itr_pair_data *d, itr_split which, int64_t *n);
/* Images of those texts, each once, ascending, and per text the position of its image among them. The caller frees both. */
int64_t *itr_pair_data_images(const itr_pair_data *d, const int64_t *texts, int64_t n, int64_t **position, int64_t *n_images);
void itr_pair_data_free(itr_pair_data *d);

#endif
