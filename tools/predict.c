/* predict - apply a trained model to vectors for the texts (or images) of a file. */
#include <string.h>

#include "base/log.h"
#include "cli/saved_options.h"
#include "cli/tool.h"
#include "encode/encode.h"
#include "encode/write.h"

struct opt {
	const char *model, *vectors[2];
	int side;
	bool normalize;
};

static const itr_option options[] = {
	ITR_OPT_STR("model", 'm', struct opt, model, "FILE", "model of {train}: a projection or a network"),
	ITR_OPT_ENUM("side", 0, struct opt, side, itr_modality_names, "modality of the input rows"),
	ITR_OPT_STR("text-vectors", 0, struct opt, vectors[ITR_TEXT], "FILE",
	            "text embeddings instead of FILE (.npy, or what {predict} writes)"),
	ITR_OPT_STR("image-vectors", 0, struct opt, vectors[ITR_IMAGE], "FILE", "image embeddings instead of FILE"),
	ITR_OPT_BOOL("normalize", 0, struct opt, normalize, "L2-normalize the rows; --no-normalize: write a network's output unchanged"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{predict} --model model.h5 test.clean.npz -o submission.csv",
	"{predict} --model ridge.h5 test.clean.npz -o vectors.npz",
	"{predict} --model heads.h5 --side image features.h5 -o images.h5",
	"{predict} --model heads.h5 --image-vectors pictures.npy -o images.npz",
	NULL
};

/* Known before any work is done. */
static int complete(itr_tool *t, void *opt)
{
	struct opt *o = opt;
	if (!o->model)
		itr_err_set(&t->err, "'--model' is required: a file that {train} has written");
	return !o->model ? ITR_EXIT_USAGE : itr_vectors_check_name(t->output, &t->err) < 0 ? ITR_EXIT_FAIL : 0;
}

static const itr_tool_desc predict_tool = {
	.name = "predict",
	.purpose = "apply a trained model to vectors",
	.synopsis = "{predict} [options] --model MODEL [FILE] -o OUTPUT",
	.options = options,
	.min_args = 0,
	.max_args = 1,
	.flags = ITR_TOOL_OUTPUT | ITR_TOOL_OUTPUT_REQUIRED,
	.examples = examples,
	.see_also = "{train}(1), {evaluate}(1)",
	.complete = complete,
};

static void report(itr_tool *t, const itr_model *m, int64_t rows, bool synthetic)
{
	const int64_t dim = itr_model_embed_dim(m);
	itr_info("%lld vectors of %lld dimensions by %s%s -> %s", (long long)rows, (long long)dim, m->ops->name,
	         synthetic ? " (synthetic data)" : "", t->output);
	if (!strcmp(t->output, "-"))
		return;
	itr_tool_artifact(t, t->output);
	if (!t->json)
		return;
	itr_json *j = itr_json_object();
	itr_json_add_str(j, "output", t->output);
	itr_json_add_str(j, "model", m->ops->name);
	itr_json_add_int(j, "rows", rows);
	itr_json_add_int(j, "dim", dim);
	itr_json_add_bool(j, "synthetic", synthetic);
	itr_tool_print_json(t, j);
}

int main(int argc, char **argv)
{
	struct opt o = { .normalize = true };
	itr_tool *t = itr_tool_begin(&predict_tool, &o, argc, argv);
	const char *path = t->n_args ? t->args[0] : NULL;
	const itr_modality side = o.vectors[ITR_IMAGE] || (!o.vectors[ITR_TEXT] && o.side) ? ITR_IMAGE : ITR_TEXT;
	if (!!path + !!o.vectors[ITR_TEXT] + !!o.vectors[ITR_IMAGE] != 1)
		return itr_tool_usage(t, "give one of FILE, --text-vectors or --image-vectors");
	if (!path && itr_tool_given(t, "side"))
		return itr_tool_usage(t, "--side goes with FILE: --%s-vectors says which rows they are", itr_modality_names[side]);
	const itr_encode_opts eo = { .in = { .vectors = { o.vectors[ITR_TEXT], o.vectors[ITR_IMAGE] },
		                             .sides = 1U << side,
		                             .scale = o.normalize ? ITR_SCALE_UNIT_IF_NEEDED : ITR_SCALE_STORED,
		                             .threads = t->threads,
		                             .provenance = t->provenance },
		                     .stop = &itr_interrupted };
	const itr_model_opts mo = { .raw = path && itr_manifest_is(path) ? eo.in.sides : 0, .threads = t->threads };
	itr_encoded r = { .restval = 0 };
	const itr_row_table *table = &r.rows.table;
	itr_model *m = itr_tool_check_output(t, false) < 0 ? NULL : itr_model_open(o.model, &mo, &t->err);
	int rc = m ? itr_encode(&r, m, path, &eo, &t->err) : -1;
	if (rc == 0)
		rc = itr_vectors_write(&r.rows, side, t->output, t->out, t->provenance, &t->err);
	if (rc == 0)
		report(t, m, table->n[side], table->synthetic);
	itr_encoded_free(&r);
	itr_model_free(m);
	return rc == 0 ? itr_tool_end(t, true) : itr_tool_fail(t);
}
