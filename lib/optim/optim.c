#include "optim/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/parallel.h"
#include "tensor/rows.h"

#define ITR_OPTIM(name) extern const itr_optim_ops itr_optim_##name;
#include "optim/optims.def"
#undef ITR_OPTIM

const itr_optim_ops *const itr_optims[] = {
#define ITR_OPTIM(name) &itr_optim_##name,
#include "optim/optims.def"
#undef ITR_OPTIM
	NULL
};

const char *const itr_optim_names[] = {
#define ITR_OPTIM(name) #name,
#include "optim/optims.def"
#undef ITR_OPTIM
	NULL
};

enum { PIECE = 1 << 16 };        /* elements a piece of work */

struct itr_optim {
	const itr_optim_ops *ops;
	itr_params *params;
	itr_optim_opts o;
	void *self;
	float *state[ITR_OPTIM_SLOTS];                 /* blocks laid out as the parameters' */
	int64_t step;
};

/* Zeroes a piece, in parallel: touching the pages of the state takes most of the time to create an optimiser. */
static void zero_piece(void *ctx, int64_t i, int worker)
{
	const struct itr_optim *opt = ctx;
	const int64_t first = i * PIECE, n = ITR_MIN((int64_t)PIECE, itr_params_live(opt->params) - first);
	(void)worker;
	for (int s = 0; s < opt->ops->slots; s++)
		memset(opt->state[s] + first, 0, (size_t)n * sizeof(float));
}

itr_optim *itr_optim_new(const char *name, itr_params *p, const itr_optim_opts *o, itr_err *err)
{
	const itr_optim_ops *ops = NULL;
	int n = 0;
	for (; itr_optims[n]; n++)
		if (!strcmp(name, itr_optim_names[n]))
			ops = itr_optims[n];
	if (!ops) {
		itr_err_set(err, "unknown optimiser '%s': did you mean '%s'?", name, itr_nearest(name, itr_optim_names, n));
		return NULL;
	}
	itr_optim *opt = itr_xcalloc(1, sizeof *opt);
	opt->ops = ops;
	opt->params = p;
	opt->o = *o;
	opt->self = memcpy(itr_xmalloc(ops->size), o->values ? o->values : ops->defaults, ops->size);
	for (int s = 0; s < ops->slots; s++)
		opt->state[s] = itr_aligned_alloc((size_t)itr_params_live(p) * sizeof(float));
	itr_parallel_for(o->threads, (itr_params_live(p) + PIECE - 1) / PIECE, zero_piece, opt);
	return opt;
}

void itr_optim_free(itr_optim *opt)
{
	if (!opt)
		return;
	for (int s = 0; s < ITR_OPTIM_SLOTS; s++)
		itr_aligned_free(opt->state[s]);
	free(opt->self);
	free(opt);
}

int64_t itr_optim_steps(const itr_optim *opt) { return opt->step; }

bool itr_optim_finite(const itr_optim *opt)
{
	for (int s = 0; s < opt->ops->slots; s++)
		if (itr_first_not_finite(opt->state[s], itr_params_live(opt->params)) >= 0)
			return false;
	return true;
}

struct sweep {
	itr_optim *opt;
	const itr_param *q;
	double lr, decay;
	float clip;
};

static void update_piece(void *ctx, int64_t i, int worker)
{
	const struct sweep *c = ctx;
	const int64_t first = i * PIECE, n = ITR_MIN((int64_t)PIECE, c->q->count - first),
		      at = c->q->data - itr_params_values(c->opt->params) + first;
	float *s[ITR_OPTIM_SLOTS];
	(void)worker;
	for (int k = 0; k < ITR_OPTIM_SLOTS; k++)
		s[k] = c->opt->state[k] ? c->opt->state[k] + at : NULL;
	c->opt->ops->update(c->opt->self, c->lr, c->decay, c->clip, c->opt->step, n, c->q->data + first, c->q->grad + first, s);
}

void itr_optim_step(itr_optim *opt, double lr, double clip)
{
	opt->step++;
	for (int64_t i = 0; i < itr_params_count(opt->params); i++) {
		const itr_param *q = itr_params_at(opt->params, i);
		struct sweep c = { opt, q, q->lr_scale > 0 ? lr * q->lr_scale : lr,
			           q->no_decay && !opt->o.decay_all ? 0 : opt->o.weight_decay, (float)clip };
		if (q->grad_written && !q->frozen)
			itr_parallel_for(opt->o.threads, (q->count + PIECE - 1) / PIECE, update_piece, &c);
	}
}

static char *state_path(const char *group, int slot) { return itr_xasprintf("%s/state%d", group, slot); }

int itr_optim_save(const itr_optim *opt, itr_h5 *h, const char *group, itr_err *err)
{
	const int64_t n = itr_params_live(opt->params);
	char *name = itr_xasprintf("%s/name", group), *step = itr_xasprintf("%s/step", group);
	int rc = itr_h5_write_text(h, name, opt->ops->name, err);
	if (rc == 0)
		rc = itr_h5_write(h, step, ITR_I64, 0, NULL, &opt->step, err);
	for (int s = 0; rc == 0 && s < opt->ops->slots; s++) {
		char *path = state_path(group, s);
		rc = itr_params_write_array(h, path, 1, &n, opt->state[s], err);
		free(path);
	}
	free(name);
	free(step);
	return rc;
}

static int load_slot(itr_optim *opt, const itr_h5 *h, const char *path, float *state, itr_err *err)
{
	itr_h5_info info;
	if (itr_h5_info_of(h, path, &info, err) < 0)
		return -1;
	if (info.count != itr_params_live(opt->params))
		return itr_err_set(err, "'%s' holds optimiser state of another model", itr_h5_path(h));
	return itr_params_read_array(h, path, info.count, info.count, state, err);
}

int itr_optim_load(itr_optim *opt, const itr_h5 *h, const char *group, itr_err *err)
{
	char *path = itr_xasprintf("%s/name", group), *step = itr_xasprintf("%s/step", group), *name = itr_h5_read_text(h, path, err);
	int rc = name ? 0 : -1;
	if (rc == 0 && strcmp(name, opt->ops->name))
		rc = itr_err_set(err, "'%s' holds the state of '%s', not of '%s'", itr_h5_path(h), name, opt->ops->name);
	if (rc == 0)
		rc = itr_h5_read_rows(h, step, ITR_I64, 0, 1, &opt->step, err);
	for (int s = 0; rc == 0 && s < opt->ops->slots; s++) {
		char *slot = state_path(group, s);
		rc = load_slot(opt, h, slot, opt->state[s], err);
		free(slot);
	}
	free(name);
	free(path);
	free(step);
	return rc;
}

/* --- clipping ------------------------------------------------------------------------------------------------------------------------ */

struct norm_sweep {
	const itr_param *q;
	double *partial;
};

static void norm_piece(void *ctx, int64_t i, int worker)
{
	const struct norm_sweep *c = ctx;
	const float *g = c->q->grad + i * PIECE;
	const int64_t n = ITR_MIN((int64_t)PIECE, c->q->count - i * PIECE);
	double s[8] = { 0 };
	int64_t k = 0;
	(void)worker;
	for (; k + 8 <= n; k += 8)
		for (int l = 0; l < 8; l++)
			s[l] += (double)g[k + l] * (double)g[k + l];
	for (; k < n; k++)
		s[0] += (double)g[k] * (double)g[k];
	c->partial[i] = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* Adds the squares of one net's gradients to `total`. */
static double add_squares(const itr_params *p, double total, int threads)
{
	double *partial = itr_xmalloc((size_t)(itr_params_block(p) / PIECE + 1) * sizeof *partial);
	for (int64_t i = 0; i < itr_params_count(p); i++) {
		struct norm_sweep c = { itr_params_at(p, i), partial };
		int64_t pieces = (c.q->count + PIECE - 1) / PIECE;
		if (!c.q->grad_written || c.q->frozen)
			continue;
		itr_parallel_for(threads, pieces, norm_piece, &c);
		for (int64_t k = 0; k < pieces; k++)
			total += partial[k];
	}
	free(partial);
	return total;
}

double itr_grad_norm(const itr_params *const *p, int n, int threads)
{
	double total = 0;
	for (int i = 0; i < n; i++)
		total = add_squares(p[i], total, threads);
	return sqrt(total);
}

double itr_clip_factor(double norm, double max_norm) { return max_norm > 0 ? fmin(1, max_norm / (norm + 1e-6)) : 1; }

/* --- moving average --------------------------------------------------------------------------------------------------------------------
 */

struct itr_ema {
	const itr_params *params;
	float *shadow;
	float decay;
};

itr_ema *itr_ema_new(const itr_params *p, double decay)
{
	itr_ema *e = itr_xcalloc(1, sizeof *e);
	const size_t bytes = (size_t)itr_params_live(p) * sizeof(float);
	e->params = p;
	e->decay = (float)decay;
	e->shadow = memcpy(itr_aligned_alloc(bytes), itr_params_values(p), bytes);
	return e;
}

void itr_ema_update(itr_ema *e)
{
	const float *w = itr_params_values(e->params);
	for (int64_t i = 0; i < itr_params_live(e->params); i++)
		e->shadow[i] = e->decay * e->shadow[i] + (1 - e->decay) * w[i];
}

void itr_ema_swap(itr_ema *e)
{
	float *w = itr_params_values(e->params);
	for (int64_t i = 0; i < itr_params_live(e->params); i++) {
		float keep = w[i];
		w[i] = e->shadow[i];
		e->shadow[i] = keep;
	}
}

float *itr_ema_values(itr_ema *e) { return e->shadow; }

void itr_ema_free(itr_ema *e)
{
	if (!e)
		return;
	itr_aligned_free(e->shadow);
	free(e);
}
