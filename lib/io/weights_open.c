/* Finds the files that a path names, detects their formats, and computes their hash. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/json.h"
#include "io/weights_internal.h"

enum { MAX_SHARDS = 1024, BLOCK = 1 << 20 };

/* --- one file --------------------------------------------------------------------------------------------------------------- */

static int map_file(itr_weights *w, const char *path, itr_err *err)
{
	itr_weights_file f = { .path = itr_xstrdup(path) };
	struct stat st;
	ITR_VEC_PUSH(&w->files, f);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);        /* a pipe must not hold the program */
	if (fd < 0)
		return itr_err_errno(err, "cannot open '%s'", path);
	int rc = 0;
	if (fstat(fd, &st) < 0)
		rc = itr_err_errno(err, "cannot read '%s'", path);
	else if (!S_ISREG(st.st_mode))
		rc = itr_err_set(err, "cannot read '%s': it is no regular file", path);
	else if (st.st_size == 0)
		rc = itr_err_set(err, "'%s' is empty", path);
	void *bytes = rc == 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	if (rc == 0 && bytes == MAP_FAILED)
		rc = itr_err_errno(err, "cannot map '%s'", path);
	close(fd);
	if (rc == 0) {
		w->files.v[w->files.n - 1].bytes = bytes;
		w->files.v[w->files.n - 1].n = (size_t)st.st_size;
	}
	return rc;
}

static bool begins(const itr_weights_file *f, size_t at, const char *with)
{
	size_t n = strlen(with);
	return f->n >= at + n && !memcmp(f->bytes + at, with, n);
}

/* Detects the format by the content, because names may be wrong. */
static int list(itr_weights *w, int file, itr_err *err)
{
	const itr_weights_file *f = &w->files.v[file];
	if (begins(f, 0, "PK\3\4")) {
		w->format = "pytorch zip";
		return itr_torch_zip_list(w, file, err);
	}
	if (itr_path_has_suffix(f->path, ".safetensors") || begins(f, 8, "{")) {
		w->format = "safetensors";
		if (begins(f, 0, "version https://git-lfs"))
			return itr_err_set(err, "'%s' is a pointer of git-lfs, not the weights: run git lfs pull there", f->path);
		return itr_safetensors_list(w, file, err);
	}
	if (begins(f, 0, "version https://git-lfs"))
		return itr_err_set(err, "'%s' is a pointer of git-lfs, not the weights: run git lfs pull there", f->path);
	if (begins(f, 257, "ustar"))
		return itr_err_set(err,
		                   "'%s' is a tar file (PyTorch before 0.1.10): load it with an old PyTorch and save its state_dict again",
		                   f->path);
	if (begins(f, 0, "\211HDF\r\n") || begins(f, 0, "<"))
		return itr_err_set(err, "'%s' is %s, neither safetensors nor a PyTorch file", f->path,
		                   f->bytes[0] == '<' ? "a web page" : "an HDF5 file");
	w->format = "pytorch legacy";
	return itr_torch_legacy_list(w, file, err);
}

static int open_file(itr_weights *w, const char *path, itr_err *err)
{
	return map_file(w, path, err) < 0 ? -1 : list(w, (int)w->files.n - 1, err);
}

/* --- shards ----------------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The names of the shards, sorted, each once; -1 with err. */
static int shard_names(const itr_json *map, const char *path, const char **names, itr_err *err)
{
	itr_map *seen = itr_map_new();
	int n = 0;
	for (const itr_json *c = itr_json_first(map); c && n >= 0; c = itr_json_next(c)) {
		const char *name = itr_json_str(c, "");
		if (!itr_path_is_safe(name) || strchr(name, '/'))
			n = itr_err_set(err, "'%s': the shard of '%.200s' is no plain file name", path, itr_json_key(c));
		else if (itr_map_add(seen, name, 0) && n == MAX_SHARDS)
			n = itr_err_set(err, "'%s': more than %d shards", path, MAX_SHARDS);
		else if (itr_map_count(seen) > n)
			names[n++] = name;
	}
	itr_map_free(seen);
	if (n > 0)
		qsort(names, (size_t)n, sizeof *names, by_name);
	return n != 0 ? n : itr_err_set(err, "'%s': its weight_map is empty", path);
}

/* Checks that the tensors of the index are in the shards that it names. */
static int check_index(const itr_weights *w, const itr_json *map, const char *path, itr_err *err)
{
	for (const itr_json *c = itr_json_first(map); c; c = itr_json_next(c)) {
		char *name = itr_xasprintf("%s%s", w->prefix ? w->prefix : "", itr_json_key(c));
		int64_t i = itr_map_get(w->names, name, -1);
		free(name);
		if (i < 0 || strcmp(itr_path_basename(w->files.v[w->entries.v[i].at.file].path), itr_json_str(c, "")))
			return itr_err_set(err, "'%s': tensor '%.200s' is not in '%.200s'", path, itr_json_key(c), itr_json_str(c, ""));
	}
	return 0;
}

static int open_index(itr_weights *w, const char *path, itr_err *err)
{
	itr_json *j = itr_json_read(path, err);
	if (!j)
		return -1;
	const itr_json *map = itr_json_get(j, "weight_map");
	const char **names = itr_xcalloc(MAX_SHARDS, sizeof *names);
	int n = itr_json_is_object(map) ? shard_names(map, path, names, err) : itr_err_set(err, "'%s': it has no weight_map", path),
	    rc = n < 0 ? -1 : 0;
	char *dir = itr_path_dirname(path);
	for (int i = 0; i < n && rc == 0; i++) {
		char *shard = itr_path_join(dir, names[i]);
		rc = open_file(w, shard, err);
		if (rc < 0 && !itr_path_exists(shard))
			itr_err_prefix(err, "'%s' names %d shards: ", path, n);
		free(shard);
	}
	if (rc == 0)
		rc = check_index(w, map, path, err);
	w->format = w->format && !strcmp(w->format, "safetensors") ? "safetensors shards" : "pytorch shards";
	free(dir);
	free(names);
	itr_json_free(j);
	return rc;
}

/* --- folders ---------------------------------------------------------------------------------------------------------------- */

/* The only file of the folder with this ending, into *found; more than one is an error. */
static int single(const char *dir, const char *ending, char **found, itr_err *err)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int rc = 0;
	if (!d)
		return itr_err_errno(err, "cannot open '%s'", dir);
	while (rc == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.' || !itr_path_has_suffix(e->d_name, ending))
			continue;
		if (*found)
			rc = itr_err_set(err, "'%s' holds '%s' and '%s': name the one that is meant", dir, itr_path_basename(*found),
			                 e->d_name);
		else
			*found = itr_path_join(dir, e->d_name);
	}
	closedir(d);
	return rc;
}

static char *in_folder(const char *dir, itr_err *err)
{
	static const char *const usual[] = { "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
		                             "pytorch_model.bin.index.json" };
	static const char *const endings[] = { ".safetensors", ".safetensors.index.json", ".pth", ".pt", ".bin" };
	char *found = NULL;
	for (int i = 0; i < ITR_LEN(usual); i++) {
		char *path = itr_path_join(dir, usual[i]);
		if (itr_path_exists(path))
			return path;
		free(path);
	}
	for (int i = 0; i < ITR_LEN(endings) && !found; i++)
		if (single(dir, endings[i], &found, err) < 0) {
			free(found);
			return NULL;
		}
	if (!found)
		itr_err_set(err, "'%s' holds no weights: neither *.safetensors nor *.pth, *.pt, *.bin", dir);
	return found;
}

itr_weights *itr_weights_open(const char *path, itr_err *err)
{
	char *file = itr_path_is_dir(path) ? in_folder(path, err) : itr_xstrdup(path);
	if (!file)
		return NULL;
	itr_weights *w = itr_xcalloc(1, sizeof *w);
	w->path = file;
	w->names = itr_map_new();
	w->cache = itr_xcalloc(1, sizeof *w->cache);
	int rc = itr_path_has_suffix(file, ".json") ? open_index(w, file, err) : open_file(w, file, err);
	if (rc == 0 && w->entries.n == 0)
		rc = itr_err_set(err, "'%s' holds no tensors", file);
	if (rc == 0) {
		itr_weights_unwrap(w);
		return w;
	}
	itr_weights_close(w);
	return NULL;
}

int itr_weights_append(itr_weights *w, const char *path, const char *prefix, itr_err *err)
{
	const char *format = w->format;
	char *file = itr_path_is_dir(path) ? in_folder(path, err) : itr_xstrdup(path);
	if (!file)
		return -1;
	w->prefix = prefix;
	int rc = itr_path_has_suffix(file, ".json") ? open_index(w, file, err) : open_file(w, file, err);
	w->prefix = NULL;
	w->format = format;
	free(file);
	return rc;
}

/* --- hash ------------------------------------------------------------------------------------------------------------------- */

static int hash_file(itr_sha256 *h, const char *path, itr_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return itr_err_errno(err, "cannot open '%s'", path);
	char *block = itr_xmalloc(BLOCK);
	ssize_t n;
	while ((n = read(fd, block, BLOCK)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			itr_sha256_add(h, block, (size_t)n);
	int rc = n < 0 ? itr_err_errno(err, "cannot read '%s'", path) : 0;
	free(block);
	close(fd);
	return rc;
}

int itr_weights_sha256(const itr_weights *w, char hex[ITR_SHA256_HEX], itr_err *err)
{
	itr_sha256 *h = itr_sha256_new();
	int rc = 0;
	for (size_t i = 0; i < w->files.n && rc == 0; i++)      /* shards sorted by name (by open_index), then appended files */
		rc = hash_file(h, w->files.v[i].path, err);
	itr_sha256_end(h, rc == 0 ? hex : NULL);
	return rc;
}
