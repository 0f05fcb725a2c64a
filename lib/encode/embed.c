#include "encode/embed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "encode/encode.h"
#include "io/npz.h"
#include "linear/project.h"

const itr_option itr_embed_options[] = {
	ITR_OPT_STR("model", 0, itr_embed_opts, model, "FILE",
	            "model that maps both sides into one space ({train}); on a manifest it encodes pictures and captions itself"),
	ITR_OPT_STR("split", 0, itr_embed_opts, split, "NAME", "only the rows of train, val, test or restval (default: all)"),
	ITR_OPT_INTS_IN("project", 0, itr_embed_opts, project, "D...", ITR_BETWEEN(1, 65536),
	                "embedding sizes to write, by Gaussian random projection (default: the model's output size)"),
	ITR_OPT_INTS_IN("truncate", 0, itr_embed_opts, truncate, "D...", ITR_BETWEEN(1, 65536),
	                "embedding sizes to write, by truncation (Matryoshka)"),
	ITR_OPT_BOOL("shuffle-queries", 0, itr_embed_opts, shuffle_queries, "permute captions and ground truth together"),
	ITR_OPT_END
};

/* --- rows ----------------------------------------------------------------------------------------------------------------------------- */

/* Texts in another order, with everything that belongs to them. */
static void shuffle_texts(itr_embeddings *e, uint64_t seed)
{
	itr_rng r;
	itr_row_table *t = &e->table;
	itr_embeddings_side *s = &e->side[ITR_TEXT];
	const int64_t n = t->n[ITR_TEXT];
	int64_t *order = itr_xmalloc(((size_t)n + 1) * sizeof *order), *image = itr_xmalloc(((size_t)n + 1) * sizeof *image);
	char **id = itr_xmalloc(((size_t)n + 1) * sizeof *id);
	itr_rng_seed(&r, seed);
	itr_rng_permutation(&r, n, order);
	float *rows = itr_embeddings_rows(e, ITR_TEXT, order, n);
	for (int64_t i = 0; i < n; i++) {
		id[i] = t->id[ITR_TEXT][order[i]];
		image[i] = t->text_image ? t->text_image[order[i]] : -1;
	}
	free(order);
	free(t->id[ITR_TEXT]);
	t->id[ITR_TEXT] = id;
	itr_aligned_free(s->rows);
	s->rows = rows;
	if (t->text_image)
		memcpy(t->text_image, image, (size_t)n * sizeof *image);
	free(image);
}

static int64_t zero_rows(const itr_embeddings *e, itr_modality m)
{
	const int64_t dim = e->side[m].dim;
	int64_t zero = 0;
	for (int64_t i = 0; i < e->table.n[m]; i++) {
		int64_t k = 0;
		while (k < dim && e->side[m].rows[i * dim + k] == 0)
			k++;
		zero += k == dim;
	}
	return zero;
}

/* --- sizes and output ----------------------------------------------------------------------------------------------------------------- */

static int add_dim(itr_embed_result *r, int64_t dim, const char *how, itr_err *err)
{
	if (dim < 1 || dim > 1 << 16 || (!strcmp(how, "--truncate") && dim > r->base))
		return itr_err_set(err, "%s %lld: the vectors have %lld dimensions", how, (long long)dim, (long long)r->base);
	for (int64_t i = 0; i < r->n_dims; i++)
		if (r->dims[i] == dim)
			return itr_err_set(err, "size %lld is asked for twice", (long long)dim);
	r->dims[r->n_dims++] = dim;
	return 0;
}

static int choose_dims(const itr_embed_opts *o, itr_embed_result *r, itr_err *err)
{
	for (int64_t i = 0; i < o->project.n; i++)
		if (add_dim(r, o->project.v[i], "--project", err) < 0)
			return -1;
	for (int64_t i = 0; i < o->truncate.n; i++)
		if (add_dim(r, o->truncate.v[i], "--truncate", err) < 0)
			return -1;
	return r->n_dims ? 0 : add_dim(r, r->base, "--project", err);
}

static void fit(const float *x, int64_t rows, int64_t base, int64_t dim, bool cut, const itr_embed_opts *o, float *out)
{
	if (cut)
		itr_project_truncate(x, rows, base, dim, out, o->threads);
	else
		itr_project_gaussian(x, rows, base, dim, o->seed, out, o->threads);
}

static int put_size(itr_npz_writer *w, const itr_embeddings *e, int64_t dim, bool cut, const itr_embed_opts *o, itr_err *err)
{
	static const char *const array[2] = { "text_%lld", "video_%lld" };
	int rc = 0;
	for (int side = 0; side < 2 && rc == 0; side++) {
		const int64_t n = e->table.n[side];
		char name[40];
		float *out = itr_aligned_alloc(((size_t)n * (size_t)dim + 1) * sizeof *out);
		fit(e->side[side].rows, n, e->side[side].dim, dim, cut, o, out);
		snprintf(name, sizeof name, array[side], (long long)dim);
		rc = itr_npz_put(w, name, ITR_F32, 2, (int64_t[]){ n, dim }, out, err);
		itr_aligned_free(out);
	}
	return rc;
}

static int write_npz(const itr_embeddings *e, const itr_embed_opts *o, const itr_embed_result *r, const char *out,
                     const itr_provenance *p, itr_err *err)
{
	const itr_row_table *t = &e->table;
	itr_npz_writer *w = itr_npz_create(out, false, err);
	if (!w)
		return -1;
	int rc = 0;
	for (int64_t i = 0; i < r->n_dims && rc == 0; i++)
		rc = put_size(w, e, r->dims[i], i >= o->project.n, o, err);
	if (rc == 0 && t->text_image)
		rc = itr_npz_put(w, "ground_truth", ITR_I64, 1, &t->n[ITR_TEXT], t->text_image, err);
	if (rc == 0)
		rc = itr_npz_put_text(w, "text_ids", (const char *const *)t->id[ITR_TEXT], t->n[ITR_TEXT], err);
	if (rc == 0)
		rc = itr_npz_put_text(w, "video_ids", (const char *const *)t->id[ITR_IMAGE], t->n[ITR_IMAGE], err);
	char *text = p ? itr_provenance_text(p) : NULL;
	if (rc == 0 && text && text[0])
		rc = itr_npz_put_string(w, "itr_provenance", text, err);
	free(text);
	if (rc == 0)
		return itr_npz_finish(w, err);
	itr_npz_abandon(w);
	return -1;
}

int itr_embed(const char *path, const char *out, const itr_embed_opts *o, itr_provenance *p, itr_embed_result *r, itr_err *err)
{
	itr_encoded rows;
	*r = (itr_embed_result){ 0 };
	itr_model *m = o->model ? itr_model_open(o->model, &(itr_model_opts){ .threads = o->threads }, err) : NULL;
	if (o->model && !m)
		return -1;
	/* a model's rows are of unit length, and their bits stay */
	const itr_encode_opts eo = {
		.in = { .scale = m ? ITR_SCALE_UNIT_IF_NEEDED : ITR_SCALE_UNIT, .unpaired = true, .threads = o->threads, .provenance = p },
		.split = o->split
	};
	int rc = itr_encode(&rows, m, path, &eo, err);
	if (rc == 0) {
		itr_embeddings *e = &rows.rows;
		*r = (itr_embed_result){ .texts = e->table.n[ITR_TEXT],
			                 .images = e->table.n[ITR_IMAGE],
			                 .base = e->side[ITR_TEXT].dim,
			                 .restval = rows.restval,
			                 .zero_texts = zero_rows(e, ITR_TEXT),
			                 .zero_images = zero_rows(e, ITR_IMAGE) };
		if (o->shuffle_queries)
			shuffle_texts(e, o->seed);
		rc = choose_dims(o, r, err);
		if (rc == 0)
			rc = write_npz(e, o, r, out, p, err);
		itr_encoded_free(&rows);
	}
	itr_model_free(m);
	return rc;
}
