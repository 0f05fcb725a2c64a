/* features.h - the feature store (formats.md): encoded images and captions of one data set in one HDF5 file, keyed by id.
 * /image/{id,split,path,pooled,patches,grid} /text/{id,image,caption,pooled,tokens,length} /label/{name,matrix}; groups carry encoder, weights_sha256, preprocess, normalized. */
#ifndef ITR_DATA_FEATURES_H
#define ITR_DATA_FEATURES_H

#include "data/split.h"
#include "io/h5.h"
#include "io/provenance.h"

typedef struct itr_features {
	char *path;
	itr_h5 *h5;
	bool synthetic;
	int64_t n_images, n_texts;
	int64_t image_dim, text_dim;            /* of pooled; 0 when that side is absent */
	char **image_id, **image_path;
	itr_split *image_split;                 /* every image has one; "" in the file counts as test only with `has_split` false */
	bool has_split;
	char **text_id, **caption;
	int64_t *text_image;                    /* row of its image */
	char *image_encoder, *text_encoder;
} itr_features;

/* Opens and reads everything but the vectors. Refuses incomplete files, duplicate ids, text_image out of range. */
itr_features *itr_features_open(const char *path, itr_err *err);
void itr_features_close(itr_features *f);
/* Pooled vectors of the given rows (rows NULL: all, n ignored) as float32, itr_aligned_alloc'd; the caller frees. NaN or infinity is an error that names the id. */
float *itr_features_images(const itr_features *f, const int64_t *rows, int64_t n, itr_err *err);
float *itr_features_texts(const itr_features *f, const int64_t *rows, int64_t n, itr_err *err);
/* Rows of images in `which` (and of the captions that belong to them). The caller frees both. Counts by pointer. */
void itr_features_select(const itr_features *f, itr_split which, int64_t **images, int64_t *n_images, int64_t **texts, int64_t *n_texts);

#endif
