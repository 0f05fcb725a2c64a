#include "data/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/nearest.h"

static void free_texts(char **t, int64_t n)
{
	for (int64_t i = 0; t && i < n; i++)
		free(t[i]);
	free(t);
}

void itr_features_close(itr_features *f)
{
	if (!f)
		return;
	itr_row_table_free(&f->table);
	free(f->image_encoder);
	free(f->text_encoder);
	free(f->text_weights);
	free(f->text_preprocess);
	free(f->path);
	itr_h5_close(f->h5);
	free(f);
}

/* `n` strings of `path`, or NULL with err when there is another number of them. */
static char **texts_of(const itr_features *f, const char *path, int64_t n, itr_err *err)
{
	int64_t got = 0;
	char **t = itr_h5_read_texts(f->h5, path, &got, err);
	if (t && got != n) {
		free_texts(t, got);
		itr_err_set(err, "'%s': %s has %lld rows where %lld are expected", f->path, path, (long long)got, (long long)n);
		return NULL;
	}
	return t;
}

static int check_ids(const itr_features *f, const char *what, char *const *id, int64_t n, itr_err *err)
{
	itr_map *seen = itr_map_new();
	int rc = 0;
	for (int64_t i = 0; i < n && rc == 0; i++)
		if (!id[i][0])
			rc = itr_err_set(err, "'%s': %s %lld has an empty id", f->path, what, (long long)i);
		else if (!itr_map_add(seen, id[i], i))
			rc = itr_err_set(err, "'%s': %s id '%s' occurs twice", f->path, what, id[i]);
	itr_map_free(seen);
	return rc;
}

/* Rank 2 and as many rows as ids. The number of columns, 0 when there are no vectors, -1 with err. */
static int64_t dim_of(const itr_features *f, const char *path, int64_t rows, itr_err *err)
{
	itr_h5_info info;
	if (!itr_h5_has(f->h5, path))
		return 0;
	if (itr_h5_info_of(f->h5, path, &info, err) < 0)
		return -1;
	if (info.is_text || info.rank != 2 || info.shape[0] != rows || info.shape[1] < 1 || info.shape[1] > 1 << 24)
		return itr_err_set(err, "'%s': %s is not a matrix with %lld rows", f->path, path, (long long)rows);
	return info.shape[1];
}

/* The images' parts; those of texts follow when they are known. */
static int read_splits(itr_features *f, itr_err *err)
{
	const int64_t n = f->table.n[ITR_IMAGE];
	char **name = texts_of(f, "/image/split", n, err);
	int64_t without = 0;
	int rc = name ? 0 : -1;
	itr_split *part = itr_xcalloc((size_t)n + 1, sizeof *part);
	for (int64_t i = 0; i < n && rc == 0; i++) {
		const int s = itr_split_find(name[i]);
		without += name[i][0] == 0;
		if (name[i][0] && s < 0)
			rc = itr_err_set(err, "'%s': image '%s' has the unknown split '%s': did you mean '%s'?", f->path,
			                 f->table.id[ITR_IMAGE][i], name[i], itr_nearest(name[i], itr_split_names, ITR_SPLIT_COUNT));
		part[i] = s >= 0 ? (itr_split)s : ITR_TEST;
	}
	if (rc == 0 && without && without < n)
		rc = itr_err_set(err, "'%s': %lld of %lld images have no split; give one to all or to none", f->path, (long long)without,
		                 (long long)n);
	free_texts(name, n);
	f->table.split_from_file = rc == 0 && without == 0;
	if (f->table.split_from_file)
		f->table.part[ITR_IMAGE] = part;
	else
		free(part);
	return rc;
}

static int read_images(itr_features *f, bool words, itr_err *err)
{
	f->table.id[ITR_IMAGE] = itr_h5_read_texts(f->h5, "/image/id", &f->table.n[ITR_IMAGE], err);
	if (!f->table.id[ITR_IMAGE]) {
		f->table.n[ITR_IMAGE] = 0;
		return -1;
	}
	if (check_ids(f, "image", f->table.id[ITR_IMAGE], f->table.n[ITR_IMAGE], err) < 0 || read_splits(f, err) < 0)
		return -1;
	if (words && !(f->table.path = texts_of(f, "/image/path", f->table.n[ITR_IMAGE], err)))
		return -1;
	f->image_dim = dim_of(f, "/image/pooled", f->table.n[ITR_IMAGE], err);
	return f->image_dim >= 0 ? 0 : -1;
}

static int read_texts(itr_features *f, bool words, itr_err *err)
{
	itr_h5_info info;
	f->table.id[ITR_TEXT] = itr_h5_read_texts(f->h5, "/text/id", &f->table.n[ITR_TEXT], err);
	if (!f->table.id[ITR_TEXT]) {
		f->table.n[ITR_TEXT] = 0;
		return -1;
	}
	if (check_ids(f, "caption", f->table.id[ITR_TEXT], f->table.n[ITR_TEXT], err) < 0)
		return -1;
	if (words && !(f->table.caption = texts_of(f, "/text/caption", f->table.n[ITR_TEXT], err)))
		return -1;
	f->text_dim = dim_of(f, "/text/pooled", f->table.n[ITR_TEXT], err);
	if (f->text_dim < 0 || itr_h5_info_of(f->h5, "/text/image", &info, err) < 0)
		return -1;
	if (info.is_text || info.rank != 1 || info.count != f->table.n[ITR_TEXT])
		return itr_err_set(err, "'%s': /text/image does not have one entry a caption", f->path);
	int64_t *image = itr_h5_read(f->h5, "/text/image", ITR_I64, NULL, err);
	if (!image)
		return -1;
	f->table.text_image = itr_xmalloc(((size_t)f->table.n[ITR_TEXT] + 1) * sizeof *image);
	memcpy(f->table.text_image, image, (size_t)f->table.n[ITR_TEXT] * sizeof *image);
	itr_aligned_free(image);
	for (int64_t i = 0; i < f->table.n[ITR_TEXT]; i++)
		if (f->table.text_image[i] < 0 || f->table.text_image[i] >= f->table.n[ITR_IMAGE])
			return itr_err_set(err, "'%s': caption '%s' belongs to image row %lld of %lld", f->path, f->table.id[ITR_TEXT][i],
			                   (long long)f->table.text_image[i], (long long)f->table.n[ITR_IMAGE]);
	if (f->table.part[ITR_IMAGE]) {
		f->table.part[ITR_TEXT] = itr_xcalloc((size_t)f->table.n[ITR_TEXT] + 1, sizeof *f->table.part[ITR_TEXT]);
		for (int64_t i = 0; i < f->table.n[ITR_TEXT]; i++)
			f->table.part[ITR_TEXT][i] = f->table.part[ITR_IMAGE][f->table.text_image[i]];
	}
	return 0;
}

static itr_features *open_store(const char *path, bool words, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, ITR_FEATURES_FORMAT, err);
	if (!h)
		return NULL;
	itr_features *f = itr_xcalloc(1, sizeof *f);
	f->path = itr_xstrdup(path);
	f->h5 = h;
	f->table =
		(itr_row_table){ .name = itr_xstrdup(path), .read_labels = itr_features_read_labels, .synthetic = itr_h5_is_synthetic(h) };
	if (read_images(f, words, err) < 0 || read_texts(f, words, err) < 0) {
		itr_features_close(f);
		return NULL;
	}
	f->image_encoder = itr_h5_attr_text(h, "/image", "encoder");
	f->text_encoder = itr_h5_attr_text(h, "/text", "encoder");
	f->text_preprocess = itr_h5_attr_text(h, "/text", "preprocess");
	f->text_weights = itr_h5_attr_text(h, "/text", "weights_sha256");
	if (f->text_weights && !*f->text_weights) {
		free(f->text_weights);
		f->text_weights = NULL;
	}
	return f;
}

itr_features *itr_features_open(const char *path, itr_err *err) { return open_store(path, true, err); }
itr_features *itr_features_open_rows(const char *path, itr_err *err) { return open_store(path, false, err); }

/* Reads the wanted rows; runs of consecutive rows come in one read. */
static float *pooled(const itr_features *f, const char *path, const int64_t *rows, int64_t n, int64_t total, int64_t dim, char *const *id,
                     itr_err *err)
{
	if (dim == 0) {
		itr_err_set(err, "'%s' has no %s vectors", f->path, path[1] == 'i' ? "image" : "text");
		return NULL;
	}
	if (!rows)
		n = total;
	size_t bytes;
	if (itr_size_mul((size_t)n, (size_t)dim * sizeof(float), &bytes) < 0) {
		itr_err_set(err, "'%s': %s is too large", f->path, path);
		return NULL;
	}
	float *x = itr_aligned_alloc(bytes ? bytes : 1);
	int rc = 0;
	for (int64_t i = 0, run; i < n && rc == 0; i += run) {
		int64_t first = rows ? rows[i] : i;
		run = rows ? 1 : n;
		while (i + run < n && rows[i + run] == first + run)
			run++;
		rc = itr_h5_read_rows(f->h5, path, ITR_F32, first, run, x + i * dim, err);
	}
	for (int64_t i = 0; i < n * dim && rc == 0; i++)
		if (!isfinite(x[i]))
			rc = itr_err_set(err, "'%s': the vector of '%s' holds %s", f->path, id[rows ? rows[i / dim] : i / dim],
			                 isnan(x[i]) ? "NaN" : "infinity");
	if (rc < 0) {
		itr_aligned_free(x);
		return NULL;
	}
	return x;
}

float *itr_features_images(const itr_features *f, const int64_t *rows, int64_t n, itr_err *err)
{
	return pooled(f, "/image/pooled", rows, n, f->table.n[ITR_IMAGE], f->image_dim, f->table.id[ITR_IMAGE], err);
}

float *itr_features_texts(const itr_features *f, const int64_t *rows, int64_t n, itr_err *err)
{
	return pooled(f, "/text/pooled", rows, n, f->table.n[ITR_TEXT], f->text_dim, f->table.id[ITR_TEXT], err);
}
