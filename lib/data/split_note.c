#include "data/split_note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const part_names[3] = { "train", "val", "test" };

void itr_split_note_put(itr_json *config, const itr_split_note *n)
{
	itr_json *s = itr_json_add_object(config, "split"), *sizes, *count, *hash;
	char seed[32];
	itr_json_add_str(s, "by", n->by);
	if (!n->by[0])
		return;
	if (n->groups[0])
		itr_json_add_str(s, "groups", n->groups);
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)n->seed);      /* a string: beyond 2^53 a JSON number loses digits */
	itr_json_add_str(s, "seed", seed);
	sizes = itr_json_add_array(s, "sizes");
	count = itr_json_add_object(s, "images");
	hash = itr_json_add_object(s, "sha256_of_ids");
	for (int i = 0; i < 3; i++) {
		itr_json_push(sizes, itr_json_new_num(n->sizes[i]));
		itr_json_add_int(count, part_names[i], n->count[i]);
		itr_json_add_str(hash, part_names[i], n->hash[i]);
	}
}

void itr_split_note_get(const itr_json *config, itr_split_note *n)
{
	const itr_json *s = itr_json_get(config, "split");
	*n = (itr_split_note){ .seed = 0 };
	snprintf(n->by, sizeof n->by, "%s", itr_json_str(itr_json_get(s, "by"), ""));
	snprintf(n->groups, sizeof n->groups, "%s", itr_json_str(itr_json_get(s, "groups"), ""));
	n->seed = strtoull(itr_json_str(itr_json_get(s, "seed"), "0"), NULL, 10);
	for (int i = 0; i < 3; i++) {
		n->sizes[i] = itr_json_num(itr_json_at(itr_json_get(s, "sizes"), i), 0);
		n->count[i] = itr_json_int(itr_json_get(itr_json_get(s, "images"), part_names[i]), 0);
		snprintf(n->hash[i], sizeof n->hash[i], "%s",
		         itr_json_str(itr_json_get(itr_json_get(s, "sha256_of_ids"), part_names[i]), ""));
	}
}

int itr_split_note_check(const itr_split_note *model, const char *const hash[3], const int64_t count[3], itr_err *err)
{
	if (!model->by[0])
		return 0;
	for (int i = 0; i < 3; i++)
		if (model->hash[i][0] && strcmp(model->hash[i], hash[i]))
			return itr_err_set(err,
			                   "part '%s' is not the one that the model was fitted with (%lld %s here, %lld then; split by %s, "
			                   "seed %llu): "
			                   "train and evaluate on the same file",
			                   part_names[i], (long long)count[i], strcmp(model->by, "caption") ? "images" : "captions",
			                   (long long)model->count[i], model->by, (unsigned long long)model->seed);
	return 0;
}
