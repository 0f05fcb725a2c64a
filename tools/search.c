/* search - asks a collection of pictures and captions: by id, by words, by vector. */
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cli/tool.h"
#include "search/lookup.h"

struct opt {
	const char *database, *vectors[2], *vector, *model, *text_weights, *split, *manifest, *root, *sheet, *ground_truth;
	itr_strs query, text;
	int64_t k, dim, random, rescore, captions_per_image;
	int from, to, precision;
	bool all, normalize;
};

static itr_option options[] = {
	ITR_OPT_HEADING("Collection:"),
	ITR_OPT_STR("database", 0, struct opt, database, "FILE",
	            "embeddings (.npz, .h5, folder), or with --model a feature store or a manifest; may also be the argument"),
	ITR_OPT_STR("text-vectors", 0, struct opt, vectors[ITR_TEXT], "FILE",
	            "text embeddings, together with --image-vectors instead of EMBEDDINGS (.npy, or what {predict} writes)"),
	ITR_OPT_STR("image-vectors", 0, struct opt, vectors[ITR_IMAGE], "FILE", "image embeddings"),
	ITR_OPT_INT_IN("dim", 'd', struct opt, dim, "D", ITR_FROM(0), "embedding size; 0: the model's, or the largest"),
	ITR_OPT_STR("model", 'm', struct opt, model, "FILE", "model: maps a feature store, and turns --text into a vector"),
	ITR_OPT_STR("split", 0, struct opt, split, "NAME", "rows of a feature store"),
	ITR_OPT_STR("ground-truth", 0, struct opt, ground_truth, "FILE", "image row of each text, for files that do not contain it"),
	ITR_OPT_INT_IN("captions-per-image", 0, struct opt, captions_per_image, "N", ITR_FROM(0),
	               "the texts are in groups of N, one group per image"),
	ITR_OPT_ENUM("to", 0, struct opt, to, itr_modality_names, "which modality is searched"),
	ITR_OPT_ENUM("precision", 'p', struct opt, precision, itr_precision_names, NULL),
	ITR_OPT_INT_IN("rescore", 0, struct opt, rescore, "N", ITR_FROM(0), "rerank the N best in fp32; 0: off"),
	ITR_OPT_BOOL("normalize", 0, struct opt, normalize, "L2-normalize the rows"),
	ITR_OPT_HEADING("Queries:"),
	ITR_OPT_STRS("query", 0, struct opt, query, "ID...", "ids of the collection"),
	ITR_OPT_ENUM("from", 0, struct opt, from, itr_modality_names, "modality of these ids"),
	ITR_OPT_TEXTS("text", 0, struct opt, text, "WORDS", "a text, encoded by --model; may be given several times"),
	ITR_OPT_STR(
		"text-weights", 0, struct opt, text_weights, "PATH",
		"weights of the model's text encoder (default: those of the right hash in the caches of {fetch-model} and Hugging Face)"),
	ITR_OPT_STR("vector", 0, struct opt, vector, "FILE.npy", "query vectors, one per row"),
	ITR_OPT_INT_IN("random", 0, struct opt, random, "N", ITR_FROM(0), "N random queries of the collection (--seed)"),
	ITR_OPT_BOOL("all", 0, struct opt, all, "use every row of the collection as a query"),
	ITR_OPT_HEADING("Output:"),
	ITR_OPT_INT_IN("top", 'k', struct opt, k, "K", ITR_BETWEEN(1, 10000), "results per query"),
	ITR_OPT_STR("manifest", 0, struct opt, manifest, "FILE", "paths of pictures and words of captions"),
	ITR_OPT_STR("root", 0, struct opt, root, "DIR", "folder that picture paths are relative to (default: the manifest's)"),
	ITR_OPT_STR("sheet", 0, struct opt, sheet, "FILE.png",
	            "picture of the queries and their top 5 results, correct or wrong (default: 6 random queries)"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{search} test.npz --query 139 --top 5 --manifest data/scenes/manifest.jsonl",
	"{search} test.npz --model cca.h5 --text 'a small red circle' --manifest data/scenes/manifest.jsonl",
	"{search} test.npz --random 6 --manifest data/scenes/manifest.jsonl --sheet retrieval.png",
	NULL
};

static const itr_tool_desc search_tool = {
	.name = "search",
	.purpose = "exact search in a collection of pictures and captions",
	.synopsis = "{search} [options] EMBEDDINGS",
	.options = options,
	.min_args = 0,
	.max_args = -1,
	.flags = ITR_TOOL_OUTPUT,
	.examples = examples,
	.see_also = "{extract-features}(1), {evaluate}(1)",
};

typedef ITR_VEC(itr_lookup_query) queries;

static int add_ids(const itr_lookup *l, const struct opt *o, queries *q, itr_err *err)
{
	for (int64_t i = 0; i < o->query.n; i++) {
		itr_lookup_query one;
		if (itr_lookup_by_id(l, o->query.v[i], &one, err) < 0)
			return -1;
		ITR_VEC_PUSH(q, one);
	}
	return 0;
}

static int add_vectors(const itr_lookup *l, const char *path, queries *q, itr_err *err)
{
	int64_t n = 0;
	itr_lookup_query *v = itr_lookup_vectors(l, path, &n, err);
	for (int64_t i = 0; v && i < n; i++)
		ITR_VEC_PUSH(q, v[i]);
	free(v);
	return v ? 0 : -1;
}

static int add_texts(const itr_lookup *l, const itr_strs *text, queries *q, itr_err *err)
{
	itr_lookup_query *all = itr_xcalloc((size_t)text->n, sizeof *all);
	const int rc = itr_lookup_texts(l, text->v, text->n, all, err);
	for (int64_t i = 0; i < text->n && rc == 0; i++)
		ITR_VEC_PUSH(q, all[i]);
	free(all);
	return rc;
}

/* `random` rows without repetition, or all. */
static void add_rows(const itr_lookup *l, int64_t random, bool all, uint64_t seed, queries *q)
{
	int64_t total = itr_lookup_queries(l), n = all ? total : ITR_MIN(random, total);
	int64_t *rows = itr_xcalloc((size_t)n + 1, sizeof *rows);
	itr_rng rng;
	itr_rng_seed(&rng, seed);
	if (!all)
		itr_rng_choice(&rng, total, n, rows);
	for (int64_t i = 0; i < n; i++) {
		itr_lookup_query one;
		itr_lookup_by_row(l, all ? i : rows[i], &one);
		ITR_VEC_PUSH(q, one);
	}
	free(rows);
}

static int collect(itr_tool *t, const itr_lookup *l, const struct opt *o, queries *q)
{
	int64_t random = o->random ? o->random : o->sheet && !o->query.n && !o->text.n && !o->vector && !o->all ? 6 : 0;
	if (add_ids(l, o, q, &t->err) < 0 || (o->vector && add_vectors(l, o->vector, q, &t->err) < 0) ||
	    (o->text.n && add_texts(l, &o->text, q, &t->err) < 0))
		return -1;
	if (random || o->all)
		add_rows(l, random, o->all, t->seed, q);
	return q->n ? 0 : itr_err_set(&t->err, "nothing is asked: --query ID, --text WORDS, --vector FILE.npy, --random N or --all");
}

/* Text, or one JSON object: {"queries":[{"query","results"}...]}; of a single query its members stand at the top as well. */
static int show(itr_tool *t, const itr_lookup *l, const struct opt *o, const queries *q, const itr_lookup_result *r)
{
	itr_buf b = ITR_BUF_INIT;
	if (t->json) {
		itr_json *j = q->n == 1 ? itr_lookup_json(l, &q->v[0], &r[0], o->k) : itr_json_object(),
			 *a = itr_json_add_array(j, "queries");
		for (size_t i = 0; i < q->n; i++)
			itr_json_push(a, itr_lookup_json(l, &q->v[i], &r[i], o->k));
		itr_json_add_int(j, "schema", 1);
		itr_json_add_bool(j, "synthetic", itr_lookup_table(l)->synthetic);
		itr_json_add_str(j, "kernel", itr_lookup_kernel(l));
		itr_json *p = itr_provenance_json(t->provenance);
		if (p)
			itr_json_add(j, "provenance", p);
		itr_json_print(&b, j, true);
		itr_buf_putc(&b, '\n');
		itr_json_free(j);
	} else {
		for (size_t i = 0; i < q->n; i++)
			itr_lookup_print(l, &q->v[i], &r[i], o->k, &b);
	}
	int rc = t->output && strcmp(t->output, "-") ? itr_atomic_write(t->output, itr_buf_str(&b), b.len, &t->err) : 0;
	if (rc == 0 && !(t->output && strcmp(t->output, "-")))
		fwrite(itr_buf_str(&b), 1, b.len, t->out);
	itr_buf_free(&b);
	return rc;
}

static int run(itr_tool *t, const struct opt *o, itr_lookup *l, queries *q)
{
	int64_t k = o->sheet ? ITR_MAX(o->k, 5) : o->k, hits = 0, ranked = 0;
	if (collect(t, l, o, q) < 0)
		return -1;
	itr_lookup_result *r = itr_lookup_run(l, q->v, (int64_t)q->n, k, &t->err);
	if (!r)
		return -1;
	int rc = show(t, l, o, q, r);
	if (rc == 0 && o->sheet) {
		rc = itr_lookup_sheet(l, q->v, r, (int64_t)q->n, k, o->sheet, &t->err);
		if (rc == 0)
			itr_tool_artifact(t, o->sheet);
	}
	for (size_t i = 0; i < q->n; i++) {
		ranked += r[i].rank > 0;
		hits += r[i].rank > 0 && r[i].rank <= o->k;
	}
	itr_tool_metric(t, "queries", (double)q->n, 0);
	if (ranked)
		itr_tool_metric(t, "found_in_top_k", (double)hits / (double)ranked, 0);
	itr_lookup_results_free(r, (int64_t)q->n);
	return rc;
}

/* `--query 0 1`: of the arguments, the one that is a file is the collection, the others are ids too. NULL: they cannot be told apart. */
static const char *take_arguments(const itr_tool *t, struct opt *o)
{
	const char *path = NULL;
	for (int i = 0; i < t->n_args; i++)
		if (t->n_args == 1 || (o->query.n && itr_path_exists(t->args[i]))) {
			if (path)
				return NULL;
			path = t->args[i];
		} else if (!o->query.n || o->query.n == ITR_LEN(o->query.v)) {
			return NULL;
		} else {
			o->query.v[o->query.n++] = t->args[i];
		}
	return path ? path : o->database;
}

int main(int argc, char **argv)
{
	struct opt o = { .k = 10, .to = ITR_IMAGE, .normalize = true };
	itr_precision_describe(options, "storage format of the vectors");
	itr_tool *t = itr_tool_begin(&search_tool, &o, argc, argv);
	const char *path = take_arguments(t, &o);
	queries q = ITR_VEC_INIT;
	if (!o.vectors[ITR_TEXT] != !o.vectors[ITR_IMAGE])
		return itr_tool_usage(t, "--text-vectors and --image-vectors go together");
	if (path && o.vectors[ITR_TEXT])
		return itr_tool_usage(t, "one collection is searched: '%s', or --text-vectors and --image-vectors", path);
	if (!path && !o.vectors[ITR_TEXT])
		return itr_tool_usage(t, t->n_args > 1 ? "one collection is searched: several arguments go only with --query, and then one "
		                                         "of them is a file and the others are ids"
		                                       : "which collection is searched?");
	if (o.database && path && path != o.database)
		return itr_tool_usage(t, "the collection is named twice, as '%s' and by --database", path);
	if (itr_tool_check_output(t, false) < 0)
		return itr_tool_fail(t);
	if (o.sheet && itr_path_exists(o.sheet) && !t->force) {
		itr_err_set(&t->err, "'%s' exists: --force replaces it", o.sheet);
		return itr_tool_fail(t);
	}
	itr_lookup_opts lo = { .rows = { .in = { .vectors = { o.vectors[ITR_TEXT], o.vectors[ITR_IMAGE] },
		                                 .dim = o.dim,
		                                 .ground_truth = o.ground_truth,
		                                 .captions_per_image = o.captions_per_image,
		                                 .scale = o.normalize ? ITR_SCALE_UNIT_IF_NEEDED : ITR_SCALE_STORED,
		                                 .threads = t->threads,
		                                 .provenance = t->provenance },
		                         .split = o.split },
		               .model = o.model,
		               .words = o.text.n > 0,
		               .text_weights = o.text_weights,
		               .manifest = o.manifest,
		               .root = o.root,
		               .from = (itr_modality)o.from,
		               .to = (itr_modality)o.to,
		               .precision = (itr_precision)o.precision,
		               .rescore = o.rescore,
		               .threads = t->threads };
	itr_lookup *l = itr_lookup_open(path, &lo, &t->err);
	int rc = l ? run(t, &o, l, &q) : -1;
	for (size_t i = 0; i < q.n; i++)
		itr_lookup_query_free(&q.v[i]);
	free(q.v);
	itr_lookup_close(l);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}
