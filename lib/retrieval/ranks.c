#include "retrieval/ranks.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

itr_ranks *itr_ranks_new(const itr_relevance *rel, bool stable)
{
	size_t pairs = (size_t)itr_relevance_pairs(rel) + 1, queries = (size_t)rel->queries;
	itr_ranks *r = itr_xcalloc(1, sizeof *r);
	r->queries = rel->queries;
	r->gallery = rel->gallery;
	r->offset = itr_xmalloc((queries + 1) * sizeof *r->offset);
	memcpy(r->offset, rel->offset, (queries + 1) * sizeof *r->offset);
	r->row = itr_xmalloc(pairs * sizeof *r->row);
	memcpy(r->row, rel->row, (pairs - 1) * sizeof *r->row);
	r->score = itr_xcalloc(pairs, sizeof *r->score);
	r->above = itr_xcalloc(pairs, sizeof *r->above);
	r->equal = itr_xcalloc(pairs, sizeof *r->equal);
	r->before = stable ? itr_xcalloc(pairs, sizeof *r->before) : NULL;
	r->pool = itr_xcalloc(queries + 1, sizeof *r->pool);
	r->relevant = itr_xcalloc(queries + 1, sizeof *r->relevant);
	r->answers = itr_xcalloc(queries + 1, sizeof *r->answers);
	for (int64_t q = 0; q < rel->queries; q++) {
		int64_t n = itr_relevance_count(rel, q);
		r->pool[q] = n ? rel->gallery : 0;
		r->relevant[q] = n + rel->outside[q];
		r->answers[q] = n;
	}
	return r;
}

void itr_ranks_free(itr_ranks *r)
{
	if (!r)
		return;
	free(r->offset);
	free(r->row);
	free(r->score);
	free(r->above);
	free(r->equal);
	free(r->before);
	free(r->pool);
	free(r->relevant);
	free(r->answers);
	free(r->listed);
	free(r->gain);
	free(r->answers_gain);
	free(r->ideal_at);
	free(r->ideal);
	free(r);
}

itr_ranks *itr_ranks_nothing(const itr_relevance *rel)
{
	itr_relevance *empty = itr_relevance_from_pairs(rel->queries, rel->gallery, NULL, NULL, 0);
	itr_ranks *r = itr_ranks_new(empty, false);
	for (int64_t q = 0; q < rel->queries; q++) {
		r->pool[q] = rel->gallery;
		r->answers[q] = itr_relevance_count(rel, q);
		r->relevant[q] = r->answers[q] + rel->outside[q];
	}
	itr_relevance_free(empty);
	return r;
}

void itr_ranks_grade(itr_ranks *r, const itr_relevance *rel)
{
	if (!rel->grade)
		return;
	size_t queries = (size_t)r->queries, all = (size_t)rel->ideal_at[rel->queries];
	r->gain = itr_xcalloc((size_t)r->offset[queries] + 1, sizeof *r->gain);
	r->answers_gain = itr_xcalloc(queries + 1, sizeof *r->answers_gain);
	r->ideal_at = itr_xmalloc((queries + 1) * sizeof *r->ideal_at);
	memcpy(r->ideal_at, rel->ideal_at, (queries + 1) * sizeof *r->ideal_at);
	r->ideal = itr_xcalloc(all + 1, sizeof *r->ideal);
	for (size_t i = 0; i < all; i++)
		r->ideal[i] = itr_gain_of(rel->gain, rel->ideal[i]);
	for (int64_t q = 0; q < r->queries; q++) {
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++)
			r->gain[e] = itr_gain_of(rel->gain, rel->grade[itr_relevance_find(rel, q, r->row[e])]);
		for (int64_t i = rel->offset[q]; i < rel->offset[q + 1]; i++)
			r->answers_gain[q] += itr_gain_of(rel->gain, rel->grade[i]);
	}
}

/* --- order of entries -------------------------------------------------------------------------------------------------------------- */

struct scored { float score; int64_t row; };

static int best_first(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

void itr_ranks_sort(itr_ranks *r, int64_t q)
{
	int64_t first = r->offset[q], n = r->offset[q + 1] - first;
	struct scored few[32], *s = n <= ITR_LEN(few) ? few : itr_xmalloc((size_t)n * sizeof *s);
	for (int64_t i = 0; i < n; i++)
		s[i] = (struct scored){ r->score[first + i], r->row[first + i] };
	if (n > 1)
		qsort(s, (size_t)n, sizeof *s, best_first);
	for (int64_t i = 0; i < n; i++) {
		r->score[first + i] = s[i].score;
		r->row[first + i] = s[i].row;
	}
	if (s != few)
		free(s);
}
