/* Runs and relevance as files, and whole rankings of vectors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "evaluate/trec_internal.h"
#include "tensor/gemm.h"

static int check_ids(char *const *ids, int64_t n, itr_err *err)
{
	for (int64_t i = 0; i < n; i++)
		if (!ids[i][0] || strpbrk(ids[i], " \t\r\n\v\f"))
			return itr_err_set(err, "id '%s' is empty or holds white space, which TREC files cannot", ids[i]);
	return 0;
}

static itr_atomic_file *create(const itr_row_table *t, const char *path, itr_err *err)
{
	for (int m = 0; m < 2; m++)
		if (check_ids(t->id[m], t->n[m], err) < 0)
			return NULL;
	return itr_atomic_open(path, err);
}

int itr_trec_write_qrels(const itr_row_table *t, const itr_qrels *q, const char *path, itr_err *err)
{
	itr_atomic_file *a = create(t, path, err);
	if (!a)
		return -1;
	for (int m = 0; m < 2; m++) {
		const itr_relevance *r = q->relevant[m];
		for (int64_t i = 0; i < r->queries; i++)
			for (int64_t k = r->offset[i]; k < r->offset[i + 1]; k++)
				fprintf(itr_atomic_stream(a), "%s:%s 0 %s %.15g\n", itr_direction_names[m], t->id[m][i],
				        t->id[!m][r->row[k]], r->grade ? r->grade[k] : 1);
	}
	return itr_atomic_commit(a, err);
}

static int best_first(const void *a, const void *b)
{
	const itr_trec_hit *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

struct lists {
	const float *query;
	int64_t first, queries, gallery, dim, depth, rows;
	const itr_packed *packed;
	itr_trec_hit *out;                /* [batch][depth] */
	float **scores;                 /* a worker: rows x gallery */
	itr_trec_hit **all;               /* a worker: gallery */
};

static void lists_piece(void *ctx, int64_t piece, int worker)
{
	struct lists *l = ctx;
	int64_t begin = piece * l->rows, n = ITR_MIN(l->rows, l->queries - begin);
	float *scores = l->scores[worker];
	itr_trec_hit *all = l->all[worker];
	itr_gemm_packed(n, l->query + (l->first + begin) * l->dim, l->dim, l->packed, 0, l->gallery, scores, l->gallery, 1);
	for (int64_t i = 0; i < n; i++) {
		for (int64_t k = 0; k < l->gallery; k++)
			all[k] = (itr_trec_hit){ scores[i * l->gallery + k], (int32_t)k };
		qsort(all, (size_t)l->gallery, sizeof *all, best_first);
		memcpy(l->out + (begin + i) * l->depth, all, (size_t)l->depth * sizeof *all);
	}
}

void itr_trec_each_list(const itr_embeddings *e, itr_modality asks, int64_t depth, int threads, itr_trec_take *take, void *ctx)
{
	enum { BATCH = 512 };
	int workers = (int)ITR_MAX(1, threads);
	const itr_embeddings_side *from = &e->side[asks], *to = &e->side[!asks];
	int64_t queries = e->table.n[asks], n = e->table.n[!asks];
	itr_packed *packed = itr_pack_rows(to->rows, n, to->dim, to->dim, threads);
	struct lists l = { .query = from->rows, .gallery = n, .dim = from->dim, .depth = ITR_MIN(depth, n), .packed = packed };
	l.rows = ITR_MAX(1, ITR_MIN(32, (1 << 20) / n));
	l.out = itr_xmalloc((size_t)(BATCH * l.depth + 1) * sizeof *l.out);
	l.scores = itr_xcalloc((size_t)workers, sizeof *l.scores);
	l.all = itr_xcalloc((size_t)workers, sizeof *l.all);
	for (int w = 0; w < workers; w++) {
		l.scores[w] = itr_aligned_alloc((size_t)(l.rows * n) * sizeof(float));
		l.all[w] = itr_xmalloc((size_t)n * sizeof **l.all);
	}
	for (l.first = 0; l.first < queries; l.first += BATCH) {
		l.queries = ITR_MIN(BATCH, queries - l.first);
		itr_parallel_for(workers, (l.queries + l.rows - 1) / l.rows, lists_piece, &l);
		for (int64_t q = 0; q < l.queries; q++)
			take(ctx, l.first + q, l.out + q * l.depth, l.depth);
	}
	for (int w = 0; w < workers; w++) {
		itr_aligned_free(l.scores[w]);
		free(l.all[w]);
	}
	free(l.scores);
	free(l.all);
	free(l.out);
	itr_packed_free(packed);
}

struct run_file { FILE *f; const itr_row_table *table; itr_modality asks; };

static void write_list(void *ctx, int64_t query, const itr_trec_hit *hit, int64_t n)
{
	const struct run_file *r = ctx;
	for (int64_t k = 0; k < n; k++)
		fprintf(r->f, "%s:%s Q0 %s %lld %.9g itr\n", itr_direction_names[r->asks], r->table->id[r->asks][query],
		        r->table->id[!r->asks][hit[k].row], (long long)k + 1, (double)hit[k].score);
}

int itr_trec_write_run(const itr_embeddings *e, const char *path, int64_t depth, int threads, itr_err *err)
{
	itr_atomic_file *a = create(&e->table, path, err);
	if (!a)
		return -1;
	for (int m = 0; m < 2; m++)
		itr_trec_each_list(e, (itr_modality)m, depth, threads, write_list,
		                   &(struct run_file){ itr_atomic_stream(a), &e->table, (itr_modality)m });
	return itr_atomic_commit(a, err);
}
