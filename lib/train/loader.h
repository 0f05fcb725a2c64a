/* loader.h - inside of train: pictures decoded, augmented and cut to size by threads that run ahead of the step, in a ring of fixed size.
 *
 *	itr_loader_epoch(l, texts, n, epoch, first);            // the rows of this epoch, in order
 *	itr_loader_wait(l, at, b, err);                         // until positions at .. at+b-1 are there; earlier ones are given free
 *	const uint8_t *rgb = itr_loader_pixels(l, at + i);                          // crop x crop x 3 bytes
 *
 * What a row's pixels are depends on (seed, epoch, row) alone, so nothing depends on how many threads there are or how far ahead they run.
 */
#ifndef ITR_TRAIN_LOADER_H
#define ITR_TRAIN_LOADER_H

#include "data/image_text_set.h"
#include "image/augment.h"
#include "image/preset.h"

typedef struct itr_loader itr_loader;

/* set and preset are borrowed. capacity: positions in the ring, at least one batch. */
itr_loader *itr_loader_new(const itr_image_text_set *set, const itr_preset *preset, const itr_augment *augment, uint64_t seed,
                           int64_t capacity, int threads);
void itr_loader_free(itr_loader *l);
/* texts: rows whose pictures are wanted, borrowed until the next call; the threads begin at position `first`. */
void itr_loader_epoch(itr_loader *l, const int64_t *texts, int64_t n, uint64_t epoch, int64_t first);
/* Positions go forward. -1 with err: a picture that could be decoded before training began no longer can. */
ITR_MUST_USE int itr_loader_wait(itr_loader *l, int64_t at, int64_t b, itr_err *err);
const uint8_t *itr_loader_pixels(const itr_loader *l, int64_t position);
/* The same for one row now, by the preset's own crop: what evaluation sees. out: crop x crop x 3 floats. Thread-safe. */
ITR_MUST_USE int itr_loader_plain(const itr_image_text_set *set, const itr_preset *preset, int64_t image, float *out, itr_err *err);

#endif
