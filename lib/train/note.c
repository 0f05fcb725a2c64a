#include "train/note.h"

#include <stdio.h>
#include <string.h>

void itr_split_note_of(itr_split_note *n, const itr_pair_data *d, const double sizes[3], uint64_t seed)
{
	const itr_split *split = d->leaky ? d->text_split : d->image_split;
	const char *const *ids = (const char *const *)(d->leaky ? d->text_id : d->image_id);
	const int64_t rows = d->leaky ? d->n_texts : d->n_images;
	*n = (itr_split_note){ .seed = 0 };
	snprintf(n->by, sizeof n->by, "%s", d->has_split ? "file" : itr_split_by_names[d->split_by]);
	snprintf(n->groups, sizeof n->groups, "%s", !d->has_split && d->groups ? d->groups : "");
	if (!d->has_split) {
		memcpy(n->sizes, sizes, sizeof n->sizes);
		n->seed = seed;
	}
	for (int part = ITR_TRAIN; part <= ITR_TEST; part++) {
		for (int64_t i = 0; i < rows; i++)
			n->count[part] += split[i] == (itr_split)part;
		itr_split_hash(ids, split, rows, (itr_split)part, n->hash[part]);
	}
}

int itr_split_note_apply(const itr_split_note *n, itr_pair_data *d, itr_err *err)
{
	itr_split_note here;
	const char *hash[3];
	if (!d->has_split && !strcmp(n->by, "file"))
		return itr_err_set(err, "the model was fitted on a file with a split of its own, this one has none");
	if (!n->by[0] && !d->has_split)
		return itr_err_set(err, "the model remembers no split and the file has none: which rows are held out is unknown");
	itr_split_rule rule = { .by = ITR_SPLIT_BY_IMAGE };            /* of no account where the file has a split */
	itr_split_rule_of(&rule, n->by, n->groups);
	if (itr_pair_data_split(d, n->sizes, n->seed, &rule, err) < 0)
		return -1;
	itr_split_note_of(&here, d, n->sizes, n->seed);
	for (int part = 0; part < 3; part++)
		hash[part] = here.hash[part];
	return itr_split_note_check(n, hash, here.count, err);
}
