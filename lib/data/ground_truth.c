#include "data/ground_truth.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "io/table.h"

static void name_it(itr_row_table *t, char *truth)
{
	free(t->truth);
	t->truth = truth;
}

/* --- an array of the file ------------------------------------------------------------------------------------------------------------- */

struct onehot { int64_t *image; const char *path, *name; };

static bool is_one(const void *data, itr_dtype t, int64_t i, bool *zero)
{
	float v;
	itr_to_f32(&v, (const char *)data + (size_t)i * itr_dtype_size(t), t, 1);
	*zero = v == 0;
	return v == 1;
}

/* One row: where its single 1 stands; -1 when there is none or more than one, or another value. Zero bytes are passed over eight at a time.
 */
static int64_t hot_index(const void *data, itr_dtype t, int64_t n)
{
	const size_t size = itr_dtype_size(t);
	const char *row = data;
	int64_t found = -1;
	for (int64_t i = 0; i < n;) {
		uint64_t word;
		bool zero;
		if ((size_t)(n - i) * size >= sizeof word) {
			memcpy(&word, row + (size_t)i * size, sizeof word);
			if (word == 0) {
				i += (int64_t)(sizeof word / size);
				continue;
			}
		}
		if (is_one(row, t, i, &zero)) {
			if (found >= 0)
				return -1;
			found = i;
		} else if (!zero) {
			return -1;
		}
		i++;
	}
	return found;
}

static int onehot_rows(void *ctx, int64_t first, int64_t rows, const void *data, const itr_array_info *info, itr_err *err)
{
	const struct onehot *o = ctx;
	const int64_t n = info->shape[1];
	for (int64_t r = 0; r < rows; r++) {
		int64_t at = hot_index((const char *)data + (size_t)(r * n) * itr_dtype_size(info->dtype), info->dtype, n);
		if (at < 0)
			return itr_err_set(err, "'%s': row %lld of '%s' is not one-hot", o->path, (long long)(first + r), o->name);
		o->image[first + r] = at;
	}
	return 0;
}

/* The rows, malloc'd; NULL with err. */
static int64_t *read_array(const itr_row_table *t, const itr_arrays *a, const char *name, bool one_hot, itr_err *err)
{
	enum { BLOCK = 256 };
	const int64_t n = t->n[ITR_TEXT], images = t->n[ITR_IMAGE];
	itr_array_info info;
	if (itr_arrays_info(a, name, &info, err) < 0)
		return NULL;
	const bool hot = one_hot && info.rank == 2;
	int64_t *row = hot ? NULL : itr_arrays_numbers(a, name, &info, err), *image;
	if (!hot && !row)
		return NULL;
	if (info.is_text || info.rank != 1 + hot || info.shape[0] != n || (hot && info.shape[1] != images)) {
		itr_aligned_free(row);
		itr_err_set(err, "'%s': %s must hold one image row for each of the %lld texts%s", itr_arrays_path(a), name, (long long)n,
		            one_hot ? ", as a number or as a one-hot row" : "");
		return NULL;
	}
	image = itr_xmalloc(((size_t)n + 1) * sizeof *image);
	int rc;
	if (hot) {
		struct onehot o = { image, itr_arrays_path(a), name };
		rc = itr_arrays_stream(a, name, BLOCK, onehot_rows, &o, err);
	} else {
		memcpy(image, row, (size_t)n * sizeof *image);
		if ((rc = itr_row_numbers_check(image, n, images, name, err)) < 0)
			itr_err_prefix(err, "'%s': ", itr_arrays_path(a));
	}
	itr_aligned_free(row);
	if (rc == 0)
		return image;
	free(image);
	return NULL;
}

int itr_ground_truth_array(itr_embeddings *e, const itr_arrays *a, const char *name, bool one_hot, itr_err *err)
{
	itr_err ignored = ITR_ERR_INIT;
	const bool replaced = e->opts.ground_truth;            /* whatever is wrong with it then */
	e->table.text_image = read_array(&e->table, a, name, one_hot, replaced ? &ignored : err);
	if (!e->table.text_image)
		return replaced ? 0 : -1;
	return 0;
}

/* --- a file of its own ---------------------------------------------------------------------------------------------------------------- */

typedef ITR_VEC(int64_t) rows;

static int read_npy(const char *path, int64_t texts, rows *text, rows *image, itr_err *err)
{
	itr_array_info info;
	itr_arrays *a = itr_arrays_open(path, err);
	int64_t *x = a ? itr_arrays_numbers(a, "", &info, err) : NULL;
	int rc = x ? 0 : -1;
	if (rc == 0 && info.rank == 1 && info.shape[0] == texts)
		for (int64_t i = 0; i < info.shape[0]; i++) {
			ITR_VEC_PUSH(text, i);
			ITR_VEC_PUSH(image, x[i]);
		}
	else if (rc == 0 && info.rank == 2 && info.shape[1] == 2)
		for (int64_t i = 0; i < info.shape[0]; i++) {
			ITR_VEC_PUSH(text, x[2 * i]);
			ITR_VEC_PUSH(image, x[2 * i + 1]);
		}
	else if (rc == 0)
		rc = itr_err_set(err, "'%s' must be [%lld] image rows, one a text, or [pairs, 2]", path, (long long)texts);
	itr_aligned_free(x);
	itr_arrays_close(a);
	return rc;
}

static bool number(const char *s, int64_t *out)
{
	char *end;
	long long v = strtoll(s, &end, 10);
	while (*end == ' ')
		end++;
	*out = v;
	return *s && !*end;
}

static int read_csv(const char *path, int64_t texts, rows *text, rows *image, itr_err *err)
{
	itr_textfile *f = itr_textfile_open(path, err);
	itr_buf scratch = ITR_BUF_INIT;
	const char *why = NULL;
	char *field[3];
	int n, rc = 0;
	int64_t line = 0, single = 0, a = 0, b = 0;
	if (!f)
		return -1;
	while (rc == 0 && (n = itr_csv_record(f, &scratch, field, 3, &why)) > 0) {
		bool ok = n <= 2 && number(field[0], &a) && (n == 1 || number(field[1], &b));
		line++;
		if (!ok && line == 1)                       /* a header */
			continue;
		if (!ok)
			rc = itr_err_set(err, "'%s': record %lld is neither an image row nor 'text row,image row'", path, (long long)line);
		else {
			int64_t row = n == 1 ? (int64_t)text->n : a;
			single += n == 1;
			ITR_VEC_PUSH(image, n == 1 ? a : b);
			ITR_VEC_PUSH(text, row);
		}
	}
	if (rc == 0 && n < 0)
		rc = itr_err_set(err, "'%s': record %lld: %s", path, (long long)line + 1, why);
	itr_textfile_close(f);
	itr_buf_free(&scratch);
	if (rc == 0 && text->n == 0)
		rc = itr_err_set(err, "'%s' holds no pairs", path);
	if (rc == 0 && single && (single != (int64_t)text->n || single != texts))
		rc = itr_err_set(err, "'%s' has %lld image rows for %lld texts (pairs are written 'text row,image row')", path,
		                 (long long)single, (long long)texts);
	return rc;
}

/* Takes both lists over. */
static int adopt(itr_row_table *t, const char *path, rows *text, rows *image, itr_err *err)
{
	const int64_t n = t->n[ITR_TEXT], pairs = (int64_t)text->n;
	if (itr_row_numbers_check(image->v, pairs, t->n[ITR_IMAGE], "image row", err) < 0 ||
	    itr_row_numbers_check(text->v, pairs, n, "text row", err) < 0)
		return itr_err_prefix(err, "'%s': ", path);
	for (int64_t i = 0; i < pairs; i++)
		if (text->v[i] < 0)
			return itr_err_set(err, "'%s': text row %lld", path, (long long)text->v[i]);
	int64_t *own = itr_xmalloc(((size_t)n + 1) * sizeof *own);
	for (int64_t i = 0; i < n; i++)
		own[i] = -1;
	for (int64_t k = pairs - 1; k >= 0; k--)          /* backwards, so that a text's first image stays */
		if (image->v[k] >= 0)
			own[text->v[k]] = image->v[k];
	free(t->text_image);
	t->text_image = own;
	t->n_pairs = pairs;
	t->pair[ITR_TEXT] = text->v;
	t->pair[ITR_IMAGE] = image->v;
	*text = *image = (rows)ITR_VEC_INIT;
	name_it(t, itr_xstrdup(path));
	return 0;
}

int itr_ground_truth_file(itr_embeddings *e, itr_err *err)
{
	const char *path = e->opts.ground_truth;
	const int64_t n = e->table.n[ITR_TEXT];
	rows text = ITR_VEC_INIT, image = ITR_VEC_INIT;
	int rc = itr_path_has_suffix(path, ".npy") || itr_path_has_suffix(path, ".npz") ? read_npy(path, n, &text, &image, err)
	                                                                                : read_csv(path, n, &text, &image, err);
	if (rc == 0)
		rc = adopt(&e->table, path, &text, &image, err);
	if (e->opts.provenance)
		itr_provenance_input(e->opts.provenance, path);
	ITR_VEC_FREE(&text);
	ITR_VEC_FREE(&image);
	return rc;
}

/* --- the order of the rows ------------------------------------------------------------------------------------------------------------ */

int itr_ground_truth_by_order(itr_embeddings *e, itr_err *err)
{
	const int64_t given = e->opts.captions_per_image, k = given ? given : 1, texts = e->table.n[ITR_TEXT],
		      images = e->table.n[ITR_IMAGE];
	if (k < 1 || images > INT64_MAX / k || texts != k * images) {
		if (given)
			return itr_err_set(err, "%lld texts are not %lld for each of %lld images", (long long)texts, (long long)k,
			                   (long long)images);
		if (e->opts.unpaired)
			return 0;
		return itr_err_set(err, "'%s' has %lld texts and %lld images and no ground truth: give --ground-truth FILE%s",
		                   e->table.name, (long long)texts, (long long)images,
		                   images && texts % images == 0 ? " or --captions-per-image" : "");
	}
	e->table.text_image = itr_xmalloc(((size_t)texts + 1) * sizeof *e->table.text_image);
	for (int64_t i = 0; i < texts; i++)
		e->table.text_image[i] = i / k;
	name_it(&e->table, k == 1 ? itr_xstrdup("row by row") : itr_xasprintf("%lld captions an image", (long long)k));
	return 0;
}
