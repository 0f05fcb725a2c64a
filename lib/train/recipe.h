/* recipe.h - a network's recipe (model/model.h) as train's options. */
#ifndef ITR_TRAIN_RECIPE_H
#define ITR_TRAIN_RECIPE_H

#include "train/loop.h"

const itr_recipe *itr_recipe_find(const char *model, bool towers);      /* NULL: no network of that name, or none that takes towers */
const char *itr_recipe_with_towers(void);                               /* a model that takes them */

/* What the recipe says, into every option that given(ctx, NAME) denies; NAME as train spells its options. */
void itr_recipe_apply(const itr_recipe *r, itr_train_opts *o, const char **split_sizes, bool (*given)(void *ctx, const char *option),
                      void *ctx);

#endif
