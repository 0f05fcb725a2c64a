/* param.h - the trainable arrays of a model, by PyTorch's state_dict names, in one block of memory.
 *
 *	itr_params *p = itr_params_new();
 *	itr_linear_init(&m->fc1, p, "fc1", 1024, 2048, true); // layers add what they need (layers.h)
 *	itr_params_seal(p);                                  // one block for values, one for gradients
 *	itr_params_initialise(p, seed);                      // each by its own rule and its own stream, whatever the layers' order
 */
#ifndef ITR_NN_PARAM_H
#define ITR_NN_PARAM_H

#include "autograd/tape.h"
#include "io/h5.h"

typedef enum { ITR_INIT_ZERO, ITR_INIT_ONE, ITR_INIT_UNIFORM, ITR_INIT_NORMAL, ITR_INIT_CONSTANT } itr_init;

typedef struct itr_params itr_params;

itr_params *itr_params_new(void);
void itr_params_free(itr_params *p);
/* Registers `prefix.name` (prefix "" allowed): initialised by `init` with `spread` (half width of UNIFORM, standard deviation of NORMAL,
 * value of CONSTANT). no_decay: excluded from per-group weight decay. The returned pointer lives as long as p; its arrays exist after
 * itr_params_seal. A name twice aborts. */
itr_param *itr_params_add(itr_params *p, const char *prefix, const char *name, int rank, const int64_t *shape, itr_init init, double spread,
                          bool no_decay);
void itr_params_scope(itr_params *p, const char *prefix);         /* names from here on begin with "PREFIX."; NULL: no longer */
void itr_params_seal(itr_params *p);
void itr_params_initialise(itr_params *p, uint64_t seed);
/* the first n arrays alone: others get their values elsewhere; the same numbers for any threads */
void itr_params_initialise_first(itr_params *p, int64_t n, uint64_t seed, int threads);
/* Gives every parameter a double copy and double gradient, for reference tapes. */
void itr_params_enable_reference(itr_params *p);

/* For inference only from here on: every weight that products use (registered by the layers' init functions) is packed once for `c`, a
 * following normalisation folded into it, and its memory given back. Tables that are only gathered from stay as they are. Training, saving
 * and loading afterwards abort. */
void itr_params_pack(itr_params *p, itr_compute c, int threads);

/* How a layer takes part: its init function registers a packer, which packs the layer's weights (param->packed, param->folded_bias or
 * memory of the layer's own), sees to what a packed array still needs, and gives the originals back. Called once, in the order of
 * registration; `layer` must live as long as p. A packed form that is neither in packed nor in folded_bias is handed to itr_params_owns,
 * which frees it with p. */
typedef void itr_packer(itr_params *p, void *layer, itr_compute c, int threads);
void itr_params_add_packer(itr_params *p, itr_packer *fn, void *layer);
void itr_params_give_back(itr_params *p, itr_param *q);          /* q->data becomes NULL, its memory the system's */
void itr_params_owns(itr_params *p, void *memory);               /* of itr_aligned_alloc */
bool itr_params_packed(const itr_params *p);

int64_t itr_params_count(const itr_params *p);                   /* arrays */
int64_t itr_params_elements(const itr_params *p);
itr_param *itr_params_at(const itr_params *p, int64_t i);
itr_param *itr_params_find(const itr_params *p, const char *name);
int64_t itr_params_index(const itr_params *p, const itr_param *q);       /* of a parameter of p: itr_params_at(p, index) is q */
void itr_params_zero_grad(itr_params *p);                        /* marks; no memory is touched */
/* between steps: their memory is free for others until the next itr_params_zero_grad takes some again */
void itr_params_release_grads(itr_params *p);
/* the block: itr_params_elements floats (with padding zeros between arrays) */
float *itr_params_values(const itr_params *p);
int64_t itr_params_block(const itr_params *p);                   /* its length in floats, padding included */
/* the part of it, from its beginning, that training may change: all but the `constant` arrays */
int64_t itr_params_live(const itr_params *p);
/* Name of the first parameter (or gradient) that holds NaN or infinity, or NULL. */
const char *itr_params_first_bad(const itr_params *p, bool gradients);

/* One array of numbers that a model or its training consists of: weights, averages, moments. NaN and infinity are neither written nor read:
 * -1, and err names the array. Read are the first `rows` of the array, `count` numbers in all, into dst. */
ITR_MUST_USE int itr_params_write_array(itr_h5 *h, const char *path, int rank, const int64_t *shape, const float *x, itr_err *err);
ITR_MUST_USE int itr_params_read_array(const itr_h5 *h, const char *path, int64_t rows, int64_t count, float *dst, itr_err *err);
/* Every array under GROUP/name ("/param"), finite or refused as above. Loading is strict: missing, unexpected and misshapen names are all
 * listed in err. */
ITR_MUST_USE int itr_params_save(const itr_params *p, itr_h5 *h, const char *group, itr_err *err);
ITR_MUST_USE int itr_params_load(itr_params *p, const itr_h5 *h, const char *group, itr_err *err);

#endif
