#include "data/arrays.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/h5.h"
#include "io/json.h"

struct itr_arrays { char *path; itr_npz *npz; itr_h5 *h5; };

itr_arrays *itr_arrays_open(const char *path, itr_err *err)
{
	itr_arrays *a = itr_xcalloc(1, sizeof *a);
	a->path = itr_xstrdup(path);
	if (itr_path_has_suffix(path, ".h5") || itr_path_has_suffix(path, ".hdf5") || itr_h5_is(path))
		a->h5 = itr_h5_open(path, NULL, err);
	else
		a->npz = itr_npz_open(path, err);
	if (a->npz || a->h5)
		return a;
	itr_arrays_close(a);
	return NULL;
}

void itr_arrays_close(itr_arrays *a)
{
	if (!a)
		return;
	if (a->npz)
		itr_npz_close(a->npz);
	itr_h5_close(a->h5);
	free(a->path);
	free(a);
}

const char *itr_arrays_path(const itr_arrays *a) { return a->path; }

bool itr_arrays_has(const itr_arrays *a, const char *name)
{
	return a->npz ? itr_npz_has(a->npz, name) : name[0] && itr_h5_has(a->h5, name);
}

int64_t itr_arrays_names(const itr_arrays *a, char ***names)
{
	*names = NULL;
	if (a->h5)
		return ITR_MAX(itr_h5_list(a->h5, "/", names), (int64_t)0);
	const int64_t n = itr_npz_count(a->npz);
	*names = itr_xcalloc((size_t)n + 1, sizeof **names);
	for (int64_t i = 0; i < n; i++)
		(*names)[i] = itr_xstrdup(itr_npz_name(a->npz, i));
	return n;
}

int itr_arrays_info(const itr_arrays *a, const char *name, itr_array_info *info, itr_err *err)
{
	itr_h5_info h;
	if (a->npz)
		return itr_npz_info(a->npz, name, info, err);
	if (itr_h5_info_of(a->h5, name, &h, err) < 0)
		return -1;
	*info = (itr_array_info){ .dtype = h.dtype, .is_text = h.is_text, .rank = h.rank, .count = h.count };
	for (int i = 0; i < h.rank; i++)
		info->shape[i] = h.shape[i];
	return 0;
}

static const char *called(const char *name) { return name[0] ? name : "the array"; }

int itr_arrays_shape(const itr_arrays *a, const char *name, int64_t *rows, int64_t *dim, itr_err *err)
{
	itr_array_info info;
	if (itr_arrays_info(a, name, &info, err) < 0)
		return -1;
	if (info.is_text)
		return itr_err_set(err, "'%s': %s holds text, not numbers", a->path, called(name));
	if (info.rank != 2)
		return itr_err_set(err, "'%s': %s has %d axes, not 2 (rows, dimensions)", a->path, called(name), info.rank);
	*rows = info.shape[0];
	*dim = info.shape[1];
	return *rows > 0 && *dim > 0 ? 0
	                             : itr_err_set(err, "'%s': %s is empty (%lld rows of %lld)", a->path, called(name), (long long)*rows,
	                                           (long long)*dim);
}

float *itr_arrays_matrix(const itr_arrays *a, const char *name, int64_t *rows, int64_t *dim, itr_err *err)
{
	if (itr_arrays_shape(a, name, rows, dim, err) < 0)
		return NULL;
	return a->npz ? itr_npz_f32(a->npz, name, NULL, err) : itr_h5_read(a->h5, name, ITR_F32, NULL, err);
}

int64_t *itr_arrays_numbers(const itr_arrays *a, const char *name, itr_array_info *info, itr_err *err)
{
	if (itr_arrays_info(a, name, info, err) < 0)
		return NULL;
	if (!info->is_text && info->dtype == ITR_BOOL) {
		itr_err_set(err,
		            "'%s': %s holds true and false, not row numbers: of a mask [texts, images] save numpy.argmax(mask, 1), or "
		            "numpy.argwhere(mask) for --ground-truth",
		            a->path, called(name));
		return NULL;
	}
	return a->npz ? itr_npz_i64(a->npz, name, NULL, err) : itr_h5_read(a->h5, name, ITR_I64, NULL, err);
}

char **itr_arrays_ids(const itr_arrays *a, const char *name, int64_t n, itr_err *err)
{
	itr_array_info info;
	int64_t count = n;
	if (itr_arrays_info(a, name, &info, err) < 0)
		return NULL;
	if (info.rank != 1 || info.count != n) {
		itr_err_set(err, "'%s': %s has %lld entries for %lld rows", a->path, name, (long long)info.count, (long long)n);
		return NULL;
	}
	if (info.is_text)
		return a->npz ? itr_npz_text(a->npz, name, NULL, err) : itr_h5_read_texts(a->h5, name, &count, err);
	int64_t *number = itr_arrays_numbers(a, name, &info, err);
	if (!number)
		return NULL;
	char **ids = itr_xcalloc((size_t)n + 1, sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = itr_xasprintf("%lld", (long long)number[i]);
	itr_aligned_free(number);
	return ids;
}

int itr_arrays_stream(const itr_arrays *a, const char *name, int64_t block, itr_arrays_block *fn, void *ctx, itr_err *err)
{
	itr_array_info info;
	size_t bytes;
	if (a->npz)
		return itr_npz_stream(a->npz, name, block, fn, ctx, err);
	if (itr_arrays_info(a, name, &info, err) < 0)
		return -1;
	const int64_t rows = info.rank ? info.shape[0] : 0, width = rows ? info.count / rows : 0;
	const itr_dtype t = ITR_F32;
	if (itr_size_mul((size_t)ITR_MIN(block, rows), (size_t)width * itr_dtype_size(t), &bytes) < 0)
		return itr_err_set(err, "'%s': %s is too large", a->path, name);
	void *data = itr_aligned_alloc(bytes + 1);
	int rc = 0;
	info.dtype = t;
	for (int64_t at = 0; at < rows && rc == 0; at += block) {
		const int64_t n = ITR_MIN(block, rows - at);
		rc = itr_h5_read_rows(a->h5, name, t, at, n, data, err);
		if (rc == 0)
			rc = fn(ctx, at, n, data, &info, err);
	}
	itr_aligned_free(data);
	return rc;
}

bool itr_arrays_synthetic(const itr_arrays *a)
{
	itr_err ignored = ITR_ERR_INIT;
	char *text = NULL, **texts = NULL;
	itr_array_info info;
	bool synthetic = (a->h5 && itr_h5_is_synthetic(a->h5)) || itr_arrays_has(a, "itr_synthetic");
	if (synthetic || !itr_arrays_has(a, "itr_provenance"))
		return synthetic;
	if (a->h5)
		text = itr_h5_read_text(a->h5, "itr_provenance", &ignored);
	else if (itr_npz_info(a->npz, "itr_provenance", &info, &ignored) == 0 && info.count > 0 &&
	         (texts = itr_npz_text(a->npz, "itr_provenance", NULL, &ignored)))
		text = itr_xstrdup(texts[0]);
	itr_json *j = text ? itr_json_parse(text, strlen(text), a->path, &ignored) : NULL;
	synthetic = itr_json_bool(itr_json_get(j, "synthetic"), false);
	itr_json_free(j);
	free(text);
	if (texts)
		itr_npz_free_text(texts, info.count);
	return synthetic;
}
