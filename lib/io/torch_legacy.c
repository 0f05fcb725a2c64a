/* torch.save before 1.6 (and with _use_new_zipfile_serialization=False): five pickles - magic number, protocol, system, the value, the
 * storages' keys - and then the storages in the order of the keys, each as a count of elements (int64) and its bytes. Source:
 * torch/serialization.py, _legacy_load. */
#include <string.h>

#include "io/torch_internal.h"

enum { MAX_PICKLE = 16 << 20, PROTOCOL = 1001 };
static const unsigned char magic[10] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };

static int check_head(itr_pickle *p, itr_err *err)
{
	const itr_py *v = itr_pickle_run(p, err);
	if (!v)
		return -1;
	if (v->type != ITR_PY_LONG || v->u.str.n != sizeof magic || memcmp(v->u.str.s, magic, sizeof magic))
		return itr_err_set(err, "'%s' is a pickle, but not one of PyTorch's", p->path);
	if (!(v = itr_pickle_run(p, err)))
		return -1;
	if (v->type != ITR_PY_INT || v->u.i != PROTOCOL)
		return itr_err_set(err, "'%s' has a version of PyTorch's format that is not read (%d is)", p->path, PROTOCOL);
	if (!(v = itr_pickle_run(p, err)))
		return -1;
	const itr_py *little = itr_py_get(v, "little_endian");
	if (little && (little->type != ITR_PY_BOOL || !little->u.i))
		return itr_err_set(err, "'%s' was written on a big-endian machine, which is not read", p->path);
	return 0;
}

static int place(itr_pickle *p, const itr_weights_file *f, const itr_py *key, itr_err *err)
{
	char name[256] = "";
	if (key->type == ITR_PY_STR && key->u.str.n < sizeof name)
		memcpy(name, key->u.str.s, key->u.str.n);
	int64_t i = itr_map_get(p->keys, name, -1);
	if (i < 0 || p->storages.v[i].member != -2)
		return itr_err_set(err, "'%s': its list of storages names one twice, or one that no tensor uses", p->path);
	itr_torch_storage *s = &p->storages.v[i];
	int64_t elements, size = s->size ? s->size : (int64_t)itr_dtype_size(s->dtype);
	if (f->n - p->at < 8)
		return itr_err_set(err, "'%s' was cut short: a storage is missing", p->path);
	memcpy(&elements, f->bytes + p->at, 8);
	p->at += 8;
	if (elements != s->bytes / size)
		return itr_err_set(err, "'%s': a storage has %lld elements where its tensors need %lld", p->path, (long long)elements,
		                   (long long)(s->bytes / size));
	if ((uint64_t)s->bytes > f->n - p->at)
		return itr_err_set(err, "'%s' was cut short: a storage of %lld bytes ends %lld bytes after the end", p->path,
		                   (long long)s->bytes, (long long)s->bytes - (long long)(f->n - p->at));
	s->member = -1;
	s->at = (int64_t)p->at;
	p->at += (size_t)s->bytes;
	return 0;
}

/* Reads the keys and the storages after them; nothing may follow. */
static int place_all(itr_pickle *p, const itr_weights_file *f, itr_err *err)
{
	const itr_py *keys = itr_pickle_run(p, err);
	if (!keys)
		return -1;
	if (keys->type != ITR_PY_LIST)
		return itr_pickle_fail(p, err, "the storages' keys are no list");
	p->n = f->n;
	for (size_t i = 0; i < keys->u.seq.n; i++)
		if (place(p, f, keys->u.seq.v[i], err) < 0)
			return -1;
	if (keys->u.seq.n != p->storages.n)
		return itr_err_set(err, "'%s': storages are missing from its list", p->path);
	return p->at == f->n ? 0 : itr_err_set(err, "'%s': %zu bytes after the last storage belong to none", p->path, f->n - p->at);
}

int itr_torch_legacy_list(itr_weights *w, int file, itr_err *err)
{
	const itr_weights_file *f = &w->files.v[file];
	itr_pickle p;
	itr_pickle_init(&p, f->path, f->bytes, ITR_MIN(f->n, (size_t)MAX_PICKLE));
	const itr_py *root = check_head(&p, err) < 0 ? NULL : itr_pickle_run(&p, err);
	int rc = root && place_all(&p, f, err) == 0 ? itr_torch_list(w, file, &p, root, err) : -1;
	itr_pickle_clear(&p);
	return rc;
}
