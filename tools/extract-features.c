/* extract-features - pictures and captions to vectors; vectors to embeddings */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "cli/progress.h"
#include "cli/saved_options.h"
#include "data/equal.h"
#include "encode/embed.h"
#include "encode/extract.h"
#include "encode/verify.h"
#include "model/model.h"

struct opt {
	bool list, merge, verify;
	const char *against;
	int alpha;
	itr_image_text_opts pictures;
	itr_extract_opts extract;
	itr_embed_opts embed;
	itr_option_groups groups;
};

static const itr_option options[] = {
	ITR_OPT_STR("root", 0, struct opt, pictures.root, "DIR", "folder that image paths are relative to (default: the manifest's)"),
	ITR_OPT_ENUM("alpha", 0, struct opt, alpha, itr_alpha_names,
	             "transparent pictures: blend with white, or drop the alpha channel as Pillow's convert does"),
	ITR_OPT_BOOL("exif", 0, struct opt, pictures.pictures.exif, "rotate pictures by their EXIF orientation"),
	ITR_OPT_BOOL("fast-decode", 0, struct opt, pictures.pictures.fast,
	             "decode JPEGs at 1/2, 1/4 or 1/8 where they are resized below that: faster, vectors differ slightly"),
	ITR_OPT_BOOL("merge", 0, struct opt, merge, "join the stores named as arguments (shards) into one"),
	ITR_OPT_BOOL("verify", 0, struct opt, verify, "check a store for NaN, zero, repeated and constant vectors"),
	ITR_OPT_STR("against", 0, struct opt, against, "FILE",
	            "with --verify: cosine similarity of each row and the same row of this store (another precision)"),
	ITR_OPT_BOOL("list", 0, struct opt, list, "list the encoders"),
	ITR_OPT_END
};

static itr_option_group *groups(void *opt)
{
	struct opt *o = opt;
	itr_option_groups_section(&o->groups, "Manifest to feature store", NULL, itr_extract_options, &o->extract)->in_use = true;
	itr_option_groups_section(&o->groups, "Feature store to embeddings", NULL, itr_embed_options, &o->embed)->in_use = true;
	return o->groups.group;
}

static const char *const examples[] = {
	"{extract-features} --image-encoder classic --text-encoder hash data/scenes/manifest.jsonl -o features.h5",
	"{extract-features} --model cca.h5 features.h5 --split test --project 256,512,1024 -o test.npz",
	"{extract-features} --merge shard0.h5 shard1.h5 -o features.h5",
	NULL
};

static const itr_tool_desc tool = {
	.name = "extract-features",
	.purpose = "turn images and captions into vectors, and vectors into embeddings",
	.synopsis = "{extract-features} [options] MANIFEST|- -o FEATURES.h5\n"
	            "       {extract-features} --model MODEL MANIFEST|- -o FEATURES.h5\n"
	            "       {extract-features} [--model MODEL] [options] FEATURES.h5|VECTORS.npz|FOLDER -o EMBEDDINGS.npz\n"
	            "       {extract-features} --merge FEATURES.h5... -o FEATURES.h5\n"
	            "       {extract-features} --verify FEATURES.h5",
	.options = options,
	.groups = groups,
	.max_args = -1,
	.flags = ITR_TOOL_OUTPUT,
	.examples = examples,
	.see_also = "{fetch-coco}(1), {train}(1), {evaluate}(1)",
};

/* With --json, one object. Frees j. */
static void print_json(itr_tool *t, itr_json *j)
{
	itr_json_add_int(j, "schema", 1);
	if (t->json)
		itr_tool_print_json(t, j);
	else
		itr_json_free(j);
}

static int list_encoders(itr_tool *t)
{
	itr_json *j = itr_json_object(), *all = itr_json_add_array(j, "encoders");
	for (int i = 0; itr_towers[i]; i++) {
		const itr_tower_ops *w = itr_towers[i];
		itr_json *e = itr_json_push(all, itr_json_object());
		if (!t->json)
			fprintf(t->out, "%-20s %-12s %s\n", w->name, itr_modality_names[w->modality], w->summary);
		itr_json_add_str(e, "name", w->name);
		itr_json_add_bool(e, "image", w->modality == ITR_IMAGE);
		itr_json_add_bool(e, "text", w->modality == ITR_TEXT);
		itr_json_add_bool(e, "needs_weights", w->forward != NULL);
		itr_json_add_str(e, "summary", w->summary);
	}
	print_json(t, j);
	return itr_tool_end(t, true);
}

static int verify(itr_tool *t, const struct opt *o)
{
	itr_buf b = ITR_BUF_INIT;
	itr_json *j = itr_json_object();
	const int ok = itr_verify_file(t->args[0], o->against, &b, j, &t->err);
	if (ok >= 0 && !t->json)
		fputs(itr_buf_str(&b), t->out);
	itr_buf_free(&b);
	if (ok < 0)
		itr_json_free(j);
	else
		print_json(t, j);
	return ok < 0 ? itr_tool_fail(t) : itr_tool_end(t, ok);
}

/* What was written, for people (stderr), programs (--json) and the tracked run. */
static int report(itr_tool *t, int64_t images, int64_t texts, int64_t failed, itr_json *j)
{
	itr_info("'%s': %lld images, %lld captions%s", t->output, (long long)images, (long long)texts,
	         itr_provenance_synthetic(t->provenance) ? " (synthetic)" : "");
	itr_tool_metric(t, "images", (double)images, 0);
	itr_tool_metric(t, "captions", (double)texts, 0);
	itr_tool_metric(t, "failed", (double)failed, 0);
	itr_tool_artifact(t, t->output);
	itr_json_add_str(j, "output", t->output);
	itr_json_add_int(j, "images", images);
	itr_json_add_int(j, "captions", texts);
	itr_json_add_int(j, "failed", failed);
	itr_json_add_bool(j, "synthetic", itr_provenance_synthetic(t->provenance));
	print_json(t, j);
	return itr_tool_end(t, true);
}

static int extract(itr_tool *t, const struct opt *o)
{
	itr_extract_opts x = o->extract;
	itr_image_text_set s;
	itr_image_text_opts pictures = o->pictures;
	itr_extract_result r;
	pictures.pictures.alpha = (itr_alpha)o->alpha;
	x.model = o->embed.model;
	x.threads = t->threads;
	x.interrupted = &itr_interrupted;
	if (itr_extract_complete(&x, &t->err) < 0)
		return itr_tool_usage(t, "%s", t->err.msg);
	if (itr_image_text_set_open(&s, t->args[0], &pictures, &t->err) < 0)
		return itr_tool_fail(t);
	x.pictures_of_model = !itr_tool_given(t, "alpha") && !itr_tool_given(t, "exif") && !itr_tool_given(t, "fast-decode");
	itr_provenance_input(t->provenance, t->args[0]);
	if (x.model)
		itr_provenance_input(t->provenance, x.model);
	if (s.table.synthetic)
		itr_provenance_set_synthetic(t->provenance);
	itr_progress *bar = itr_progress_begin(t, "encoding", "images", itr_extract_count(&s, &x));
	x.progress = itr_progress_tick;
	x.progress_ctx = bar;
	int rc = itr_extract(&s, t->output, &x, t->provenance, &r, &t->err);
	itr_progress_end(bar);
	int64_t equal = itr_equal_captions(&s.manifest), captions = s.table.n[ITR_TEXT];
	itr_image_text_set_free(&s);
	if (rc < 0)
		return itr_tool_fail(t);
	if (r.failed)
		itr_warn("%lld images failed and were left out with their captions", (long long)r.failed);
	if (r.empty_texts)
		itr_warn("%lld captions hold no words: their vectors are zero", (long long)r.empty_texts);
	if (equal)
		itr_warn("%lld of %lld captions stand under more than one image: '{evaluate} --relevance captions:%s' counts each of these "
		         "images as right",
		         (long long)equal, (long long)captions, t->output);
	itr_json *j = itr_json_object();
	itr_json_add_int(j, "image_dim", r.layout.image.dim);
	itr_json_add_int(j, "text_dim", r.layout.text.dim);
	itr_json_add_int(j, "empty_captions", r.empty_texts);
	itr_json_add_int(j, "equal_captions", equal);
	itr_json_add_int(j, "parts", r.parts);
	itr_json_add_int(j, "parts_resumed", r.resumed);
	return report(t, r.images, r.texts, r.failed, j);
}

static int merge(itr_tool *t)
{
	itr_features_layout l;
	for (int i = 0; i < t->n_args; i++)
		itr_provenance_input(t->provenance, t->args[i]);
	int rc = itr_features_merge(t->args, t->n_args, t->output, t->provenance, &l, &t->err);
	return rc < 0 ? itr_tool_fail(t) : report(t, l.n_images, l.n_texts, 0, itr_json_object());
}

static int embed(itr_tool *t, const struct opt *o)
{
	itr_embed_opts e = o->embed;
	e.seed = t->seed;
	e.threads = t->threads;
	itr_embed_result r;
	itr_err unknown = ITR_ERR_INIT;
	if (e.split && itr_split_named(e.split, &unknown) < 0)
		return itr_tool_usage(t, "%s", unknown.msg);
	if (o->extract.image_encoder || o->extract.text_encoder)
		return itr_tool_usage(t, "'%s' holds vectors: it is encoded already; encoders go with a manifest", t->args[0]);
	if (itr_embed(t->args[0], t->output, &e, t->provenance, &r, &t->err) < 0)
		return itr_tool_fail(t);
	if (r.zero_texts + r.zero_images)
		itr_warn("%lld captions and %lld images have the zero vector", (long long)r.zero_texts, (long long)r.zero_images);
	if (r.restval)
		itr_info("train holds the %lld images of restval too", (long long)r.restval);
	itr_json *j = itr_json_object(), *dims = itr_json_add_array(j, "dims");
	for (int64_t i = 0; i < r.n_dims; i++)
		itr_json_push(dims, itr_json_new_int(r.dims[i]));
	return report(t, r.images, r.texts, 0, j);
}

/* HDF5, NPZ and folders of vectors; everything else is taken for a manifest. */
static bool holds_vectors(const char *path)
{
	char head[8] = { 0 };
	FILE *f = strcmp(path, "-") && !itr_path_is_dir(path) ? fopen(path, "rb") : NULL;
	const size_t n = f ? fread(head, 1, 8, f) : 0;
	if (f)
		fclose(f);
	return itr_path_is_dir(path) || (n == 8 && (!memcmp(head, "\211HDF\r\n\032\n", 8) || !memcmp(head, "PK\003\004", 4)));
}

int main(int argc, char **argv)
{
	struct opt o = { .extract = itr_extract_defaults };
	itr_tool_desc desc = tool;
	for (int i = 1; i < argc; i++)          /* looking is not worth a tracked run */
		if (!strcmp(argv[i], "--list") || !strcmp(argv[i], "--verify"))
			desc.flags |= ITR_TOOL_NO_TRACK;
	itr_tool *t = itr_tool_begin(&desc, &o, argc, argv);
	if (o.list)
		return list_encoders(t);
	if (t->n_args < 1)
		return itr_tool_usage(t, "no manifest and no feature store given");
	if (!o.merge && t->n_args > 1)
		return itr_tool_usage(t, "one input at a time; several stores are joined with --merge");
	if (o.against && !o.verify)
		return itr_tool_usage(t, "--against goes with --verify");
	if (o.verify)
		return verify(t, &o);
	if (!t->output)
		return itr_tool_usage(t, "-o FILE is missing");
	if (itr_tool_check_output(t, true) < 0)
		return itr_tool_fail(t);
	if (o.merge)
		return merge(t);
	return holds_vectors(t->args[0]) ? embed(t, &o) : extract(t, &o);
}
