#include "retrieval/pools.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

struct itr_pools {
	const itr_relevance *rel;
	int64_t size, next;
	itr_rng rng;
	int64_t *drawn;
};

itr_pools *itr_pools_begin(const itr_relevance *rel, int64_t size, uint64_t seed, int direction)
{
	itr_pools *p = itr_xcalloc(1, sizeof *p);
	p->rel = rel;
	p->size = size;
	itr_rng_init(&p->rng, (uint64_t[]){ seed, (uint64_t)direction, (uint64_t)size }, 3);
	p->drawn = itr_xmalloc(((size_t)itr_pools_width(p) + 1) * sizeof *p->drawn);
	return p;
}

int64_t itr_pools_width(const itr_pools *p)
{
	return ITR_MIN(p->size, p->rel->gallery);
}

/* The k-th row that is no positive: np.delete(np.arange(gallery), positives)[k]. Positives are sorted and few. */
static int64_t kth_negative(const int64_t *positive, int64_t n, int64_t k)
{
	int64_t low = 0, high = n;
	while (low < high) {                       /* positives p with p - (positives before it) <= k stand before the k-th negative */
		int64_t mid = low + (high - low) / 2;
		if (positive[mid] - mid <= k)
			low = mid + 1;
		else
			high = mid;
	}
	return k + low;
}

int64_t itr_pools_next(itr_pools *p, int32_t *out)
{
	const itr_relevance *rel = p->rel;
	int64_t q = p->next++, n = itr_relevance_count(rel, q), width = itr_pools_width(p), gallery = rel->gallery;
	const int64_t *positive = rel->row + rel->offset[q];
	if (n == 0 || n > width)
		return 0;
	for (int64_t i = 0; i < n; i++)
		out[i] = (int32_t)positive[i];
	if (p->size >= gallery)
		for (int64_t i = 0; i < width - n; i++)
			p->drawn[i] = i;
	else
		itr_rng_choice(&p->rng, gallery - n, p->size - n, p->drawn);
	if (n == 1)
		for (int64_t i = 0; i < width - 1; i++)
			out[1 + i] = (int32_t)(p->drawn[i] + (p->drawn[i] >= positive[0]));
	for (int64_t i = 0; i < width - n && n > 1; i++)
		out[n + i] = (int32_t)kth_negative(positive, n, p->drawn[i]);
	return width;
}

/* Puts a set bit at position `at`; what is there and above moves up by one. */
static void insert_bit(uint64_t *bits, int64_t words, int64_t at)
{
	int64_t w = at / 64;
	uint64_t below = (UINT64_C(1) << at % 64) - 1;
	for (int64_t i = words - 1; i > w; i--)
		bits[i] = bits[i] << 1 | bits[i - 1] >> 63;
	bits[w] = (bits[w] & below) | (bits[w] & ~below) << 1 | UINT64_C(1) << at % 64;
}

int64_t itr_pools_next_bits(itr_pools *p, uint64_t *bits)
{
	const itr_relevance *rel = p->rel;
	int64_t q = p->next++, n = itr_relevance_count(rel, q), width = itr_pools_width(p), gallery = rel->gallery,
		words = (gallery + 63) / 64;
	const int64_t *positive = rel->row + rel->offset[q];
	if (n == 0 || n > width)
		return 0;
	if (p->size >= gallery) {
		memset(bits, 0xff, (size_t)words * sizeof *bits);
		if (gallery % 64)
			bits[words - 1] = (UINT64_C(1) << gallery % 64) - 1;
		return width;
	}
	bits[words - 1] = 0;                       /* the draw fills no more words than the negatives need */
	itr_rng_choice_bits(&p->rng, gallery - n, p->size - n, bits);
	for (int64_t i = 0; i < n; i++)            /* ascending: each moves to its place among the rows before it */
		insert_bit(bits, words, positive[i]);
	return width;
}

int64_t itr_pools_rows(const itr_relevance *rel, int64_t q, const uint64_t *bits, int32_t *out)
{
	int64_t n = itr_relevance_count(rel, q), at = n;
	const int64_t *positive = rel->row + rel->offset[q];
	for (int64_t i = 0; i < n; i++)
		out[i] = (int32_t)positive[i];
	for (int64_t w = 0, next = 0; w < (rel->gallery + 63) / 64; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			int64_t row = w * 64 + __builtin_ctzll(left);
			if (next < n && row == positive[next])
				next++;
			else
				out[at++] = (int32_t)row;
		}
	return at;
}

void itr_pools_free(itr_pools *p)
{
	if (!p)
		return;
	free(p->drawn);
	free(p);
}
