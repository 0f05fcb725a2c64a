/* split_note.h - who was train, val and test when a model was fitted: kept in the model's file, compared with every input that is
 * evaluated. */
#ifndef ITR_DATA_SPLIT_NOTE_H
#define ITR_DATA_SPLIT_NOTE_H

#include "base/hash.h"
#include "io/json.h"

/* Who was train, val and test when the model was fitted (methods section 0): evaluate refuses a store whose parts differ. Split by caption:
 * counts and hashes are of captions. */
typedef struct itr_split_note {
	char by[16];                    /* "image", "label", "group", "caption" (leaky), "file" (official); "" when there was no split */
	char groups[1024];              /* the file of "group"; "" otherwise */
	double sizes[3];                /* train, val, test; zeros for "file" */
	uint64_t seed;
	int64_t count[3];               /* images in train, val, test */
	char hash[3][ITR_SHA256_HEX];   /* itr_split_hash of each part's ids */
} itr_split_note;

/* The note as member "split" of a model's config, and back; a config without one: by "". */
void itr_split_note_put(itr_json *config, const itr_split_note *n);
void itr_split_note_get(const itr_json *config, itr_split_note *n);

/* 0 when the parts are those the model was fitted with (or the model knows none); else -1 and a message that names the first part that
 * differs. */
ITR_MUST_USE int itr_split_note_check(const itr_split_note *model, const char *const hash[3], const int64_t count[3], itr_err *err);

#endif
