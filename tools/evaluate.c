/* evaluate - score text and image embeddings against each other: both directions, ties exact, chance and intervals beside every figure. */
#include <string.h>

#include "evaluate/evaluation.h"
#include "base/log.h"
#include "cli/saved_options.h"
#include "cli/tool.h"
#include "io/table.h"
#include "evaluate/threshold.h"

struct opt {
	itr_evaluation_opts e;
	bool normalize, compare;
	itr_ints k;
	itr_strs metrics;
	int ties, format, gain, conventions, missing;
	int64_t bootstrap;
	itr_strs fail_if;
};

static const char *const missing_names[] = { "zero", "skip", NULL };

static const itr_option options[] = {
	ITR_OPT_HEADING("Input:"),
	ITR_OPT_INT_IN("dim", 'd', struct opt, e.rows.in.dim, "D", ITR_FROM(0),
	               "embedding size D to read (text_D, video_D); 0: the largest"),
	ITR_OPT_STR("text-vectors", 0, struct opt, e.rows.in.vectors[ITR_TEXT], "FILE",
	            "text embeddings, together with --image-vectors instead of EMBEDDINGS (.npy, or what {predict} writes)"),
	ITR_OPT_STR("image-vectors", 0, struct opt, e.rows.in.vectors[ITR_IMAGE], "FILE", "image embeddings"),
	ITR_OPT_STR("text", 0, struct opt, e.rows.in.vectors[ITR_TEXT], "FILE", "former name of --text-vectors"),
	ITR_OPT_STR("image", 0, struct opt, e.rows.in.vectors[ITR_IMAGE], "FILE", "former name of --image-vectors"),
	ITR_OPT_STR("ground-truth", 0, struct opt, e.rows.in.ground_truth, "FILE",
	            "image row of each text, or text,image pairs (.npy, .csv)"),
	ITR_OPT_INT_IN("captions-per-image", 0, struct opt, e.rows.in.captions_per_image, "K", ITR_FROM(0),
	               "without ground truth: texts come in runs of K, in the images' order"),
	ITR_OPT_STR("model", 0, struct opt, e.model, "FILE", "model of {train} that maps a feature store or the pairs of an NPZ"),
	ITR_OPT_STR("split", 0, struct opt, e.rows.split, "NAME",
	            "rows of this split, as stored in the feature store or in the model: train, val, test (default: all)"),
	ITR_OPT_BOOL("normalize", 0, struct opt, normalize,
	             "L2-normalize the rows (cosine similarity); --no-normalize: plain inner product"),
	ITR_OPT_STR("relevance", 0, struct opt, e.relevance, "WHAT", NULL),
	ITR_OPT_STR("exclude", 0, struct opt, e.exclude, "WHAT",
	            "rows to exclude from a query's gallery: self (the row with the query's own id), or a FILE.json or qrels of queries "
	            "and rows"),
	ITR_OPT_STR("run", 0, struct opt, e.run, "FILE", "TREC run to evaluate instead of embeddings; needs --relevance"),
	ITR_OPT_HEADING("Evaluation:"),
	ITR_OPT_STR("protocol", 0, struct opt, e.protocol, "NAME", "full, pool:C, coco-1k or coco-5k"),
	ITR_OPT_INTS_IN("recall-k", 'k', struct opt, k, "K...", ITR_FROM(1), "cut-offs K of recall@K in the default metrics"),
	ITR_OPT_STRS("metrics", 0, struct opt, metrics, "NAME,...", NULL),
	ITR_OPT_ENUM("ties", 0, struct opt, ties, itr_ties_names, "ranking of equal scores"),
	ITR_OPT_ENUM("conventions", 0, struct opt, conventions, itr_conventions_names,
	             "program whose rules are used for ties, documents not retrieved, missing queries and queries without a positive"),
	ITR_OPT_ENUM("gain", 0, struct opt, gain, itr_gain_names, "gain of a grade in ndcg: the grade, or 2^grade - 1"),
	ITR_OPT_ENUM("missing-queries", 0, struct opt, missing, missing_names,
	             "queries without a ranking: score 0, or excluded from the mean"),
	ITR_OPT_INT_IN("bootstrap", 0, struct opt, bootstrap, "N", ITR_BETWEEN(0, 1000000),
	               "bootstrap resamples for the 95 % intervals; 0: no intervals"),
	ITR_OPT_HEADING("Output:"),
	ITR_OPT_ENUM("format", 0, struct opt, format, itr_table_format_names, "of the table"),
	ITR_OPT_STR("per-query", 0, struct opt, e.per_query, "FILE.npz",
	            "rank and metrics of each query; 'none': not written (default: in the folder of the result or the input)"),
	ITR_OPT_STR("run-out", 0, struct opt, e.run_out, "FILE", "write the rankings as a TREC run"),
	ITR_OPT_INT_IN("run-depth", 0, struct opt, e.run_depth, "N", ITR_FROM(0), "documents per query in the run; 0: the whole gallery"),
	ITR_OPT_STR("qrels-out", 0, struct opt, e.qrels_out, "FILE", "write the relevance as TREC qrels"),
	ITR_OPT_BOOL("anchors", 0, struct opt, e.anchors, "also print published results on the same test set"),
	ITR_OPT_BOOL("distances", 0, struct opt, e.distances,
	             "with --model: also distances of each text to its own image and to a random one, with two plots"),
	ITR_OPT_STRS("fail-if", 0, struct opt, fail_if, "CONDITION",
	             "exit with status 1 if the condition holds, such as 'i2t.recall@1<0.3'"),
	ITR_OPT_STR("baseline", 0, struct opt, e.baseline, "FILE",
	            "also compare with this per-query file (or a result that names one): paired differences"),
	ITR_OPT_BOOL("compare", 0, struct opt, compare,
	             "the arguments are two per-query files (or results that name them): paired differences B - A"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{evaluate} test.npz --dim 512 --json",
	"{evaluate} --model cca.h5 features.h5 --split test",
	"{evaluate} --model model.h5 train.npz --split val --distances",
	"{evaluate} --text-vectors t.npy --image-vectors i.npy --captions-per-image 5",
	"{evaluate} emb.npz --protocol pool:100 --recall-k 1 10",
	"{evaluate} emb.npz --metrics default,map@10,precision@5,recall_all@10",
	"{evaluate} --compare a.per_query.npz b.per_query.npz",
	NULL
};

/* The table with what metrics and readers of relevance say of themselves, and the metrics' own options behind --metrics. */
static const itr_option *whole_table(void)
{
	enum { METRIC_OPTIONS = 16 };
	static itr_option table[ITR_LEN(options) + METRIC_OPTIONS];
	itr_buf metrics = ITR_BUF_INIT, relevance = ITR_BUF_INIT;       /* live as long as the program */
	int n = 0;
	itr_buf_puts(&metrics, "metrics to compute; the name 'default' stands for the default metrics. ");
	itr_metrics_help(&metrics);
	itr_buf_puts(&relevance, "instead of the ground truth. ");
	itr_qrels_readers_help(&relevance);
	for (int i = 0; i < ITR_LEN(options); i++) {
		table[n++] = options[i];
		if (options[i].help || !options[i].meta)
			continue;
		const bool is_metrics = strcmp(options[i].name, "metrics") == 0;
		table[n - 1].help = itr_buf_str(is_metrics ? &metrics : &relevance);
		if (is_metrics)
			n += itr_metric_option_rows(table + n, METRIC_OPTIONS, offsetof(struct opt, e.metric_options));
	}
	return table;
}

static const itr_tool_desc evaluate_tool = {
	.name = "evaluate",
	.purpose = "retrieval metrics of text and image embeddings",
	.synopsis = "{evaluate} [options] [EMBEDDINGS]",
	.max_args = 2,
	.flags = ITR_TOOL_OUTPUT,
	.examples = examples,
	.see_also = "{extract-features}(1), {train}(1), {runs}(1)",
};

/* Wrong use that the option table cannot see: the exit code, or -1. */
static int check_use(itr_tool *t, const struct opt *o)
{
	if (o->compare)
		return t->n_args == 2 ? -1 : itr_tool_usage(t, "--compare takes two per-query files");
	if (t->n_args > 1)
		return itr_tool_usage(t, "one input at a time ('%s' is another)", t->args[1]);
	return itr_evaluation_check(&o->e, &t->err) < 0 ? itr_tool_usage(t, "%s", t->err.msg) : -1;
}

/* Metrics, their options and conditions are checked before the work. A comparison has the metrics of its files. */
static int check_metrics(itr_tool *t, const struct opt *o)
{
	itr_metric_set set;
	bool usual = o->metrics.n == 0;
	if (o->compare)
		return -1;
	for (int64_t i = 0; i < o->metrics.n; i++)
		usual |= strcmp(o->metrics.v[i], "default") == 0;
	if (!usual && itr_tool_given(t, "recall-k"))
		return itr_tool_usage(t, "--recall-k belongs to the default metrics: add 'default' to --metrics, or name recall@K there");
	if (itr_evaluation_metrics(&o->e, &set, &t->err) < 0)
		return itr_tool_usage(t, "--metrics: %s", t->err.msg);
	for (int i = 0; itr_metrics_table[i]; i++)
		for (const itr_option *p = itr_metrics_table[i]->options; p && p->type != ITR_OPT_T_END; p++)
			if (itr_tool_given(t, p->name) && !itr_metric_set_has_option(&set, p->name))
				return itr_tool_usage(t, "--%s is an option of %s: name that in --metrics", p->name,
				                      itr_metrics_table[i]->name);
	for (int64_t i = 0; i < o->fail_if.n; i++)
		if (itr_threshold_check(o->fail_if.v[i], &set, &t->err) < 0)
			return itr_tool_usage(t, "--fail-if: %s", t->err.msg);
	return -1;
}

static void track(void *tool, const char *key, double value)
{
	itr_tool_metric(tool, key, value, 0);
}

static void keep(void *tool, const char *path)
{
	itr_tool_artifact(tool, path);
}

/* What the option table cannot bind. */
static void complete(itr_tool *t, struct opt *o)
{
	itr_evaluation_opts *e = &o->e;
	e->rows.in.threads = t->threads;
	e->rows.seed = t->seed;
	e->rows.in.scale = o->normalize ? ITR_SCALE_UNIT_IF_NEEDED : ITR_SCALE_STORED;
	e->rows.check_split = true;
	e->input = t->n_args ? t->args[0] : NULL;
	e->output = t->output && strcmp(t->output, "-") ? t->output : NULL;
	e->k = o->k.v;
	e->n_k = o->k.n;
	e->metrics = o->metrics.v;
	e->n_metrics = o->metrics.n;
	e->ties = (itr_ties)o->ties;
	e->rules = (itr_relevance_rules){ (itr_conventions)o->conventions, (itr_gain)o->gain, o->missing != 0 };
	e->force = t->force;
	e->resamples = (int)o->bootstrap;
	e->rows.in.provenance = t->provenance;
	e->artifact = keep;
	e->ctx = t;
}

/* Output file, conditions, tracked figures, stdout: the exit code. e NULL: a comparison. */
static int conclude(itr_tool *t, const struct opt *o, const itr_evaluation *e, const itr_json *j)
{
	int failed =
		!o->e.output || itr_json_write(o->e.output, j, &t->err) == 0 ? itr_thresholds(j, o->fail_if.v, o->fail_if.n, &t->err) : -1;
	if (failed < 0)
		return itr_tool_fail(t);
	if (o->e.output)
		itr_tool_artifact(t, o->e.output);
	if (e)
		itr_eval_track(e->eval, track, t);
	for (const itr_json *w = t->json || o->format != ITR_TABLE_TEXT ? itr_json_first(itr_json_get(j, "warnings")) : NULL; w;
	     w = itr_json_next(w))
		itr_warn("%s", itr_json_str(w, ""));          /* the table for people shows them itself */
	itr_buf table = ITR_BUF_INIT;
	if (t->json)
		itr_tool_print_json(t, itr_json_copy(j));
	else if (e)
		itr_evaluation_table(e, o->format, &table);
	else
		itr_eval_compare_table(j, o->format, &table);
	fputs(itr_buf_str(&table), t->out);
	itr_buf_free(&table);
	return itr_tool_end(t, !failed);
}

static int compare(itr_tool *t, const struct opt *o)
{
	itr_json *j = itr_evaluation_compare(&o->e, t->args[0], t->args[1], &t->err);
	int code = j ? conclude(t, o, NULL, j) : itr_tool_fail(t);
	itr_json_free(j);
	return code;
}

static int evaluate(itr_tool *t, const struct opt *o)
{
	itr_evaluation e;
	if (itr_evaluation_run(&e, &o->e, &t->err) < 0)
		return itr_tool_fail(t);
	int code = conclude(t, o, &e, e.result);
	itr_evaluation_free(&e);
	return code;
}

int main(int argc, char **argv)
{
	struct opt o = {
		.normalize = true, .k = { 3, { 1, 5, 10 } }, .bootstrap = ITR_BOOT_RESAMPLES, .e = { .run_depth = 100, .protocol = "full" }
	};
	itr_tool_desc d = evaluate_tool;
	d.options = whole_table();
	itr_metric_options_init(&o.e.metric_options);
	itr_tool *t = itr_tool_begin(&d, &o, argc, argv);
	complete(t, &o);
	int wrong = check_use(t, &o);
	if (wrong < 0)
		wrong = check_metrics(t, &o);
	if (wrong >= 0)
		return wrong;
	if (itr_tool_check_output(t, false) < 0 || (!o.compare && itr_evaluation_check_outputs(&o.e, &t->err) < 0))
		return itr_tool_fail(t);
	return o.compare ? compare(t, &o) : evaluate(t, &o);
}
