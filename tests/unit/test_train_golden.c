/* The engine against PyTorch: each op's output and gradients (ops.json), and whole training curves at true size (curves.json). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/json.h"
#include "loss/loss.h"
#include "model/model.h"
#include "optim/optim.h"
#include "tensor/rows.h"
#include "model_options.h"

static itr_json *golden(const char *name)
{
	itr_err err = ITR_ERR_INIT;
	const char *const folders[] = { "tests/golden", "../tests/golden", "../../tests/golden" };
	for (int i = 0; i < ITR_LEN(folders); i++) {
		char path[200];
		snprintf(path, sizeof path, "%s/%s", folders[i], name);
		itr_json *j = itr_json_read(path, &err);
		if (j)
			return j;
	}
	fail_msg("%s", err.msg);
	return NULL;
}

static double *numbers(const itr_json *a, int64_t *n)
{
	*n = itr_json_count(a);
	double *v = itr_xmalloc((size_t)(*n + 1) * sizeof *v);
	int64_t i = 0;
	for (const itr_json *c = itr_json_first(a); c; c = itr_json_next(c))
		v[i++] = itr_json_num(c, NAN);
	return v;
}

static int read_shape(const itr_json *j, int64_t shape[ITR_MAX_RANK])
{
	int rank = 0;
	for (const itr_json *c = itr_json_first(j); c; c = itr_json_next(c))
		shape[rank++] = itr_json_int(c, -1);
	return rank;
}

static itr_var *norm(itr_tape *t, itr_var **x, int n, const double *attr)
{
	static const itr_activation acts[] = { ITR_ACT_NONE, ITR_ACT_RELU, ITR_ACT_RELU6, ITR_ACT_HARDSWISH, ITR_ACT_HARDSIGMOID };
	static float mean[] = { -0.5f, -0.125f, 0.25f, 0.625f, 1 }, var[] = { 0.5f, 0.875f, 1.25f, 1.625f, 2 };       /* as gen_ops.py's */
	const itr_norm o = { .eps = attr[0],
		             .momentum = 0.1,
		             .batch_statistics = attr[1] != 0,
		             .activation = acts[(int)attr[2]],
		             .running_mean = attr[1] != 0 ? NULL : mean,
		             .running_var = attr[1] != 0 ? NULL : var };
	return itr_batchnorm(t, x[0], x[1], x[2], n > 3 ? x[3] : NULL, &o);
}

/* Index: groups of the columns, then an excluded column for each row. */
static itr_var *matched(itr_tape *t, const char *op, itr_var **x, const double *attr, const int64_t *index)
{
	const itr_match m = { (itr_positives)attr[0], index, attr[3] != 0 ? index + x[0]->shape[1] : NULL, attr[2] != 0 ? x[1] : NULL,
		              attr[1] != 0 };
	if (!strncmp(op, "infonce", 7))
		return itr_infonce(t, x[0], &m);
	if (!strncmp(op, "sigmoid", 7))
		return itr_sigmoid_loss(t, x[0], x[attr[2] != 0 ? 2 : 1], &m);
	return itr_rank_hinge(t, x[0], &m, 1.5, attr[4] != 0 ? ITR_HINGE_HARDEST : ITR_HINGE_ALL);
}

/* As many constants as x has elements, or rows: what the attributes of a weighted mean are. */
static itr_var *weights(itr_tape *t, const double *attr, int64_t n_attr)
{
	static float w[16];
	for (int64_t i = 0; i < n_attr; i++)
		w[i] = (float)attr[i];
	return n_attr ? itr_input(t, 1, &n_attr, w) : NULL;
}

/* Of normalised rows; the last of b lies close to that of a. */
static itr_var *slerp(itr_tape *t, itr_var *a, itr_var *b, itr_var *lambda)
{
	const int64_t first[] = { 0, 1, 2 }, last[] = { 3 };
	a = itr_l2norm(t, a);
	itr_var *close = itr_add(t, itr_detach(t, itr_gather(t, a, last, 1)), itr_scale(t, itr_gather(t, b, last, 1), 0.01));
	return itr_slerp(t, a, itr_l2norm(t, itr_stack(t, itr_gather(t, b, first, 3), close)), lambda);
}

static itr_var *later_call(itr_tape *t, const char *op, itr_var **x, int n, const double *attr, int64_t n_attr, const int64_t *index,
                           int64_t n_index)
{
	if (strstr(op, " of matches"))
		return matched(t, op, x, attr, index);
	if (!strcmp(op, "conv_transpose2d"))
		return itr_conv_transpose2d(t, x[0], x[1], n > 2 ? x[2] : NULL, (int64_t)attr[0], (int64_t)attr[1], (int64_t)attr[2]);
	if (!strcmp(op, "cross_attention"))
		return itr_cross_attention(t, x[0], x[1], index, index + 5, index + 9, 4, (int64_t)attr[0]);
	if (!strcmp(op, "token_max"))
		return itr_token_max(t, x[0], x[1], index, 3, index + 4, 2);
	if (!strcmp(op, "slerp"))
		return slerp(t, x[0], x[1], weights(t, attr, n_attr));
	if (!strcmp(op, "tanh"))
		return itr_tanh(t, x[0]);
	if (!strcmp(op, "segment_weighted"))
		return itr_segment_weighted(t, x[0], index, n_index - 1, (itr_segment_weights)attr[0], (int64_t)attr[1]);
	if (!strcmp(op, "segment_max"))
		return itr_segment_max(t, x[0], index, n_index - 1);
	if (!strcmp(op, "sub"))
		return itr_sub(t, x[0], x[1]);
	if (!strcmp(op, "exp"))
		return itr_exp(t, x[0]);
	if (!strcmp(op, "sigmoid"))
		return itr_sigmoid(t, x[0]);
	if (!strcmp(op, "affine"))
		return itr_affine(t, x[0], attr[0], attr[1]);
	if (!strcmp(op, "scale_by"))
		return itr_scale_by(t, x[0], x[1]);
	if (!strcmp(op, "row_scale"))
		return itr_row_scale(t, x[0], x[1]);
	if (!strcmp(op, "row_limit"))
		return itr_row_limit(t, x[0], attr[0]);
	if (!strcmp(op, "row_dot"))
		return itr_row_dot(t, x[0], x[1]);
	if (!strcmp(op, "mean"))
		return itr_mean(t, x[0], weights(t, attr, n_attr));
	if (!strcmp(op, "log_softmax"))
		return itr_log_softmax(t, x[0]);
	if (!strcmp(op, "slice"))
		return itr_slice(t, x[0], (int64_t)attr[0], (int64_t)attr[1]);
	if (!strcmp(op, "detach"))
		return itr_add(t, itr_mul(t, x[0], itr_detach(t, itr_add(t, x[0], x[1]))), x[1]);
	if (!strcmp(op, "grad_scale"))
		return itr_mul(t, itr_grad_scale(t, x[0], attr[0]), x[1]);
	if (!strcmp(op, "kl"))
		return itr_kl(t, x[0], x[1], weights(t, attr, n_attr));
	if (!strcmp(op, "cross_entropy"))
		return itr_cross_entropy(t, x[0], index, n_index > x[0]->shape[0] ? index + x[0]->shape[0] : NULL, (int64_t)attr[0]);
	return NULL;
}

static itr_var *call(itr_tape *t, const char *op, itr_var **x, int n, const double *attr, const int64_t *index, int64_t n_index)
{
	if (!strcmp(op, "linear")) return itr_op_linear_call(t, x[0], x[1], n > 2 ? x[2] : NULL);
	if (!strcmp(op, "quick_gelu")) return itr_quick_gelu(t, x[0]);
	if (!strcmp(op, "reshape")) return itr_reshape(t, x[0], (int)n_index, index);
	if (!strcmp(op, "stack")) return itr_stack(t, x[0], x[1]);
	if (!strcmp(op, "attention")) return itr_attention(t, x[0], index, n_index - 1, (int64_t)attr[0], attr[1] != 0);
	if (!strcmp(op, "segment_mean")) return itr_segment_mean(t, x[0], index, n_index - 1);
	if (!strcmp(op, "add")) return itr_add(t, x[0], x[1]);
	if (!strcmp(op, "mul")) return itr_mul(t, x[0], x[1]);
	if (!strcmp(op, "scale")) return itr_scale(t, x[0], attr[0]);
	if (!strcmp(op, "relu")) return itr_relu(t, x[0]);
	if (!strcmp(op, "gelu")) return itr_gelu(t, x[0]);
	if (!strcmp(op, "layernorm")) return itr_op_layernorm_call(t, x[0], x[1], x[2], attr[0]);
	if (!strcmp(op, "softmax")) return itr_softmax(t, x[0]);
	if (!strcmp(op, "l2norm")) return itr_l2norm(t, x[0]);
	if (!strcmp(op, "gather")) return itr_gather(t, x[0], index, n_index);
	if (!strcmp(op, "concat")) return itr_concat(t, x[0], x[1]);
	if (!strcmp(op, "scores")) return itr_scores(t, x[0], x[1], x[2], 0, ITR_LOG_SCALE_CEILING);
	if (!strcmp(op, "infonce")) return itr_infonce(t, x[0], &(itr_match){ (itr_positives)attr[0], index, NULL, NULL, attr[1] != 0 });
	if (!strcmp(op, "conv2d"))
		return itr_conv2d(t, x[0], x[1], n > 2 ? x[2] : NULL, (int64_t)attr[0], (int64_t)attr[1], (int64_t)attr[2],
		                  (int64_t)attr[3]);
	if (!strcmp(op, "batchnorm")) return norm(t, x, n, attr);
	if (!strcmp(op, "relu6")) return itr_relu6(t, x[0]);
	if (!strcmp(op, "hardswish")) return itr_hardswish(t, x[0]);
	if (!strcmp(op, "hardsigmoid")) return itr_hardsigmoid(t, x[0]);
	if (!strcmp(op, "channel_scale")) return itr_channel_scale(t, x[0], x[1]);
	if (!strcmp(op, "max_pool")) return itr_max_pool(t, x[0], (int64_t)attr[0], (int64_t)attr[1], (int64_t)attr[2]);
	if (!strcmp(op, "avg_pool")) return itr_avg_pool(t, x[0], (int64_t)attr[0], (int64_t)attr[1], (int64_t)attr[2]);
	if (!strcmp(op, "global_pool")) return itr_global_pool(t, x[0]);
	if (!strcmp(op, "lstm")) return itr_lstm(t, x[0], x[1], x[2], index, n_index - 1, attr[0] != 0);
	if (!strcmp(op, "segment_end")) return itr_segment_end(t, x[0], index, n_index - 1, (int64_t)attr[0]);
	if (!strcmp(op, "cosine_loss")) return itr_cosine_loss(t, x[0], x[1]);
	if (!strcmp(op, "mse")) return itr_mse(t, x[0], x[1]);
	return NULL;
}

static double worst(const itr_tape *t, const void *data, bool reference, const double *want, int64_t n)
{
	double top = 1e-12, error = 0;
	(void)t;
	for (int64_t i = 0; i < n; i++)
		top = fmax(top, fabs(want[i]));
	for (int64_t i = 0; i < n; i++)
		error = fmax(error, fabs((reference ? ((const double *)data)[i] : (double)((const float *)data)[i]) - want[i]));
	return error / top;
}

/* bound: double 1e-12 (torch computes in double too); float 1e-5 of the largest element. */
static void check_case(const itr_json *c, bool reference)
{
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .reference = reference });
	const double bound = reference ? 1e-12 : 1e-5;
	itr_var *x[ITR_OP_INPUTS];
	int n = 0;
	int64_t n_attr, n_index, count, shape[ITR_MAX_RANK];
	double *attr = numbers(itr_json_get(c, "attr"), &n_attr), *index_values = numbers(itr_json_get(c, "index"), &n_index);
	int64_t index[64];
	for (int64_t i = 0; i < n_index; i++)
		index[i] = (int64_t)index_values[i];
	for (const itr_json *in = itr_json_first(itr_json_get(c, "inputs")); in; in = itr_json_next(in)) {
		double *v = numbers(itr_json_get(in, "data"), &count);
		int rank = read_shape(itr_json_get(in, "shape"), shape);
		x[n++] = itr_input_owned(t, rank, shape, v);
		free(v);
	}
	const char *op = itr_json_str(itr_json_get(c, "op"), "?");
	itr_var *y = call(t, op, x, n, attr, n_index ? index : NULL, n_index);
	if (!y)
		y = later_call(t, op, x, n, attr, n_attr, index, n_index);
	if (!y)
		fail_msg("no call for '%s'", op);
	double *want = numbers(itr_json_get(c, "output"), &count), *weight = numbers(itr_json_get(c, "weight"), &count);
	assert_int_equal(y->count, count);
	double e = worst(t, y->data, reference, want, count);
	if (e > bound)
		fail_msg("%s: output differs by %g of its largest element", op, e);
	float *weight_f = itr_xmalloc((size_t)count * sizeof *weight_f);
	for (int64_t i = 0; i < count; i++)
		weight_f[i] = (float)weight[i];
	itr_backward_from(t, y, reference ? (void *)weight : (void *)weight_f);
	int k = 0;
	for (const itr_json *in = itr_json_first(itr_json_get(c, "inputs")); in; in = itr_json_next(in), k++) {
		double *g = numbers(itr_json_get(in, "grad"), &count);
		e = worst(t, x[k]->grad, reference, g, count);
		if (e > bound)
			fail_msg("%s: gradient %d differs by %g of its largest element", op, k, e);
		free(g);
	}
	free(weight_f);
	free(weight);
	free(want);
	free(attr);
	free(index_values);
	itr_tape_free(t);
}

static void test_ops(void **state)
{
	itr_json *j = golden("ops.json");
	int n = 0;
	(void)state;
	for (const itr_json *c = itr_json_first(itr_json_get(j, "cases")); c; c = itr_json_next(c), n++) {
		check_case(c, true);
		check_case(c, false);
	}
	assert_int_equal(n, 97);
	itr_json_free(j);
}

/* --- curves --------------------------------------------------------------------------------------------------------------------------- */
enum { IN = 1024, OUT = 1536, BATCH = 256, ROWS = 2560, STEPS = 50, LATENT = 32 };

static double *normal(uint64_t a, uint64_t b, int64_t n)
{
	itr_rng r;
	double *v = itr_xmalloc((size_t)n * sizeof *v);
	itr_rng_init(&r, (uint64_t[]){ a, b }, 2);
	itr_rng_normals(&r, n, v);
	return v;
}

/* unit(latent . map + 2 noise), as gen_curves.py. */
static float *side(const double *latent, uint64_t map_key, uint64_t noise_key, int64_t dim)
{
	double *map = normal(5, map_key, LATENT * dim), *noise = normal(5, noise_key, ROWS * dim),
	       *row = itr_xmalloc((size_t)dim * sizeof *row);
	float *x = itr_aligned_alloc((size_t)(ROWS * dim) * sizeof *x);
	for (int64_t i = 0; i < ROWS; i++) {
		double squares = 0;
		for (int64_t j = 0; j < dim; j++)
			row[j] = 2 * noise[i * dim + j];
		for (int64_t k = 0; k < LATENT; k++)
			for (int64_t j = 0; j < dim; j++)
				row[j] += latent[i * LATENT + k] * map[k * dim + j];
		for (int64_t j = 0; j < dim; j++)
			squares += row[j] * row[j];
		for (int64_t j = 0; j < dim; j++)
			x[i * dim + j] = (float)(row[j] / sqrt(squares));
	}
	free(map);
	free(noise);
	free(row);
	return x;
}

static void fill(itr_params *p)
{
	for (int64_t i = 0; i < itr_params_count(p); i++) {
		itr_param *q = itr_params_at(p, i);
		double *v = normal(9, (uint64_t)i, q->count);
		const bool norm = strstr(q->name, "norm") && strstr(q->name, "weight");
		for (int64_t k = 0; k < q->count; k++)
			q->data[k] = (float)(q->rank == 2 ? v[k] / sqrt((double)q->shape[1]) : norm ? 1 + 0.1 * v[k] : 0.1 * v[k]);
		free(v);
	}
}

static void curve(const itr_json *curves, const char *key, const char *model, int64_t hidden, const char *loss, const char *optimizer,
                  double lr, const itr_optim_opts *oo, const float *x, const float *y)
{
	itr_err err = ITR_ERR_INIT;
	int64_t n;
	double *want = numbers(itr_json_get(curves, key), &n), worst_error = 0;
	char json[64];
	snprintf(json, sizeof json, "{\"hidden\":%lld,\"dropout\":0}", (long long)hidden);
	void *options = model_options(model, json);
	itr_model *m = itr_model_new(
		model, &(itr_model_config){ .text_dim = IN, .image_dim = OUT, .options = options, .temperature = 0.07 }, 1, &err);
	free(options);
	assert_non_null(m);
	fill(m->params);
	itr_optim *opt = itr_optim_new(optimizer, m->params, oo, &err);
	const itr_loss_ops *l = itr_loss_find(loss, &err);
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2 });
	assert_int_equal(n, STEPS);
	for (int k = 0; k < STEPS; k++) {
		const int64_t i = k * BATCH % ROWS;
		itr_tape_reset(t, (uint64_t)k);
		itr_params_zero_grad(m->params);
		itr_var *p = itr_model_text(t, m, itr_input(t, 2, (int64_t[]){ BATCH, IN }, x + i * IN));
		itr_var *q = itr_model_image(t, m, itr_input(t, 2, (int64_t[]){ BATCH, OUT }, y + i * OUT));
		itr_var *v = l->value(l->defaults, t, &(itr_loss_in){ p, q, .scale = 1 / 0.07, .symmetric = !strcmp(model, "heads") });
		worst_error = fmax(worst_error, fabs(itr_var_item(t, v) / want[k] - 1));
		itr_backward(t, v, 1);
		itr_optim_step(opt, lr, 1);
	}
	printf("# %s: %.4f -> %.4f, worst relative difference %.1e\n", key, want[0], want[STEPS - 1], worst_error);
	assert_true(worst_error < 1e-4);
	free(want);
	itr_tape_free(t);
	itr_optim_free(opt);
	itr_model_free(m);
}

/* Other masks than PyTorch's, from the same distribution: the mean over our seeds of the loss at a step lies within 5 standard errors of
 * the difference of both means, and the spread over seeds is of the same size (a factor of 3 each way: 4 and 12 seeds estimate it
 * coarsely). Without dropout, or scaled wrongly, the curves lie hundreds of errors apart. */
static void with_dropout(const itr_json *j, const float *x, const float *y)
{
	enum { SEEDS = 4, FROM = 5 };
	const itr_json *d = itr_json_get(j, "dropout");
	int64_t n;
	double *mean = numbers(itr_json_get(d, "mean"), &n), *std = numbers(itr_json_get(d, "std"), &n), sum[STEPS] = { 0 },
	       square[STEPS] = { 0 }, worst_distance = 0, ratio = 0;
	const double peers = itr_json_num(itr_json_get(d, "seeds"), 0);
	itr_err err = ITR_ERR_INIT;
	const itr_loss_ops *l = itr_loss_find("cosine", &err);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		void *options = model_options("mlp", "{\"hidden\":512,\"dropout\":0.5}");
		itr_model *m = itr_model_new(
			"mlp", &(itr_model_config){ .text_dim = IN, .image_dim = OUT, .options = options, .temperature = 0.07 }, 1, &err);
		free(options);
		fill(m->params);
		itr_optim *opt = itr_optim_new("adam", m->params, &(itr_optim_opts){ .threads = 2 }, &err);
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .seed = seed });
		for (int k = 0; k < STEPS; k++) {
			const int64_t i = k * BATCH % ROWS;
			itr_tape_reset(t, (uint64_t)k);
			itr_params_zero_grad(m->params);
			itr_var *text = itr_model_text(t, m, itr_input(t, 2, (int64_t[]){ BATCH, IN }, x + i * IN));
			itr_var *v = l->value(l->defaults, t,
			                      &(itr_loss_in){ text, itr_input(t, 2, (int64_t[]){ BATCH, OUT }, y + i * OUT), .scale = 1 });
			sum[k] += itr_var_item(t, v);
			square[k] += itr_var_item(t, v) * itr_var_item(t, v);
			itr_backward(t, v, 1);
			itr_optim_step(opt, 1e-3, 1);
		}
		itr_tape_free(t);
		itr_optim_free(opt);
		itr_model_free(m);
	}
	for (int k = FROM; k < STEPS; k++) {
		const double ours = sum[k] / SEEDS, error = std[k] * sqrt(1.0 / SEEDS + 1.0 / peers);
		worst_distance = fmax(worst_distance, fabs(ours - mean[k]) / error);
		ratio += sqrt(fmax(0, square[k] / SEEDS - ours * ours) * SEEDS / (SEEDS - 1)) / std[k] / (STEPS - FROM);
	}
	printf("# dropout: %.4f -> %.4f, at most %.1f standard errors from PyTorch's mean, spread %.2f of PyTorch's\n", sum[0] / SEEDS,
	       sum[STEPS - 1] / SEEDS, worst_distance, ratio);
	assert_true(worst_distance < 5);
	assert_true(ratio > 1.0 / 3 && ratio < 3);
	free(mean);
	free(std);
}

/* The values of sgd's options, by its option table. */
static const void *sgd_with_momentum(double momentum, double values[1])
{
	for (const itr_optim_ops *const *p = itr_optims; *p; p++)
		if (!strcmp((*p)->name, "sgd")) {
			assert_int_equal((*p)->size, sizeof values[0]);
			assert_string_equal((*p)->options[0].name, "momentum");
			values[0] = momentum;
			return values;
		}
	fail_msg("no sgd");
	return NULL;
}

static void test_curves(void **state)
{
	itr_json *j = golden("curves.json");
	const itr_json *c = itr_json_get(j, "curves");
	double *latent = normal(5, 0, ROWS * LATENT);
	float *x = side(latent, 1, 2, IN), *y = side(latent, 3, 4, OUT);
	double values[1];
	(void)state;
	curve(c, "residual-mlp infonce adam", "residual-mlp", 2048, "infonce", "adam", 1e-4, &(itr_optim_opts){ .threads = 2 }, x, y);
	curve(c, "mlp cosine adamw", "mlp", 512, "cosine", "adamw", 1e-3,
	      &(itr_optim_opts){ .weight_decay = 0.05, .decay_all = true, .threads = 2 }, x, y);
	curve(c, "mlp cosine sgd", "mlp", 512, "cosine", "sgd", 0.1,
	      &(itr_optim_opts){ .weight_decay = 0.001, .values = sgd_with_momentum(0.9, values), .decay_all = true, .threads = 2 }, x, y);
	curve(c, "heads infonce adamw", "heads", 0, "infonce", "adamw", 1e-3,
	      &(itr_optim_opts){ .weight_decay = 0.01, .decay_all = true, .threads = 2 }, x, y);
	with_dropout(j, x, y);
	itr_aligned_free(x);
	itr_aligned_free(y);
	free(latent);
	itr_json_free(j);
}

static void test_cosine_schedule(void **state)
{
	itr_json *j = golden("curves.json");
	int64_t n;
	double *want = numbers(itr_json_get(j, "cosine_lr"), &n);
	itr_schedule s = { .ops = itr_schedules[1], .lr = 1e-4, .total = 100 };
	(void)state;
	for (int64_t k = 0; k < n; k++)
		assert_true(fabs(itr_schedule_lr(&s, k) - want[k]) < 1e-12);      /* torch's recurrence rounds differently */
	assert_string_equal(s.ops->name, "cosine");
	s.warmup = 10;
	assert_true(fabs(itr_schedule_lr(&s, 0) - 1e-5) < 1e-18 && fabs(itr_schedule_lr(&s, 9) - 1e-4) < 1e-18);
	free(want);
	itr_json_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ops), cmocka_unit_test(test_curves),
		                            cmocka_unit_test(test_cosine_schedule) };
	return cmocka_run_group_tests_name("train_golden", tests, NULL, NULL);
}
