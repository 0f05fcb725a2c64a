#include "io/zip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/mem.h"
#include "base/path.h"

struct itr_zip {
	zip_t *zip;
	char *path;
	int64_t bytes, count;
};

struct itr_zip_member {
	itr_zip *archive;
	zip_file_t *file;
	char *name;
	int64_t left;                   /* bytes left of the size in the directory */
};

/* The best compression ratio of deflate. */
enum { BEST_RATIO = 1032 };

itr_zip *itr_zip_open(const char *path, itr_err *err)
{
	int code = 0;
	zip_t *zip = zip_open(path, ZIP_RDONLY, &code);
	if (!zip) {
		int saved = errno;
		zip_error_t e;
		zip_error_init_with_code(&e, code);
		const char *why = code == ZIP_ER_OPEN || code == ZIP_ER_NOENT ? strerror(saved) : code == ZIP_ER_NOZIP
		                  ? "it is not a zip archive, or its end is missing" : zip_error_strerror(&e);
		itr_err_set(err, "cannot open '%s': %s", path, why);
		zip_error_fini(&e);
		return NULL;
	}
	itr_zip *z = itr_xcalloc(1, sizeof *z);
	z->zip = zip;
	z->path = itr_xstrdup(path);
	z->bytes = itr_path_size(path);
	z->count = zip_get_num_entries(zip, 0);
	return z;
}

void itr_zip_close(itr_zip *z)
{
	if (!z)
		return;
	zip_discard(z->zip);
	free(z->path);
	free(z);
}

int64_t itr_zip_count(const itr_zip *z) { return z->count; }

const char *itr_zip_name(const itr_zip *z, int64_t i)
{
	const char *name = zip_get_name(z->zip, (zip_uint64_t)i, 0);
	return name ? name : "";
}

int64_t itr_zip_find(const itr_zip *z, const char *name) { return zip_name_locate(z->zip, name, 0); }

int64_t itr_zip_size(const itr_zip *z, int64_t i)
{
	zip_stat_t st;
	return zip_stat_index(z->zip, (zip_uint64_t)i, 0, &st) == 0 && (st.valid & ZIP_STAT_SIZE) && st.size <= INT64_MAX ? (int64_t)st.size
	                                                                                                                  : -1;
}

/* Checks that the directory entry of member i is possible. */
static int check_member(const itr_zip *z, int64_t i, const zip_stat_t *st, itr_err *err)
{
	const char *name = itr_zip_name(z, i);
	zip_uint64_t all = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
	if ((st->valid & all) != all || st->size > INT64_MAX || st->comp_size > (zip_uint64_t)z->bytes)
		return itr_err_set(err, "'%s': member '%s' claims more bytes than the file has", z->path, name);
	if ((st->valid & ZIP_STAT_ENCRYPTION_METHOD) && st->encryption_method != ZIP_EM_NONE)
		return itr_err_set(err, "'%s': member '%s' is encrypted", z->path, name);
	if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
		return itr_err_set(err, "'%s': member '%s' is packed by method %d; only stored and deflated members are read", z->path,
		                   name, st->comp_method);
	bool stored = st->comp_method == ZIP_CM_STORE;
	if (stored ? st->size != st->comp_size : st->size / BEST_RATIO > st->comp_size + 64)
		return itr_err_set(err, "'%s': member '%s' claims %llu bytes in %llu packed ones, which cannot be", z->path, name,
		                   (unsigned long long)st->size, (unsigned long long)st->comp_size);
	return 0;
}

itr_zip_member *itr_zip_member_open(itr_zip *z, int64_t i, itr_err *err)
{
	zip_stat_t st;
	zip_stat_init(&st);
	if (zip_stat_index(z->zip, (zip_uint64_t)i, 0, &st) < 0) {
		itr_err_set(err, "'%s': member %lld: %s", z->path, (long long)i, zip_strerror(z->zip));
		return NULL;
	}
	if (check_member(z, i, &st, err) < 0)
		return NULL;
	zip_file_t *file = zip_fopen_index(z->zip, (zip_uint64_t)i, 0);
	if (!file) {
		itr_err_set(err, "'%s': member '%s': %s", z->path, itr_zip_name(z, i), zip_strerror(z->zip));
		return NULL;
	}
	itr_zip_member *m = itr_xcalloc(1, sizeof *m);
	m->archive = z;
	m->file = file;
	m->name = itr_xstrdup(itr_zip_name(z, i));
	m->left = (int64_t)st.size;
	return m;
}

int64_t itr_zip_member_read(itr_zip_member *m, void *bytes, int64_t n, itr_err *err)
{
	char beyond;
	bool at_end = m->left == 0;
	zip_int64_t got = zip_fread(m->file, at_end ? &beyond : bytes, at_end ? 1 : (zip_uint64_t)ITR_MIN(n, m->left));
	if (got < 0)
		return itr_err_set(err, "'%s': member '%s': %s", m->archive->path, m->name, zip_file_strerror(m->file));
	if (at_end && got > 0)
		return itr_err_set(err, "'%s': member '%s' holds more than the %lld bytes that the directory claims", m->archive->path,
		                   m->name, (long long)itr_zip_size(m->archive, itr_zip_find(m->archive, m->name)));
	if (!at_end && got == 0 && n > 0)
		return itr_err_set(err, "'%s': member '%s' ends %lld bytes too early", m->archive->path, m->name, (long long)m->left);
	m->left -= at_end ? 0 : got;
	return got;
}

void itr_zip_member_close(itr_zip_member *m)
{
	if (!m)
		return;
	zip_fclose(m->file);
	free(m->name);
	free(m);
}
