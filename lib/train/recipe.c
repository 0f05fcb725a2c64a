#include "train/recipe.h"

#include <string.h>


static const itr_recipe recipes[] = {
#define ITR_RECIPE(...) { __VA_ARGS__ },
#include "train/recipes.def"
#undef ITR_RECIPE
};

const itr_recipe *itr_recipe_find(const char *model, bool towers)
{
	for (int i = 0; i < ITR_LEN(recipes); i++)
		if (!strcmp(recipes[i].model, model) && recipes[i].towers == towers)
			return &recipes[i];
	return NULL;
}

const char *itr_recipe_with_towers(void)
{
	int i = 0;
	while (!recipes[i].towers)
		i++;
	return recipes[i].model;
}

void itr_recipe_apply(const itr_recipe *r, itr_train_opts *o, itr_model_config *c, const char **split_sizes,
                      bool (*given)(void *ctx, const char *option), void *ctx)
{
#define DEFAULT(option, field, value) do { if (!given(ctx, option)) (field) = (value); } while (0)
	DEFAULT("split-sizes", *split_sizes, r->split_sizes);
	DEFAULT("epochs", o->epochs, r->epochs);
	DEFAULT("batch-size", o->batch_size, r->batch_size);
	DEFAULT("patience", o->patience, r->patience);
	DEFAULT("lr", o->lr, r->lr);
	DEFAULT("weight-decay", o->weight_decay, r->weight_decay);
	DEFAULT("dropout", c->dropout, r->dropout);
	DEFAULT("symmetric", o->symmetric, r->symmetric);
	DEFAULT("optimizer", o->optimizer, r->optimizer);
	DEFAULT("loss", o->loss, r->loss);
	DEFAULT("schedule", o->schedule, r->schedule);
#undef DEFAULT
}

int itr_trainable_names(const char *names[32])
{
	int n = 0;
	for (int i = 0; itr_models[i] && n < 31; i++)
		names[n++] = itr_models[i]->name;
	names[n] = NULL;
	return n;
}
