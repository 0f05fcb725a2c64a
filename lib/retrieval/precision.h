/* precision.h - storage precisions of a gallery, each a descriptor in a file precision_NAME.c and a line in precisions.def: layout,
 * packing, decoding, the form of queries, the reference kernel. An instruction set adds faster kernels in its own table (kernels.h);
 * without one the reference scores.
 */
#ifndef ITR_RETRIEVAL_PRECISION_H
#define ITR_RETRIEVAL_PRECISION_H

#include "base/option.h"

typedef enum itr_precision {
#define ITR_PRECISION(NAME, name) ITR_PREC_##NAME,
#include "retrieval/precisions.def"
#undef ITR_PRECISION
	ITR_PREC_COUNT
} itr_precision;
extern const char *const itr_precision_names[];      /* "fp32" "fp16" "bf16" "int8" "int4" "binary" NULL */

struct itr_gallery;
struct itr_kernel;
struct itr_queries;

typedef struct itr_precision_ops {
	const char *name, *summary;     /* summary: one line, lower case, no full stop */
	bool quantised;                 /* codes with scales: the quantizer and the calibration of itr_pack_opts concern it */
	bool signs_only;                /* keeps signs: a random rotation of the vectors beforehand loses less */
	bool bounded;                   /* scores are sums of floats, so that itr_rough_bound holds and rough tiles may filter */
	float most;                     /* the largest magnitude that it can hold; 0: any finite one */
	uint8_t padding;                /* byte of a stored zero */
	size_t query_bytes;             /* per element of k of a query */
	/* on x86: what search runs where every instruction set that we use is there (itr_topk_is_fallback) */
	const char *best_kernel;
	const struct itr_kernel *reference;     /* scalar: what every other kernel must reproduce bit for bit */
	/* From g->dim: rows.k, rows.stride, rows.groups, offset, scale_bytes (of a row). */
	void (*layout)(struct itr_gallery *g);
	/* Row x, calibrated, into g's codes and scales. low, high: of the whole gallery, for minmax-wrap. code: rows.k + ITR_GROUP bytes of
	 * scratch. */
	void (*pack)(struct itr_gallery *g, int64_t row, const float *x, float low, float high, int8_t *code);
	float (*decode)(const struct itr_gallery *g, int64_t row, int64_t d);           /* element d as stored */
	/* Query x, calibrated, as number i of q: data, and scale and corr where the kernels read them. */
	void (*query)(struct itr_queries *q, int64_t i, const float *x);
} itr_precision_ops;

extern const itr_precision_ops *const itr_precisions[ITR_PREC_COUNT];   /* precisions.def */
/* Gives the row whose names are itr_precision_names its help: `what`, and what each precision is. The text lives as long as the program. */
void itr_precision_describe(itr_option *table, const char *what);

#endif
