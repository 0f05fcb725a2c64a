/* encoder.h - what turns a picture or a caption into vectors. An encoder is one file that exports one descriptor, and one line in
 * encoders.def; `extract-features --list`, its option checks and the registry test walk that table.
 *
 * Images go two steps, so that any number of threads keeps the cores busy whatever the encoder costs: `prepare` (resize, crop, normalise;
 * one picture, called from many threads) fills a fixed-size input, `encode_images` (a batch of inputs; may use all threads itself) makes
 * the vectors. Texts go in batches. Vectors carry the encoder's own scale; normalising is the caller's. Networks (model/tower.h) need no
 * file here: enc_tower.c turns every line of towers.def into an encoder.
 */
#ifndef ITR_ENCODE_ENCODER_H
#define ITR_ENCODE_ENCODER_H

#include "base/hash.h"
#include "data/modality.h"
#include "image/image.h"
#include "io/json.h"
#include "tensor/packed_weight.h"

typedef struct itr_encoder itr_encoder;

typedef struct itr_encoder_opts {
	const char *weights;             /* file or folder; NULL: none given */
	const char *pooling;             /* NULL: the encoder's own */
	const char *vocabulary;          /* text towers: vocab.txt, merges or tokenizer.json; NULL: the one beside the weights */
	/* text towers: put in front of every text, or the name of one that the weights list; NULL: the weights' default */
	const char *prompt, *prompt_name;
	const char *preset;              /* image towers: preprocessing by name; NULL: the one that the weights were published with */
	itr_compute compute;             /* of a tower's products */
	int threads;
} itr_encoder_opts;

typedef struct itr_encoder_desc {
	const char *name;                /* "classic" */
	const char *summary;             /* one line for --list */
	unsigned sides;                  /* ITR_HAS_TEXT, ITR_HAS_IMAGE, or both */
	bool needs_weights;
	const struct itr_tower_ops *tower;       /* a network's; NULL for the others */
	/* Loads the tower for `modality` and fills e (below). 0, or -1 with err. */
	int (*create)(itr_encoder *e, itr_modality modality, const itr_encoder_opts *o, itr_err *err);
	void (*destroy)(itr_encoder *e);
	/* One picture into input (e->input_bytes). Thread-safe. 0, or -1 with err (a picture that the encoder cannot take). */
	int (*prepare)(const itr_encoder *e, const itr_image *img, void *input, itr_err *err);
	/* n inputs, e->input_bytes apart -> pooled (n, dim) and, unless NULL, patches (n, grid*grid, patch_dim). */
	int (*encode_images)(const itr_encoder *e, const void *inputs, int64_t n, int threads, float *pooled, float *patches, itr_err *err);
	/* n UTF-8 texts -> pooled (n, dim) and, unless NULL, tokens (n, max_tokens, token_dim), rows past length[i] zero. A text without
	 * content gives a zero row. */
	int (*encode_texts)(const itr_encoder *e, const char *const *texts, int64_t n, int threads, float *pooled, float *tokens,
	                    int64_t max_tokens, int64_t *length, itr_err *err);
} itr_encoder_desc;

struct itr_encoder {
	const itr_encoder_desc *desc;
	itr_modality modality;
	int64_t dim;                     /* of pooled */
	int64_t grid, patch_dim;         /* patches: grid x grid of patch_dim; 0: the encoder has none */
	int64_t token_dim;               /* 0: none */
	size_t input_bytes;              /* of one prepared picture */
	/* --fast-decode: no side of a JPEG is decoded smaller than this (a preset's size); 0: prepare wants the full picture */
	int fast_side;
	char preprocess[512];            /* says what prepare does, stored with the vectors */
	char weights_sha256[ITR_SHA256_HEX];     /* "" without weights */
	int64_t batch;                   /* pictures that it likes to get at once; 0: any */
	const char *kernel;              /* of its products: "avx512-bf16"; NULL: none of that kind */
	void *state;
};

/* The table, in file order. */
int itr_encoder_count(void);
const itr_encoder_desc *itr_encoder_at(int i);
const char *itr_encoder_summary(const itr_encoder_desc *d);
itr_json *itr_encoder_list(void);        /* the table as a list of objects */

/* Finds `name` for `modality`, checks weights against it and creates it. NULL with err (an unknown name gets the nearest). */
itr_encoder *itr_encoder_new(const char *name, itr_modality modality, const itr_encoder_opts *o, itr_err *err);
void itr_encoder_free(itr_encoder *e);

#endif
