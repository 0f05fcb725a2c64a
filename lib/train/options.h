/* options.h - what training takes from a command line: tables over itr_train_opts and itr_finetune_opts, and a group for each model, loss,
 * optimiser, schedule and method (base/option.h). A program holds one, with options of its own beside it:
 *
 *	itr_train_options o;
 *	itr_train_choice choice = { .model = "heads" };                      // given, ctx: what the program answers
 *	itr_train_options_init(&o);
 *	itr_option_group *groups = itr_train_options_groups(&o);             // parsed into o
 *	int rc = itr_train_options_use(&o, &choice, &err);
 *	itr_train_opts loop = itr_train_options_loop(&o);
 */
#ifndef ITR_TRAIN_OPTIONS_H
#define ITR_TRAIN_OPTIONS_H

#include "train/finetune.h"
#include "train/trainer.h"

typedef struct itr_train_options {
	itr_train_opts loop;
	itr_finetune_opts towers;
	const char *split_sizes, *split_by;     /* NULL: the recipe's; by image */
	itr_split_rule rule;            /* what split_by means */
	void *model_options;            /* of the model that is used; NULL: it has none */
	const void *objective_values[ITR_TRAIN_OBJECTIVES];     /* of the method's, in the order of itr_objectives */
	itr_option_group *of_towers, *of_networks;              /* of groups */
	itr_option_groups groups;
} itr_train_options;

/* Which towers are trained: values of an option. */
enum { ITR_FINETUNE_NO, ITR_FINETUNE_IMAGE, ITR_FINETUNE_TEXT, ITR_FINETUNE_ALL };
extern const char *const itr_finetune_names[];

/* What was chosen; given(ctx, NAME): was the option of that name given? */
typedef struct itr_train_choice {
	const char *model;              /* NULL: missing */
	int finetune;                   /* ITR_FINETUNE_* */
	bool resumed;                   /* every option comes from a checkpoint: recipes say nothing */
	bool (*given)(void *ctx, const char *option);
	void *ctx;
} itr_train_choice;

/* What holds before anything is parsed; defaults that depend on the model come from its recipe. o stays where it is from then on. */
void itr_train_options_init(itr_train_options *o);
/* Its groups, up to one without a table. */
itr_option_group *itr_train_options_groups(itr_train_options *o);
/* Once parsed: whose options count, the recipe of the model, what must hold between options. -1 with err: wrong use. */
ITR_MUST_USE int itr_train_options_use(itr_train_options *o, const itr_train_choice *c, itr_err *err);
/* No component is chosen: any option may be given. */
void itr_train_options_use_all(itr_train_options *o);

/* The loop's options with what those of the towers say about it. */
itr_train_opts itr_train_options_loop(const itr_train_options *o);
/* The network that they describe, but for the width of its inputs. */
itr_model_config itr_train_options_model(const itr_train_options *o);

#endif
