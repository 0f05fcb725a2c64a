/* Other people's runs: read, and ranked by one of three conventions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "evaluate/trec_internal.h"
#include "evaluate/trec_lines.h"
#include "retrieval/rank.h"

struct entry { int64_t query, document, line; double score; };         /* rows of the run's own maps */

struct itr_trec_run {
	char *path;
	itr_map *text, *image;
	ITR_VEC(struct entry) list[2];  /* by direction, sorted by query, then score downwards */
	int64_t infinite;
};

/* --- reading -------------------------------------------------------------------------------------------------------------------------- */

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

static int add_line(itr_trec_run *r, const itr_trec_lines *l, itr_err *err)
{
	struct entry e = { .line = l->number };
	const char *query = l->column[0];
	double rank;
	int d = 0;
	if (l->n < 5 || l->n > 6)
		return itr_err_set(err, "'%s': line %lld has %d columns: it is not 'QUERY Q0 DOCUMENT RANK SCORE TAG'%s", r->path,
		                   (long long)l->number, l->n, l->n > 6 ? " (does an id or the tag hold a space?)" : "");
	if (itr_trec_number(l, l->column[3], "the rank", &rank, err) < 0 ||
	    itr_trec_number(l, l->column[4], "the score", &e.score, err) < 0)
		return -1;
	if (strncmp(query, "t2i:", 4) == 0 || strncmp(query, "i2t:", 4) == 0) {
		d = query[0] == 'i';
		query += 4;
		if (!query[0])
			return itr_err_set(err, "'%s': line %lld: no id stands behind '%s'", r->path, (long long)l->number, l->column[0]);
	}
	e.query = number_of(d ? r->image : r->text, query);
	e.document = number_of(d ? r->text : r->image, l->column[2]);
	r->infinite += isinf(e.score) != 0;
	ITR_VEC_PUSH(&r->list[d], e);
	return 0;
}

/* One list may name a document once. */
static int check_repeats(const itr_trec_run *r, int d, itr_err *err)
{
	itr_map *documents = d ? r->text : r->image;
	size_t n = r->list[d].n, room = (size_t)itr_map_count(documents) + 1;
	int64_t *last = itr_xmalloc(room * sizeof *last), *line = itr_xcalloc(room, sizeof *line);
	int rc = 0;
	memset(last, 0xff, room * sizeof *last);
	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct entry *e = &r->list[d].v[i];
		if (last[e->document] == e->query)
			rc = itr_err_set(err, "'%s': query '%s' lists document '%s' twice (lines %lld and %lld)", r->path,
			                 itr_map_key(d ? r->image : r->text, e->query), itr_map_key(documents, e->document),
			                 (long long)ITR_MIN(line[e->document], e->line), (long long)ITR_MAX(line[e->document], e->line));
		last[e->document] = e->query;
		line[e->document] = e->line;
	}
	free(last);
	free(line);
	return rc;
}

static int read_lines(itr_trec_run *r, itr_err *err)
{
	itr_trec_lines l;
	int rc = itr_trec_lines_open(&l, r->path, err);
	while (rc == 0 && (rc = itr_trec_lines_read(&l, err)) > 0)
		rc = add_line(r, &l, err);
	if (rc == 0 && r->list[0].n + r->list[1].n == 0)
		rc = itr_err_set(err, "'%s' holds no lists%s", r->path, l.comments ? ", comments only" : "");
	itr_trec_lines_close(&l);
	return rc;
}

itr_trec_run *itr_trec_read_run(const char *path, itr_provenance *provenance, itr_err *err)
{
	itr_trec_run *r = itr_xcalloc(1, sizeof *r);
	r->path = itr_xstrdup(path);
	r->text = itr_map_new();
	r->image = itr_map_new();
	int rc = read_lines(r, err);
	for (int d = 0; d < 2 && rc == 0; d++) {
		if (r->list[d].n)
			qsort(r->list[d].v, r->list[d].n, sizeof *r->list[d].v, by_query);
		rc = check_repeats(r, d, err);
	}
	if (provenance)
		itr_provenance_input(provenance, path);
	if (rc == 0)
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

void itr_trec_table(const itr_trec_run *r, itr_row_table *t)
{
	*t = (itr_row_table){ .name = itr_xstrdup(r->path),
		              .n = { itr_map_count(r->text), itr_map_count(r->image) },
		              .id = { keys_of(r->text), keys_of(r->image) } };
}

/* --- the order of one list ------------------------------------------------------------------------------------------------------------ */

struct place { double score; int64_t document, order; };        /* order: of the document's id, or of the line in the file */

static int by_score_then_id(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->order < y->order) - (x->order > y->order);
}

static int by_order(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	return (x->order > y->order) - (x->order < y->order);
}

static void exchange(struct place *p, int64_t i, int64_t j)
{
	struct place t = p[i];
	p[i] = p[j];
	p[j] = t;
}

static bool before(const struct place *p, int64_t i, int64_t j) { return p[i].score > p[j].score; }

/* One step of numba's quicksort (numba/misc/quicksort.py), which decides how ranx breaks ties: the median of three is the pivot, kept at
 * `high` while the others are parted. */
static int64_t numba_part(struct place *p, int64_t low, int64_t high)
{
	int64_t mid = (low + high) / 2, i = low, j = high - 1;
	if (before(p, mid, low))
		exchange(p, low, mid);
	if (before(p, high, mid))
		exchange(p, high, mid);
	if (before(p, mid, low))
		exchange(p, low, mid);
	exchange(p, high, mid);
	for (;; i++, j--) {
		while (i < high && before(p, i, high))
			i++;
		while (j >= low && before(p, high, j))
			j--;
		if (i >= j)
			break;
		exchange(p, i, j);
	}
	exchange(p, i, high);
	return i;
}

static void numba_sort(struct place *p, int64_t low, int64_t high)
{
	enum { SMALL = 15 };
	while (high - low >= SMALL) {                   /* the smaller part first or last is the same: parts do not meet */
		int64_t i = numba_part(p, low, high);
		if (high - i > i - low) {
			numba_sort(p, low, i - 1);
			low = i + 1;
		} else {
			numba_sort(p, i + 1, high);
			high = i - 1;
		}
	}
	for (int64_t i = low + 1; i <= high; i++)
		for (int64_t j = i; j > low && before(p, j, j - 1); j--)
			exchange(p, j, j - 1);
}

static void order_list(struct place *list, int64_t n, itr_conventions c)
{
	if (c == ITR_CONVENTIONS_TREC_EVAL) {
		for (int64_t i = 0; i < n; i++)
			list[i].score = (double)(float)list[i].score;
		qsort(list, (size_t)n, sizeof *list, by_score_then_id);
	} else {
		qsort(list, (size_t)n, sizeof *list, by_order);
		numba_sort(list, 0, n - 1);
		numba_sort(list, 0, n - 1);             /* a Run sorts when it is made, make_comparable once more */
	}
}

struct named { const char *id; int64_t document; };

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->id, ((const struct named *)b)->id);
}

/* Where each id stands among all, in bytewise order. */
static int64_t *id_order(char *const *ids, int64_t n)
{
	struct named *sorted = itr_xmalloc(((size_t)n + 1) * sizeof *sorted);
	int64_t *order = itr_xmalloc(((size_t)n + 1) * sizeof *order);
	for (int64_t i = 0; i < n; i++)
		sorted[i] = (struct named){ ids[i], i };
	if (n > 1)
		qsort(sorted, (size_t)n, sizeof *sorted, by_id);
	for (int64_t i = 0; i < n; i++)
		order[sorted[i].document] = i;
	free(sorted);
	return order;
}

/* --- lists become ranks --------------------------------------------------------------------------------------------------------------- */

/* One direction. Positives that have a rank are collected first, in the queries' order; the ranks are sized by them. */
struct ranking {
	const itr_relevance *rel;
	const itr_relevance_rules *rules;
	int64_t *order;                 /* of document ids; NULL with ranx */
	bool *listed;                   /* [queries] */
	struct place *list;             /* [gallery]: scratch */
	ITR_VEC(int64_t) query, row, above;
};

static void ranking_init(struct ranking *k, const itr_relevance *rel, const itr_relevance_rules *rules, char *const *document_ids)
{
	*k = (struct ranking){ .rel = rel, .rules = rules };
	k->listed = itr_xcalloc((size_t)rel->queries + 1, sizeof *k->listed);
	k->list = itr_xmalloc(((size_t)rel->gallery + 1) * sizeof *k->list);
	k->order = rules->conventions == ITR_CONVENTIONS_TREC_EVAL ? id_order(document_ids, rel->gallery) : NULL;
}

/* k->list holds query q's n documents: its positives get their places. */
static void take_list(struct ranking *k, int64_t q, int64_t n)
{
	if (!itr_relevance_counts(k->rel, q, k->rules, true))
		return;
	order_list(k->list, n, k->rules->conventions);
	for (int64_t i = 0; i < n; i++)
		if (itr_relevance_has(k->rel, q, k->list[i].document)) {
			ITR_VEC_PUSH(&k->query, q);
			ITR_VEC_PUSH(&k->row, k->list[i].document);
			ITR_VEC_PUSH(&k->above, i);
		}
}

/* Ranks whose entries are the collected positives; counts are left. Queries that do not count are left out. */
static itr_ranks *collected_ranks(struct ranking *k, bool stable)
{
	const itr_relevance *rel = k->rel;
	itr_relevance *found = itr_relevance_from_pairs(rel->queries, rel->gallery, k->query.v, k->row.v, (int64_t)k->query.n);
	itr_ranks *r = itr_ranks_new(found, stable);
	for (int64_t q = 0; q < rel->queries; q++) {
		r->pool[q] = itr_relevance_counts(rel, q, k->rules, k->listed[q]) ? rel->gallery : 0;
		r->answers[q] = itr_relevance_count(rel, q);
		r->relevant[q] = itr_relevance_all(rel, q);
	}
	r->listed = k->listed;
	k->listed = NULL;
	itr_relevance_free(found);
	return r;
}

static itr_ranks *strict_ranks(struct ranking *k)
{
	itr_ranks *r = collected_ranks(k, false);
	for (size_t e = 0; e < k->query.n; e++) {       /* by query, then rank: the order of the entries */
		r->row[e] = k->row.v[e];
		r->score[e] = -(float)k->above.v[e];
		r->above[e] = k->above.v[e];
		r->equal[e] = 1;
	}
	return r;
}

static void ranking_free(struct ranking *k)
{
	free(k->order);
	free(k->listed);
	free(k->list);
	ITR_VEC_FREE(&k->query);
	ITR_VEC_FREE(&k->row);
	ITR_VEC_FREE(&k->above);
}

static bool found_nothing(const itr_ranks *r)
{
	for (int64_t q = 0; q < r->queries; q++)
		if (r->pool[q] && r->offset[q] == r->offset[q + 1])
			return true;
	return false;
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
	itr_rank_scores(&r, &(itr_candidates){ .n = rel->gallery }, 1, rel, NULL, e->query, score, NULL);
	return (int64_t)n < rel->gallery;
}

/* All positives of the queries that have a list get a rank: what a list lacks ties behind it. */
static itr_ranks *tied_ranks(struct ranking *k, const struct entry *e, size_t n, bool stable, bool *truncated)
{
	const itr_relevance *rel = k->rel;
	float *score = itr_xmalloc(((size_t)rel->gallery + 1) * sizeof *score);
	for (int64_t q = 0; q < rel->queries; q++)
		for (int64_t i = rel->offset[q]; i < rel->offset[q + 1] && k->listed[q]; i++) {
			ITR_VEC_PUSH(&k->query, q);
			ITR_VEC_PUSH(&k->row, rel->row[i]);
		}
	itr_relevance *listed = itr_relevance_from_pairs(rel->queries, rel->gallery, k->query.v, k->row.v, (int64_t)k->query.n);
	itr_ranks *r = collected_ranks(k, stable);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && e[end].query == e[i].query;)
			end++;
		if (r->pool[e[i].query])
			*truncated |= rank_list(r, listed, e + i, end - i, score);
	}
	itr_relevance_free(listed);
	free(score);
	return r;
}

void itr_trec_rank(const itr_trec_run *r, const itr_row_table *t, const itr_qrels *q, const itr_relevance_rules *rules, bool stable,
                   itr_trec_ranks *out)
{
	const bool tied = rules->conventions == ITR_CONVENTIONS_ITR;
	*out = (itr_trec_ranks){ .infinite = r->infinite };
	for (int d = 0; d < 2; d++) {
		const struct entry *e = r->list[d].v;
		size_t n = r->list[d].n;
		struct ranking k;
		if (!n)
			continue;
		ranking_init(&k, q->relevant[d], rules, t->id[!d]);
		for (size_t i = 0; i < n; i++)
			k.listed[e[i].query] = true;
		for (size_t i = 0, end; i < n && !tied; i = end) {
			for (end = i; end < n && e[end].query == e[i].query; end++)
				k.list[end - i] =
					(struct place){ e[end].score, e[end].document, k.order ? k.order[e[end].document] : e[end].line };
			take_list(&k, e[i].query, (int64_t)(end - i));
		}
		out->side[d] = tied ? tied_ranks(&k, e, n, stable, &out->truncated) : strict_ranks(&k);
		out->truncated |= found_nothing(out->side[d]);
		ranking_free(&k);
	}
}

static void take_hits(void *ctx, int64_t query, const itr_trec_hit *hit, int64_t n)
{
	struct ranking *k = ctx;
	k->listed[query] = true;
	for (int64_t i = 0; i < n; i++)
		k->list[i] = (struct place){ (double)hit[i].score, hit[i].row, k->order ? k->order[hit[i].row] : i };
	take_list(k, query, n);
}

void itr_trec_rank_vectors(const itr_embeddings *e, const itr_qrels *q, const itr_relevance_rules *rules, int threads, itr_trec_ranks *out)
{
	*out = (itr_trec_ranks){ .truncated = false };
	for (int d = 0; d < 2; d++) {
		struct ranking k;
		ranking_init(&k, q->relevant[d], rules, e->table.id[!d]);
		itr_trec_each_list(e, (itr_modality)d, INT64_MAX, threads, take_hits, &k);
		out->side[d] = strict_ranks(&k);
		out->truncated |= found_nothing(out->side[d]);
		ranking_free(&k);
	}
}
