/* optim.h - optimisers, learning rate schedules, gradient clipping, and an exponential moving average of the weights.
 *
 *	itr_optim *opt = itr_optim_new("adamw", params, &(itr_optim_opts){ .weight_decay = 0.01 }, &err);
 *	double norm = itr_grad_norm((const itr_params *[]){ params }, 1, threads);       // L2 over all gradients
 *	itr_optim_step(opt, itr_schedule_lr(&s, step), norm > 1 ? 1 / norm : 1);
 *
 * A step is one pass over memory: decay, moments, update and clipping factor are fused. Updates are elementwise, so they do not depend on
 * threads. Sources: Kingma & Ba 2015 (adam: L2 added to the gradient); Loshchilov & Hutter 2019 (adamw: decoupled weight decay). The tests
 * compare training curves with torch.optim.
 */
#ifndef ITR_OPTIM_OPTIM_H
#define ITR_OPTIM_OPTIM_H

#include "base/option.h"
#include "nn/param.h"

typedef struct itr_optim_opts {
	double weight_decay;
	const void *values;             /* values of the optimiser's options (its struct); NULL: its defaults. Copied */
	bool decay_all;                 /* decay also biases, norms, temperature (PyTorch's default); false: not these (no_decay) */
	int threads;
} itr_optim_opts;

typedef struct itr_optim itr_optim;

/* One optimiser: one file and one line in optims.def. */
typedef struct itr_optim_ops {
	const char *name, *summary;
	int slots;                      /* state arrays for each parameter (moments), at most ITR_OPTIM_SLOTS */
	size_t size;                    /* size of `self`, a copy of `defaults` that the options change */
	const void *defaults;
	const itr_option *options;
	/* Updates n values w from gradients g (scaled by `clip`) with state s[0..slots-1]; step counts from 1. */
	void (*update)(const void *self, double lr, double decay, float clip, int64_t step, int64_t n, float *w, const float *g,
	               float *const *s);
} itr_optim_ops;
enum { ITR_OPTIM_SLOTS = 2 };

extern const itr_optim_ops *const itr_optims[];         /* optims.def, NULL-terminated */
extern const char *const itr_optim_names[];             /* their names in the same order, NULL-terminated */

/* An optimiser of p (borrowed), with zero state. NULL with err when the name is unknown (the message gives the nearest). */
itr_optim *itr_optim_new(const char *name, itr_params *p, const itr_optim_opts *o, itr_err *err);
void itr_optim_free(itr_optim *opt);
/* One step with the gradients times `clip`; parameters without a gradient do not change. */
void itr_optim_step(itr_optim *opt, double lr, double clip);
int64_t itr_optim_steps(const itr_optim *opt);
bool itr_optim_finite(const itr_optim *opt);            /* false when a moment is NaN or infinite */
/* Write and read GROUP/name, GROUP/step and GROUP/state0, state1, for exact resumption. 0, or -1 with err, also for NaN or infinity. */
ITR_MUST_USE int itr_optim_save(const itr_optim *opt, itr_h5 *h, const char *group, itr_err *err);
ITR_MUST_USE int itr_optim_load(itr_optim *opt, const itr_h5 *h, const char *group, itr_err *err);

/* L2 norm of all gradients of n nets (sums in double, in a fixed order). */
double itr_grad_norm(const itr_params *const *p, int n, int threads);
/* The factor of torch.nn.utils.clip_grad_norm_: min(1, max_norm / (norm + 1e-6)); 1 when max_norm is not positive. */
double itr_clip_factor(double norm, double max_norm);

/* --- schedules: one line in schedules.def each -------------------------------------------------------------------------------------------
 */
typedef struct itr_schedule_ops {
	const char *name, *summary;
	size_t size;                    /* size of `self`, a copy of `defaults` that the options change; 0: no options */
	const void *defaults;
	const itr_option *options;
	double (*rate)(const void *self, double lr, double x); /* x: progress after the warm-up, from 0 to 1 */
	double (*lowest)(const void *self, double lr);         /* minimum of `rate`, which must be between 0 and lr; NULL: lr */
} itr_schedule_ops;
extern const itr_schedule_ops *const itr_schedules[];   /* schedules.def, NULL-terminated */
extern const char *const itr_schedule_names[];          /* their names in the same order, NULL-terminated */
typedef struct itr_schedule {
	const itr_schedule_ops *ops;
	const void *values;             /* values of its options (its struct); NULL: its defaults. Borrowed */
	double lr;
	int64_t warmup, total;          /* steps */
	bool by_epoch;                  /* the rate changes between epochs only */
	int64_t steps_per_epoch;
} itr_schedule;
/* -1 with err when the minimum of the schedule is below 0 or above lr. */
ITR_MUST_USE int itr_schedule_check(const itr_schedule *s, itr_err *err);
/* Learning rate of step 0, 1, ...: linear warm-up, then the schedule. */
double itr_schedule_lr(const itr_schedule *s, int64_t step);

/* --- moving average of the weights: shadow = decay * shadow + (1 - decay) * w --------------------------------------------------------- */
typedef struct itr_ema itr_ema;
itr_ema *itr_ema_new(const itr_params *p, double decay);
void itr_ema_update(itr_ema *e);
void itr_ema_swap(itr_ema *e);          /* exchanges weights and shadow; called before and after an evaluation */
float *itr_ema_values(itr_ema *e);      /* the shadow block, itr_params_live floats */
void itr_ema_free(itr_ema *e);

#endif
