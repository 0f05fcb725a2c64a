/* hash_features.h - text features without learned weights: feature hashing of word n-grams.
 *
 * Text -> NFKC -> lower case -> words (sequences of letters, marks, digits; an apostrophe inside a word is dropped; each CJK ideograph is a
 * word). Every word and every pair of neighbours is an n-gram. Its hash selects ITR_HASH_SLOTS of the 768 dimensions, each with a sign
 * (Weinberger et al. 2009; several slots as in Serra & Karatzoglou 2017: two n-grams that collide in one slot still differ in the others).
 * Pairs have weight ITR_HASH_PAIR_WEIGHT. An n-gram that occurs tf times counts sqrt(tf), which, unlike a logarithm, has the same bits on
 * every machine.
 */
#ifndef ITR_TEXT_HASH_FEATURES_H
#define ITR_TEXT_HASH_FEATURES_H

#include "base/compat.h"

enum { ITR_HASH_DIM = 768, ITR_HASH_SLOTS = 4 };
#define ITR_HASH_PAIR_WEIGHT 0.5f

/* pooled = the L2-normalised vector of the whole text; zeros when the text has no words. Returns the number of words. */
int64_t itr_hash_text(const char *text, float pooled[ITR_HASH_DIM]);

/* tokens (max_tokens, 768) = one L2-normalised vector for each word: the word itself and, with the weight of pairs, its pairs with the
 * words before and after it. Further words are ignored, unused rows are zeros. Returns the number of rows used. */
int64_t itr_hash_tokens(const char *text, int64_t max_tokens, float *tokens);

#endif
