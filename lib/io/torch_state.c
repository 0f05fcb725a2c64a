/* Finds the state_dict in a pickled value and lists its tensors. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/torch_internal.h"

enum { MAX_NESTING = 4 };

/* Keys under which checkpoints store the state_dict, in the order in which they are tried. Averaged weights (EMA) come last: they are used
 * only when there are no others. Of teacher and student the teacher is used (DINO). The note names the key that was used and the others
 * that exist. */
static const char *const nests[] = { "state_dict",     "model_state_dict", "model_state",    "model",         "module",  "net",
	                             "network",        "params",           "weights",        "model_weights", "teacher", "student",
	                             "encoder",        "backbone",         "state_dict_ema", "model_ema",     "ema",     "ema_model",
	                             "ema_state_dict", "params_ema" };

static bool is_tensor(const itr_py *dict, size_t i)
{
	return dict->u.seq.v[i]->type == ITR_PY_STR && dict->u.seq.v[i + 1]->type == ITR_PY_TENSOR;
}

static int64_t tensors_in(const itr_py *dict)
{
	int64_t n = 0;
	for (size_t i = 0; i + 1 < dict->u.seq.n; i += 2)
		n += is_tensor(dict, i);
	return n;
}

/* True when the dict contains tensors, or a dict that may contain them. */
static bool worth_entering(const itr_py *v)
{
	for (size_t i = 0; v && v->type == ITR_PY_DICT && i + 1 < v->u.seq.n; i += 2) {
		if (is_tensor(v, i))
			return true;
		for (int k = 0; v->u.seq.v[i + 1]->type == ITR_PY_DICT && k < ITR_LEN(nests); k++)
			if (itr_py_is(v->u.seq.v[i], nests[k]))
				return true;
	}
	return false;
}

/* The dict whose values are the tensors. `note` collects the keys on the way to it, `others` the candidates that were not used. */
static const itr_py *find(const itr_py *root, itr_buf *note, itr_buf *others)
{
	for (int depth = 0; depth < MAX_NESTING; depth++) {
		const itr_py *inner = NULL;
		for (int i = 0; i < ITR_LEN(nests); i++) {
			const itr_py *v = itr_py_get(root, nests[i]);
			if (!worth_entering(v))
				continue;
			if (inner)
				itr_buf_printf(others, "%s'%s'", others->len ? ", " : "", nests[i]);
			else
				itr_buf_printf(note, "%s%s", note->len ? "." : "tensors of '", nests[i]);
			inner = inner ? inner : v;
		}
		if (!inner)
			break;
		root = inner;
	}
	if (note->len)
		itr_buf_putc(note, '\'');
	if (others->len)
		itr_buf_printf(note, " (not of %s)", others->data);
	return root;
}

static int add(itr_weights *w, int file, const itr_pickle *p, const itr_py *key, const itr_py_tensor *t, itr_err *err)
{
	const itr_torch_storage *s = &p->storages.v[t->storage];
	const int64_t size = t->size ? t->size : (int64_t)itr_dtype_size(t->dtype);
	itr_weight pub = { .dtype = t->dtype, .unread = t->unread, .rank = t->rank };
	itr_stored at = { .file = file, .member = s->member, .at = s->at, .elements = s->bytes / size, .offset = t->offset };
	memcpy(pub.shape, t->shape, sizeof pub.shape);
	memcpy(at.stride, t->stride, sizeof at.stride);
	return itr_weights_add(w, key->u.str.s, key->u.str.n, &pub, &at, err);
}

int itr_torch_list(itr_weights *w, int file, const itr_pickle *p, const itr_py *root, itr_err *err)
{
	itr_buf note = ITR_BUF_INIT, others = ITR_BUF_INIT;
	const itr_py *dict = root->type == ITR_PY_DICT ? find(root, &note, &others) : root;
	int64_t n = dict->type == ITR_PY_DICT ? tensors_in(dict) : 0;
	int rc = 0;
	if (!n)
		rc = itr_err_set(err, "'%s' holds no state_dict: %s", p->path,
		                 root->type == ITR_PY_TENSOR ? "it is a single tensor" : "no dict with tensors under names");
	for (size_t i = 0; rc == 0 && i + 1 < dict->u.seq.n; i += 2)
		if (is_tensor(dict, i))
			rc = add(w, file, p, dict->u.seq.v[i], dict->u.seq.v[i + 1]->u.tensor, err);
	if (rc == 0 && note.len) {
		free(w->note);
		w->note = itr_xstrdup(note.data);
	}
	itr_buf_free(&note);
	itr_buf_free(&others);
	return rc;
}
