/* gallery.h - rows packed once in a precision, then searched, scored and ranked many times.
 *
 *	itr_gallery *g = itr_gallery_pack(vectors, n, dim, ITR_PREC_INT8, &(itr_pack_opts){ .copy = ITR_COPY_FP32 }, &err);
 *	itr_topk_search(g, queries, nq, 10, hits, &(itr_search_opts){ .rescore = 100, .threads = 2 }, &err);       // topk.h
 *
 * A score is a pure function of the query, the row and the precision: it depends neither on the row's position, nor on the batch, the
 * threads or the instruction set (bf16 and fp16 included), so a tie is bit-equality. Scores:
 *
 *	fp32            one chain of fused multiply-adds over the dimensions, the bits of itr_gemm
 *	fp16, bf16      the same chain over the stored halves, fp32 query
 *	int8, int4      int8 query, integer sums, (float)sum * (s_row * s_query); int4: one FMA chain over the groups, then * s_query
 *	binary          dim - 2 * Hamming distance of the signs
 */
#ifndef ITR_RETRIEVAL_GALLERY_H
#define ITR_RETRIEVAL_GALLERY_H

#include "base/err.h"
#include "retrieval/precision.h"
#include "retrieval/quantise.h"

typedef struct itr_gallery itr_gallery;

/* A second, finer copy that search's `rescore` ranks with. BORROW keeps the caller's vectors (they must outlive the gallery; copied after
 * all when dim is not a multiple of 16). */
typedef enum itr_copy { ITR_COPY_NONE, ITR_COPY_FP32, ITR_COPY_INT8, ITR_COPY_BORROW } itr_copy;

typedef struct itr_pack_opts {
	/* sample rows (calibrate_rows x dim) for per-dimension scales: int8 and int4, symmetric; or NULL */
	const float *calibrate;
	int64_t calibrate_rows;
	/* minmax-wrap: int8 and int4 only; other precisions ignore it, since the source project has none for them */
	itr_quantizer quantizer;
	itr_copy copy;
	int threads;                     /* 0: all */
} itr_pack_opts;

enum { ITR_DIM_MAX = 65535 };            /* int32 sums of products cannot overflow below it */

/* Packs n >= 1 rows of dim floats; opts may be NULL. NULL with err: NaN or infinity (names the row), dim out of range, a copy that makes no
 * sense. The caller frees with itr_gallery_free; vectors are copied unless borrowed. */
itr_gallery *itr_gallery_pack(const float *vectors, int64_t n, int64_t dim, itr_precision precision, const itr_pack_opts *opts,
                              itr_err *err);
void itr_gallery_free(itr_gallery *g);

int64_t itr_gallery_rows(const itr_gallery *g);
int64_t itr_gallery_dim(const itr_gallery *g);
itr_precision itr_gallery_precision(const itr_gallery *g);
/* What scores rows on this machine: "avx512vnni", "avx512", "avx2", "neon", "scalar", ... Borrowed. (topk.h: itr_topk_kernel) */
const char *itr_gallery_kernel(const itr_gallery *g);

typedef struct itr_gallery_memory {
	size_t codes;                    /* rows with their padding */
	size_t scales;                   /* per row, per group, per dimension */
	size_t copy;                     /* the rescoring copy with its own scales; a borrowed one counts: it must stay in memory */
	size_t total;
} itr_gallery_memory;
itr_gallery_memory itr_gallery_bytes(const itr_gallery *g);

/* The row as the gallery holds it, decoded to float32 (binary: +1 and -1). out: dim floats. */
void itr_gallery_decode(const itr_gallery *g, int64_t row, float *out);

/* The gallery's finer copy, a gallery too; NULL without one. Borrowed. */
const itr_gallery *itr_gallery_fine(const itr_gallery *g);

#endif
