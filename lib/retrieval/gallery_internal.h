/* gallery_internal.h - inside of retrieval: a gallery's memory. */
#ifndef ITR_RETRIEVAL_GALLERY_INTERNAL_H
#define ITR_RETRIEVAL_GALLERY_INTERNAL_H

#include "retrieval/gallery.h"
#include "retrieval/kernels.h"

struct itr_gallery {
	itr_precision precision;
	const itr_precision_ops *ops;    /* of it */
	itr_quantizer quantizer;
	int64_t n, dim;
	const itr_kernel *kernel;
	const itr_rough_tile *rough;     /* filter for batches, or NULL */
	const itr_scan *scan;
	itr_krows rows;
	void *codes, *scales;            /* owned blocks behind rows; codes NULL when borrowed */
	size_t codes_bytes, scales_bytes, scale_bytes;   /* scale_bytes: of a row */
	float *factor;                   /* per-dimension calibration [dim], or NULL */
	float max_norm;                  /* of the rows as stored: bounds the error of filters */
	int offset;                      /* added to a code when it is stored */
	itr_gallery *fine;               /* rescoring copy, or NULL */
};

/* Where a row's codes are written while it is packed. */
static inline void *itr_gallery_row(const itr_gallery *g, int64_t row) { return (uint8_t *)g->codes + (size_t)row * g->rows.stride; }

#endif
