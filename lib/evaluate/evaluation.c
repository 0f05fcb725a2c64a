#include "evaluate/evaluation.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "evaluate/distances.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/manifest.h"
#include "io/table.h"
#include "evaluate/published.h"
#include "evaluate/trec.h"

enum { SCHEMA = 1, NDCG_K = 10 };

static void artifact(const itr_evaluation_opts *o, const char *path)
{
	if (o->artifact)
		o->artifact(o->ctx, path);
}

/* --- what stands beside the result ---------------------------------------------------------------------------------------------------- */

static void add_part(itr_buf *name, const char *text)
{
	itr_buf_putc(name, '.');
	for (const char *c = text; *c; c++)
		itr_buf_putc(name, strchr(":/ \t", *c) ? '-' : *c);
}

/* The last part of a path, without its extension. */
static void add_stem(itr_buf *name, const char *path)
{
	char *stem = itr_path_replace_extension(itr_path_basename(path), "");
	add_part(name, stem);
	free(stem);
}

static void add_relevance(itr_buf *name, const itr_evaluation_opts *o)
{
	const itr_qrels_reader *reader = o->relevance ? itr_qrels_reader_of(o->relevance, NULL) : NULL;
	if (reader && reader->prefix)
		add_part(name, reader->name);
	else if (o->relevance || o->rows.in.ground_truth)
		add_part(name, itr_path_basename(o->relevance ? o->relevance : o->rows.in.ground_truth));
}

/* The metrics where they were named: as they are, or, where that is long or they have options other than the default ones, by a hash. */
static void add_metrics(itr_buf *name, const itr_evaluation_opts *o)
{
	enum { LONG = 60, DIGITS = 12 };
	itr_metric_options defaults;
	itr_buf all = ITR_BUF_INIT;
	for (int64_t i = 0; i < o->n_metrics; i++)
		itr_buf_printf(&all, "%s%s", i ? "-" : "", o->metrics[i]);
	itr_metric_options_init(&defaults);
	if (all.len && (all.len > LONG || memcmp(&defaults, &o->metric_options, sizeof defaults) != 0)) {
		char hex[ITR_SHA256_HEX];
		itr_buf_add(&all, (const char *)&o->metric_options, sizeof o->metric_options);
		itr_sha256_bytes(all.data, all.len, hex);
		itr_buf_printf(name, ".metrics-%.*s", DIGITS, hex);
	} else if (all.len) {
		add_part(name, all.data);
	}
	itr_buf_free(&all);
}

/* How it was ranked and counted, where that is not the default. */
static void add_manner(itr_buf *name, const itr_evaluation_opts *o)
{
	static const int64_t usual[] = { 1, 5, 10 };
	if (o->rows.in.captions_per_image)
		itr_buf_printf(name, ".%lld-captions", (long long)o->rows.in.captions_per_image);
	if (o->exclude) {
		add_part(name, "exclude");
		add_part(name, itr_path_basename(o->exclude));
	}
	if (o->rows.in.scale == ITR_SCALE_STORED)
		add_part(name, "no-normalize");
	if (o->rules.conventions != ITR_CONVENTIONS_ITR)
		add_part(name, itr_conventions_names[o->rules.conventions]);
	if (o->rules.gain != ITR_GAIN_LINEAR)
		add_part(name, itr_gain_names[o->rules.gain]);
	if (o->rules.skip_missing)
		add_part(name, "skip-missing");
	if (o->ties != ITR_TIES_EXPECTED)
		add_part(name, itr_ties_names[o->ties]);
	if (o->n_k != ITR_LEN(usual) || memcmp(o->k, usual, sizeof usual) != 0)
		for (int64_t i = 0; i < o->n_k; i++)
			itr_buf_printf(name, "%s%lld", i ? "-" : ".k", (long long)o->k[i]);
	add_metrics(name, o);
}

/* Many models are evaluated on one NPZ or manifest; the results of closed forms have been beside their feature store from the start. */
static bool is_beside_model(const char *input, const char *model)
{
	return model && (itr_path_has_suffix(input, ".npz") || itr_manifest_is(input) || !itr_model_is_closed(model));
}

/* Beside the input or the model, with what tells this evaluation from others of the same file: model, split, size,
 * protocol, relevance, and what differs from the defaults. The caller frees. */
static char *automatic_name(const itr_evaluation_opts *o, const itr_embeddings *e)
{
	const bool mapped = o->input && is_beside_model(o->input, o->model);
	const char *base = mapped     ? o->model
	                   : o->input ? o->input
	                   : o->run   ? o->run
	                              : o->rows.in.vectors[ITR_TEXT],
		   *other = mapped ? o->input : o->model;
	itr_buf name = ITR_BUF_INIT;
	if (other)
		add_stem(&name, other);
	if (o->rows.split)
		add_part(&name, o->rows.split);
	itr_buf_printf(&name, ".dim%lld", (long long)e->side[ITR_TEXT].dim);
	if (strcmp(o->protocol, "full"))
		add_part(&name, o->protocol);
	if (strncmp(o->protocol, "pool:", 5) == 0 && o->rows.seed != 42)
		itr_buf_printf(&name, ".seed%llu", (unsigned long long)o->rows.seed);
	add_relevance(&name, o);
	add_manner(&name, o);
	itr_buf_puts(&name, ".per_query.npz");
	char *path =
		itr_path_is_dir(base) ? itr_path_join(base, itr_buf_str(&name) + 1) : itr_path_replace_extension(base, itr_buf_str(&name));
	itr_buf_free(&name);
	return path;
}

/* NULL: none is wanted. */
static char *per_query_path(const itr_evaluation_opts *o, const itr_embeddings *e)
{
	if (o->per_query)
		return strcmp(o->per_query, "none") == 0 ? NULL : itr_xstrdup(o->per_query);
	return o->output ? itr_path_replace_extension(o->output, ".per_query.npz") : automatic_name(o, e);
}

/* *path becomes NULL where none was written. A file that holds the same is left as it is. */
static int write_queries(const itr_evaluation *e, const itr_evaluation_opts *o, char **path, itr_err *err)
{
	*path = per_query_path(o, &e->data);
	if (!*path)
		return 0;
	if (itr_path_exists(*path) && !itr_path_is_dir(*path)) {
		if (itr_eval_same_queries(e->eval, *path, o->rows.in.provenance)) {
			artifact(o, *path);
			return 0;
		}
		if (!o->force)
			return itr_err_set(err,
			                   "'%s' exists and is of another evaluation: give --per-query another name (or 'none'), or "
			                   "--force to replace it",
			                   *path);
	}
	if (itr_eval_write_queries(e->eval, *path, o->rows.in.provenance, err) == 0) {
		artifact(o, *path);
		return 0;
	}
	if (o->per_query || o->output || o->baseline)
		return -1;
	/* nobody asked for it: an input that cannot be written beside is no failure */
	itr_warn("no per-query file: %s", err->msg);
	*err = (itr_err)ITR_ERR_INIT;
	free(*path);
	*path = NULL;
	return 0;
}

static char *pictures_stem(const itr_evaluation_opts *o, const char *input)
{
	return itr_path_replace_extension(o->output ? o->output : o->model ? o->model : input, "");
}

int itr_evaluation_check(const itr_evaluation_opts *o, itr_err *err)
{
	if (!o->rows.in.vectors[ITR_TEXT] != !o->rows.in.vectors[ITR_IMAGE])
		return itr_err_set(err, "--text-vectors and --image-vectors go together");
	if (!!o->input + !!o->rows.in.vectors[ITR_TEXT] + !!o->run != 1)
		return itr_err_set(err, "give one of EMBEDDINGS (a file or folder), --text-vectors with --image-vectors, or --run");
	if (o->run && !o->relevance)
		return itr_err_set(err, "--run needs --relevance");
	if (o->run && (o->run_out || strcmp(o->protocol, "full") != 0))
		return itr_err_set(err, "a run is evaluated as it is: no --protocol, no --run-out");
	if (o->exclude && o->run)
		return itr_err_set(err, "--exclude goes with vectors: a run's lists are evaluated as they are");
	if (o->baseline && o->per_query && strcmp(o->per_query, "none") == 0)
		return itr_err_set(err, "--baseline compares per-query files: omit --per-query none");
	if (o->rules.conventions != ITR_CONVENTIONS_ITR && o->ties != ITR_TIES_EXPECTED)
		return itr_err_set(err, "--conventions %s has its own rule for ties: omit --ties",
		                   itr_conventions_names[o->rules.conventions]);
	if (o->rules.conventions == ITR_CONVENTIONS_TREC_EVAL && o->rules.gain != ITR_GAIN_LINEAR)
		return itr_err_set(err, "trec_eval's ndcg has a linear gain: omit --gain exponential, or --conventions");
	for (int64_t i = 0; i < o->n_k; i++)
		for (int64_t j = 0; j < i; j++)
			if (o->k[i] == o->k[j])
				return itr_err_set(err, "--recall-k names %lld twice", (long long)o->k[i]);
	return 0;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;
	return strcmp(a, b) == 0 ||
	       (stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

int itr_evaluation_check_outputs(const itr_evaluation_opts *o, itr_err *err)
{
	char *stem = pictures_stem(o, o->input ? o->input : o->rows.in.vectors[ITR_TEXT] ? o->rows.in.vectors[ITR_TEXT] : "evaluation");
	char *boxes = itr_xasprintf("%s.distances.png", stem), *bars = itr_xasprintf("%s.samples.png", stem);
	const char *relevance = NULL;
	if (o->relevance)
		itr_qrels_reader_of(o->relevance, &relevance);
	const char *in[] = {
		o->input, o->run,      relevance, o->rows.in.vectors[ITR_TEXT], o->rows.in.vectors[ITR_IMAGE], o->rows.in.ground_truth,
		o->model, o->baseline, o->exclude
	};
	const char *per_query = o->per_query && strcmp(o->per_query, "none") ? o->per_query : NULL;
	const char *out[] = { o->output, per_query, o->run_out, o->qrels_out, o->distances ? boxes : NULL, o->distances ? bars : NULL };
	int rc = 0;
	for (int i = 0; i < ITR_LEN(out) && rc == 0; i++) {
		for (int k = 0; out[i] && k < ITR_LEN(in) && rc == 0; k++)
			if (in[k] && same_file(out[i], in[k]))
				rc = itr_err_set(
					err, "'%s' is an input: --force does not replace what is being read, give the output another name",
					out[i]);
		for (int k = 0; out[i] && k < i && rc == 0; k++)
			if (out[k] && same_file(out[i], out[k]))
				rc = itr_err_set(err, "'%s' is named for two outputs", out[i]);
		if (rc == 0 && out[i] && out[i] != per_query && !o->force && itr_path_exists(out[i]))
			rc = itr_err_set(err, "'%s' exists: --force replaces it", out[i]);
	}
	free(stem);
	free(boxes);
	free(bars);
	return rc;
}

/* --- the result ----------------------------------------------------------------------------------------------------------------------- */

/* What a translation into the images' space is measured by besides its rankings. */
static int add_distances(const itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err)
{
	if (o->model)
		itr_json_add_num(e->result, "mean_cosine", itr_mean_cosine(&e->data));
	if (!o->distances)
		return 0;
	char *stem = pictures_stem(o, e->data.table.name);
	itr_json *d = itr_distances(&e->data, o->rows.seed, o->rows.in.threads, stem, err);
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
	itr_provenance_put(o->rows.in.provenance, j);
}

itr_json *itr_evaluation_compare(const itr_evaluation_opts *o, const char *a, const char *b, itr_err *err)
{
	itr_json *j = itr_eval_compare(a, b, o->resamples, o->rows.seed, o->rows.in.threads, err);
	if (j)
		add_origin(j, o);
	return j;
}

static int make_result(itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err)
{
	char *per_query;
	itr_json *versus = NULL;
	e->set = o->anchors ? itr_published_set(o->protocol, e->data.table.n[ITR_IMAGE]) : NULL;
	e->result = itr_eval_json(e->eval);
	if (e->eval->named || o->rules.conventions != ITR_CONVENTIONS_ITR)
		itr_provenance_note(o->rows.in.provenance, "judging", itr_eval_rules_json(e->eval));
	int rc = write_queries(e, o, &per_query, err);
	add_origin(e->result, o);
	itr_json_add_str(e->result, "per_query", per_query);
	if (o->anchors)
		itr_json_add(e->result, "anchors", itr_published_json(e->set ? e->set : ""));
	if (rc == 0 && o->baseline &&
	    !(versus = itr_eval_compare(o->baseline, per_query, o->resamples, o->rows.seed, o->rows.in.threads, err)))
		rc = -1;
	if (versus)
		itr_json_add(e->result, "baseline", versus);
	free(per_query);
	return rc == 0 ? add_distances(e, o, err) : -1;
}

/* Embeddings, with what is to be said of them, or the table and the lists of a run. */
static int open_input(itr_evaluation *e, const itr_evaluation_opts *o, itr_trec_run **lists, itr_json *warnings, itr_err *err)
{
	*lists = o->run ? itr_trec_read_run(o->run, o->rows.in.provenance, err) : NULL;
	if (*lists)
		itr_trec_table(*lists, &e->data.table);
	if (o->run)
		return *lists ? 0 : -1;
	itr_encoded r;
	const bool manifest = o->input && itr_manifest_is(o->input);
	const itr_model_opts mo = { .raw = manifest ? ITR_HAS_TEXT | ITR_HAS_IMAGE : 0, .threads = o->rows.in.threads };
	itr_model *m = o->model ? itr_model_open(o->model, &mo, err) : NULL;
	const int rc = m || !o->model ? itr_encode(&r, m, o->input, &o->rows, err) : -1;
	itr_model_free(m);
	if (rc < 0)
		return -1;
	itr_encoded_warnings(&r, warnings);
	e->data = r.rows;
	return 0;
}

static int open_relevance(itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err)
{
	itr_row_table *t = &e->data.table;
	if (itr_qrels_open(&e->qrels, t, o->relevance, &o->rules, o->rows.in.provenance, err) < 0)
		return -1;
	if (!o->relevance && !o->rows.in.ground_truth && o->input && (itr_path_has_suffix(o->input, ".h5") || itr_manifest_is(o->input)))
		itr_qrels_count_equal_captions(&e->qrels, t, o->input);
	return o->exclude ? itr_qrels_exclude(&e->qrels, t, o->exclude, o->rows.in.provenance, err) : 0;
}

int itr_evaluation_metrics(const itr_evaluation_opts *o, itr_metric_set *set, itr_err *err)
{
	itr_metric_set usual;
	itr_metric_set_default(&usual, o->k, (int)o->n_k, NDCG_K);
	itr_metric_set_conventions(&usual, o->rules.conventions);
	*set = o->n_metrics ? (itr_metric_set){ 0 } : usual;
	for (int64_t i = 0; i < o->n_metrics; i++) {
		const bool all = strcmp(o->metrics[i], "default") == 0;
		for (int j = 0; j < (all ? usual.n : 1); j++)
			if (itr_metric_set_add(set, all ? usual.m[j].key : o->metrics[i], &o->metric_options, err) < 0)
				return -1;
	}
	return 0;
}

static itr_eval *measure(const itr_evaluation *e, const itr_evaluation_opts *o, const itr_trec_run *lists, const itr_json *warnings,
                         itr_err *err)
{
	itr_eval_opts eo = { .ties = o->ties,
		             .rules = o->rules,
		             .resamples = o->resamples,
		             .seed = o->rows.seed,
		             .threads = o->rows.in.threads,
		             .warnings = warnings };
	itr_trec_ranks ranks;
	if (itr_evaluation_metrics(o, &eo.set, err) < 0 || itr_protocol_parse(o->protocol, &eo.protocol, &eo.pool, err) < 0)
		return NULL;
	if (!lists)
		return itr_evaluate(&e->data, &e->qrels, &eo, err);
	itr_trec_rank(lists, &e->data.table, &e->qrels, &o->rules, eo.ties == ITR_TIES_STABLE, &ranks);
	itr_eval *eval = itr_evaluate_ranks(&e->data, &e->qrels, ranks.side, ranks.truncated, &eo, err);
	if (eval && ranks.infinite)
		itr_json_pushf(eval->warnings, "%lld scores of the run are infinite: those of one sign tie", (long long)ranks.infinite);
	for (int d = 0; eval && d < 2; d++)
		if (!ranks.side[d] && e->qrels.relevant[d]->named)
			itr_json_pushf(eval->warnings, "the run has no %s lists, the relevance has %s queries: that direction is left out",
			               d ? "i2t" : "t2i", d ? "i2t" : "t2i");
	return eval;
}

static int write_trec(const itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err)
{
	if (o->qrels_out && itr_trec_write_qrels(&e->data.table, &e->qrels, o->qrels_out, err) < 0)
		return -1;
	return o->run_out ? itr_trec_write_run(&e->data, o->run_out, o->run_depth ? o->run_depth : INT32_MAX, o->rows.in.threads, err) : 0;
}

int itr_evaluation_run(itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err)
{
	itr_trec_run *lists;
	itr_json *warnings = itr_json_array();
	*e = (itr_evaluation){ .eval = NULL };
	if (open_input(e, o, &lists, warnings, err) == 0 && open_relevance(e, o, err) == 0)
		e->eval = measure(e, o, lists, warnings, err);
	itr_trec_free(lists);
	itr_json_free(warnings);
	if (e->eval && write_trec(e, o, err) == 0 && make_result(e, o, err) == 0)
		return 0;
	itr_evaluation_free(e);
	return -1;
}

void itr_evaluation_free(itr_evaluation *e)
{
	itr_eval_free(e->eval);
	itr_qrels_free(&e->qrels);
	itr_embeddings_free(&e->data);
	itr_json_free(e->result);
	*e = (itr_evaluation){ .eval = NULL };
}

void itr_evaluation_table(const itr_evaluation *e, int format, itr_buf *out)
{
	const itr_json *cosine = itr_json_get(e->result, "mean_cosine"), *distances = itr_json_get(e->result, "distances"),
		       *versus = itr_json_get(e->result, "baseline");
	itr_eval_table(e->eval, format, out);
	if (cosine && format == ITR_TABLE_TEXT)
		itr_buf_printf(out, "mean cosine of texts to their own images: %.4f\n", itr_json_num(cosine, 0));
	if (distances && format == ITR_TABLE_TEXT)
		itr_distances_table(distances, out);
	if (e->set)
		itr_published_table(e->result, e->set, format, out);
	else if (itr_json_get(e->result, "anchors"))
		itr_warn("no published figures belong to %lld images under protocol %s", (long long)e->data.table.n[ITR_IMAGE],
		         e->eval->protocol);
	if (versus) {
		itr_buf_putc(out, '\n');
		itr_eval_compare_table(versus, format, out);
	}
}
