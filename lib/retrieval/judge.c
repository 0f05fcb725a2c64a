/* Relevance from judgement files, matched by id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "io/npz.h"
#include "retrieval/pairs_internal.h"
#include "retrieval/qrels.h"

/* Judgements of queries of one kind: those among the rows, or those that are not. */
struct collected {
	ITR_VEC(int64_t) q, row, out_q;         /* positives in the gallery, and outside */
	ITR_VEC(double) grade, out_grade;
	ITR_VEC(bool) judged;                   /* by query */
};

/* One direction while it is collected. */
struct judged {
	const itr_map *query;
	/* as many as there were at the start: documents of the other direction that join are no rows of this one */
	int64_t queries;
	itr_map *gallery;
	/* ids are all there is (a TREC run): a judged document that no list has joins the gallery */
	bool grow;
	struct collected known, absent;
	itr_map *absent_query;                  /* id -> its number */
	itr_map *counted;                       /* "kind query<TAB>positive" seen outside the gallery: a repeat counts once */
	int64_t stray;
};

static void judged_init(struct judged *j, const itr_map *query, itr_map *gallery, bool grow)
{
	*j = (struct judged){ .query = query,
		              .queries = itr_map_count(query),
		              .gallery = gallery,
		              .counted = itr_map_new(),
		              .absent_query = itr_map_new(),
		              .grow = grow };
}

static void collected_free(struct collected *c)
{
	ITR_VEC_FREE(&c->q);
	ITR_VEC_FREE(&c->row);
	ITR_VEC_FREE(&c->out_q);
	ITR_VEC_FREE(&c->grade);
	ITR_VEC_FREE(&c->out_grade);
	ITR_VEC_FREE(&c->judged);
}

static void judged_free(struct judged *j)
{
	collected_free(&j->known);
	collected_free(&j->absent);
	itr_map_free(j->absent_query);
	itr_map_free(j->counted);
}

/* The query is judged, if only by zeros. Its number; *absent: it is not among the rows. */
static int64_t judged_query(struct judged *j, const char *id, bool *absent)
{
	int64_t q = itr_map_get(j->query, id, -1);
	*absent = q < 0 || q >= j->queries;
	if (*absent) {
		itr_map_add(j->absent_query, id, itr_map_count(j->absent_query));
		q = itr_map_get(j->absent_query, id, -1);
	}
	struct collected *c = *absent ? &j->absent : &j->known;
	while ((int64_t)c->judged.n <= q)
		ITR_VEC_PUSH(&c->judged, false);
	c->judged.v[q] = true;
	return q;
}

static void judged_add(struct judged *j, const char *query, const char *document, double grade)
{
	bool absent;
	int64_t q = judged_query(j, query, &absent), row = itr_map_get(j->gallery, document, -1);
	struct collected *c = absent ? &j->absent : &j->known;
	if (grade <= 0)
		return;
	if (row < 0 && j->grow)
		itr_map_add(j->gallery, document, row = itr_map_count(j->gallery));
	if (row >= 0) {
		ITR_VEC_PUSH(&c->q, q);
		ITR_VEC_PUSH(&c->row, row);
		ITR_VEC_PUSH(&c->grade, grade);
		return;
	}
	char *key = itr_xasprintf("%d %lld\t%s", absent, (long long)q, document);
	if (itr_map_add(j->counted, key, 0)) {
		ITR_VEC_PUSH(&c->out_q, q);
		ITR_VEC_PUSH(&c->out_grade, grade);
		j->stray += !absent;
	}
	free(key);
}

static itr_relevance *collected_relevance(const struct collected *c, int64_t queries, int64_t gallery, itr_gain gain)
{
	itr_relevance *r = itr_relevance_from_pairs(queries, gallery, c->q.v, c->row.v, (int64_t)c->q.n);
	for (size_t i = 0; i < c->out_q.n; i++)
		r->outside[c->out_q.v[i]]++;
	r->judged = itr_xcalloc((size_t)queries + 1, sizeof *r->judged);
	if (c->judged.n)
		memcpy(r->judged, c->judged.v, c->judged.n * sizeof *r->judged);
	r->gain = gain;
	itr_relevance_grade(r, c->q.v, c->row.v, c->grade.v, (int64_t)c->q.n, c->out_q.v, c->out_grade.v, (int64_t)c->out_q.n);
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

struct both { struct judged t2i, i2t; bool has_t2i, has_i2t; int64_t repeated; };

/* Takes over what was collected; a direction that was not judged is the other one inverted. */
static int adopt(itr_pairs *p, struct both *b, const char *spec, const itr_judging *judging, itr_err *err)
{
	struct judged *j[] = { &b->t2i, &b->i2t };
	const bool has[] = { b->has_t2i, b->has_i2t };
	itr_relevance *rel[2] = { NULL, NULL };
	int64_t absent = itr_map_count(b->t2i.absent_query) + itr_map_count(b->i2t.absent_query);
	if (b->t2i.known.judged.n + b->i2t.known.judged.n == 0)
		return itr_err_set(err, "'%s': none of its %lld queries is among the ids of '%s' (%s '%s', ...)%s", spec, (long long)absent,
		                   p->name, p->has_ids ? "the first text is" : "which has none: rows are", p->text_id[0],
		                   p->has_ids ? "" : "; embeddings need text_ids and video_ids");
	for (int d = 0; d < 2; d++) {
		int64_t n = itr_map_count(j[d]->absent_query), gallery = itr_map_count(j[d]->gallery);
		if (has[d])
			rel[d] = collected_relevance(&j[d]->known, itr_map_count(j[d]->query), gallery, judging->gain);
		if (has[d] && n) {
			p->absent[d] = collected_relevance(&j[d]->absent, n, gallery, judging->gain);
			p->absent_id[d] = map_keys(j[d]->absent_query);
		}
		p->outside += j[d]->stray;
	}
	itr_relevance_free(p->t2i);
	itr_relevance_free(p->i2t);
	p->t2i = rel[0] ? rel[0] : itr_relevance_invert(rel[1]);
	p->i2t = rel[1] ? rel[1] : itr_relevance_invert(rel[0]);
	free(p->relevance);
	p->relevance = itr_xstrdup(spec);
	p->judged = true;
	p->repeated = b->repeated;
	p->unanswered = 0;
	return 0;
}

/* --- JSON maps {query: [positive, ...]} or {query: {document: grade, ...}} ------------------------------------------------------------ */

static int read_grades(struct judged *j, const itr_json *grades, const char *path, const itr_judging *judging, itr_err *err)
{
	for (const itr_json *v = itr_json_first(grades); v; v = itr_json_next(v)) {
		char where[512];
		snprintf(where, sizeof where, "'%.200s': query '%.100s', document '%.100s'", path, itr_json_key(grades), itr_json_key(v));
		if (!itr_json_is_number(v))
			return itr_err_set(err, "%s: the grade is no number", where);
		double grade = itr_json_num(v, 0);
		if (itr_grade_check(grade, judging, where, err) < 0)
			return -1;
		judged_add(j, itr_json_key(grades), itr_json_key(v), grade);
	}
	return 0;
}

static int read_map(struct judged *j, const itr_json *map, const char *path, const itr_judging *judging, itr_err *err)
{
	char buf[512];
	bool absent;
	if (!itr_json_is_object(map))
		return itr_err_set(err, "'%s' is not a map from query ids to lists of ids", path);
	for (const itr_json *m = itr_json_first(map); m; m = itr_json_next(m)) {
		if (!itr_json_is_array(m) && !itr_json_is_object(m))
			return itr_err_set(err, "'%s': query '%s' has no list of ids", path, itr_json_key(m));
		judged_query(j, itr_json_key(m), &absent);
		if (itr_json_is_object(m) && read_grades(j, m, path, judging, err) < 0)
			return -1;
		for (const itr_json *v = itr_json_is_array(m) ? itr_json_first(m) : NULL; v; v = itr_json_next(v)) {
			const char *id = itr_json_id(v, buf, sizeof buf);
			if (!id)
				return itr_err_set(err, "'%s': query '%s' lists something that is no id", path, itr_json_key(m));
			judged_add(j, itr_json_key(m), id, 1);
		}
	}
	return 0;
}

static int read_map_file(struct judged *j, const char *path, const itr_judging *judging, itr_provenance *provenance, itr_err *err)
{
	itr_json *map = itr_json_read(path, err);
	int rc = map ? read_map(j, map, path, judging, err) : -1;
	itr_json_free(map);
	if (provenance)
		itr_provenance_input(provenance, path);
	return rc;
}

static int judge_json(struct both *b, const char *path, const itr_judging *judging, itr_provenance *provenance, itr_err *err)
{
	itr_json *j = itr_json_read(path, err);
	int rc = -1;
	if (j) {
		const itr_json *t2i = itr_json_get(j, "t2i"), *i2t = itr_json_get(j, "i2t");
		b->has_t2i = t2i || !i2t;
		b->has_i2t = i2t != NULL;
		rc = b->has_t2i ? read_map(&b->t2i, t2i ? t2i : j, path, judging, err) : 0;
		if (rc == 0 && i2t)
			rc = read_map(&b->i2t, i2t, path, judging, err);
	}
	itr_json_free(j);
	if (provenance)
		itr_provenance_input(provenance, path);
	return rc;
}

/* --- TREC qrels ----------------------------------------------------------------------------------------------------------------------- */

/* Plain ids: texts ask where a run is judged (its own plain ids are read so); otherwise the one direction in which queries and documents
 * are known. */
static int guess_direction(const struct both *b, const itr_qrels *q, const char *path, int *direction, itr_err *err)
{
	int64_t fits[2] = { 0, 0 };
	*direction = 0;
	for (size_t i = 0; i < q->list.n && !b->t2i.grow; i++) {
		const itr_qrel *r = &q->list.v[i];
		if (r->direction >= 0)
			continue;
		fits[0] += itr_map_has(b->t2i.query, r->query) && itr_map_has(b->t2i.gallery, r->document);
		fits[1] += itr_map_has(b->i2t.query, r->query) && itr_map_has(b->i2t.gallery, r->document);
	}
	if (fits[0] && fits[1])
		return itr_err_set(err, "'%s': its ids could be texts or images; write queries as t2i:ID or i2t:ID", path);
	*direction = fits[1] > 0;
	return 0;
}

/* What the file says twice must be the same. pair -> index of its first judgement. */
static int check_repeat(itr_map *pairs, const itr_qrels *q, size_t i, int direction, const char *path, int64_t *repeated, itr_err *err)
{
	const itr_qrel *r = &q->list.v[i];
	char *key = itr_xasprintf("%d%s\t%s", direction, r->query, r->document);
	int64_t first = itr_map_add(pairs, key, (int64_t)i) ? -1 : itr_map_get(pairs, key, -1);
	free(key);
	if (first < 0)
		return 0;
	const itr_qrel *o = &q->list.v[first];
	if (o->grade != r->grade)
		return itr_err_set(err, "'%s': lines %lld and %lld contradict each other: query '%s', document '%s' has grade %g and %g",
		                   path, (long long)o->line, (long long)r->line, r->query, r->document, o->grade, r->grade);
	*repeated += 1;
	return 0;
}

static int judge_qrels(struct both *b, const char *path, const itr_judging *judging, itr_provenance *provenance, itr_err *err)
{
	itr_qrels q;
	int plain = 0, rc = -1;
	if (itr_qrels_read(&q, path, judging, err) == 0 && guess_direction(b, &q, path, &plain, err) == 0) {
		itr_map *pairs = itr_map_new();
		rc = 0;
		for (size_t i = 0; i < q.list.n && rc == 0; i++) {
			const itr_qrel *r = &q.list.v[i];
			int d = r->direction < 0 ? plain : r->direction;
			*(d ? &b->has_i2t : &b->has_t2i) = true;
			rc = check_repeat(pairs, &q, i, d, path, &b->repeated, err);
			if (rc == 0)
				judged_add(d ? &b->i2t : &b->t2i, r->query, r->document, r->grade);
		}
		itr_map_free(pairs);
	}
	itr_qrels_free(&q);
	if (provenance)
		itr_provenance_input(provenance, path);
	return rc;
}

/* --- the judgements of ECCV Caption's package ----------------------------------------------------------------------------------------- */

static const struct { const char *prefix, *stem; } packaged[] = { { "eccv:", "eccv" }, { "cxc:", "cxc" }, { "coco:", "original" } };

/* Caption ids in the package's order; NULL when the file is not there or not readable (it is only needed for order). */
static int64_t *caption_order(const char *dir, int64_t *n, itr_provenance *provenance)
{
	itr_err ignored = ITR_ERR_INIT;
	itr_array_info info;
	char *path = itr_path_join(dir, "coco_test_ids.npy");
	itr_npz *z = itr_path_exists(path) ? itr_npz_open(path, &ignored) : NULL;
	int64_t *ids = z ? itr_npz_i64(z, "", &info, &ignored) : NULL;
	*n = ids ? info.count : 0;
	if (z)
		itr_npz_close(z);
	if (ids && provenance)
		itr_provenance_input(provenance, path);
	free(path);
	return ids;
}

/* Images in the order in which their captions come; NULL unless every image is met. */
static int64_t *image_order(const itr_pairs *p, const itr_map *texts, const int64_t *ids, int64_t n)
{
	int64_t *order = itr_xmalloc(((size_t)p->n_image + 1) * sizeof *order), k = 0;
	bool *met = itr_xcalloc((size_t)p->n_image + 1, sizeof *met);
	for (int64_t i = 0; i < n; i++) {
		char id[32];
		snprintf(id, sizeof id, "%lld", (long long)ids[i]);
		int64_t text = itr_map_get(texts, id, -1), image = text >= 0 && p->text_image ? p->text_image[text] : -1;
		if (image >= 0 && !met[image]) {
			met[image] = true;
			order[k++] = image;
		}
	}
	free(met);
	if (k == p->n_image)
		return order;
	free(order);
	return NULL;
}

static int judge_packaged(itr_pairs *p, struct both *b, int kind, const char *dir, const itr_map *texts, const itr_judging *judging,
                          itr_provenance *provenance, itr_err *err)
{
	char *t2i = itr_xasprintf("%s/%s_caption_to_image.json", dir, packaged[kind].stem),
	     *i2t = itr_xasprintf("%s/%s_image_to_caption.json", dir, packaged[kind].stem);
	int rc = read_map_file(&b->t2i, t2i, judging, provenance, err) < 0 || read_map_file(&b->i2t, i2t, judging, provenance, err) < 0 ? -1
	                                                                                                                                : 0;
	int64_t n = 0, *ids = rc == 0 ? caption_order(dir, &n, provenance) : NULL;
	b->has_t2i = b->has_i2t = true;
	if (ids) {
		free(p->fold_order);
		p->fold_order = image_order(p, texts, ids, n);
	}
	itr_aligned_free(ids);
	free(t2i);
	free(i2t);
	return rc;
}

static char **grown(char **ids, int64_t *n, const itr_map *m)
{
	int64_t all = itr_map_count(m);
	ids = itr_xrealloc(ids, ((size_t)all + 1) * sizeof *ids);
	for (int64_t i = *n; i < all; i++)
		ids[i] = itr_xstrdup(itr_map_key(m, i));
	*n = all;
	return ids;
}

static void grow_ids(itr_pairs *p, const itr_map *texts, const itr_map *images)
{
	p->text_id = grown(p->text_id, &p->n_text, texts);
	p->image_id = grown(p->image_id, &p->n_image, images);
}

int itr_pairs_judge(itr_pairs *p, const char *spec, const itr_judging *judging, itr_provenance *provenance, itr_err *err)
{
	struct both b = { .has_t2i = false };
	itr_map *texts = itr_pairs_id_map(p->text_id, p->n_text, "text id", p->name, err);
	itr_map *images = texts ? itr_pairs_id_map(p->image_id, p->n_image, "image id", p->name, err) : NULL;
	int rc = -1;
	if (images && strncmp(spec, "captions:", 9) == 0) {
		rc = p->text ? itr_pairs_judge_captions(p, spec + 9, texts, images, provenance, err)
		             : itr_err_set(err, "'%s': a run has no captions to compare; use a relevance file of ids", spec);
		if (rc == 0) {
			free(p->relevance);
			p->relevance = itr_xstrdup(spec);
		}
	} else if (images) {
		int kind = 0;
		judged_init(&b.t2i, texts, images, !p->text);
		judged_init(&b.i2t, images, texts, !p->text);
		while (kind < ITR_LEN(packaged) && strncmp(spec, packaged[kind].prefix, strlen(packaged[kind].prefix)) != 0)
			kind++;
		if (kind < ITR_LEN(packaged))
			rc = judge_packaged(p, &b, kind, spec + strlen(packaged[kind].prefix), texts, judging, provenance, err);
		else if (itr_path_has_suffix(spec, ".json"))
			rc = judge_json(&b, spec, judging, provenance, err);
		else
			rc = judge_qrels(&b, spec, judging, provenance, err);
		if (rc == 0 && !p->text)
			grow_ids(p, texts, images);
		if (rc == 0)
			rc = adopt(p, &b, spec, judging, err);
		if (rc == 0 && !p->text)
			itr_pairs_own_images(p);
		judged_free(&b.t2i);
		judged_free(&b.i2t);
	}
	itr_map_free(texts);
	itr_map_free(images);
	return rc;
}

/* --- what a query does not search for ------------------------------------------------------------------------------------------------- */

/* Rows of the other side that have the query's own id. */
static itr_relevance *own_ids(char **ids, int64_t n, const itr_map *others, int64_t gallery)
{
	int64_t *row = itr_xmalloc(((size_t)n + 1) * sizeof *row);
	for (int64_t i = 0; i < n; i++)
		row[i] = itr_map_get(others, ids[i], -1);
	itr_relevance *r = itr_relevance_from_map(n, gallery, row);
	free(row);
	return r;
}

/* A query must not search for what it excludes. */
static int check_wanted(const itr_pairs *p, const char *spec, itr_err *err)
{
	const itr_relevance *rel[] = { p->t2i, p->i2t };
	char **ids[] = { p->text_id, p->image_id };
	for (int d = 0; d < 2; d++)
		for (int64_t q = 0; p->excluded[d] && q < rel[d]->queries; q++)
			for (int64_t i = p->excluded[d]->offset[q]; i < p->excluded[d]->offset[q + 1]; i++)
				if (itr_relevance_has(rel[d], q, p->excluded[d]->row[i]))
					return itr_err_set(err, "'%s': query '%s' excludes '%s', which is one of its positives", spec,
					                   ids[d][q], ids[!d][p->excluded[d]->row[i]]);
	return 0;
}

int itr_pairs_exclude(itr_pairs *p, const char *spec, itr_provenance *provenance, itr_err *err)
{
	const itr_judging judging = { ITR_CONVENTIONS_ITR, ITR_GAIN_LINEAR, false };
	struct both b = { .has_t2i = false };
	itr_map *texts = itr_pairs_id_map(p->text_id, p->n_text, "text id", p->name, err);
	itr_map *images = texts ? itr_pairs_id_map(p->image_id, p->n_image, "image id", p->name, err) : NULL;
	const bool self = strcmp(spec, "self") == 0;
	int rc = images ? 0 : -1;
	if (images && self) {
		p->excluded[0] = own_ids(p->text_id, p->n_text, images, p->n_image);
		p->excluded[1] = own_ids(p->image_id, p->n_image, texts, p->n_text);
		p->own_positives = itr_relevance_remove(p->t2i, p->excluded[0]) + itr_relevance_remove(p->i2t, p->excluded[1]);
	} else if (images) {
		judged_init(&b.t2i, texts, images, false);
		judged_init(&b.i2t, images, texts, false);
		rc = itr_path_has_suffix(spec, ".json") ? judge_json(&b, spec, &judging, provenance, err)
		                                        : judge_qrels(&b, spec, &judging, provenance, err);
		struct collected *c[] = { &b.t2i.known, &b.i2t.known };
		for (int d = 0; d < 2 && rc == 0; d++)
			if (c[d]->q.n)
				p->excluded[d] = itr_relevance_from_pairs(d ? p->n_image : p->n_text, d ? p->n_text : p->n_image, c[d]->q.v,
				                                          c[d]->row.v, (int64_t)c[d]->q.n);
		judged_free(&b.t2i);
		judged_free(&b.i2t);
	}
	itr_map_free(texts);
	itr_map_free(images);
	for (int d = 0; d < 2 && rc == 0; d++)
		p->exclusions[d] = p->excluded[d] ? itr_relevance_pairs(p->excluded[d]) : 0;
	if (rc == 0 && p->exclusions[0] + p->exclusions[1] == 0)
		rc = itr_err_set(err,
		                 self ? "--exclude %s: no text has the id of an image"
		                      : "'%s': it excludes nothing: none of its queries and rows are among the ids",
		                 spec);
	free(p->exclude);
	p->exclude = itr_xstrdup(spec);
	return rc == 0 ? check_wanted(p, spec, err) : -1;
}
