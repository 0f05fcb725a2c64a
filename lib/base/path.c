#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"

char *itr_path_join(const char *dir, const char *name)
{
	if (name[0] == '/' || !dir || !dir[0] || !strcmp(dir, "."))
		return itr_xstrdup(name);
	size_t n = strlen(dir);
	return itr_xasprintf("%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
}

char *itr_path_dirname(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return itr_xstrdup(".");
	return slash == path ? itr_xstrdup("/") : itr_xstrndup(path, (size_t)(slash - path));
}

const char *itr_path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

const char *itr_path_extension(const char *path)
{
	const char *base = itr_path_basename(path), *dot = strrchr(base, '.');
	return dot && dot != base ? dot : base + strlen(base);
}

char *itr_path_replace_extension(const char *path, const char *extension)
{
	return itr_xasprintf("%.*s%s", (int)(itr_path_extension(path) - path), path, extension);
}

bool itr_path_has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);
	return n >= m && !strcasecmp(path + n - m, suffix);
}

char *itr_path_absolute(const char *path)
{
	char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *full = itr_path_join(cwd, path);
	free(cwd);
	return full;
}

bool itr_path_exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

bool itr_path_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int64_t itr_path_size(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

bool itr_path_is_safe(const char *path)
{
	if (!path[0] || path[0] == '/')
		return false;
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n == 0 || (n == 2 && !strncmp(path, "..", 2)))
			return false;
		path += n;
		if (*path == '/' && !*++path)
			return false;
	}
	return true;
}

int itr_path_mkdirs(const char *dir, itr_err *err)
{
	char *p = itr_xstrdup(dir);
	int rc = 0;
	for (char *s = p + (p[0] == '/'); rc == 0; s++) {
		if (*s != '/' && *s != 0)
			continue;
		char keep = *s;
		*s = 0;
		if (p[0] && mkdir(p, 0777) < 0 && !(errno == EEXIST && itr_path_is_dir(p)))
			rc = itr_err_errno(err, "cannot make folder '%s'", p);
		*s = keep;
		if (!keep)
			break;
	}
	free(p);
	return rc;
}

int64_t itr_path_free_bytes(const char *path)
{
	struct statvfs vfs;
	return statvfs(path, &vfs) == 0 ? (int64_t)vfs.f_bavail * (int64_t)vfs.f_frsize : -1;
}

/* Reads the rest of f and closes it. */
static char *read_all(FILE *f, const char *path, size_t max_bytes, size_t *len, itr_err *err)
{
	size_t cap = 1 << 14, n = 0, got;
	char *data = itr_xmalloc(cap + 1);
	while ((got = fread(data + n, 1, cap - n, f)) > 0) {
		n += got;
		if (n > max_bytes)
			break;
		if (n == cap)
			data = itr_xrealloc(data, (cap *= 2) + 1);
	}
	int bad = ferror(f) ? itr_err_errno(err, "cannot read '%s'", path)
	        : n > max_bytes ? itr_err_set(err, "'%s' is larger than %zu bytes", path, max_bytes) : 0;
	fclose(f);
	if (bad) {
		free(data);
		return NULL;
	}
	data[n] = 0;
	if (len)
		*len = n;
	return data;
}

char *itr_path_read(const char *path, size_t max_bytes, size_t *len, itr_err *err)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		itr_err_errno(err, "cannot open '%s'", path);
		return NULL;
	}
	return read_all(f, path, max_bytes, len, err);
}

char *itr_path_read_named(const char *path, size_t max_bytes, size_t *len, itr_err *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);          /* O_NONBLOCK: open() of a FIFO without a writer would block */
	FILE *f = fd < 0 || fstat(fd, &st) < 0 ? NULL : fdopen(fd, "rb");
	if (!f) {
		itr_err_errno(err, "cannot open '%s'", path);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (S_ISREG(st.st_mode))
		return read_all(f, path, max_bytes, len, err);
	fclose(f);
	itr_err_set(err, "cannot read '%s': %s", path, S_ISDIR(st.st_mode) ? "Is a directory" : "it is not a regular file");
	return NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

int itr_path_remove_tree(const char *path, itr_err *err)
{
	if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		return itr_err_errno(err, "cannot remove '%s'", path);
	return 0;
}
