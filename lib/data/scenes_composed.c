/* scenes_composed.c - queries of a picture and a sentence: reference, "make the red circle blue", target. The target is a member of the
 * reference's family that differs by exactly that edit; the subset of six are the nearest scenes of the same split, so that recall inside
 * it (CIRR's R_sub) means something. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/scenes_internal.h"

enum { SUBSET = 6, WINDOW = 256 };

struct query {
	const itr_scene *scenes;
	const itr_manifest *m;
	int64_t reference, target;
};

static bool same_split(const itr_manifest *m, int64_t a, int64_t b)
{
	const char *x = m->records[a].split, *y = m->records[b].split;
	return x && y && !strcmp(x, y);
}

/* Reference and target, then the four nearest others among the WINDOW scenes on either side; false when the split is too small. */
static bool choose_subset(const struct query *q, int64_t subset[SUBSET])
{
	int best[SUBSET];
	int n = 2;
	subset[0] = q->reference, subset[1] = q->target;
	for (int64_t i = ITR_MAX(q->reference - WINDOW, 0); i < ITR_MIN(q->reference + WINDOW, q->m->n); i++) {
		if (i == q->reference || i == q->target || !same_split(q->m, i, q->reference))
			continue;
		int d = itr_scene_distance(&q->scenes[i], &q->scenes[q->reference]), at = n;
		while (at > 2 && best[at - 1] > d)
			at--;
		if (at == SUBSET)
			continue;
		for (int k = ITR_MIN(n, SUBSET - 1); k > at; k--)
			best[k] = best[k - 1], subset[k] = subset[k - 1];
		best[at] = d, subset[at] = i;
		n = ITR_MIN(n + 1, SUBSET);
	}
	return n == SUBSET;
}

static bool print_query(itr_buf *b, const struct query *q, int64_t number, itr_buf *text)
{
	int64_t subset[SUBSET];
	if (!same_split(q->m, q->reference, q->target) || !itr_scene_edit(&q->scenes[q->reference], &q->scenes[q->target], text) ||
	    !choose_subset(q, subset))
		return false;
	itr_buf_printf(b, "{\"id\":\"%lld\",\"reference\":\"%s\",\"target\":\"%s\",\"text\":", (long long)number,
	               q->m->records[q->reference].id, q->m->records[q->target].id);
	itr_json_print_string(b, itr_buf_str(text));
	itr_buf_puts(b, ",\"subset\":[");
	for (int k = 0; k < SUBSET; k++)
		itr_buf_printf(b, "%s\"%s\"", k ? "," : "", q->m->records[subset[k]].id);
	itr_buf_printf(b, "],\"split\":\"%s\",\"synthetic\":true}\n", q->m->records[q->reference].split);
	return true;
}

int64_t itr_scenes_write_composed(const char *dir, const itr_scenes_opts *o, const itr_manifest *m, itr_err *err)
{
	itr_scene *scenes = itr_xcalloc((size_t)ITR_MAX(m->n, 1), sizeof *scenes);
	itr_buf b = ITR_BUF_INIT, text = ITR_BUF_INIT;
	char *path = itr_path_join(dir, "composed.jsonl");
	int64_t n = 0;
	for (int64_t i = 0; i < m->n; i++)
		itr_scene_make(&scenes[i], o->seed, i);
	for (int64_t i = 0; i < m->n; i++)
		for (int64_t k = i - i % ITR_SCENE_FAMILY; k < ITR_MIN(i - i % ITR_SCENE_FAMILY + ITR_SCENE_FAMILY, m->n); k++) {
			struct query q = { scenes, m, i, k };
			if (k != i && print_query(&b, &q, n + 1, &text))
				n++;
		}
	if (itr_atomic_write(path, b.data, b.len, err) < 0)
		n = -1;
	free(path);
	free(scenes);
	itr_buf_free(&b);
	itr_buf_free(&text);
	return n;
}
