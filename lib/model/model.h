/* model.h - what puts texts and images into one space. One kind = one file + one line in models.def: a network, with one forward for
 * training and inference, or a closed form (model/closed.h), solved from moments.
 *
 * A model maps text vectors (B, text_dim), image vectors (B, image_dim), or both, to embeddings of one size. `mlp` and `residual-mlp`
 * translate texts into the image space (images pass through unchanged); `heads` projects both. What stands behind the vectors is stored
 * features, or a tower (model/tower.h) that belongs to the model: then the tower's arrays are among the model's, and one optimiser, one
 * checkpoint and one file serve all.
 */
#ifndef ITR_MODEL_MODEL_H
#define ITR_MODEL_MODEL_H

#include "base/option.h"
#include "io/json.h"
#include "model/closed.h"
#include "model/tower.h"

typedef struct itr_model_config {
	int64_t text_dim, image_dim;
	const void *options;            /* the kind's own struct, which its option rows write; copied; NULL: the descriptor's defaults */
	bool learn_scale;               /* a trainable log temperature */
	double temperature;             /* its (initial) value, 0.07 */
	int threads;                    /* that draw the initial weights; 0: one. Not part of what the model is, and not written */
	/* numbers that its file holds: sizes that need more are refused before there is memory for them; 0: there is no file. Not written
	 * either */
	int64_t stored;
} itr_model_config;

typedef struct itr_model itr_model;
typedef struct itr_model_context itr_model_context;

/* One side of an opened model. */
typedef struct itr_model_side {
	int64_t in, dim;                /* widths of the rows that it takes and gives; 0: published towers without this side */
	/* Where a tower stands in front, which takes pictures or captions; else 0 and NULL */
	bool raw, network;              /* network: with weights, and of the model's precision */
	size_t input_bytes;             /* of one prepared picture */
	int64_t batch;                  /* pictures that it likes to get at once; 0: any number */
	int64_t grid, state_dim;        /* patches grid x grid of state_dim, tokens of state_dim; 0: none */
	int fast_side;                  /* no side of a picture needs to be decoded larger than this; 0: the whole picture is wanted */
	/* what a store of its embeddings says of them; "" without weights */
	const char *encoder, *weights_sha256;
	char preprocess[512];
} itr_model_side;

typedef struct itr_model_info { itr_model_side side[2]; } itr_model_info;

/* How a network is trained unless told otherwise: what `train` takes for options that are not given. */
typedef struct itr_recipe {
	const char *loss, *optimizer, *schedule, *split_sizes;
	int64_t epochs, batch_size, patience;
	double lr, weight_decay;
	bool symmetric;
} itr_recipe;

typedef struct itr_model_ops {
	const char *name, *summary;
	/* Options of this kind alone: rows over a struct of options_size bytes, which begins as `defaults`. A network's rows are BOOL, INT,
	 * NUM or ENUM, since its file holds them; a closed form's struct begins with itr_closed_fit_opts. */
	size_t options_size;
	const void *defaults;
	const itr_option *options;
	/* --- a network: trained by steps --- */
	size_t size;                    /* bytes of its layers */
	/* Registers the layers; sizes that are 0 in `options` become the kind's own. Returns the width of the embeddings. */
	int64_t (*init)(void *layers, itr_params *p, int64_t text_dim, int64_t image_dim, void *options);
	itr_var *(*text)(itr_tape *t, const void *layers, const void *options, itr_var *x);
	itr_var *(*image)(itr_tape *t, const void *layers, const void *options, itr_var *x);     /* NULL: images pass through */
	const itr_recipe *recipe, *tower_recipe;        /* on stored vectors; with towers in front, NULL: takes none */
	/* --- or a closed form: solved. NULL: a network --- */
	const itr_closed_kind *closed;
} itr_model_ops;

/* Rows that several networks have, over their own structs. 0: the kind's own width. */
#define ITR_MODEL_HIDDEN(S)                                                                                                                \
	ITR_OPT_INT_IN("hidden", 0, S, hidden, "N", ITR_BETWEEN(0, 1048576), "width of the hidden layer; 0: as published")
#define ITR_MODEL_DROPOUT(S) ITR_OPT_NUM_IN("dropout", 0, S, dropout, "P", ITR_BELOW(0, 1), "probability of dropping a value in training")

extern const itr_model_ops *const itr_models[];         /* models.def, NULL-terminated */
extern const char *const itr_model_names[];             /* their names in the same order, NULL-terminated */
const itr_model_ops *itr_model_find(const char *name, itr_err *err);        /* NULL with err: unknown, the nearest is named */

struct itr_model {
	const itr_model_ops *ops;
	itr_closed *closed;             /* a closed form's maps; params, layers and towers are NULL then. Owned */
	itr_model_config config;        /* `options`: a copy, owned */
	int64_t dim;                    /* of a network's embeddings */
	itr_params *params;             /* sealed and initialised */
	itr_param *log_scale;           /* logit scale, log(1/temperature), or NULL when fixed */
	void *layers;                   /* the model's own struct */
	itr_tower *tower[2];            /* by itr_modality: networks whose arrays are among its own; NULL: none. Owned */
	/* what makes rows of captions and pictures: tower, or one that was opened beside it; NULL: this side takes rows alone. Owned */
	itr_tower *front[2];
	itr_compute compute;            /* of what is packed */
	bool trained[2];                /* else the tower is constant */
	/* What its file says beside the arrays; of models that were opened (itr_model_open). Owned */
	char *path;
	itr_json *saved;                /* the whole /config: training options, split, encoders */
	itr_split_record split;
	bool synthetic;                 /* trained on synthetic data */
	/* of kind, configuration, arrays and vocabularies, and of what made its rows: stores of its embeddings name it by that, those of
	 * earlier versions by the SHA-256 of its file. What a file says of the training does not count */
	char hash[ITR_SHA256_HEX];
	itr_model_info about;
};

/* What the "itr-model" file says of the options of a network's kind, into `options` (options_size bytes that hold the defaults); keys that
 * are absent change nothing. 0, or -1 with err: a value outside of its row's range. */
ITR_MUST_USE int itr_model_options_read(const itr_model_ops *ops, const itr_json *config, void *options, itr_err *err);
/* The way back: into a file's config. */
void itr_model_options_write(const itr_model *m, itr_json *config);

/* Builds and initialises. NULL with err for an unknown name or sizes below 1. */
itr_model *itr_model_new(const char *name, const itr_model_config *c, uint64_t seed, itr_err *err);
/* The same with towers in front (either may be NULL; both are taken over, also on failure): text_dim and image_dim become theirs, their
 * arrays are called "text_encoder.NAME" and "image_encoder.NAME". A tower that is not `trained` is constant: no gradient, no optimiser
 * state. */
itr_model *itr_model_new_towers(const char *name, const itr_model_config *c, itr_tower *const tower[2], const bool trained[2],
                                uint64_t seed, itr_err *err);
void itr_model_free(itr_model *m);

/* Embeddings on the tape: text (B, text_dim) -> (B, E); image (B, image_dim) -> (B, E). Not normalised. */
itr_var *itr_model_text(itr_tape *t, const itr_model *m, itr_var *x);
itr_var *itr_model_image(itr_tape *t, const itr_model *m, itr_var *x);
int64_t itr_model_embed_dim(const itr_model *m);
double itr_model_temperature(const itr_model *m);

/* Widths of the rows of a side that it takes, and of the space that both sides are mapped into. Any kind. */
int64_t itr_model_in(const itr_model *m, itr_modality side);

/* What made the rows that an opened model was fitted on. Borrowed from the model; NULL: unknown. */
typedef struct itr_model_source { const char *encoder, *weights_sha256, *preprocess; } itr_model_source;
itr_model_source itr_model_source_of(const itr_model *m, itr_modality side);
bool itr_model_has_towers(const itr_model *m);          /* takes pictures or captions, not rows alone */

/* The "itr-model" file: config as JSON, /net/model/param/NAME, all finite (nn/param.h). `extra` (borrowed, may be NULL) goes into the
 * config object: split, training options. */
ITR_MUST_USE int itr_model_write(const itr_model *m, itr_h5 *h, const itr_json *extra, itr_err *err);
ITR_MUST_USE int itr_model_save(const itr_model *m, const char *path, bool synthetic, const itr_json *extra, const char *provenance,
                                itr_err *err);
/* Does this file hold a closed form? false also where there is no such file. */
bool itr_model_is_closed(const char *path);

/* --- opened for inference: pictures, captions or rows to embeddings ---------------------------------------------------------------------
 *
 *	itr_model *m = itr_model_open("m.h5", &(itr_model_opts){ .raw = ITR_HAS_TEXT, .threads = 2 }, err);
 *	itr_model_context *c = itr_model_context_new(m, 2);                      // one for each thread that embeds
 *	itr_model_output y = { .pooled = rows, .unit = true };
 *	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .texts = captions }, n, &y);
 */

/* A tower in front of one side: a line of towers.def. NULL and 0: as the weights were published. */
typedef struct itr_tower_ref {
	const char *name;               /* NULL: the file's own, or what made the rows that the file was fitted on */
	const char *weights, *vocabulary, *preset, *prompt, *prompt_name;
	itr_pooling pooling;
} itr_tower_ref;

typedef struct itr_model_opts {
	/* Without a file: the towers. With one: `name` where the file does not say what made its rows, `weights` of the published network
	 * that did; both only of sides without a tower in the file. */
	itr_tower_ref tower[2];
	unsigned raw;                   /* ITR_HAS_*: sides that are to take pictures or captions, so that a tower must be found for them */
	itr_compute compute;            /* of products; closed forms are float32 always */
	int threads;
	/* Where the weights with this hash are (NULL: not known), a malloc'd path; NULL with err. NULL: only `weights` */
	char *(*find_weights)(const char *sha256, itr_err *err);
} itr_model_opts;

/* Opens a file of any kind or, path NULL, published towers alone (each side a space of its own), and packs its weights: it can be neither
 * trained nor saved. o NULL: rows in, one thread. NULL with err: unreadable, no tower for a side of `raw`, other weights than those that
 * made the rows, or weights that are used otherwise. */
itr_model *itr_model_open(const char *path, const itr_model_opts *o, itr_err *err);
/* Are rows whose store names this hash (weights_sha256) m's own? By m's hash, or by that of its file, which earlier versions stored. 1, 0;
 * -1 with err: the file cannot be read. */
int itr_model_made(const itr_model *m, const char *hash, itr_err *err);
const itr_model_info *itr_model_about(const itr_model *m);       /* of an opened model; borrowed */

/* What one thread of work needs beside the model, which it only reads: tape and scratch, kept from call to call. m must outlive it. */
itr_model_context *itr_model_context_new(const itr_model *m, int threads);
void itr_model_context_free(itr_model_context *c);

/* One of the three. */
typedef struct itr_model_input {
	const void *pictures;           /* prepared (itr_model_prepare), input_bytes apart */
	const char *const *texts;       /* UTF-8 */
	const float *rows;              /* (n, in) */
	bool stored;                    /* rows as a store holds them: scaled to unit length where the model was trained on such */
} itr_model_input;

typedef struct itr_model_output {
	float *pooled;                  /* (n, dim) */
	/* the tower's patches (n, grid^2, state_dim) or tokens (n, max_states, state_dim); NULL: not wanted */
	float *states;
	int64_t max_states, *length;    /* texts with states: rows past length[i] are zero */
	bool unit;                      /* rows of unit length; closed forms give no others */
	bool before_head;               /* the tower's own rows */
	int64_t zero_rows;              /* result: rows of zeros. Of rows in: where `unit` is asked for */
	int64_t bad_row;                /* result: the first that holds NaN or infinity, -1 none. The model's weights are too large then */
} itr_model_output;

/* Row i depends on input i alone. A text without known words gives a row of zeros, before and after a head. */
void itr_model_embed(itr_model_context *c, itr_modality side, const itr_model_input *x, int64_t n, itr_model_output *y);
/* One picture -> input (input_bytes). Any thread, no context. 0, or -1 with err: a picture that the tower cannot take. */
ITR_MUST_USE int itr_model_prepare(const itr_model *m, const itr_image *img, void *input, itr_err *err);

#endif
