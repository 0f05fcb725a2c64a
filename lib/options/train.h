/* train.h - the options of `train`: the table, what it starts from, and what the table cannot say. */
#ifndef ITR_OPTIONS_TRAIN_H
#define ITR_OPTIONS_TRAIN_H

#include "cli/tool.h"
#include "train/finetune.h"
#include "train/trainer.h"

typedef struct itr_train_options {
	const char *model, *split_sizes, *split_by, *resume;
	itr_split_rule rule;            /* what split_by means */
	int precision, method;
	double checkpoint_minutes;
	bool check_grad, gradient_checkpointing;
	int finetune, augment, pooling;
	double crop_scale, jitter;
	itr_finetune_opts tune;
	itr_train_opts net;
	itr_model_config config;        /* `options` are those of the model's kind */
	void *model_options;            /* the same */
	const void *objective_values[ITR_TRAIN_OBJECTIVES];     /* of the method's, in the order of itr_objectives */
	itr_option_group *towers, *network;     /* of groups: which of the tables above count */
	itr_option_groups groups;       /* these, and of models, losses, optimisers, schedules and objectives */
} itr_train_options;

/* Values of finetune. */
enum { ITR_FINETUNE_NO, ITR_FINETUNE_IMAGE, ITR_FINETUNE_TEXT, ITR_FINETUNE_ALL };

extern const itr_option itr_train_option_table[], itr_train_tower_options[], itr_train_network_options[];
itr_option_group *itr_train_option_groups(void *opt);   /* itr_tool_desc.groups */

/* What holds before anything is parsed; defaults that depend on the model come from its recipe. */
void itr_train_options_init(itr_train_options *o);

/* itr_tool_desc.complete: takes up a checkpoint's options, refuses what does not go together, fills in the recipe. */
int itr_train_options_complete(itr_tool *t, void *opt);

/* The same in the library's own terms, once complete. */
itr_train_opts itr_train_options_loop(const itr_train_options *o, const itr_tool *t);
itr_finetune_opts itr_train_options_towers(const itr_train_options *o, const itr_tool *t);

#endif
