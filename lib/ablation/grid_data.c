/* Data of the grid: embeddings of each dim, pairs, candidate pools. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "ablation/grid_internal.h"
#include "linear/project.h"
#include "retrieval/pools.h"
#include "retrieval/rank.h"
#include "tensor/rows.h"

static bool in_list(const itr_grid_list *l, int64_t v)
{
	for (int i = 0; i < l->n; i++)
		if (l->v[i] == v)
			return true;
	return false;
}

static itr_pairs *open_size(const itr_grid *g, int64_t dim, itr_provenance *p, itr_err *err)
{
	itr_pairs_opts o = { .dim = dim, .no_normalize = g->o.no_normalize, .seed = g->o.seed, .threads = g->o.threads };
	return itr_pairs_open(g->o.data, &o, p, err);
}

/* The permutation moves texts, their ids and their images together; images stay. */
static void shuffle(itr_grid *g)
{
	itr_pairs *p = g->base;
	int64_t n = p->n_text, *image = itr_xmalloc(((size_t)n + 1) * sizeof *image);
	char **id = itr_xmalloc(((size_t)n + 1) * sizeof *id);
	itr_rng rng;
	g->order = itr_xmalloc(((size_t)n + 1) * sizeof *g->order);
	itr_rng_seed(&rng, g->o.seed);
	itr_rng_permutation(&rng, n, g->order);
	for (int64_t i = 0; i < n; i++) {
		image[i] = p->text_image[g->order[i]];
		id[i] = p->text_id[g->order[i]];
	}
	free(p->text_image);
	free(p->text_id);
	p->text_image = image;
	p->text_id = id;
}

/* Ids and relevance come from the first dim that can be read. A missing dim is an error of its cells, not of the grid. */
int itr_grid_open(itr_grid *g, itr_provenance *p, itr_err *err)
{
	itr_err first = ITR_ERR_INIT;
	bool made = g->o.project.n || g->o.truncate.n;
	if (!g->o.dims.n)                       /* the sizes that are there */
		g->o.dims.n = itr_pairs_sizes(g->o.data, g->o.dims.v, ITR_GRID_LIST);
	for (int i = 0; i < g->o.dims.n && !g->base; i++)
		if (!in_list(&g->o.project, g->o.dims.v[i]) && !in_list(&g->o.truncate, g->o.dims.v[i])) {
			g->base = open_size(g, g->o.dims.v[i], p, first.set ? NULL : &first);
			p = g->base ? NULL : p;
		}
	if (!g->base && (made || !first.set))
		g->base = open_size(g, 0, p, err);
	if (!g->base) {
		if (first.set)
			itr_err_set(err, "%s", first.msg);
		return -1;
	}
	if (!g->o.dims.n)                       /* one, and it has no name */
		g->o.dims = (itr_grid_list){ 1, { g->base->dim } };
	if (g->o.shuffle)
		shuffle(g);
	g->rel[T2V] = itr_relevance_from_map(g->base->n_text, g->base->n_image, g->base->text_image);
	g->rel[V2T] = itr_relevance_invert(g->rel[T2V]);
	for (int64_t i = 0; i < g->base->n_text; i++)
		g->unanswered += g->base->text_image[i] < 0;
	g->n_queries[T2V] = g->n_gallery[V2T] = g->base->n_text;
	g->n_queries[V2T] = g->n_gallery[T2V] = g->base->n_image;
	return itr_relevance_pairs(g->rel[T2V])
	               ? 0
	               : itr_err_set(err, "'%s': no text has an answer (ground_truth is -1 throughout)", g->o.data);
}

static float *permuted(const itr_grid *g, float *x, int64_t dim)
{
	if (!g->order)
		return x;
	float *y = itr_aligned_alloc((size_t)(g->base->n_text * dim) * sizeof *y);
	for (int64_t i = 0; i < g->base->n_text; i++)
		memcpy(y + i * dim, x + g->order[i] * dim, (size_t)dim * sizeof *y);
	itr_aligned_free(x);
	return y;
}

/* The embeddings that were read with the ids are used for the first dim; the others are read one dim at a time, so that only one is in
 * memory. */
static void forget_vectors(const itr_grid *g)
{
	itr_aligned_free(g->base->text);
	itr_aligned_free(g->base->image);
	g->base->text = g->base->image = NULL;
}

int itr_grid_vectors(const itr_grid *g, int64_t dim, itr_vectors *out, itr_err *err)
{
	bool project = in_list(&g->o.project, dim), made = project || in_list(&g->o.truncate, dim);
	bool held = !made && g->base->text && g->base->dim == dim;
	itr_pairs *p = held ? g->base : open_size(g, made ? 0 : dim, NULL, err);
	*out = (itr_vectors){ .dim = dim };
	if (!p)
		return -1;
	if (p->n_text != g->base->n_text || p->n_image != g->base->n_image) {
		itr_err_set(err, "'%s': size %lld has %lld texts and %lld images, the first size %lld and %lld", g->o.data, (long long)dim,
		            (long long)p->n_text, (long long)p->n_image, (long long)g->base->n_text, (long long)g->base->n_image);
	} else if (!made && p->dim != dim) {
		itr_err_set(err, "'%s' has vectors of %lld dimensions, not %lld; --project or --truncate makes other sizes", g->o.data,
		            (long long)p->dim, (long long)dim);
	} else if (made && !project && dim > p->dim) {
		itr_err_set(err, "cannot cut vectors of %lld dimensions to %lld", (long long)p->dim, (long long)dim);
	} else {
		float *x[2] = { p->text, p->image };
		int64_t rows[2] = { p->n_text, p->n_image };
		p->text = p->image = NULL;
		for (int s = 0; s < 2; s++) {
			if (made && dim != p->dim) {
				float *y = itr_aligned_alloc((size_t)(rows[s] * dim) * sizeof *y);
				if (project)
					itr_project_gaussian(x[s], rows[s], p->dim, dim, g->o.seed, y, g->o.threads);
				else
					itr_project_truncate(x[s], rows[s], p->dim, dim, y, g->o.threads);
				itr_aligned_free(x[s]);
				x[s] = y;
			}
			if (g->o.rotate) {
				float *y = itr_aligned_alloc((size_t)(rows[s] * dim) * sizeof *y);
				itr_project_rotate(x[s], rows[s], dim, g->o.seed, y, g->o.threads);
				itr_aligned_free(x[s]);
				x[s] = y;
			}
			out->x[s] = x[s];
		}
		out->x[0] = permuted(g, out->x[0], dim);
	}
	if (!held)
		itr_pairs_free(p);
	forget_vectors(g);
	return out->x[0] ? 0 : -1;
}

bool itr_grid_rotates(const itr_grid *g, int precision)
{
	return itr_precisions[precision]->signs_only && g->o.rotate_binary && !g->o.rotate;
}

void itr_grid_rotate(const itr_grid *g, const itr_vectors *v, itr_vectors *rotated)
{
	int64_t rows[2] = { g->base->n_text, g->base->n_image };
	rotated->dim = v->dim;
	for (int s = 0; s < 2; s++) {
		rotated->x[s] = itr_aligned_alloc((size_t)(rows[s] * v->dim) * sizeof(float));
		itr_project_rotate(v->x[s], rows[s], v->dim, g->o.seed, rotated->x[s], g->o.threads);
	}
}

void itr_vectors_free(itr_vectors *v)
{
	itr_aligned_free(v->x[0]);
	itr_aligned_free(v->x[1]);
	v->x[0] = v->x[1] = NULL;
}

/* --- pools ---------------------------------------------------------------------------------------------------------------------------- */

static void draw_one(void *ctx, int64_t i, int worker)
{
	itr_grid *g = ctx;
	i = ((int64_t)g->o.seeds.n * g->o.sizes.n * 2) - 1 - i;              /* sizes mostly ascend: the longest first */
	int direction = (int)(i % 2), size = (int)(i / 2 % ITR_MAX(1, g->o.sizes.n)), seed = (int)(i / 2 / ITR_MAX(1, g->o.sizes.n));
	itr_drawn *d = &g->pools[i];
	int64_t n = g->n_queries[direction];
	(void)worker;
	if (g->o.sizes.v[size] >= g->n_gallery[direction])
		return;
	itr_pools *p = itr_pools_begin(g->rel[direction], g->o.sizes.v[size], (uint64_t)g->o.seeds.v[seed], direction);
	d->width = itr_pools_width(p);
	d->words = itr_bits_words(g->n_gallery[direction]);
	d->n = itr_xmalloc((size_t)(n + 1) * sizeof *d->n);
	if (d->words * (int64_t)sizeof *d->bits <= d->width * (int64_t)sizeof *d->row)
		d->bits = itr_xmalloc((size_t)(n * d->words + 1) * sizeof *d->bits);
	else
		d->row = itr_xmalloc((size_t)(n * d->width + 1) * sizeof *d->row);
	for (int64_t q = 0; q < n; q++)
		d->n[q] = (int32_t)(d->bits ? itr_pools_next_bits(p, d->bits + q * d->words) : itr_pools_next(p, d->row + q * d->width));
	itr_pools_free(p);
}

/* Images that are resampled when every query fits its pool, as nearly always. */
static int64_t clusters(const itr_grid *g)
{
	int64_t n = 0;
	for (int64_t i = 0; i < g->base->n_image; i++)
		n += itr_relevance_count(g->rel[V2T], i) > 0;
	return n;
}

struct draw { itr_grid *g; itr_provenance *provenance; };

static void draw_piece(void *ctx, int64_t i, int worker)
{
	struct draw *d = ctx;
	if (i == 0 && d->provenance)
		itr_provenance_input(d->provenance, d->g->o.data);
	else if (i == 1 && d->g->o.resamples > 0)
		itr_grid_resample(d->g, clusters(d->g));
	else if (i > 1)
		draw_one(d->g, i - 2, worker);
}

/* Each pool has its own random stream, so they are drawn in parallel. */
void itr_grid_draw(itr_grid *g, itr_provenance *p)
{
	struct draw d = { g, p };
	int64_t n = (int64_t)g->o.seeds.n * g->o.sizes.n * 2;
	g->pools = itr_xcalloc((size_t)n + 1, sizeof *g->pools);
	itr_parallel_for(g->o.threads, n + 2, draw_piece, &d);
}

const int32_t *itr_drawn_rows(const itr_grid *g, const itr_drawn *d, int direction, int64_t query, int32_t *out)
{
	if (!d || (!d->row && !d->bits))
		return NULL;
	if (d->row)
		return d->row + query * d->width;
	if (d->n[query])
		itr_pools_rows(g->rel[direction], query, d->bits + query * d->words, out);
	return out;
}

const itr_drawn *itr_grid_pool(const itr_grid *g, int seed, int size, int direction)
{
	return size < g->o.sizes.n ? &g->pools[((int64_t)seed * g->o.sizes.n + size) * 2 + direction] : NULL;
}
