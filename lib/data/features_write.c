/* The writing side of the feature store: parts and whole stores share layout and attributes, so that joining parts is copying rows. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/features.h"

int64_t itr_features_bytes(const itr_features_layout *l)
{
	double image = 4.0 * (double)l->image.dim + 2.0 * (double)(l->image.grid * l->image.grid * l->image.patch_dim);
	double text = 4.0 * (double)l->text.dim + 2.0 * (double)(l->text.max_tokens * l->text.token_dim);
	return (int64_t)(image * (double)l->n_images + text * (double)l->n_texts);
}

static int write_side(itr_h5 *h, const char *group, const itr_features_side *s, itr_err *err)
{
	if (itr_h5_set_attr_text(h, group, "encoder", s->encoder ? s->encoder : "", err) < 0 ||
	    itr_h5_set_attr_text(h, group, "weights_sha256", s->weights_sha256 ? s->weights_sha256 : "", err) < 0 ||
	    itr_h5_set_attr_text(h, group, "preprocess", s->preprocess ? s->preprocess : "", err) < 0)
		return -1;
	return itr_h5_set_attr_int(h, group, "normalized", s->normalized, err);
}

static int create_vectors(itr_h5 *h, const itr_features_layout *l, itr_err *err)
{
	const itr_features_side *i = &l->image, *t = &l->text;
	int64_t n = l->n_images, m = l->n_texts, grid[2] = { i->grid, i->grid }, two = 2;
	if (i->dim && itr_h5_create_rows(h, "/image/pooled", ITR_F32, 2, (int64_t[]){ n, i->dim }, err) < 0)
		return -1;
	if (i->patch_dim &&
	    (itr_h5_create_rows(h, "/image/patches", ITR_F16, 3, (int64_t[]){ n, i->grid * i->grid, i->patch_dim }, err) < 0 ||
	     itr_h5_write(h, "/image/grid", ITR_I64, 1, &two, grid, err) < 0))
		return -1;
	if (t->dim && itr_h5_create_rows(h, "/text/pooled", ITR_F32, 2, (int64_t[]){ m, t->dim }, err) < 0)
		return -1;
	if (t->token_dim && (itr_h5_create_rows(h, "/text/tokens", ITR_F16, 3, (int64_t[]){ m, t->max_tokens, t->token_dim }, err) < 0 ||
	                     itr_h5_create_rows(h, "/text/length", ITR_I64, 1, &m, err) < 0))
		return -1;
	return 0;
}

itr_h5 *itr_features_create(const char *path, const char *format, const itr_features_layout *l, itr_err *err)
{
	itr_h5 *h = itr_h5_create(path, format, l->synthetic, err);
	if (!h)
		return NULL;
	/* what names the rows comes from the manifest and lives in the whole store alone: a part holds the vectors and one flag a picture
	 */
	int64_t n = l->n_images;
	bool part = !strcmp(format, ITR_FEATURES_PART);
	if ((part && itr_h5_create_rows(h, "/image/failed", ITR_U8, 1, &n, err) < 0) || create_vectors(h, l, err) < 0) {
		itr_h5_close(h);
		return NULL;
	}
	return h;
}

static int write_labels(itr_h5 *h, const itr_features_layout *l, const itr_features_index *x, itr_err *err)
{
	const int64_t starts = l->n_images + 1;
	if (x->n_labels == 0)
		return 0;
	if (itr_h5_write_texts(h, "/label/name", x->label, x->n_labels, err) < 0 ||
	    itr_h5_write(h, "/label/start", ITR_I64, 1, &starts, x->label_start, err) < 0)
		return -1;
	return itr_h5_write(h, "/label/index", ITR_I64, 1, &x->label_start[l->n_images], x->label_index, err);
}

int itr_features_write_index(itr_h5 *h, const itr_features_layout *l, const itr_features_index *x, itr_err *err)
{
	int64_t m = l->n_texts;
	if (itr_h5_write_texts(h, "/image/id", x->image_id, l->n_images, err) < 0 ||
	    itr_h5_write_texts(h, "/image/split", x->image_split, l->n_images, err) < 0 ||
	    itr_h5_write_texts(h, "/image/path", x->image_path, l->n_images, err) < 0 ||
	    itr_h5_write_texts(h, "/text/id", x->text_id, m, err) < 0 ||
	    itr_h5_write(h, "/text/image", ITR_I64, 1, &m, x->text_image, err) < 0 ||
	    itr_h5_write_texts(h, "/text/caption", x->caption, m, err) < 0)
		return -1;
	if (write_labels(h, l, x, err) < 0 || itr_h5_write_text(h, "/config", x->config ? x->config : "{}", err) < 0)
		return -1;
	if (x->provenance && x->provenance[0] && itr_h5_write_text(h, "/provenance", x->provenance, err) < 0)
		return -1;
	return write_side(h, "/image", &l->image, err) < 0 ? -1 : write_side(h, "/text", &l->text, err);
}

static int read_shape(const itr_features *f, const char *path, int64_t rows, int64_t *middle, int64_t *last, itr_err *err)
{
	itr_h5_info info;
	if (!itr_h5_has(f->h5, path))
		return 0;
	if (itr_h5_info_of(f->h5, path, &info, err) < 0)
		return -1;
	if (info.is_text || info.rank != 3 || info.shape[0] != rows || info.shape[1] < 1 || info.shape[1] > 1 << 20 || info.shape[2] < 1 ||
	    info.shape[2] > 1 << 24)
		return itr_err_set(err, "'%s': %s does not have the shape rows x parts x size", f->path, path);
	*middle = info.shape[1];
	*last = info.shape[2];
	return 0;
}

static void read_side(const itr_features *f, const char *group, itr_features_side *s)
{
	s->encoder = itr_h5_attr_text(f->h5, group, "encoder");
	s->weights_sha256 = itr_h5_attr_text(f->h5, group, "weights_sha256");
	s->preprocess = itr_h5_attr_text(f->h5, group, "preprocess");
	s->normalized = itr_h5_attr_int(f->h5, group, "normalized", 0) != 0;
}

int itr_features_read_layout(const itr_features *f, itr_features_layout *l, itr_err *err)
{
	int64_t cells = 0;
	*l = (itr_features_layout){ .synthetic = f->table.synthetic, .n_images = f->table.n[ITR_IMAGE], .n_texts = f->table.n[ITR_TEXT] };
	read_side(f, "/image", &l->image);
	read_side(f, "/text", &l->text);
	l->image.dim = f->image_dim;
	l->text.dim = f->text_dim;
	if (read_shape(f, "/image/patches", f->table.n[ITR_IMAGE], &cells, &l->image.patch_dim, err) < 0 ||
	    read_shape(f, "/text/tokens", f->table.n[ITR_TEXT], &l->text.max_tokens, &l->text.token_dim, err) < 0)
		goto bad;
	while (l->image.grid * l->image.grid < cells)
		l->image.grid++;
	if (l->image.grid * l->image.grid != cells) {
		itr_err_set(err, "'%s': /image/patches has %lld parts, not a square grid", f->path, (long long)cells);
		goto bad;
	}
	return 0;
bad:
	itr_features_layout_free(l);
	return -1;
}

void itr_features_layout_free(itr_features_layout *l)
{
	itr_features_side *side[] = { &l->image, &l->text };
	for (int i = 0; i < 2; i++) {
		free((char *)side[i]->encoder);
		free((char *)side[i]->weights_sha256);
		free((char *)side[i]->preprocess);
	}
	*l = (itr_features_layout){ 0 };
}
