/* Relevance by rows of a table: its own ground truth, or what a reader finds, matched by id. */
#include "evaluate/qrels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "evaluate/qrels_internal.h"

const char *const itr_direction_names[] = { "t2i", "i2t", NULL };

/* --- readers -------------------------------------------------------------------------------------------------------------------------- */

#define ITR_QRELS(name) extern const itr_qrels_reader itr_qrels_##name;
#include "evaluate/qrels.def"
#undef ITR_QRELS

const itr_qrels_reader *const itr_qrels_readers[] = {
#define ITR_QRELS(name) &itr_qrels_##name,
#include "evaluate/qrels.def"
#undef ITR_QRELS
	NULL
};

const itr_qrels_reader *itr_qrels_reader_of(const char *spec, const char **path)
{
	for (const itr_qrels_reader *const *r = itr_qrels_readers;; r++) {
		const size_t n = (*r)->prefix ? strlen((*r)->prefix) : 0;
		if (r[1] && (n ? strncmp(spec, (*r)->prefix, n) != 0 : !(*r)->is(spec)))
			continue;
		if (path)
			*path = spec + n;
		return *r;
	}
}

void itr_qrels_readers_help(itr_buf *out)
{
	for (int i = 0; itr_qrels_readers[i]; i++)
		itr_buf_printf(out, "%s%s: %s", i ? "; " : "", itr_qrels_readers[i]->meta, itr_qrels_readers[i]->summary);
}

/* --- what a reader adds --------------------------------------------------------------------------------------------------------------- */

enum { GRADE_MAX = 1000000000, EXPONENT_MAX = 500 };    /* sums of gains stay far from a double's end */

int itr_qrels_check_grade(const itr_qrels_reading *r, double grade, const char *where, itr_err *err)
{
	if (!(fabs(grade) <= GRADE_MAX))
		return itr_err_set(err, "%s: grade %g is out of range (up to %d)", where, grade, GRADE_MAX);
	if (r->rules->gain == ITR_GAIN_EXPONENTIAL && grade > EXPONENT_MAX)
		return itr_err_set(err, "%s: grade %g is too large for a gain of 2^grade - 1 (up to %d): use --gain linear", where, grade,
		                   EXPONENT_MAX);
	if (r->rules->conventions != ITR_CONVENTIONS_ITR && grade != floor(grade))
		return itr_err_set(err, "%s: grade %g is not a whole number, which %s requires: omit --conventions", where, grade,
		                   itr_conventions_names[r->rules->conventions]);
	return 0;
}

/* id -> row; NULL with err on a repeat. */
static itr_map *rows_by_id(const itr_row_table *t, itr_modality m, itr_err *err)
{
	itr_map *map = itr_map_new();
	for (int64_t i = 0; i < t->n[m]; i++)
		if (!itr_map_add(map, t->id[m][i], i)) {
			itr_err_set(err, "'%s': %s id '%s' stands at rows %lld and %lld", t->name, itr_modality_names[m], t->id[m][i],
			            (long long)itr_map_get(map, t->id[m][i], 0), (long long)i);
			itr_map_free(map);
			return NULL;
		}
	return map;
}

int itr_qrels_reading_init(itr_qrels_reading *r, const itr_row_table *t, const itr_relevance_rules *rules, itr_provenance *provenance,
                           itr_err *err)
{
	*r = (itr_qrels_reading){ .table = t, .grow = !t->text_image, .rules = rules, .provenance = provenance };
	for (int m = 0; m < 2; m++)
		r->side[m] = (itr_qrels_side){ .queries = t->n[m], .absent_query = itr_map_new(), .counted = itr_map_new() };
	for (int m = 0; m < 2; m++)
		if (!(r->id[m] = rows_by_id(t, (itr_modality)m, err)))
			return -1;
	return 0;
}

static void entries_free(itr_qrels_entries *e)
{
	ITR_VEC_FREE(&e->q);
	ITR_VEC_FREE(&e->row);
	ITR_VEC_FREE(&e->out_q);
	ITR_VEC_FREE(&e->grade);
	ITR_VEC_FREE(&e->out_grade);
	ITR_VEC_FREE(&e->named);
}

void itr_qrels_reading_free(itr_qrels_reading *r)
{
	for (int m = 0; m < 2; m++) {
		entries_free(&r->side[m].known);
		entries_free(&r->side[m].absent);
		itr_map_free(r->side[m].absent_query);
		itr_map_free(r->side[m].counted);
		itr_map_free(r->id[m]);
	}
	itr_relevance_free(r->relevant);
	free(r->fold_order);
}

void itr_qrels_input(const itr_qrels_reading *r, const char *path)
{
	if (r->provenance)
		itr_provenance_input(r->provenance, path);
}

/* Its number; *absent: it is not among the rows. */
static int64_t number_query(itr_qrels_reading *r, itr_modality m, const char *id, bool *absent)
{
	itr_qrels_side *s = &r->side[m];
	int64_t q = itr_map_get(r->id[m], id, -1);
	*absent = q < 0 || q >= s->queries;
	if (*absent) {
		itr_map_add(s->absent_query, id, itr_map_count(s->absent_query));
		q = itr_map_get(s->absent_query, id, -1);
	}
	itr_qrels_entries *e = *absent ? &s->absent : &s->known;
	while ((int64_t)e->named.n <= q)
		ITR_VEC_PUSH(&e->named, false);
	e->named.v[q] = true;
	return q;
}

void itr_qrels_name_query(itr_qrels_reading *r, itr_modality m, const char *id)
{
	bool absent;
	number_query(r, m, id, &absent);
}

void itr_qrels_add(itr_qrels_reading *r, itr_modality m, const char *query, const char *document, double grade)
{
	bool absent;
	itr_qrels_side *s = &r->side[m];
	itr_map *gallery = r->id[!m];
	int64_t q = number_query(r, m, query, &absent), row = itr_map_get(gallery, document, -1);
	itr_qrels_entries *e = absent ? &s->absent : &s->known;
	if (grade <= 0)
		return;
	if (row < 0 && r->grow)
		itr_map_add(gallery, document, row = itr_map_count(gallery));
	if (row >= 0) {
		ITR_VEC_PUSH(&e->q, q);
		ITR_VEC_PUSH(&e->row, row);
		ITR_VEC_PUSH(&e->grade, grade);
		return;
	}
	char *key = itr_xasprintf("%d %lld\t%s", absent, (long long)q, document);
	if (itr_map_add(s->counted, key, 0)) {
		ITR_VEC_PUSH(&e->out_q, q);
		ITR_VEC_PUSH(&e->out_grade, grade);
		s->outside += !absent;
	}
	free(key);
}

/* --- what was read becomes relevance -------------------------------------------------------------------------------------------------- */

static itr_relevance *relevance_of(const itr_qrels_entries *e, int64_t queries, int64_t gallery, itr_gain gain)
{
	itr_relevance *r = itr_relevance_from_pairs(queries, gallery, e->q.v, e->row.v, (int64_t)e->q.n);
	for (size_t i = 0; i < e->out_q.n; i++)
		r->outside[e->out_q.v[i]]++;
	r->named = itr_xcalloc((size_t)queries + 1, sizeof *r->named);
	if (e->named.n)
		memcpy(r->named, e->named.v, e->named.n * sizeof *r->named);
	r->gain = gain;
	itr_relevance_grade(r, e->q.v, e->row.v, e->grade.v, (int64_t)e->q.n, e->out_q.v, e->out_grade.v, (int64_t)e->out_q.n);
	return r;
}

static char **map_keys(const itr_map *m)
{
	int64_t n = itr_map_count(m);
	char **ids = itr_xcalloc((size_t)n + 1, sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = itr_xstrdup(itr_map_key(m, i));
	return ids;
}

/* A direction that the file does not have is the other one inverted. */
static int take_over(itr_qrels *q, const itr_qrels_reading *r, itr_err *err)
{
	const itr_row_table *t = r->table;
	const itr_qrels_side *s = r->side;
	int64_t absent = itr_map_count(s[ITR_TEXT].absent_query) + itr_map_count(s[ITR_IMAGE].absent_query);
	if (s[ITR_TEXT].known.named.n + s[ITR_IMAGE].known.named.n == 0)
		return itr_err_set(err, "'%s': none of its %lld queries is among the ids of '%s' (%s '%s', ...)%s", q->source,
		                   (long long)absent, t->name, t->numbered ? "which has none: rows are" : "the first text is",
		                   t->n[ITR_TEXT] ? t->id[ITR_TEXT][0] : "",
		                   t->numbered ? "; embeddings need text_ids and video_ids" : "");
	for (int m = 0; m < 2; m++) {
		int64_t n = itr_map_count(s[m].absent_query), gallery = itr_map_count(r->id[!m]);
		if (s[m].present)
			q->relevant[m] = relevance_of(&s[m].known, itr_map_count(r->id[m]), gallery, r->rules->gain);
		if (s[m].present && n) {
			q->absent[m] = relevance_of(&s[m].absent, n, gallery, r->rules->gain);
			q->absent_id[m] = map_keys(s[m].absent_query);
		}
		q->outside += s[m].outside;
	}
	for (int m = 0; m < 2; m++)
		if (!q->relevant[m])
			q->relevant[m] = itr_relevance_invert(q->relevant[!m]);
	return 0;
}

static void grow_ids(itr_row_table *t, itr_modality m, const itr_map *ids)
{
	int64_t all = itr_map_count(ids);
	t->id[m] = itr_xrealloc(t->id[m], ((size_t)all + 1) * sizeof *t->id[m]);
	for (int64_t i = t->n[m]; i < all; i++)
		t->id[m][i] = itr_xstrdup(itr_map_key(ids, i));
	t->n[m] = all;
}

/* Each text's first positive, or the image that has it as one: what is resampled together. */
static int64_t *images_of_texts(const itr_qrels *q)
{
	const itr_relevance *t2i = q->relevant[ITR_TEXT], *i2t = q->relevant[ITR_IMAGE];
	int64_t *image = itr_xmalloc(((size_t)t2i->queries + 1) * sizeof *image);
	for (int64_t i = 0; i < t2i->queries; i++)
		image[i] = -1;
	for (int64_t i = i2t->queries - 1; i >= 0; i--)
		for (int64_t k = i2t->offset[i]; k < i2t->offset[i + 1]; k++)
			image[i2t->row[k]] = i;
	for (int64_t i = 0; i < t2i->queries; i++)
		if (itr_relevance_count(t2i, i))
			image[i] = t2i->row[t2i->offset[i]];
	return image;
}

static int read_spec(itr_qrels *q, itr_row_table *t, const char *spec, const itr_relevance_rules *rules, itr_provenance *provenance,
                     itr_err *err)
{
	const char *path;
	itr_qrels_reading r;
	int rc = itr_qrels_reading_init(&r, t, rules, provenance, err);
	q->source = itr_xstrdup(spec);
	q->reader = itr_qrels_reader_of(spec, &path);
	if (rc == 0)
		rc = q->reader->read(&r, path, err);
	for (int m = 0; m < 2 && rc == 0 && r.grow; m++)
		grow_ids(t, (itr_modality)m, r.id[m]);
	if (rc == 0 && r.relevant) {
		q->relevant[ITR_TEXT] = r.relevant;
		q->relevant[ITR_IMAGE] = itr_relevance_invert(r.relevant);
	} else if (rc == 0) {
		rc = take_over(q, &r, err);
	}
	if (rc == 0 && r.grow)
		t->text_image = images_of_texts(q);
	q->repeated = r.repeated;
	q->fold_order = r.fold_order;
	r.relevant = NULL;
	r.fold_order = NULL;
	itr_qrels_reading_free(&r);
	return rc;
}

static int take_ground_truth(itr_qrels *q, const itr_row_table *t, itr_err *err)
{
	if (!t->text_image)
		return itr_err_set(err, "'%s' has ids alone, no ground truth: give --relevance", t->name);
	q->source = itr_xstrdup(t->truth ? t->truth : "ground_truth");
	q->relevant[ITR_TEXT] = t->n_pairs ? itr_relevance_from_pairs(t->n[ITR_TEXT], t->n[ITR_IMAGE], t->pair[ITR_TEXT],
	                                                              t->pair[ITR_IMAGE], t->n_pairs)
	                                   : itr_relevance_from_map(t->n[ITR_TEXT], t->n[ITR_IMAGE], t->text_image);
	q->relevant[ITR_IMAGE] = itr_relevance_invert(q->relevant[ITR_TEXT]);
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		q->unanswered += t->text_image[i] < 0;
	return 0;
}

int itr_qrels_open(itr_qrels *q, itr_row_table *t, const char *spec, const itr_relevance_rules *rules, itr_provenance *provenance,
                   itr_err *err)
{
	*q = (itr_qrels){ .source = NULL };
	int rc = spec ? read_spec(q, t, spec, rules, provenance, err) : take_ground_truth(q, t, err);
	if (rc < 0)
		itr_qrels_free(q);
	return rc;
}

void itr_qrels_free(itr_qrels *q)
{
	for (int m = 0; m < 2; m++) {
		for (int64_t i = 0; q->absent[m] && i < q->absent[m]->queries; i++)
			free(q->absent_id[m][i]);
		free(q->absent_id[m]);
		itr_relevance_free(q->relevant[m]);
		itr_relevance_free(q->absent[m]);
		itr_relevance_free(q->excluded[m]);
	}
	free(q->source);
	free(q->exclude);
	free(q->fold_order);
	free(q->captions_file);
	*q = (itr_qrels){ .source = NULL };
}

bool itr_qrels_names_queries(const itr_qrels *q) { return q->relevant[ITR_TEXT]->named || q->relevant[ITR_IMAGE]->named; }

void itr_qrels_warnings(const itr_qrels *q, itr_json *w)
{
	if (q->own_positives)
		itr_json_pushf(w, "%lld positives were the query itself: they left with it (--exclude self)", (long long)q->own_positives);
	if (q->equal_captions)
		itr_json_pushf(w,
		               "%lld of %lld texts have a caption that another image of the gallery has too, which counts as wrong when it "
		               "comes first: --relevance captions:%s counts it as right",
		               (long long)q->equal_captions, (long long)q->relevant[ITR_TEXT]->queries, q->captions_file);
	if (q->unanswered)
		itr_json_pushf(w, "%lld texts have no image (ground truth -1): left out", (long long)q->unanswered);
	if (q->outside)
		itr_json_pushf(w, "%lld positives are not in the gallery: counted in R (map_at_r, r_precision, ndcg), never found",
		               (long long)q->outside);
	if (q->repeated)
		itr_json_pushf(w, "%lld lines of relevance stand in '%s' more than once, with the same grade", (long long)q->repeated,
		               q->source);
}

/* --- what a query does not search for ------------------------------------------------------------------------------------------------- */

/* Rows of the other side that have the query's own id. */
static itr_relevance *own_ids(char *const *ids, int64_t n, const itr_map *others)
{
	int64_t *row = itr_xmalloc(((size_t)n + 1) * sizeof *row);
	for (int64_t i = 0; i < n; i++)
		row[i] = itr_map_get(others, ids[i], -1);
	itr_relevance *r = itr_relevance_from_map(n, itr_map_count(others), row);
	free(row);
	return r;
}

/* A query must not search for what it excludes. */
static int check_wanted(const itr_qrels *q, const itr_row_table *t, itr_err *err)
{
	for (int m = 0; m < 2; m++) {
		const itr_relevance *x = q->excluded[m];
		for (int64_t i = 0; x && i < x->queries; i++)
			for (int64_t k = x->offset[i]; k < x->offset[i + 1]; k++)
				if (itr_relevance_has(q->relevant[m], i, x->row[k]))
					return itr_err_set(err, "'%s': query '%s' excludes '%s', which is one of its positives", q->exclude,
					                   t->id[m][i], t->id[!m][x->row[k]]);
	}
	return 0;
}

int itr_qrels_exclude(itr_qrels *q, const itr_row_table *t, const char *spec, itr_provenance *provenance, itr_err *err)
{
	const itr_relevance_rules rules = { ITR_CONVENTIONS_ITR, ITR_GAIN_LINEAR, false };
	const bool self = strcmp(spec, "self") == 0;
	const char *path;
	itr_qrels_reading r;
	int rc = itr_qrels_reading_init(&r, t, &rules, provenance, err);
	q->exclude = itr_xstrdup(spec);
	if (rc == 0 && !self)
		rc = itr_qrels_reader_of(spec, &path)->read(&r, path, err);
	for (int m = 0; m < 2 && rc == 0; m++) {
		const itr_qrels_entries *e = &r.side[m].known;
		if (self)
			q->excluded[m] = own_ids(t->id[m], t->n[m], r.id[!m]);
		else if (e->q.n)
			q->excluded[m] = itr_relevance_from_pairs(t->n[m], t->n[!m], e->q.v, e->row.v, (int64_t)e->q.n);
		if (self)
			q->own_positives += itr_relevance_remove(q->relevant[m], q->excluded[m]);
		q->exclusions[m] = q->excluded[m] ? itr_relevance_pairs(q->excluded[m]) : 0;
	}
	if (rc == 0 && q->exclusions[0] + q->exclusions[1] == 0)
		rc = itr_err_set(err,
		                 self ? "--exclude %s: no text has the id of an image"
		                      : "'%s': it excludes nothing: none of its queries and rows are among the ids",
		                 spec);
	itr_qrels_reading_free(&r);
	return rc == 0 ? check_wanted(q, t, err) : -1;
}
