#include "retrieval/trec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/vec.h"
#include "retrieval/pairs_internal.h"
#include "tensor/gemm.h"


/* --- writing ------------------------------------------------------------------------------------------------------------------------------- */

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
			fprintf(f, "%s:%s 0 %s 1\n", side, query[q], document[r->row[i]]);
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

struct hit { float score; int32_t row; };

static int best_first(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

struct lists {
	const float *query;
	int64_t first, queries, gallery, dim, depth, rows;
	const itr_packed *packed;
	struct hit *out;                /* [batch][depth] */
	float **scores;                 /* a worker: rows x gallery */
	struct hit **all;               /* a worker: gallery */
};

static void lists_piece(void *ctx, int64_t piece, int worker)
{
	struct lists *l = ctx;
	int64_t begin = piece * l->rows, n = ITR_MIN(l->rows, l->queries - begin);
	float *scores = l->scores[worker];
	struct hit *all = l->all[worker];
	itr_gemm_packed(n, l->query + (l->first + begin) * l->dim, l->dim, l->packed, 0, l->gallery, scores, l->gallery, 1);
	for (int64_t i = 0; i < n; i++) {
		for (int64_t k = 0; k < l->gallery; k++)
			all[k] = (struct hit){ scores[i * l->gallery + k], (int32_t)k };
		qsort(all, (size_t)l->gallery, sizeof *all, best_first);
		memcpy(l->out + (begin + i) * l->depth, all, (size_t)l->depth * sizeof *all);
	}
}

static void write_lists(FILE *f, const char *side, const float *query, int64_t queries, char **query_id, const float *gallery, int64_t n, char **document, int64_t dim,
                        int64_t depth, int threads)
{
	enum { BATCH = 512 };
	int workers = (int)ITR_MAX(1, threads);
	itr_packed *packed = itr_pack_rows(gallery, n, dim, dim, threads);
	struct lists l = { .query = query, .gallery = n, .dim = dim, .depth = ITR_MIN(depth, n), .packed = packed };
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
			for (int64_t k = 0; k < l.depth; k++) {
				struct hit h = l.out[q * l.depth + k];
				fprintf(f, "%s:%s Q0 %s %lld %.9g itr\n", side, query_id[l.first + q], document[h.row], (long long)k + 1, (double)h.score);
			}
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

int itr_trec_write_run(const itr_pairs *p, const char *path, int64_t depth, int threads, itr_err *err)
{
	itr_atomic_file *a = create(p, path, err);
	if (!a)
		return -1;
	FILE *f = itr_atomic_stream(a);
	write_lists(f, "t2i", p->text, p->n_text, p->text_id, p->image, p->n_image, p->image_id, p->dim, depth, threads);
	write_lists(f, "i2t", p->image, p->n_image, p->image_id, p->text, p->n_text, p->text_id, p->dim, depth, threads);
	return itr_atomic_commit(a, err);
}

/* --- reading -------------------------------------------------------------------------------------------------------------------------------- */

struct entry { int64_t query, document; double score; };       /* rows of the run's own maps */

struct itr_trec_run {
	char *path;
	itr_map *text, *image;
	ITR_VEC(struct entry) list[2];  /* by direction, sorted by query, then score downwards */
};

static int by_query(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->query != y->query)
		return x->query < y->query ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->document > y->document) - (x->document < y->document);
}

static int64_t number_of(itr_map *m, const char *id)
{
	itr_map_add(m, id, itr_map_count(m));
	return itr_map_get(m, id, -1);
}

static int add_line(itr_trec_run *r, char *line, int64_t number, itr_err *err)
{
	char *save = NULL, *field[7] = { NULL }, *end = NULL;
	int n = 0, d = 0;
	for (char *f = strtok_r(line, " \t\r", &save); f && n < 7; f = strtok_r(NULL, " \t\r", &save))
		field[n++] = f;
	if (n == 0)
		return 0;
	struct entry e = { 0, 0, n >= 5 ? strtod(field[4], &end) : 0 };
	if (n < 5 || n > 6 || *end || isnan(e.score))
		return itr_err_set(err, "'%s': line %lld is not 'QUERY Q0 DOCUMENT RANK SCORE TAG'", r->path, (long long)number);
	if (strncmp(field[0], "t2i:", 4) == 0 || strncmp(field[0], "i2t:", 4) == 0) {
		d = field[0][0] == 'i';
		field[0] += 4;
	}
	e.query = number_of(d ? r->image : r->text, field[0]);
	e.document = number_of(d ? r->text : r->image, field[2]);
	ITR_VEC_PUSH(&r->list[d], e);
	return 0;
}

/* One list may name a document once. */
static int check_repeats(const itr_trec_run *r, int d, itr_err *err)
{
	itr_map *documents = d ? r->text : r->image;
	size_t n = r->list[d].n;
	int64_t *last = itr_xmalloc(((size_t)itr_map_count(documents) + 1) * sizeof *last);
	int rc = 0;
	memset(last, 0xff, ((size_t)itr_map_count(documents) + 1) * sizeof *last);
	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct entry *e = &r->list[d].v[i];
		if (last[e->document] == e->query)
			rc = itr_err_set(err, "'%s': query '%s' lists document '%s' twice", r->path, itr_map_key(d ? r->image : r->text, e->query), itr_map_key(documents, e->document));
		last[e->document] = e->query;
	}
	free(last);
	return rc;
}

itr_trec_run *itr_trec_read_run(const char *path, itr_provenance *provenance, itr_err *err)
{
	itr_trec_run *r = itr_xcalloc(1, sizeof *r);
	int64_t number = 0;
	int rc = 0;
	char *text = itr_path_read(path, (size_t)8 << 30, NULL, err);
	r->path = itr_xstrdup(path);
	r->text = itr_map_new();
	r->image = itr_map_new();
	for (char *line = text, *next; line && *line && rc == 0; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		rc = add_line(r, line, ++number, err);
	}
	free(text);
	if (text && rc == 0 && r->list[0].n + r->list[1].n == 0)
		rc = itr_err_set(err, "'%s' holds no lists", path);
	for (int d = 0; d < 2 && rc == 0; d++) {
		if (r->list[d].n)
			qsort(r->list[d].v, r->list[d].n, sizeof *r->list[d].v, by_query);
		rc = check_repeats(r, d, err);
	}
	if (provenance)
		itr_provenance_input(provenance, path);
	if (text && rc == 0)
		return r;
	itr_trec_free(r);
	return NULL;
}

void itr_trec_free(itr_trec_run *r)
{
	if (!r)
		return;
	ITR_VEC_FREE(&r->list[0]);
	ITR_VEC_FREE(&r->list[1]);
	itr_map_free(r->text);
	itr_map_free(r->image);
	free(r->path);
	free(r);
}

static char **keys_of(const itr_map *m)
{
	int64_t n = itr_map_count(m);
	char **ids = itr_xcalloc((size_t)n + 1, sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = itr_xstrdup(itr_map_key(m, i));
	return ids;
}

itr_pairs *itr_trec_pairs(const itr_trec_run *r)
{
	itr_pairs *p = itr_xcalloc(1, sizeof *p);
	p->name = itr_xstrdup(r->path);
	p->n_text = itr_map_count(r->text);
	p->n_image = itr_map_count(r->image);
	p->text_id = keys_of(r->text);
	p->image_id = keys_of(r->image);
	p->has_ids = true;
	p->relevance = itr_xstrdup("none");
	return p;
}

/* Scores as dense ranks, which a float holds exactly: the run's doubles may be closer than floats can tell. */
static bool rank_list(itr_ranks *r, const itr_relevance *rel, const struct entry *e, size_t n, float *score)
{
	float level = 0;
	for (int64_t i = 0; i < rel->gallery; i++)
		score[i] = -(float)n - 1;
	for (size_t i = 0; i < n; i++) {
		level -= i && e[i].score != e[i - 1].score;
		score[e[i].document] = level;
	}
	itr_ranks_query(r, rel, e->query, score, NULL, rel->gallery);
	return (int64_t)n < rel->gallery;
}

void itr_trec_ranks(const itr_trec_run *r, const itr_pairs *p, bool stable, itr_ranks **t2i, itr_ranks **i2t, bool *truncated)
{
	const itr_relevance *rel[] = { p->t2i, p->i2t };
	itr_ranks **out[] = { t2i, i2t };
	*truncated = false;
	for (int d = 0; d < 2; d++) {
		size_t n = r->list[d].n;
		const struct entry *e = r->list[d].v;
		*out[d] = n ? itr_ranks_new(rel[d], stable) : NULL;
		if (!n)
			continue;
		float *score = itr_xmalloc(((size_t)rel[d]->gallery + 1) * sizeof *score);
		for (int64_t q = 0; q < rel[d]->queries; q++)          /* a query without a list was not asked */
			itr_ranks_leave_out(*out[d], q);
		for (size_t i = 0, end; i < n; i = end) {
			for (end = i; end < n && e[end].query == e[i].query;)
				end++;
			*truncated |= rank_list(*out[d], rel[d], e + i, end - i, score);
		}
		free(score);
	}
}
