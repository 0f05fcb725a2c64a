/* sgd with momentum, as torch.optim.SGD (dampening 0, no Nesterov; weight decay as L2). */
#include "optim/optim.h"

struct sgd { double momentum; };
static const struct sgd defaults = { 0 };
static const itr_option options[] = { ITR_OPT_NUM_IN("momentum", 0, struct sgd, momentum, "M", ITR_BELOW(0, 1),
	                                             "momentum factor: share of the previous update in the next one"),
	                              ITR_OPT_END };

static void sgd(const void *self, double lr, double decay, float clip, int64_t step, int64_t n, float *w, const float *g, float *const *s)
{
	const float momentum = (float)((const struct sgd *)self)->momentum, l2 = (float)decay, rate = (float)lr;
	float *b = s[0];
	for (int64_t i = 0; i < n; i++) {
		float d = g[i] * clip + l2 * w[i];
		b[i] = step == 1 ? d : momentum * b[i] + d;
		w[i] -= rate * b[i];
	}
}

const itr_optim_ops itr_optim_sgd = {
	.name = "sgd", .summary = "gradient descent with momentum", .slots = 1,
	.size = sizeof(struct sgd), .defaults = &defaults, .options = options, .update = sgd,
};
