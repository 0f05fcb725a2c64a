/* internal.h - inside of train: one training run in flight. */
#ifndef ITR_TRAIN_INTERNAL_H
#define ITR_TRAIN_INTERNAL_H

#include "train/checkpoint.h"
#include "train/loop.h"
#include "train/source.h"
#include "train/trainer.h"
#include "train/validate.h"

typedef struct itr_running { const itr_objective *ops; void *self; } itr_running;

/* What is measured once an epoch, in the order of the history's columns: ITR_VAL_*, train_loss, then each objective's term. */
typedef struct itr_measure {
	char name[48];
	bool larger_is_better;
	double value;                   /* NaN: none */
} itr_measure;

/* Seconds and work of steady steps. */
typedef struct itr_timing {
	double first_step_at, first_step_seconds, busy, waited, flops, last_checkpoint;
	int64_t busy_samples, steps;
	size_t tape_bytes;              /* the most so far */
} itr_timing;

struct itr_trainer {
	itr_model *model;
	const itr_embeddings *data;
	const itr_train_opts *opts;
	const itr_train_hooks *hooks;
	itr_err *err;
	itr_train_net net[ITR_TRAIN_NETS];      /* [0] is "model" */
	int n_nets;
	unsigned own_nets;              /* bits of those with own steps */
	const itr_loss_ops *loss;
	void *loss_self;
	itr_running objective[ITR_TRAIN_OBJECTIVES + 1];        /* ends with ops NULL */
	int n_objectives;
	const itr_strategy *strategy;
	void *strategy_self;
	const itr_sampler *sampler;
	itr_tape *tape;
	itr_schedule schedule;
	itr_source *source[2];          /* text, image: what the model's sides are fed with */
	int64_t *train, n_train, *val, n_val, *order, *image_of, batches_per_epoch, steps_per_epoch;
	itr_train_state state;
	itr_measure measure[ITR_TRAIN_METRICS];
	int n_measures, monitor;
	double *history;                /* rows of n_measures, one a finished epoch */
	const char *best_in; /* the checkpoint that holds the best weights, where those in memory are not the best: the last that was
	                        written or resumed from */
	int64_t best_in_epoch;          /* where that checkpoint stands */
	bool diverged, warned_of_temperature;
	itr_timing time;
};

/* trainer.c: from model, data, opts, hooks and err, which are set and borrowed, everything else. -1 with r->err; itr_trainer_release either
 * way. */
ITR_MUST_USE int itr_trainer_init(itr_trainer *r);
void itr_trainer_release(itr_trainer *r);
int64_t itr_trainer_step_number(const itr_trainer *r);
void itr_trainer_tell(const itr_trainer *r, const char *key, double value, int64_t step);
/* The run's loss on any tape, the validation's too. `group`: [rows] equal for texts of one image. */
itr_var *itr_trainer_loss(const itr_trainer *r, itr_tape *t, itr_var *text, itr_var *image, const int64_t *group);

/* step.c: one optimiser step. -1 with err: the weights are as before. */
ITR_MUST_USE int itr_trainer_step(itr_trainer *r, itr_err *err);
void itr_trainer_begin_epoch(itr_trainer *r);

#endif
