/* Relevance as TREC and BEIR write it: QUERY 0 DOCUMENT RELEVANCE, or QUERY DOCUMENT SCORE under BEIR's header. A query is "t2i:ID" or
 * "i2t:ID", or a plain id where only one reading is possible. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "evaluate/qrels_internal.h"
#include "evaluate/trec_lines.h"

/* direction: of the query's modality, -1: not said */
struct line { const char *query, *document; int direction; double grade; int64_t number; };
struct file { itr_trec_lines lines; ITR_VEC(struct line) list; };

static bool beir_header(const itr_trec_lines *l)
{
	return l->n == 3 && !strcmp(l->column[0], "query-id") && !strcmp(l->column[1], "corpus-id") && !strcmp(l->column[2], "score");
}

static int add_line(struct file *f, bool beir, const itr_qrels_reading *r, itr_err *err)
{
	const itr_trec_lines *l = &f->lines;
	char where[512];
	snprintf(where, sizeof where, "'%.400s': line %lld", l->path, (long long)l->number);
	if (l->n != (beir ? 3 : 4))
		return itr_err_set(err, "%s has %d columns: it is not '%s'%s", where, l->n,
		                   beir ? "QUERY DOCUMENT SCORE" : "QUERY 0 DOCUMENT RELEVANCE",
		                   l->n > 4             ? " (does an id hold a space?)"
		                   : l->n == 3 && !beir ? " (three columns need BEIR's header: query-id, corpus-id, score)"
		                                        : "");
	struct line x = { l->column[0], l->column[beir ? 1 : 2], -1, 0, l->number };
	if (itr_trec_number(l, l->column[beir ? 2 : 3], "the grade", &x.grade, err) < 0 ||
	    itr_qrels_check_grade(r, x.grade, where, err) < 0)
		return -1;
	if (strncmp(x.query, "t2i:", 4) == 0 || strncmp(x.query, "i2t:", 4) == 0) {
		x.direction = x.query[0] == 'i' ? ITR_IMAGE : ITR_TEXT;
		x.query += 4;
		if (!x.query[0])
			return itr_err_set(err, "%s: no id stands behind '%s'", where, l->column[0]);
	}
	ITR_VEC_PUSH(&f->list, x);
	return 0;
}

static int read_lines(struct file *f, const itr_qrels_reading *r, const char *path, itr_err *err)
{
	bool beir = false, positive = false;
	int rc = itr_trec_lines_open(&f->lines, path, err);
	while (rc == 0 && (rc = itr_trec_lines_read(&f->lines, err)) > 0)
		if (f->list.n == 0 && !beir && beir_header(&f->lines)) {
			beir = true;
			rc = 0;
		} else {
			rc = add_line(f, beir, r, err);
		}
	if (rc < 0)
		return -1;
	if (f->list.n == 0)
		return itr_err_set(err, "'%s' holds no line of relevance%s", path, f->lines.comments ? ", comments only" : "");
	for (size_t i = 0; i < f->list.n; i++)
		positive |= f->list.v[i].grade > 0;
	return positive ? 0
	                : itr_err_set(err, "'%s' holds no positive: all %lld grades are 0 or less", path, (long long)f->list.n);
}

/* Plain ids: texts ask where there are ids alone (a run's own plain ids are read so); otherwise the one direction in which queries and
 * documents are known. */
static int guess_direction(const itr_qrels_reading *r, const struct file *f, const char *path, itr_modality *direction, itr_err *err)
{
	int64_t fits[2] = { 0, 0 };
	*direction = ITR_TEXT;
	for (size_t i = 0; i < f->list.n && !r->grow; i++) {
		const struct line *x = &f->list.v[i];
		for (int m = 0; m < 2 && x->direction < 0; m++)
			fits[m] += itr_map_has(r->id[m], x->query) && itr_map_has(r->id[!m], x->document);
	}
	if (fits[0] && fits[1])
		return itr_err_set(err, "'%s': its ids could be texts or images; write queries as t2i:ID or i2t:ID", path);
	*direction = fits[ITR_IMAGE] > 0 ? ITR_IMAGE : ITR_TEXT;
	return 0;
}

/* What the file says twice must be the same. pair -> index of its first line. */
static int check_repeat(itr_map *pairs, const struct file *f, size_t i, itr_modality direction, const char *path, int64_t *repeated,
                        itr_err *err)
{
	const struct line *x = &f->list.v[i];
	char *key = itr_xasprintf("%d%s\t%s", direction, x->query, x->document);
	int64_t first = itr_map_add(pairs, key, (int64_t)i) ? -1 : itr_map_get(pairs, key, -1);
	free(key);
	if (first < 0)
		return 0;
	const struct line *o = &f->list.v[first];
	if (o->grade != x->grade)
		return itr_err_set(err, "'%s': lines %lld and %lld contradict each other: query '%s', document '%s' has grade %g and %g",
		                   path, (long long)o->number, (long long)x->number, x->query, x->document, o->grade, x->grade);
	*repeated += 1;
	return 0;
}

static int read_trec(itr_qrels_reading *r, const char *path, itr_err *err)
{
	struct file f = { .list = ITR_VEC_INIT };
	itr_modality plain;
	int rc = -1;
	if (read_lines(&f, r, path, err) == 0 && guess_direction(r, &f, path, &plain, err) == 0) {
		itr_map *pairs = itr_map_new();
		rc = 0;
		for (size_t i = 0; i < f.list.n && rc == 0; i++) {
			const struct line *x = &f.list.v[i];
			const itr_modality m = x->direction < 0 ? plain : (itr_modality)x->direction;
			r->side[m].present = true;
			rc = check_repeat(pairs, &f, i, m, path, &r->repeated, err);
			if (rc == 0)
				itr_qrels_add(r, m, x->query, x->document, x->grade);
		}
		itr_map_free(pairs);
	}
	ITR_VEC_FREE(&f.list);
	itr_trec_lines_close(&f.lines);
	itr_qrels_input(r, path);
	return rc;
}

const itr_qrels_reader itr_qrels_trec = {
	.name = "trec",
	.meta = "FILE",
	.summary = "qrels of TREC, or BEIR's with their header",
	.read = read_trec,
};
