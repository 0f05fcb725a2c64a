/* safetensors: 8 bytes of header length, a JSON header, the elements. Source: https://github.com/huggingface/safetensors#format. As in the
 * reference reader, gaps, overlaps and trailing bytes are errors, so a file cannot contain hidden data. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/json.h"
#include "io/limit.h"
#include "io/weights_internal.h"

/* The largest known headers are a few MiB (100,000 tensors). The limit of the reference reader, 100 MB, would need gigabytes as a JSON
 * tree. */
enum { MAX_HEADER = 32 << 20 };

static const struct { const char *name; itr_dtype dtype;
} dtypes[] = {
	{ "F32", ITR_F32 }, { "F16", ITR_F16 }, { "BF16", ITR_BF16 }, { "F64", ITR_F64 }, { "I8", ITR_I8 },
	{ "I16", ITR_I16 }, { "I32", ITR_I32 }, { "I64", ITR_I64 },   { "U8", ITR_U8 },   { "U16", ITR_U16 },
	{ "U32", ITR_U32 }, { "U64", ITR_U64 }, { "BOOL", ITR_BOOL },
};

struct item {
	const itr_json *json;
	int64_t begin, end;
};

static uint64_t le64(const unsigned char *p)
{
	uint64_t v = 0;
	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

/* Unsupported types (complex, floats of 8 bits and fewer). */
static const struct { const char *name; int64_t bits;
} unread[] = {
	{ "C64", 64 },        { "C128", 128 },  { "F8_E4M3", 8 }, { "F8_E5M2", 8 }, { "F8_E8M0", 8 }, { "F8_E4M3FNUZ", 8 },
	{ "F8_E5M2FNUZ", 8 }, { "F6_E2M3", 6 }, { "F6_E3M2", 6 }, { "F4", 4 },      { "I4", 4 },      { "U4", 4 },
};

static int parse_dtype(const char *path, const char *name, const itr_json *j, itr_weight *t, int64_t *bits, itr_err *err)
{
	const char *s = itr_json_str(itr_json_get(j, "dtype"), NULL);
	for (int i = 0; s && i < ITR_LEN(dtypes); i++)
		if (!strcmp(s, dtypes[i].name)) {
			t->dtype = dtypes[i].dtype;
			*bits = 8 * (int64_t)itr_dtype_size(t->dtype);
			return 0;
		}
	t->dtype = ITR_U8;
	for (int i = 0; s && i < ITR_LEN(unread); i++)
		if (!strcmp(s, unread[i].name)) {
			t->unread = unread[i].name;
			*bits = unread[i].bits;
			return 0;
		}
	return itr_err_set(err, "'%s': tensor '%.200s' has the type '%.40s', which is not read", path, name, s ? s : "(none)");
}

static int parse_shape(const char *path, const char *name, const itr_json *j, itr_weight *t, itr_err *err)
{
	const itr_json *shape = itr_json_get(j, "shape");
	if (!itr_json_is_array(shape) || itr_json_count(shape) > ITR_WEIGHT_MAX_RANK)
		return itr_err_set(err, "'%s': tensor '%.200s' has no shape of at most %d dimensions", path, name, ITR_WEIGHT_MAX_RANK);
	t->rank = (int)itr_json_count(shape);
	for (int d = 0; d < t->rank; d++) {
		t->shape[d] = itr_json_int(itr_json_at(shape, d), -1);
		if (t->shape[d] < 0)
			return itr_err_set(err, "'%s': tensor '%.200s' has a dimension that is no count", path, name);
	}
	return 0;
}

/* [begin, end) of an item inside the data. */
static int parse_range(const char *path, struct item *it, int64_t room, itr_err *err)
{
	const itr_json *o = itr_json_get(it->json, "data_offsets");
	it->begin = itr_json_is_array(o) && itr_json_count(o) == 2 ? itr_json_int(itr_json_at(o, 0), -1) : -1;
	it->end = it->begin < 0 ? -1 : itr_json_int(itr_json_at(o, 1), -1);
	if (it->begin < 0 || it->end < it->begin)
		return itr_err_set(err, "'%s': tensor '%.200s' has no proper data_offsets", path, itr_json_key(it->json));
	if (it->end > room)
		return itr_err_set(err, "'%s': tensor '%.200s' ends %lld bytes after the end of the file", path, itr_json_key(it->json),
		                   (long long)(it->end - room));
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : (x->end > y->end) - (x->end < y->end);
}

static int add(itr_weights *w, int file, const struct item *it, int64_t data, itr_err *err)
{
	const char *path = w->files.v[file].path, *name = itr_json_key(it->json);
	itr_weight t = { 0 };
	itr_stored s = { .file = file, .member = -1, .at = data + it->begin };
	size_t all;
	int64_t bits = 0;
	if (parse_dtype(path, name, it->json, &t, &bits, err) < 0 || parse_shape(path, name, it->json, &t, err) < 0)
		return -1;
	if (itr_limit_shape(t.shape, t.rank, &t.count, "a tensor", err) < 0)
		return itr_err_prefix(err, "'%s': tensor '%.200s': ", path, name);
	if (itr_size_mul((size_t)t.count, (size_t)bits, &all) < 0 || all % 8 || all / 8 != (size_t)(it->end - it->begin))
		return itr_err_set(err, "'%s': tensor '%.200s' has %lld bytes, its shape and type need %lld elements of %lld%s", path, name,
		                   (long long)(it->end - it->begin), (long long)t.count, (long long)(bits % 8 ? bits : bits / 8),
		                   bits % 8 ? " bits" : "");
	s.elements = t.count;
	itr_weights_row_major(&t, s.stride);
	return itr_weights_add(w, name, strlen(name), &t, &s, err);
}

/* The items must tile the data: each begins where the one before ends. */
static int add_all(itr_weights *w, int file, struct item *items, int64_t n, int64_t data, itr_err *err)
{
	const itr_weights_file *f = &w->files.v[file];
	int64_t room = (int64_t)f->n - data, at = 0;
	for (int64_t i = 0; i < n; i++)
		if (parse_range(f->path, &items[i], room, err) < 0)
			return -1;
	qsort(items, (size_t)n, sizeof *items, by_place);
	for (int64_t i = 0; i < n; at = items[i++].end) {
		if (items[i].begin != at)
			return itr_err_set(err, "'%s': tensor '%.200s' %s", f->path, itr_json_key(items[i].json),
			                   items[i].begin < at ? "overlaps another one" : "leaves a hole in front of it");
		if (add(w, file, &items[i], data, err) < 0)
			return -1;
	}
	return at == room ? 0 : itr_err_set(err, "'%s': %lld bytes after the last tensor belong to none", f->path, (long long)(room - at));
}

int itr_safetensors_list(itr_weights *w, int file, itr_err *err)
{
	const itr_weights_file *f = &w->files.v[file];
	uint64_t header = f->n >= 8 ? le64(f->bytes) : 0;
	if (f->n < 10 || header < 2 || header > f->n - 8)
		return itr_err_set(err, "'%s': it is no safetensors file, or it was cut short: its header does not fit into its %zu bytes",
		                   f->path, f->n);
	if (header > MAX_HEADER)
		return itr_err_set(err, "'%s': a header of %llu bytes is refused, %d are read", f->path, (unsigned long long)header,
		                   MAX_HEADER);
	if (f->bytes[8] != '{')
		return itr_err_set(err, "'%s': it is no safetensors file: its header is no JSON object", f->path);
	itr_json *j = itr_json_parse((const char *)f->bytes + 8, (size_t)header, f->path, err);
	if (!j)
		return -1;
	struct item *items = itr_xcalloc((size_t)itr_json_count(j) + 1, sizeof *items);
	int64_t n = 0;
	int rc = itr_json_is_object(j) ? 0 : itr_err_set(err, "'%s': its header is no JSON object", f->path);
	for (const itr_json *c = itr_json_first(j); c && rc == 0; c = itr_json_next(c)) {
		if (!strcmp(itr_json_key(c), "__metadata__"))
			continue;
		if (itr_json_is_object(c))
			items[n++].json = c;
		else
			rc = itr_err_set(err, "'%s': the header's '%.200s' describes no tensor", f->path, itr_json_key(c));
	}
	if (rc == 0)
		rc = add_all(w, file, items, n, (int64_t)header + 8, err);
	free(items);
	itr_json_free(j);
	return rc;
}
