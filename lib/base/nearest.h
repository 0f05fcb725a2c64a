/* nearest.h - the nearest known name, for messages such as "unknown option '--dimm': did you mean '--dim'?" */
#ifndef ITR_BASE_NEAREST_H
#define ITR_BASE_NEAREST_H

#include "base/compat.h"

/* The name with the smallest edit distance to `word` (insert, delete, replace, swap of neighbours), or NULL for n == 0. Borrowed. */
const char *itr_nearest(const char *word, const char *const *names, int n);

#endif
