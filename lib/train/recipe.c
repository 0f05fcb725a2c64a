#include "train/recipe.h"

#include <string.h>

#include "base/log.h"

const itr_recipe *itr_recipe_find(const char *model, bool towers)
{
	const itr_model_ops *m = itr_model_find(model, NULL);
	return !m ? NULL : towers ? m->tower_recipe : m->recipe;
}

const char *itr_recipe_with_towers(void)
{
	for (int i = 0; itr_models[i]; i++)
		if (itr_models[i]->tower_recipe)
			return itr_models[i]->name;
	ITR_BUG("no model takes towers");
}

static int schedule_of(const char *name)
{
	for (int i = 0; itr_schedule_names[i]; i++)
		if (!strcmp(itr_schedule_names[i], name))
			return i;
	ITR_BUG("a recipe names the schedule '%s', which does not exist", name);
}

void itr_recipe_apply(const itr_recipe *r, itr_train_opts *o, const char **split_sizes, bool (*given)(void *ctx, const char *option),
                      void *ctx)
{
#define DEFAULT(option, field, value) do { if (!given(ctx, option)) (field) = (value); } while (0)
	DEFAULT("split-sizes", *split_sizes, r->split_sizes);
	DEFAULT("epochs", o->epochs, r->epochs);
	DEFAULT("batch-size", o->batch_size, r->batch_size);
	DEFAULT("patience", o->patience, r->patience);
	DEFAULT("lr", o->lr, r->lr);
	DEFAULT("weight-decay", o->weight_decay, r->weight_decay);
	DEFAULT("symmetric", o->symmetric, r->symmetric);
	DEFAULT("optimizer", o->optimizer, r->optimizer);
	DEFAULT("loss", o->loss, r->loss);
	DEFAULT("schedule", o->schedule, schedule_of(r->schedule));
#undef DEFAULT
}
