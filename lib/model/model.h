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

#include "io/json.h"
#include "model/closed.h"
#include "model/tower.h"

typedef struct itr_model_config {
	int64_t text_dim, image_dim;
	int64_t hidden;                 /* 0: the model's own default */
	int64_t embed_dim;              /* heads: 0 = 256 */
	double dropout;
	bool relu;                      /* mlp: ReLU instead of GELU */
	bool output_activation;         /* residual-mlp: GELU at the end, as published */
	bool learn_scale;               /* a trainable log temperature */
	double temperature;             /* its (initial) value, 0.07 */
	int threads;                    /* that draw the initial weights; 0: one. Not part of what the model is, and not written */
	/* numbers that its file holds: sizes that need more are refused before there is memory for them; 0: there is no file. Not written
	 * either */
	int64_t stored;
} itr_model_config;

typedef struct itr_model itr_model;

typedef struct itr_model_ops {
	const char *name, *summary;
	size_t size;                    /* bytes of the model's own struct */
	void (*init)(void *m, itr_params *p, itr_model_config *c);          /* registers layers; fills defaults into c */
	itr_var *(*text)(itr_tape *t, const void *m, const itr_model_config *c, itr_var *x);
	itr_var *(*image)(itr_tape *t, const void *m, const itr_model_config *c, itr_var *x);    /* NULL: images pass through */
	const itr_closed_kind *closed;  /* a closed form: solved, has none of the four above. NULL: a network, trained by steps */
} itr_model_ops;

extern const itr_model_ops *const itr_models[];         /* models.def, NULL-terminated */
const itr_model_ops *itr_model_find(const char *name, itr_err *err);        /* NULL with err: unknown, the nearest is named */

struct itr_model {
	const itr_model_ops *ops;
	itr_closed *closed;             /* a closed form's maps; params, layers and towers are NULL then. Owned */
	itr_model_config config;
	itr_params *params;             /* sealed and initialised */
	itr_param *log_scale;           /* logit scale, log(1/temperature), or NULL when fixed */
	void *layers;                   /* the model's own struct */
	itr_tower *tower[2];            /* [0] text, [1] image; NULL: vectors come from outside. Owned */
	bool trained[2];                /* else the tower is constant */
	/* What its file says beside the arrays; of models that were opened (itr_model_open). Owned */
	char *path;
	itr_json *saved;                /* the whole /config: training options, split, encoders */
	itr_split_record split;
	bool synthetic;                 /* trained on synthetic data */
	char sha256[ITR_SHA256_HEX];    /* of the file; "" before itr_model_pack */
};

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

/* Inference over many rows of one side: x (n, in) -> y (n, E), L2-normalised when asked (a closed form's rows always are); y may not
 * overlap x. *zero (may be NULL) receives how many rows came out zero, where they are normalised. Networks: in batches of 512 on a tape of
 * its own. Returns -1, or the first row whose embedding is not finite although x is (the weights are too large for float32): what stands in
 * y is then of no use (itr_model_bad_row). */
ITR_MUST_USE int64_t itr_model_encode(const itr_model *m, itr_modality side, const float *x, int64_t n, float *y, bool normalize,
                                      int64_t *zero, int threads);

/* The same for rows as a store holds them: networks were trained on rows of unit length, closed forms see to that themselves. x is rescaled
 * in place where that is needed. */
ITR_MUST_USE int64_t itr_model_encode_stored(const itr_model *m, itr_modality side, float *x, int64_t n, float *y, bool normalize,
                                             int64_t *zero, int threads);

/* What made the rows that an opened model was fitted on. Borrowed from the model; NULL: unknown. */
typedef struct itr_model_source { const char *encoder, *weights_sha256, *preprocess; } itr_model_source;
itr_model_source itr_model_source_of(const itr_model *m, itr_modality side);
bool itr_model_has_towers(const itr_model *m);          /* takes pictures or captions, not rows alone */

/* The "itr-model" file: config as JSON, /param/NAME, all finite (nn/param.h). `extra` (borrowed, may be NULL) goes into the config object:
 * split, training options. */
ITR_MUST_USE int itr_model_write(const itr_model *m, itr_h5 *h, const itr_json *extra, itr_err *err);
ITR_MUST_USE int itr_model_save(const itr_model *m, const char *path, bool synthetic, const itr_json *extra, const char *provenance,
                                itr_err *err);
/* Opens a model file of any kind, with what it says beside the arrays. NULL with err. */
itr_model *itr_model_open(const char *path, itr_err *err);
/* Does this file hold a closed form? false also where there is no such file. */
bool itr_model_is_closed(const char *path);
/* The same where rows are to be mapped: a model with towers, which takes pictures and captions, is refused. */
itr_model *itr_model_open_for_rows(const char *path, itr_err *err);
/* For inference from here on: a network's weights are packed for c (nn/param.h), and the file is hashed, since stores of its vectors name
 * it by that. 0, or -1 with err. */
ITR_MUST_USE int itr_model_pack(itr_model *m, itr_compute c, int threads, itr_err *err);

#endif
