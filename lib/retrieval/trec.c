/* Runs and judgements as files, and whole rankings of vectors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/trec_internal.h"
#include "tensor/gemm.h"

static int check_ids(char **ids, int64_t n, itr_err *err)
{
	for (int64_t i = 0; i < n; i++)
		if (!ids[i][0] || strpbrk(ids[i], " \t\r\n\v\f"))
			return itr_err_set(err, "id '%s' is empty or holds white space, which TREC files cannot", ids[i]);
	return 0;
}

static itr_atomic_file *create(const itr_pairs *p, const char *path, itr_err *err)
{
	if (check_ids(p->text_id, p->n_text, err) < 0 || check_ids(p->image_id, p->n_image, err) < 0)
		return NULL;
	itr_atomic_file *a = itr_atomic_open(path, err);
	return a;
}

static void write_relevance(FILE *f, const char *side, const itr_relevance *r, char **query, char **document)
{
	for (int64_t q = 0; q < r->queries; q++)
		for (int64_t i = r->offset[q]; i < r->offset[q + 1]; i++)
			fprintf(f, "%s:%s 0 %s %.15g\n", side, query[q], document[r->row[i]], r->grade ? r->grade[i] : 1);
}

int itr_trec_write_qrels(const itr_pairs *p, const char *path, itr_err *err)
{
	itr_atomic_file *a = create(p, path, err);
	if (!a)
		return -1;
	write_relevance(itr_atomic_stream(a), "t2i", p->t2i, p->text_id, p->image_id);
	write_relevance(itr_atomic_stream(a), "i2t", p->i2t, p->image_id, p->text_id);
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

void itr_trec_each_list(const itr_pairs *p, bool i2t, int64_t depth, int threads, itr_trec_take *take, void *ctx)
{
	enum { BATCH = 512 };
	int workers = (int)ITR_MAX(1, threads);
	int64_t queries = i2t ? p->n_image : p->n_text, n = i2t ? p->n_text : p->n_image;
	itr_packed *packed = itr_pack_rows(i2t ? p->text : p->image, n, p->dim, p->dim, threads);
	struct lists l = { .query = i2t ? p->image : p->text, .gallery = n, .dim = p->dim, .depth = ITR_MIN(depth, n), .packed = packed };
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

struct run_file { FILE *f; const char *side; char **query, **document; };

static void write_list(void *ctx, int64_t query, const itr_trec_hit *hit, int64_t n)
{
	const struct run_file *r = ctx;
	for (int64_t k = 0; k < n; k++)
		fprintf(r->f, "%s:%s Q0 %s %lld %.9g itr\n", r->side, r->query[query], r->document[hit[k].row], (long long)k + 1,
		        (double)hit[k].score);
}

int itr_trec_write_run(const itr_pairs *p, const char *path, int64_t depth, int threads, itr_err *err)
{
	itr_atomic_file *a = create(p, path, err);
	if (!a)
		return -1;
	FILE *f = itr_atomic_stream(a);
	itr_trec_each_list(p, false, depth, threads, write_list, &(struct run_file){ f, "t2i", p->text_id, p->image_id });
	itr_trec_each_list(p, true, depth, threads, write_list, &(struct run_file){ f, "i2t", p->image_id, p->text_id });
	return itr_atomic_commit(a, err);
}
