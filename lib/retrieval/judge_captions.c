/* Relevance where captions repeat ("A flower." under six pictures): a text answers every image that has a caption of the same bytes, and an
 * image every such text. What is not among the rows does not count at all. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/vec.h"
#include "data/features.h"
#include "data/manifest.h"
#include "retrieval/pairs_internal.h"

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
static int complete(const struct wording *w, const itr_pairs *p, const char *path, itr_err *err)
{
	int64_t missing = 0, first = -1;
	for (int64_t t = 0; t < p->n_text; t++)
		if (w->of_text[t] < 0 && missing++ == 0)
			first = t;
	return missing ? itr_err_set(err, "'%s' lacks the captions of %lld of the %lld texts of '%s' (the first is '%s')", path,
	                             (long long)missing, (long long)p->n_text, p->name, p->text_id[first])
	               : 0;
}

static void wording_init(struct wording *w, const itr_pairs *p, const itr_map *texts, const itr_map *images)
{
	*w = (struct wording){ .number = itr_map_new(),
		               .texts = texts,
		               .images = images,
		               .of_text = itr_xmalloc(((size_t)p->n_text + 1) * sizeof *w->of_text) };
	for (int64_t t = 0; t < p->n_text; t++)
		w->of_text[t] = -1;
}

static void wording_free(struct wording *w)
{
	itr_map_free(w->number);
	free(w->of_text);
	ITR_VEC_FREE(&w->caption);
	ITR_VEC_FREE(&w->image);
}

static int meet_file(struct wording *w, const char *path, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, NULL, NULL);
	itr_h5_close(h);
	return h ? meet_store(w, path, err) : meet_manifest(w, path, err);
}

void itr_pairs_count_equal_captions(itr_pairs *p, const char *path)
{
	itr_err ignored = ITR_ERR_INIT;
	struct wording w;
	itr_map *texts = itr_pairs_id_map(p->text_id, p->n_text, "text id", p->name, &ignored);
	itr_map *images = texts ? itr_pairs_id_map(p->image_id, p->n_image, "image id", p->name, &ignored) : NULL;
	wording_init(&w, p, texts, images);
	if (images && meet_file(&w, path, &ignored) == 0 && complete(&w, p, path, &ignored) == 0) {
		itr_relevance *r = relate(&w, p->n_text, p->n_image);
		for (int64_t t = 0; t < p->n_text; t++)
			p->equal_captions += itr_relevance_count(r, t) > itr_relevance_count(p->t2i, t);
		itr_relevance_free(r);
		free(p->captions_file);
		p->captions_file = itr_xstrdup(path);
	}
	wording_free(&w);
	itr_map_free(texts);
	itr_map_free(images);
}

int itr_pairs_judge_captions(itr_pairs *p, const char *path, const itr_map *texts, const itr_map *images, itr_provenance *provenance,
                             itr_err *err)
{
	struct wording w;
	wording_init(&w, p, texts, images);
	int rc = meet_file(&w, path, err);
	if (rc == 0)
		rc = complete(&w, p, path, err);
	if (rc == 0) {
		itr_relevance_free(p->t2i);
		itr_relevance_free(p->i2t);
		p->t2i = relate(&w, p->n_text, p->n_image);
		p->i2t = itr_relevance_invert(p->t2i);
		p->unanswered = 0;
		if (provenance)
			itr_provenance_input(provenance, path);
	}
	wording_free(&w);
	return rc;
}
