#include "data/image_text_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/parallel.h"

enum { BLOCK = 256, NAMED = 5 };        /* pictures between two looks at `stop`; empty captions that are named */

static int decode(const itr_image_text_set *s, int64_t record, int fast_side, itr_image *img, itr_err *err)
{
	char *path = itr_manifest_image_path(&s->manifest, &s->manifest.records[record]);
	const itr_picture_opts *p = &s->pictures;
	const itr_decode_opts o = { .alpha = p->alpha, .exif = p->exif, .fast_side = p->fast ? fast_side : 0 };
	const int rc = itr_image_read(img, path, &o, err);
	free(path);
	return rc;
}

int itr_image_text_set_picture(const itr_image_text_set *s, int64_t image, int fast_side, itr_image *img, itr_err *err)
{
	return decode(s, s->record[image], fast_side, img, err);
}

/* --- which pictures can be used ------------------------------------------------------------------------------------------------------- */

struct checking {
	const itr_image_text_set *s;
	int64_t first;
	itr_err *reason;                /* one a picture of the block */
};

static void check_one(void *ctx, int64_t i, int worker)
{
	struct checking *c = ctx;
	itr_image img;
	(void)worker;
	c->reason[i].set = 0;
	if (decode(c->s, c->first + i, 0, &img, &c->reason[i]) == 0)
		itr_image_free(&img);
}

/* damaged[i]: record i's picture cannot be used; named one by one. */
static int check_pictures(itr_image_text_set *s, const itr_image_text_opts *o, uint8_t *damaged, itr_err *err)
{
	const itr_manifest *m = &s->manifest;
	struct checking c = { s, 0, itr_xcalloc(BLOCK, sizeof *c.reason) };
	itr_err first = ITR_ERR_INIT;
	for (; c.first < m->n && !(o->stop && *o->stop); c.first += BLOCK) {
		const int64_t n = ITR_MIN((int64_t)BLOCK, m->n - c.first);
		itr_parallel_for(o->threads, n, check_one, &c);
		for (int64_t i = 0; i < n; i++) {
			const char *id = m->records[c.first + i].id;
			if (!c.reason[i].set)
				continue;
			itr_warn("image '%s': %s", id, c.reason[i].msg);
			if (!first.set)
				itr_err_set(&first, "image '%s': %s", id, c.reason[i].msg);
			itr_issues_add(s->issues, ITR_ISSUE_DAMAGED, "image '%s': %s", id, c.reason[i].msg);
			damaged[c.first + i] = 1;
		}
	}
	free(c.reason);
	if (c.first < m->n)
		return itr_err_set(err, "interrupted while the pictures were checked");
	const int64_t failed = itr_issues_count(s->issues, ITR_ISSUE_DAMAGED);
	if (failed > o->max_failed)
		return itr_err_set(
			err,
			"%lld of %lld pictures cannot be decoded, the first: %s; --max-failed %lld would leave them and their captions out",
			(long long)failed, (long long)m->n, first.msg, (long long)failed);
	return 0;
}

/* --- rows ----------------------------------------------------------------------------------------------------------------------------- */

static bool has_word(const char *text) { return text[strspn(text, " \t\r\n\v\f")] != 0; }

/* A caption, which needs a word where only pairs are rows. */
static void add_caption(itr_image_text_set *s, const itr_caption *c, int64_t image, bool pairs_only)
{
	itr_row_table *t = &s->table;
	if (pairs_only && !has_word(c->text)) {
		if (itr_issues_count(s->issues, ITR_ISSUE_EMPTY) < NAMED)
			itr_warn("caption '%s' is empty: left out", c->id);
		itr_issues_add(s->issues, ITR_ISSUE_EMPTY, "%s", c->id);
		return;
	}
	const int64_t row = t->n[ITR_TEXT]++;
	t->id[ITR_TEXT][row] = (char *)(intptr_t)c->id;
	t->caption[row] = (char *)(intptr_t)c->text;
	t->text_image[row] = image;
}

static void add_records(itr_image_text_set *s, const uint8_t *damaged, bool pairs_only)
{
	const itr_manifest *m = &s->manifest;
	itr_row_table *t = &s->table;
	for (int64_t i = 0; i < m->n; i++) {
		const itr_record *r = &m->records[i];
		const int64_t texts = t->n[ITR_TEXT], image = t->n[ITR_IMAGE];
		for (int64_t c = 0; c < r->n_captions && !damaged[i]; c++)
			add_caption(s, &r->captions[c], image, pairs_only);
		if (damaged[i])
			continue;
		if (pairs_only && t->n[ITR_TEXT] == texts) {
			itr_issues_add(s->issues, ITR_ISSUE_UNCAPTIONED, "%s", r->id);
			continue;
		}
		t->id[ITR_IMAGE][image] = (char *)(intptr_t)r->id;
		s->record[image] = i;
		t->n[ITR_IMAGE]++;
	}
	const int64_t empty = itr_issues_count(s->issues, ITR_ISSUE_EMPTY);
	if (empty > NAMED)
		itr_warn("%lld captions in all are empty: left out", (long long)empty);
}

/* The records' split; none where no record has one, and half a split is an error. */
static int read_split(itr_image_text_set *s, itr_err *err)
{
	itr_row_table *t = &s->table;
	const int64_t n = t->n[ITR_IMAGE], n_texts = t->n[ITR_TEXT];
	int64_t without = 0, first = -1;
	for (int64_t i = 0; i < n; i++)
		if (!s->manifest.records[s->record[i]].split) {
			without++;
			first = first < 0 ? i : first;
		}
	if (without == n)
		return 0;
	if (without)
		return itr_err_set(err, "'%s': %lld of %lld records have no 'split', the first is image '%s'; give one to all or to none",
		                   t->name, (long long)without, (long long)n, t->id[ITR_IMAGE][first]);
	t->split_from_file = true;
	t->part[ITR_IMAGE] = itr_xcalloc((size_t)n, sizeof *t->part[ITR_IMAGE]);
	t->part[ITR_TEXT] = itr_xcalloc((size_t)n_texts + 1, sizeof *t->part[ITR_TEXT]);
	for (int64_t i = 0; i < n; i++)         /* reading the manifest has refused names that are none */
		t->part[ITR_IMAGE][i] = (itr_split)itr_split_find(s->manifest.records[s->record[i]].split);
	for (int64_t i = 0; i < n_texts; i++)
		t->part[ITR_TEXT][i] = t->part[ITR_IMAGE][t->text_image[i]];
	return 0;
}

/* Numbers of labels in the order of their first occurrence. */
static void add_labels(itr_image_text_set *s)
{
	itr_row_table *t = &s->table;
	const int64_t n = t->n[ITR_IMAGE];
	int64_t count = 0;
	t->label_start = itr_xcalloc((size_t)n + 1, sizeof *t->label_start);
	for (int64_t i = 0; i < n; i++)
		t->label_start[i + 1] = count += s->manifest.records[s->record[i]].n_labels;
	t->label = itr_xmalloc(((size_t)count + 1) * sizeof *t->label);
	t->label_name = itr_xmalloc(((size_t)count + 1) * sizeof *t->label_name);
	itr_map *number = itr_map_new();
	for (int64_t i = 0, at = 0; i < n; i++) {
		const itr_record *r = &s->manifest.records[s->record[i]];
		for (int64_t k = 0; k < r->n_labels; k++, at++) {
			if (itr_map_add(number, r->labels[k], t->n_labels))
				t->label_name[t->n_labels++] = (char *)(intptr_t)r->labels[k];
			t->label[at] = itr_map_get(number, r->labels[k], 0);
		}
	}
	itr_map_free(number);
}

static int make_table(itr_image_text_set *s, const char *path, const uint8_t *damaged, bool pairs_only, itr_err *err)
{
	const itr_manifest *m = &s->manifest;
	itr_row_table *t = &s->table;
	*t = (itr_row_table){ .name = itr_xstrdup(path), .synthetic = m->synthetic, .borrows = true };
	t->id[ITR_IMAGE] = itr_xcalloc((size_t)m->n + 1, sizeof *t->id[ITR_IMAGE]);
	t->id[ITR_TEXT] = itr_xcalloc((size_t)m->n_captions + 1, sizeof *t->id[ITR_TEXT]);
	t->caption = itr_xcalloc((size_t)m->n_captions + 1, sizeof *t->caption);
	t->text_image = itr_xcalloc((size_t)m->n_captions + 1, sizeof *t->text_image);
	s->record = itr_xcalloc((size_t)m->n + 1, sizeof *s->record);
	add_records(s, damaged, pairs_only);
	if (pairs_only && !t->n[ITR_TEXT])
		return itr_err_set(err, "'%s' holds no picture with a caption that can be used", path);
	add_labels(s);
	return read_split(s, err);
}

int itr_image_text_set_open(itr_image_text_set *s, const char *path, const itr_image_text_opts *o, itr_err *err)
{
	*s = (itr_image_text_set){ .pictures = o->pictures };
	if (itr_manifest_read(&s->manifest, path, o->root, err) < 0)
		return -1;
	s->issues = itr_issues_new();
	uint8_t *damaged = itr_xcalloc((size_t)s->manifest.n + 1, 1);
	int rc = o->check_pictures ? check_pictures(s, o, damaged, err) : 0;
	if (rc == 0)
		rc = make_table(s, path, damaged, o->pairs_only, err);
	free(damaged);
	if (rc < 0)
		itr_image_text_set_free(s);
	return rc;
}

void itr_image_text_set_free(itr_image_text_set *s)
{
	itr_row_table_free(&s->table);
	free(s->record);
	itr_issues_free(s->issues);
	itr_manifest_free(&s->manifest);
	*s = (itr_image_text_set){ .record = NULL };
}
