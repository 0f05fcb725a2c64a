#include "retrieval/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SORTED_MAX = 64 };       /* up to here insertion into a sorted list costs less than collecting and cutting back */

static inline bool better(const itr_hit *a, const itr_hit *b)
{
	return a->score > b->score || (a->score == b->score && a->row < b->row);
}

static int compare(const void *a, const void *b)
{
	const itr_hit *x = a, *y = b;
	return better(x, y) ? -1 : better(y, x) ? 1 : 0;
}

void itr_hits_sort(itr_hit *h, int64_t n)
{
	if (n > 1)
		qsort(h, (size_t)n, sizeof *h, compare);
}

/* Hoare's selection: the k best come first, in any order. The order is total (rows differ), so the outcome is unique. */
void itr_hits_cut(itr_hit *h, int64_t n, int64_t k)
{
	int64_t lo = 0, hi = n - 1;
	while (lo < hi) {
		itr_hit pivot = h[lo + (hi - lo) / 2];
		int64_t i = lo, j = hi;
		while (i <= j) {
			while (better(&h[i], &pivot))
				i++;
			while (better(&pivot, &h[j]))
				j--;
			if (i <= j) {
				itr_hit t = h[i];
				h[i++] = h[j];
				h[j--] = t;
			}
		}
		if (k - 1 <= j)
			hi = j;
		else if (k - 1 >= i)
			lo = i;
		else
			break;
	}
}

int64_t itr_hits_best(itr_hit *h, int64_t n, int64_t k)
{
	if (n > k)
		itr_hits_cut(h, n, k);
	itr_hits_sort(h, ITR_MIN(n, k));
	return ITR_MIN(n, k);
}

int64_t itr_select_cap(int64_t k) { return k <= SORTED_MAX ? k : 2 * k + 64; }

void itr_select_init(itr_select *s, int64_t k, itr_hit *hits)
{
	*s = (itr_select){ .limit = -INFINITY, .k = k, .cap = itr_select_cap(k), .hits = hits };
}

static void shrink(itr_select *s)
{
	if (s->n <= s->k)
		return;
	itr_hits_cut(s->hits, s->n, s->k);
	s->n = s->k;
	s->limit = s->hits[0].score;
	for (int64_t i = 1; i < s->k; i++)
		s->limit = s->hits[i].score < s->limit ? s->hits[i].score : s->limit;
}

void itr_select_add(itr_select *s, float score, int64_t row)
{
	if (s->k > SORTED_MAX) {
		s->hits[s->n++] = (itr_hit){ row, score };
		if (s->n == s->cap)
			shrink(s);
		return;
	}
	int64_t i = s->n < s->k ? s->n++ : s->k - 1;
	for (; i > 0 && s->hits[i - 1].score < score; i--)
		s->hits[i] = s->hits[i - 1];
	s->hits[i] = (itr_hit){ row, score };
	if (s->n == s->k)
		s->limit = s->hits[s->k - 1].score;
}

void itr_select_trim(itr_select *s)
{
	if (s->k > SORTED_MAX)
		shrink(s);
	s->n = ITR_MIN(s->n, s->k);
}

void itr_select_finish(itr_select *s)
{
	itr_select_trim(s);
	itr_hits_sort(s->hits, s->n);
}
