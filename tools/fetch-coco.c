/* fetch-coco - pictures with captions, from wherever they are, as one manifest.
 * A source fills the manifest (fetch_synthetic, fetch_reader); checking, splitting, writing and the summary are the same for all. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "cli/progress.h"
#include "cli/tool.h"
#include "data/dataset.h"
#include "data/readers.h"
#include "data/scenes.h"
#include "data/translation.h"
#include "fetch/coco.h"

enum { FALLBACK_SCENES = 1000, CONNECT_TIMEOUT = 10 };
enum { SPLIT_IMAGE, SPLIT_CAPTION };
enum { FALLBACK_NONE, FALLBACK_SYNTHETIC };
static const char *const split_by_names[] = { "image", "caption", NULL };
static const char *const fallback_names[] = { "none", "synthetic", NULL };

struct opt {
	int64_t synthetic, size, limit, max_failed;
	int64_t connections, retries, near;
	double timeout;
	const char *from, *annotations_dir, *images_dir, *split_sizes, *base_url, *annotations_url, *karpathy, *split, *proxy;
	itr_strs subset;
	int split_by, fallback;
	bool copy, as_embeddings, retry_failed, verify;
};

static const itr_option options[] = {
	ITR_OPT_HEADING("Where the pictures come from:"),
	ITR_OPT_INT("synthetic", 0, struct opt, synthetic, "N", "draw N scenes of coloured shapes instead of reading pictures"),
	ITR_OPT_INT("size", 0, struct opt, size, "PIXELS", "side of a synthetic scene"),
	ITR_OPT_BOOL("as-embeddings", 0, struct opt, as_embeddings, "with --synthetic: the translation task's train.npz and test.clean.npz instead of pictures"),
	ITR_OPT_STR("from", 0, struct opt, from, "READER", "read what is on disk: sidecar DIR, coco DIR, karpathy FILE, flickr DIR"),
	ITR_OPT_STRS("subset", 0, struct opt, subset, "NAME", "part of COCO: val2017, train2017; fetched unless '--from' or a folder says that it is there"),
	ITR_OPT_STR("annotations-dir", 0, struct opt, annotations_dir, "DIR", "folder of captions_SUBSET.json and instances_SUBSET.json"),
	ITR_OPT_STR("images-dir", 0, struct opt, images_dir, "DIR", "folder of the pictures"),
	ITR_OPT_ENUM("fallback", 0, struct opt, fallback, fallback_names, "what to do when the captions are not there"),
	ITR_OPT_HEADING("Fetching COCO:"),
	ITR_OPT_STR("base-url", 0, struct opt, base_url, "URL", "above SUBSET/NAME.jpg"),
	ITR_OPT_STR("annotations-url", 0, struct opt, annotations_url, "URL", "zip of the annotations"),
	ITR_OPT_STR("karpathy", 0, struct opt, karpathy, "FILE", "dataset_coco.json, whose split is applied"),
	ITR_OPT_STR("split", 0, struct opt, split, "NAME", "only this part of Karpathy's split"),
	ITR_OPT_BOOL("retry-failed", 0, struct opt, retry_failed, "only what failed last time"),
	ITR_OPT_BOOL("verify", 0, struct opt, verify, "hash what is there again, fetch nothing"),
	ITR_OPT_INT("connections", 0, struct opt, connections, "N", "transfers at once"),
	ITR_OPT_INT("retries", 0, struct opt, retries, "N", "attempts after the first"),
	ITR_OPT_NUM("timeout", 0, struct opt, timeout, "SECONDS", "for a transfer that stands still, and (at most 10) for a connection"),
	ITR_OPT_STR("proxy", 0, struct opt, proxy, "URL", "instead of http_proxy, https_proxy, no_proxy of the environment"),
	ITR_OPT_INT("near-duplicates", 0, struct opt, near, "BITS", "report pictures in different parts that differ in so few of 128 bits; -1 does not look"),
	ITR_OPT_HEADING("What becomes of them:"),
	ITR_OPT_INT("limit", 0, struct opt, limit, "N", "keep N pictures, drawn with the seed; 0 is all"),
	ITR_OPT_BOOL("copy", 0, struct opt, copy, "copy the pictures below the output folder instead of referring to them"),
	ITR_OPT_STR("split-sizes", 0, struct opt, split_sizes, "T/V/T", "shares of train, val and test; 'none': leave it to train, which then deals out by its own seed"),
	ITR_OPT_ENUM("split-by", 0, struct opt, split_by, split_by_names, "what is dealt out; 'caption' puts one picture into several parts (leaky)"),
	ITR_OPT_INT("max-failed", 0, struct opt, max_failed, "N", "missing or damaged pictures that are tolerated"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"fetch-coco --synthetic 2000 --seed 7 -o data/scenes",
	"fetch-coco --subset val2017 --limit 1000 -o data/coco",
	"fetch-coco --from sidecar photos -o data/photos",
	"fetch-coco --from coco --annotations-dir coco/annotations --images-dir coco/val2017 --subset val2017 -o data/coco",
	NULL
};

static const itr_tool_desc fetch_coco_tool = {
	.name = "fetch-coco", .purpose = "pictures with captions as a manifest", .synopsis = "fetch-coco [options] [DIR] -o FOLDER", .options = options,
	.max_args = 1, .flags = ITR_TOOL_OUTPUT | ITR_TOOL_OUTPUT_REQUIRED, .examples = examples, .see_also = "extract-features(1), evaluate(1)",
};

/* What a source gets and gives. `composed`: queries written, -1 where the source has none. */
struct fetch {
	itr_tool *t;
	struct opt *o;
	const itr_reader *reader;
	itr_manifest m;
	itr_findings *findings;
	int64_t failed, composed;
	double fractions[3];
	itr_json *transfers;            /* of a fetch over the network */
};

static int deal_out(struct fetch *f) { return itr_dataset_split(&f->m, f->fractions, f->t->seed, f->o->split_by == SPLIT_CAPTION, &f->t->err); }

static int fetch_synthetic(struct fetch *f)
{
	itr_tool *t = f->t;
	itr_scenes_opts so = { .n = f->o->synthetic, .seed = t->seed, .size = (int)f->o->size, .threads = t->threads, .interrupted = &itr_interrupted };
	char *what = itr_xasprintf("synthetic n=%lld seed=%llu size=%d", (long long)so.n, (unsigned long long)so.seed, so.size), *images = itr_path_join(t->output, "images");
	int rc = itr_dataset_claim(t->output, what, t->force, &t->err);
	if (rc == 0)
		rc = itr_path_remove_tree(images, &t->err);     /* pictures of another data set under the same names */
	if (rc >= 0) {
		itr_progress *p = itr_progress_begin(t, "scenes", "scenes", so.n);
		so.progress = itr_progress_tick;
		so.progress_ctx = p;
		itr_provenance_set_synthetic(t->provenance);
		rc = itr_scenes_write(t->output, &so, &f->m, t->provenance, &t->err);
		itr_progress_end(p);
	}
	if (rc == 0)
		rc = deal_out(f);
	if (rc == 0 && f->o->split_by == SPLIT_IMAGE && strcmp(f->o->split_sizes, "none")) {       /* targets are sought within a part */
		f->composed = itr_scenes_write_composed(t->output, &so, &f->m, &t->err);
		rc = f->composed < 0 ? -1 : 0;
	}
	free(what);
	free(images);
	return rc;
}

static int fetch_reader(struct fetch *f)
{
	itr_tool *t = f->t;
	const struct opt *o = f->o;
	const char *source = t->n_args ? t->args[0] : o->annotations_dir || o->from ? NULL : t->output;
	const char *subset = o->subset.n ? o->subset.v[0] : NULL;
	itr_reader_opts ro = { .source = source, .annotations_dir = o->annotations_dir, .images_dir = o->images_dir, .subset = subset, .provenance = t->provenance };
	char *what = itr_xasprintf("%s %s%s%s", f->reader->name, source ? source : o->annotations_dir ? o->annotations_dir : ".", subset ? " " : "", subset ? subset : "");
	int rc = f->reader->read(&f->m, &ro, f->findings, &t->err);
	if (rc == 0)
		rc = itr_dataset_claim(t->output, what, t->force, &t->err);
	free(what);
	if (rc < 0)
		return -1;
	if (f->m.synthetic)
		itr_provenance_set_synthetic(t->provenance);
	itr_dataset_limit(&f->m, o->limit, t->seed);
	itr_progress *p = itr_progress_begin(t, "pictures", "pictures", f->m.n);
	itr_check_opts co = { .decode = f->reader->decode, .threads = t->threads, .progress = itr_progress_tick, .progress_ctx = p, .interrupted = &itr_interrupted };
	f->failed = itr_dataset_check(&f->m, &co, f->findings, &t->err);
	itr_progress_end(p);
	if (f->failed < 0 || deal_out(f) < 0)
		return -1;
	return itr_dataset_place(&f->m, t->output, o->images_dir ? o->images_dir : source, o->copy, &t->err);
}

static void *show_begin(void *t, const char *what, const char *unit, int64_t total) { return itr_progress_begin(t, what, unit, total); }
static void show_note(void *p, const char *text) { itr_progress_note(p, "%s", text); }
static void show_end(void *p) { itr_progress_end(p); }

static itr_coco_opts network_opts(const struct fetch *f)
{
	const struct opt *o = f->o;
	itr_coco_opts c = { .dir = f->t->output, .base_url = o->base_url, .annotations_url = o->annotations_url, .karpathy = o->karpathy, .split = o->split, .limit = o->limit,
	                    .seed = f->t->seed, .by_caption = o->split_by == SPLIT_CAPTION, .retry_failed = o->retry_failed, .near = (int)o->near, .threads = f->t->threads, .force = f->t->force,
	                    .progress = { f->t, show_begin, itr_progress_tick, show_note, show_end }, .stop = &itr_interrupted, .provenance = f->t->provenance };
	c.n_subsets = (int)ITR_MIN(o->subset.n, ITR_COCO_SUBSETS);
	memcpy(c.subsets, o->subset.v, (size_t)c.n_subsets * sizeof *c.subsets);
	memcpy(c.fractions, f->fractions, sizeof c.fractions);
	itr_http_opts_default(&c.http);
	c.http.connections = (int)o->connections;
	c.http.retries = (int)o->retries;
	c.http.stall_timeout = o->timeout;
	c.http.connect_timeout = ITR_MIN(o->timeout, CONNECT_TIMEOUT);
	c.http.proxy = o->proxy;
	c.http.seed = f->t->seed;
	c.http.stop = &itr_interrupted;
	return c;
}

static int fetch_network(struct fetch *f)
{
	itr_coco_opts co = network_opts(f);
	itr_coco_report r;
	int rc = itr_coco_fetch(&co, &f->m, f->findings, &r, &f->t->err);
	f->failed = r.failed + r.skipped;
	f->transfers = itr_coco_report_json(&r);
	itr_json_free(r.reasons);
	return rc;
}

static void say_file(void *t, const char *what, const char *file) { fprintf(((itr_tool *)t)->out, "%s\t%s\n", what, file); }

static int verify(struct fetch *f)
{
	itr_tool *t = f->t;
	itr_coco_opts co = network_opts(f);
	itr_verify_report r;
	if (itr_coco_verify(&co, t->json ? NULL : say_file, t, &r, &t->err) < 0)
		return -1;
	if (t->json)
		itr_tool_print_json(t, itr_verify_report_json(&r));
	return r.changed + r.missing ? itr_err_set(&t->err, "%lld files are not what was fetched first", (long long)(r.changed + r.missing)) : 0;
}

/* The captions are not there and the user allowed scenes instead: say so twice, mark everything. */
static int fetch_fallback(struct fetch *f)
{
	itr_warn("%s", f->t->err.msg);
	itr_warn("USING SYNTHETIC SCENES INSTEAD (--fallback synthetic): every file made from them is marked synthetic, no figure says anything about real pictures");
	f->t->err = (itr_err)ITR_ERR_INIT;
	itr_manifest_free(&f->m);
	itr_manifest_init(&f->m);
	f->o->synthetic = f->o->limit > 0 ? f->o->limit : FALLBACK_SCENES;
	return fetch_synthetic(f);
}

static bool from_network(const struct fetch *f) { return f->o->subset.n && !f->o->from && !f->t->n_args && !f->o->annotations_dir && !f->o->images_dir; }

static int fetch(struct fetch *f)
{
	if (f->o->synthetic)
		return fetch_synthetic(f);
	f->reader = itr_reader_find(f->o->from ? f->o->from : "coco", &f->t->err);
	if (!f->reader)
		return -1;
	int rc = from_network(f) ? fetch_network(f) : fetch_reader(f);
	return rc < 0 && f->o->fallback == FALLBACK_SYNTHETIC && !itr_interrupted ? fetch_fallback(f) : rc;
}

static int write_all(struct fetch *f)
{
	itr_tool *t = f->t;
	bool echo = !t->quiet && !t->json && !isatty(STDOUT_FILENO);
	return itr_dataset_write(&f->m, t->output, f->findings, f->transfers ? "failures.json says why" : "--images-dir says where they are", t->provenance,
	                         echo ? t->out : NULL, &t->err);
}

static void report(struct fetch *f)
{
	itr_tool *t = f->t;
	if (f->o->split_by == SPLIT_CAPTION)
		itr_warn("split by caption: the same pictures are in several parts, so test figures are leaky");
	itr_tool_metric(t, "images", (double)f->m.n, 0);
	itr_tool_metric(t, "captions", (double)f->m.n_captions, 0);
	itr_tool_metric(t, "failed", (double)f->failed, 0);
	if (!t->json)
		return;
	itr_json *j = itr_dataset_json(&f->m, f->findings);
	itr_json_add_int(j, "failed", f->failed);
	if (f->composed >= 0)
		itr_json_add_int(j, "composed", f->composed);
	if (f->transfers)
		itr_json_add(j, "transfers", f->transfers);
	f->transfers = NULL;
	itr_tool_print_json(t, j);
}

/* The translation task's two files (document 003): N images, 5 N captions, 1,500 test captions. */
static int write_embeddings(itr_tool *t, int64_t images)
{
	itr_progress *p = itr_progress_begin(t, "vectors", "rows", images * 6 + ITR_TRANSLATION_TEST);
	itr_provenance_set_synthetic(t->provenance);
	int rc = itr_translation_write(t->output, images, t->seed, t->provenance, t->threads, itr_progress_tick, p, &t->err);
	itr_progress_end(p);
	if (rc == 0)
		itr_info("%lld images, %lld captions, %d test captions, synthetic -> %s/train.npz, test.clean.npz", (long long)images, (long long)images * 5, ITR_TRANSLATION_TEST, t->output);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}

static const char *wrong_use(const itr_tool *t, const struct opt *o)
{
	if (o->synthetic < 0 || o->limit < 0 || o->max_failed < 0)
		return "'--synthetic', '--limit' and '--max-failed' must not be negative";
	if (o->as_embeddings && !o->synthetic)
		return "'--as-embeddings' needs '--synthetic N'";
	if (o->size < 32 || o->size > 4096)
		return "'--size' must lie between 32 and 4096";
	if (o->subset.n > ITR_COCO_SUBSETS || o->near < -1 || o->near > ITR_PHASH_MAX_DISTANCE || o->connections > 256 || o->retries > 100)
		return "at most 4 subsets, 256 connections, 100 retries; '--near-duplicates' from -1 to 7";
	if ((o->verify || o->retry_failed || o->karpathy || o->base_url != itr_coco_base_url || o->annotations_url != itr_coco_annotations_url) && (!o->subset.n || o->from || o->annotations_dir || o->images_dir || t->n_args))
		return "these options are about fetching: they need '--subset', without '--from' and without folders";
	if (o->synthetic && (o->from || t->n_args))
		return "'--synthetic' draws pictures, '--from' reads them: choose one";
	return NULL;
}

/* Pictures from somewhere, as a manifest, with a verdict. */
static int make_manifest(struct fetch *f)
{
	f->findings = itr_findings_new();
	itr_manifest_init(&f->m);
	int rc = fetch(f);
	if (rc == 0)
		rc = write_all(f);
	if (rc == 0)
		report(f);
	if (rc == 0 && f->failed > f->o->max_failed)
		rc = itr_err_set(&f->t->err, "%lld pictures are missing or damaged, more than --max-failed %lld; the manifest lists the others", (long long)f->failed,
		                 (long long)f->o->max_failed);
	itr_findings_free(f->findings);
	itr_json_free(f->transfers);
	itr_manifest_free(&f->m);
	return rc;
}

int main(int argc, char **argv)
{
	struct opt o = { .size = 224, .split_sizes = "0.6/0.2/0.2", .connections = 16, .retries = 5, .timeout = 30, .near = 4,
	                 .base_url = itr_coco_base_url, .annotations_url = itr_coco_annotations_url };
	itr_tool *t = itr_tool_begin(&fetch_coco_tool, &o, argc, argv);
	struct fetch f = { .t = t, .o = &o, .composed = -1 };
	const char *wrong = wrong_use(t, &o);
	if (wrong)
		return itr_tool_usage(t, "%s", wrong);
	if (strcmp(o.split_sizes, "none") && itr_split_parse(f.fractions, o.split_sizes, &t->err) < 0)
		return itr_tool_usage(t, "%s", t->err.msg);
	itr_coco_opts network = network_opts(&f);
	if ((o.verify || from_network(&f)) && (wrong = itr_coco_opts_check(&network)))
		return itr_tool_usage(t, "%s", wrong);
	if (o.as_embeddings)
		return write_embeddings(t, o.synthetic);
	int rc = o.verify ? verify(&f) : make_manifest(&f);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}
