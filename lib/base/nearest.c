#include "base/nearest.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Damerau-Levenshtein distance, restricted form (optimal string alignment). */
static int distance(const char *a, const char *b)
{
	int n = (int)strlen(a), m = (int)strlen(b), w = m + 1;
	int *d = itr_xmalloc((size_t)(n + 1) * (size_t)w * sizeof *d);
	for (int i = 0; i <= n; i++)
		for (int j = 0; j <= m; j++) {
			int best = i + j;
			if (i && j) {
				best = d[(i - 1) * w + j - 1] + (a[i - 1] != b[j - 1]);
				best = ITR_MIN(best, d[(i - 1) * w + j] + 1);
				best = ITR_MIN(best, d[i * w + j - 1] + 1);
				if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
					best = ITR_MIN(best, d[(i - 2) * w + j - 2] + 1);
			}
			d[i * w + j] = best;
		}
	int result = d[n * w + m];
	free(d);
	return result;
}

const char *itr_nearest(const char *word, const char *const *names, int n)
{
	const char *best = NULL;
	int least = 0;
	for (int i = 0; i < n; i++) {
		int k = distance(word, names[i]);
		if (!best || k < least) {
			best = names[i];
			least = k;
		}
	}
	return best;
}
