#include "autograd/match.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const itr_positives_names[] = { "diagonal", "mask", "all", NULL };

void itr_match_shape(itr_node *n)
{
	const itr_var *s = n->in[0], *own = n->in[1];
	if (!s || s->rank != 2 || s->shape[0] < 1 || s->shape[0] > s->shape[1] || (own && (own->rank != 2 || own->shape[0] != s->shape[0])))
		itr_shape_bug(n, "scores (B, N) with N >= B, and (B, K) of own negatives or none");
	for (int64_t i = 0; n->attr.i[3] && i < s->shape[0]; i++)
		if (n->index[n->attr.i[2] + i] == i)
			itr_shape_bug(n, "excluded columns that are not the row's own");
	itr_shape_set(n, 1, (int64_t[]){ 1 });
}

itr_var *itr_match_apply(itr_tape *t, const itr_op *op, itr_var *scores, itr_var *third, const itr_match *m, double f, int64_t mode)
{
	itr_var *in[] = { scores, m->own, third };
	const int64_t groups = m->group ? scores->shape[1] : 0, excluded = m->excluded ? scores->shape[0] : 0, n = groups + excluded;
	const itr_attr attr = { .f = { f }, .i = { m->positives, m->symmetric, groups, excluded, mode } };
	int64_t *index = n ? itr_xmalloc((size_t)n * sizeof *index) : NULL;
	if (groups)
		memcpy(index, m->group, (size_t)groups * sizeof *index);
	if (excluded)
		memcpy(index + groups, m->excluded, (size_t)excluded * sizeof *index);
	itr_var *y = itr_apply(t, op, in, 3, &attr, index, n, NULL);
	free(index);
	return y;
}

/* Cases: rows only and symmetric, N = B and N > B, all three kinds of positives; the second half with own negatives, excluded columns, or
 * both. */
itr_var *itr_match_sample(itr_case *c, int which, itr_match_case *m)
{
	const int64_t b = itr_case_int(c, 2, 9), n = which % 4 == 1 ? b : b + itr_case_int(c, 0, 4);
	for (int64_t j = 0; j < n; j++)
		m->group[j] = itr_case_int(c, 0, 3);
	for (int64_t i = 0; i < b; i++)
		m->excluded[i] = itr_case_int(c, 0, 2) ? (i + 1) % b : -1;
	m->match = (itr_match){ .positives = (itr_positives)(which / 2 % 3),
		                .symmetric = which & 1,
		                .group = which % 12 < 9 ? m->group : NULL };
	itr_var *s = itr_case_input(c, 2, (int64_t[]){ b, n }, 3, 0);
	if (which >= 12 && which % 3 != 1)
		m->match.own = itr_case_input(c, 2, (int64_t[]){ b, 3 }, 3, 0);
	if (which >= 12 && which % 3 != 0)
		m->match.excluded = m->excluded;
	return s;
}
