/* Relevance from judgement files, matched by id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "io/npz.h"
#include "retrieval/pairs_internal.h"

/* One direction while it is collected. */
struct judged {
	const itr_map *query;
	itr_map *gallery;
	bool grow;                      /* ids are all there is (a TREC run): a judged document that no list has joins the gallery */
	ITR_VEC(int64_t) q, row;
	int64_t queries, *outside;      /* [queries], as many as there were at the start */
	itr_map *counted;               /* "query<TAB>positive" seen outside the gallery: a repeat counts once */
	int64_t known, unknown, stray;
};

static void judged_init(struct judged *j, const itr_map *query, itr_map *gallery, bool grow)
{
	*j = (struct judged){ .query = query, .gallery = gallery, .counted = itr_map_new(), .grow = grow, .queries = itr_map_count(query) };
	j->outside = itr_xcalloc((size_t)itr_map_count(query) + 1, sizeof *j->outside);
}

static void judged_free(struct judged *j)
{
	ITR_VEC_FREE(&j->q);
	ITR_VEC_FREE(&j->row);
	free(j->outside);
	itr_map_free(j->counted);
}

static void judged_add(struct judged *j, int64_t q, const char *positive)
{
	int64_t row = itr_map_get(j->gallery, positive, -1);
	if (row < 0 && j->grow)
		itr_map_add(j->gallery, positive, row = itr_map_count(j->gallery));
	if (row >= 0) {
		ITR_VEC_PUSH(&j->q, q);
		ITR_VEC_PUSH(&j->row, row);
		return;
	}
	char *key = itr_xasprintf("%lld\t%s", (long long)q, positive);
	if (itr_map_add(j->counted, key, 0)) {
		j->outside[q]++;
		j->stray++;
	}
	free(key);
}

static itr_relevance *judged_relevance(const struct judged *j)
{
	itr_relevance *r = itr_relevance_from_pairs(itr_map_count(j->query), itr_map_count(j->gallery), j->q.v, j->row.v, (int64_t)j->q.n);
	memcpy(r->outside, j->outside, (size_t)j->queries * sizeof *r->outside);
	return r;
}

struct both { struct judged t2i, i2t; bool has_t2i, has_i2t; };

/* Takes over what was collected; a direction that was not judged is the other one inverted. */
static int adopt(itr_pairs *p, struct both *b, const char *spec, itr_err *err)
{
	if (b->t2i.known + b->i2t.known == 0)
		return itr_err_set(err, "'%s': none of its %lld queries is among the ids of '%s' (%s '%s', ...)%s", spec, (long long)(b->t2i.unknown + b->i2t.unknown), p->name,
		                   p->has_ids ? "the first text is" : "which has none: rows are", p->text_id[0], p->has_ids ? "" : "; embeddings need text_ids and video_ids");
	itr_relevance *t2i = b->has_t2i ? judged_relevance(&b->t2i) : NULL, *i2t = b->has_i2t ? judged_relevance(&b->i2t) : NULL;
	if (!t2i)
		t2i = itr_relevance_invert(i2t);
	if (!i2t)
		i2t = itr_relevance_invert(t2i);
	itr_relevance_free(p->t2i);
	itr_relevance_free(p->i2t);
	p->t2i = t2i;
	p->i2t = i2t;
	p->outside = b->t2i.stray + b->i2t.stray;
	p->unknown_queries = b->t2i.unknown + b->i2t.unknown;
	free(p->relevance);
	p->relevance = itr_xstrdup(spec);
	p->unanswered = 0;
	return 0;
}

/* --- JSON maps {query: [positive, ...]} ------------------------------------------------------------------------------------------------------ */

static int read_map(struct judged *j, const itr_json *map, const char *path, itr_err *err)
{
	char buf[512];
	if (!itr_json_is_object(map))
		return itr_err_set(err, "'%s' is not a map from query ids to lists of ids", path);
	for (const itr_json *m = itr_json_first(map); m; m = itr_json_next(m)) {
		int64_t q = itr_map_get(j->query, itr_json_key(m), -1);
		if (!itr_json_is_array(m))
			return itr_err_set(err, "'%s': query '%s' has no list of ids", path, itr_json_key(m));
		if (q < 0)
			j->unknown++;
		else
			j->known++;
		for (const itr_json *v = itr_json_first(m); v; v = itr_json_next(v)) {
			const char *id = itr_json_id(v, buf, sizeof buf);
			if (!id)
				return itr_err_set(err, "'%s': query '%s' lists something that is no id", path, itr_json_key(m));
			if (q >= 0)
				judged_add(j, q, id);
		}
	}
	return 0;
}

static int read_map_file(struct judged *j, const char *path, itr_provenance *provenance, itr_err *err)
{
	itr_json *map = itr_json_read(path, err);
	int rc = map ? read_map(j, map, path, err) : -1;
	itr_json_free(map);
	if (provenance)
		itr_provenance_input(provenance, path);
	return rc;
}

static int judge_json(struct both *b, const char *path, itr_provenance *provenance, itr_err *err)
{
	itr_json *j = itr_json_read(path, err);
	int rc = -1;
	if (j) {
		const itr_json *t2i = itr_json_get(j, "t2i"), *i2t = itr_json_get(j, "i2t");
		b->has_t2i = t2i || !i2t;
		b->has_i2t = i2t != NULL;
		rc = b->has_t2i ? read_map(&b->t2i, t2i ? t2i : j, path, err) : 0;
		if (rc == 0 && i2t)
			rc = read_map(&b->i2t, i2t, path, err);
	}
	itr_json_free(j);
	if (provenance)
		itr_provenance_input(provenance, path);
	return rc;
}

/* --- TREC qrels --------------------------------------------------------------------------------------------------------------------------------- */

struct qrel { char *query, *document; int direction; };        /* 0 t2i, 1 i2t, -1 not said */
struct qrels { ITR_VEC(struct qrel) line; };

static int read_qrels(struct qrels *q, char *text, const char *path, itr_err *err)
{
	int64_t number = 0;
	for (char *line = text, *next; line && *line; line = next) {
		char *save = NULL, *field[5] = { NULL }, *end;
		int n = 0;
		number++;
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		for (char *f = strtok_r(line, " \t\r", &save); f && n < 5; f = strtok_r(NULL, " \t\r", &save))
			field[n++] = f;
		if (n == 0)
			continue;
		double relevance = n == 4 ? strtod(field[3], &end) : 0;
		if (n != 4 || *end)
			return itr_err_set(err, "'%s': line %lld is not 'QUERY 0 DOCUMENT RELEVANCE'", path, (long long)number);
		if (relevance <= 0)
			continue;
		struct qrel r = { field[0], field[2], -1 };
		if (strncmp(r.query, "t2i:", 4) == 0 || strncmp(r.query, "i2t:", 4) == 0) {
			r.direction = r.query[0] == 'i';
			r.query += 4;
		}
		ITR_VEC_PUSH(&q->line, r);
	}
	return q->line.n ? 0 : itr_err_set(err, "'%s' holds no positive judgement", path);
}

/* Plain ids: the one direction in which queries and documents are known. */
static int guess_direction(const struct both *b, const struct qrels *q, const char *path, int *direction, itr_err *err)
{
	int64_t fits[2] = { 0, 0 };
	for (size_t i = 0; i < q->line.n; i++) {
		const struct qrel *r = &q->line.v[i];
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

static int judge_qrels(struct both *b, const char *path, itr_provenance *provenance, itr_err *err)
{
	struct qrels q = { ITR_VEC_INIT };
	int plain = 0, rc = -1;
	char *text = itr_path_read(path, (size_t)1 << 30, NULL, err);
	if (text && read_qrels(&q, text, path, err) == 0 && guess_direction(b, &q, path, &plain, err) == 0) {
		itr_map *seen = itr_map_new();
		rc = 0;
		for (size_t i = 0; i < q.line.n; i++) {
			const struct qrel *r = &q.line.v[i];
			int d = r->direction < 0 ? plain : r->direction;
			struct judged *j = d ? &b->i2t : &b->t2i;
			int64_t row = itr_map_get(j->query, r->query, -1);
			*(d ? &b->has_i2t : &b->has_t2i) = true;
			char *key = itr_xasprintf("%d%s", d, r->query);
			if (itr_map_add(seen, key, 0))
				*(row < 0 ? &j->unknown : &j->known) += 1;
			free(key);
			if (row >= 0)
				judged_add(j, row, r->document);
		}
		itr_map_free(seen);
	}
	ITR_VEC_FREE(&q.line);
	free(text);
	if (provenance)
		itr_provenance_input(provenance, path);
	return rc;
}

/* --- the judgements of ECCV Caption's package ---------------------------------------------------------------------------------------------------- */

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

static int judge_packaged(itr_pairs *p, struct both *b, int kind, const char *dir, const itr_map *texts, itr_provenance *provenance, itr_err *err)
{
	char *t2i = itr_xasprintf("%s/%s_caption_to_image.json", dir, packaged[kind].stem), *i2t = itr_xasprintf("%s/%s_image_to_caption.json", dir, packaged[kind].stem);
	int rc = read_map_file(&b->t2i, t2i, provenance, err) < 0 || read_map_file(&b->i2t, i2t, provenance, err) < 0 ? -1 : 0;
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

int itr_pairs_judge(itr_pairs *p, const char *spec, itr_provenance *provenance, itr_err *err)
{
	struct both b = { .has_t2i = false };
	itr_map *texts = itr_pairs_id_map(p->text_id, p->n_text, "text id", p->name, err);
	itr_map *images = texts ? itr_pairs_id_map(p->image_id, p->n_image, "image id", p->name, err) : NULL;
	int rc = -1;
	if (images && strncmp(spec, "captions:", 9) == 0) {
		rc = p->text ? itr_pairs_judge_captions(p, spec + 9, texts, images, provenance, err) : itr_err_set(err, "'%s': a run has no captions to compare; judge it with a file of ids", spec);
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
			rc = judge_packaged(p, &b, kind, spec + strlen(packaged[kind].prefix), texts, provenance, err);
		else if (itr_path_has_suffix(spec, ".json"))
			rc = judge_json(&b, spec, provenance, err);
		else
			rc = judge_qrels(&b, spec, provenance, err);
		if (rc == 0 && !p->text)
			grow_ids(p, texts, images);
		if (rc == 0)
			rc = adopt(p, &b, spec, err);
		if (rc == 0 && !p->text)
			itr_pairs_own_images(p);
		judged_free(&b.t2i);
		judged_free(&b.i2t);
	}
	itr_map_free(texts);
	itr_map_free(images);
	return rc;
}
