/* torch.save since 1.6: a zip with PREFIX/data.pkl, PREFIX/data/KEY for each storage, and PREFIX/byteorder. Source: torch/serialization.py,
 * _load. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/torch_internal.h"

/* torch.save does not compress. A file compressed later hardly shrinks, so one that claims a higher ratio is a zip bomb. */
enum { MAX_PICKLE = 16 << 20, MAX_MEMBERS = 1 << 20, BEST_RATIO = 4, SLACK = 16 << 20 };

/* "archive/" of "archive/data.pkl". NULL with err. */
static char *find_prefix(const itr_weights_file *f, itr_err *err)
{
	int64_t n = itr_zip_count(f->zip);
	char *prefix = NULL;
	if (n > MAX_MEMBERS) {
		itr_err_set(err, "'%s' has more than %d members", f->path, MAX_MEMBERS);
		return NULL;
	}
	for (int64_t i = 0; i < n; i++) {
		const char *name = itr_zip_name(f->zip, i), *base = itr_path_basename(name);
		if (!prefix && !strcmp(base, "data.pkl"))
			prefix = itr_xstrndup(name, (size_t)(base - name));
		if (!strcmp(base, "constants.pkl")) {
			itr_err_set(err,
			            "'%s' is a TorchScript archive, which holds a program: save its state_dict, "
			            "torch.save(torch.jit.load(...).state_dict(), ...), or fetch the "
			            "weights as safetensors",
			            f->path);
			free(prefix);
			return NULL;
		}
	}
	if (!prefix)
		itr_err_set(err, "'%s' is a zip archive, but not PyTorch's: it has no data.pkl", f->path);
	return prefix;
}

static int64_t find(const itr_weights_file *f, const char *prefix, const char *folder, const char *name)
{
	char *full = itr_xasprintf("%s%s%s", prefix, folder, name);
	int64_t i = itr_zip_find(f->zip, full);
	free(full);
	return i;
}

/* Reads a small member into memory and checks its CRC. NULL with err. */
static unsigned char *slurp(const itr_weights_file *f, int64_t i, size_t *n, itr_err *err)
{
	int64_t size = itr_zip_size(f->zip, i), done = 0, got = 1;
	if (size < 0 || size > MAX_PICKLE) {
		itr_err_set(err, "'%s': member '%.200s' claims %lld bytes, at most %d are read", f->path, itr_zip_name(f->zip, i),
		            (long long)size, MAX_PICKLE);
		return NULL;
	}
	itr_zip_member *m = itr_zip_member_open(f->zip, i, err);
	if (!m)
		return NULL;
	unsigned char *bytes = itr_xmalloc((size_t)size + 1);
	while ((got = itr_zip_member_read(m, bytes + done, size + 1 - done, err)) > 0)
		done += got;
	itr_zip_member_close(m);
	*n = (size_t)done;
	if (got == 0)
		return bytes;
	free(bytes);
	return NULL;
}

static int check_byteorder(const itr_weights_file *f, const char *prefix, itr_err *err)
{
	int64_t i = find(f, prefix, "", "byteorder");
	size_t n;
	if (i < 0)
		return 0;               /* before 2.1: little-endian in practice, as torch.load takes it */
	unsigned char *order = slurp(f, i, &n, err);
	if (!order)
		return -1;
	bool little = n == 6 && !memcmp(order, "little", 6);
	free(order);
	return little ? 0 : itr_err_set(err, "'%s' was written on a big-endian machine, which is not read", f->path);
}

/* The member of each storage, of exactly its size. */
static int place_all(itr_pickle *p, const itr_weights_file *f, const char *prefix, itr_err *err)
{
	int64_t room = (int64_t)f->n * BEST_RATIO + SLACK;
	for (size_t k = 0; k < p->storages.n; k++) {
		itr_torch_storage *s = &p->storages.v[k];
		char *key = itr_xstrndup(s->key, s->key_n);
		s->member = find(f, prefix, "data/", key);
		int64_t size = s->member < 0 ? -1 : itr_zip_size(f->zip, s->member);
		int rc = size == s->bytes ? 0
		                          : itr_err_set(err, "'%s': storage '%s' %s", f->path, key,
		                                        size < 0 ? "is missing" : "has another size than its tensors need");
		free(key);
		if (rc < 0)
			return -1;
		if (s->bytes > room)
			return itr_err_set(err, "'%s' claims storages of more than %d times its own size: refused as a zip bomb", f->path,
			                   BEST_RATIO);
		room -= s->bytes;
	}
	return 0;
}

static int list(itr_weights *w, int file, const char *prefix, itr_err *err)
{
	const itr_weights_file *f = &w->files.v[file];
	itr_pickle p;
	size_t n;
	unsigned char *bytes = check_byteorder(f, prefix, err) < 0 ? NULL : slurp(f, find(f, prefix, "", "data.pkl"), &n, err);
	if (!bytes)
		return -1;
	itr_pickle_init(&p, f->path, bytes, n);
	const itr_py *root = itr_pickle_run(&p, err);
	int rc = root && place_all(&p, f, prefix, err) == 0 ? itr_torch_list(w, file, &p, root, err) : -1;
	itr_pickle_clear(&p);
	free(bytes);
	return rc;
}

int itr_torch_zip_list(itr_weights *w, int file, itr_err *err)
{
	itr_weights_file *f = &w->files.v[file];
	f->zip = itr_zip_open(f->path, err);
	char *prefix = f->zip ? find_prefix(f, err) : NULL;
	int rc = prefix ? list(w, file, prefix, err) : -1;
	free(prefix);
	return rc;
}
