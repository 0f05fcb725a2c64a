#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { LINE = 64 };
/* each new block is as large as all before together, within these limits: a small network has a small pool, a large one has few blocks */
static const size_t SMALLEST = (size_t)4 << 20, LARGEST = (size_t)256 << 20;

struct block {
	char *data;
	size_t bytes, top;              /* top: the largest end of any array so far */
};

struct hole {
	int block;
	size_t at, bytes;
};

struct itr_pool {
	struct block *blocks;
	struct hole *holes;             /* free ranges, sorted by block and offset */
	int n_blocks, n_holes, cap_holes;
	size_t held;
};

itr_pool *itr_pool_new(void) { return itr_xcalloc(1, sizeof(itr_pool)); }

void itr_pool_trim(itr_pool *p)
{
	for (int i = 0; i < p->n_blocks; i++)
		itr_aligned_free(p->blocks[i].data);
	p->n_blocks = p->n_holes = 0;
	p->held = 0;
}

void itr_pool_free(itr_pool *p)
{
	if (!p)
		return;
	itr_pool_trim(p);
	free(p->blocks);
	free(p->holes);
	free(p);
}

static size_t rounded(size_t bytes) { return (ITR_MAX(bytes, (size_t)1) + LINE - 1) & ~(size_t)(LINE - 1); }

static void insert(itr_pool *p, int i, struct hole h)
{
	if (p->n_holes == p->cap_holes)
		p->holes = itr_xrealloc(p->holes, (size_t)(p->cap_holes = p->cap_holes * 2 + 16) * sizeof *p->holes);
	memmove(p->holes + i + 1, p->holes + i, (size_t)(p->n_holes++ - i) * sizeof *p->holes);
	p->holes[i] = h;
}

static void erase(itr_pool *p, int i) { memmove(p->holes + i, p->holes + i + 1, (size_t)(--p->n_holes - i) * sizeof *p->holes); }

void itr_pool_reset(itr_pool *p)
{
	p->n_holes = 0;
	for (int i = 0; i < p->n_blocks; i++)
		insert(p, i, (struct hole){ i, 0, p->blocks[i].bytes });
}

static int new_block(itr_pool *p, size_t bytes)
{
	const size_t want = ITR_MAX(bytes, ITR_MIN(ITR_MAX(p->held, SMALLEST), LARGEST));
	p->blocks = itr_xrealloc(p->blocks, (size_t)(p->n_blocks + 1) * sizeof *p->blocks);
	p->blocks[p->n_blocks] = (struct block){ itr_aligned_alloc(want), want, 0 };
	p->held += want;
	insert(p, p->n_holes, (struct hole){ p->n_blocks++, 0, want });
	return p->n_holes - 1;
}

void *itr_pool_take(itr_pool *p, size_t bytes)
{
	int best = -1;
	bytes = rounded(bytes);
	for (int i = 0; i < p->n_holes; i++)
		if (p->holes[i].bytes >= bytes && (best < 0 || p->holes[i].bytes < p->holes[best].bytes))
			best = i;
	if (best < 0)
		best = new_block(p, bytes);
	struct hole *h = &p->holes[best];
	struct block *b = &p->blocks[h->block];
	char *memory = b->data + h->at;
	h->at += bytes;
	h->bytes -= bytes;
	b->top = ITR_MAX(b->top, h->at);
	if (h->bytes == 0)
		erase(p, best);
	return memory;
}

void itr_pool_give(itr_pool *p, void *memory, size_t bytes)
{
	int b = 0, i = 0;
	while (b < p->n_blocks && !((char *)memory >= p->blocks[b].data && (char *)memory < p->blocks[b].data + p->blocks[b].bytes))
		b++;
	if (b == p->n_blocks)
		ITR_BUG("itr_pool_give: memory that is not the pool's");
	struct hole h = { b, (size_t)((char *)memory - p->blocks[b].data), rounded(bytes) };
	while (i < p->n_holes && (p->holes[i].block < b || (p->holes[i].block == b && p->holes[i].at < h.at)))
		i++;
	const bool before = i > 0 && p->holes[i - 1].block == b && p->holes[i - 1].at + p->holes[i - 1].bytes == h.at,
		   after = i < p->n_holes && p->holes[i].block == b && h.at + h.bytes == p->holes[i].at;
	if ((i > 0 && p->holes[i - 1].block == b && p->holes[i - 1].at + p->holes[i - 1].bytes > h.at) ||
	    (i < p->n_holes && p->holes[i].block == b && p->holes[i].at < h.at + h.bytes))
		ITR_BUG("itr_pool_give: memory that was given back already");
	if (before) {
		p->holes[i - 1].bytes += h.bytes + (after ? p->holes[i].bytes : 0);
		if (after)
			erase(p, i);
	} else if (after) {
		p->holes[i].at = h.at;
		p->holes[i].bytes += h.bytes;
	} else {
		insert(p, i, h);
	}
}

size_t itr_pool_bytes(const itr_pool *p)
{
	size_t sum = 0;
	for (int i = 0; i < p->n_blocks; i++)
		sum += p->blocks[i].top;
	return sum;
}
