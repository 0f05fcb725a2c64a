#include "retrieval/qrels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRADE_MAX = 1000000000, EXPONENT_MAX = 500 };    /* sums of gains stay far from a double's end */

int itr_grade_check(double grade, const itr_judging *j, const char *where, itr_err *err)
{
	if (!(fabs(grade) <= GRADE_MAX))
		return itr_err_set(err, "%s: grade %g is out of range (up to %d)", where, grade, GRADE_MAX);
	if (j->gain == ITR_GAIN_EXPONENTIAL && grade > EXPONENT_MAX)
		return itr_err_set(err, "%s: grade %g is too large for a gain of 2^grade - 1 (up to %d): use --gain linear", where, grade,
		                   EXPONENT_MAX);
	if (j->conventions != ITR_CONVENTIONS_ITR && grade != floor(grade))
		return itr_err_set(err, "%s: grade %g is not a whole number, which %s requires: omit --conventions", where, grade,
		                   itr_conventions_names[j->conventions]);
	return 0;
}

static bool beir_header(const itr_trec_lines *l)
{
	return l->n == 3 && !strcmp(l->column[0], "query-id") && !strcmp(l->column[1], "corpus-id") && !strcmp(l->column[2], "score");
}

static int add_line(itr_qrels *q, bool beir, const itr_judging *j, itr_err *err)
{
	const itr_trec_lines *l = &q->lines;
	char where[512];
	snprintf(where, sizeof where, "'%.400s': line %lld", l->path, (long long)l->number);
	if (l->n != (beir ? 3 : 4))
		return itr_err_set(err, "%s has %d columns: it is not '%s'%s", where, l->n,
		                   beir ? "QUERY DOCUMENT SCORE" : "QUERY 0 DOCUMENT RELEVANCE",
		                   l->n > 4             ? " (does an id hold a space?)"
		                   : l->n == 3 && !beir ? " (three columns need BEIR's header: query-id, corpus-id, score)"
		                                        : "");
	itr_qrel r = { l->column[0], l->column[beir ? 1 : 2], -1, 0, l->number };
	if (itr_trec_number(l, l->column[beir ? 2 : 3], "the grade", &r.grade, err) < 0 || itr_grade_check(r.grade, j, where, err) < 0)
		return -1;
	if (strncmp(r.query, "t2i:", 4) == 0 || strncmp(r.query, "i2t:", 4) == 0) {
		r.direction = r.query[0] == 'i';
		r.query += 4;
		if (!r.query[0])
			return itr_err_set(err, "%s: no id stands behind '%s'", where, l->column[0]);
	}
	ITR_VEC_PUSH(&q->list, r);
	return 0;
}

int itr_qrels_read(itr_qrels *q, const char *path, const itr_judging *j, itr_err *err)
{
	bool beir = false, positive = false;
	int rc;
	*q = (itr_qrels){ .list = ITR_VEC_INIT };
	if (itr_trec_lines_open(&q->lines, path, err) < 0)
		return -1;
	while ((rc = itr_trec_lines_read(&q->lines, err)) > 0)
		if (q->list.n == 0 && !beir && beir_header(&q->lines))
			beir = true;
		else if (add_line(q, beir, j, err) < 0)
			return -1;
	if (rc < 0)
		return -1;
	if (q->list.n == 0)
		return itr_err_set(err, "'%s' holds no line of relevance%s", path, q->lines.comments ? ", comments only" : "");
	for (size_t i = 0; i < q->list.n; i++)
		positive |= q->list.v[i].grade > 0;
	return positive ? 0
	                : itr_err_set(err, "'%s' holds no positive: all %lld grades are 0 or less", path, (long long)q->list.n);
}

void itr_qrels_free(itr_qrels *q)
{
	ITR_VEC_FREE(&q->list);
	itr_trec_lines_close(&q->lines);
}
