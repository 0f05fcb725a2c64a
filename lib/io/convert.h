/* convert.h - elements read from files into the type a caller wants, refusing silent damage. */
#ifndef ITR_IO_CONVERT_H
#define ITR_IO_CONVERT_H

#include "tensor/dtype.h"

/* n elements of `from` at src (any alignment, native byte order) into `to` at dst. To a floating type: rounded to nearest. To an integer or
 * bool: -1 as soon as a value is not exactly held (2.5, 300 into uint8, NaN). */
ITR_MUST_USE int itr_convert(void *dst, itr_dtype to, const void *src, itr_dtype from, int64_t n);
/* Index of the first finite value that a float32 cannot hold (it would become infinite), the value into *value; -1: none. Only float64 has
 * such values. */
int64_t itr_beyond_f32(const void *src, itr_dtype from, int64_t n, double *value);
bool itr_dtype_is_float(itr_dtype t);
/* Reverses the bytes of each of n elements of `size` bytes, in place. */
void itr_swap_bytes(void *data, size_t size, int64_t n);

#endif
