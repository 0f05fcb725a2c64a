/* features.h - the feature store: encoded images and captions of one data set in one HDF5 file, keyed by id.
 * /image/{id,split,path,pooled,patches,grid} /text/{id,image,caption,pooled,tokens,length} /label/{name,start,index}; groups carry encoder,
 * weights_sha256, preprocess, normalized. */
#ifndef ITR_DATA_FEATURES_H
#define ITR_DATA_FEATURES_H

#include "data/row_table.h"
#include "io/h5.h"
#include "io/provenance.h"

typedef struct itr_features {
	char *path;
	itr_h5 *h5;
	itr_row_table table;                    /* with captions, paths, and the split that the file has */
	int64_t image_dim, text_dim;            /* of pooled; 0 when that side is absent */
	char *image_encoder, *text_encoder;
	char *text_weights;                     /* SHA-256 of the weights that made the texts; NULL: the encoder has none */
	char *text_preprocess;                  /* what the encoder made of a text before and behind its network; NULL: not told */
} itr_features;

/* Opens and reads everything but the vectors. Refuses incomplete files, duplicate ids, text_image out of range. */
itr_features *itr_features_open(const char *path, itr_err *err);
/* The same without captions and paths: 100 bytes a row of memory for whoever needs vectors and ids alone. */
itr_features *itr_features_open_rows(const char *path, itr_err *err);
void itr_features_close(itr_features *f);
/* Pooled vectors of the given rows (rows NULL: all, n ignored) as float32, itr_aligned_alloc'd; the caller frees. NaN or infinity is an
 * error that names the id. */
float *itr_features_images(const itr_features *f, const int64_t *rows, int64_t n, itr_err *err);
float *itr_features_texts(const itr_features *f, const int64_t *rows, int64_t n, itr_err *err);

/* --- more of a store ------------------------------------------------------------------------------------------------------------------ */

/* What one side of a store holds and how it was made. Strings are borrowed by the writer and owned by itr_features_layout_free after a
 * read. */
typedef struct itr_features_side {
	const char *encoder;                    /* NULL: the side has no vectors (ids and captions are there all the same) */
	const char *weights_sha256, *preprocess;
	bool normalized;
	int64_t dim;                            /* of pooled */
	int64_t grid, patch_dim;                /* images: patches (grid*grid, patch_dim); 0: none stored */
	int64_t max_tokens, token_dim;          /* texts: tokens (max_tokens, token_dim); 0: none stored */
} itr_features_side;

typedef struct itr_features_layout {
	bool synthetic;
	int64_t n_images, n_texts;
	itr_features_side image, text;
} itr_features_layout;

/* Bytes that the vectors of a store with this layout take (float32 pooled, half-float patches and tokens). */
int64_t itr_features_bytes(const itr_features_layout *l);

/* Starts a store at path (nothing is there before itr_h5_commit): attributes and empty vector datasets, whose rows arrive by
 * itr_h5_write_rows under the names below. Everything that names the rows follows with itr_features_write_index. `format` is
 * ITR_FEATURES_FORMAT, or ITR_FEATURES_PART for a piece. */
#define ITR_FEATURES_FORMAT "itr-features"
#define ITR_FEATURES_PART "itr-features-part"
itr_h5 *itr_features_create(const char *path, const char *format, const itr_features_layout *l, itr_err *err);

typedef struct itr_features_index {
	const char *const *image_id, *const *image_split, *const *image_path;   /* n_images; split "" = none */
	const char *const *text_id, *const *caption;                            /* n_texts */
	const int64_t *text_image;
	const char *const *label;                                               /* n_labels names */
	int64_t n_labels;
	/* those of image i are label_index[label_start[i]] .. label_index[label_start[i + 1] - 1], ascending; NULL where n_labels is 0 */
	const int64_t *label_start, *label_index;
	const char *config, *provenance;                                        /* JSON text; provenance "" or NULL: left out */
} itr_features_index;
ITR_MUST_USE int itr_features_write_index(itr_h5 *h, const itr_features_layout *l, const itr_features_index *x, itr_err *err);

/* The layout of an open store; free with itr_features_layout_free. 0, or -1 with err. */
ITR_MUST_USE int itr_features_read_layout(const itr_features *f, itr_features_layout *l, itr_err *err);
void itr_features_layout_free(itr_features_layout *l);

/* Copies rows of dataset `path` (its rows of `width` elements, moved as `t`) from one open file behind row *at of another, leaving out rows
 * with drop[i] (NULL: none); *at moves on. 16 MiB at a time. */
ITR_MUST_USE int itr_features_copy_rows(itr_h5 *to, int64_t *at, const itr_h5 *from, const char *path, itr_dtype t, int64_t width,
                                        int64_t rows, const uint8_t *drop, itr_err *err);
/* All vectors of `from` (n_images, n_texts rows) behind rows *image and *text of `to`. l is the layout of both. */
ITR_MUST_USE int itr_features_copy_vectors(itr_h5 *to, int64_t *image, int64_t *text, const itr_h5 *from, const itr_features_layout *l,
                                           int64_t n_images, int64_t n_texts, const uint8_t *drop_image, const uint8_t *drop_text,
                                           itr_err *err);

/* Joins stores (shards of one data set) into a new one, in the order given: same encoders, preprocessing and sizes, no id twice. p (may be
 * NULL) is marked synthetic when one of them is. */
ITR_MUST_USE int itr_features_merge(char *const *paths, int n, const char *out, itr_provenance *p, itr_features_layout *merged,
                                    itr_err *err);

/* Reads the labels of an open store into f->table, unless they are there; label_start stays NULL where it has none. A store's labels are
 * lists (/label/start, /label/index); the matrix of older ones is read a block of rows at a time. 0, or -1 with err. */
ITR_MUST_USE int itr_features_labels(itr_features *f, itr_err *err);
/* The read_labels of a store's table: opens the store anew. */
ITR_MUST_USE int itr_features_read_labels(itr_row_table *t, itr_err *err);

#endif
