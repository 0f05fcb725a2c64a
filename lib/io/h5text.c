#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/h5_internal.h"
#include "io/limit.h"
#include "io/utf8.h"

hid_t itr_h5_string_type(size_t width)
{
	hid_t type = H5Tcopy(H5T_C_S1);
	H5Tset_size(type, ITR_MAX(width, 1));
	H5Tset_strpad(type, H5T_STR_NULLPAD);
	H5Tset_cset(type, H5T_CSET_UTF8);
	return type;
}

char *itr_h5_clean(const char *s, size_t n)
{
	if (itr_utf8_invalid_at(s, n) < 0)
		return itr_xstrndup(s, n);
	itr_buf b = ITR_BUF_INIT;
	itr_utf8_put_clean(&b, s, n);
	return itr_buf_detach(&b);
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/* Fixed-length strings [first, first+n), padded with NUL or (Fortran's way) with spaces. */
static int read_fixed(const itr_h5_set *s, int64_t first, int64_t n, char **out)
{
	size_t width = s->stored_size;
	char *raw = itr_xmalloc((size_t)n * width);
	int rc = itr_h5_transfer(s, s->type, first, n, raw, NULL);
	for (int64_t i = 0; i < n && rc == 0; i++) {
		size_t len = strnlen(raw + (size_t)i * width, width);
		while (H5Tget_strpad(s->type) == H5T_STR_SPACEPAD && len > 0 && raw[(size_t)i * width + len - 1] == ' ')
			len--;
		out[i] = itr_h5_clean(raw + (size_t)i * width, len);
	}
	free(raw);
	return rc;
}

static int read_variable(const itr_h5_set *s, int64_t first, int64_t n, char **out)
{
	char **raw = itr_xcalloc((size_t)n, sizeof *raw);
	hid_t type = H5Tcopy(H5T_C_S1);
	H5Tset_size(type, H5T_VARIABLE);
	H5Tset_cset(type, H5Tget_cset(s->type));
	int rc = itr_h5_transfer(s, type, first, n, raw, NULL);
	for (int64_t i = 0; i < n && rc == 0; i++)
		out[i] = raw[i] ? itr_h5_clean(raw[i], strlen(raw[i])) : itr_xstrdup("");
	itr_h5_close_id(H5Tclose, type);
	for (int64_t i = 0; i < n; i++)
		/* libhdf5 took them from malloc; H5free_memory would clear the reasons of a failure */
		free(raw[i]);
	free(raw);
	return rc;
}

static char **read_texts(const itr_h5 *h, const char *path, const itr_h5_set *s, itr_err *err)
{
	bool variable = H5Tis_variable_str(s->type) > 0;
	int64_t count = s->info.count, piece = ITR_MAX(1, ITR_H5_PIECE_BYTES / (int64_t)ITR_MAX(s->stored_size, 8));
	if (itr_limit_check(count, s->stored_size + 40, "it", err) < 0) {
		itr_err_prefix(err, "'%s': dataset '%s': ", h->path, path);
		return NULL;
	}
	char **texts = itr_xcalloc((size_t)count + 1, sizeof *texts);
	int rc = 0;
	for (int64_t i = 0; i < count && rc == 0; i += piece)
		rc = (variable ? read_variable : read_fixed)(s, i, ITR_MIN(piece, count - i), texts + i);
	if (rc == 0)
		return texts;
	itr_h5_fail(h, err, "cannot read dataset '%s'", path);
	for (int64_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
	return NULL;
}

static int text_open(const itr_h5 *h, const char *path, itr_h5_set *s, itr_err *err)
{
	if (itr_h5_set_open(h, path, s, err) < 0)
		return -1;
	if (s->info.is_text && s->info.rank <= 1)
		return 0;
	int rank = s->info.rank;
	itr_h5_set_close(s);
	return itr_err_set(err, "'%s': dataset '%s' holds %s, not a list of strings", h->path, path, rank > 1 ? "a table" : "numbers");
}

char **itr_h5_read_texts(const itr_h5 *h, const char *path, int64_t *count, itr_err *err)
{
	itr_h5_set s;
	if (text_open(h, path, &s, err) < 0)
		return NULL;
	*count = s.info.count;
	char **texts = read_texts(h, path, &s, err);
	itr_h5_set_close(&s);
	return texts;
}

char *itr_h5_read_text(const itr_h5 *h, const char *path, itr_err *err)
{
	int64_t count;
	char **texts = itr_h5_read_texts(h, path, &count, err);
	char *text = texts && count == 1 ? texts[0] : NULL;
	if (texts && !text) {
		itr_err_set(err, "'%s': dataset '%s' holds %lld strings, not one", h->path, path, (long long)count);
		for (int64_t i = 0; i < count; i++)
			free(texts[i]);
	}
	free(texts);
	return text;
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

int itr_h5_write_texts(itr_h5 *h, const char *path, const char *const *strings, int64_t count, itr_err *err)
{
	size_t width = 1;
	for (int64_t i = 0; i < count; i++)
		width = ITR_MAX(width, strlen(strings[i]));
	/* All strings are padded to the longest, so one long caption would make the file mostly padding: long lists are compressed. */
	int64_t piece = ITR_MAX(1, (1 << 20) / (int64_t)width), chunk = count > piece ? piece : 0;
	hid_t type = itr_h5_string_type(width);
	itr_h5_set s;
	int rc = itr_h5_set_create(h, path, type, 1, &count, chunk, &s, err);
	if (rc == 0) {
		char *raw = itr_xmalloc((size_t)ITR_MAX(1, ITR_MIN(piece, count)) * width);
		for (int64_t i = 0; i < count && rc == 0; i += piece) {
			int64_t n = ITR_MIN(piece, count - i);
			memset(raw, 0, (size_t)n * width);
			for (int64_t k = 0; k < n; k++)
				memcpy(raw + (size_t)k * width, strings[i + k], strlen(strings[i + k]));
			if (itr_h5_transfer(&s, type, i, n, NULL, raw) < 0)
				rc = itr_h5_fail(h, err, "cannot write dataset '%s'", path);
		}
		free(raw);
		itr_h5_set_close(&s);
	}
	H5Tclose(type);
	return rc;
}

int itr_h5_write_text(itr_h5 *h, const char *path, const char *text, itr_err *err)
{
	hid_t type = itr_h5_string_type(strlen(text));
	itr_h5_set s;
	int rc = itr_h5_set_create(h, path, type, 0, NULL, 0, &s, err);
	if (rc == 0) {
		if (H5Dwrite(s.id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
			rc = itr_h5_fail(h, err, "cannot write dataset '%s'", path);
		itr_h5_set_close(&s);
	}
	H5Tclose(type);
	return rc;
}
