/* fetch-coco - pictures with captions, from wherever they are, as one manifest.
 * A source fills the manifest (fetch/sources.h, fetch/coco.h); writing and the summary are the same for all. */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/progress.h"
#include "cli/tool.h"
#include "data/dataset.h"
#include "data/translation.h"
#include "fetch/data_set.h"

enum { CONNECT_TIMEOUT = 10 };
enum { FALLBACK_NONE, FALLBACK_SYNTHETIC };
static const char *const fallback_names[] = { "none", "synthetic", NULL };

struct opt {
	itr_fetch_opts fetch;
	int64_t size, connections, retries, near;
	const char *split_sizes, *split_by;
	itr_strs subset;
	int fallback;
	bool as_embeddings, verify;
};

static const itr_option options[] = {
	ITR_OPT_HEADING("Source of the pictures:"),
	ITR_OPT_INT_IN("synthetic", 0, struct opt, fetch.disk.scenes, "N", ITR_FROM(0), "generate N synthetic scenes of coloured shapes"),
	ITR_OPT_INT_IN("size", 0, struct opt, size, "PIXELS", ITR_BETWEEN(32, 4096), "side of a synthetic scene"),
	ITR_OPT_BOOL("as-embeddings", 0, struct opt, as_embeddings,
	             "with --synthetic: the translation task's train.npz and test.clean.npz instead of pictures"),
	ITR_OPT_STR("from", 0, struct opt, fetch.from, "READER", NULL /* itr_reader_help */),
	ITR_OPT_STRS("subset", 0, struct opt, subset, "NAME",
	             "part of COCO: val2017, train2017; downloaded, unless '--from' or a folder names a copy on disk"),
	ITR_OPT_STR("annotations-dir", 0, struct opt, fetch.disk.reader.annotations_dir, "DIR",
	            "folder of captions_SUBSET.json and instances_SUBSET.json"),
	ITR_OPT_STR("images-dir", 0, struct opt, fetch.disk.reader.images_dir, "DIR", "folder of the pictures"),
	ITR_OPT_ENUM("fallback", 0, struct opt, fallback, fallback_names, "action if the captions are missing"),
	ITR_OPT_HEADING("Download of COCO:"),
	ITR_OPT_STR("base-url", 0, struct opt, fetch.net.base_url, "URL", "URL of the folder that holds SUBSET/NAME.jpg"),
	ITR_OPT_STR("annotations-url", 0, struct opt, fetch.net.annotations_url, "URL", "URL of the annotations' zip file"),
	ITR_OPT_STR("karpathy", 0, struct opt, fetch.net.karpathy, "FILE", "dataset_coco.json, whose split is applied"),
	ITR_OPT_STR("split", 0, struct opt, fetch.net.split, "NAME", "only this part of Karpathy's split"),
	ITR_OPT_BOOL("retry-failed", 0, struct opt, fetch.net.retry_failed, "download only the files that failed in the last run"),
	ITR_OPT_BOOL("verify", 0, struct opt, verify, "hash the files on disk again, download nothing"),
	ITR_OPT_INT_IN("connections", 0, struct opt, connections, "N", ITR_BETWEEN(1, 256), "parallel transfers"),
	ITR_OPT_INT_IN("retries", 0, struct opt, retries, "N", ITR_BETWEEN(0, 100), "retries of a failed transfer"),
	ITR_OPT_NUM_IN("timeout", 0, struct opt, fetch.net.http.stall_timeout, "SECONDS", ITR_FROM(1),
	               "timeout of a stalled transfer, and (at most 10) for a connection"),
	ITR_OPT_STR("proxy", 0, struct opt, fetch.net.http.proxy, "URL", "instead of http_proxy, https_proxy, no_proxy of the environment"),
	ITR_OPT_HEADING("Output and split:"),
	ITR_OPT_INT_IN("limit", 0, struct opt, fetch.net.limit, "N", ITR_FROM(0), "keep a random sample of N pictures; 0: all"),
	ITR_OPT_BOOL("copy", 0, struct opt, fetch.disk.copy, "copy the pictures into the output folder instead of storing their paths"),
	ITR_OPT_STR("split-sizes", 0, struct opt, split_sizes, "T/V/T",
	            "shares of train, val and test; 'none': no split here, {train} makes one by its own seed"),
	ITR_OPT_STR("split-by", 0, struct opt, split_by, "RULE",
	            "unit of the split: image, near (near-duplicates), label, group:FILE (CSV: id,group); caption puts one image into "
	            "several parts (leaky)"),
	ITR_OPT_INT_IN("near-duplicates", 0, struct opt, near, "BITS", ITR_BETWEEN(-1, ITR_PHASH_MAX_DISTANCE),
	               "largest Hamming distance of two 128-bit perceptual hashes that count as near-duplicates; pairs across splits are "
	               "reported; -1: no check"),
	ITR_OPT_INT_IN("max-failed", 0, struct opt, fetch.max_failed, "N", ITR_FROM(0), "largest number of missing or damaged pictures"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{fetch-coco} --synthetic 2000 --seed 7 -o data/scenes",
	"{fetch-coco} --subset val2017 --limit 1000 -o data/coco",
	"{fetch-coco} --from sidecar photos -o data/photos",
	"{fetch-coco} --from coco --annotations-dir coco/annotations --images-dir coco/val2017 --subset val2017 -o data/coco",
	NULL
};

static const itr_tool_desc fetch_coco_tool = {
	.name = "fetch-coco",
	.purpose = "pictures with captions as a manifest",
	.synopsis = "{fetch-coco} [options] [DIR] -o FOLDER",
	.options = options,
	.max_args = 1,
	.flags = ITR_TOOL_OUTPUT | ITR_TOOL_OUTPUT_REQUIRED,
	.examples = examples,
	.see_also = "{extract-features}(1), {evaluate}(1)",
};

static bool from_network(const itr_tool *t, const struct opt *o)
{
	return o->subset.n && !o->fetch.from && !t->n_args && !o->fetch.disk.reader.annotations_dir && !o->fetch.disk.reader.images_dir;
}

static void *show_begin(void *t, const char *what, const char *unit, int64_t total) { return itr_progress_begin(t, what, unit, total); }
static void show_note(void *p, const char *text) { itr_progress_note(p, "%s", text); }
static void show_end(void *p) { itr_progress_end(p); }

/* What both kinds of source take from the command line, and what the option table cannot bind: counts that are ints, paths that depend on
 * others. */
static void complete(itr_tool *t, struct opt *o)
{
	itr_coco_opts *c = &o->fetch.net;
	itr_source_opts *s = &o->fetch.disk;
	c->dir = s->dir = t->output;
	c->force = s->force = t->force;
	c->threads = s->threads = t->threads;
	c->rule = s->rule;
	c->seed = c->http.seed = s->seed = t->seed;
	c->stop = c->http.stop = s->stop = &itr_interrupted;
	c->provenance = s->reader.provenance = t->provenance;
	c->progress = s->progress = (itr_fetch_progress){ t, show_begin, itr_progress_tick, show_note, show_end };
	memcpy(c->fractions, s->fractions, sizeof c->fractions);
	c->n_subsets = (int)ITR_MIN(o->subset.n, ITR_COCO_SUBSETS);
	memcpy(c->subsets, o->subset.v, (size_t)c->n_subsets * sizeof *c->subsets);
	c->near = s->near = (int)o->near;
	c->http.connections = (int)o->connections;
	c->http.retries = (int)o->retries;
	c->http.connect_timeout = ITR_MIN(c->http.stall_timeout, CONNECT_TIMEOUT);
	o->fetch.download = from_network(t, o);
	o->fetch.or_scenes = o->fallback == FALLBACK_SYNTHETIC;
	s->limit = c->limit;
	s->size = (int)o->size;
	s->reader.subset = o->subset.n ? o->subset.v[0] : NULL;
	s->reader.source = t->n_args ? t->args[0] : s->reader.annotations_dir || o->fetch.from ? NULL : t->output;
}

static void say_file(void *t, const char *what, const char *file) { fprintf(((itr_tool *)t)->out, "%s\t%s\n", what, file); }

static int verify(itr_tool *t, const struct opt *o)
{
	itr_verify_report r;
	if (itr_coco_verify(&o->fetch.net, t->json ? NULL : say_file, t, &r, &t->err) < 0)
		return -1;
	if (t->json)
		itr_tool_print_json(t, itr_verify_report_json(&r));
	return r.changed + r.missing ? itr_err_set(&t->err, "%lld files are not what was fetched first", (long long)(r.changed + r.missing))
	                             : 0;
}

/* The translation task's two files (document 003): N images, 5 N captions, 1,500 test captions. */
static int write_embeddings(itr_tool *t, int64_t images)
{
	itr_progress *p = itr_progress_begin(t, "vectors", "rows", images * 6 + ITR_TRANSLATION_TEST);
	itr_provenance_set_synthetic(t->provenance);
	int rc = itr_translation_write(t->output, images, t->seed, t->provenance, t->threads, itr_progress_tick, p, &t->err);
	itr_progress_end(p);
	if (rc == 0)
		itr_info("%lld images, %lld captions, %d test captions, synthetic -> %s/train.npz, test.clean.npz", (long long)images,
		         (long long)images * 5, ITR_TRANSLATION_TEST, t->output);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}

static const char *wrong_use(const itr_tool *t, const struct opt *o)
{
	if (o->as_embeddings && !o->fetch.disk.scenes)
		return "'--as-embeddings' needs '--synthetic N'";
	if (o->subset.n > ITR_COCO_SUBSETS)
		return "at most 4 subsets";
	if ((o->verify || o->fetch.net.retry_failed || o->fetch.net.karpathy || o->fetch.net.base_url != itr_coco_base_url ||
	     o->fetch.net.annotations_url != itr_coco_annotations_url) &&
	    !from_network(t, o))
		return "these options are about fetching: they need '--subset', without '--from' and without folders";
	if (o->near < 0 && o->split_by && !strcmp(o->split_by, "near"))
		return "'--split-by near' needs '--near-duplicates' of 0 or more";
	if (o->fetch.disk.scenes && (o->fetch.from || t->n_args))
		return "'--synthetic' draws pictures, '--from' reads them: choose one";
	return NULL;
}

/* Pictures from somewhere as a manifest. */
static int make_manifest(itr_tool *t, struct opt *o)
{
	FILE *echo = !t->quiet && !t->json && !isatty(STDOUT_FILENO) ? t->out : NULL;
	itr_fetch_result r;
	const int rc = itr_fetch_data_set(&o->fetch, echo, &r, &t->err);
	if (!r.json)
		return rc;
	if (o->fetch.disk.rule.by == ITR_SPLIT_BY_CAPTION)
		itr_warn("split by caption: the same pictures are in several parts, so test figures are leaky");
	itr_tool_metric(t, "images", (double)r.images, 0);
	itr_tool_metric(t, "captions", (double)r.captions, 0);
	itr_tool_metric(t, "failed", (double)r.failed, 0);
	if (t->json)
		itr_tool_print_json(t, r.json);
	else
		itr_json_free(r.json);
	return rc;
}

/* The help of --from comes from the table of readers. */
static const itr_option *whole_table(void)
{
	static itr_option table[ITR_LEN(options)];
	memcpy(table, options, sizeof table);
	for (itr_option *p = table; p->type != ITR_OPT_T_END; p++)
		if (p->meta && !p->help)
			p->help = itr_reader_help();            /* lives as long as the program */
	return table;
}

int main(int argc, char **argv)
{
	struct opt o = { .size = 224,
		         .split_sizes = "0.6/0.2/0.2",
		         .split_by = "image",
		         .near = 4,
		         .fetch.net = { .base_url = itr_coco_base_url, .annotations_url = itr_coco_annotations_url } };
	itr_http_opts_default(&o.fetch.net.http);
	o.connections = o.fetch.net.http.connections;
	o.retries = o.fetch.net.http.retries;
	itr_tool_desc desc = fetch_coco_tool;
	desc.options = whole_table();
	itr_tool *t = itr_tool_begin(&desc, &o, argc, argv);
	const char *wrong = wrong_use(t, &o);
	if (!wrong && ((strcmp(o.split_sizes, "none") && itr_split_parse(o.fetch.disk.fractions, o.split_sizes, &t->err) < 0) ||
	               itr_split_rule_parse(&o.fetch.disk.rule, o.split_by, &t->err) < 0))
		wrong = t->err.msg;
	complete(t, &o);
	if (!wrong && (o.verify || from_network(t, &o)))
		wrong = itr_coco_opts_check(&o.fetch.net);
	if (wrong)
		return itr_tool_usage(t, "%s", wrong);
	if (o.as_embeddings)
		return write_embeddings(t, o.fetch.disk.scenes);
	int rc = o.verify ? verify(t, &o) : make_manifest(t, &o);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}
