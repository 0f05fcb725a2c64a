/* optim.h - optimisers over the parameters of a model, with schedules, clipping, and an exponential moving average.
 *
 *	itr_optim *opt = itr_optim_new("adamw", params, &(itr_optim_opts){ .lr = 1e-4, .weight_decay = 0.01 }, &err);
 *	norm = itr_grad_norm(params);                    // L2 over all gradients
 *	itr_optim_step(opt, itr_schedule_lr(&s, step), clip factor);
 *
 * One pass over memory a step: decay, moments, update and clipping factor are fused. Updates are elementwise, so they do not depend on
 *threads. Sources: Kingma & Ba 2015 (adam: L2 added to the gradient); Loshchilov & Hutter 2019 (adamw: decoupled); as torch.optim, whose
 *golden curves hold them.
 */
#ifndef ITR_OPTIM_OPTIM_H
#define ITR_OPTIM_OPTIM_H

#include "nn/param.h"

typedef struct itr_optim_opts {
	double lr, weight_decay;
	double beta1, beta2, eps;       /* 0: 0.9, 0.999, 1e-8 */
	double momentum;                /* sgd */
	bool decay_all;                 /* also biases, norms, temperature (torch's default); else they are excluded */
	int threads;
} itr_optim_opts;

typedef struct itr_optim itr_optim;

/* One optimiser: one file and one line in optims.def. `slots` arrays of state per parameter. */
typedef struct itr_optim_ops {
	const char *name;
	int slots;
	/* Updates n values w from gradients g (scaled by `clip`) with state s[0..slots-1]; step counts from 1. */
	void (*update)(const itr_optim_opts *o, double lr, double decay, float clip, int64_t step, int64_t n, float *w, const float *g,
	               float *const *s);
} itr_optim_ops;

extern const itr_optim_ops *const itr_optims[];         /* optims.def, NULL-terminated */

/* NULL with err when the name is unknown (the nearest is named). State starts at zero. */
itr_optim *itr_optim_new(const char *name, itr_params *p, const itr_optim_opts *o, itr_err *err);
void itr_optim_free(itr_optim *opt);
/* One step with the gradients as they stand, times `clip`; parameters without a gradient are left alone. */
void itr_optim_step(itr_optim *opt, double lr, double clip);
int64_t itr_optim_steps(const itr_optim *opt);
bool itr_optim_finite(const itr_optim *opt);            /* no NaN, no infinity among the moments */
/* State as /optim/SLOT/NAME and the step count, for exact resumption. NaN and infinity are neither written nor read. */
ITR_MUST_USE int itr_optim_save(const itr_optim *opt, itr_h5 *h, itr_err *err);
ITR_MUST_USE int itr_optim_load(itr_optim *opt, const itr_h5 *h, itr_err *err);

/* L2 norm of all gradients together (sums in double, in a fixed order); torch.nn.utils.clip_grad_norm_ multiplies by min(1, max_norm /
 * (norm + 1e-6)). */
double itr_grad_norm(const itr_params *p, int threads);
double itr_clip_factor(double norm, double max_norm);

/* --- schedules ------------------------------------------------------------------------------------------------------------------------ */
extern const char *const itr_schedule_names[];          /* "constant" "cosine" "linear" NULL */
typedef struct itr_schedule {
	int kind;                       /* index into itr_schedule_names */
	double lr, min_lr;
	int64_t warmup, total;          /* steps */
	bool by_epoch;                  /* the rate changes between epochs only */
	int64_t steps_per_epoch;
} itr_schedule;
/* Rate of step 0, 1, ...: linear warm-up, then cosine as CosineAnnealingLR: min + (lr - min)(1 + cos(pi s / total)) / 2. */
double itr_schedule_lr(const itr_schedule *s, int64_t step);

/* --- moving average of the weights: shadow = decay * shadow + (1 - decay) * w --------------------------------------------------------- */
typedef struct itr_ema itr_ema;
itr_ema *itr_ema_new(const itr_params *p, double decay);
void itr_ema_update(itr_ema *e);
void itr_ema_swap(itr_ema *e);          /* exchanges weights and shadow: before and after an evaluation */
float *itr_ema_values(itr_ema *e);      /* the shadow block, itr_params_live floats */
void itr_ema_free(itr_ema *e);

#endif
