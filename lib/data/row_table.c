#include "data/row_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

bool itr_row_table_has_split(const itr_row_table *t) { return t->part[ITR_TEXT] || t->part[ITR_IMAGE]; }
bool itr_row_table_is_leaky(const itr_row_table *t) { return t->part[ITR_TEXT] && !t->part[ITR_IMAGE]; }

static void free_texts(const itr_row_table *t, char **text, int64_t n)
{
	for (int64_t i = 0; text && !t->borrows && i < n; i++)
		free(text[i]);
	free(text);
}

void itr_row_table_drop_words(itr_row_table *t)
{
	free_texts(t, t->caption, t->n[ITR_TEXT]);
	free_texts(t, t->path, t->n[ITR_IMAGE]);
	t->caption = t->path = NULL;
}

void itr_row_table_drop_split(itr_row_table *t)
{
	for (int m = 0; m < 2; m++) {
		free(t->part[m]);
		t->part[m] = NULL;
	}
	free(t->groups);
	t->groups = NULL;
	t->split_from_file = false;
}

void itr_row_table_free(itr_row_table *t)
{
	for (int m = 0; m < 2; m++) {
		free_texts(t, t->id[m], t->n[m]);
		free(t->pair[m]);
	}
	itr_row_table_drop_split(t);
	itr_row_table_drop_words(t);
	free_texts(t, t->label_name, t->n_labels);
	free(t->label_start);
	free(t->label);
	free(t->text_image);
	free(t->truth);
	free(t->name);
	*t = (itr_row_table){ .name = NULL };
}

static bool is_in(const itr_split *part, int64_t row, int which)
{
	return !part || part[row] == (itr_split)which || (which == ITR_TRAIN && part[row] == ITR_RESTVAL);
}

static void rows_of(itr_selection *s, itr_modality m, const itr_row_table *t, int which)
{
	s->row[m] = itr_xmalloc(((size_t)t->n[m] + 1) * sizeof *s->row[m]);
	for (int64_t i = 0; i < t->n[m]; i++)
		if (which < 0 || is_in(t->part[m], i, which))
			s->row[m][s->n[m]++] = i;
}

int64_t itr_row_table_count(const itr_row_table *t, itr_split part)
{
	int64_t n = 0;
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		n += is_in(t->part[ITR_TEXT], i, (int)part);
	return n;
}

int64_t *itr_row_table_images_of(const itr_row_table *t, const int64_t *texts, int64_t n, int64_t **place, int64_t *n_images)
{
	int64_t *at = itr_xmalloc(((size_t)t->n[ITR_IMAGE] + 1) * sizeof *at),
		*rows = itr_xmalloc(((size_t)ITR_MIN(n, t->n[ITR_IMAGE]) + 1) * sizeof *rows);
	memset(at, 0xff, (size_t)t->n[ITR_IMAGE] * sizeof *at);
	*place = itr_xmalloc(((size_t)n + 1) * sizeof **place);
	*n_images = 0;
	for (int64_t i = 0; i < n; i++)
		if (t->text_image[texts[i]] >= 0)
			at[t->text_image[texts[i]]] = 0;
	for (int64_t i = 0; i < t->n[ITR_IMAGE]; i++)
		if (at[i] == 0) {
			rows[*n_images] = i;
			at[i] = (*n_images)++;
		}
	for (int64_t i = 0; i < n; i++)
		(*place)[i] = t->text_image[texts[i]] < 0 ? -1 : at[t->text_image[texts[i]]];
	free(at);
	return rows;
}

/* Where the images of the selected texts are among the selected images. */
static void find_places(itr_selection *s, const itr_row_table *t)
{
	int64_t *at = itr_xmalloc(((size_t)t->n[ITR_IMAGE] + 1) * sizeof *at);
	memset(at, 0xff, (size_t)t->n[ITR_IMAGE] * sizeof *at);
	for (int64_t i = 0; i < s->n[ITR_IMAGE]; i++)
		at[s->row[ITR_IMAGE][i]] = i;
	s->text_image = itr_xmalloc(((size_t)s->n[ITR_TEXT] + 1) * sizeof *s->text_image);
	for (int64_t i = 0; i < s->n[ITR_TEXT]; i++)
		s->text_image[i] = t->text_image && t->text_image[s->row[ITR_TEXT][i]] >= 0 ? at[t->text_image[s->row[ITR_TEXT][i]]] : -1;
	free(at);
}

int itr_row_table_select(itr_selection *s, const itr_row_table *t, const char *part, unsigned how, itr_err *err)
{
	*s = (itr_selection){ .restval = 0 };
	const int which = part ? itr_split_named(part, err) : -1;
	if (part && which < 0)
		return -1;
	if (part && !itr_row_table_has_split(t))
		return itr_err_set(err, "'%s' has no split: omit --split", t->name);
	rows_of(s, ITR_TEXT, t, which);
	const bool captioned = t->text_image && (how & ITR_SELECT_CAPTIONED_IMAGES || (part && itr_row_table_is_leaky(t)));
	if (captioned) {
		s->row[ITR_IMAGE] = itr_row_table_images_of(t, s->row[ITR_TEXT], s->n[ITR_TEXT], &s->text_image, &s->n[ITR_IMAGE]);
	} else {
		rows_of(s, ITR_IMAGE, t, which);
		find_places(s, t);
	}
	const itr_modality m = itr_row_table_is_leaky(t) ? ITR_TEXT : ITR_IMAGE;
	for (int64_t i = 0; part && i < s->n[m]; i++)
		s->restval += which == ITR_TRAIN && t->part[m][s->row[m][i]] == ITR_RESTVAL;
	if (how & ITR_SELECT_MAY_BE_EMPTY || (s->n[ITR_TEXT] && s->n[ITR_IMAGE]))
		return 0;
	itr_err_set(err, "'%s': split '%s' has %lld images and %lld captions", t->name, part ? part : "all", (long long)s->n[ITR_IMAGE],
	            (long long)s->n[ITR_TEXT]);
	itr_selection_free(s);
	return -1;
}

void itr_selection_free(itr_selection *s)
{
	free(s->row[ITR_TEXT]);
	free(s->row[ITR_IMAGE]);
	free(s->text_image);
	*s = (itr_selection){ .restval = 0 };
}

int itr_row_numbers_check(const int64_t *row, int64_t rows, int64_t n, const char *name, itr_err *err)
{
	for (int64_t i = 0; i < rows; i++)
		if (row[i] < -1 || row[i] >= n)
			return itr_err_set(err, "%s[%lld] is %lld, outside the gallery of %lld rows (-1 means no answer)", name,
			                   (long long)i, (long long)row[i], (long long)n);
	return 0;
}

/* The pairs of which both rows are selected, by their places. */
static void part_of_pairs(itr_row_table *to, const itr_row_table *t, const itr_selection *s)
{
	int64_t *at[2];
	for (int m = 0; m < 2; m++) {
		at[m] = itr_xmalloc(((size_t)t->n[m] + 1) * sizeof *at[m]);
		to->pair[m] = itr_xmalloc(((size_t)t->n_pairs + 1) * sizeof *to->pair[m]);
		memset(at[m], 0xff, (size_t)t->n[m] * sizeof *at[m]);
		for (int64_t i = 0; i < to->n[m]; i++)
			at[m][s ? s->row[m][i] : i] = i;
	}
	for (int64_t k = 0; k < t->n_pairs; k++) {
		const int64_t text = at[ITR_TEXT][t->pair[ITR_TEXT][k]], image = t->pair[ITR_IMAGE][k];
		if (text < 0 || image < 0 || at[ITR_IMAGE][image] < 0)
			continue;
		to->pair[ITR_TEXT][to->n_pairs] = text;
		to->pair[ITR_IMAGE][to->n_pairs++] = at[ITR_IMAGE][image];
	}
	free(at[ITR_TEXT]);
	free(at[ITR_IMAGE]);
}

void itr_row_table_part(itr_row_table *to, const itr_row_table *t, const itr_selection *s)
{
	*to = (itr_row_table){ .name = t->name ? itr_xstrdup(t->name) : NULL,
		               .numbered = t->numbered,
		               .truth = t->truth ? itr_xstrdup(t->truth) : NULL,
		               .split_from_file = t->split_from_file,
		               .split_by = t->split_by,
		               .groups = t->groups ? itr_xstrdup(t->groups) : NULL,
		               .synthetic = t->synthetic };
	for (int m = 0; m < 2; m++) {
		const int64_t n = to->n[m] = s ? s->n[m] : t->n[m];
		to->id[m] = itr_xmalloc(((size_t)n + 1) * sizeof *to->id[m]);
		to->part[m] = t->part[m] ? itr_xmalloc(((size_t)n + 1) * sizeof *to->part[m]) : NULL;
		for (int64_t i = 0; i < n; i++) {
			const int64_t row = s ? s->row[m][i] : i;
			to->id[m][i] = itr_xstrdup(t->id[m][row]);
			if (to->part[m])
				to->part[m][i] = t->part[m][row];
		}
	}
	if (!t->text_image)
		return;
	to->text_image = itr_xmalloc(((size_t)to->n[ITR_TEXT] + 1) * sizeof *to->text_image);
	memcpy(to->text_image, s ? s->text_image : t->text_image, (size_t)to->n[ITR_TEXT] * sizeof *to->text_image);
	if (t->n_pairs)
		part_of_pairs(to, t, s);
}
