/* Where in a pickled value the state_dict is, and its tensors. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/torch_internal.h"

enum { MAX_NESTING = 4 };

/* Under these names checkpoints keep the state_dict. Averaged weights come last: they are taken only where there are no others. */
static const char *const nests[] = { "state_dict", "model_state_dict", "model", "module", "net", "params", "state_dict_ema", "model_ema" };
static const char data_parallel[] = "module.";

static bool is_tensor(const itr_py *dict, size_t i) { return dict->u.seq.v[i]->type == ITR_PY_STR && dict->u.seq.v[i + 1]->type == ITR_PY_TENSOR; }

static int64_t tensors_in(const itr_py *dict)
{
	int64_t n = 0;
	for (size_t i = 0; i + 1 < dict->u.seq.n; i += 2)
		n += is_tensor(dict, i);
	return n;
}

/* The dict whose values are the tensors. `note` collects the names that led there. */
static const itr_py *find(const itr_py *root, itr_buf *note)
{
	for (int depth = 0; depth < MAX_NESTING; depth++) {
		const itr_py *inner = NULL;
		for (int i = 0; i < ITR_LEN(nests) && !inner; i++) {
			inner = itr_py_get(root, nests[i]);
			if (inner && inner->type != ITR_PY_DICT)
				inner = NULL;
			if (inner)
				itr_buf_printf(note, "%s%s", note->len ? "." : "tensors of '", nests[i]);
		}
		if (!inner)
			break;
		root = inner;
	}
	if (note->len)
		itr_buf_putc(note, '\'');
	return root;
}

/* nn.DataParallel puts "module." in front of every name. */
static bool all_prefixed(const itr_py *dict)
{
	size_t n = strlen(data_parallel);
	for (size_t i = 0; i + 1 < dict->u.seq.n; i += 2)
		if (is_tensor(dict, i) && (dict->u.seq.v[i]->u.str.n <= n || memcmp(dict->u.seq.v[i]->u.str.s, data_parallel, n)))
			return false;
	return true;
}

static int add(itr_weights *w, int file, const itr_pickle *p, const itr_py *key, const itr_py_tensor *t, size_t skip, itr_err *err)
{
	const itr_torch_storage *s = &p->storages.v[t->storage];
	itr_weight pub = { .dtype = t->dtype, .rank = t->rank };
	itr_stored at = { .file = file, .member = s->member, .at = s->at, .elements = s->bytes / (int64_t)itr_dtype_size(t->dtype), .offset = t->offset };
	memcpy(pub.shape, t->shape, sizeof pub.shape);
	memcpy(at.stride, t->stride, sizeof at.stride);
	return itr_weights_add(w, key->u.str.s + skip, key->u.str.n - skip, &pub, &at, err);
}

int itr_torch_list(itr_weights *w, int file, const itr_pickle *p, const itr_py *root, itr_err *err)
{
	itr_buf note = ITR_BUF_INIT;
	const itr_py *dict = root->type == ITR_PY_DICT ? find(root, &note) : root;
	int64_t n = dict->type == ITR_PY_DICT ? tensors_in(dict) : 0;
	int rc = 0;
	if (!n)
		rc = itr_err_set(err, "'%s' holds no state_dict: %s", p->path, root->type == ITR_PY_TENSOR ? "it is a single tensor" : "no dict with tensors under names");
	size_t skip = n && all_prefixed(dict) ? strlen(data_parallel) : 0;
	if (skip)
		itr_buf_printf(&note, "%swithout the prefix '%s'", note.len ? ", " : "tensors ", data_parallel);
	for (size_t i = 0; rc == 0 && i + 1 < dict->u.seq.n; i += 2)
		if (is_tensor(dict, i))
			rc = add(w, file, p, dict->u.seq.v[i], dict->u.seq.v[i + 1]->u.tensor, skip, err);
	if (rc == 0 && note.len) {
		free(w->note);
		w->note = itr_xstrdup(note.data);
	}
	itr_buf_free(&note);
	return rc;
}
