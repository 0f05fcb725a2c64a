#include "search/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "data/manifest.h"
#include "io/npz.h"
#include "model/model.h"
#include "retrieval/rank.h"
#include "search/lookup_internal.h"
#include "search/weights.h"
#include "tensor/rows.h"

/* --- opening -------------------------------------------------------------------------------------------------------------------------- */

static int64_t rows_of(const itr_lookup *l, itr_modality k) { return l->data.table.n[k]; }
static const float *vectors_of(const itr_lookup *l, itr_modality k) { return l->data.side[k].rows; }
static char *const *ids_of(const itr_lookup *l, itr_modality k) { return l->data.table.id[k]; }

int64_t itr_lookup_queries(const itr_lookup *l) { return rows_of(l, l->o.from); }
int64_t itr_lookup_size(const itr_lookup *l) { return rows_of(l, l->o.to); }
const itr_row_table *itr_lookup_table(const itr_lookup *l) { return &l->data.table; }
const char *itr_lookup_kernel(const itr_lookup *l) { return itr_gallery_kernel(l->gallery); }

/* Words of captions and records of pictures by id. A manifest that knows none of the ids is the wrong one. */
static int read_manifest(itr_lookup *l, itr_err *err)
{
	int64_t known = 0;
	l->manifest = itr_xcalloc(1, sizeof *l->manifest);
	if (itr_manifest_read(l->manifest, l->o.manifest, l->o.root, err) < 0) {
		free(l->manifest);
		l->manifest = NULL;
		return -1;
	}
	if (l->o.rows.in.provenance)
		itr_provenance_input(l->o.rows.in.provenance, l->o.manifest);
	l->image_record = itr_map_new();
	l->caption_text = itr_map_new();
	for (int64_t i = 0; i < l->manifest->n; i++) {
		const itr_record *r = &l->manifest->records[i];
		itr_map_add(l->image_record, r->id, i);
		for (int64_t c = 0; c < r->n_captions; c++)
			itr_map_add(l->caption_text, r->captions[c].id, (int64_t)(intptr_t)r->captions[c].text);
	}
	for (int64_t i = 0; i < l->data.table.n[ITR_IMAGE]; i++)
		known += itr_map_has(l->image_record, l->data.table.id[ITR_IMAGE][i]);
	if (known < l->data.table.n[ITR_IMAGE])
		return itr_err_set(err, "'%s' knows %lld of the %lld pictures of '%s': the first unknown ids suggest another manifest",
		                   l->o.manifest, (long long)known, (long long)l->data.table.n[ITR_IMAGE], l->data.table.name);
	return 0;
}

static int read_model(itr_lookup *l, bool manifest, itr_err *err)
{
	if (!l->o.model)
		return 0;
	const itr_model_opts mo = { .tower[ITR_TEXT] = { .name = "hash", .weights = l->o.text_weights },
		                    .raw = manifest ? ITR_HAS_TEXT | ITR_HAS_IMAGE : l->o.words ? ITR_HAS_TEXT : 0,
		                    .threads = l->o.threads,
		                    .find_weights = itr_lookup_find_weights };
	l->model = itr_model_open(l->o.model, &mo, err);
	if (!l->model)
		return -1;
	if (l->o.words && l->o.text_weights && (itr_model_has_towers(l->model) || !itr_model_about(l->model)->side[ITR_TEXT].network))
		return itr_err_set(
			err,
			"--text-weights would change nothing: the model's texts are not read by an encoder with weights of its own file");
	if (l->o.words)
		l->context = itr_model_context_new(l->model, l->o.threads);
	if (l->o.rows.in.provenance)
		itr_provenance_input(l->o.rows.in.provenance, l->o.model);
	return 0;
}

/* Rows of a file were made by a model with towers already. */
static int read_rows(itr_lookup *l, const char *path, bool manifest, itr_err *err)
{
	itr_encoded r;
	itr_encode_opts o = l->o.rows;
	const bool made = !manifest && l->model && itr_model_has_towers(l->model);
	o.keep_mapped = o.check_split = true;
	if (itr_encode(&r, made ? NULL : l->model, path, &o, err) < 0)
		return -1;
	l->data = r.rows;
	l->dim = r.rows.side[ITR_TEXT].dim;
	return 0;
}

static int pack(itr_lookup *l, itr_err *err)
{
	itr_pack_opts po = { .copy = l->o.rescore ? ITR_COPY_BORROW : ITR_COPY_NONE, .threads = l->o.threads };
	l->gallery = itr_gallery_pack(vectors_of(l, l->o.to), itr_lookup_size(l), l->dim, l->o.precision, &po, err);
	l->query_row = itr_map_new();
	for (int64_t i = 0; l->gallery && i < itr_lookup_queries(l); i++)
		itr_map_add(l->query_row, ids_of(l, l->o.from)[i], i);
	return l->gallery ? 0 : -1;
}

itr_lookup *itr_lookup_open(const char *path, const itr_lookup_opts *o, itr_err *err)
{
	itr_lookup *l = itr_xcalloc(1, sizeof *l);
	l->o = *o;
	const bool manifest = path && itr_manifest_is(path);
	if (manifest && !o->manifest)
		l->o.manifest = path;
	int rc = read_model(l, manifest, err);
	if (rc == 0)
		rc = read_rows(l, path, manifest, err);
	if (rc == 0)
		rc = pack(l, err);
	if (rc == 0 && l->o.manifest)
		rc = read_manifest(l, err);
	if (rc == 0)
		return l;
	itr_lookup_close(l);
	return NULL;
}

void itr_lookup_close(itr_lookup *l)
{
	if (!l)
		return;
	if (l->manifest)
		itr_manifest_free(l->manifest);
	free(l->manifest);
	if (l->image_record)
		itr_map_free(l->image_record);
	if (l->caption_text)
		itr_map_free(l->caption_text);
	if (l->query_row)
		itr_map_free(l->query_row);
	itr_model_context_free(l->context);
	itr_model_free(l->model);
	if (l->gallery)
		itr_gallery_free(l->gallery);
	itr_embeddings_free(&l->data);
	free(l);
}

/* --- queries -------------------------------------------------------------------------------------------------------------------------- */

void itr_lookup_query_free(itr_lookup_query *q)
{
	free(q->id);
	free(q->text);
	free(q->vector);
	memset(q, 0, sizeof *q);
}

void itr_lookup_by_row(const itr_lookup *l, int64_t row, itr_lookup_query *q)
{
	size_t bytes = (size_t)l->dim * sizeof(float);
	const char *id = ids_of(l, l->o.from)[row];
	const char *words =
		l->caption_text && l->o.from == ITR_TEXT ? (const char *)(intptr_t)itr_map_get(l->caption_text, id, 0) : NULL;
	*q = (itr_lookup_query){
		.id = itr_xstrdup(id), .text = words ? itr_xstrdup(words) : NULL, .row = row, .vector = itr_xmalloc(bytes)
	};
	memcpy(q->vector, vectors_of(l, l->o.from) + row * l->dim, bytes);
}

int itr_lookup_by_id(const itr_lookup *l, const char *id, itr_lookup_query *q, itr_err *err)
{
	int64_t row = itr_map_get(l->query_row, id, -1), n = ITR_MIN(itr_lookup_queries(l), 20000);
	if (row >= 0) {
		itr_lookup_by_row(l, row, q);
		return 0;
	}
	const char *near = itr_nearest(id, (const char *const *)ids_of(l, l->o.from), (int)n);
	return itr_err_set(err, "no %s '%s' in '%s'%s%s%s", itr_modality_names[l->o.from], id, l->data.table.name,
	                   near ? ": the nearest id is '" : "", near ? near : "", near ? "'" : "");
}

itr_lookup_query *itr_lookup_vectors(const itr_lookup *l, const char *npy, int64_t *n, itr_err *err)
{
	itr_npz *z = itr_npz_open(npy, err);
	itr_array_info info;
	float *x = z && itr_npz_count(z) > 0 ? itr_npz_f32(z, itr_npz_name(z, 0), &info, err) : NULL;
	itr_lookup_query *q = NULL;
	if (z)
		itr_npz_close(z);
	if (!x)
		return NULL;
	int64_t dim = info.rank ? info.shape[info.rank - 1] : 0;
	*n = info.rank == 1 ? 1 : info.rank == 2 ? info.shape[0] : 0;
	itr_rows_check c = *n > 0 && dim == l->dim ? itr_rows_inspect(x, *n, dim, 1) : (itr_rows_check){ .bad_row = -1 };
	if (*n < 1 || dim != l->dim) {
		itr_err_set(err, "'%s': rows of %lld dimensions are needed", npy, (long long)l->dim);
	} else if (c.bad_row >= 0 || c.zero_rows) {
		itr_err_set(err, "'%s': %s", npy, c.bad_row >= 0 ? "NaN or infinity in a row" : "a row of zeros has no direction");
	} else {
		if (l->o.rows.in.scale != ITR_SCALE_STORED)
			itr_rows_normalize(x, *n, dim, 1);
		q = itr_xcalloc((size_t)*n, sizeof *q);
		for (int64_t i = 0; i < *n; i++) {
			q[i] = (itr_lookup_query){ .row = -1, .vector = itr_xmalloc((size_t)dim * sizeof(float)) };
			memcpy(q[i].vector, x + i * dim, (size_t)dim * sizeof(float));
		}
	}
	itr_aligned_free(x);
	return q;
}

/* --- answers -------------------------------------------------------------------------------------------------------------------------- */

/* Do query row and found row belong together? */
static bool belongs(const itr_lookup *l, int64_t query, int64_t row)
{
	const int64_t *image = l->data.table.text_image;
	if (query < 0 || row < 0 || !image)
		return false;
	int64_t a = l->o.from == ITR_TEXT ? image[query] : query, b = l->o.to == ITR_TEXT ? image[row] : row;
	return a >= 0 && a == b;
}

/* Rank of the best row that belongs to each query: rows before it, plus one. */
static int first_ranks(const itr_lookup *l, const itr_lookup_query *q, const float *vectors, int64_t n, itr_lookup_result *r, itr_err *err)
{
	const int64_t gallery = itr_gallery_rows(l->gallery);
	ITR_VEC(int64_t) query = ITR_VEC_INIT, row = ITR_VEC_INIT;
	for (int64_t i = 0; i < n && l->o.from != l->o.to; i++) {
		const bool one = l->o.to == ITR_IMAGE;           /* a text's own image alone can belong to it */
		int64_t k = !one ? 0 : q[i].row >= 0 && l->data.table.text_image ? l->data.table.text_image[q[i].row] : -1;
		for (int64_t end = one ? k + 1 : gallery; k >= 0 && k < end; k++)
			if (belongs(l, q[i].row, k)) {
				ITR_VEC_PUSH(&query, i);
				ITR_VEC_PUSH(&row, k);
			}
	}
	itr_relevance *rel = itr_relevance_from_pairs(n, gallery, query.v, row.v, (int64_t)row.n);
	itr_score_source *s = itr_score_codes(l->gallery, vectors, n);
	itr_ranks *ranks[2] = { NULL, NULL };
	int rc = row.n ? itr_rank_count(s, (const itr_relevance *[]){ rel, NULL }, &(itr_rank_opts){ .threads = l->o.threads }, ranks, err)
	               : 0;
	for (int64_t i = 0; ranks[0] && i < n; i++)
		if (itr_relevance_count(rel, i))
			r[i].rank = ranks[0]->above[ranks[0]->offset[i]] + 1;          /* entries are best first */
	itr_ranks_free(ranks[0]);
	itr_score_source_free(s);
	itr_relevance_free(rel);
	ITR_VEC_FREE(&query);
	ITR_VEC_FREE(&row);
	return rc;
}

itr_lookup_result *itr_lookup_run(const itr_lookup *l, const itr_lookup_query *q, int64_t n, int64_t k, itr_err *err)
{
	bool own = l->o.from == l->o.to;                        /* one more is asked for: the query itself leaves */
	int64_t wide = k + own, dim = l->dim;
	float *vectors = itr_aligned_alloc((size_t)ITR_MAX(n, 1) * (size_t)dim * sizeof *vectors);
	itr_hit *hits = itr_xcalloc((size_t)(n * wide + 1), sizeof *hits);
	itr_lookup_result *r = itr_xcalloc((size_t)n + 1, sizeof *r);
	for (int64_t i = 0; i < n; i++)
		memcpy(vectors + i * dim, q[i].vector, (size_t)dim * sizeof *vectors);
	int rc = itr_topk_search(l->gallery, vectors, n, wide, hits, &(itr_search_opts){ .rescore = l->o.rescore, .threads = l->o.threads },
	                         err);
	for (int64_t i = 0; rc == 0 && i < n; i++) {
		int64_t kept = 0;
		r[i].hits = itr_xcalloc((size_t)k + 1, sizeof *r[i].hits);
		r[i].correct = itr_xcalloc((size_t)k + 1, sizeof *r[i].correct);
		for (int64_t c = 0; c < wide && kept < k; c++) {
			itr_hit h = hits[i * wide + c];
			if (own && h.row >= 0 && h.row == q[i].row)
				continue;
			r[i].hits[kept] = h;
			r[i].correct[kept++] = belongs(l, q[i].row, h.row);
		}
	}
	if (rc == 0)
		rc = first_ranks(l, q, vectors, n, r, err);
	itr_aligned_free(vectors);
	free(hits);
	if (rc == 0)
		return r;
	itr_lookup_results_free(r, n);
	return NULL;
}

void itr_lookup_results_free(itr_lookup_result *r, int64_t n)
{
	for (int64_t i = 0; r && i < n; i++) {
		free(r[i].hits);
		free(r[i].correct);
	}
	free(r);
}
