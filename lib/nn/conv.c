#include "nn/conv.h"

#include <math.h>

#include "base/log.h"
#include "base/mem.h"
#include "tensor/depthwise.h"
#include "tensor/vmath.h"

static itr_conv_opts filled(const itr_conv_opts *o)
{
	itr_conv_opts f = *o;
	f.stride = ITR_MAX(f.stride, (int64_t)1);
	f.groups = ITR_MAX(f.groups, (int64_t)1);
	f.momentum = f.momentum > 0 ? f.momentum : 0.1;
	return f;
}

static bool depthwise(const itr_conv_opts *o) { return o->groups > 1 && o->groups == o->in && o->in == o->out; }

static itr_conv kernel_of(const itr_conv_opts *o)
{
	return (itr_conv){
		.c = o->in, .o = o->out, .kh = o->kernel, .kw = o->kernel, .stride = o->stride, .dilation = 1, .groups = o->groups
	};
}

/* Weights of the product, rows of (KH, KW, C), each times scale[o] unless scale is NULL. Other groups than depthwise are expanded with
 * zeros; no network here has them. */
static itr_packed_weight *pack_rows(const itr_conv_opts *o, const float *w, const float *scale, itr_compute c, const itr_bias_correction *x,
                               int threads)
{
	const itr_conv g = kernel_of(o);
	const int64_t taps = o->kernel * o->kernel, cn = o->in / o->groups, k = taps * o->in;
	float *rows = itr_aligned_alloc((size_t)(o->out * taps * cn) * sizeof *rows),
	      *all = itr_aligned_calloc((size_t)(o->out * k) * sizeof *all);
	itr_conv_weight_rows(&g, w, rows);
	for (int64_t i = 0; i < o->out; i++)
		for (int64_t u = 0; u < taps; u++)
			for (int64_t j = 0; j < cn; j++)
				all[(i * taps + u) * o->in + i / (o->out / o->groups) * cn + j] =
					rows[(i * taps + u) * cn + j] * (scale ? scale[i] : 1.0f);
	itr_conv whole = g;
	whole.groups = 1;
	itr_packed_weight *f = itr_conv_pack_weight(&whole, c, all, x, threads);
	itr_aligned_free(rows);
	itr_aligned_free(all);
	return f;
}

static itr_param *normal_weight(itr_params *p, const char *name, const itr_conv_opts *o)
{
	return itr_params_add(p, name, "weight", 4, (int64_t[]){ o->out, o->in / o->groups, o->kernel, o->kernel }, ITR_INIT_NORMAL,
	                      sqrt(2 / (double)(o->kernel * o->kernel * o->out)), false);
}

/* --- with normalisation --------------------------------------------------------------------------------------------------------------- */

/* The mean of a(x) for x normal with mean `mean` and deviation `deviation`: by the midpoint rule over four deviations on each side. */
static float mean_through(itr_activation a, float mean, float deviation)
{
	enum { STEPS = 64 };
	float x[STEPS];
	double sum = 0, weight = 0;
	for (int i = 0; i < STEPS; i++)
		x[i] = mean + deviation * (8.0f * ((float)i + 0.5f) / STEPS - 4.0f);
	itr_activate(a, x, x, STEPS);
	for (int i = 0; i < STEPS; i++) {
		const float z = 8.0f * ((float)i + 0.5f) / STEPS - 4.0f;
		const double w = (double)itr_vexp(-0.5f * z * z);
		sum += w * (double)x[i];
		weight += w;
	}
	return (float)(sum / weight);
}

static void pack_product(itr_conv_norm_layer *l, const float *scale, itr_compute c, int threads)
{
	float *mean = itr_aligned_alloc((size_t)(l->o.in + l->o.out) * sizeof *mean), *correction = mean + l->o.in;
	for (int64_t i = 0; l->source && i < l->o.in; i++)
		mean[i] = mean_through(l->between, l->source->beta->data[i], fabsf(l->source->gamma->data[i]));
	l->weight->packed =
		pack_rows(&l->o, l->weight->data, scale, c, &(itr_bias_correction){ l->source ? mean : NULL, correction }, threads);
	for (int64_t i = 0; i < l->o.out; i++)
		l->weight->folded_bias[i] += correction[i];
	itr_aligned_free(mean);
}

/* norm(conv(x)) = conv with rows times gamma / sqrt(var + eps), plus beta - mean gamma / sqrt(var + eps). */
static void pack_norm(itr_params *p, void *layer, itr_compute c, int threads)
{
	itr_conv_norm_layer *l = layer;
	const int64_t n = l->o.out;
	float *scale = itr_aligned_alloc((size_t)n * sizeof *scale);
	l->weight->folded_bias = itr_aligned_alloc((size_t)n * sizeof(float));
	for (int64_t i = 0; i < n; i++) {
		const double s = (double)l->gamma->data[i] / sqrt((double)l->var->data[i] + l->o.eps);
		scale[i] = (float)s;
		l->weight->folded_bias[i] = (float)((double)l->beta->data[i] - (double)l->mean->data[i] * s);
	}
	if (depthwise(&l->o)) {
		const itr_conv g = kernel_of(&l->o);
		l->taps = itr_aligned_alloc((size_t)l->weight->count * sizeof(float));
		itr_depthwise_weights(&g, l->weight->data, scale, l->taps);
		itr_params_owns(p, l->taps);
	} else
		pack_product(l, scale, c, threads);
	itr_aligned_free(scale);
	itr_params_release_data(p, l->weight);
}

void itr_conv_norm_init(itr_conv_norm_layer *l, itr_params *p, const char *conv, const char *norm, const itr_conv_opts *o)
{
	l->o = filled(o);
	l->taps = NULL;
	l->source = NULL;
	l->weight = normal_weight(p, conv, &l->o);
	l->gamma = itr_params_add(p, norm, "weight", 1, &l->o.out, ITR_INIT_ONE, 0, true);
	l->beta = itr_params_add(p, norm, "bias", 1, &l->o.out, ITR_INIT_ZERO, 0, true);
	l->mean = itr_params_add(p, norm, "running_mean", 1, &l->o.out, ITR_INIT_ZERO, 0, true);
	l->var = itr_params_add(p, norm, "running_var", 1, &l->o.out, ITR_INIT_ONE, 0, true);
	l->mean->frozen = l->var->frozen = true;
	itr_params_add_packer(p, pack_norm, l);
}

void itr_conv_norm_follows(itr_conv_norm_layer *l, const itr_conv_norm_layer *source, itr_activation a)
{
	if (source->o.out != l->o.in)
		ITR_BUG("itr_conv_norm_follows: %lld channels after %lld", (long long)l->o.in, (long long)source->o.out);
	l->source = source;
	l->between = a;
}

static itr_var *call(itr_tape *t, const itr_conv_norm_layer *l, itr_var *x, itr_var *residual, bool onto, itr_activation a)
{
	if (l->taps)
		x = itr_depthwise_packed(t, x, l->taps, l->weight->folded_bias, l->o.kernel, l->o.stride, l->o.padding,
		                         residual ? ITR_ACT_NONE : a);
	if (l->taps)
		return residual ? itr_activation_call(t, itr_add(t, x, residual), a) : x;
	if (l->weight->packed)
		return itr_conv_packed(t, x, l->weight->packed, l->weight->folded_bias, residual, onto, l->o.kernel, l->o.stride,
		                       l->o.padding, a);
	/* constant: its running statistics are not updated */
	const bool fixed = l->gamma->constant || l->mean->constant;
	const itr_norm n = { .eps = l->o.eps,
		             .momentum = itr_tape_momentum(t, l->o.momentum),
		             .batch_statistics = l->o.batch_statistics && !fixed,
		             .activation = a,
		             .running_mean = l->mean->data,
		             .running_var = l->var->data };
	x = itr_conv2d(t, x, itr_leaf(t, l->weight), NULL, l->o.stride, l->o.padding, 1, l->o.groups);
	return itr_batchnorm(t, x, itr_leaf(t, l->gamma), itr_leaf(t, l->beta), residual, &n);
}

itr_var *itr_conv_norm(itr_tape *t, const itr_conv_norm_layer *l, itr_var *x, itr_var *residual, itr_activation a)
{
	return call(t, l, x, residual, false, a);
}
itr_var *itr_conv_norm_onto(itr_tape *t, const itr_conv_norm_layer *l, itr_var *x, itr_var *residual, itr_activation a)
{
	return call(t, l, x, residual, true, a);
}

/* --- with a bias ---------------------------------------------------------------------------------------------------------------------- */

static void pack_conv(itr_params *p, void *layer, itr_compute c, int threads)
{
	itr_conv_layer *l = layer;
	l->weight->packed = pack_rows(&l->o, l->weight->data, NULL, c, NULL, threads);
	itr_params_release_data(p, l->weight);
}

void itr_conv_layer_init(itr_conv_layer *l, itr_params *p, const char *name, const itr_conv_opts *o)
{
	l->o = filled(o);
	l->weight = normal_weight(p, name, &l->o);
	l->bias = itr_params_add(p, name, "bias", 1, &l->o.out, ITR_INIT_ZERO, 0, true);
	itr_params_add_packer(p, pack_conv, l);
}

itr_var *itr_conv_layer_call(itr_tape *t, const itr_conv_layer *l, itr_var *x, itr_activation a)
{
	if (l->weight->packed)
		return itr_conv_packed(t, x, l->weight->packed, l->bias->data, NULL, false, l->o.kernel, l->o.stride, l->o.padding, a);
	return itr_activation_call(
		t, itr_conv2d(t, x, itr_leaf(t, l->weight), itr_leaf(t, l->bias), l->o.stride, l->o.padding, 1, l->o.groups), a);
}
