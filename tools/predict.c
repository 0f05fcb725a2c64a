/* predict - apply a trained model to vectors for the texts (or images) of a file. */
#include <string.h>

#include "apply/predict.h"
#include "base/log.h"
#include "cli/tool.h"

struct opt {
	const char *model;
	int side;
	bool normalize;
};

static const itr_option options[] = {
	ITR_OPT_STR("model", 'm', struct opt, model, "FILE", "model of {train}: a projection or a network"),
	ITR_OPT_ENUM("side", 0, struct opt, side, itr_modality_names, "which rows of the input"),
	ITR_OPT_BOOL("normalize", 0, struct opt, normalize, "make rows unit length; --no-normalize writes a network's output as it is"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{predict} --model model.h5 test.clean.npz -o submission.csv",
	"{predict} --model ridge.h5 test.clean.npz -o vectors.npz",
	"{predict} --model heads.h5 --side image features.h5 -o images.h5",
	NULL
};

/* Known before any work is done. */
static int complete(itr_tool *t, void *opt)
{
	struct opt *o = opt;
	if (!o->model)
		itr_err_set(&t->err, "'--model' is required: a file that {train} has written");
	return !o->model ? ITR_EXIT_USAGE : itr_prediction_check_name(t->output, &t->err) < 0 ? ITR_EXIT_FAIL : 0;
}

static const itr_tool_desc predict_tool = {
	.name = "predict",
	.purpose = "apply a trained model to vectors",
	.synopsis = "{predict} [options] --model MODEL FILE -o OUTPUT",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.flags = ITR_TOOL_OUTPUT | ITR_TOOL_OUTPUT_REQUIRED,
	.examples = examples,
	.see_also = "{train}(1), {evaluate}(1)",
	.complete = complete,
};

int main(int argc, char **argv)
{
	struct opt o = { .normalize = true };
	itr_tool *t = itr_tool_begin(&predict_tool, &o, argc, argv);
	itr_predict_opts po = {
		.model = o.model, .side = o.side ? ITR_IMAGE : ITR_TEXT, .normalize = o.normalize, .threads = t->threads
	};
	itr_prediction r = { 0 };
	if (itr_tool_check_output(t, false) < 0 || itr_predict(&r, t->args[0], &po, t->provenance, &t->err) < 0 ||
	    itr_prediction_write(&r, t->output, t->out, t->provenance, &t->err) < 0) {
		itr_prediction_free(&r);
		return itr_tool_fail(t);
	}
	itr_info("%lld vectors of %lld dimensions by %s%s -> %s", (long long)r.rows, (long long)r.dim, r.model,
	         r.synthetic ? " (synthetic data)" : "", t->output);
	if (strcmp(t->output, "-"))
		itr_tool_artifact(t, t->output);
	if (t->json && strcmp(t->output, "-")) {
		itr_json *j = itr_json_object();
		itr_json_add_str(j, "output", t->output);
		itr_json_add_str(j, "model", r.model);
		itr_json_add_int(j, "rows", r.rows);
		itr_json_add_int(j, "dim", r.dim);
		itr_json_add_bool(j, "synthetic", r.synthetic);
		itr_tool_print_json(t, j);
	}
	itr_prediction_free(&r);
	return itr_tool_end(t, true);
}
