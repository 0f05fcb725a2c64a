/* adversary: a second network learns to tell texts from images by their embeddings, the model learns to give it no reason: cross entropy in
 * an own step, then KL(even odds || its verdict) as a term, through which the adversary is a constant. Sources: Tzeng et al. 2015 (domain
 * confusion); Wang et al. 2017 (adversarial cross-modal retrieval). */
#include <stdlib.h>

#include "base/mem.h"
#include "nn/layers.h"
#include "train/loop.h"
#include "train/trainer.h"

struct adversary {
	double weight, lr;
	int64_t hidden;
	itr_train_net *net;
	itr_linear_layer fc1, fc2;
	int64_t *label;                 /* [2 batch] 0 text, 1 image */
	float *even;                    /* (2 batch, 2) zeros: scores of even odds */
};
static const struct adversary defaults = { .weight = 0.1, .lr = 1e-3, .hidden = 64 };
static const itr_option options[] = { ITR_OPT_NUM_IN("adversary-weight", 0, struct adversary, weight, "X", ITR_FROM(0),
	                                             "weight of the adversarial term in the total loss"),
	                              ITR_OPT_NUM_IN("adversary-lr", 0, struct adversary, lr, "X", ITR_ABOVE(0),
	                                             "learning rate of the discriminator"),
	                              ITR_OPT_INT_IN("adversary-hidden", 0, struct adversary, hidden, "N", ITR_BETWEEN(1, 65536),
	                                             "width of the discriminator's hidden layer"),
	                              ITR_OPT_END };

static int build(void *self, itr_trainer *r, itr_err *err)
{
	struct adversary *a = self;
	int64_t n;
	(void)err;
	(void)itr_trainer_rows(r, &n);
	const int64_t rows = 2 * ITR_MIN(n, itr_trainer_opts(r)->batch_size);
	itr_params *p = itr_params_new();
	itr_linear_init(&a->fc1, p, "fc1", itr_trainer_embed_dim(r), a->hidden, true);
	itr_linear_init(&a->fc2, p, "fc2", a->hidden, 2, true);
	a->net = itr_trainer_add_net(r, "adversary", p, ITR_BY_OWN_STEP, a->lr);
	a->label = itr_xcalloc((size_t)rows, sizeof *a->label);
	a->even = itr_aligned_calloc((size_t)(2 * rows) * sizeof *a->even);
	return 0;
}

/* Scores of "text" and "image" for the unit rows of both: (2 n, 2). */
static itr_var *verdict(const struct adversary *a, itr_tape *t, itr_var *text, itr_var *image)
{
	itr_var *x = itr_stack(t, itr_l2norm(t, text), itr_l2norm(t, image));
	return itr_linear(t, &a->fc2, itr_relu(t, itr_linear(t, &a->fc1, x)));
}

static int own_step(void *self, itr_step *s, itr_err *err)
{
	struct adversary *a = self;
	itr_tape *t = itr_own_begin(s, a->net);
	itr_var *text = itr_constant_of(t, s->tape, s->pooled[0]), *image = itr_constant_of(t, s->tape, s->pooled[1]);
	for (int64_t i = 0; i < 2 * s->batch.n; i++)
		a->label[i] = i >= s->batch.n;
	return itr_own_end(s, a->net, itr_cross_entropy(t, verdict(a, t, text, image), a->label, NULL, 0), err);
}

static itr_var *term(void *self, itr_step *s)
{
	struct adversary *a = self;
	itr_var *even = itr_input(s->tape, 2, (int64_t[]){ 2 * s->batch.n, 2 }, a->even);
	return itr_scale(s->tape, itr_kl(s->tape, even, verdict(a, s->tape, s->pooled[0], s->pooled[1]), NULL), a->weight);
}

static void release(void *self)
{
	struct adversary *a = self;
	free(a->label);
	itr_aligned_free(a->even);
}

const itr_objective itr_objective_adversary = {
	.name = "adversary",
	.summary = "a second network cannot tell texts from images",
	.size = sizeof(struct adversary),
	.defaults = &defaults,
	.options = options,
	.build = build,
	.own_step = own_step,
	.term = term,
	.release = release,
};
