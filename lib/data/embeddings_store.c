/* Vectors of a feature store. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/embeddings.h"
#include "data/features.h"

static bool is(const char *path) { return itr_h5_is(path); }

static char *copy(const char *text) { return text ? itr_xstrdup(text) : NULL; }

/* From the options that the store was made with. */
static void read_picture_opts(itr_embeddings *e, const itr_h5 *h)
{
	itr_err ignored = ITR_ERR_INIT;         /* a store of another program has none: the defaults */
	char *text = itr_h5_has(h, "/config") ? itr_h5_read_text(h, "/config", &ignored) : NULL;
	itr_json *config = text ? itr_json_parse(text, strlen(text), itr_h5_path(h), &ignored) : NULL;
	e->pictures = itr_picture_opts_get(config);
	itr_json_free(config);
	free(text);
}

static int open_store(itr_embeddings *e, const char *path, itr_err *err)
{
	itr_features *f = itr_features_open(path, err);
	int rc = -1;
	if (!f)
		return -1;
	itr_embeddings_side *text = &e->side[ITR_TEXT], *image = &e->side[ITR_IMAGE];
	if (!f->text_dim || !f->image_dim)
		itr_err_set(err, "'%s' lacks the vectors of %s", path, f->text_dim ? "images" : "texts");
	else if ((text->rows = itr_features_texts(f, NULL, 0, err)) && (image->rows = itr_features_images(f, NULL, 0, err)))
		rc = 0;
	text->dim = f->text_dim;
	image->dim = f->image_dim;
	text->encoder = copy(f->text_encoder);
	image->encoder = copy(f->image_encoder);
	text->weights_sha256 = copy(f->text_weights);
	text->preprocess = f->text_weights ? copy(f->text_preprocess) : NULL;
	itr_row_table_free(&e->table);
	e->table = f->table;
	f->table = (itr_row_table){ .name = NULL };
	itr_row_table_drop_words(&e->table);
	read_picture_opts(e, f->h5);
	itr_features_close(f);
	return rc;
}

const itr_embeddings_reader itr_embeddings_store = {
	.name = "store",
	.summary = "feature store of {extract-features}: HDF5, /image/pooled and /text/pooled",
	.is = is,
	.open = open_store,
	.where = { "/text/pooled", "/image/pooled" },
};
