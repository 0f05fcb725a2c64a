/* weights.h - where the weights of a text encoder are; inside of search. */
#ifndef ITR_SEARCH_WEIGHTS_H
#define ITR_SEARCH_WEIGHTS_H

#include "base/err.h"

/* The folder of the weights with this SHA-256 in the caches; the caller frees. NULL with err: not there (hash NULL: not known). */
char *itr_lookup_find_weights(const char *hash, itr_err *err);

#endif
