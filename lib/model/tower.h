/* tower.h - what turns pictures or texts into vectors: networks (CLIP's towers, ViT, BERT, ResNet, MobileNet, EfficientNet-Lite, LSTM),
 * with one forward for training, fine-tuning and inference, and two that need no weights and have no gradient, classic and hash. One tower
 * = one file + one line in towers.def.
 *
 *	itr_tower *w = itr_tower_open("bert", ITR_TEXT, &(itr_tower_opts){ .weights = dir, .threads = 2 }, err);  // from files
 *	itr_tower_pack(w, ITR_COMPUTE_BF16, threads);                                                     // inference: packed once
 *	itr_tape_reset(t, step);
 *	itr_tower_out y = itr_tower_forward(t, w, &(itr_tower_in){ .n = 32, .ids = ids, .start = start }, false);  // y.pooled (32, dim)
 */
#ifndef ITR_MODEL_TOWER_H
#define ITR_MODEL_TOWER_H

#include "base/hash.h"
#include "data/modality.h"
#include "image/image.h"
#include "image/preset.h"
#include "io/json.h"
#include "model/pooling.h"
#include "model/stages.h"
#include "nn/layers.h"
#include "nn/load.h"
#include "text/tokenizer.h"

/* Sizes; what a tower does not have is 0. Filled by the tower's `configure` from config.json where the weights' folder has one, from the
 * tensors' shapes otherwise. */
typedef struct itr_tower_config {
	int64_t width, layers, heads, mlp;       /* transformers: hidden size, blocks, heads, hidden size of the MLP */
	int64_t image_size, patch;               /* pixels */
	int64_t vocab, positions, types;         /* rows of the tables */
	int64_t embed_dim;                       /* of the projection; 0: none */
	double eps;                              /* of the normalisations: never a default */
	itr_activation activation;
	itr_pooling pooling;
	/* text: first tokens of every text that take no part in the pooling: a prompt that is not to be included */
	int64_t skip;
	itr_stages stages;                       /* what follows the pooling */
	/* image: preprocessing that these weights were published with, where publishers differ; NULL: the tower's own */
	const char *preset;
	bool batch_statistics;                   /* --bn batch: BatchNorm by the batch instead of the running statistics */
} itr_tower_config;

typedef struct itr_tower_in {
	int64_t n;                               /* pictures or texts */
	const float *pixels;                     /* (n, image_size, image_size, 3), prepared by the tower's preset */
	const int32_t *ids;                      /* tokens of all texts end to end, special ones in */
	const int64_t *start;                    /* (n + 1) */
} itr_tower_in;

typedef struct itr_tower_out {
	itr_var *pooled;                         /* (n, dim) */
	/* patches (n grid^2, state_dim) or tokens (start[n], state_dim), end to end; NULL unless asked for */
	itr_var *states;
} itr_tower_out;

/* Many pictures or texts to vectors at once. */
typedef struct itr_tower_batch {
	int64_t n;
	const void *pictures;                    /* prepared by itr_tower_prepare, input_bytes apart; or */
	const char *const *texts;                /* UTF-8 */
	float *pooled;                           /* (n, dim); a text without content gets a row of zeros from a tower without weights */
	float *states;                           /* patches (n, grid^2, state_dim), tokens (n, max_states, state_dim); NULL: not wanted */
	int64_t max_states, *length;             /* texts with states: rows past length[i] are zero */
} itr_tower_batch;

typedef struct itr_tower itr_tower;

typedef struct itr_tower_ops {
	const char *name, *summary;              /* "clip-vit-b32" */
	itr_modality modality;
	/* A tower without weights and without gradient has these and nothing of what follows them; a network has none of these. open: sets
	 * dim, grid, state_dim, input_bytes, fast_side and tables; describe: what is done to a picture or text, stored with the vectors;
	 * prepare (one picture, thread-safe) and embed: see itr_tower_prepare, itr_tower_embed. close and prepare may be NULL. */
	void (*open)(itr_tower *w);
	void (*close)(itr_tower *w);
	void (*describe)(itr_buf *b);
	int (*prepare)(const itr_tower *w, const itr_image *img, void *input, itr_err *err);
	void (*embed)(const itr_tower *w, const itr_tower_batch *b, int threads);
	size_t size;                             /* bytes of the tower's own struct */
	const char *preset;                      /* image towers: preprocessing (image/preset.h) */
	const char *tokenizer;                   /* text towers: kind, "wordpiece", "clip-bpe" or "words" */
	/* text towers: the weights' own, where their folder does not say otherwise; DEFAULT means CLS */
	itr_pooling pooling;
	/* text towers: itr_pool over its tokens, any way; otherwise CLS and MEAN are the tower's own, or there is no choice */
	bool pools;
	bool stops_at_end;                       /* text towers: nothing behind the first end token matters */
	const itr_load_rule *rules;              /* published names -> ours, ending in an empty one */
	/* Sizes. w and config_json may be NULL (random weights, true size). 0, or -1 with err: wrong weights for this tower, said by name
	 * and shape. */
	int (*configure)(itr_tower_config *c, const itr_weights *w, const itr_json *config_json, itr_err *err);
	void (*init)(void *m, itr_params *p, const itr_tower_config *c);
	itr_tower_out (*forward)(itr_tape *t, const void *m, const itr_tower_config *c, const itr_tower_in *in, bool states);
	void (*sizes)(const itr_tower_config *c, int64_t *dim, int64_t *grid, int64_t *state_dim);
} itr_tower_ops;

extern const itr_tower_ops *const itr_towers[];         /* towers.def, NULL-terminated */
const itr_tower_ops *itr_tower_find(const char *name, itr_modality modality, itr_err *err);

typedef struct itr_tower_opts {
	const char *weights;                     /* file or folder; NULL: random, by seed */
	const char *vocabulary;                  /* text: vocab.txt, merges; NULL: looked for in the weights' folder */
	/* image: preprocessing by name; NULL: as the file beside the weights says, or the tower's */
	const char *preset;
	itr_pooling pooling;
	/* text: put in front of every text, or the name of one that the weights' folder lists; NULL: the folder's default */
	const char *prompt, *prompt_name;
	bool batch_statistics;                   /* BatchNorm by the batch while training, as config.batch_statistics */
	/* text, without weights: this one (taken over), whose size the table then has; NULL: from `vocabulary` */
	itr_tokenizer *tokenizer;
	int64_t max_tokens;                      /* text: cut to so many, if the tower takes more; 0: what the tower takes */
	uint64_t seed;
	int threads;
} itr_tower_opts;

struct itr_tower {
	const itr_tower_ops *ops;
	itr_tower_config config;
	itr_params *params;                      /* NULL: a tower without weights, which has none of the others but sizes */
	void *tables;                            /* its own, between open and close */
	bool joined;                             /* params are a model's, see itr_tower_join; */
	itr_params *own;                         /* the tower's own until itr_tower_fill */
	int64_t first_param, n_params;           /* where its arrays are in the model's */
	void *layers;
	int64_t dim, grid, state_dim;            /* of pooled; patches are grid x grid (0: none); of states (0: none) */
	size_t input_bytes;                      /* image towers: of one prepared picture */
	/* image towers: no side of a picture needs to be decoded larger than this; 0: the whole picture is wanted */
	int fast_side;
	const itr_preset *preset;                /* image towers; */
	itr_preset published;                    /* what it points at, where the file beside the weights asks for what no preset is */
	itr_tokenizer *tokenizer;                /* text towers; NULL with random weights and no vocabulary */
	int64_t max_tokens;                      /* text: positions */
	char *prompt;                            /* text: put in front of every text; NULL: none */
	itr_stage_layers stage[ITR_MAX_STAGES];  /* of config.stages */
	char weights_sha256[ITR_SHA256_HEX];     /* "" without */
	uint8_t *frozen;                         /* one an array: constant although the tower is trained (itr_towers_freeze); NULL: none */
};

/* NULL with err: unknown name (the nearest is named), no weights, missing or unexpected tensors (all listed), no vocabulary; options that a
 * tower without weights does not have. */
itr_tower *itr_tower_open(const char *name, itr_modality modality, const itr_tower_opts *o, itr_err *err);
void itr_tower_free(itr_tower *w);

/* Which parts of the trained towers ([0] text, [1] image; either may be NULL) stay as they are; to be called before they are joined.
 * `layers` is a list between commas: an array's name as in the state_dict, or the beginning of some up to a dot ("layer1",
 * "encoder.layer.0", "image_encoder.bn1"), with * ? [..] as in the shell; or a number N: everything up to the end of the tower's N-th
 * numbered block ("layer1.0", "features.3"). A BatchNorm of such a part stays on its running statistics. -1 with err: a name that no array
 * has (those there are get named), more blocks than there are, nothing left to train. */
ITR_MUST_USE int itr_towers_freeze(itr_tower *const tower[2], const bool trained[2], const char *layers, itr_err *err);

/* Makes a tower part of a model: its arrays are registered in p (not yet sealed) as SCOPE.name, with `trained` false as constants. After
 * itr_params_seal and itr_params_initialise, itr_tower_fill moves the values that the tower was opened with (a restored one has none) and
 * frees their old place. The model's params then outlive the tower. */
void itr_tower_join(itr_tower *w, itr_params *p, const char *scope, bool trained);
void itr_tower_fill(itr_tower *w);
/* What a model file keeps of a tower besides its arrays and its vocabulary's bytes (itr_tokenizer_source), and the way back: a tower
 * without arrays, to be joined. bytes: the vocabulary, n 0 for none. NULL with err: an unknown name, sizes that no such tower has. */
itr_json *itr_tower_json(const itr_tower *w);
itr_tower *itr_tower_restore(const itr_json *j, itr_modality modality, const void *vocabulary, size_t n, itr_err *err);
/* Sizes that come from a file: within bounds, none that must be there is 0, heads and patches come out even. 0, or -1 with err. */
ITR_MUST_USE int itr_tower_check_sizes(const itr_tower_ops *ops, const itr_tower_config *c, itr_err *err);

/* Registers the tower's arrays and those of the stages behind it in p; sets dim, grid and state_dim. For tower.c and tower_file.c. */
void itr_tower_init(itr_tower *w, itr_params *p);
void itr_tower_sizes(itr_tower *w);
/* One line about what is made of a text's tokens: "mean; dense 384->128 tanh; prompt 'query: '". */
void itr_tower_describe_text(const itr_tower *w, itr_buf *b);

/* Packs a network's weights for inference (nn/param.h); nothing happens to a tower without weights. */
void itr_tower_pack(itr_tower *w, itr_compute c, int threads);
itr_tower_out itr_tower_forward(itr_tape *t, const itr_tower *w, const itr_tower_in *in, bool states);
/* Texts -> ids end to end (free() both). Truncated to max_tokens as the reference does. */
void itr_tower_tokenize(const itr_tower *w, const char *const *texts, int64_t n, int threads, int32_t **ids, int64_t **start);

/* --- in bulk: any tower --------------------------------------------------------------------------------------------------------------- */

/* Pictures go two steps, so that any number of threads keeps the cores busy whatever the tower costs: one picture into input (input_bytes),
 * which any thread may do, then many inputs to vectors. 0, or -1 with err: a picture that the tower cannot take. */
ITR_MUST_USE int itr_tower_prepare(const itr_tower *w, const itr_image *img, void *input, itr_err *err);
/* With all threads of t, a tape in inference whose variables are lost. Row i depends on input i alone. Vectors carry the tower's own
 * scale. */
void itr_tower_embed(const itr_tower *w, itr_tape *t, const itr_tower_batch *b);
int64_t itr_tower_batch_size(const itr_tower *w);                /* pictures that it likes to get at once; 0: any number */
/* What is done to a picture or a text, and with which products: stored with the vectors. */
void itr_tower_describe(const itr_tower *w, itr_compute compute, itr_buf *b);

#endif
