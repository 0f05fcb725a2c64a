#include "evaluate/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "evaluate/trec.h"
#include "retrieval/rank.h"

enum { COCO_IMAGES = 5000, COCO_FOLDS = 5 };

/* --- protocols ------------------------------------------------------------------------------------------------------------------------ */

int itr_protocol_parse(const char *text, itr_protocol *protocol, int64_t *pool, itr_err *err)
{
	char *end;
	*pool = 0;
	if (strcmp(text, "full") == 0)
		*protocol = ITR_PROTOCOL_FULL;
	else if (strcmp(text, "coco-1k") == 0)
		*protocol = ITR_PROTOCOL_COCO_1K;
	else if (strcmp(text, "coco-5k") == 0)
		*protocol = ITR_PROTOCOL_COCO_5K;
	else if (strncmp(text, "pool:", 5) == 0) {
		*protocol = ITR_PROTOCOL_POOL;
		*pool = strtoll(text + 5, &end, 10);
		if (!text[5] || *end || *pool < 1)
			return itr_err_set(err, "protocol '%s': the pool's size must be a number from 1, as in pool:100", text);
	} else {
		return itr_err_set(err, "unknown protocol '%s': full, pool:C, coco-1k or coco-5k", text);
	}
	return 0;
}

char *itr_protocol_text(itr_protocol protocol, int64_t pool)
{
	static const char *const names[] = { "full", "pool", "coco-1k", "coco-5k" };
	return protocol == ITR_PROTOCOL_POOL ? itr_xasprintf("pool:%lld", (long long)pool) : itr_xstrdup(names[protocol]);
}

const char *itr_ties_text(itr_ties ties, itr_conventions conventions)
{
	static const char *const rules[] = { NULL, "descending document id", "numba's argsort" };
	return conventions == ITR_CONVENTIONS_ITR ? itr_ties_names[ties] : rules[conventions];
}

static int check_protocol(const itr_embeddings *e, const itr_qrels *q, const itr_eval_opts *o, itr_err *err)
{
	const int64_t images = e->table.n[ITR_IMAGE];
	if ((o->protocol == ITR_PROTOCOL_COCO_1K || o->protocol == ITR_PROTOCOL_COCO_5K) && images != COCO_IMAGES)
		return itr_err_set(err,
		                   "protocol coco-%s is defined on the 5,000 test images; '%s' has %lld: use --protocol full or pool:C",
		                   o->protocol == ITR_PROTOCOL_COCO_1K ? "1k" : "5k", e->table.name, (long long)images);
	if (o->protocol == ITR_PROTOCOL_COCO_1K && q->reader && !q->reader->original_captions)
		return itr_err_set(
			err, "coco-1k is defined on the original captions: use --relevance coco:DIR (folds in that file's order) or none");
	if (q->exclude && (o->protocol == ITR_PROTOCOL_COCO_1K || o->rules.conventions != ITR_CONVENTIONS_ITR))
		return itr_err_set(err, "--exclude goes with the protocols full, pool:C and coco-5k and the conventions itr");
	if (o->rules.conventions != ITR_CONVENTIONS_ITR && o->protocol != ITR_PROTOCOL_FULL)
		return itr_err_set(err, "the conventions of %s rank the whole gallery: use --protocol full",
		                   itr_conventions_names[o->rules.conventions]);
	return 0;
}

/* --- one direction's ranks become values, appended to a side -------------------------------------------------------------------------- */

/* query_row, cluster: of the ranked queries, by index in the ranks (a fold knows only its own rows). */
static void side_append(itr_eval_side *s, const itr_ranks *r, const itr_eval_opts *o, const int64_t *query_row, const int64_t *cluster)
{
	itr_metric_values *v = itr_metric_values_new(r, &o->set, o->ties, o->threads), *all = s->values;
	size_t old = all ? (size_t)all->n : 0, n = old + (size_t)v->n, columns = (size_t)o->set.n;
	s->best = itr_xrealloc(s->best, (n + 1) * sizeof *s->best);
	s->relevant = itr_xrealloc(s->relevant, (n + 1) * sizeof *s->relevant);
	s->pool = itr_xrealloc(s->pool, (n + 1) * sizeof *s->pool);
	s->cluster = itr_xrealloc(s->cluster, (n + 1) * sizeof *s->cluster);
	for (int64_t i = 0; i < v->n; i++) {
		int64_t q = v->query[i];
		s->best[old + (size_t)i] = itr_ranks_best(r, q);
		s->relevant[old + (size_t)i] = r->relevant[q];
		s->pool[old + (size_t)i] = r->pool[q];
		s->cluster[old + (size_t)i] = cluster[q];
		v->query[i] = query_row ? query_row[q] : q;
	}
	if (!all) {
		s->values = v;
		return;
	}
	all->query = itr_xrealloc(all->query, (n + 1) * sizeof *all->query);
	all->value = itr_xrealloc(all->value, (n * columns + 1) * sizeof *all->value);
	all->chance = itr_xrealloc(all->chance, (n * columns + 1) * sizeof *all->chance);
	memcpy(all->query + old, v->query, (size_t)v->n * sizeof *v->query);
	memcpy(all->value + old * columns, v->value, (size_t)v->n * columns * sizeof *v->value);
	memcpy(all->chance + old * columns, v->chance, (size_t)v->n * columns * sizeof *v->chance);
	all->n = (int64_t)n;
	all->left_out += v->left_out;
	all->tied += v->tied;
	itr_metric_values_free(v);
}

/* Queries of the relevance that have no row, after those that have: numbers from `first` on, nothing found. A query's image is its first
 * positive. */
static void append_absent(itr_eval_side *s, const itr_relevance *absent, const itr_eval_opts *o, int64_t first, bool texts_ask)
{
	int64_t n = absent->queries, *row = itr_xmalloc(((size_t)n + 1) * sizeof *row),
		*cluster = itr_xmalloc(((size_t)n + 1) * sizeof *cluster);
	itr_ranks *r = itr_ranks_nothing(absent);
	itr_ranks_grade(r, absent);
	for (int64_t q = 0; q < n; q++) {
		bool counts = itr_relevance_counts(absent, q, &o->rules, false);
		row[q] = first + q;
		cluster[q] = texts_ask && itr_relevance_count(absent, q) ? absent->row[absent->offset[q]] : -1;
		s->missing += counts || itr_relevance_all(absent, q) > 0;
		s->no_positive += itr_relevance_all(absent, q) == 0;
		s->explained += !counts;
		if (!counts)
			r->pool[q] = 0;
	}
	side_append(s, r, o, row, cluster);
	itr_ranks_free(r);
	free(row);
	free(cluster);
}

static void count_named(itr_eval_side *s, const itr_ranks *r, const itr_relevance *rel, const itr_eval_opts *o)
{
	for (int64_t q = 0; q < rel->queries && rel->named; q++) {
		bool listed = !r->listed || r->listed[q], positive = itr_relevance_all(rel, q) > 0;
		s->missing += rel->named[q] && !listed && (positive || o->rules.conventions != ITR_CONVENTIONS_ITR);
		s->no_positive += rel->named[q] && !positive;
		s->unnamed += listed && !rel->named[q];
		s->explained += !itr_relevance_counts(rel, q, &o->rules, listed) && (!listed || !rel->named[q] || !positive);
	}
}

static int64_t *identity(int64_t n)
{
	int64_t *x = itr_xmalloc(((size_t)n + 1) * sizeof *x);
	for (int64_t i = 0; i < n; i++)
		x[i] = i;
	return x;
}

static void whole(itr_eval *e, const itr_eval_opts *o, itr_ranks *const ranks[2])
{
	const itr_row_table *t = &e->data->table;
	int64_t *images = identity(t->n[ITR_IMAGE]);
	for (int d = 0; d < 2; d++) {
		const itr_relevance *rel = e->qrels->relevant[d], *absent = e->qrels->absent[d];
		if (!ranks[d])
			continue;
		itr_ranks_grade(ranks[d], rel);
		e->graded |= rel->grade != NULL;
		count_named(&e->side[d], ranks[d], rel, o);
		side_append(&e->side[d], ranks[d], o, NULL, d == ITR_IMAGE ? images : t->text_image);
		if (absent)
			append_absent(&e->side[d], absent, o, t->n[d], d == ITR_TEXT);
		itr_metric_summary(e->side[d].values, &o->set, ranks[d]->gallery, &e->side[d].result);
	}
	free(images);
}

/* --- coco-1k: five blocks of 1,000 images, each with its own captions, figures averaged ----------------------------------------------- */

struct fold {
	int64_t n_text, n_image;
	int64_t *text, *image;          /* rows */
	float *tv, *iv;
	itr_relevance *t2i, *i2t;
	int64_t *cluster;               /* per text: row of its image */
};

static void fold_make(struct fold *f, const itr_embeddings *e, const int64_t *order, int k)
{
	const itr_row_table *t = &e->table;
	const int64_t images = t->n[ITR_IMAGE], texts = t->n[ITR_TEXT], size = images / COCO_FOLDS;
	int64_t *place = itr_xmalloc(((size_t)images + 1) * sizeof *place), *map = itr_xmalloc(((size_t)texts + 1) * sizeof *map);
	*f = (struct fold){ .n_image = size };
	for (int64_t i = 0; i < images; i++)
		place[i] = -1;
	f->image = itr_xmalloc((size_t)size * sizeof *f->image);
	for (int64_t i = 0; i < size; i++)
		place[f->image[i] = order ? order[k * size + i] : k * size + i] = i;
	f->text = itr_xmalloc(((size_t)texts + 1) * sizeof *f->text);
	f->cluster = itr_xmalloc(((size_t)texts + 1) * sizeof *f->cluster);
	for (int64_t i = 0; i < texts; i++)
		if (t->text_image[i] >= 0 && place[t->text_image[i]] >= 0) {
			map[f->n_text] = place[t->text_image[i]];
			f->cluster[f->n_text] = t->text_image[i];
			f->text[f->n_text++] = i;
		}
	f->tv = itr_embeddings_rows(e, ITR_TEXT, f->text, f->n_text);
	f->iv = itr_embeddings_rows(e, ITR_IMAGE, f->image, size);
	f->t2i = itr_relevance_from_map(f->n_text, size, map);
	f->i2t = itr_relevance_invert(f->t2i);
	free(place);
	free(map);
}

static void fold_free(struct fold *f)
{
	free(f->text);
	free(f->image);
	free(f->cluster);
	itr_aligned_free(f->tv);
	itr_aligned_free(f->iv);
	itr_relevance_free(f->t2i);
	itr_relevance_free(f->i2t);
}

static void add_fold(itr_metric_result *sum, const itr_ranks *r, const itr_eval_opts *o, int columns)
{
	itr_metric_result one;
	itr_metrics(r, &o->set, o->ties, &one);
	for (int j = 0; j < columns; j++) {
		sum->value[j] += one.value[j] / COCO_FOLDS;
		sum->chance[j] += one.chance[j] / COCO_FOLDS;
	}
	sum->tie_fraction += one.tie_fraction / COCO_FOLDS;
	sum->n_queries += one.n_queries;
	sum->left_out += one.left_out;
	sum->n_gallery = ITR_MAX(sum->n_gallery, one.n_gallery);
}

static void coco_1k(itr_eval *e, const itr_eval_opts *o, int32_t *fold_of)
{
	for (int k = 0; k < COCO_FOLDS; k++) {
		struct fold f;
		itr_ranks *r[2];
		fold_make(&f, e->data, e->qrels->fold_order, k);
		itr_rank_rows(f.tv, f.n_text, f.iv, f.n_image, e->data->side[ITR_TEXT].dim, (const itr_relevance *[]){ f.t2i, f.i2t },
		              &(itr_rank_opts){ .stable = o->ties == ITR_TIES_STABLE, .threads = o->threads }, r);
		side_append(&e->side[ITR_TEXT], r[ITR_TEXT], o, f.text, f.cluster);
		side_append(&e->side[ITR_IMAGE], r[ITR_IMAGE], o, f.image, f.image);
		for (int d = 0; d < 2; d++) {
			add_fold(&e->side[d].result, r[d], o, o->set.n);
			itr_ranks_free(r[d]);
		}
		for (int64_t i = 0; i < f.n_image; i++)
			fold_of[f.image[i]] = k;
		fold_free(&f);
	}
}

/* --- what the figures show ------------------------------------------------------------------------------------------------------------ */

static const int64_t rsum_k[] = { 1, 5, 10 };

/* Sum of the six recalls in x (a side's metrics at x and x + columns), or NaN. */
static double rsum_of(const itr_metric_set *s, const double *t2i, const double *i2t)
{
	double sum = 0;
	for (int k = 0; k < 3; k++) {
		char key[32];
		snprintf(key, sizeof key, "recall@%lld", (long long)rsum_k[k]);
		int j = itr_metric_find(s, key);
		if (j < 0)
			return NAN;
		sum += t2i[j] + i2t[j];
	}
	return 100 * sum;
}

static void intervals(itr_eval *e, const itr_eval_opts *o, const int32_t *fold, int folds)
{
	itr_boot_side boot[2];
	int n = 0, place[2] = { -1, -1 }, columns = e->set.n;
	for (int d = 0; d < 2; d++)
		for (int j = 0; j < columns; j++)
			e->side[d].ci[j] = (itr_interval){ NAN, NAN };
	e->rsum_ci = (itr_interval){ NAN, NAN };
	for (int d = 0; d < 2; d++)
		if (e->side[d].values) {
			place[d] = n;
			boot[n++] = (itr_boot_side){ e->side[d].values, e->side[d].cluster };
		}
	if (!o->resamples || !n)
		return;
	double *x = itr_bootstrap(boot, n, &e->set, e->data->table.n[ITR_IMAGE], fold, folds, o->resamples, o->seed, o->threads);
	for (int d = 0; d < 2; d++)
		for (int j = 0; place[d] >= 0 && j < columns; j++)
			e->side[d].ci[j] = itr_interval_95(x + place[d] * columns + j, o->resamples, n * columns);
	if (n == 2) {
		double *sum = itr_xmalloc((size_t)o->resamples * sizeof *sum);
		for (int b = 0; b < o->resamples; b++)
			sum[b] = rsum_of(&e->set, x + (size_t)b * 2 * (size_t)columns, x + ((size_t)b * 2 + 1) * (size_t)columns);
		e->rsum_ci = itr_interval_95(sum, o->resamples, 1);
		free(sum);
	}
	free(x);
}

/* What the relevance and the rankings do not share. */
static void query_warnings(itr_eval *e, const itr_eval_side *s, const char *name)
{
	const bool itr = e->rules.conventions == ITR_CONVENTIONS_ITR;
	if (s->missing)
		itr_json_pushf(e->warnings, "%s: %lld queries of the relevance are missing: %s", name, (long long)s->missing,
		               e->rules.skip_missing ? "left out (--missing-queries skip)"
		                                       : "they count 0 (--missing-queries skip leaves them out)");
	if (s->no_positive)
		itr_json_pushf(e->warnings, "%s: %lld queries of the relevance have no positive: %s", name, (long long)s->no_positive,
		               itr ? "left out (trec_eval counts them 0: --conventions trec_eval)"
		                   : "they count 0, as the conventions ask");
	if (s->unnamed)
		itr_json_pushf(e->warnings, "%s: %lld queries are not in the relevance: left out", name, (long long)s->unnamed);
}

static void side_warnings(itr_eval *e, const itr_eval_side *s, const char *name)
{
	if (!s->values)
		return;
	const itr_metric_result *r = &s->result;
	if (r->tie_fraction >= 0.05 && !e->truncated)
		itr_json_pushf(e->warnings,
		               "degenerate: in %s the best positive of %.1f %% of the queries shares its score with rows that are no "
		               "positives (ties: %s)",
		               name, 100 * r->tie_fraction, itr_ties_names[e->ties]);
	for (int j = e->set.n - 1; j >= 0; j--) {           /* the largest cut-off is the most telling one */
		if (e->set.m[j].metric != &itr_metric_recall)
			continue;
		itr_interval ci = s->ci[j];
		if (!isnan(ci.low) && ci.low <= r->chance[j] && r->chance[j] < 1)
			itr_json_pushf(e->warnings, "at chance: %s %s is %.4g [%.4g, %.4g], a random order gives %.4g", name,
			               e->set.m[j].key, r->value[j], ci.low, ci.high, r->chance[j]);
		break;
	}
	query_warnings(e, s, name);
	if (r->left_out > s->explained)
		itr_json_pushf(e->warnings, "%s: %lld of %lld queries have no positive in the gallery%s: left out", name,
		               (long long)(r->left_out - s->explained), (long long)(r->left_out + r->n_queries),
		               strncmp(e->protocol, "pool", 4) == 0 ? " or more than the pool holds" : "");
}

static itr_eval *finish(itr_eval *e, const itr_eval_opts *o, const int32_t *fold, int folds, itr_err *err)
{
	const itr_eval_side *t2i = &e->side[ITR_TEXT], *i2t = &e->side[ITR_IMAGE];
	if ((t2i->values ? t2i->values->n : 0) + (i2t->values ? i2t->values->n : 0) == 0) {
		itr_err_set(err, "'%s': no query has a positive in the gallery (relevance: %s)", e->data->table.name, e->qrels->source);
		itr_eval_free(e);
		return NULL;
	}
	e->rsum = t2i->values && i2t->values ? rsum_of(&e->set, t2i->result.value, i2t->result.value) : NAN;
	intervals(e, o, fold, folds);
	itr_qrels_warnings(e->qrels, e->warnings);
	for (int d = 0; d < 2; d++)
		side_warnings(e, &e->side[d], itr_direction_names[d]);
	return e;
}

static itr_eval *eval_new(const itr_embeddings *data, const itr_qrels *q, const itr_eval_opts *o)
{
	itr_eval *e = itr_xcalloc(1, sizeof *e);
	e->data = data;
	e->qrels = q;
	e->set = o->set;
	e->ties = o->ties;
	e->rules = o->rules;
	e->protocol = itr_protocol_text(o->protocol, o->pool);
	e->warnings = o->warnings ? itr_json_copy(o->warnings) : itr_json_array();
	return e;
}

/* Where the first positive stands is not known when lists end before it. */
static void forget_ranks(itr_eval *e)
{
	itr_buf names = ITR_BUF_INIT;
	for (int j = 0; j < e->set.n; j++) {
		if (!e->set.m[j].metric->rank)
			continue;
		itr_buf_printf(&names, "%s%s", names.len ? " and " : "", e->set.m[j].key);
		for (int d = 0; d < 2; d++) {
			e->side[d].result.value[j] = NAN;
			e->side[d].ci[j] = (itr_interval){ NAN, NAN };
		}
	}
	if (names.len)
		itr_buf_puts(&names, " need whole rankings and are left out; ");
	itr_json_pushf(e->warnings, "%s: %sdocuments that a list lacks %s", e->truncated ? "truncated lists" : "missing queries",
	               itr_buf_str(&names), e->rules.conventions == ITR_CONVENTIONS_ITR ? "tie behind it" : "are not found");
	itr_buf_free(&names);
}

itr_eval *itr_evaluate_ranks(const itr_embeddings *data, const itr_qrels *q, itr_ranks *const ranks[2], bool truncated,
                             const itr_eval_opts *o, itr_err *err)
{
	itr_eval *e = eval_new(data, q, o);
	e->truncated = truncated;
	e->named = itr_qrels_names_queries(q);
	whole(e, o, ranks);
	itr_ranks_free(ranks[0]);
	itr_ranks_free(ranks[1]);
	e = finish(e, o, NULL, 1, err);
	if (e && (truncated || (e->side[0].missing + e->side[1].missing > 0 && !o->rules.skip_missing)))
		forget_ranks(e);
	return e;
}

static itr_eval *evaluate_folds(const itr_embeddings *data, const itr_qrels *q, const itr_eval_opts *o, itr_err *err)
{
	itr_eval *e = eval_new(data, q, o);
	int32_t *fold = itr_xcalloc((size_t)data->table.n[ITR_IMAGE], sizeof *fold);
	coco_1k(e, o, fold);
	e = finish(e, o, fold, COCO_FOLDS, err);
	free(fold);
	return e;
}

itr_eval *itr_evaluate(const itr_embeddings *e, const itr_qrels *q, const itr_eval_opts *o, itr_err *err)
{
	const itr_embeddings_side *text = &e->side[ITR_TEXT], *image = &e->side[ITR_IMAGE];
	itr_ranks *ranks[2];
	double start = itr_clock_now();
	if (check_protocol(e, q, o, err) < 0)
		return NULL;
	if (o->protocol == ITR_PROTOCOL_COCO_1K)
		return evaluate_folds(e, q, o, err);
	if (o->rules.conventions != ITR_CONVENTIONS_ITR) {
		itr_trec_ranks lists;
		itr_trec_rank_vectors(e, q, &o->rules, o->threads, &lists);
		return itr_evaluate_ranks(e, q, lists.side, lists.truncated, o, err);
	}
	itr_rank_rows(text->rows, e->table.n[ITR_TEXT], image->rows, e->table.n[ITR_IMAGE], text->dim,
	              (const itr_relevance *[]){ q->relevant[ITR_TEXT], q->relevant[ITR_IMAGE] },
	              &(itr_rank_opts){ .stable = o->ties == ITR_TIES_STABLE, .threads = o->threads, .seed = o->seed,
	                                .excluded = { q->excluded[ITR_TEXT], q->excluded[ITR_IMAGE] },
	                                .pool = o->protocol == ITR_PROTOCOL_POOL ? o->pool : 0 }, ranks);
	itr_debug("ranking both directions took %.3f s", itr_clock_now() - start);
	return itr_evaluate_ranks(e, q, ranks, false, o, err);
}

static void side_free(itr_eval_side *s)
{
	itr_metric_values_free(s->values);
	free(s->best);
	free(s->relevant);
	free(s->pool);
	free(s->cluster);
}

void itr_eval_free(itr_eval *e)
{
	if (!e)
		return;
	side_free(&e->side[0]);
	side_free(&e->side[1]);
	free(e->protocol);
	itr_json_free(e->warnings);
	free(e);
}
