#include "retrieval/relevance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

const char *const itr_conventions_names[] = { "itr", "trec_eval", "ranx", NULL };
const char *const itr_gain_names[] = { "linear", "exponential", NULL };

double itr_gain_of(itr_gain gain, double grade)
{
	return grade <= 0 ? 0 : gain == ITR_GAIN_LINEAR ? grade : exp2(grade) - 1;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Lists sorted, repeats dropped, offsets closed up. */
static void finish(itr_relevance *r)
{
	int64_t out = 0, begin = 0;
	for (int64_t q = 0; q < r->queries; q++) {
		int64_t end = r->offset[q + 1], first = out;
		qsort(r->row + begin, (size_t)(end - begin), sizeof *r->row, by_value);
		for (int64_t i = begin; i < end; i++)
			if (out == first || r->row[out - 1] != r->row[i])
				r->row[out++] = r->row[i];
		begin = end;
		r->offset[q + 1] = out;
	}
}

itr_relevance *itr_relevance_from_pairs(int64_t queries, int64_t gallery, const int64_t *query, const int64_t *row, int64_t pairs)
{
	itr_relevance *r = itr_xcalloc(1, sizeof *r);
	r->queries = queries;
	r->gallery = gallery;
	r->offset = itr_xcalloc((size_t)queries + 2, sizeof *r->offset);
	r->row = itr_xcalloc((size_t)pairs + 1, sizeof *r->row);
	r->outside = itr_xcalloc((size_t)queries + 1, sizeof *r->outside);
	for (int64_t i = 0; i < pairs; i++) {
		if (query[i] < 0 || row[i] < 0)
			continue;
		if (query[i] >= queries || row[i] >= gallery)
			ITR_BUG("relevance pair %lld: query %lld of %lld, row %lld of %lld", (long long)i, (long long)query[i],
			        (long long)queries, (long long)row[i], (long long)gallery);
		r->offset[query[i] + 2]++;
	}
	for (int64_t q = 0; q < queries; q++)         /* offset[q + 1] = where q's list begins; it moves to its end while filling */
		r->offset[q + 1] += r->offset[q];
	for (int64_t i = 0; i < pairs; i++)
		if (query[i] >= 0 && row[i] >= 0)
			r->row[r->offset[query[i] + 1]++] = row[i];
	finish(r);
	return r;
}

itr_relevance *itr_relevance_from_map(int64_t queries, int64_t gallery, const int64_t *row)
{
	int64_t *query = itr_xmalloc(((size_t)queries + 1) * sizeof *query);
	for (int64_t q = 0; q < queries; q++)
		query[q] = q;
	itr_relevance *r = itr_relevance_from_pairs(queries, gallery, query, row, queries);
	free(query);
	return r;
}

static int best_first(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x < y) - (x > y);
}

/* R grades of every query, best first. */
static void make_ideal(itr_relevance *r, const int64_t *outside_query, const double *outside_grade, int64_t outside)
{
	r->ideal_at = itr_xcalloc((size_t)r->queries + 2, sizeof *r->ideal_at);
	r->ideal = itr_xcalloc((size_t)(itr_relevance_pairs(r) + outside) + 1, sizeof *r->ideal);
	for (int64_t i = 0; i < outside; i++)
		r->ideal_at[outside_query[i] + 2]++;
	for (int64_t q = 0; q < r->queries; q++)         /* ideal_at[q + 1] = where q's list begins; it moves to its end while filling */
		r->ideal_at[q + 2] += itr_relevance_count(r, q) + r->ideal_at[q + 1];
	for (int64_t q = 0; q < r->queries; q++)
		for (int64_t i = r->offset[q]; i < r->offset[q + 1]; i++)
			r->ideal[r->ideal_at[q + 1]++] = r->grade[i];
	for (int64_t i = 0; i < outside; i++)
		r->ideal[r->ideal_at[outside_query[i] + 1]++] = outside_grade[i];
	for (int64_t q = 0; q < r->queries; q++)
		qsort(r->ideal + r->ideal_at[q], (size_t)(r->ideal_at[q + 1] - r->ideal_at[q]), sizeof *r->ideal, best_first);
}

void itr_relevance_grade(itr_relevance *r, const int64_t *query, const int64_t *row, const double *grade, int64_t pairs,
                         const int64_t *outside_query, const double *outside_grade, int64_t outside)
{
	bool graded = false;
	for (int64_t i = 0; i < pairs; i++)
		graded |= grade[i] != 1;
	for (int64_t i = 0; i < outside; i++)
		graded |= outside_grade[i] != 1;
	if (!graded)
		return;
	r->grade = itr_xcalloc((size_t)itr_relevance_pairs(r) + 1, sizeof *r->grade);
	for (int64_t i = pairs - 1; i >= 0; i--)         /* backwards, so that the first stays */
		r->grade[itr_relevance_find(r, query[i], row[i])] = grade[i];
	make_ideal(r, outside_query, outside_grade, outside);
}

itr_relevance *itr_relevance_invert(const itr_relevance *r)
{
	int64_t pairs = itr_relevance_pairs(r);
	int64_t *query = itr_xmalloc(((size_t)pairs + 1) * sizeof *query);
	for (int64_t q = 0; q < r->queries; q++)
		for (int64_t i = r->offset[q]; i < r->offset[q + 1]; i++)
			query[i] = q;
	itr_relevance *inverse = itr_relevance_from_pairs(r->gallery, r->queries, r->row, query, pairs);
	inverse->gain = r->gain;
	if (r->grade)
		itr_relevance_grade(inverse, r->row, query, r->grade, pairs, NULL, NULL, 0);
	free(query);
	return inverse;
}

void itr_relevance_free(itr_relevance *r)
{
	if (!r)
		return;
	free(r->offset);
	free(r->row);
	free(r->outside);
	free(r->grade);
	free(r->ideal_at);
	free(r->ideal);
	free(r->named);
	free(r);
}

/* Takes `grade`, which is there, out of x[n]. */
static void take_out(double *x, int64_t n, double grade)
{
	int64_t i = 0;
	while (i < n && x[i] != grade)
		i++;
	if (i < n)
		memmove(x + i, x + i + 1, (size_t)(n - i - 1) * sizeof *x);
}

int64_t itr_relevance_remove(itr_relevance *r, const itr_relevance *pairs)
{
	int64_t out = 0, begin = 0, ideal = 0, ideal_begin = 0, removed = 0;
	for (int64_t q = 0; q < r->queries; q++) {
		const int64_t end = r->offset[q + 1], n = r->grade ? r->ideal_at[q + 1] - ideal_begin : 0;
		int64_t left = n;
		if (n)
			memmove(r->ideal + ideal, r->ideal + ideal_begin, (size_t)n * sizeof *r->ideal);
		for (int64_t i = begin; i < end; i++) {
			if (itr_relevance_has(pairs, q, r->row[i])) {
				if (r->grade)
					take_out(r->ideal + ideal, left--, r->grade[i]);
				removed++;
				continue;
			}
			if (r->grade)
				r->grade[out] = r->grade[i];
			r->row[out++] = r->row[i];
		}
		begin = end;
		r->offset[q + 1] = out;
		if (!r->grade)
			continue;
		ideal_begin += n;
		ideal += left;
		r->ideal_at[q + 1] = ideal;
	}
	return removed;
}

int64_t itr_relevance_pairs(const itr_relevance *r)
{
	return r->offset[r->queries];
}

int64_t itr_relevance_count(const itr_relevance *r, int64_t q)
{
	return r->offset[q + 1] - r->offset[q];
}

int64_t itr_relevance_find(const itr_relevance *r, int64_t q, int64_t row)
{
	const int64_t *at = bsearch(&row, r->row + r->offset[q], (size_t)itr_relevance_count(r, q), sizeof row, by_value);
	return at ? at - r->row : -1;
}

int64_t itr_relevance_all(const itr_relevance *r, int64_t q)
{
	return itr_relevance_count(r, q) + r->outside[q];
}

bool itr_relevance_names(const itr_relevance *r, int64_t q)
{
	return r->named ? r->named[q] : itr_relevance_all(r, q) > 0;
}

bool itr_relevance_counts(const itr_relevance *r, int64_t q, const itr_relevance_rules *rules, bool listed)
{
	if (!itr_relevance_names(r, q) || (!listed && rules->skip_missing))
		return false;
	if (rules->conventions != ITR_CONVENTIONS_ITR)          /* named, without a positive: 0 */
		return true;
	return listed ? itr_relevance_count(r, q) > 0 : itr_relevance_all(r, q) > 0;
}

bool itr_relevance_has(const itr_relevance *r, int64_t q, int64_t row)
{
	return itr_relevance_find(r, q, row) >= 0;
}
