/* Which text belongs to which image: stored, given in a file, or by the order of the rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "io/npz.h"
#include "io/table.h"
#include "retrieval/pairs_internal.h"

char **itr_pairs_number_ids(int64_t n)
{
	char **ids = itr_xcalloc((size_t)n + 1, sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = itr_xasprintf("%lld", (long long)i);
	return ids;
}

itr_map *itr_pairs_id_map(char **ids, int64_t n, const char *what, const char *file, itr_err *err)
{
	itr_map *m = itr_map_new();
	for (int64_t i = 0; i < n; i++)
		if (!itr_map_add(m, ids[i], i)) {
			itr_err_set(err, "'%s': %s '%s' stands at rows %lld and %lld", file, what, ids[i],
			            (long long)itr_map_get(m, ids[i], 0), (long long)i);
			itr_map_free(m);
			return NULL;
		}
	return m;
}

typedef ITR_VEC(int64_t) rows;

/* Each text's first image; all pairs are kept, since a text may have several. */
static int take_pairs(itr_pairs *p, const char *path, rows *text, rows *image, itr_err *err)
{
	if (itr_row_numbers_check(image->v, (int64_t)image->n, p->n_image, "image row", err) < 0 ||
	    itr_row_numbers_check(text->v, (int64_t)text->n, p->n_text, "text row", err) < 0)
		return itr_err_prefix(err, "'%s': ", path);
	for (size_t i = 0; i < text->n; i++)
		if (text->v[i] < 0)
			return itr_err_set(err, "'%s': text row %lld", path, (long long)text->v[i]);
	p->text_image = itr_xmalloc(((size_t)p->n_text + 1) * sizeof *p->text_image);
	for (int64_t i = 0; i < p->n_text; i++)
		p->text_image[i] = -1;
	for (size_t k = text->n; k-- > 0;)         /* backwards, so that the first image stays */
		if (image->v[k] >= 0)
			p->text_image[text->v[k]] = image->v[k];
	p->n_pairs = (int64_t)text->n;
	p->pair[ITR_TEXT] = text->v;
	p->pair[ITR_IMAGE] = image->v;
	*text = *image = (rows)ITR_VEC_INIT;
	return 0;
}

int itr_pairs_not_mask(itr_dtype t, const char *path, const char *name, itr_err *err)
{
	return t != ITR_BOOL ? 0
	                     : itr_err_set(err,
	                                   "'%s': %s holds true and false, not row numbers: of a mask [texts, images] save "
	                                   "numpy.argmax(mask, 1), or numpy.argwhere(mask) for --ground-truth",
	                                   path, name);
}

static int truth_npy(itr_pairs *p, const char *path, rows *text, rows *image, itr_err *err)
{
	itr_array_info info;
	itr_npz *z = itr_npz_open(path, err);
	int64_t *x = z ? itr_npz_i64(z, "", &info, err) : NULL;
	int rc = x ? itr_pairs_not_mask(info.dtype, path, "the array", err) : -1;
	if (rc == 0 && info.rank == 1 && info.shape[0] == p->n_text)
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
		rc = itr_err_set(err, "'%s' must be [%lld] image rows, one a text, or [pairs, 2]", path, (long long)p->n_text);
	itr_aligned_free(x);
	if (z)
		itr_npz_close(z);
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

static int truth_csv(itr_pairs *p, const char *path, rows *text, rows *image, itr_err *err)
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
	if (rc == 0 && single && (single != (int64_t)text->n || single != p->n_text))
		rc = itr_err_set(err, "'%s' has %lld image rows for %lld texts (pairs are written 'text row,image row')", path,
		                 (long long)single, (long long)p->n_text);
	return rc;
}

static int truth_file(itr_pairs *p, const char *path, itr_provenance *provenance, itr_err *err)
{
	rows text = ITR_VEC_INIT, image = ITR_VEC_INIT;
	int rc = itr_path_has_suffix(path, ".npy") || itr_path_has_suffix(path, ".npz") ? truth_npy(p, path, &text, &image, err)
	                                                                                : truth_csv(p, path, &text, &image, err);
	if (rc == 0)
		rc = take_pairs(p, path, &text, &image, err);
	if (rc == 0)
		p->truth = itr_xstrdup(path);
	if (provenance)
		itr_provenance_input(provenance, path);
	ITR_VEC_FREE(&text);
	ITR_VEC_FREE(&image);
	return rc;
}

int itr_pairs_truth(itr_pairs *p, const itr_pairs_opts *o, const int64_t *stored, itr_provenance *provenance, itr_err *err)
{
	int64_t k = o->captions_per_image ? o->captions_per_image : 1;
	if (o->ground_truth)
		return truth_file(p, o->ground_truth, provenance, err);
	if (stored) {
		if (itr_row_numbers_check(stored, p->n_text, p->n_image, "ground_truth", err) < 0)
			return itr_err_prefix(err, "'%s': ", p->name);
		p->text_image = itr_xmalloc(((size_t)p->n_text + 1) * sizeof *p->text_image);
		if (p->n_text)
			memcpy(p->text_image, stored, (size_t)p->n_text * sizeof *p->text_image);
		p->truth = itr_xstrdup("ground_truth");
		return 0;
	}
	if (k < 1 || p->n_image > INT64_MAX / k || p->n_text != k * p->n_image) {
		if (o->captions_per_image)
			return itr_err_set(err, "%lld texts are not %lld for each of %lld images", (long long)p->n_text, (long long)k,
			                   (long long)p->n_image);
		return itr_err_set(err, "'%s' has %lld texts and %lld images and no ground truth: give --ground-truth FILE%s", p->name,
		                   (long long)p->n_text, (long long)p->n_image,
		                   p->n_image && p->n_text % p->n_image == 0 ? " or --captions-per-image" : "");
	}
	p->text_image = itr_xmalloc(((size_t)p->n_text + 1) * sizeof *p->text_image);
	for (int64_t i = 0; i < p->n_text; i++)
		p->text_image[i] = i / k;
	p->truth = k == 1 ? itr_xstrdup("row by row") : itr_xasprintf("%lld captions an image", (long long)k);
	return 0;
}
