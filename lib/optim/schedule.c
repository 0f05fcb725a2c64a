/* Learning rates by step: warm-up, then one of schedules.def. */
#include <math.h>

#include "optim/optim.h"

struct end { double min_lr; };
static const struct end at_zero = { 0 };
static const itr_option end_options[] = {
	ITR_OPT_NUM_IN("min-lr", 0, struct end, min_lr, "X", ITR_FROM(0), "learning rate at the end of the schedule"), ITR_OPT_END
};

static double lowest(const void *self, double lr)
{
	(void)lr;
	return ((const struct end *)self)->min_lr;
}

static double constant(const void *self, double lr, double x)
{
	(void)self;
	(void)x;
	return lr;
}

/* torch's CosineAnnealingLR: min + (lr - min)(1 + cos(pi x)) / 2. */
static double cosine(const void *self, double lr, double x)
{
	const double min_lr = lowest(self, lr);
	return min_lr + (lr - min_lr) * 0.5 * (1 + cos(M_PI * x));
}

static double linear(const void *self, double lr, double x)
{
	const double min_lr = lowest(self, lr);
	return min_lr + (lr - min_lr) * (1 - x);
}

static const itr_schedule_ops itr_schedule_constant = { .name = "constant", .summary = "the rate stays", .rate = constant };
static const itr_schedule_ops itr_schedule_cosine = {
	.name = "cosine",
	.summary = "half a cosine down to --min-lr",
	.size = sizeof(struct end),
	.defaults = &at_zero,
	.options = end_options,
	.rate = cosine,
	.lowest = lowest,
};
static const itr_schedule_ops itr_schedule_linear = {
	.name = "linear",
	.summary = "a straight line down to --min-lr",
	.size = sizeof(struct end),
	.defaults = &at_zero,
	.options = end_options,
	.rate = linear,
	.lowest = lowest,
};

const itr_schedule_ops *const itr_schedules[] = {
#define ITR_SCHEDULE(name) &itr_schedule_##name,
#include "optim/schedules.def"
#undef ITR_SCHEDULE
	NULL
};

const char *const itr_schedule_names[] = {
#define ITR_SCHEDULE(name) #name,
#include "optim/schedules.def"
#undef ITR_SCHEDULE
	NULL
};

static const void *values_of(const itr_schedule *s) { return s->values ? s->values : s->ops->defaults; }

int itr_schedule_check(const itr_schedule *s, itr_err *err)
{
	const double low = s->ops->lowest ? s->ops->lowest(values_of(s), s->lr) : s->lr;
	return low >= 0 && low <= s->lr ? 0 : itr_err_set(err, "'--min-lr' is from 0 to --lr, which is %g, not '%g'", s->lr, low);
}

double itr_schedule_lr(const itr_schedule *s, int64_t step)
{
	if (s->by_epoch && s->steps_per_epoch > 0)
		step = step / s->steps_per_epoch * s->steps_per_epoch;
	if (step < s->warmup)
		return s->lr * (double)(step + 1) / (double)s->warmup;
	const double span = (double)ITR_MAX((int64_t)1, s->total - s->warmup), x = fmin(1, (double)(step - s->warmup) / span);
	return s->ops->rate(values_of(s), s->lr, x);
}
