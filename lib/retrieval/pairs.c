#include "retrieval/pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/h5.h"
#include "io/npz.h"
#include "retrieval/pairs_internal.h"
#include "tensor/rows.h"

/* --- an NPZ or HDF5 file that holds arrays by name ------------------------------------------------------------------------------------ */

struct source { const char *path; itr_npz *npz; itr_h5 *h5; };

static int source_open(struct source *s, const char *path, itr_err *err)
{
	*s = (struct source){ .path = path };
	if (itr_path_has_suffix(path, ".h5") || itr_path_has_suffix(path, ".hdf5"))
		s->h5 = itr_h5_open(path, NULL, err);
	else
		s->npz = itr_npz_open(path, err);
	return s->npz || s->h5 ? 0 : -1;
}

static void source_close(struct source *s)
{
	if (s->npz)
		itr_npz_close(s->npz);
	if (s->h5)
		itr_h5_close(s->h5);
}

static bool source_has(const struct source *s, const char *name)
{
	return s->npz ? itr_npz_has(s->npz, name) : itr_h5_has(s->h5, name);
}

/* A matrix of floats; the caller frees it with itr_aligned_free. */
static float *source_matrix(struct source *s, const char *name, int64_t *rows, int64_t *dim, itr_err *err)
{
	int rank;
	int64_t shape[2] = { 0, 0 };
	float *x;
	if (s->npz) {
		itr_array_info info;
		if (itr_npz_info(s->npz, name, &info, err) < 0)
			return NULL;
		rank = info.rank;
		for (int i = 0; i < ITR_MIN(rank, 2); i++)
			shape[i] = info.shape[i];
		x = rank == 2 ? itr_npz_f32(s->npz, name, NULL, err) : NULL;
	} else {
		itr_h5_info info;
		if (itr_h5_info_of(s->h5, name, &info, err) < 0)
			return NULL;
		rank = info.rank;
		for (int i = 0; i < ITR_MIN(rank, 2); i++)
			shape[i] = info.shape[i];
		x = rank == 2 ? itr_h5_read(s->h5, name, ITR_F32, NULL, err) : NULL;
	}
	if (rank != 2) {
		itr_err_set(err, "'%s': %s has %d axes, not 2 (rows, numbers)", s->path, name[0] ? name : "the array", rank);
		return NULL;
	}
	*rows = shape[0];
	*dim = shape[1];
	if (x && (*rows == 0 || *dim == 0)) {
		itr_err_set(err, "'%s': %s is empty (%lld rows of %lld)", s->path, name[0] ? name : "the array", (long long)*rows,
		            (long long)*dim);
		itr_aligned_free(x);
		return NULL;
	}
	return x;
}

static int64_t *source_indices(struct source *s, const char *name, int *rank, int64_t shape[2], itr_err *err)
{
	itr_array_info info;
	itr_h5_info h5;
	int64_t *x = s->npz ? itr_npz_i64(s->npz, name, &info, err) : itr_h5_read(s->h5, name, ITR_I64, &h5, err);
	if (!x || itr_pairs_not_mask(s->npz ? info.dtype : h5.dtype, s->path, name, err) < 0) {
		itr_aligned_free(x);
		return NULL;
	}
	*rank = s->npz ? info.rank : h5.rank;
	for (int i = 0; i < 2; i++)
		shape[i] = i < *rank ? (s->npz ? info.shape[i] : h5.shape[i]) : 1;
	return x;
}

/* Ids are strings, or whole numbers that are written out. */
static char **source_ids(struct source *s, const char *name, int64_t want, itr_err *err)
{
	bool is_text;
	int rank;
	int64_t n, shape[2];
	itr_array_info info;
	itr_h5_info h5;
	if (s->npz ? itr_npz_info(s->npz, name, &info, err) < 0 : itr_h5_info_of(s->h5, name, &h5, err) < 0)
		return NULL;
	is_text = s->npz ? info.is_text : h5.is_text;
	n = s->npz ? info.count : h5.count;
	if (n != want) {
		itr_err_set(err, "'%s': %s has %lld entries for %lld rows", s->path, name, (long long)n, (long long)want);
		return NULL;
	}
	if (is_text)
		return s->npz ? itr_npz_text(s->npz, name, NULL, err) : itr_h5_read_texts(s->h5, name, &n, err);
	int64_t *number = source_indices(s, name, &rank, shape, err);
	if (!number)
		return NULL;
	char **ids = itr_xcalloc((size_t)n + 1, sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = itr_xasprintf("%lld", (long long)number[i]);
	itr_aligned_free(number);
	return ids;
}

static bool source_synthetic(struct source *s)
{
	itr_err ignored = ITR_ERR_INIT;
	char *text = NULL, **texts = NULL;
	bool synthetic = s->h5 && itr_h5_is_synthetic(s->h5);
	if (!source_has(s, "itr_provenance"))
		return synthetic;
	if (s->h5)
		text = itr_h5_read_text(s->h5, "itr_provenance", &ignored);
	else if ((texts = itr_npz_text(s->npz, "itr_provenance", NULL, &ignored)))
		text = itr_xstrdup(texts[0]);
	itr_json *j = text ? itr_json_parse(text, strlen(text), s->path, &ignored) : NULL;
	synthetic |= itr_json_bool(itr_json_get(j, "synthetic"), false);
	itr_json_free(j);
	free(text);
	if (texts)
		itr_npz_free_text(texts, 1);
	return synthetic;
}

/* --- which size ----------------------------------------------------------------------------------------------------------------------- */

static int64_t dim_of_name(const char *name)
{
	char *end;
	if (strncmp(name, "text_", 5) != 0 || name[5] < '1' || name[5] > '9')
		return 0;
	long long d = strtoll(name + 5, &end, 10);
	return *end || d > INT32_MAX ? 0 : d;
}

static int by_size(const void *a, const void *b)
{
	return (*(const int64_t *)a > *(const int64_t *)b) - (*(const int64_t *)a < *(const int64_t *)b);
}

/* The sizes D of text_D, ascending; at most max. `both`: that have video_D too. */
static int sizes_of(struct source *s, bool both, int64_t *size, int max)
{
	char **names = NULL, image[48];
	int kept = 0;
	int64_t n = s->npz ? itr_npz_count(s->npz) : itr_h5_list(s->h5, "/", &names);
	for (int64_t i = 0; i < n; i++) {
		int64_t d = dim_of_name(s->npz ? itr_npz_name(s->npz, i) : names[i]);
		snprintf(image, sizeof image, "video_%lld", (long long)d);
		if (d && kept < max && (!both || source_has(s, image)))
			size[kept++] = d;
		if (names)
			free(names[i]);
	}
	free(names);
	qsort(size, (size_t)kept, sizeof *size, by_size);
	return kept;
}

int itr_pairs_sizes(const char *path, int64_t *size, int max)
{
	struct source s;
	if (itr_path_is_dir(path) || source_open(&s, path, NULL) < 0)
		return 0;
	int n = sizes_of(&s, true, size, max);
	source_close(&s);
	return n;
}

static int64_t largest_dim(struct source *s)
{
	int64_t size[256];
	int n = sizes_of(s, false, size, ITR_LEN(size));
	return n ? size[n - 1] : 0;
}

static int read_arrays(itr_pairs *p, struct source *s, const itr_pairs_opts *o, itr_err *err)
{
	char text[48], image[48];
	int64_t d = o->dim ? o->dim : largest_dim(s), di = 0;
	snprintf(text, sizeof text, "text_%lld", (long long)d);
	snprintf(image, sizeof image, "video_%lld", (long long)d);
	if (d == 0 || (!source_has(s, text) && source_has(s, "captions/embeddings"))) {      /* the competition's names */
		snprintf(text, sizeof text, "captions/embeddings");
		snprintf(image, sizeof image, "images/embeddings");
		if (!source_has(s, text))
			return itr_err_set(err, "'%s' has no text_D and video_D arrays (nor captions/embeddings)", s->path);
	}
	p->text = source_matrix(s, text, &p->n_text, &p->dim, err);
	p->image = p->text ? source_matrix(s, image, &p->n_image, &di, err) : NULL;
	if (!p->image)
		return -1;
	if (p->dim != di)
		return itr_err_set(err, "'%s': %s has rows of %lld dimensions, %s of %lld", s->path, text, (long long)p->dim, image,
		                   (long long)di);
	return 0;
}

static int read_ids(itr_pairs *p, struct source *s, itr_err *err)
{
	static const char *const text_names[] = { "text_ids", "captions/ids" }, *const image_names[] = { "video_ids", "images/names" };
	for (int i = 0; i < 2; i++) {
		if (!p->text_id && source_has(s, text_names[i]) && !(p->text_id = source_ids(s, text_names[i], p->n_text, err)))
			return -1;
		if (!p->image_id && source_has(s, image_names[i]) && !(p->image_id = source_ids(s, image_names[i], p->n_image, err)))
			return -1;
	}
	return 0;
}

static int read_file(itr_pairs *p, const char *path, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	struct source s;
	int64_t *truth = NULL, shape[2];
	int rank, rc = -1;
	if (source_open(&s, path, err) < 0)
		return -1;
	const char *name = source_has(&s, "ground_truth") ? "ground_truth" : source_has(&s, "captions/label") ? "captions/label" : NULL;
	if (read_arrays(p, &s, o, err) < 0 || read_ids(p, &s, err) < 0)
		goto out;
	if (name && !o->ground_truth) {
		truth = source_indices(&s, name, &rank, shape, err);
		if (!truth)
			goto out;
		if (rank != 1 || shape[0] != p->n_text) {
			itr_err_set(err, "'%s': %s must hold one image row for each of the %lld texts", path, name, (long long)p->n_text);
			goto out;
		}
	}
	p->synthetic = source_synthetic(&s);
	rc = itr_pairs_truth(p, o, truth, provenance, err);
out:
	itr_aligned_free(truth);
	source_close(&s);
	return rc;
}

/* --- own vectors, clip-retrieval folders ---------------------------------------------------------------------------------------------- */

static float *read_npy(const char *path, int64_t *rows, int64_t *dim, itr_err *err)
{
	struct source s = { .path = path, .npz = itr_npz_open(path, err) };
	float *x = s.npz ? source_matrix(&s, "", rows, dim, err) : NULL;
	source_close(&s);
	return x;
}

static char *part_path(const char *dir, const char *kind, int part)
{
	return itr_xasprintf("%s/%s/%s_%d.npy", dir, kind, kind, part);
}

/* Rows of all parts together, by their headers; how many parts there are. The first must be there. -1 with err. */
static int count_parts(const char *dir, const char *kind, int64_t *rows, int64_t *dim, itr_err *err)
{
	*rows = *dim = 0;
	for (int part = 0;; part++) {
		char *path = part_path(dir, kind, part);
		itr_array_info info;
		if (part && !itr_path_exists(path)) {
			free(path);
			return part;
		}
		itr_npz *z = itr_npz_open(path, err);
		int rc = z ? itr_npz_info(z, "", &info, err) : -1;
		if (z)
			itr_npz_close(z);
		if (rc == 0 && info.rank == 2 && part && info.shape[1] != *dim)
			rc = itr_err_set(err, "'%s' has rows of %lld dimensions, the parts before it %lld", path, (long long)info.shape[1],
			                 (long long)*dim);
		if (rc == 0 && info.rank == 2) {         /* another rank is refused when it is read */
			*rows += info.shape[0];
			*dim = info.shape[1];
		}
		free(path);
		if (rc < 0)
			return -1;
	}
}

/* KIND_0.npy, KIND_1.npy, ... one below the other. */
static float *read_parts(const char *dir, const char *kind, int64_t *rows, int64_t *dim, itr_provenance *provenance, itr_err *err)
{
	size_t bytes;
	const int parts = count_parts(dir, kind, rows, dim, err);
	if (parts < 0)
		return NULL;
	if (itr_size_mul((size_t)*rows, (size_t)*dim * sizeof(float), &bytes) < 0) {
		itr_err_set(err, "'%s/%s' is too large", dir, kind);
		return NULL;
	}
	float *all = parts > 1 ? itr_aligned_alloc(bytes + 1) : NULL;
	int64_t at = 0;
	for (int part = 0; part < parts; part++) {
		int64_t n = 0, d = 0;
		char *path = part_path(dir, kind, part);
		float *x = read_npy(path, &n, &d, err);
		if (x && (d != *dim || n > *rows - at)) {
			itr_err_set(err, "'%s' has changed while it was read", path);
			itr_aligned_free(x);
			x = NULL;
		}
		if (x && provenance)
			itr_provenance_input(provenance, path);
		free(path);
		if (!x) {
			itr_aligned_free(all);
			return NULL;
		}
		if (parts == 1)
			return x;
		memcpy(all + at * *dim, x, (size_t)(n * d) * sizeof *all);
		itr_aligned_free(x);
		at += n;
	}
	return all;
}

static int read_vectors(itr_pairs *p, const char *folder, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	int64_t di = 0;
	if (folder) {
		p->text = read_parts(folder, "text_emb", &p->n_text, &p->dim, provenance, err);
		p->image = p->text ? read_parts(folder, "img_emb", &p->n_image, &di, provenance, err) : NULL;
	} else {
		p->text = read_npy(o->text, &p->n_text, &p->dim, err);
		p->image = p->text ? read_npy(o->image, &p->n_image, &di, err) : NULL;
		if (provenance) {
			itr_provenance_input(provenance, o->text);
			itr_provenance_input(provenance, o->image);
		}
	}
	if (!p->image)
		return -1;
	if (di != p->dim)
		return itr_err_set(err, "texts have %lld dimensions, images %lld: they cannot be compared", (long long)p->dim,
		                   (long long)di);
	return itr_pairs_truth(p, o, NULL, provenance, err);
}

/* --- checks that hold for every source ------------------------------------------------------------------------------------------------ */

static bool too_long(const float *x, int64_t rows, int64_t dim, int64_t *row)
{
	for (int64_t i = 0; i < rows; i++) {
		double s = 0;
		for (int64_t k = 0; k < dim; k++)
			s += (double)x[i * dim + k] * (double)x[i * dim + k];
		if (s > 1e36) {
			*row = i;
			return true;
		}
	}
	return false;
}

static int check_rows(itr_pairs *p, float *x, int64_t rows, char **ids, const char *what, bool normalize, int threads, int64_t *zero,
                      int64_t *not_unit, bool *constant, itr_err *err)
{
	itr_rows_check c = itr_rows_inspect(x, rows, p->dim, threads);
	int64_t row;
	if (c.bad_row >= 0)
		return itr_err_set(err, "'%s': %s row %lld (id '%s') holds NaN or infinity", p->name, what, (long long)c.bad_row,
		                   ids[c.bad_row]);
	*zero = c.zero_rows;
	*not_unit = c.not_unit - c.zero_rows;
	*constant = c.constant;
	if (*not_unit && normalize) {
		itr_rows_normalize(x, rows, p->dim, threads);
		p->normalized_here = true;
	} else if (*not_unit && too_long(x, rows, p->dim, &row)) {
		return itr_err_set(err, "'%s': %s row %lld is longer than 1e18, its scores would overflow; leave out --no-normalize",
		                   p->name, what, (long long)row);
	}
	return 0;
}

static int finish(itr_pairs *p, const itr_pairs_opts *o, itr_err *err)
{
	p->has_ids = p->text_id && p->image_id;
	if (!p->text_id)
		p->text_id = itr_pairs_number_ids(p->n_text);
	if (!p->image_id)
		p->image_id = itr_pairs_number_ids(p->n_image);
	itr_map *texts = itr_pairs_id_map(p->text_id, p->n_text, "text id", p->name, err);
	itr_map *images = texts ? itr_pairs_id_map(p->image_id, p->n_image, "image id", p->name, err) : NULL;
	itr_map_free(texts);
	itr_map_free(images);
	if (!images)
		return -1;
	if (p->n_text > INT32_MAX || p->n_image > INT32_MAX)
		return itr_err_set(err, "'%s' has more than 2^31 rows", p->name);
	if (check_rows(p, p->text, p->n_text, p->text_id, "text", !o->no_normalize, o->threads, &p->zero_text, &p->not_unit_text,
	               &p->constant_text, err) < 0)
		return -1;
	return check_rows(p, p->image, p->n_image, p->image_id, "image", !o->no_normalize, o->threads, &p->zero_image, &p->not_unit_image,
	                  &p->constant_image, err);
}

static bool is_store(const char *path)
{
	itr_err ignored = ITR_ERR_INIT;
	itr_h5 *h = itr_path_has_suffix(path, ".h5") || itr_path_has_suffix(path, ".hdf5") ? itr_h5_open(path, NULL, &ignored) : NULL;
	char *format = h ? itr_h5_attr_text(h, "/", "format") : NULL;
	bool store = format && strcmp(format, "itr-features") == 0;
	free(format);
	if (h)
		itr_h5_close(h);
	return store;
}

itr_pairs *itr_pairs_open(const char *path, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	itr_pairs *p = itr_xcalloc(1, sizeof *p);
	int rc;
	p->name = itr_xstrdup(path ? path : o->text);
	if (provenance && path && !itr_path_is_dir(path))
		itr_provenance_input(provenance, path);
	if (!path || itr_path_is_dir(path))
		rc = read_vectors(p, path, o, provenance, err);
	else if (o->model || o->split || is_store(path))
		rc = itr_pairs_read_store(p, path, o, provenance, err);
	else
		rc = read_file(p, path, o, provenance, err);
	if (rc < 0 || finish(p, o, err) < 0) {
		itr_pairs_free(p);
		return NULL;
	}
	if (p->synthetic && provenance)
		itr_provenance_set_synthetic(provenance);
	return p;
}

itr_pairs *itr_pairs_of(itr_pairs *p, const int64_t *image, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	if (itr_pairs_truth(p, o, image, provenance, err) < 0 || finish(p, o, err) < 0) {
		itr_pairs_free(p);
		return NULL;
	}
	if (p->synthetic && provenance)
		itr_provenance_set_synthetic(provenance);
	return p;
}

static void free_ids(char **ids, int64_t n)
{
	for (int64_t i = 0; ids && i < n; i++)
		free(ids[i]);
	free(ids);
}

void itr_pairs_free(itr_pairs *p)
{
	if (!p)
		return;
	free_ids(p->text_id, p->n_text);
	free_ids(p->image_id, p->n_image);
	itr_aligned_free(p->text);
	itr_aligned_free(p->image);
	free(p->text_image);
	free(p->truth);
	free(p->pair[ITR_TEXT]);
	free(p->pair[ITR_IMAGE]);
	free(p->name);
	free(p->text_weights);
	free(p);
}

void itr_pairs_to_embeddings(itr_pairs *p, itr_embeddings *e)
{
	*e = (itr_embeddings){ .table = { .name = p->name,
		                          .n = { p->n_text, p->n_image },
		                          .id = { p->text_id, p->image_id },
		                          .numbered = !p->has_ids,
		                          .text_image = p->text_image,
		                          .truth = p->truth,
		                          .n_pairs = p->n_pairs,
		                          .pair = { p->pair[ITR_TEXT], p->pair[ITR_IMAGE] },
		                          .synthetic = p->synthetic },
		               .side = { { .dim = p->dim, .rows = p->text }, { .dim = p->dim, .rows = p->image } } };
	free(p->text_weights);
	free(p);
}

void itr_pairs_warnings(const itr_pairs *p, itr_json *w)
{
	if (p->synthetic)
		itr_json_pushf(w, "synthetic data: these figures say nothing about real pictures");
	if (p->made_from)
		itr_json_pushf(w, "the store's vectors have %lld dimensions: a Gaussian matrix brought texts and images to %lld",
		               (long long)p->made_from, (long long)p->dim);
	if (p->all_parts)
		itr_json_pushf(w, "every split is evaluated, the model's own training rows included (--split test leaves them out)");
	if (p->restval)
		itr_json_pushf(w, "train holds the %lld images of restval too", (long long)p->restval);
	if (p->leaky)
		itr_json_pushf(w, "leaky: the split is by caption, so the model was trained on images of this part");
	if (p->constant_text)
		itr_json_pushf(w, "degenerate: all %lld text vectors are equal", (long long)p->n_text);
	if (p->constant_image)
		itr_json_pushf(w, "degenerate: all %lld image vectors are equal", (long long)p->n_image);
	if (p->not_unit_text || p->not_unit_image)
		itr_json_pushf(w, "%lld text and %lld image rows were not of unit length: %s", (long long)p->not_unit_text,
		               (long long)p->not_unit_image,
		               p->normalized_here ? "normalised here (--no-normalize ranks by plain inner product)"
		                                  : "ranked by plain inner product");
	if (p->zero_text || p->zero_image)
		itr_json_pushf(w, "%lld text and %lld image rows are zero: they score 0 with everything", (long long)p->zero_text,
		               (long long)p->zero_image);
}
