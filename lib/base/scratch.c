#include "base/scratch.h"

#include <pthread.h>

#include "base/mem.h"

enum { SLOTS = 16, HEADER = 64 };
static const size_t KEEP = (size_t)256 << 20;   /* larger blocks are freed at once */

/* The size is stored in front of the block. This cache is global, but no result depends on it. */
struct header { size_t bytes; };
static struct header *pool[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *itr_scratch_take(size_t bytes)
{
	struct header *best = NULL;
	int slot = -1;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < SLOTS; i++)
		if (pool[i] && pool[i]->bytes >= bytes && (!best || pool[i]->bytes < best->bytes)) {
			best = pool[i];
			slot = i;
		}
	if (slot >= 0)
		pool[slot] = NULL;
	pthread_mutex_unlock(&lock);
	if (!best) {
		best = itr_aligned_alloc(bytes + HEADER);
		best->bytes = bytes;
	}
	return (char *)best + HEADER;
}

void itr_scratch_give(void *p)
{
	if (!p)
		return;
	struct header *h = (struct header *)((char *)p - HEADER);
	int slot = -1;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < SLOTS && h->bytes <= KEEP; i++) {
		if (!pool[i]) {
			slot = i;
			break;
		}
		if (pool[i]->bytes < h->bytes && (slot < 0 || pool[i]->bytes < pool[slot]->bytes))
			slot = i;                        /* full: replaces the smallest block if this one is larger */
	}
	if (slot >= 0) {
		struct header *out = pool[slot];
		pool[slot] = h;
		h = out;
	}
	pthread_mutex_unlock(&lock);
	itr_aligned_free(h);
}

void itr_scratch_release(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < SLOTS; i++) {
		itr_aligned_free(pool[i]);
		pool[i] = NULL;
	}
	pthread_mutex_unlock(&lock);
}
