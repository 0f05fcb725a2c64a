/* vec.h - typed growable arrays: `struct { int64_t *v; size_t n, cap; } ids = ITR_VEC_INIT; ITR_VEC_PUSH(&ids, 7); free(ids.v);` */
#ifndef ITR_BASE_VEC_H
#define ITR_BASE_VEC_H

#include "base/mem.h"

#define ITR_VEC(type) struct { type *v; size_t n, cap; }
#define ITR_VEC_INIT { NULL, 0, 0 }

#define ITR_VEC_RESERVE(vec, count) \
	do { \
		size_t itr_need = (count); \
		if (itr_need > (vec)->cap) { \
			(vec)->cap = ITR_MAX(itr_need, (vec)->cap + (vec)->cap / 2 + 8); \
			(vec)->v = itr_xrealloc((vec)->v, (vec)->cap * sizeof *(vec)->v); \
		} \
	} while (0)

#define ITR_VEC_PUSH(vec, value) \
	do { \
		ITR_VEC_RESERVE(vec, (vec)->n + 1); \
		(vec)->v[(vec)->n++] = (value); \
	} while (0)

#define ITR_VEC_FREE(vec) \
	do { \
		free((vec)->v); \
		(vec)->v = NULL; \
		(vec)->n = (vec)->cap = 0; \
	} while (0)

#endif
