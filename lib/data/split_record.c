#include "data/split_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"

static const char *const part_names[3] = { "train", "val", "test" };

/* --- making a split ------------------------------------------------------------------------------------------------------------------- */

static int group_by_label(itr_row_table *t, itr_groups *g, itr_err *err)
{
	if (!t->label_start && t->read_labels && t->read_labels(t, err) < 0)
		return -1;
	if (!t->n_labels)
		return itr_err_set(err, "'%s' has no labels to split by", t->name);
	for (int64_t i = 0; i < t->n[ITR_IMAGE]; i++)
		for (int64_t k = t->label_start[i]; k < t->label_start[i + 1]; k++)
			itr_groups_tag(g, i, t->label_name[t->label[k]]);
	return 0;
}

static int group(itr_row_table *t, const itr_split_rule *rule, itr_groups *g, itr_err *err)
{
	if (rule->by == ITR_SPLIT_BY_GROUP)
		return itr_groups_read(g, rule->file, (const char *const *)t->id[ITR_IMAGE], t->n[ITR_IMAGE], err);
	if (rule->by == ITR_SPLIT_BY_LABEL && (t->label_start || t->read_labels))
		return group_by_label(t, g, err);
	return itr_err_set(err,
	                   "vectors alone cannot be split by %s: {fetch-coco} --split-by %s splits the pictures, and their store keeps the "
	                   "parts",
	                   itr_split_by_names[rule->by], itr_split_by_names[rule->by]);
}

/* Images, whole: by themselves or in groups. */
static int assign_images(itr_split *part, itr_row_table *t, const double sizes[3], uint64_t seed, const itr_split_rule *rule, itr_err *err)
{
	const char *const *id = (const char *const *)t->id[ITR_IMAGE];
	if (rule->by == ITR_SPLIT_BY_IMAGE)
		return itr_split_assign(part, id, t->n[ITR_IMAGE], sizes, seed, err);
	itr_groups *g = itr_groups_new(t->n[ITR_IMAGE]);
	int rc = group(t, rule, g, err);
	if (rc == 0)
		rc = itr_split_assign_groups(part, id, t->n[ITR_IMAGE], g, sizes, seed, err);
	itr_groups_free(g);
	return rc;
}

int itr_split_assign_rows(itr_row_table *t, const double sizes[3], uint64_t seed, const itr_split_rule *rule, itr_err *err)
{
	if (itr_row_table_has_split(t) || !t->text_image)
		return 0;
	const bool by_caption = rule->by == ITR_SPLIT_BY_CAPTION;
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		if (t->text_image[i] < 0)
			return itr_err_set(err, "'%s': text '%s' belongs to no image: it can be in no part of a split", t->name,
			                   t->id[ITR_TEXT][i]);
	itr_split *text = itr_xcalloc((size_t)t->n[ITR_TEXT] + 1, sizeof *text),
		  *image = by_caption ? NULL : itr_xcalloc((size_t)t->n[ITR_IMAGE] + 1, sizeof *image);
	const int rc = by_caption ? itr_split_assign(text, (const char *const *)t->id[ITR_TEXT], t->n[ITR_TEXT], sizes, seed, err)
	                          : assign_images(image, t, sizes, seed, rule, err);
	if (rc < 0) {
		free(text);
		free(image);
		return -1;
	}
	for (int64_t i = 0; i < t->n[ITR_TEXT] && !by_caption; i++)
		text[i] = image[t->text_image[i]];
	t->part[ITR_TEXT] = text;
	t->part[ITR_IMAGE] = image;
	t->split_by = rule->by;
	t->groups = rule->by == ITR_SPLIT_BY_GROUP ? itr_path_absolute(rule->file) : NULL;
	return 0;
}

/* --- remembering one ------------------------------------------------------------------------------------------------------------------ */

void itr_split_record_of(itr_split_record *r, const itr_row_table *t, const double sizes[3], uint64_t seed)
{
	const itr_modality m = itr_row_table_is_leaky(t) ? ITR_TEXT : ITR_IMAGE;
	*r = (itr_split_record){ .seed = 0 };
	snprintf(r->by, sizeof r->by, "%s", t->split_from_file ? "file" : itr_split_by_names[t->split_by]);
	if (!t->split_from_file) {
		snprintf(r->groups, sizeof r->groups, "%s", t->groups ? t->groups : "");
		memcpy(r->sizes, sizes, sizeof r->sizes);
		r->seed = seed;
	}
	for (int part = ITR_TRAIN; part <= ITR_TEST; part++) {
		for (int64_t i = 0; i < t->n[m]; i++)
			r->count[part] += t->part[m][i] == (itr_split)part;
		itr_split_hash((const char *const *)t->id[m], t->part[m], t->n[m], (itr_split)part, r->hash[part]);
	}
}

static int compare(const itr_split_record *model, const itr_split_record *here, itr_err *err)
{
	for (int i = 0; i < 3 && model->by[0]; i++)
		if (model->hash[i][0] && strcmp(model->hash[i], here->hash[i]))
			return itr_err_set(err,
			                   "part '%s' is not the one that the model was fitted with (%lld %s here, %lld then; split by %s, "
			                   "seed %llu): "
			                   "train and evaluate on the same file",
			                   part_names[i], (long long)here->count[i], strcmp(model->by, "caption") ? "images" : "captions",
			                   (long long)model->count[i], model->by, (unsigned long long)model->seed);
	return 0;
}

int itr_split_record_apply(const itr_split_record *r, itr_row_table *t, itr_err *err)
{
	itr_split_record here;
	itr_split_rule rule = { .by = ITR_SPLIT_BY_IMAGE };            /* of no account where the data have a split */
	if (!itr_row_table_has_split(t) && !strcmp(r->by, "file"))
		return itr_err_set(err, "the model was fitted on a file with a split of its own, this one has none");
	if (!itr_row_table_has_split(t) && !r->by[0])
		return itr_err_set(err, "the model remembers no split and the file has none: which rows are held out is unknown");
	itr_split_rule_of(&rule, r->by, r->groups);
	if (itr_split_assign_rows(t, r->sizes, r->seed, &rule, err) < 0)
		return -1;
	itr_split_record_of(&here, t, r->sizes, r->seed);
	return compare(r, &here, err);
}

/* --- in a model's config -------------------------------------------------------------------------------------------------------------- */

void itr_split_record_put(itr_json *config, const itr_split_record *r)
{
	itr_json *s = itr_json_add_object(config, "split"), *sizes, *count, *hash;
	char seed[32];
	itr_json_add_str(s, "by", r->by);
	if (!r->by[0])
		return;
	if (r->groups[0])
		itr_json_add_str(s, "groups", r->groups);
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)r->seed);      /* a string: beyond 2^53 a JSON number loses digits */
	itr_json_add_str(s, "seed", seed);
	sizes = itr_json_add_array(s, "sizes");
	count = itr_json_add_object(s, "images");
	hash = itr_json_add_object(s, "sha256_of_ids");
	for (int i = 0; i < 3; i++) {
		itr_json_push(sizes, itr_json_new_num(r->sizes[i]));
		itr_json_add_int(count, part_names[i], r->count[i]);
		itr_json_add_str(hash, part_names[i], r->hash[i]);
	}
}

void itr_split_record_get(const itr_json *config, itr_split_record *r)
{
	const itr_json *s = itr_json_get(config, "split");
	*r = (itr_split_record){ .seed = 0 };
	snprintf(r->by, sizeof r->by, "%s", itr_json_str(itr_json_get(s, "by"), ""));
	snprintf(r->groups, sizeof r->groups, "%s", itr_json_str(itr_json_get(s, "groups"), ""));
	r->seed = strtoull(itr_json_str(itr_json_get(s, "seed"), "0"), NULL, 10);
	for (int i = 0; i < 3; i++) {
		r->sizes[i] = itr_json_num(itr_json_at(itr_json_get(s, "sizes"), i), 0);
		r->count[i] = itr_json_int(itr_json_get(itr_json_get(s, "images"), part_names[i]), 0);
		snprintf(r->hash[i], sizeof r->hash[i], "%s",
		         itr_json_str(itr_json_get(itr_json_get(s, "sha256_of_ids"), part_names[i]), ""));
	}
}
