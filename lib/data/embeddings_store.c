/* Vectors of a feature store; a part's rows are read alone. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/embeddings.h"
#include "data/features.h"

/* A piece of an interrupted extraction is taken too: opening it says what it is. */
static bool is(const char *path, const itr_embeddings_opts *o)
{
	itr_err ignored = ITR_ERR_INIT;
	(void)o;
	itr_h5 *h = path && itr_h5_is(path) ? itr_h5_open(path, NULL, &ignored) : NULL;
	char *format = h ? itr_h5_attr_text(h, "/", "format") : NULL;
	const bool here = format && strncmp(format, ITR_FEATURES_FORMAT, strlen(ITR_FEATURES_FORMAT)) == 0;
	free(format);
	itr_h5_close(h);
	return here;
}

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

static int open_store(itr_embeddings *e, itr_err *err)
{
	itr_features *f = itr_features_open_rows(e->table.name, err);
	if (!f)
		return -1;
	e->file = f;
	const unsigned here = (f->text_dim ? ITR_HAS_TEXT : 0) | (f->image_dim ? ITR_HAS_IMAGE : 0),
		       wanted = e->opts.sides ? e->opts.sides : ITR_HAS_TEXT | ITR_HAS_IMAGE;
	if (wanted & ~here)
		return itr_err_set(err, "'%s' lacks the vectors of %s", f->path, f->text_dim ? "images" : "texts");
	itr_embeddings_side *text = &e->side[ITR_TEXT], *image = &e->side[ITR_IMAGE];
	text->dim = f->text_dim;
	image->dim = f->image_dim;
	text->array = itr_xstrdup("/text/pooled");
	image->array = itr_xstrdup("/image/pooled");
	text->encoder = copy(f->text_encoder);
	image->encoder = copy(f->image_encoder);
	text->weights_sha256 = copy(f->text_weights);
	text->preprocess = f->text_weights ? copy(f->text_preprocess) : NULL;
	itr_row_table_free(&e->table);
	e->table = f->table;
	f->table = (itr_row_table){ .name = NULL };
	read_picture_opts(e, f->h5);
	return 0;
}

/* The table, which the messages of reading name ids by, is the embeddings'. */
static float *load(itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n, itr_err *err)
{
	itr_features *f = e->file;
	f->table = e->table;
	float *x = m == ITR_TEXT ? itr_features_texts(f, rows, n, err) : itr_features_images(f, rows, n, err);
	f->table = (itr_row_table){ .name = NULL };
	return x;
}

static int stay(itr_embeddings *e, itr_modality m, itr_err *err)
{
	const itr_features *f = e->file;
	return itr_row_file_open(&e->side[m].file, f->h5, e->side[m].array, err);
}

static void close_file(itr_embeddings *e) { itr_features_close(e->file); }

const itr_embeddings_reader itr_embeddings_store = {
	.name = "store",
	.summary = "feature store of {extract-features}: HDF5, /image/pooled and /text/pooled",
	.is = is,
	.open = open_store,
	.load = load,
	.stay = stay,
	.close = close_file,
	.features = true,
};
