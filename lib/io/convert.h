/* convert.h - conversion of element types read from files, without silent loss of integers. */
#ifndef ITR_IO_CONVERT_H
#define ITR_IO_CONVERT_H

#include "tensor/dtype.h"

/* Converts n elements of type `from` at src (any alignment, native byte order) to type `to` at dst. To a floating-point type: rounds to
 * nearest. To an integer type or bool: returns -1 at the first value that cannot be represented exactly (2.5, 300 as uint8, NaN). */
ITR_MUST_USE int itr_convert(void *dst, itr_dtype to, const void *src, itr_dtype from, int64_t n);
/* Index of the first finite value that overflows float32, with *value set to it; -1: none. Only float64 arrays have such values. */
int64_t itr_beyond_f32(const void *src, itr_dtype from, int64_t n, double *value);
bool itr_dtype_is_float(itr_dtype t);
/* Reverses the bytes of each of n elements of `size` bytes, in place. */
void itr_swap_bytes(void *data, size_t size, int64_t n);

#endif
