/* NPZ (or HDF5) files of the translation competition (document 003): captions/embeddings [M,1024], images/embeddings [N,1536],
 * captions/label or five captions an image. A file of queries has no images. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "data/ground_truth.h"

static const char *const vectors[2] = { "captions/embeddings", "images/embeddings" }, *const ids[2] = { "captions/ids", "images/names" };

/* A file that has text_D as well is read by that name, which --dim chooses. */
static bool is(const char *path, const itr_embeddings_opts *o)
{
	int64_t size;
	itr_err ignored = ITR_ERR_INIT;
	itr_arrays *a = path && !itr_path_is_dir(path) ? itr_arrays_open(path, &ignored) : NULL;
	const bool here = a && (itr_arrays_has(a, vectors[ITR_TEXT]) || itr_arrays_has(a, vectors[ITR_IMAGE]));
	itr_arrays_close(a);
	(void)o;
	return here && !itr_embeddings_sizes(path, &size, 1);
}

/* Without labels five captions an image are the rule of this format; the user's own word goes first. */
static int read_labels(itr_embeddings *e, const itr_arrays *a, itr_err *err)
{
	enum { CAPTIONS = 5 };
	itr_row_table *t = &e->table;
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "captions/label" : "ground_truth";
		if (itr_arrays_has(a, name))
			return itr_ground_truth_array(e, a, name, i, err);
	}
	if (e->opts.captions_per_image || t->n[ITR_TEXT] != CAPTIONS * t->n[ITR_IMAGE])
		return 0;
	t->text_image = itr_xmalloc((size_t)t->n[ITR_TEXT] * sizeof *t->text_image);
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		t->text_image[i] = i / CAPTIONS;
	return 0;
}

static int open_npz(itr_embeddings *e, itr_err *err)
{
	itr_row_table *t = &e->table;
	itr_arrays *a = itr_arrays_open(t->name, err);
	if (!a)
		return -1;
	e->file = a;
	t->synthetic = itr_arrays_synthetic(a);
	for (int m = 0; m < 2; m++) {
		itr_embeddings_side *s = &e->side[m];
		if (m == ITR_IMAGE && !itr_arrays_has(a, vectors[m]))
			return 0;
		s->array = itr_xstrdup(vectors[m]);
		if (itr_arrays_shape(a, s->array, &t->n[m], &s->dim, err) < 0)
			return -1;
		if (itr_arrays_has(a, ids[m]) && !(t->id[m] = itr_arrays_ids(a, ids[m], t->n[m], err)))
			return -1;
	}
	return read_labels(e, a, err);
}

static float *load(itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n, itr_err *err)
{
	int64_t all, dim;
	float *x = itr_arrays_matrix(e->file, vectors[m], &all, &dim, err);
	if (x)
		itr_embeddings_keep(x, dim, rows, n);
	return x;
}

static void close_file(itr_embeddings *e) { itr_arrays_close(e->file); }

const itr_embeddings_reader itr_embeddings_competition = {
	.name = "competition",
	.summary = "NPZ of the translation competition: captions/embeddings, images/embeddings, captions/label",
	.is = is,
	.open = open_npz,
	.load = load,
	.close = close_file,
	.unit = true,
};
