#include "nn/param.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "tensor/rows.h"

struct entry {
	itr_param param;
	itr_init init;
	double spread;
	int64_t at;                     /* offset in the block */
};

struct itr_params {
	struct entry **entries;         /* pointers, because callers keep the addresses of entries */
	int64_t count, cap, block, live;
	char *scope;
	itr_map *names;
	float *values, *grads;
	double *values64, *grads64;
	struct packer { itr_packer *fn; void *layer; } *packers;
	int64_t n_packers, cap_packers;
	void **owned;
	int64_t n_owned, cap_owned;
	bool packed;
};

itr_params *itr_params_new(void)
{
	itr_params *p = itr_xcalloc(1, sizeof *p);
	p->names = itr_map_new();
	return p;
}

void itr_params_free(itr_params *p)
{
	if (!p)
		return;
	for (int64_t i = 0; i < p->count; i++) {
		free((void *)(uintptr_t)p->entries[i]->param.name);
		itr_packed_weight_free(p->entries[i]->param.packed);
		itr_aligned_free(p->entries[i]->param.folded_bias);
		free(p->entries[i]);
	}
	itr_aligned_free(p->values);
	itr_aligned_free(p->grads);
	itr_aligned_free(p->values64);
	itr_aligned_free(p->grads64);
	itr_map_free(p->names);
	free(p->scope);
	for (int64_t i = 0; i < p->n_owned; i++)
		itr_aligned_free(p->owned[i]);
	free(p->owned);
	free(p->packers);
	free(p->entries);
	free(p);
}

void itr_params_scope(itr_params *p, const char *prefix)
{
	free(p->scope);
	p->scope = prefix ? itr_xstrdup(prefix) : NULL;
}

itr_param *itr_params_add(itr_params *p, const char *prefix, const char *name, int rank, const int64_t *shape, itr_init init, double spread,
                          bool no_decay)
{
	struct entry *e = itr_xcalloc(1, sizeof *e);
	if (p->values)
		ITR_BUG("itr_params_add after itr_params_seal");
	e->param.name = itr_xasprintf("%s%s%s%s%s", p->scope ? p->scope : "", p->scope ? "." : "", prefix, prefix[0] ? "." : "", name);
	e->param.rank = rank;
	e->param.count = 1;
	for (int i = 0; i < rank; i++)
		e->param.count *= e->param.shape[i] = shape[i];
	e->param.no_decay = no_decay;
	e->init = init;
	e->spread = spread;
	if (!itr_map_add(p->names, e->param.name, p->count))
		ITR_BUG("two parameters are called '%s'", e->param.name);
	if (p->count == p->cap)
		p->entries = itr_xrealloc(p->entries, (size_t)(p->cap = p->cap * 2 + 16) * sizeof *p->entries);
	p->entries[p->count++] = e;
	return &e->param;
}

static void take_grads(itr_params *p)
{
	/* not touched before a gradient is written: inference never pays for it */
	p->grads = itr_aligned_alloc((size_t)p->live * sizeof(float));
	for (int64_t i = 0; i < p->count; i++)
		p->entries[i]->param.grad = p->entries[i]->param.constant ? NULL : p->grads + p->entries[i]->at;
}

void itr_params_seal(itr_params *p)
{
	p->block = 0;
	for (int constant = 0; constant < 2; constant++) {
		for (int64_t i = 0; i < p->count; i++)
			if (p->entries[i]->param.constant == (constant == 1)) {
				p->entries[i]->at = p->block;
				p->block += (p->entries[i]->param.count + 15) & ~(int64_t)15;        /* 64 bytes */
			}
		p->live = constant ? p->live : p->block;
	}
	p->values = itr_aligned_calloc((size_t)p->block * sizeof(float));
	for (int64_t i = 0; i < p->count; i++)
		p->entries[i]->param.data = p->values + p->entries[i]->at;
	take_grads(p);
}

/* Each array has its own random stream, from the seed and its name: adding a layer does not change the weights of others. */
static void fill(struct entry *e, uint64_t seed)
{
	uint64_t h = 0xcbf29ce484222325u;
	itr_rng r;
	for (const char *c = e->param.name; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x100000001b3u;
	itr_rng_init(&r, (uint64_t[]){ seed, itr_mix64(h) }, 2);
	for (int64_t i = 0; i < e->param.count; i++) {
		double v = 0;
		switch (e->init) {
		case ITR_INIT_ZERO: break;
		case ITR_INIT_ONE: v = 1; break;
		case ITR_INIT_CONSTANT: v = e->spread; break;
		case ITR_INIT_UNIFORM: v = (2 * itr_rng_random(&r) - 1) * e->spread; break;
		case ITR_INIT_NORMAL: v = itr_rng_normal(&r) * e->spread; break;
		}
		e->param.data[i] = (float)v;
	}
}

struct draw { itr_params *p; uint64_t seed; };

static void draw_one(void *ctx, int64_t i, int worker)
{
	const struct draw *d = ctx;
	(void)worker;
	fill(d->p->entries[i], d->seed);
}

void itr_params_initialise_first(itr_params *p, int64_t n, uint64_t seed, int threads)
{
	struct draw d = { p, seed };
	itr_parallel_for(threads, n, draw_one, &d);
}

void itr_params_initialise(itr_params *p, uint64_t seed) { itr_params_initialise_first(p, p->count, seed, 1); }

void itr_params_enable_reference(itr_params *p)
{
	if (!p->values64) {
		p->values64 = itr_aligned_calloc((size_t)p->block * sizeof(double));
		p->grads64 = itr_aligned_calloc((size_t)p->block * sizeof(double));
	}
	for (int64_t i = 0; i < p->block; i++)
		p->values64[i] = (double)p->values[i];
	for (int64_t i = 0; i < p->count; i++) {
		p->entries[i]->param.data64 = p->values64 + p->entries[i]->at;
		p->entries[i]->param.grad64 = p->grads64 + p->entries[i]->at;
	}
}

/* --- inference only ------------------------------------------------------------------------------------------------------------------- */

void itr_params_add_packer(itr_params *p, itr_packer *fn, void *layer)
{
	if (p->n_packers == p->cap_packers)
		p->packers = itr_xrealloc(p->packers, (size_t)(p->cap_packers = p->cap_packers * 2 + 16) * sizeof *p->packers);
	p->packers[p->n_packers++] = (struct packer){ fn, layer };
}

void itr_params_owns(itr_params *p, void *memory)
{
	if (p->n_owned == p->cap_owned)
		p->owned = itr_xrealloc(p->owned, (size_t)(p->cap_owned = p->cap_owned * 2 + 16) * sizeof *p->owned);
	p->owned[p->n_owned++] = memory;
}

void itr_params_release_data(itr_params *p, itr_param *q)
{
	(void)p;
	itr_memory_release_pages(q->data, (size_t)q->count * sizeof *q->data);
	q->data = NULL;
}

bool itr_params_packed(const itr_params *p) { return p->packed; }

void itr_params_pack(itr_params *p, itr_compute c, int threads)
{
	if (!p->values || p->packed)
		ITR_BUG("itr_params_pack: %s", p->packed ? "twice" : "before itr_params_seal");
	p->packed = true;
	for (int64_t i = 0; i < p->n_packers; i++)
		p->packers[i].fn(p, p->packers[i].layer, c, threads);
	itr_aligned_free(p->grads);
	p->grads = NULL;
	for (int64_t i = 0; i < p->count; i++) {
		p->entries[i]->param.grad = NULL;
		p->entries[i]->param.frozen = true;
	}
}

static void must_be_whole(const itr_params *p, const char *who)
{
	if (p->packed)
		ITR_BUG("%s after itr_params_pack: the weights are packed", who);
}

int64_t itr_params_count(const itr_params *p) { return p->count; }
itr_param *itr_params_at(const itr_params *p, int64_t i) { return &p->entries[i]->param; }
float *itr_params_values(const itr_params *p) { return p->values; }
int64_t itr_params_block(const itr_params *p) { return p->block; }
int64_t itr_params_live(const itr_params *p) { return p->live; }

int64_t itr_params_elements(const itr_params *p)
{
	int64_t n = 0;
	for (int64_t i = 0; i < p->count; i++)
		n += p->entries[i]->param.count;
	return n;
}

itr_param *itr_params_find(const itr_params *p, const char *name)
{
	int64_t i = itr_map_get(p->names, name, -1);
	return i < 0 ? NULL : &p->entries[i]->param;
}

int64_t itr_params_index(const itr_params *p, const itr_param *q) { return itr_map_get(p->names, q->name, -1); }

void itr_params_release_grads(itr_params *p)
{
	itr_aligned_free(p->grads);
	p->grads = NULL;
	for (int64_t i = 0; i < p->count; i++) {
		p->entries[i]->param.grad = NULL;
		p->entries[i]->param.grad_written = false;
	}
}

void itr_params_zero_grad(itr_params *p)
{
	if (!p->grads)
		take_grads(p);
	for (int64_t i = 0; i < p->count; i++)
		p->entries[i]->param.grad_written = false;
}

const char *itr_params_first_bad(const itr_params *p, bool gradients)
{
	for (int64_t i = 0; i < p->count; i++) {
		const itr_param *q = &p->entries[i]->param;
		if ((gradients && !q->grad_written) || !q->data)
			continue;
		if (itr_first_not_finite(gradients ? q->grad : q->data, q->count) >= 0)
			return q->name;
	}
	return NULL;
}

int itr_params_write_array(itr_h5 *h, const char *path, int rank, const int64_t *shape, const float *x, itr_err *err)
{
	int64_t n = 1;
	for (int d = 0; d < rank; d++)
		n *= shape[d];
	if (itr_first_not_finite(x, n) >= 0)
		return itr_err_set(err, "'%s' is not written: '%s' would hold NaN or infinity", itr_h5_path(h), path);
	return itr_h5_write(h, path, ITR_F32, rank, shape, x, err);
}

int itr_params_save(const itr_params *p, itr_h5 *h, const char *group, itr_err *err)
{
	must_be_whole(p, "itr_params_save");
	for (int64_t i = 0; i < p->count; i++) {
		const itr_param *q = &p->entries[i]->param;
		char *path = itr_xasprintf("%s/%s", group, q->name);
		int rc = itr_params_write_array(h, path, q->rank, q->shape, q->data, err);
		free(path);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static void complain(itr_buf *b, const char *what, const char *name) { itr_buf_printf(b, "%s%s '%s'", b->len ? ", " : "", what, name); }

static bool fits(const itr_param *q, const itr_h5_info *info)
{
	if (info->is_text || info->rank != q->rank)
		return false;
	for (int d = 0; d < q->rank; d++)
		if (info->shape[d] != q->shape[d])
			return false;
	return true;
}

int itr_params_read_array(const itr_h5 *h, const char *path, int64_t rows, int64_t count, float *dst, itr_err *err)
{
	if (itr_h5_read_rows(h, path, ITR_F32, 0, rows, dst, err) < 0)
		return -1;
	if (itr_first_not_finite(dst, count) < 0)
		return 0;
	return itr_err_set(err,
	                   "'%s': '%s' holds NaN or infinity: the training that wrote it diverged, or the file is damaged; train again",
	                   itr_h5_path(h), path);
}

int itr_params_load(itr_params *p, const itr_h5 *h, const char *group, itr_err *err)
{
	itr_buf bad = ITR_BUF_INIT;
	char **names = NULL;
	must_be_whole(p, "itr_params_load");
	int64_t n = itr_h5_list(h, group, &names);
	for (int64_t i = 0; i < n; i++) {
		if (!itr_map_has(p->names, names[i]))
			complain(&bad, "unexpected", names[i]);
		free(names[i]);
	}
	free(names);
	int rc = 0;
	for (int64_t i = 0; i < p->count && rc == 0; i++) {
		itr_param *q = &p->entries[i]->param;
		char *path = itr_xasprintf("%s/%s", group, q->name);
		itr_h5_info info;
		if (!itr_h5_has(h, path))
			complain(&bad, "missing", q->name);
		else if ((rc = itr_h5_info_of(h, path, &info, err)) == 0 && !fits(q, &info))
			complain(&bad, "another shape of", q->name);
		else if (rc == 0)
			rc = itr_params_read_array(h, path, q->rank ? q->shape[0] : 1, q->count, q->data, err);
		free(path);
	}
	if (rc == 0 && bad.len)
		rc = itr_err_set(err, "'%s' does not fit the model: %.900s", itr_h5_path(h), bad.data);
	itr_buf_free(&bad);
	return rc;
}
