/* trainer.h - what a step of training is made of: nets, a batch, what the towers made of it, objectives.
 *
 * A batch goes embed -> the term of each objective, in the method's order -> walk back; the step (step.c) shows it in one screen.
 * Nobody but the step and its strategy resets or walks step->tape. What is random hangs on (seed, epoch, batch): never on threads,
 * chunks, resumption, or which other objectives run.
 */
#ifndef ITR_TRAIN_TRAINER_H
#define ITR_TRAIN_TRAINER_H

#include "base/option.h"
#include "data/embeddings.h"
#include "loss/loss.h"
#include "optim/optim.h"

typedef struct itr_trainer itr_trainer;
struct itr_train_opts;

/* --- nets: "model" (towers, heads, logit scale) and what a loss or an objective adds. Each has an optimiser of its own and a place
 * /net/NAME in checkpoints; "model" alone has an average and a model file.
 * ---------------------------------------------------------------------------- */
/* By the model's step: with the gradient of the sum of all terms, clipped by one norm. By an own step: with a loss of its own, once a
 * batch, on a tape of its own (itr_own_begin); on the model's tape such a net is a constant. */
typedef enum { ITR_BY_MODEL_STEP, ITR_BY_OWN_STEP } itr_trained;
typedef struct itr_train_net {
	const char *name;
	itr_params *params;             /* sealed */
	bool owned;                     /* the trainer frees params */
	itr_trained trained;
	double lr;                      /* of own steps */
	unsigned bit;                   /* of own steps: in itr_param.net of its arrays */
	itr_tape *tape;                 /* of own steps; else NULL */
	itr_optim *optim;
	itr_ema *ema;                   /* NULL: none */
} itr_train_net;
enum { ITR_TRAIN_NETS = 8 };

/* For an objective's build: p (taken over) becomes the net NAME; sealed here, and initialised from the run's seed and both names, so that
 * equal array names in two nets do not begin equal. lr: of own steps, which keep it; else ignored. Two nets of one name abort. Valid as
 * long as the trainer. */
itr_train_net *itr_trainer_add_net(itr_trainer *r, const char *name, itr_params *p, itr_trained trained, double lr);

/* --- a batch. Lives until the next one; arrays are the trainer's ---------------------------------------------------------------------- */
typedef struct itr_batch {
	int64_t epoch, index, n;        /* index: of the epoch; n rows */
	const int64_t *text, *image;    /* [n] rows of the data: each text with its own image */
} itr_batch;

/* --- a step: what objectives see ------------------------------------------------------------------------------------------------------ */
typedef struct itr_step {
	itr_trainer *trainer;
	itr_batch batch;
	uint64_t number;                /* of the batch since the training began: dropout's */
	itr_tape *tape;
	double own_loss;                /* of the own step that ended last */
	itr_var *pooled[2]; /* text, image: (n, E), not normalised. On the tape (whole), or leaves over the strategy's buffers (chunks) */
} itr_step;

/* The run's loss (--loss with its options and parameters) for rows i <-> i of a pair of matrices, on s->tape. One element. */
itr_var *itr_step_loss(itr_step *s, itr_var *text, itr_var *image);
/* Scaled cosines of rows: (n, E), (m, E) -> (n, m), on s->tape. */
itr_var *itr_step_scores(itr_step *s, itr_var *a, itr_var *b);

/* An own step: the net's tape, reset, on which it alone is trained; what lies on s->tape comes there by itr_constant_of. End: walk back,
 * clip, update; the loss is measured as train_own_loss_OBJECTIVE. -1 with err: not finite. Aborts if s->tape has read the net already: its
 * old weights would be walked back through. */
itr_tape *itr_own_begin(itr_step *s, itr_train_net *net);
ITR_MUST_USE int itr_own_end(itr_step *s, itr_train_net *net, itr_var *loss, itr_err *err);

/* What objectives may ask the trainer. */
int64_t itr_trainer_embed_dim(const itr_trainer *r);
const itr_embeddings *itr_trainer_data(const itr_trainer *r);
const struct itr_train_opts *itr_trainer_opts(const itr_trainer *r);
/* Rows of the train part, ascending. */
const int64_t *itr_trainer_rows(const itr_trainer *r, int64_t *n);

/* --- objectives: one file + one line in objectives.def -------------------------------------------------------------------------------- */
typedef struct itr_objective {
	const char *name, *summary;
	size_t size;                    /* self: begins as a copy of `defaults`; `options` write into it. 0: neither */
	const void *defaults;
	const itr_option *options;
	const char *(*input)(const void *self); /* a file that it reads, for provenance and resumption; NULL: none */
	int (*build)(void *self, itr_trainer *r, itr_err *err);         /* its nets, its files; checks its options. NULL: nothing to do */
	int (*own_step)(void *self, itr_step *s, itr_err *err); /* before its term: one own step of its net. NULL: none */
	itr_var *(*term)(void *self, itr_step *s); /* its part of the loss, one element, weighted; NULL: none for this batch */
	void (*release)(void *self);                                    /* of what build made, also after a failed one; NULL: nothing */
} itr_objective;
extern const itr_objective *const itr_objectives[];     /* objectives.def, NULL-terminated */
enum { ITR_TRAIN_OBJECTIVES = 8 };

/* A method is a list of objectives: one line in methods.def. */
typedef struct itr_method { const char *name, *summary, *objectives; } itr_method;      /* objectives: names, a space between them */
extern const itr_method itr_methods[];                  /* ends with an empty name; the first is the default */
extern const char *const itr_method_names[];            /* the same names, NULL-terminated */
const itr_method *itr_method_find(const char *name, itr_err *err);       /* unknown: the nearest is named */
/* Does the method use this objective? */
bool itr_method_uses(const itr_method *m, const char *objective);

/* --- how a batch becomes embeddings: whole.c or chunks.c --------------------------------------------------------------------------- */
typedef struct itr_strategy {
	const char *name, *summary;
	size_t size;                    /* self: begins as zeros */
	bool many_walks;                /* several walks back a step: gradients need memory of their own */
	void (*open)(void *self, itr_trainer *r);                       /* NULL: nothing to do */
	void (*embed)(void *self, itr_step *s);                         /* resets the tape; fills s->tape and s->pooled */
	void (*back)(void *self, itr_step *s);                          /* after s->tape was walked back from the loss */
	void (*close)(void *self);
} itr_strategy;
extern const itr_strategy itr_strategy_whole, itr_strategy_chunks;

/* --- the order of an epoch: one file + one line in samplers.def ----------------------------------------------------------------------- */
typedef struct itr_sampler {
	const char *name, *summary;
	void (*order)(const itr_trainer *r, int64_t epoch, int64_t *rows,
	              int64_t n); /* permutes rows, which come ascending. A function of (seed, epoch) */
} itr_sampler;
extern const itr_sampler *const itr_samplers[];         /* samplers.def, NULL-terminated; the first is the default */
extern const char *const itr_sampler_names[];           /* their names in the same order, NULL-terminated */
extern const itr_sampler itr_sampler_uniform;

#endif
