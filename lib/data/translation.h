/* translation.h - a synthetic stand-in for the translation competition's files (document 003): same keys, shapes and dtypes, marked
 * synthetic.
 *
 * Image i has a latent z ~ N(0, I_64); its vector is unit(z B + noise), a caption's is unit((z + 2 u) A + noise), u its own: two random
 * maps of one low-rank space (so that the two spaces are rotations of each other up to noise), five captions an image that each say only a
 * part, so that no model can be perfect. A and B, and every row's draws, come from default_rng([seed, ...]).
 */
#ifndef ITR_DATA_TRANSLATION_H
#define ITR_DATA_TRANSLATION_H

#include "io/provenance.h"

enum { ITR_TRANSLATION_TEXT_DIM = 1024, ITR_TRANSLATION_IMAGE_DIM = 1536, ITR_TRANSLATION_TEST = 1500 };

/* Writes DIR/train.npz (captions/embeddings [5n,1024] f32, captions/text, captions/ids, images/embeddings [n,1536] f32, images/names) and
 * DIR/test.clean.npz (captions/embeddings [1500,1024], captions/text, captions/ids: captions of images that train.npz lacks). 0, or -1 with
 * err. progress (may be NULL) ticks rows. */
ITR_MUST_USE int itr_translation_write(const char *dir, int64_t images, uint64_t seed, const itr_provenance *p, int threads,
                                       void (*progress)(void *ctx, int64_t rows), void *ctx, itr_err *err);

#endif
