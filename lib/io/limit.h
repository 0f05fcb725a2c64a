/* limit.h - may memory be asked for on a file's word? */
#ifndef ITR_IO_LIMIT_H
#define ITR_IO_LIMIT_H

#include "base/err.h"

/* 0 when count elements of size bytes can be addressed and fit into this machine's memory; -1 with err: "'what' claims 9.1 TB ...". */
ITR_MUST_USE int itr_limit_check(int64_t count, size_t size, const char *what, itr_err *err);
/* Product of a shape into *count; -1 with err on a negative dimension or overflow. */
ITR_MUST_USE int itr_limit_shape(const int64_t *shape, int rank, int64_t *count, const char *what, itr_err *err);

#endif
