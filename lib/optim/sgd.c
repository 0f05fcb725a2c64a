/* sgd with momentum, as torch.optim.SGD (dampening 0, no Nesterov; weight decay as L2). */
#include "optim/optim.h"

static void sgd(const itr_optim_opts *o, double lr, double decay, float clip, int64_t step, int64_t n, float *w, const float *g,
                float *const *s)
{
	const float momentum = (float)o->momentum, l2 = (float)decay, rate = (float)lr;
	float *b = s[0];
	for (int64_t i = 0; i < n; i++) {
		float d = g[i] * clip + l2 * w[i];
		b[i] = step == 1 ? d : momentum * b[i] + d;
		w[i] -= rate * b[i];
	}
}

const itr_optim_ops itr_optim_sgd = { "sgd", 1, sgd };
