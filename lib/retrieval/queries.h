/* queries.h - inside of retrieval: queries prepared for a gallery's kernels. */
#ifndef ITR_RETRIEVAL_QUERIES_H
#define ITR_RETRIEVAL_QUERIES_H

#include "retrieval/gallery_internal.h"

enum { ITR_QUERY_BLOCK = 256 };

/* At most ITR_QUERY_BLOCK queries in a gallery's formats; filled again and again. */
typedef struct itr_queries {
	const itr_gallery *g;
	int64_t n, groups;
	float *wide;                     /* [n][k]: float32, calibrated, padded: fp32, fp16, bf16 */
	void *data;                      /* [n] queries in the format of `few` */
	size_t stride;
	float *scale;                    /* [block + nr] */
	int32_t *corr;                   /* [n][groups] */
	float *norm, *moved;             /* [n] float precisions: ||q||, and ||q - bf16(q)|| */
	struct itr_panels {
		const itr_kernel *kernel;
		uint8_t *data;
		size_t bytes;                /* a panel */
		int32_t *corr;               /* [panels][groups][nr] */
		int64_t n;
	} panels[2];                     /* of the exact and of the rough tile */
} itr_queries;

enum { ITR_EXACT = 0, ITR_ROUGH = 1, ITR_BOUNDS = 2 };

/* Query i in the format of `few`. */
static inline void *itr_queries_at(const itr_queries *q, int64_t i) { return (char *)q->data + (size_t)i * q->stride; }
/* Query x as int8 codes of number i, with its scale and what takes the gallery's offset off the sums. levels: of minmax-wrap. */
void itr_queries_codes(itr_queries *q, int64_t i, const float *x, int levels);

itr_queries *itr_queries_new(const itr_gallery *g, int64_t capacity);
void itr_queries_free(itr_queries *q);
/* n <= capacity rows of dim floats. panels: bits 1 << ITR_EXACT, 1 << ITR_ROUGH: also the tiles' forms, where there are such tiles;
 * 1 << ITR_BOUNDS: what itr_rough_bound needs. */
void itr_queries_fill(itr_queries *q, const float *x, int64_t n, unsigned panels);
itr_kquery itr_queries_one(const itr_queries *q, int64_t i);
itr_kpanel itr_queries_panel(const itr_queries *q, int which, int64_t p);
/* How far a rough score (of the rough tile, or of `rough`) may be from the exact one. */
float itr_rough_bound(const itr_queries *q, int64_t i, bool tile);

/* -1 with the first query that has NaN or infinity. */
ITR_MUST_USE int itr_queries_check(const float *x, int64_t n, int64_t dim, itr_err *err);

/* Rows first..first+mr-1 as the kernel's tile takes them, decoded into scratch where that is needed. itr_tile_scratch bytes, 64-byte
 * aligned. */
size_t itr_tile_scratch(const itr_gallery *g);
const itr_krows *itr_tile_rows(const itr_gallery *g, const itr_kernel *kernel, int64_t *first, void *scratch, itr_krows *seen);

#endif
