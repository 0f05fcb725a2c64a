/* Rows from one store to another: how parts become a store, and shards one data set. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "data/features.h"

enum { BLOCK_BYTES = 16 << 20 };

int itr_features_copy_rows(itr_h5 *to, int64_t *at, const itr_h5 *from, const char *path, itr_dtype t, int64_t width, int64_t rows,
                           const uint8_t *drop, itr_err *err)
{
	size_t row_bytes = (size_t)width * itr_dtype_size(t);
	int64_t block = ITR_MAX((int64_t)(BLOCK_BYTES / row_bytes), 1);
	void *data = itr_aligned_alloc((size_t)ITR_MIN(block, ITR_MAX(rows, 1)) * row_bytes);
	int rc = 0;
	for (int64_t i = 0, run; i < rows && rc == 0; i += run) {
		for (run = 0; i + run < rows && run < block && !(drop && drop[i + run]); run++)
			;
		if (run == 0) {
			run = 1;                        /* a row that is left out */
			continue;
		}
		rc = itr_h5_read_rows(from, path, t, i, run, data, err);
		if (rc == 0)
			rc = itr_h5_write_rows(to, path, t, *at, run, data, err);
		*at += run;
	}
	itr_aligned_free(data);
	return rc;
}

int itr_features_copy_vectors(itr_h5 *to, int64_t *image, int64_t *text, const itr_h5 *from, const itr_features_layout *l, int64_t n_images,
                              int64_t n_texts, const uint8_t *drop_image, const uint8_t *drop_text, itr_err *err)
{
	const struct {
		const char *path;
		itr_dtype t;
		int64_t width;
		int64_t *at, rows;
		const uint8_t *drop;
	} set[] = {
		{ "/image/pooled", ITR_F32, l->image.dim, image, n_images, drop_image },
		{ "/image/patches", ITR_F32, l->image.grid * l->image.grid * l->image.patch_dim, image, n_images, drop_image },
		{ "/text/pooled", ITR_F32, l->text.dim, text, n_texts, drop_text },
		{ "/text/tokens", ITR_F32, l->text.max_tokens * l->text.token_dim, text, n_texts, drop_text },
		{ "/text/length", ITR_I64, l->text.token_dim != 0, text, n_texts, drop_text },
	};
	int64_t image_end = *image, text_end = *text;
	for (int i = 0; i < ITR_LEN(set); i++) {
		int64_t at = *set[i].at;
		if (set[i].width &&
		    itr_features_copy_rows(to, &at, from, set[i].path, set[i].t, set[i].width, set[i].rows, set[i].drop, err) < 0)
			return -1;
	}
	for (int64_t i = 0; i < n_images; i++)
		image_end += !(drop_image && drop_image[i]);
	for (int64_t i = 0; i < n_texts; i++)
		text_end += !(drop_text && drop_text[i]);
	*image = image_end;
	*text = text_end;
	return 0;
}

/* --- merging stores ------------------------------------------------------------------------------------------------------------------- */

struct merging {
	itr_features **f;
	itr_features_layout *l;
	int n;
	itr_features_layout sum;
	itr_features_index x;
	const char **strings;                   /* six columns behind each other */
	int64_t *text_image;
	const char **all_labels;
	int64_t *label_start, *label_index;
};

static const char *text_or(const char *s) { return s ? s : ""; }

static int same_side(const char *a_path, const itr_features_side *a, const char *b_path, const itr_features_side *b, const char *what,
                     itr_err *err)
{
	if (strcmp(text_or(a->encoder), text_or(b->encoder)) || strcmp(text_or(a->weights_sha256), text_or(b->weights_sha256)))
		return itr_err_set(err, "'%s' and '%s' come from different %s encoders ('%s' and '%s', or other weights)", a_path, b_path,
		                   what, text_or(a->encoder), text_or(b->encoder));
	if (strcmp(text_or(a->preprocess), text_or(b->preprocess)) || a->normalized != b->normalized)
		return itr_err_set(err, "the %ss of '%s' and '%s' were prepared differently", what, a_path, b_path);
	if (a->dim != b->dim || a->grid != b->grid || a->patch_dim != b->patch_dim || a->max_tokens != b->max_tokens ||
	    a->token_dim != b->token_dim)
		return itr_err_set(err, "'%s' and '%s' hold %s vectors of different shapes", a_path, b_path, what);
	return 0;
}

static int open_all(struct merging *g, char *const *paths, itr_err *err)
{
	for (int i = 0; i < g->n; i++) {
		if (!(g->f[i] = itr_features_open(paths[i], err)) || itr_features_read_layout(g->f[i], &g->l[i], err) < 0)
			return -1;
		if (same_side(paths[0], &g->l[0].image, paths[i], &g->l[i].image, "image", err) < 0 ||
		    same_side(paths[0], &g->l[0].text, paths[i], &g->l[i].text, "text", err) < 0)
			return -1;
		if (g->f[i]->table.n[ITR_IMAGE] && g->f[0]->table.n[ITR_IMAGE] &&
		    g->f[i]->table.split_from_file != g->f[0]->table.split_from_file)
			return itr_err_set(err, "of '%s' and '%s' only one knows its splits", paths[0], paths[i]);
		if (itr_features_labels(g->f[i], err) < 0)
			return -1;
		if (i == 0)
			g->sum = g->l[0];
		else {
			g->sum.n_images += g->l[i].n_images;
			g->sum.n_texts += g->l[i].n_texts;
			g->sum.synthetic |= g->l[i].synthetic;
		}
	}
	return 0;
}

static int check_twice(const struct merging *g, itr_err *err)
{
	itr_map *images = itr_map_new(), *texts = itr_map_new();
	int rc = 0;
	for (int i = 0; i < g->n && rc == 0; i++) {
		const itr_features *f = g->f[i];
		for (int64_t k = 0; k < f->table.n[ITR_IMAGE] && rc == 0; k++)
			if (!itr_map_add(images, f->table.id[ITR_IMAGE][k], i))
				rc = itr_err_set(err, "image '%s' is in '%s' and in '%s'", f->table.id[ITR_IMAGE][k],
				                 g->f[itr_map_get(images, f->table.id[ITR_IMAGE][k], 0)]->path, f->path);
		for (int64_t k = 0; k < f->table.n[ITR_TEXT] && rc == 0; k++)
			if (!itr_map_add(texts, f->table.id[ITR_TEXT][k], i))
				rc = itr_err_set(err, "caption '%s' is in '%s' and in '%s'", f->table.id[ITR_TEXT][k],
				                 g->f[itr_map_get(texts, f->table.id[ITR_TEXT][k], 0)]->path, f->path);
	}
	itr_map_free(images);
	itr_map_free(texts);
	return rc;
}

static void build_index(struct merging *g)
{
	int64_t n = g->sum.n_images, m = g->sum.n_texts, at = 0, text = 0;
	const char **id = g->strings = itr_xcalloc((size_t)(3 * n + 2 * m + 1), sizeof *g->strings);
	const char **split = id + n, **path = split + n, **text_id = path + n, **caption = text_id + m;
	g->text_image = itr_xcalloc((size_t)m + 1, sizeof *g->text_image);
	for (int i = 0; i < g->n; i++) {
		const itr_features *f = g->f[i];
		for (int64_t k = 0; k < f->table.n[ITR_TEXT]; k++, text++) {
			text_id[text] = f->table.id[ITR_TEXT][k];
			caption[text] = f->table.caption[k];
			g->text_image[text] = at + f->table.text_image[k];
		}
		for (int64_t k = 0; k < f->table.n[ITR_IMAGE]; k++, at++) {
			id[at] = f->table.id[ITR_IMAGE][k];
			split[at] = itr_row_table_has_split(&f->table) ? itr_split_names[f->table.part[ITR_IMAGE][k]] : "";
			path[at] = f->table.path[k];
		}
	}
	g->x = (itr_features_index){ .image_id = id,
		                     .image_split = split,
		                     .image_path = path,
		                     .text_id = text_id,
		                     .caption = caption,
		                     .text_image = g->text_image };
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int ascending(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* All names in byte order, and where each has its place. */
static itr_map *merge_names(struct merging *g)
{
	itr_map *rank = itr_map_new();
	int64_t total = 0, k = 0;
	for (int i = 0; i < g->n; i++)
		total += g->f[i]->table.n_labels;
	g->all_labels = itr_xcalloc((size_t)total + 1, sizeof *g->all_labels);
	for (int i = 0; i < g->n; i++)
		for (int64_t c = 0; c < g->f[i]->table.n_labels; c++)
			if (itr_map_add(rank, g->f[i]->table.label_name[c], 0))
				g->all_labels[k++] = g->f[i]->table.label_name[c];
	if (k)
		qsort(g->all_labels, (size_t)k, sizeof *g->all_labels, by_bytes);
	for (int64_t c = 0; c < k; c++)
		itr_map_set(rank, g->all_labels[c], c);
	g->x.label = g->all_labels;
	g->x.n_labels = k;
	return rank;
}

static void merge_labels(struct merging *g)
{
	itr_map *rank = merge_names(g);
	int64_t entries = 0, row = 0, at = 0;
	for (int i = 0; i < g->n; i++)
		entries += g->f[i]->table.label_start ? g->f[i]->table.label_start[g->f[i]->table.n[ITR_IMAGE]] : 0;
	g->label_start = itr_xcalloc((size_t)g->sum.n_images + 1, sizeof *g->label_start);
	g->label_index = itr_xmalloc(((size_t)entries + 1) * sizeof *g->label_index);
	for (int i = 0; i < g->n; i++) {
		const itr_row_table *t = &g->f[i]->table;
		for (int64_t r = 0; r < t->n[ITR_IMAGE]; r++, row++) {
			const int64_t first = at;
			for (int64_t k = t->label_start ? t->label_start[r] : 0; t->label_start && k < t->label_start[r + 1]; k++)
				g->label_index[at++] = itr_map_get(rank, t->label_name[t->label[k]], 0);
			qsort(g->label_index + first, (size_t)(at - first), sizeof *g->label_index, ascending);
			g->label_start[row + 1] = at;
		}
	}
	itr_map_free(rank);
	g->x.label_start = g->label_start;
	g->x.label_index = g->label_index;
}

static int write_merged(struct merging *g, const char *out, itr_provenance *p, itr_err *err)
{
	int64_t image = 0, text = 0;
	if (p && g->sum.synthetic)
		itr_provenance_set_synthetic(p);
	char *provenance = p ? itr_provenance_text(p) : NULL;
	char *config = itr_h5_has(g->f[0]->h5, "/config") ? itr_h5_read_text(g->f[0]->h5, "/config", err) : itr_xstrdup("{}");
	itr_h5 *h = config ? itr_features_create(out, ITR_FEATURES_FORMAT, &g->sum, err) : NULL;
	int rc = h ? 0 : -1;
	for (int i = 0; i < g->n && rc == 0; i++)
		rc = itr_features_copy_vectors(h, &image, &text, g->f[i]->h5, &g->sum, g->l[i].n_images, g->l[i].n_texts, NULL, NULL, err);
	g->x.config = config;
	g->x.provenance = provenance;
	if (rc == 0)
		rc = itr_features_write_index(h, &g->sum, &g->x, err);
	if (rc == 0)
		rc = itr_h5_commit(h, err);
	else
		itr_h5_close(h);
	free(config);
	free(provenance);
	return rc;
}

int itr_features_merge(char *const *paths, int n, const char *out, itr_provenance *p, itr_features_layout *merged, itr_err *err)
{
	struct merging g = { .n = n };
	g.f = itr_xcalloc((size_t)n, sizeof *g.f);
	g.l = itr_xcalloc((size_t)n, sizeof *g.l);
	int rc = open_all(&g, paths, err);
	if (rc == 0)
		rc = check_twice(&g, err);
	if (rc == 0) {
		build_index(&g);
		merge_labels(&g);
		rc = write_merged(&g, out, p, err);
	}
	*merged = g.sum;
	merged->image.encoder = merged->text.encoder = NULL;            /* these die with the stores */
	for (int i = 0; i < n; i++) {
		itr_features_layout_free(&g.l[i]);
		itr_features_close(g.f[i]);
	}
	free(g.strings);
	free(g.text_image);
	free(g.all_labels);
	free(g.label_start);
	free(g.label_index);
	free(g.f);
	free(g.l);
	return rc;
}
