#include "apply/evaluation.h"

#include <stdlib.h>
#include <string.h>

#include "apply/distances.h"
#include "apply/mapped.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/table.h"
#include "retrieval/anchors.h"
#include "retrieval/trec.h"

enum { SCHEMA = 1, NDCG_K = 10 };

static void artifact(const itr_evaluation_opts *o, const char *path)
{
	if (o->artifact)
		o->artifact(o->ctx, path);
}

/* NULL: none is wanted. */
static char *per_query_path(const itr_evaluation_opts *o, const itr_pairs *p)
{
	if (o->per_query)
		return strcmp(o->per_query, "none") == 0 ? NULL : itr_xstrdup(o->per_query);
	if (o->output)
		return itr_path_replace_extension(o->output, ".per_query.npz");
	if (o->input && itr_mapped_wanted(o->input, o->pairs.model))         /* many models are judged on one file */
		return itr_eval_queries_path(o->pairs.model, p, o->protocol);
	return itr_eval_queries_path(o->input ? o->input : o->run ? o->run : o->pairs.text, p, o->protocol);
}

/* *path becomes NULL where none was written. */
static int write_queries(const itr_evaluation *e, const itr_evaluation_opts *o, char **path, itr_err *err)
{
	*path = per_query_path(o, e->pairs);
	if (!*path)
		return 0;
	if (itr_eval_write_queries(e->eval, e->pairs, *path, o->provenance, err) == 0) {
		artifact(o, *path);
		return 0;
	}
	if (o->per_query || o->output || o->baseline)
		return -1;
	itr_warn("no per-query file: %s", err->msg);          /* nobody asked for it: an input that cannot be written beside is no failure */
	*err = (itr_err)ITR_ERR_INIT;
	free(*path);
	*path = NULL;
	return 0;
}

/* What a translation into the images' space is judged by besides its rankings. */
static int add_distances(const itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err)
{
	if (o->pairs.model)
		itr_json_add_num(e->result, "mean_cosine", itr_mean_cosine(e->pairs));
	if (!o->distances)
		return 0;
	char *stem = itr_path_replace_extension(o->output ? o->output : o->pairs.model ? o->pairs.model : e->pairs->name, "");
	itr_json *d = itr_distances(e->pairs, o->pairs.seed, o->pairs.threads, stem, err);
	free(stem);
	for (const itr_json *f = itr_json_first(itr_json_get(d, "figures")); f; f = itr_json_next(f))
		artifact(o, itr_json_str(f, ""));
	if (d)
		itr_json_add(e->result, "distances", d);
	return d ? 0 : -1;
}

static void add_origin(itr_json *j, const itr_evaluation_opts *o)
{
	itr_json_add_int(j, "schema", SCHEMA);
	itr_provenance_put(o->provenance, j);
}

itr_json *itr_evaluation_compare(const itr_evaluation_opts *o, const char *a, const char *b, itr_err *err)
{
	itr_json *j = itr_eval_compare(a, b, o->resamples, o->pairs.seed, o->pairs.threads, err);
	if (j)
		add_origin(j, o);
	return j;
}

static int make_result(itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err)
{
	char *per_query;
	itr_json *versus = NULL;
	e->set = o->anchors ? itr_anchor_set(o->protocol, e->pairs->n_image) : NULL;
	e->result = itr_eval_json(e->eval, e->pairs);
	int rc = write_queries(e, o, &per_query, err);
	add_origin(e->result, o);
	itr_json_add_str(e->result, "per_query", per_query);
	if (o->anchors)
		itr_json_add(e->result, "anchors", itr_anchors_json(e->set ? e->set : ""));
	if (rc == 0 && o->baseline && !(versus = itr_eval_compare(o->baseline, per_query, o->resamples, o->pairs.seed, o->pairs.threads, err)))
		rc = -1;
	if (versus)
		itr_json_add(e->result, "baseline", versus);
	free(per_query);
	return rc == 0 ? add_distances(e, o, err) : -1;
}

/* Vectors, or ids and lists of a run; relevance replaced. *lists is the run's. */
static itr_pairs *open_input(const itr_evaluation_opts *o, itr_trec_run **lists, itr_err *err)
{
	*lists = o->run ? itr_trec_read_run(o->run, o->provenance, err) : NULL;
	if (o->run && !*lists)
		return NULL;
	itr_pairs *p = o->run ? itr_trec_pairs(*lists) : itr_mapped_wanted(o->input, o->pairs.model) ? itr_mapped_pairs(o->input, &o->pairs, o->provenance, err) :
	               itr_pairs_open(o->input, &o->pairs, o->provenance, err);
	if (!p || !o->relevance || itr_pairs_judge(p, o->relevance, o->provenance, err) == 0)
		return p;
	itr_pairs_free(p);
	return NULL;
}

static itr_eval *measure(const itr_evaluation_opts *o, const itr_pairs *p, const itr_trec_run *lists, itr_err *err)
{
	itr_eval_opts eo = { .ties = o->ties, .resamples = o->resamples, .seed = o->pairs.seed, .threads = o->pairs.threads };
	itr_ranks *t2i, *i2t;
	bool truncated;
	itr_metric_set_default(&eo.set, o->k, (int)o->n_k, NDCG_K);
	if (itr_protocol_parse(o->protocol, &eo.protocol, &eo.pool, err) < 0)
		return NULL;
	if (!lists)
		return itr_evaluate(p, &eo, err);
	itr_trec_ranks(lists, p, eo.ties == ITR_TIES_STABLE, &t2i, &i2t, &truncated);
	return itr_evaluate_ranks(p, t2i, i2t, truncated, &eo, err);
}

static int write_trec(const itr_evaluation_opts *o, const itr_pairs *p, itr_err *err)
{
	if (o->qrels_out && itr_trec_write_qrels(p, o->qrels_out, err) < 0)
		return -1;
	return o->run_out ? itr_trec_write_run(p, o->run_out, o->run_depth ? o->run_depth : INT32_MAX, o->pairs.threads, err) : 0;
}

int itr_evaluation_run(itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err)
{
	itr_trec_run *lists;
	*e = (itr_evaluation){ .pairs = open_input(o, &lists, err) };
	if (e->pairs)
		e->eval = measure(o, e->pairs, lists, err);
	itr_trec_free(lists);
	if (e->eval && write_trec(o, e->pairs, err) == 0 && make_result(e, o, err) == 0)
		return 0;
	itr_evaluation_free(e);
	return -1;
}

void itr_evaluation_free(itr_evaluation *e)
{
	itr_eval_free(e->eval);
	itr_pairs_free(e->pairs);
	itr_json_free(e->result);
	*e = (itr_evaluation){ 0 };
}

void itr_evaluation_table(const itr_evaluation *e, int format, itr_buf *out)
{
	const itr_json *cosine = itr_json_get(e->result, "mean_cosine"), *distances = itr_json_get(e->result, "distances"), *versus = itr_json_get(e->result, "baseline");
	itr_eval_table(e->eval, e->pairs, format, out);
	if (cosine && format == ITR_TABLE_TEXT)
		itr_buf_printf(out, "mean cosine of texts to their own images: %.4f\n", itr_json_num(cosine, 0));
	if (distances && format == ITR_TABLE_TEXT)
		itr_distances_table(distances, out);
	if (e->set)
		itr_anchors_table(e->result, e->set, format, out);
	else if (itr_json_get(e->result, "anchors"))
		itr_warn("no published figures belong to %lld images under protocol %s", (long long)e->pairs->n_image, e->eval->protocol);
	if (versus) {
		itr_buf_putc(out, '\n');
		itr_eval_compare_table(versus, format, out);
	}
}
