/* nearest.h - "unknown option '--dimm': did you mean '--dim'?" */
#ifndef ITR_BASE_NEAREST_H
#define ITR_BASE_NEAREST_H

#include "base/compat.h"

/* The name of least edit distance (insert, delete, replace, swap of neighbours) to `word`, or NULL for n == 0. Borrowed. */
const char *itr_nearest(const char *word, const char *const *names, int n);

#endif
