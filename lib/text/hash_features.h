/* hash_features.h - text vectors that need no weights: hashed word n-grams (methods section 7).
 *
 * Text -> NFKC -> lower case -> words (runs of letters, marks, digits; an apostrophe inside a word stays; each CJK ideograph is a word).
 * Every word and every pair of neighbours is an n-gram; each n-gram owns ITR_HASH_SLOTS of the 768 places, with a sign, chosen by its hash
 * (Weinberger et al. 2009; several slots as in Serra & Karatzoglou 2017: two n-grams that collide in one slot still differ in the others,
 * so that a linear model can distinguish them, which one slot never allows). Pairs weigh ITR_HASH_PAIR_WEIGHT, and an n-gram that occurs tf
 * times counts sqrt(tf): sublinear, and exact on every machine where a logarithm is not.
 */
#ifndef ITR_TEXT_HASH_FEATURES_H
#define ITR_TEXT_HASH_FEATURES_H

#include "base/compat.h"

enum { ITR_HASH_DIM = 768, ITR_HASH_SLOTS = 4 };
#define ITR_HASH_PAIR_WEIGHT 0.5f

/* Vector of the whole text, of unit length; all zero when the text holds no word. Returns the number of words. */
int64_t itr_hash_text(const char *text, float pooled[ITR_HASH_DIM]);

/* One unit vector a word: the word itself and, at pair weight, the pairs with the words before and after it. At most max_tokens rows are
 * written to tokens (max_tokens, 768); rows beyond the last word are zeroed. Returns the rows in use. */
int64_t itr_hash_tokens(const char *text, int64_t max_tokens, float *tokens);

#endif
