#include "text/lengths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BAR = 50, ROWS = 20 };
static const int64_t limits[] = { 16, 32, 64, 77, 128, 256 };           /* lengths that encoders are run at */

void itr_lengths_add(itr_lengths *l, int64_t ids, const char *file, int64_t line)
{
	if (ids > l->longest) {
		l->histogram = itr_xrealloc(l->histogram, (size_t)(ids + 1) * sizeof *l->histogram);
		memset(l->histogram + l->longest + 1, 0, (size_t)(ids - l->longest) * sizeof *l->histogram);
		l->longest = ids;
		l->longest_line = line;
		l->longest_file = file;
	}
	l->histogram[ids]++;
	l->n++;
}

void itr_lengths_free(itr_lengths *l)
{
	free(l->histogram);
	l->histogram = NULL;
}

static int64_t quantile(const itr_lengths *l, double q)
{
	int64_t need = (int64_t)ceil(q * (double)l->n), seen = 0;
	for (int64_t i = 0; i <= l->longest; i++)
		if ((seen += l->histogram[i]) >= need)
			return i;
	return l->longest;
}

static int64_t between(const itr_lengths *l, int64_t first, int64_t last)
{
	int64_t n = 0;
	for (int64_t i = first; i <= ITR_MIN(last, l->longest); i++)
		n += l->histogram[i];
	return n;
}

static double mean(const itr_lengths *l)
{
	double sum = 0;
	for (int64_t i = 0; i <= l->longest; i++)
		sum += (double)i * (double)l->histogram[i];
	return l->n ? sum / (double)l->n : 0;
}

itr_json *itr_lengths_json(const itr_lengths *l)
{
	itr_json *j = itr_json_object();
	itr_json_add_int(j, "captions", l->n);
	itr_json_add_num(j, "mean", mean(l));
	itr_json_add_int(j, "median", quantile(l, .5));
	itr_json_add_int(j, "p90", quantile(l, .9));
	itr_json_add_int(j, "p99", quantile(l, .99));
	itr_json_add_int(j, "max", ITR_MAX(l->longest, 0));
	itr_json_add_str(j, "longest_file", l->longest_file);
	itr_json_add_int(j, "longest_line", l->longest_line);
	itr_json *cut = itr_json_add_object(j, "cut_at"), *h = itr_json_add_array(j, "histogram");
	for (int i = 0; i < ITR_LEN(limits); i++) {
		char *key = itr_xasprintf("%lld", (long long)limits[i]);
		itr_json_add_int(cut, key, between(l, limits[i] + 1, l->longest));
		free(key);
	}
	for (int64_t i = 0; i <= l->longest; i++)
		itr_json_push(h, itr_json_new_int(l->histogram[i]));
	return j;
}

void itr_lengths_print(const itr_lengths *l, itr_buf *out)
{
	int64_t first = 0, step, most = 1;
	if (!l->n)
		return;
	while (!l->histogram[first])
		first++;
	step = (l->longest - first) / ROWS + 1;
	for (int64_t i = first; i <= l->longest; i += step)
		most = ITR_MAX(most, between(l, i, i + step - 1));
	itr_buf_printf(out,
	               "%lld captions; ids with the special tokens: mean %.1f, median %lld, 90 %% %lld, 99 %% %lld, longest %lld ('%s', "
	               "line %lld)\n",
	               (long long)l->n, mean(l), (long long)quantile(l, .5), (long long)quantile(l, .9), (long long)quantile(l, .99),
	               (long long)l->longest, l->longest_file, (long long)l->longest_line);
	for (int64_t i = first; i <= l->longest; i += step) {
		int64_t n = between(l, i, i + step - 1);
		char *range = step == 1 ? itr_xasprintf("%lld", (long long)i)
		                        : itr_xasprintf("%lld-%lld", (long long)i, (long long)(i + step - 1));
		itr_buf_printf(out, "%12s %9lld %.*s\n", range, (long long)n, (int)((n * BAR + most - 1) / most),
		               "##################################################");
		free(range);
	}
	for (int i = 0; i < ITR_LEN(limits); i++) {
		int64_t n = between(l, limits[i] + 1, l->longest);
		if (n)
			itr_buf_printf(out, "--max-length %-4lld cuts %lld captions (%.2f %%)\n", (long long)limits[i], (long long)n,
			               100. * (double)n / (double)l->n);
	}
}
