#include "retrieval/metric.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

#define ITR_METRIC(name) extern const itr_metric_ops itr_metric_##name;
#include "retrieval/metrics.def"
#undef ITR_METRIC

const itr_metric_ops *const itr_metrics_table[] = {
#define ITR_METRIC(name) &itr_metric_##name,
#include "retrieval/metrics.def"
#undef ITR_METRIC
	NULL
};

void itr_metrics_help(itr_buf *out)
{
	for (int i = 0; itr_metrics_table[i]; i++)
		itr_buf_printf(out, "%s%s: %s", i ? "; " : "", itr_metrics_table[i]->name, itr_metrics_table[i]->summary);
}

/* Length of the name without its "@K". */
static size_t stem(const char *name) { return strcspn(name, "@"); }

static const itr_metric_ops *unknown(const char *key, itr_err *err)
{
	const char *names[ITR_LEN(itr_metrics_table)];
	itr_buf all = ITR_BUF_INIT;
	int n = 0;
	for (; itr_metrics_table[n]; n++) {
		names[n] = itr_metrics_table[n]->name;
		itr_buf_printf(&all, "%s%s", n ? ", " : "", names[n]);
	}
	itr_err_set(err, "unknown metric '%s': did you mean '%s'? (known: %s)", key, itr_nearest(key, names, n), itr_buf_str(&all));
	itr_buf_free(&all);
	return NULL;
}

const itr_metric_ops *itr_metric_parse(const char *key, int64_t *k, itr_err *err)
{
	const size_t n = stem(key);
	const char *at = key[n] ? key + n + 1 : NULL;
	const itr_metric_ops *other = NULL;         /* of that name, but with a cut-off where key has none, or the other way round */
	*k = 0;
	for (int i = 0; itr_metrics_table[i]; i++) {
		const itr_metric_ops *m = itr_metrics_table[i];
		if (stem(m->name) != n || strncmp(m->name, key, n) != 0)
			continue;
		if (!m->name[n] != !at) {
			other = m;
			continue;
		}
		char *end = NULL;
		errno = 0;
		*k = at ? strtoll(at, &end, 10) : 0;
		if (!at || (at[0] >= '1' && at[0] <= '9' && !*end && !errno && *k <= INT32_MAX))
			return m;
		itr_err_set(err, "'%s': the cut-off of %s is a number from 1, as in %.*s@10", key, m->name, (int)n, key);
		return NULL;
	}
	if (!other)
		return unknown(key, err);
	itr_err_set(err, at ? "'%s': %.*s has no cut-off" : "'%s' needs a cut-off, as in %.*s@10", key, (int)n, key);
	return NULL;
}

double itr_ranking_hits(const itr_ranking *r, int64_t k)
{
	double hits = 0;
	for (int64_t i = 0; i < r->groups && r->group[i].above < k; i++)
		hits += (double)r->group[i].m * (double)(ITR_MIN(r->group[i].above + r->group[i].n, k) - r->group[i].above) /
		        (double)r->group[i].n;
	return hits;
}
