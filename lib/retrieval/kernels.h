/* kernels.h - inside of retrieval: what an instruction set offers for scoring, and the layouts that the kernels agree on.
 *
 * A gallery is row-major in every precision, rows padded with codes that score 0, so that one layout serves the stream (batch 1), the tile
 * (batches) and the gather (candidate pools, rescoring). Two shapes of kernel:
 *
 *	few     one query against n rows; integer sums may run in any order (exact), float sums run as ONE fmaf chain over k with rows in
 *	        the vector lanes
 *	tile    mr rows against a panel of nr queries; a gallery element is broadcast, queries are the lanes; nothing of the gallery is
 *	        repacked
 *
 * Both give the same bits as the scalar ones. Rows may be read up to ITR_ROW_SLACK beyond the last one.
 */
#ifndef ITR_RETRIEVAL_KERNELS_H
#define ITR_RETRIEVAL_KERNELS_H

#include "retrieval/precision.h"

enum { ITR_ROW_SLACK = 32, ITR_TILE_MR_MAX = 16, ITR_TILE_NR_MAX = 64, ITR_GROUP = 64 };

/* A gallery as kernels see it. k: elements of a row that are read, padding included (binary: 64-bit words). */
typedef struct itr_krows {
	const uint8_t *base;
	size_t stride;                  /* bytes from row to row */
	int64_t k, dim;
	const float *scale;             /* int8: [rows] */
	const uint16_t *group_scale;    /* int4: float16 [rows/16][groups][16]: 16 rows' scales of one group lie together */
	int64_t groups;                 /* int4: k / 64 */
} itr_krows;

static inline int64_t itr_kernel_row(const int64_t *idx, int64_t first, int64_t i) { return idx ? idx[i] : first + i; }

/* One query. data: float [k] | int8 [k] (int4: each group's even dimensions, then its odd ones) | uint64 [k]. corr: what is added to the
 * integer sum (one a group; int8: one), because gallery codes are stored with an offset so that they are unsigned. */
typedef struct itr_kquery {
	const void *data;
	float scale;
	const int32_t *corr;
} itr_kquery;

/* nr queries, interleaved: [k/u][nr][u] elements, u as the panel type says. scale [nr], corr [groups][nr]. */
typedef struct itr_kpanel {
	const void *data;
	const float *scale;
	const int32_t *corr;
} itr_kpanel;

typedef enum itr_panel_type { ITR_PANEL_NONE, ITR_PANEL_F32, ITR_PANEL_I8X4, ITR_PANEL_I16X2, ITR_PANEL_BF16X2 } itr_panel_type;

typedef struct itr_kernel {
	const char *name;
	/* out[i] = score of row first+i, or of row idx[i] when idx is not NULL; any n. */
	void (*few)(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out);
	/* Tile, absent when NULL: out[r*nr + j] = score of row first+r for the panel's query j, 0 <= r < mr. */
	void (*tile)(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out);
	int mr, nr;
	itr_panel_type panel;
	/* Where stored rows are no operands yet: unpacks mr rows from `first` into scratch; *seen is what tile then gets, with first = 0.
	 * NULL: not needed. */
	void (*decode)(const itr_krows *g, int64_t first, int mr, void *scratch, itr_krows *seen);
	size_t decoded_size;            /* scratch bytes per element of k; 0 without decode */
	/* Float precisions, may be NULL: scores of rows first.. to within itr_rough_bound of `few`, rows read in memory order. Search looks
	 * at them first and asks `few` only about rows that might be among the best, so its results are those of `few`. */
	void (*rough)(const itr_krows *g, const itr_kquery *q, int64_t first, int64_t n, float *out);
} itr_kernel;

/* A tile whose scores are near those of the exact one, for the same use: bfloat16 products. row_error: how far a row is moved, relative to
 * its norm. */
typedef struct itr_rough_tile {
	itr_kernel kernel;              /* tile, mr, nr, panel, decode */
	float row_error;
	const char *name;               /* of exact kernel and filter together */
} itr_rough_tile;

/* Looking through scores (pos receives positions in order), and rounding to half floats. */
typedef struct itr_scan {
	int64_t (*above)(const float *s, int64_t n, float limit, int32_t *pos);                                /* s[i] > limit */
	int64_t (*above_tile)(const float *s, int mr, int nr, const float *limit, int32_t *pos);               /* s[r*nr+j] > limit[j] */
	void (*to_f16)(uint16_t *d, const float *x, int64_t n);
} itr_scan;

enum { ITR_COUNT_LANES = 16 };          /* columns of a group, whatever the vector length */
enum { ITR_COUNT_DOTS = 8 };            /* inner products at a time: as many chains as hide the latency of FMA */

/* Positives' scores, and counting scores above and equal to them: the whole work of exact ranks. A NaN counts nothing. */
typedef struct itr_count_kernel {
	/* *above += #(s[i] > t), *equal += #(s[i] == t), 0 <= i < n. */
	void (*row)(const float *s, int64_t n, float t, int64_t *above, int64_t *equal);
	/* A group of 16 columns, rows `ld` apart, against `slots` thresholds a column: threshold[slot * 16 + lane], and likewise above,
	 * equal (+=). before not NULL: += rows of equal score with first + i < limit[slot * 16 + lane]. */
	void (*columns)(const float *s, int64_t ld, int64_t rows, int64_t slots, const float *threshold, int32_t *above, int32_t *equal,
	                int32_t first, const int32_t *limit, int32_t *before);
	/* out[i] = itr_dot_chain(a[i], b[i], k) of n <= ITR_COUNT_DOTS pairs. */
	void (*dots)(const float *const *a, const float *const *b, int n, int64_t k, float *out);
	/* Sets of rows: which of n scores are higher than t, which equal it; bits beyond n are 0. */
	void (*compare)(const float *score, int64_t n, float t, uint64_t *above, uint64_t *equal);
	int64_t (*common)(const uint64_t *a, const uint64_t *b, int64_t words);      /* bits set in both */
} itr_count_kernel;

/* One table an instruction set, indexed by itr_precision; NULL entries fall back to the next table, in the end to the precision's
 * reference. */
typedef struct itr_isa {
	unsigned needs;                 /* itr_cpu bits */
	const itr_scan *scan;           /* NULL: falls back too */
	const itr_count_kernel *count;  /* NULL: likewise */
	const itr_kernel *kernel[ITR_PREC_COUNT];
	const itr_rough_tile *rough[ITR_PREC_COUNT];
} itr_isa;

extern const itr_isa itr_isa_scalar;
#if defined(__x86_64__)
extern const itr_isa itr_isa_avx2, itr_isa_avx512, itr_isa_avx512vnni, itr_isa_avx512vpopcnt, itr_isa_avx512bf16;
#elif defined(__aarch64__)
extern const itr_isa itr_isa_neon;
#endif

const itr_kernel *itr_kernel_for(int precision);      /* the best that this CPU (and ITR_CPU) allows */
const itr_rough_tile *itr_rough_for(int precision);   /* NULL: none */
const itr_scan *itr_scan_best(void);
const itr_count_kernel *itr_count_best(void);
const itr_kernel *itr_kernel_scalar(int precision);   /* the reference */

#endif
