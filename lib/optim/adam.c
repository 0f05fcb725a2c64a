/* adam (weight decay as L2 in the gradient) and adamw (decoupled): torch.optim.Adam and AdamW, amsgrad off. */
#include <math.h>

#include "optim/optim.h"

struct adam { double beta1, beta2, eps; };
static const struct adam defaults = { 0.9, 0.999, 1e-8 };
static const itr_option options[] = {
	ITR_OPT_NUM_IN("beta1", 0, struct adam, beta1, "B", ITR_BELOW(0, 1), "decay rate of the first moment (mean gradient)"),
	ITR_OPT_NUM_IN("beta2", 0, struct adam, beta2, "B", ITR_BELOW(0, 1), "decay rate of the second moment (mean squared gradient)"),
	ITR_OPT_NUM_IN("eps", 0, struct adam, eps, "X", ITR_ABOVE(0), "added to the root of the second moment"), ITR_OPT_END
};

ITR_CLONES static void update(const struct adam *o, double lr, double decay, bool decoupled, float clip, int64_t step, int64_t n,
                              float *restrict w, const float *restrict g, float *restrict m, float *restrict v)
{
	const double c1 = 1 - pow(o->beta1, (double)step), c2 = 1 - pow(o->beta2, (double)step);
	const float b1 = (float)o->beta1, b2 = (float)o->beta2, a1 = (float)(1 - o->beta1), a2 = (float)(1 - o->beta2);
	const float rate = (float)(lr / c1), root = (float)(1 / sqrt(c2)), eps = (float)o->eps;
	const float l2 = decoupled ? 0.0f : (float)decay, shrink = decoupled ? (float)(1 - lr * decay) : 1.0f;
	for (int64_t i = 0; i < n; i++) {
		float d = g[i] * clip + l2 * w[i];
		float first = b1 * m[i] + a1 * d, second = b2 * v[i] + a2 * d * d;
		m[i] = first;
		v[i] = second;
		w[i] = w[i] * shrink - rate * first / (sqrtf(second) * root + eps);
	}
}

static void adam(const void *o, double lr, double decay, float clip, int64_t step, int64_t n, float *w, const float *g, float *const *s)
{
	update(o, lr, decay, false, clip, step, n, w, g, s[0], s[1]);
}

static void adamw(const void *o, double lr, double decay, float clip, int64_t step, int64_t n, float *w, const float *g, float *const *s)
{
	update(o, lr, decay, true, clip, step, n, w, g, s[0], s[1]);
}

const itr_optim_ops itr_optim_adam = {
	.name = "adam", .summary = "weight decay as L2 in the gradient", .slots = 2,
	.size = sizeof(struct adam), .defaults = &defaults, .options = options, .update = adam,
};
const itr_optim_ops itr_optim_adamw = {
	.name = "adamw", .summary = "decoupled weight decay", .slots = 2,
	.size = sizeof(struct adam), .defaults = &defaults, .options = options, .update = adamw,
};
