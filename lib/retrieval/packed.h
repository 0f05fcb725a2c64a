/* packed.h - inside of retrieval: a gallery's memory, and queries prepared for its kernels. */
#ifndef ITR_RETRIEVAL_PACKED_H
#define ITR_RETRIEVAL_PACKED_H

#include "retrieval/gallery.h"
#include "retrieval/kernels.h"

enum { ITR_QUERY_BLOCK = 256 };

struct itr_gallery {
	itr_precision precision;
	itr_quantizer quantizer;
	int64_t n, dim;
	const itr_kernel *kernel;
	const itr_scan *scan;
	itr_krows rows;
	void *codes, *scales;            /* owned blocks behind rows; codes NULL when borrowed */
	size_t codes_bytes, scales_bytes;
	float *factor;                   /* per-dimension calibration [dim], or NULL */
	float max_norm;                  /* of the rows as stored: bounds the error of filters */
	int offset;                      /* added to a code when it is stored */
	itr_gallery *fine;               /* rescoring copy, or NULL */
};

/* At most ITR_QUERY_BLOCK queries in a gallery's formats; filled again and again. */
typedef struct itr_queries {
	const itr_gallery *g;
	int64_t n, groups;
	float *wide;                     /* [n][k]: float32, calibrated, padded: fp32, fp16, bf16 */
	void *data;                      /* [n] queries in the format of `few` */
	size_t stride;
	float *scale;                    /* [block + nr] */
	int32_t *corr;                   /* [n][groups] */
	uint8_t *panels;
	size_t panel_bytes;
	int32_t *panel_corr;             /* [panels][groups][nr] */
	int64_t n_panels;
} itr_queries;

itr_queries *itr_queries_new(const itr_gallery *g, int64_t capacity);
void itr_queries_free(itr_queries *q);
/* n <= capacity rows of dim floats. with_panels: also the tile kernel's form. */
void itr_queries_fill(itr_queries *q, const float *x, int64_t n, bool with_panels);
itr_kquery itr_queries_one(const itr_queries *q, int64_t i);
itr_kpanel itr_queries_panel(const itr_queries *q, int64_t p);

/* -1 with the first query that has NaN or infinity. */
ITR_MUST_USE int itr_queries_check(const float *x, int64_t n, int64_t dim, itr_err *err);

/* A tile's scores for rows first..first+mr-1, decoding into scratch where the kernel needs it. itr_tile_scratch bytes of scratch, 64-byte aligned. */
size_t itr_tile_scratch(const itr_gallery *g);
const itr_krows *itr_tile_rows(const itr_gallery *g, int64_t *first, void *scratch, itr_krows *seen);

#endif
