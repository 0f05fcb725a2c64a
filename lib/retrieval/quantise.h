/* quantise.h - float32 rows to codes; the formats are the precisions' (precision_*.c). Rounding is rint, half to
 * even.
 *
 * minmax-wrap   the public "int8" of the source project, defect included: global min and max, 0..255 cast to signed bytes, which wraps; no
 *               scale
 */
#ifndef ITR_RETRIEVAL_QUANTISE_H
#define ITR_RETRIEVAL_QUANTISE_H

#include "base/compat.h"

typedef enum itr_quantizer { ITR_QUANT_SYMMETRIC, ITR_QUANT_MINMAX_WRAP } itr_quantizer;
extern const char *const itr_quantizer_names[];      /* "symmetric" "minmax-wrap" NULL */

/* Codes of one row, signed, and its scale. */
float itr_quantise_int8(const float *x, int64_t n, int8_t *code);
/* One group of at most 64: its scale as float16 bits. */
uint16_t itr_quantise_int4(const float *x, int64_t n, int8_t *code);
/* Sign bits; words (n+63)/64, padding bits 0. */
void itr_quantise_binary(const float *x, int64_t n, uint64_t *bits);
/* levels 255 (int8, wraps to signed) or 15 (int4, stays 0..15); lo, hi the global minimum and maximum. */
void itr_quantise_minmax(const float *x, int64_t n, float lo, float hi, int levels, int8_t *code);

/* Per-dimension factors from a sample (rows x dim): max|x_d|, scaled to a mean of 1; dimensions that are never used get 1. A gallery is
 * divided by them, a query multiplied. */
void itr_calibrate(const float *sample, int64_t rows, int64_t dim, float *factor);

/* Loops of packing and of preparing queries. */
bool itr_all_finite(const float *x, int64_t n);
int32_t itr_code_sum(const int8_t *code, int64_t n);
void itr_extent(const float *x, int64_t n, float *lo, float *hi);              /* n >= 1 */
void itr_code_shift(uint8_t *d, const int8_t *code, int64_t n, int offset);    /* d = code + offset */
void itr_code_nibbles(uint8_t *d, const int8_t *code, int64_t n, int offset);  /* two a byte, low nibble first; n even */

#endif
