/* evaluate - score text and image embeddings against each other: both directions, ties exact, chance and intervals beside every figure. */
#include <stdlib.h>
#include <string.h>

#include "apply/distances.h"
#include "apply/mapped.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "cli/tool.h"
#include "io/table.h"
#include "retrieval/anchors.h"
#include "retrieval/condition.h"
#include "retrieval/evaluate.h"
#include "retrieval/trec.h"

enum { SCHEMA = 1, NDCG_K = 10 };

struct opt {
	itr_pairs_opts pairs;
	bool normalize, compare, anchors, distances;
	itr_ints k;
	int ties, format;
	int64_t bootstrap, run_depth;
	const char *protocol, *relevance, *per_query, *baseline, *run, *run_out, *qrels_out;
	itr_strs fail_if;
};

static const itr_option options[] = {
	ITR_OPT_HEADING("What is evaluated:"),
	ITR_OPT_INT("dim", 'd', struct opt, pairs.dim, "D", "embedding size to read (text_D, video_D); 0 is the largest"),
	ITR_OPT_STR("text", 0, struct opt, pairs.text, "FILE.npy", "own text vectors, with --image instead of EMBEDDINGS"),
	ITR_OPT_STR("image", 0, struct opt, pairs.image, "FILE.npy", "own image vectors"),
	ITR_OPT_STR("ground-truth", 0, struct opt, pairs.ground_truth, "FILE", "image row of each text, or text,image pairs (.npy, .csv)"),
	ITR_OPT_INT("captions-per-image", 0, struct opt, pairs.captions_per_image, "K", "without ground truth: texts come in runs of K, in the images' order"),
	ITR_OPT_STR("model", 0, struct opt, pairs.model, "FILE", "model of train that maps a feature store or the pairs of an NPZ"),
	ITR_OPT_STR("split", 0, struct opt, pairs.split, "NAME", "rows of a feature store, or of the split that the model remembers: train, val, test (default: all)"),
	ITR_OPT_BOOL("normalize", 0, struct opt, normalize, "make rows unit length; --no-normalize ranks by plain inner product"),
	ITR_OPT_STR("relevance", 0, struct opt, relevance, "WHAT", "instead of the ground truth: captions:FILE (equal captions answer alike), eccv:DIR, cxc:DIR, coco:DIR, FILE.json, TREC qrels"),
	ITR_OPT_STR("run", 0, struct opt, run, "FILE", "a TREC run instead of vectors; needs --relevance"),
	ITR_OPT_HEADING("How:"),
	ITR_OPT_STR("protocol", 0, struct opt, protocol, "NAME", "full, pool:C, coco-1k or coco-5k"),
	ITR_OPT_INTS("recall-k", 'k', struct opt, k, "K...", "cut-offs of recall"),
	ITR_OPT_ENUM("ties", 0, struct opt, ties, itr_ties_names, "how equal scores are ranked"),
	ITR_OPT_INT("bootstrap", 0, struct opt, bootstrap, "N", "resamples of images for the 95 % intervals; 0 leaves them out"),
	ITR_OPT_HEADING("What comes out:"),
	ITR_OPT_ENUM("format", 0, struct opt, format, itr_table_format_names, "of the table"),
	ITR_OPT_STR("per-query", 0, struct opt, per_query, "FILE.npz", "each query's rank and values; 'none' writes none (default: beside the result or the input)"),
	ITR_OPT_STR("run-out", 0, struct opt, run_out, "FILE", "write the rankings as a TREC run"),
	ITR_OPT_INT("run-depth", 0, struct opt, run_depth, "N", "ranks of each query in the run; 0 is the whole gallery"),
	ITR_OPT_STR("qrels-out", 0, struct opt, qrels_out, "FILE", "write the relevance as TREC qrels"),
	ITR_OPT_BOOL("anchors", 0, struct opt, anchors, "put published figures of the same test set beside the result"),
	ITR_OPT_BOOL("distances", 0, struct opt, distances, "with --model: distance to the own and to a random image too, with two pictures"),
	ITR_OPT_STRS("fail-if", 0, struct opt, fail_if, "CONDITION", "exit 1 when it holds, as 'i2t.recall@1<0.3'"),
	ITR_OPT_STR("baseline", 0, struct opt, baseline, "FILE", "also compare with this per-query file (or result that names one): paired differences"),
	ITR_OPT_BOOL("compare", 0, struct opt, compare, "the arguments are two per-query files (or results that name them): paired differences B - A"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"evaluate test.npz --dim 512 --json",
	"evaluate --model cca.h5 features.h5 --split test",
	"evaluate --model model.h5 train.npz --split val --distances",
	"evaluate --text t.npy --image i.npy --captions-per-image 5",
	"evaluate emb.npz --protocol pool:100 --recall-k 1 10",
	"evaluate --compare a.per_query.npz b.per_query.npz",
	NULL
};

static const itr_tool_desc evaluate_tool = {
	.name = "evaluate", .purpose = "retrieval metrics of text and image embeddings", .synopsis = "evaluate [options] [EMBEDDINGS]", .options = options,
	.max_args = 2, .flags = ITR_TOOL_OUTPUT, .examples = examples, .see_also = "extract-features(1), train(1), runs(1)",
};

/* Wrong use that the option table cannot see: the exit code, or -1. */
static int check_use(itr_tool *t, struct opt *o)
{
	if (o->compare)
		return t->n_args == 2 ? -1 : itr_tool_usage(t, "--compare takes two per-query files");
	if (!!o->pairs.text != !!o->pairs.image)
		return itr_tool_usage(t, "--text and --image go together");
	if (t->n_args > 1)
		return itr_tool_usage(t, "one input at a time ('%s' is another)", t->args[1]);
	if (t->n_args + !!o->pairs.text + !!o->run != 1)
		return itr_tool_usage(t, "give one of EMBEDDINGS (a file or folder), --text with --image, or --run");
	if (o->run && (!o->relevance || o->run_out || strcmp(o->protocol, "full")))
		return itr_tool_usage(t, o->relevance ? "a run is evaluated as it is: no --protocol, no --run-out" : "--run needs --relevance");
	if (o->baseline && o->per_query && !strcmp(o->per_query, "none"))
		return itr_tool_usage(t, "--baseline compares per-query files: leave out --per-query none");
	if (o->run_depth < 0)
		return itr_tool_usage(t, "--run-depth counts from 0");
	for (int64_t i = 0; i < o->k.n; i++) {
		if (o->k.v[i] < 1)
			return itr_tool_usage(t, "--recall-k counts from 1");
		for (int64_t j = 0; j < i; j++)
			if (o->k.v[i] == o->k.v[j])
				return itr_tool_usage(t, "--recall-k names %lld twice", (long long)o->k.v[i]);
	}
	if (o->bootstrap < 0 || o->bootstrap > 1000000)
		return itr_tool_usage(t, "--bootstrap is a number of resamples up to 1000000");
	if (o->pairs.dim < 0 || o->pairs.captions_per_image < 0)
		return itr_tool_usage(t, "--dim and --captions-per-image count from 1");
	return -1;
}

/* NULL: none is wanted. */
static char *per_query_path(const itr_tool *t, const struct opt *o, const itr_pairs *p)
{
	if (o->per_query)
		return strcmp(o->per_query, "none") == 0 ? NULL : itr_xstrdup(o->per_query);
	if (t->output && strcmp(t->output, "-") != 0)
		return itr_path_replace_extension(t->output, ".per_query.npz");
	if (t->n_args && itr_mapped_wanted(t->args[0], o->pairs.model))         /* many models are judged on one file */
		return itr_eval_queries_path(o->pairs.model, p, o->protocol);
	return itr_eval_queries_path(t->n_args ? t->args[0] : o->run ? o->run : o->pairs.text, p, o->protocol);
}

static void track(void *tool, const char *key, double value)
{
	itr_tool_metric(tool, key, value, 0);
}

/* What a translation into the images' space is judged by besides its rankings. 0, or -1 with t->err. */
static int add_distances(itr_tool *t, const struct opt *o, const itr_pairs *p, itr_json *j)
{
	if (o->pairs.model)
		itr_json_add_num(j, "mean_cosine", itr_mean_cosine(p));
	if (!o->distances)
		return 0;
	char *stem = itr_path_replace_extension(t->output && strcmp(t->output, "-") ? t->output : o->pairs.model ? o->pairs.model : p->name, "");
	itr_json *d = itr_distances(p, t->seed, t->threads, stem, &t->err);
	free(stem);
	for (const itr_json *f = itr_json_first(itr_json_get(d, "figures")); f; f = itr_json_next(f))
		itr_tool_artifact(t, itr_json_str(f, ""));
	if (d)
		itr_json_add(j, "distances", d);
	return d ? 0 : -1;
}

/* The result as JSON, complete; NULL with t->err. */
static itr_json *result_json(itr_tool *t, const struct opt *o, const itr_eval *e, const itr_pairs *p)
{
	char *per_query = per_query_path(t, o, p);
	const char *set = o->anchors ? itr_anchor_set(o->protocol, p->n_image) : NULL;
	itr_json *j = itr_eval_json(e, p), *versus = NULL;
	int rc = per_query ? itr_eval_write_queries(e, p, per_query, t->provenance, &t->err) : 0;
	if (rc < 0 && !o->per_query && !t->output && !o->baseline) {          /* nobody asked for it: an input that cannot be written beside is no failure */
		itr_warn("no per-query file: %s", t->err.msg);
		t->err = (itr_err)ITR_ERR_INIT;
		free(per_query);
		per_query = NULL;
		rc = 0;
	}
	itr_json_add_int(j, "schema", SCHEMA);
	itr_json_add(j, "provenance", itr_provenance_json(t->provenance));
	itr_json_add_str(j, "per_query", per_query);
	if (o->anchors)
		itr_json_add(j, "anchors", itr_anchors_json(set ? set : ""));
	if (rc == 0 && per_query)
		itr_tool_artifact(t, per_query);
	if (rc == 0 && o->baseline && !(versus = itr_eval_compare(o->baseline, per_query, (int)o->bootstrap, t->seed, t->threads, &t->err)))
		rc = -1;
	if (versus)
		itr_json_add(j, "baseline", versus);
	free(per_query);
	if (rc == 0)
		rc = add_distances(t, o, p, j);
	if (rc == 0)
		return j;
	itr_json_free(j);
	return NULL;
}

/* 1: a condition holds (said on stderr), 0: none, -1 with t->err. */
static int failed_conditions(itr_tool *t, const struct opt *o, const itr_json *result)
{
	int failed = 0;
	for (int64_t i = 0; i < o->fail_if.n; i++) {
		double value;
		int holds = itr_condition(result, o->fail_if.v[i], &value, &t->err);
		if (holds < 0)
			return -1;
		if (holds)
			itr_error("failed: %s (it is %.6g)", o->fail_if.v[i], value);
		failed |= holds;
	}
	return failed;
}

/* Vectors, or ids and lists of a run; relevance replaced; NULL with t->err. *lists is the run's. */
static itr_pairs *open_input(itr_tool *t, struct opt *o, itr_trec_run **lists)
{
	o->pairs.threads = t->threads;
	o->pairs.seed = t->seed;
	o->pairs.no_normalize = !o->normalize;
	*lists = o->run ? itr_trec_read_run(o->run, t->provenance, &t->err) : NULL;
	if (o->run && !*lists)
		return NULL;
	const char *path = t->n_args ? t->args[0] : NULL;
	itr_pairs *p = o->run ? itr_trec_pairs(*lists) : itr_mapped_wanted(path, o->pairs.model) ? itr_mapped_pairs(path, &o->pairs, t->provenance, &t->err) :
	               itr_pairs_open(path, &o->pairs, t->provenance, &t->err);
	if (!p || !o->relevance || itr_pairs_judge(p, o->relevance, t->provenance, &t->err) == 0)
		return p;
	itr_pairs_free(p);
	return NULL;
}

static itr_eval *measure(itr_tool *t, const struct opt *o, const itr_pairs *p, const itr_trec_run *lists)
{
	itr_eval_opts eo = { .ties = (itr_ties)o->ties, .resamples = (int)o->bootstrap, .seed = t->seed, .threads = t->threads };
	itr_ranks *t2i, *i2t;
	bool truncated;
	itr_metric_set_default(&eo.set, o->k.v, (int)o->k.n, NDCG_K);
	if (itr_protocol_parse(o->protocol, &eo.protocol, &eo.pool, &t->err) < 0)
		return NULL;
	if (!lists)
		return itr_evaluate(p, &eo, &t->err);
	itr_trec_ranks(lists, p, eo.ties == ITR_TIES_STABLE, &t2i, &i2t, &truncated);
	return itr_evaluate_ranks(p, t2i, i2t, truncated, &eo, &t->err);
}

static int write_trec(itr_tool *t, const struct opt *o, const itr_pairs *p)
{
	if (o->qrels_out && itr_trec_write_qrels(p, o->qrels_out, &t->err) < 0)
		return -1;
	return o->run_out ? itr_trec_write_run(p, o->run_out, o->run_depth ? o->run_depth : INT32_MAX, t->threads, &t->err) : 0;
}

/* What people read; j is the result. e and p NULL: a comparison. */
static void show_table(itr_tool *t, const struct opt *o, const itr_eval *e, const itr_pairs *p, const itr_json *j)
{
	const itr_json *versus = e ? itr_json_get(j, "baseline") : j;
	const char *set = e && o->anchors ? itr_anchor_set(o->protocol, p->n_image) : NULL;
	itr_buf table = ITR_BUF_INIT;
	if (e)
		itr_eval_table(e, p, o->format, &table);
	if (itr_json_get(j, "mean_cosine") && o->format == ITR_TABLE_TEXT)
		itr_buf_printf(&table, "mean cosine of texts to their own images: %.4f\n", itr_json_num(itr_json_get(j, "mean_cosine"), 0));
	if (itr_json_get(j, "distances") && o->format == ITR_TABLE_TEXT)
		itr_distances_table(itr_json_get(j, "distances"), &table);
	if (set)
		itr_anchors_table(j, set, o->format, &table);
	else if (e && o->anchors)
		itr_warn("no published figures belong to %lld images under protocol %s", (long long)p->n_image, o->protocol);
	if (e && versus)
		itr_buf_putc(&table, '\n');
	if (versus)
		itr_eval_compare_table(versus, o->format, &table);
	fputs(itr_buf_str(&table), t->out);
	itr_buf_free(&table);
}

/* Output file, conditions, tracked figures, stdout, exit code. Frees j (NULL: it failed before). */
static int conclude(itr_tool *t, const struct opt *o, const itr_eval *e, const itr_pairs *p, itr_json *j)
{
	bool file = t->output && strcmp(t->output, "-") != 0;
	int failed = j && (!file || itr_json_write(t->output, j, &t->err) == 0) ? failed_conditions(t, o, j) : -1;
	if (failed < 0) {
		itr_json_free(j);
		return itr_tool_fail(t);
	}
	if (file)
		itr_tool_artifact(t, t->output);
	if (e)
		itr_eval_track(e, track, t);
	for (const itr_json *w = t->json || o->format != ITR_TABLE_TEXT ? itr_json_first(itr_json_get(j, "warnings")) : NULL; w; w = itr_json_next(w))
		itr_warn("%s", itr_json_str(w, ""));          /* the table for people shows them itself */
	if (t->json) {
		itr_tool_print_json(t, j);
	} else {
		show_table(t, o, e, p, j);
		itr_json_free(j);
	}
	return itr_tool_end(t, !failed);
}

static int compare(itr_tool *t, const struct opt *o)
{
	itr_json *j = itr_tool_check_output(t, false) < 0 ? NULL : itr_eval_compare(t->args[0], t->args[1], (int)o->bootstrap, t->seed, t->threads, &t->err);
	if (j) {
		itr_json_add_int(j, "schema", SCHEMA);
		itr_json_add(j, "provenance", itr_provenance_json(t->provenance));
	}
	return conclude(t, o, NULL, NULL, j);
}

static int evaluate(itr_tool *t, struct opt *o)
{
	itr_trec_run *lists = NULL;
	itr_pairs *p = itr_tool_check_output(t, false) < 0 ? NULL : open_input(t, o, &lists);
	itr_eval *e = p ? measure(t, o, p, lists) : NULL;
	itr_json *j = e && write_trec(t, o, p) == 0 ? result_json(t, o, e, p) : NULL;
	int code = conclude(t, o, e, p, j);
	itr_eval_free(e);
	itr_pairs_free(p);
	itr_trec_free(lists);
	return code;
}

int main(int argc, char **argv)
{
	struct opt o = { .normalize = true, .k = { 3, { 1, 5, 10 } }, .bootstrap = ITR_BOOT_RESAMPLES, .run_depth = 100, .protocol = "full" };
	itr_tool *t = itr_tool_begin(&evaluate_tool, &o, argc, argv);
	int wrong = check_use(t, &o);
	if (wrong >= 0)
		return wrong;
	return o.compare ? compare(t, &o) : evaluate(t, &o);
}
