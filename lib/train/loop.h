/* loop.h - training a network on pairs, of stored vectors or of pictures and captions that its towers turn into vectors (source.h):
 * batches, steps, validation, early stopping, checkpoints, exact resumption.
 *
 * The same inputs, options and seed give the same weights, bit for bit, for any number of threads, and whether or not the run was
 * interrupted: the order of an epoch is default_rng([seed, epoch]).permutation, dropout is counter-based, and a checkpoint holds everything
 * else.
 *
 * Training that diverges (a loss, a weight or an embedding becomes NaN or infinite) is a failure: nothing is written from then on, and
 * model and checkpoint stay as they were before.
 */
#ifndef ITR_TRAIN_LOOP_H
#define ITR_TRAIN_LOOP_H

#include <signal.h>

#include "data/embeddings.h"
#include "io/provenance.h"
#include "loss/loss.h"
#include "model/model.h"
#include "optim/optim.h"
#include "train/source.h"

typedef struct itr_train_opts {
	int64_t epochs, batch_size, val_batch;  /* val_batch: contrastive losses depend on it; 512 as published */
	/* batches a step: the gradient is that of the mean over their pairs, negatives stay within a batch */
	int64_t accumulate;
	/* > 0: GradCache (Gao et al. 2021): the batch is embedded in chunks of this size, all of it negatives */
	int64_t cache_chunk;
	const char *optimizer, *loss, *monitor;
	int method;                     /* index into itr_methods */
	const void *loss_values, *optimizer_values, *schedule_values; /* of their own options; NULL: the descriptors' defaults. Borrowed */
	const void *const *objective_values;    /* the same of the objectives, in the order of itr_objectives; NULL: all defaults */
	double lr, weight_decay, clip, ema;
	bool decay_all;
	int schedule, sampler;          /* indices into itr_schedules, itr_samplers */
	bool by_epoch;
	int64_t warmup;                 /* steps */
	int64_t patience;               /* epochs without improvement; 0: never stop early */
	bool symmetric;
	double temperature;             /* of the network that is made: its (initial) value, and whether it is trained too */
	bool learn_temperature;
	int compute;                    /* ITR_COMPUTE_F32 or ITR_COMPUTE_BF16 */
	double recompute;               /* of towers: see itr_tape_opts; the same weights for any */
	uint64_t seed;
	int threads;
	const char *memory;             /* of stored vectors, as the user writes it: 300M; NULL: not said */
	size_t max_memory;              /* the same in bytes; 0: not said */
	double checkpoint_minutes;      /* between checkpoints inside an epoch; one is written at every epoch's end anyway */
	int64_t log_every;              /* steps between logged values of the per-step metrics */
	const itr_image_text_set *set;  /* pictures and captions for the model's towers; NULL: every vector is stored */
	itr_augment augment;            /* of training pictures */
	bool fresh_statistics;          /* the image tower begins without weights (itr_tape_opts) */
} itr_train_opts;

extern const itr_option itr_train_loop_options[];       /* over itr_train_opts */

/* What the loop tells and asks while it runs; any may be NULL. */
typedef struct itr_train_hooks {
	void *ctx;
	void (*metric)(void *ctx, const char *key, double value, int64_t step);
	void (*progress)(void *ctx, int64_t samples, double loss, double lr);
	const volatile sig_atomic_t *stop;      /* set: a checkpoint is written and the loop returns ITR_TRAIN_STOPPED */
	const char *model_path;         /* the best model so far, rewritten at each improvement */
	const char *checkpoint_path;
	const itr_json *extra;          /* goes into the model's config */
	const itr_json *resume_info;    /* goes into the checkpoint: the options, the run id */
	const char *provenance;
} itr_train_hooks;

typedef enum { ITR_TRAIN_FAILED = -1, ITR_TRAIN_DONE, ITR_TRAIN_EARLY, ITR_TRAIN_STOPPED } itr_train_end;

enum { ITR_TRAIN_EPOCHS = 1000000, ITR_TRAIN_MOST = 1000000000 };          /* at most: epochs; batch sizes and other counts */
enum { ITR_TRAIN_METRICS = 24 };
typedef struct itr_train_report {
	int64_t epochs, steps;
	bool diverged;                  /* why ITR_TRAIN_FAILED */
	int n_metrics;                  /* val_loss, val_cosine, ..., train_loss */
	char metric[ITR_TRAIN_METRICS][48];
	double value[ITR_TRAIN_METRICS];        /* after the last epoch; NaN: none */
	int64_t best_epoch;             /* 1-based; 0: none yet */
	double best_value;
	/* itr_clock_now when the first step began (0: there was none), and how long it took: it touches all memory for the first time */
	double first_step_at, first_step_seconds;
	double samples_per_second, gflops;      /* steady state, data loading included, validation and checkpoints apart */
	double wait_share;                      /* of that time: steps that waited for pictures to be loaded, captions to be tokenized */
	int64_t tape_bytes;
	/* [epochs][n_metrics]: every metric after every epoch, those before a resumption included; NaN where there is none.
	 * Freed by itr_train_report_free */
	double *history;
} itr_train_report;
void itr_train_report_free(itr_train_report *r);

/* Trains m in place; at the end m holds the last weights and model_path the best. `resume` (may be NULL) continues from that checkpoint
 * file. */
itr_train_end itr_train_network(itr_model *m, const itr_embeddings *d, const itr_train_opts *o, const itr_train_hooks *h,
                                const char *resume, itr_train_report *r, itr_err *err);

#endif
