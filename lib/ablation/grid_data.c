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

static bool in_list(const itr_ints *l, int64_t v)
{
	for (int i = 0; i < l->n; i++)
		if (l->v[i] == v)
			return true;
	return false;
}

static int open_size(const itr_grid *g, int64_t dim, itr_provenance *p, itr_encoded *r, itr_err *err)
{
	const itr_encode_opts o = { .in = { .dim = dim,
		                            .scale = g->o.normalize ? ITR_SCALE_UNIT_IF_NEEDED : ITR_SCALE_STORED,
		                            .threads = g->o.threads,
		                            .provenance = p },
		                    .seed = g->o.seed };
	return itr_encode(r, NULL, g->o.data, &o, err);
}

/* The permutation moves texts, their ids and their images together; images stay. */
static void shuffle(itr_grid *g)
{
	itr_row_table *t = &g->base.rows.table;
	int64_t n = t->n[ITR_TEXT], *image = itr_xmalloc(((size_t)n + 1) * sizeof *image);
	char **id = itr_xmalloc(((size_t)n + 1) * sizeof *id);
	itr_rng rng;
	g->order = itr_xmalloc(((size_t)n + 1) * sizeof *g->order);
	itr_rng_seed(&rng, g->o.seed);
	itr_rng_permutation(&rng, n, g->order);
	for (int64_t i = 0; i < n; i++) {
		image[i] = t->text_image[g->order[i]];
		id[i] = t->id[ITR_TEXT][g->order[i]];
	}
	free(t->text_image);
	free(t->id[ITR_TEXT]);
	t->text_image = image;
	t->id[ITR_TEXT] = id;
}

/* Ids and relevance come from the first dim that can be read. A missing dim is an error of its cells, not of the grid. */
int itr_grid_open(itr_grid *g, itr_provenance *p, itr_err *err)
{
	itr_err first = ITR_ERR_INIT;
	bool made = g->o.project.n || g->o.truncate.n, open = false;
	if (!g->o.dims.n)                       /* all dims of the file */
		g->o.dims.n = itr_embeddings_sizes(g->o.data, g->o.dims.v, ITR_GRID_LIST);
	for (int i = 0; i < g->o.dims.n && !open; i++)
		if (!in_list(&g->o.project, g->o.dims.v[i]) && !in_list(&g->o.truncate, g->o.dims.v[i])) {
			open = open_size(g, g->o.dims.v[i], p, &g->base, first.set ? NULL : &first) == 0;
			p = open ? NULL : p;
		}
	if (!open && (made || !first.set))
		open = open_size(g, 0, p, &g->base, err) == 0;
	if (!open) {
		if (first.set)
			itr_err_set(err, "%s", first.msg);
		return -1;
	}
	const itr_row_table *t = &g->base.rows.table;
	if (!g->o.dims.n)                       /* one, and it has no name */
		g->o.dims = (itr_ints){ 1, { g->base.rows.side[ITR_TEXT].dim } };
	if (g->o.shuffle)
		shuffle(g);
	g->rel[T2V] = itr_relevance_from_map(t->n[ITR_TEXT], t->n[ITR_IMAGE], t->text_image);
	g->rel[V2T] = itr_relevance_invert(g->rel[T2V]);
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		g->unanswered += t->text_image[i] < 0;
	g->n_queries[T2V] = g->n_gallery[V2T] = t->n[ITR_TEXT];
	g->n_queries[V2T] = g->n_gallery[T2V] = t->n[ITR_IMAGE];
	return itr_relevance_pairs(g->rel[T2V])
	               ? 0
	               : itr_err_set(err, "'%s': no text has an answer (ground_truth is -1 throughout)", g->o.data);
}

static float *permuted(const itr_grid *g, float *x, int64_t dim)
{
	const int64_t n = g->base.rows.table.n[ITR_TEXT];
	if (!g->order)
		return x;
	float *y = itr_aligned_alloc((size_t)(n * dim) * sizeof *y);
	for (int64_t i = 0; i < n; i++)
		memcpy(y + i * dim, x + g->order[i] * dim, (size_t)dim * sizeof *y);
	itr_aligned_free(x);
	return y;
}

/* The embeddings that were read with the ids are used for the first dim; the others are read one dim at a time, so that only one is in
 * memory. */
static void take_rows(itr_embeddings *e, float *x[2])
{
	for (int m = 0; m < 2; m++) {
		x[m] = e->side[m].rows;
		e->side[m].rows = NULL;
	}
}

static int check_size(const itr_grid *g, const itr_embeddings *e, int64_t dim, bool made, bool project, itr_err *err)
{
	const int64_t *n = e->table.n, *first = g->base.rows.table.n, own = e->side[ITR_TEXT].dim;
	if (n[ITR_TEXT] != first[ITR_TEXT] || n[ITR_IMAGE] != first[ITR_IMAGE])
		return itr_err_set(err, "'%s': size %lld has %lld texts and %lld images, the first size %lld and %lld", g->o.data,
		                   (long long)dim, (long long)n[ITR_TEXT], (long long)n[ITR_IMAGE], (long long)first[ITR_TEXT],
		                   (long long)first[ITR_IMAGE]);
	if (!made && own != dim)
		return itr_err_set(err, "'%s' has vectors of %lld dimensions, not %lld; --project or --truncate makes other sizes",
		                   g->o.data, (long long)own, (long long)dim);
	if (made && !project && dim > own)
		return itr_err_set(err, "cannot cut vectors of %lld dimensions to %lld", (long long)own, (long long)dim);
	return 0;
}

/* x (rows, own), freed, projected or cut to dim, and rotated where the grid asks for it. */
static float *made_to(const itr_grid *g, float *x, int64_t rows, int64_t own, int64_t dim, bool project)
{
	if (dim != own) {
		float *y = itr_aligned_alloc((size_t)(rows * dim) * sizeof *y);
		if (project)
			itr_project_gaussian(x, rows, own, dim, g->o.seed, y, g->o.threads);
		else
			itr_project_truncate(x, rows, own, dim, y, g->o.threads);
		itr_aligned_free(x);
		x = y;
	}
	if (g->o.rotate) {
		float *y = itr_aligned_alloc((size_t)(rows * dim) * sizeof *y);
		itr_project_rotate(x, rows, dim, g->o.seed, y, g->o.threads);
		itr_aligned_free(x);
		x = y;
	}
	return x;
}

int itr_grid_vectors(itr_grid *g, int64_t dim, itr_vectors *out, itr_err *err)
{
	const bool project = in_list(&g->o.project, dim), made = project || in_list(&g->o.truncate, dim);
	itr_embeddings *base = &g->base.rows;
	const bool held = !made && base->side[ITR_TEXT].rows && base->side[ITR_TEXT].dim == dim;
	itr_encoded read = { .restval = 0 };
	float *x[2], *unused[2];
	*out = (itr_vectors){ .dim = dim };
	if (!held && open_size(g, made ? 0 : dim, NULL, &read, err) < 0)
		return -1;
	itr_embeddings *e = held ? base : &read.rows;
	if (check_size(g, e, dim, made, project, err) == 0) {
		take_rows(e, x);
		for (int m = 0; m < 2; m++)
			out->x[m] = made_to(g, x[m], e->table.n[m], e->side[m].dim, dim, project);
		out->x[ITR_TEXT] = permuted(g, out->x[ITR_TEXT], dim);
	}
	itr_encoded_free(&read);
	take_rows(base, unused);
	itr_aligned_free(unused[ITR_TEXT]);
	itr_aligned_free(unused[ITR_IMAGE]);
	return out->x[ITR_TEXT] ? 0 : -1;
}

bool itr_grid_rotates(const itr_grid *g, int precision)
{
	return itr_precisions[precision]->signs_only && g->o.rotate_binary && !g->o.rotate;
}

void itr_grid_rotate(const itr_grid *g, const itr_vectors *v, itr_vectors *rotated)
{
	const int64_t *rows = g->base.rows.table.n;
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
	for (int64_t i = 0; i < g->base.rows.table.n[ITR_IMAGE]; i++)
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
