/* split_record.h - who was train, val and test when a model was fitted, kept in its file as member "split" of the config, so that
 * evaluation can refuse to score a model on what it was trained on. */
#ifndef ITR_DATA_SPLIT_RECORD_H
#define ITR_DATA_SPLIT_RECORD_H

#include "data/row_table.h"
#include "io/json.h"

typedef struct itr_split_record {       /* split by caption: counts and hashes are of captions, else of images */
	char by[16];                    /* "image", "label", "group", "caption" (leaky), "file" (official); "" when there was no split */
	char groups[1024];              /* the file of "group"; "" otherwise */
	double sizes[3];                /* train, val, test; zeros for "file" */
	uint64_t seed;
	int64_t count[3];               /* rows in train, val, test */
	char hash[3][ITR_SHA256_HEX];   /* itr_split_hash of each part's ids */
} itr_split_record;

/* Splits t by the rule where it has no split of its own (sizes as itr_split_assign). 0; -1 with err, also for labels that the data do not
 * have and for `near`, which needs pictures. */
ITR_MUST_USE int itr_split_assign_rows(itr_row_table *t, const double sizes[3], uint64_t seed, const itr_split_rule *rule, itr_err *err);
/* The record of a table that is split; sizes and seed are those it was split with, of no account where the split came with the data. */
void itr_split_record_of(itr_split_record *r, const itr_row_table *t, const double sizes[3], uint64_t seed);
/* Splits t by r's rule where it has no split of its own, then compares. 0; -1 with err: other parts than the model's (the first is named),
 * or no split on either side. */
ITR_MUST_USE int itr_split_record_apply(const itr_split_record *r, itr_row_table *t, itr_err *err);

/* As member "split" of a model's config, and back; a config without one: by "". */
void itr_split_record_put(itr_json *config, const itr_split_record *r);
void itr_split_record_get(const itr_json *config, itr_split_record *r);

#endif
