/* uniform: every row once, in the order default_rng([seed, epoch]).permutation. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/internal.h"

static void order(const itr_trainer *r, int64_t epoch, int64_t *rows, int64_t n)
{
	itr_rng g;
	int64_t *place = itr_xmalloc((size_t)n * sizeof *place);
	itr_rng_init(&g, (uint64_t[]){ r->opts->seed, (uint64_t)epoch }, 2);
	itr_rng_permutation(&g, n, place);
	for (int64_t i = 0; i < n; i++)
		place[i] = rows[place[i]];
	memcpy(rows, place, (size_t)n * sizeof *rows);
	free(place);
}

const itr_sampler itr_sampler_uniform = { "uniform", "every row once, shuffled", order };
