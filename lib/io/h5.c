#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/convert.h"
#include "io/h5_internal.h"

/* HDF5 stores an attribute in the header of its object, which is at most 64 KiB. */
enum { MAX_ATTR = 60000, MAX_PATH = 4096, MAX_LINKS = 32 };

/* --- errors ------------------------------------------------------------------------------------------------------------- */

static herr_t innermost(unsigned n, const H5E_error2_t *e, void *text)
{
	/* "file write failed: time = ..., error message = 'No space left on device', ...": extracts the system's message for the user */
	const char *desc = e->desc ? e->desc : "", *system = strstr(desc, "error message = '");
	if (n == 0 && system)
		snprintf(text, 256, "%.*s", (int)strcspn(system + 17, "'"), system + 17);
	else if (n == 0)
		snprintf(text, 256, "%s", desc);
	return 0;
}

/* The message, the file, and the first error in HDF5's error stack, which any other HDF5 call would clear. */
int itr_h5_fail(const itr_h5 *h, itr_err *err, const char *format, ...)
{
	char library[256] = "", what[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(what, sizeof what, format, ap);
	va_end(ap);
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, library);
	H5Eclear2(H5E_DEFAULT);
	return itr_err_set(err, "'%s': %s%s%s", h->path, what, library[0] ? ": " : "", library);
}

void itr_h5_close_id(herr_t (*close_it)(hid_t), hid_t id)
{
	hid_t reasons = H5Eget_current_stack();
	close_it(id);
	if (reasons >= 0)
		H5Eset_current_stack(reasons);
}

/* --- opening and closing -------------------------------------------------------------------------------------------------- */

static itr_h5 *new_h5(const char *path)
{
	itr_h5 *h = itr_xcalloc(1, sizeof *h);
	h->path = itr_xstrdup(path);
	h->file = -1;
	/* Every file is closed here; at exit libhdf5 would try again to flush one that the disk had no room for, and crash. Heeded on the
	 * first call only. */
	H5dont_atexit();
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);          /* messages go into err, not to standard error */
	itr_h5_filters();
	return h;
}

/* No locks (NFS); closing the file closes everything in it. */
static hid_t access_plist(void)
{
	hid_t p = H5Pcreate(H5P_FILE_ACCESS);
	H5Pset_file_locking(p, false, true);
	H5Pset_fclose_degree(p, H5F_CLOSE_STRONG);
	return p;
}

void itr_h5_close(itr_h5 *h)
{
	if (!h)
		return;
	if (h->file >= 0)
		H5Fclose(h->file);
	H5Eclear2(H5E_DEFAULT);
	itr_atomic_abort(h->atomic);
	free(h->path);
	free(h);
}

static int check_root(itr_h5 *h, const char *format, int64_t newest, itr_err *err)
{
	const int64_t version = itr_h5_attr_int(h, "/", "version", 0);
	char *is = itr_h5_attr_text(h, "/", "format");
	int rc = 0;
	if (!is)
		rc = itr_err_set(err, "'%s' is an HDF5 file without the attribute 'format': not one of ours (wanted '%s')", h->path,
		                 format);
	else if (strcmp(is, format))
		rc = itr_err_set(err, "'%s' is of format '%s', not '%s'", h->path, is, format);
	else if (version < 1 || version > newest)
		rc = itr_err_set(err, "'%s' is of version %lld of '%s'; this program reads version 1%s%.0lld", h->path, (long long)version,
		                 format, newest > 1 ? " to " : "", newest > 1 ? (long long)newest : 0LL);
	else if (itr_h5_attr_int(h, "/", "complete", 0) != 1)
		rc = itr_err_set(err, "'%s' is incomplete: what wrote it was stopped half-way; make it again", h->path);
	free(is);
	return rc;
}

/* The signature is at offset 0, or after a user block of 512, 1024, 2048... bytes (MATLAB 7.3, h5py's userblock_size). */
static int check_signature(const char *path, itr_err *err)
{
	static const char magic[8] = "\x89HDF\r\n\x1a\n";
	char head[8] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t first = fd < 0 ? -1 : pread(fd, head, sizeof head, 0), got = first;
	if (got < 0) {
		itr_err_errno(err, "cannot open '%s'", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	bool found = got == (ssize_t)sizeof head && !memcmp(head, magic, sizeof magic);
	for (off_t at = 512; !found && got == (ssize_t)sizeof head && at <= INT64_MAX / 2; at *= 2) {
		got = pread(fd, head, sizeof head, at);
		found = got == (ssize_t)sizeof head && !memcmp(head, magic, sizeof magic);
	}
	close(fd);
	return found ? 0 : itr_err_set(err, "cannot open '%s': %s", path, first == 0 ? "the file is empty" : "it is not an HDF5 file");
}

bool itr_h5_is(const char *path) { return check_signature(path, NULL) == 0; }

itr_h5 *itr_h5_open(const char *path, const char *format, itr_err *err) { return itr_h5_open_version(path, format, 1, err); }

itr_h5 *itr_h5_open_version(const char *path, const char *format, int64_t newest, itr_err *err)
{
	if (check_signature(path, err) < 0)
		return NULL;
	itr_h5 *h = new_h5(path);
	hid_t access = access_plist();
	itr_h5_reading_driver(access);
	h->file = H5Fopen(path, H5F_ACC_RDONLY, access);
	if (h->file < 0)
		itr_h5_fail(h, err, "cannot open this HDF5 file; it is cut short or damaged");
	H5Pclose(access);
	if (h->file >= 0 && (!format || check_root(h, format, newest, err) == 0)) {
		h->synthetic = itr_h5_attr_int(h, "/", "synthetic", 0) != 0;
		return h;
	}
	itr_h5_close(h);
	return NULL;
}

itr_h5 *itr_h5_create(const char *path, const char *format, bool synthetic, itr_err *err)
{
	itr_h5 *h = new_h5(path);
	h->synthetic = synthetic;
	h->atomic = itr_atomic_open(path, err);
	if (h->atomic) {
		hid_t access = access_plist(), create = H5Pcreate(H5P_FILE_CREATE);
		/* HDF5 1.8's structures (2008) carry checksums, the oldest ones do not: libhdf5 then notices damage before it follows it */
		H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
		H5Pset_obj_track_times(create, false);
		h->file = H5Fcreate(itr_atomic_path(h->atomic), H5F_ACC_TRUNC, create, access);
		if (h->file < 0)
			itr_h5_fail(h, err, "cannot be written");
		H5Pclose(create);
		H5Pclose(access);
		if (h->file >= 0 && itr_h5_set_attr_text(h, "/", "format", format, err) == 0 &&
		    itr_h5_set_attr_int(h, "/", "version", 1, err) == 0 && itr_h5_set_attr_int(h, "/", "synthetic", synthetic, err) == 0 &&
		    itr_h5_set_attr_int(h, "/", "complete", 0, err) == 0)
			return h;
	}
	itr_h5_close(h);
	return NULL;
}

int itr_h5_commit(itr_h5 *h, itr_err *err)
{
	if (!h->atomic)
		ITR_BUG("commit of '%s', which is open for reading", h->path);
	int rc = itr_h5_set_attr_int(h, "/", "complete", 1, err);
	if (rc == 0) {
		if (H5Fclose(h->file) < 0)              /* flushes; a full disk often shows only here */
			rc = itr_h5_fail(h, err, "cannot be written");
		h->file = -1;                           /* closed or not: a second H5Fclose of a file that could not be flushed crashes */
	}
	if (rc == 0) {
		rc = itr_atomic_commit(h->atomic, err);
		h->atomic = NULL;
	}
	itr_h5_close(h);
	return rc;
}

const char *itr_h5_path(const itr_h5 *h) { return h->path; }
bool itr_h5_is_synthetic(const itr_h5 *h) { return h->synthetic; }

/* --- finding things -------------------------------------------------------------------------------------------------------- */

/* The target of the soft link at path `link`, as a path from the root, with `rest` appended. NULL when it cannot be read. */
static char *follow(const itr_h5 *h, const char *link, size_t size, const char *rest)
{
	char *to = itr_xcalloc(size + 1, 1), *path = NULL;
	if (size <= MAX_PATH && H5Lget_val(h->file, link, to, size, H5P_DEFAULT) >= 0) {
		const char *slash = strrchr(link, '/');
		path = to[0] == '/' ? itr_xasprintf("%s%s", to, rest)
		                    : itr_xasprintf("%.*s/%s%s", slash ? (int)(slash - link) : 0, link, to, rest);
	}
	free(to);
	return path;
}

/* Every part of the path must be a hard link or a soft link, which stay in the file. An external link would let a downloaded file open
 * other files of this machine. */
char *itr_h5_resolve(const itr_h5 *h, const char *path, itr_err *err)
{
	char *p = itr_xstrdup(path);
	const char *why = NULL;
	int left = MAX_LINKS;
	bool good = true;
	for (char *s = p + (p[0] == '/'); *s && good;) {
		s += strcspn(s, "/");
		char keep = *s;
		*s = 0;
		H5L_info_t info;
		good = H5Lexists(h->file, p, H5P_DEFAULT) > 0 && H5Lget_info(h->file, p, &info, H5P_DEFAULT) >= 0;
		if (good && info.type == H5L_TYPE_SOFT) {
			*s = keep;
			char *rest = itr_xstrdup(s), *next;
			*s = 0;
			next = follow(h, p, info.u.val_size, rest);
			free(rest);
			good = next && left-- > 0 && strlen(next) <= MAX_PATH;
			why = !next || good ? "is a link to what is not there" : "is a link that goes in circles";
			free(p);
			p = next;
			s = p ? p + (p[0] == '/') : NULL;
			if (!p)
				break;
			continue;
		}
		if (good && info.type != H5L_TYPE_HARD) {
			good = false;
			why = "is a link to another file, which is refused";
		}
		*s = keep;
		s += keep != 0;
	}
	H5Eclear2(H5E_DEFAULT);
	if (p && good)
		return p;
	free(p);
	if (why)
		itr_err_set(err, "'%s': dataset '%s' %s", h->path, path, why);
	else
		itr_err_set(err, "'%s' has no dataset '%s'", h->path, path);
	return NULL;
}

bool itr_h5_has(const itr_h5 *h, const char *path)
{
	char *p = itr_h5_resolve(h, path, NULL);
	free(p);
	return p != NULL;
}

struct names {
	char **v;
	int64_t n, cap;
};

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
	struct names *names = data;
	(void)group, (void)info;
	if (names->n == names->cap) {
		names->cap = names->cap * 2 + 16;
		names->v = itr_xrealloc(names->v, (size_t)names->cap * sizeof *names->v);
	}
	names->v[names->n++] = itr_xstrdup(name);
	return 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Iterates in the file's order and sorts here. For iteration by name libhdf5 (1.10) makes a table, and frees it uninitialised when a
 * damaged group stops it half-way. */
int64_t itr_h5_list(const itr_h5 *h, const char *group, char ***out)
{
	struct names names = { NULL, 0, 0 };
	*out = NULL;
	char *path = itr_h5_resolve(h, group, NULL);
	hid_t g = path ? H5Gopen2(h->file, path, H5P_DEFAULT) : -1;
	bool bad = g < 0 || H5Literate(g, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_name, &names) < 0;
	if (g >= 0)
		H5Gclose(g);
	free(path);
	H5Eclear2(H5E_DEFAULT);
	if (bad) {
		for (int64_t i = 0; i < names.n; i++)
			free(names.v[i]);
		free(names.v);
		return -1;
	}
	if (names.n)
		qsort(names.v, (size_t)names.n, sizeof *names.v, by_name);
	*out = names.v;
	return names.n;
}

/* --- attributes --------------------------------------------------------------------------------------------------------------------- */

static int set_attr(itr_h5 *h, const char *object, const char *name, hid_t type, hid_t memory_type, const void *value, itr_err *err)
{
	hid_t o = H5Oopen(h->file, object, H5P_DEFAULT), space = H5Screate(H5S_SCALAR), a = -1;
	if (o >= 0 && H5Aexists(o, name) > 0)
		H5Adelete(o, name);
	if (o >= 0)
		a = H5Acreate2(o, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
	int rc =
		a < 0 || H5Awrite(a, memory_type, value) < 0 ? itr_h5_fail(h, err, "cannot write attribute '%s' of '%s'", name, object) : 0;
	if (a >= 0)
		H5Aclose(a);
	if (o >= 0)
		H5Oclose(o);
	H5Sclose(space);
	return rc;
}

int itr_h5_set_attr_text(itr_h5 *h, const char *object, const char *name, const char *text, itr_err *err)
{
	if (strlen(text) > MAX_ATTR)
		return itr_err_set(err, "'%s': attribute '%s' of %zu bytes is too long for HDF5; it must be a dataset", h->path, name,
		                   strlen(text));
	hid_t type = itr_h5_string_type(strlen(text));
	int rc = set_attr(h, object, name, type, type, text, err);
	H5Tclose(type);
	return rc;
}

int itr_h5_write_link(itr_h5 *h, const char *path, const char *target, itr_err *err)
{
	return H5Lcreate_soft(target, h->file, path, H5P_DEFAULT, H5P_DEFAULT) < 0
	               ? itr_h5_fail(h, err, "link '%s' cannot be written", path)
	               : 0;
}

int itr_h5_set_attr_int(itr_h5 *h, const char *object, const char *name, int64_t v, itr_err *err)
{
	return set_attr(h, object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &v, err);
}

/* An open scalar attribute (or an array of one) and its type; -1 when there is none. */
static hid_t attr_open(const itr_h5 *h, const char *object, const char *name, hid_t *type)
{
	hid_t a = -1;
	char *path = itr_h5_resolve(h, object, NULL);
	if (path && H5Aexists_by_name(h->file, path, name, H5P_DEFAULT) > 0)
		a = H5Aopen_by_name(h->file, path, name, H5P_DEFAULT, H5P_DEFAULT);
	free(path);
	hid_t space = a < 0 ? -1 : H5Aget_space(a);
	*type = a < 0 ? -1 : H5Aget_type(a);
	bool good = space >= 0 && *type >= 0 && H5Sget_simple_extent_npoints(space) == 1;
	if (space >= 0)
		H5Sclose(space);
	if (!good) {
		if (*type >= 0)
			H5Tclose(*type);
		if (a >= 0)
			H5Aclose(a);
		a = *type = -1;
	}
	H5Eclear2(H5E_DEFAULT);
	return a;
}

static void attr_close(hid_t a, hid_t type)
{
	H5Tclose(type);
	H5Aclose(a);
	H5Eclear2(H5E_DEFAULT);
}

char *itr_h5_attr_text(const itr_h5 *h, const char *object, const char *name)
{
	hid_t type, a = attr_open(h, object, name, &type);
	char *text = NULL;
	if (a < 0)
		return NULL;
	if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0) {
		char *raw = NULL;
		hid_t memory = H5Tcopy(H5T_C_S1);
		H5Tset_size(memory, H5T_VARIABLE);
		H5Tset_cset(memory, H5Tget_cset(type));
		if (H5Aread(a, memory, &raw) >= 0 && raw)
			text = itr_h5_clean(raw, strlen(raw));
		H5free_memory(raw);
		H5Tclose(memory);
	} else if (H5Tget_class(type) == H5T_STRING && H5Tget_size(type) <= 1 << 16) {
		size_t width = H5Tget_size(type);
		char *raw = itr_xcalloc(width + 1, 1);
		if (H5Aread(a, type, raw) >= 0)
			text = itr_h5_clean(raw, strlen(raw));
		free(raw);
	}
	attr_close(a, type);
	return text;
}

int64_t itr_h5_attr_int(const itr_h5 *h, const char *object, const char *name, int64_t missing)
{
	hid_t type, a = attr_open(h, object, name, &type);
	int64_t v = missing;
	itr_dtype t;
	unsigned char raw[8];
	if (a < 0)
		return missing;
	if (itr_h5_dtype_of(type, &t) == 0 && !itr_dtype_is_float(t)) {
		hid_t memory = t == ITR_BOOL ? H5Tcopy(type) : itr_h5_type_of(t, true);
		if (H5Aread(a, memory, raw) < 0 || itr_to_i64(&v, raw, t, 1) < 0)
			v = missing;
		H5Tclose(memory);
	}
	attr_close(a, type);
	return v;
}
