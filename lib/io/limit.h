/* limit.h - checks of sizes that come from a file, before memory is allocated. */
#ifndef ITR_IO_LIMIT_H
#define ITR_IO_LIMIT_H

#include "base/err.h"

/* Bytes of memory of this machine; 0: not known. */
double itr_limit_memory(void);
/* 0 when count elements of `size` bytes fit into the memory of this machine; otherwise -1 with err: "WHAT needs 9.1 GB, but ...". */
ITR_MUST_USE int itr_limit_check(int64_t count, size_t size, const char *what, itr_err *err);
/* *count = product of the shape. -1 with err for a negative dimension or an overflow. */
ITR_MUST_USE int itr_limit_shape(const int64_t *shape, int rank, int64_t *count, const char *what, itr_err *err);

#endif
