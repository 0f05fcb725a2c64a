/* source.h - inside of train: where one side of a batch comes from. The loop asks for the inputs of the model's head and does not care
 * whether they were stored (feature store, an encoder's vectors made at the start) or are made on this very tape by a tower from pixels or
 * token ids.
 *
 *	itr_source_epoch(s, texts, n, epoch, first);
 *	itr_source_take(s, at, b, err);                         // the batch: positions at .. at+b-1 of the epoch
 *	x = itr_source_embed(s, tape, i, k);                    // its rows i .. i+k-1: (k, dim), with whatever made them on the tape
 *
 * Taking and embedding are apart so that GradCache can embed a batch in chunks, and each chunk twice.
 */
#ifndef ITR_TRAIN_SOURCE_H
#define ITR_TRAIN_SOURCE_H

#include "data/embeddings.h"
#include "data/image_text_set.h"
#include "image/augment.h"
#include "model/model.h"

typedef struct itr_source itr_source;

typedef struct itr_source_opts {
	int64_t batch;                          /* rows that are taken at once, at most */
	int64_t part;                           /* rows that are embedded at once in training, at most */
	/* pictures that loaders may prepare beyond them; 0: none are loaded by threads (evaluation alone) */
	int64_t ahead;
	itr_augment augment;
	uint64_t seed;
	int threads;
} itr_source_opts;

/* Stored rows where d has them for this side, else m's tower on set's pictures or captions. All borrowed. */
itr_source *itr_source_new(const itr_model *m, const itr_embeddings *d, const itr_image_text_set *set, itr_modality modality,
                           const itr_source_opts *o);
void itr_source_free(itr_source *s);
bool itr_source_is_tower(const itr_source *s);
int64_t itr_source_part(const itr_source *s);           /* rows that evaluation embeds at once */

void itr_source_epoch(itr_source *s, const int64_t *texts, int64_t n, uint64_t epoch, int64_t first);
ITR_MUST_USE int itr_source_take(itr_source *s, int64_t at, int64_t b, itr_err *err);
itr_var *itr_source_embed(itr_source *s, itr_tape *t, int64_t first, int64_t n);

/* Evaluation: rows of this side by number (at most itr_source_part), pictures by the preset's own crop. NULL with err: a picture that
 * cannot be read. */
itr_var *itr_source_rows(itr_source *s, itr_tape *t, const int64_t *rows, int64_t n, itr_err *err);

#endif
