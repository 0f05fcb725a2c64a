/* Relevance where captions repeat ("A flower." under six pictures): a text answers every image that has a caption of the same bytes, and an
 * image every such text. What is not among the rows does not count at all. */
#include <stdlib.h>

#include "base/mem.h"
#include "data/features.h"
#include "data/manifest.h"
#include "evaluate/qrels_internal.h"

struct wording {
	itr_map *number;                        /* caption -> its number among the different ones */
	const itr_map *texts, *images;          /* ids of the rows */
	int64_t *of_text;                       /* [n_text]: number of each text's caption; -1 until met */
	ITR_VEC(int64_t) caption, image;        /* image row image.v[i] has caption number caption.v[i] */
};

static void meet(struct wording *w, const char *text_id, const char *image_id, const char *caption)
{
	const int64_t text = itr_map_get(w->texts, text_id, -1), image = itr_map_get(w->images, image_id, -1);
	if (text < 0 && image < 0)
		return;
	itr_map_add(w->number, caption, itr_map_count(w->number));
	const int64_t number = itr_map_get(w->number, caption, -1);
	if (text >= 0)
		w->of_text[text] = number;
	if (image >= 0) {
		ITR_VEC_PUSH(&w->caption, number);
		ITR_VEC_PUSH(&w->image, image);
	}
}

static int meet_store(struct wording *w, const char *path, itr_err *err)
{
	itr_features *f = itr_features_open(path, err);
	for (int64_t i = 0; f && i < f->table.n[ITR_TEXT]; i++)
		meet(w, f->table.id[ITR_TEXT][i], f->table.id[ITR_IMAGE][f->table.text_image[i]], f->table.caption[i]);
	itr_features_close(f);
	return f ? 0 : -1;
}

static int meet_manifest(struct wording *w, const char *path, itr_err *err)
{
	itr_manifest m;
	if (itr_manifest_read(&m, path, NULL, err) < 0)
		return -1;
	for (int64_t i = 0; i < m.n; i++)
		for (int64_t k = 0; k < m.records[i].n_captions; k++)
			meet(w, m.records[i].captions[k].id, m.records[i].id, m.records[i].captions[k].text);
	itr_manifest_free(&m);
	return 0;
}

static itr_relevance *relate(const struct wording *w, int64_t n_text, int64_t n_image)
{
	ITR_VEC(int64_t) text = ITR_VEC_INIT, image = ITR_VEC_INIT;
	itr_relevance *having =
		itr_relevance_from_pairs(itr_map_count(w->number), n_image, w->caption.v, w->image.v, (int64_t)w->caption.n);
	for (int64_t t = 0; t < n_text; t++)
		for (int64_t i = having->offset[w->of_text[t]]; i < having->offset[w->of_text[t] + 1]; i++) {
			ITR_VEC_PUSH(&text, t);
			ITR_VEC_PUSH(&image, having->row[i]);
		}
	itr_relevance *r = itr_relevance_from_pairs(n_text, n_image, text.v, image.v, (int64_t)text.n);
	itr_relevance_free(having);
	ITR_VEC_FREE(&text);
	ITR_VEC_FREE(&image);
	return r;
}

/* Every text must be there: one that is not would silently keep a single answer. */
static int complete(const struct wording *w, const itr_row_table *t, const char *path, itr_err *err)
{
	int64_t missing = 0, first = -1;
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		if (w->of_text[i] < 0 && missing++ == 0)
			first = i;
	return missing ? itr_err_set(err, "'%s' lacks the captions of %lld of the %lld texts of '%s' (the first is '%s')", path,
	                             (long long)missing, (long long)t->n[ITR_TEXT], t->name, t->id[ITR_TEXT][first])
	               : 0;
}

static int meet_file(struct wording *w, const char *path, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, NULL, NULL);
	itr_h5_close(h);
	return h ? meet_store(w, path, err) : meet_manifest(w, path, err);
}

/* NULL with err: the file cannot be read, or lacks captions of the table's texts. */
static itr_relevance *of_file(const itr_qrels_reading *r, const char *path, itr_err *err)
{
	const int64_t n = r->table->n[ITR_TEXT];
	itr_relevance *rel = NULL;
	struct wording w = { .number = itr_map_new(),
		             .texts = r->id[ITR_TEXT],
		             .images = r->id[ITR_IMAGE],
		             .of_text = itr_xmalloc(((size_t)n + 1) * sizeof *w.of_text) };
	for (int64_t i = 0; i < n; i++)
		w.of_text[i] = -1;
	if (meet_file(&w, path, err) == 0 && complete(&w, r->table, path, err) == 0)
		rel = relate(&w, n, r->table->n[ITR_IMAGE]);
	itr_map_free(w.number);
	free(w.of_text);
	ITR_VEC_FREE(&w.caption);
	ITR_VEC_FREE(&w.image);
	return rel;
}

static int read_captions(itr_qrels_reading *r, const char *path, itr_err *err)
{
	if (r->grow)
		return itr_err_set(err, "'captions:%s': a run has no captions to compare; use a relevance file of ids", path);
	r->relevant = of_file(r, path, err);
	if (!r->relevant)
		return -1;
	itr_qrels_input(r, path);
	return 0;
}

const itr_qrels_reader itr_qrels_captions = {
	.name = "captions",
	.prefix = "captions:",
	.meta = "captions:FILE",
	.summary = "equal captions answer alike, as a manifest or a feature store spells them",
	.read = read_captions,
};

void itr_qrels_count_equal_captions(itr_qrels *q, const itr_row_table *t, const char *path)
{
	itr_err ignored = ITR_ERR_INIT;
	itr_qrels_reading r;
	itr_relevance *equal = itr_qrels_reading_init(&r, t, NULL, NULL, &ignored) == 0 ? of_file(&r, path, &ignored) : NULL;
	for (int64_t i = 0; equal && i < t->n[ITR_TEXT]; i++)
		q->equal_captions += itr_relevance_count(equal, i) > itr_relevance_count(q->relevant[ITR_TEXT], i);
	if (equal)
		q->captions_file = itr_xstrdup(path);
	itr_relevance_free(equal);
	itr_qrels_reading_free(&r);
}
