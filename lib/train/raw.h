/* raw.h - pictures and captions as training reads them: a manifest, all of whose pictures have been looked into once, as the pairs that the
 * loop knows.
 *
 * Whatever is wrong with the data is said before the first step: a picture that cannot be decoded is named and left out with its captions
 * (too many of them: an error), and so is a caption without a word. What follows can then count on every row.
 */
#ifndef ITR_TRAIN_RAW_H
#define ITR_TRAIN_RAW_H

#include <signal.h>

#include "data/embeddings.h"
#include "data/manifest.h"
#include "image/preset.h"
#include "model/model.h"

typedef struct itr_raw_opts {
	int64_t max_failed;                     /* pictures that may fail */
	bool look;                              /* look into every picture now (else whoever encodes them does) */
	itr_alpha alpha;
	int threads;
	const volatile sig_atomic_t *stop;      /* may be NULL */
} itr_raw_opts;

typedef struct itr_raw {
	itr_manifest manifest;
	itr_embeddings pairs;                    /* ids, text_image; vectors only of sides that no tower makes anew */
	const char **caption;                   /* [n_texts], the manifest's */
	char **path;                            /* [n_images] */
	int64_t failed, empty;                  /* pictures and captions left out */
	itr_alpha alpha;
} itr_raw;

/* Is this a manifest (rather than stored vectors)? By its name: .jsonl, or "-". */
bool itr_raw_wanted(const char *path);
/* 0, or -1 with err and r empty: an unreadable manifest, more than max_failed bad pictures, nothing left, interrupted. */
ITR_MUST_USE int itr_raw_open(itr_raw *r, const char *path, const itr_raw_opts *o, itr_err *err);
void itr_raw_free(itr_raw *r);

/* Decoded picture of row i. 0, or -1 with err. */
ITR_MUST_USE int itr_raw_picture(const itr_raw *r, int64_t image, itr_image *img, itr_err *err);

/* Vectors of one side, once, by the model's own tower (as its head takes them: not normalised where the tower is trained, of unit length
 * where it is constant) or, where it has none, by encoder NAME ("classic", "hash": unit length), into r->pairs. 0, or -1 with err. */
ITR_MUST_USE int itr_raw_encode(itr_raw *r, const itr_model *m, itr_modality modality, const char *encoder, int threads,
                                const volatile sig_atomic_t *stop, itr_err *err);

#endif
