#include "model/pooling.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

const char *const itr_pooling_names[] = { "default", "cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", NULL };

int itr_pooling_count(itr_pooling p)
{
	int n = 0;
	for (; p; p >>= ITR_POOL_BITS)
		n++;
	return n;
}

itr_pooling itr_pooling_add(itr_pooling p, itr_pooling_way way) { return p | (itr_pooling)way << ITR_POOL_BITS * itr_pooling_count(p); }

static itr_pooling_way way_of(itr_pooling p, int i) { return (itr_pooling_way)(p >> ITR_POOL_BITS * i & ((1 << ITR_POOL_BITS) - 1)); }

int itr_pooling_parse(const char *text, itr_pooling *p, itr_err *err)
{
	*p = ITR_POOL_DEFAULT;
	for (const char *at = text;; at++) {
		const size_t n = strcspn(at, "+");
		int way = 1;
		while (way < ITR_POOL_COUNT && (strlen(itr_pooling_names[way]) != n || memcmp(itr_pooling_names[way], at, n)))
			way++;
		if (way == ITR_POOL_COUNT)
			return itr_err_set(err,
			                   "no way of pooling is called '%.*s': there are cls, mean, max, mean_sqrt_len_tokens, "
			                   "weightedmean, lasttoken, and several joined by '+'",
			                   (int)ITR_MIN(n, 60), at);
		if (itr_pooling_count(*p) == ITR_POOL_MOST)
			return itr_err_set(err, "'%.100s' joins more than %d ways of pooling", text, ITR_POOL_MOST);
		*p = itr_pooling_add(*p, (itr_pooling_way)way);
		at += n;
		if (!*at)
			return 0;
	}
}

void itr_pooling_print(itr_pooling p, itr_buf *b)
{
	if (!p)
		itr_buf_puts(b, itr_pooling_names[ITR_POOL_DEFAULT]);
	for (int i = 0; i < itr_pooling_count(p); i++)
		itr_buf_printf(b, "%s%s", i ? "+" : "", itr_pooling_names[way_of(p, i)]);
}

/* Row start[s] + place of each sequence; place < 0: its last row. */
static itr_var *one_row(itr_tape *t, itr_var *x, const int64_t *start, int64_t n, int64_t place)
{
	int64_t *rows = itr_xmalloc((size_t)(n + 1) * sizeof *rows);
	for (int64_t s = 0; s < n; s++)
		rows[s] = place < 0 ? start[s + 1] - 1 : start[s] + (place < start[s + 1] - start[s] ? place : 0);
	itr_var *y = itr_gather(t, x, rows, n);
	free(rows);
	return y;
}

/* x without the first `skip` rows of each sequence; *rest (n + 1), free(): where they begin then. */
static itr_var *without_prompt(itr_tape *t, itr_var *x, const int64_t *start, int64_t n, int64_t skip, int64_t **rest)
{
	int64_t *rows = itr_xmalloc((size_t)(start[n] + 1) * sizeof *rows), k = 0;
	*rest = itr_xcalloc((size_t)n + 1, sizeof **rest);
	for (int64_t s = 0; s < n; s++) {
		for (int64_t r = start[s] + skip; r < start[s + 1]; r++)
			rows[k++] = r;
		(*rest)[s + 1] = k;
	}
	itr_var *y = itr_gather(t, x, rows, k);
	free(rows);
	return y;
}

itr_var *itr_pool(itr_tape *t, itr_var *x, const int64_t *start, int64_t n, itr_pooling p, int64_t skip)
{
	int64_t *rest = NULL;
	itr_var *all = x, *joined = NULL;
	if (skip > 0)
		x = without_prompt(t, x, start, n, skip, &rest);
	const int64_t *from = rest ? rest : start;
	for (int i = 0; i < itr_pooling_count(p); i++) {
		itr_var *y = NULL;
		switch (way_of(p, i)) {
		case ITR_POOL_CLS: y = one_row(t, all, start, n, skip); break;
		case ITR_POOL_MEAN: y = itr_segment_mean(t, x, from, n); break;
		case ITR_POOL_MAX: y = itr_segment_max(t, x, from, n); break;
		case ITR_POOL_SQRT: y = itr_segment_weighted(t, x, from, n, ITR_WEIGHTS_SQRT, 0); break;
		case ITR_POOL_PLACE: y = itr_segment_weighted(t, x, from, n, ITR_WEIGHTS_PLACE, skip); break;
		case ITR_POOL_LAST: y = one_row(t, all, start, n, -1); break;
		default: ITR_BUG("itr_pool: no way %d", (int)way_of(p, i));
		}
		joined = joined ? itr_concat(t, joined, y) : y;
	}
	free(rest);
	return joined;
}
