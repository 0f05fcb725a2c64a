/* Relevance where captions repeat ("A flower." for six pictures): every image that has a caption of the same bytes is a positive of a text,
 * and the other way round. Captions of texts and images that are not among the rows are ignored. */
#include <stdlib.h>

#include "base/mem.h"
#include "data/features.h"
#include "data/manifest.h"
#include "evaluate/qrels_internal.h"

struct captions {
	itr_map *number;                        /* caption -> its number among the different ones */
	const itr_map *texts, *images;          /* ids of the rows */
	int64_t *of_text;                       /* [n_text]: number of each text's caption; -1: not found */
	ITR_VEC(int64_t) caption, image;        /* image row image.v[i] has caption number caption.v[i] */
};

static void add(struct captions *c, const char *text_id, const char *image_id, const char *caption)
{
	const int64_t text = itr_map_get(c->texts, text_id, -1), image = itr_map_get(c->images, image_id, -1);
	if (text < 0 && image < 0)
		return;
	itr_map_add(c->number, caption, itr_map_count(c->number));
	const int64_t number = itr_map_get(c->number, caption, -1);
	if (text >= 0)
		c->of_text[text] = number;
	if (image >= 0) {
		ITR_VEC_PUSH(&c->caption, number);
		ITR_VEC_PUSH(&c->image, image);
	}
}

static int add_store(struct captions *c, const char *path, itr_err *err)
{
	itr_features *f = itr_features_open(path, err);
	for (int64_t i = 0; f && i < f->table.n[ITR_TEXT]; i++)
		add(c, f->table.id[ITR_TEXT][i], f->table.id[ITR_IMAGE][f->table.text_image[i]], f->table.caption[i]);
	itr_features_close(f);
	return f ? 0 : -1;
}

static int add_manifest(struct captions *c, const char *path, itr_err *err)
{
	itr_manifest m;
	if (itr_manifest_read(&m, path, NULL, err) < 0)
		return -1;
	for (int64_t i = 0; i < m.n; i++)
		for (int64_t k = 0; k < m.records[i].n_captions; k++)
			add(c, m.records[i].captions[k].id, m.records[i].id, m.records[i].captions[k].text);
	itr_manifest_free(&m);
	return 0;
}

static itr_relevance *relevance_of(const struct captions *c, int64_t n_text, int64_t n_image)
{
	ITR_VEC(int64_t) text = ITR_VEC_INIT, image = ITR_VEC_INIT;
	itr_relevance *having =
		itr_relevance_from_pairs(itr_map_count(c->number), n_image, c->caption.v, c->image.v, (int64_t)c->caption.n);
	for (int64_t t = 0; t < n_text; t++)
		for (int64_t i = having->offset[c->of_text[t]]; i < having->offset[c->of_text[t] + 1]; i++) {
			ITR_VEC_PUSH(&text, t);
			ITR_VEC_PUSH(&image, having->row[i]);
		}
	itr_relevance *r = itr_relevance_from_pairs(n_text, n_image, text.v, image.v, (int64_t)text.n);
	itr_relevance_free(having);
	ITR_VEC_FREE(&text);
	ITR_VEC_FREE(&image);
	return r;
}

/* Every text must have its caption: one without would silently have no positive. */
static int check_complete(const struct captions *c, const itr_row_table *t, const char *path, itr_err *err)
{
	int64_t missing = 0, first = -1;
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		if (c->of_text[i] < 0 && missing++ == 0)
			first = i;
	return missing ? itr_err_set(err, "'%s' lacks the captions of %lld of the %lld texts of '%s' (the first is '%s')", path,
	                             (long long)missing, (long long)t->n[ITR_TEXT], t->name, t->id[ITR_TEXT][first])
	               : 0;
}

static int add_file(struct captions *c, const char *path, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, NULL, NULL);
	itr_h5_close(h);
	return h ? add_store(c, path, err) : add_manifest(c, path, err);
}

/* NULL with err: the file cannot be read, or lacks captions of the table's texts. */
static itr_relevance *read_relevance(const itr_qrels_reading *r, const char *path, itr_err *err)
{
	const int64_t n = r->table->n[ITR_TEXT];
	itr_relevance *rel = NULL;
	struct captions c = { .number = itr_map_new(),
		             .texts = r->id[ITR_TEXT],
		             .images = r->id[ITR_IMAGE],
		             .of_text = itr_xmalloc(((size_t)n + 1) * sizeof *c.of_text) };
	for (int64_t i = 0; i < n; i++)
		c.of_text[i] = -1;
	if (add_file(&c, path, err) == 0 && check_complete(&c, r->table, path, err) == 0)
		rel = relevance_of(&c, n, r->table->n[ITR_IMAGE]);
	itr_map_free(c.number);
	free(c.of_text);
	ITR_VEC_FREE(&c.caption);
	ITR_VEC_FREE(&c.image);
	return rel;
}

static int read_captions(itr_qrels_reading *r, const char *path, itr_err *err)
{
	if (r->grow)
		return itr_err_set(err, "'captions:%s': a run has no captions to compare; use a relevance file of ids", path);
	r->relevant = read_relevance(r, path, err);
	if (!r->relevant)
		return -1;
	itr_qrels_input(r, path);
	return 0;
}

const itr_qrels_reader itr_qrels_captions = {
	.name = "captions",
	.prefix = "captions:",
	.meta = "captions:FILE",
	.summary = "every image with an equal caption is relevant; captions from a manifest or a feature store",
	.read = read_captions,
};

void itr_qrels_count_equal_captions(itr_qrels *q, const itr_row_table *t, const char *path)
{
	itr_err ignored = ITR_ERR_INIT;
	itr_qrels_reading r;
	itr_relevance *equal = itr_qrels_reading_init(&r, t, NULL, NULL, &ignored) == 0 ? read_relevance(&r, path, &ignored) : NULL;
	for (int64_t i = 0; equal && i < t->n[ITR_TEXT]; i++)
		q->equal_captions += itr_relevance_count(equal, i) > itr_relevance_count(q->relevant[ITR_TEXT], i);
	if (equal)
		q->captions_file = itr_xstrdup(path);
	itr_relevance_free(equal);
	itr_qrels_reading_free(&r);
}
