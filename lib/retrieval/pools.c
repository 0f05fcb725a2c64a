#include "retrieval/pools.h"

#include <stdlib.h>

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

void itr_pools_free(itr_pools *p)
{
	if (!p)
		return;
	free(p->drawn);
	free(p);
}
