/* recipe.h - how each network is trained unless told otherwise: one line a network in recipes.def (methods section 2). */
#ifndef ITR_TRAIN_RECIPE_H
#define ITR_TRAIN_RECIPE_H

#include "train/loop.h"

typedef struct itr_recipe {
	const char *model;
	bool towers;                    /* with towers in front (--finetune) */
	const char *loss, *optimizer, *split_sizes;
	int schedule;
	int64_t epochs, batch_size, patience;
	double lr, weight_decay, dropout;
	bool symmetric;
} itr_recipe;

/* Places in itr_schedules. */
enum {
#define ITR_SCHEDULE(name) ITR_SCHEDULE_##name,
#include "optim/schedules.def"
#undef ITR_SCHEDULE
};

const itr_recipe *itr_recipe_find(const char *model, bool towers);      /* NULL: no network of that name, or none that takes towers */
const char *itr_recipe_with_towers(void);                               /* a model that takes them */

/* What the recipe says, into every option that given(ctx, NAME) denies; NAME as train spells its options. */
void itr_recipe_apply(const itr_recipe *r, itr_train_opts *o, itr_model_config *c, const char **split_sizes,
                      bool (*given)(void *ctx, const char *option), void *ctx);

/* Names of everything that can be trained: closed forms (linear.def), then networks (models.def). NULL-terminated, into names[32]; their
 * number. */
int itr_trainable_names(const char *names[32]);

#endif
