/* train - fit a model to stored text and image vectors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "cli/progress.h"
#include "cli/tool.h"
#include "data/dataset.h"
#include "train/closed.h"

enum { SPLIT_IMAGE, SPLIT_CAPTION };
enum { TEXT_TO_IMAGE, IMAGE_TO_TEXT };
static const char *const split_by_names[] = { "image", "caption", NULL };
static const char *const direction_names[] = { "text-to-image", "image-to-text", NULL };

struct opt {
	const char *model, *split_sizes;
	int split_by, direction;
	int64_t dims;
	double power, lambda;
	itr_nums regularization;
};

static const itr_option options[] = {
	ITR_OPT_STR("model", 'm', struct opt, model, "NAME", "what is fitted: cca, ridge, procrustes"),
	ITR_OPT_HEADING("Which pairs (a feature store's own split wins):"),
	ITR_OPT_STR("split-sizes", 0, struct opt, split_sizes, "T/V/T", "shares of train, val and test where the input has no split"),
	ITR_OPT_ENUM("split-by", 0, struct opt, split_by, split_by_names, "what is dealt out then; 'caption' puts one image into several parts (leaky)"),
	ITR_OPT_HEADING("Closed forms:"),
	ITR_OPT_INT("dims", 'd', struct opt, dims, "D", "cca: width of the shared space, at most"),
	ITR_OPT_NUM("power", 0, struct opt, power, "P", "cca: directions are scaled by correlation^P"),
	ITR_OPT_NUMS("regularization", 'r', struct opt, regularization, "R...", "cca, ridge: candidates, relative to the mean variance; val recall@10 chooses"),
	ITR_OPT_NUM("lambda", 0, struct opt, lambda, "L", "ridge: this absolute value instead; negative: choose"),
	ITR_OPT_ENUM("direction", 0, struct opt, direction, direction_names, "ridge, procrustes: which side is mapped onto the other"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"train --model cca features.h5 -o cca.h5",
	"train --model cca --dims 128 --regularization 0.01,0.1,1 features.h5 -o cca.h5",
	"train --model ridge --lambda 10 train.npz -o ridge.h5",
	NULL
};

static const itr_tool_desc train_tool = {
	.name = "train", .purpose = "fit a model to stored text and image vectors", .synopsis = "train [options] --model NAME FEATURES -o MODEL", .options = options,
	.min_args = 1, .max_args = 1, .flags = ITR_TOOL_OUTPUT | ITR_TOOL_OUTPUT_REQUIRED, .examples = examples,
	.see_also = "extract-features(1), evaluate(1), runs(1)",
};

struct training {
	itr_tool *t;
	const struct opt *o;
	itr_progress *progress;
	itr_pair_data d;
	itr_closed_report report;
	itr_projection *model;
};

static const char *wrong_use(const struct opt *o, const itr_linear_method **method, itr_err *err)
{
	if (!o->model)
		return "'--model' is required: cca, ridge or procrustes";
	if (!(*method = itr_linear_method_find(o->model))) {
		const char *names[16];
		int n = 0;
		for (; itr_linear_methods[n] && n < ITR_LEN(names); n++)
			names[n] = itr_linear_methods[n]->name;
		itr_err_set(err, "unknown model '%s'; did you mean '%s'?", o->model, itr_nearest(o->model, names, n));
		return err->msg;
	}
	if (o->dims < 1)
		return "'--dims' must be at least 1";
	for (int64_t i = 0; i < o->regularization.n; i++)
		if (!(o->regularization.v[i] >= 0) || isinf(o->regularization.v[i]))
			return "'--regularization' must not be negative";
	return NULL;
}

static void tried(void *ctx, double r, const double value[ITR_VAL_COUNT], int64_t step)
{
	struct training *w = ctx;
	itr_tool_metric(w->t, "regularization", r, step);
	if (!isnan(value[ITR_VAL_MEAN_R10]))
		for (int i = ITR_VAL_COSINE; i < ITR_VAL_COUNT; i++)
			itr_tool_metric(w->t, itr_train_metric_names[i], value[i], step);
	itr_progress_add(w->progress, 1);
}

static int load(struct training *w)
{
	itr_tool *t = w->t;
	double sizes[3];
	if (itr_split_parse(sizes, w->o->split_sizes, &t->err) < 0 || itr_pair_data_open(&w->d, t->args[0], t->threads, &t->err) < 0)
		return -1;
	itr_provenance_input(t->provenance, t->args[0]);
	if (w->d.synthetic)
		itr_provenance_set_synthetic(t->provenance);
	if (!w->d.image)
		return itr_err_set(&t->err, "'%s' holds queries only, no images to fit to", t->args[0]);
	if (w->d.zero_rows)
		itr_warn("%lld rows of '%s' are zero", (long long)w->d.zero_rows, t->args[0]);
	return itr_pair_data_split(&w->d, sizes, t->seed, w->o->split_by == SPLIT_CAPTION, &t->err);
}

static int fit(struct training *w, const itr_linear_method *method)
{
	itr_tool *t = w->t;
	const struct opt *o = w->o;
	itr_closed_opts c = {
		.method = method, .seed = t->seed, .monitor = ITR_VAL_MEAN_R10, .threads = t->threads, .stop = &itr_interrupted, .tried = tried, .ctx = w,
		.linear = { .dims = o->dims, .power = o->power, .lambda = o->lambda >= 0 ? o->lambda : NAN, .image_to_text = o->direction == IMAGE_TO_TEXT, .threads = t->threads,
		            .regularization = o->regularization.n ? o->regularization.v : NULL, .n_regularization = o->regularization.n },
	};
	int rc = itr_split_parse(c.sizes, o->split_sizes, &t->err);
	w->progress = itr_progress_begin(t, "fit", "fits", 0);
	if (rc == 0)
		w->model = itr_train_closed(&w->d, &c, &w->report, &t->err);
	itr_progress_end(w->progress);
	return w->model ? itr_projection_save(w->model, t->output, t->provenance, &t->err) : -1;
}

static void values_json(itr_json *object, const double value[ITR_VAL_COUNT])
{
	for (int i = ITR_VAL_COSINE; i < ITR_VAL_COUNT; i++)
		if (!isnan(value[i]))
			itr_json_add_num(object, itr_train_metric_names[i], value[i]);
}

static itr_json *report_json(const struct training *w)
{
	const itr_closed_report *r = &w->report;
	const itr_projection *p = w->model;
	itr_json *j = itr_json_object(), *trials, *best;
	itr_json_add_str(j, "model", p->method);
	itr_json_add_str(j, "output", w->t->output);
	itr_json_add_int(j, "dim", p->dim);
	itr_json_add_int(j, "train_texts", r->train_texts);
	itr_json_add_int(j, "train_images", r->train_images);
	itr_json_add_int(j, "val_texts", r->val_texts);
	itr_json_add_int(j, "val_images", r->val_images);
	values_json(itr_json_add_object(j, "final"), r->value[r->best]);
	best = itr_json_add_object(j, "best");
	itr_json_add_num(best, "regularization", p->regularization);
	if (p->lambda > 0)
		itr_json_add_num(best, "lambda", p->lambda);
	trials = itr_json_add_array(j, "trials");
	for (int64_t i = 0; i < r->n_trials; i++) {
		itr_json *one = itr_json_push(trials, itr_json_object());
		itr_json_add_num(one, "regularization", r->r[i]);
		values_json(one, r->value[i]);
	}
	itr_json_add_bool(j, "synthetic", p->synthetic);
	return j;
}

static void report(const struct training *w)
{
	const itr_closed_report *r = &w->report;
	const double *v = r->value[r->best];
	itr_tool_metric(w->t, "best_regularization", w->model->regularization, 0);
	if (w->d.leaky)
		itr_warn("split by caption: the same images are in several parts, so val and test figures are leaky");
	if (!isnan(v[ITR_VAL_MEAN_R10]) && !w->t->quiet)
		itr_info("val, %lld captions of %lld images: t2i recall@10 %.4f, i2t recall@10 %.4f%s", (long long)r->val_texts, (long long)r->val_images, v[ITR_VAL_T2I_R10],
		         v[ITR_VAL_I2T_R10], w->model->synthetic ? " (synthetic data)" : "");
	itr_info("%s, %lld dimensions, regularization %g, from %lld captions of %lld images -> %s", w->model->method, (long long)w->model->dim, w->model->regularization,
	         (long long)r->train_texts, (long long)r->train_images, w->t->output);
	if (w->t->json)
		itr_tool_print_json(w->t, report_json(w));
}

int main(int argc, char **argv)
{
	struct opt o = { .split_sizes = "0.6/0.2/0.2", .dims = 512, .power = 4, .lambda = -1, .regularization = { 5, { 1e-4, 1e-3, 1e-2, 1e-1, 1 } } };
	itr_tool *t = itr_tool_begin(&train_tool, &o, argc, argv);
	struct training w = { .t = t, .o = &o };
	const itr_linear_method *method = NULL;
	const char *wrong = wrong_use(&o, &method, &t->err);
	if (wrong)
		return itr_tool_usage(t, "%s", wrong);
	int rc = itr_tool_check_output(t, true);
	if (rc == 0)
		rc = load(&w);
	if (rc == 0)
		rc = fit(&w, method);
	if (rc == 0)
		report(&w);
	itr_projection_free(w.model);
	itr_pair_data_free(&w.d);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}
