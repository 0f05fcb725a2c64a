/* param.h - the parameters of a model with PyTorch's state_dict names, in one block of memory.
 *
 *	itr_params *p = itr_params_new();
 *	itr_linear_init(&m->fc1, p, "fc1", 1024, 2048, true); // layers register their parameters (layers.h)
 *	itr_params_seal(p);                                  // allocates one block for values and one for gradients
 *	itr_params_initialise(p, seed);                      // each array from its own random stream, for any order of layers
 */
#ifndef ITR_NN_PARAM_H
#define ITR_NN_PARAM_H

#include "autograd/tape.h"
#include "io/h5.h"

typedef enum { ITR_INIT_ZERO, ITR_INIT_ONE, ITR_INIT_UNIFORM, ITR_INIT_NORMAL, ITR_INIT_CONSTANT } itr_init;

typedef struct itr_params itr_params;

itr_params *itr_params_new(void);
void itr_params_free(itr_params *p);
/* Registers the parameter `prefix.name` (prefix may be ""), initialised by `init` with `spread` (half width of UNIFORM, standard deviation
 * of NORMAL, value of CONSTANT). no_decay: excluded from per-group weight decay. The result is owned by p; its arrays exist after
 * itr_params_seal. A duplicate name aborts. */
itr_param *itr_params_add(itr_params *p, const char *prefix, const char *name, int rank, const int64_t *shape, itr_init init, double spread,
                          bool no_decay);
void itr_params_scope(itr_params *p, const char *prefix);         /* later names get the prefix "PREFIX."; NULL: none */
void itr_params_seal(itr_params *p);                              /* allocates the blocks; no parameter can be added afterwards */
void itr_params_initialise(itr_params *p, uint64_t seed);         /* sets the initial values of all arrays */
/* only the first n arrays (the others are loaded); the same numbers for any number of threads */
void itr_params_initialise_first(itr_params *p, int64_t n, uint64_t seed, int threads);
/* Allocates a double copy and a double gradient for every parameter, for reference tapes. */
void itr_params_enable_reference(itr_params *p);

/* Converts the model to inference: every weight of a product (registered by the init function of its layer) is packed for precision `c`,
 * the normalisation that follows is folded into it, and the original is freed. Embedding tables stay unchanged. Training, saving or loading
 * afterwards aborts. */
void itr_params_pack(itr_params *p, itr_compute c, int threads);

/* The init function of a layer registers a packer, which packs the weights of the layer (into param->packed, param->folded_bias or other
 * memory) and frees the originals. itr_params_pack calls the packers in the order of registration; `layer` must live as long as p. Other
 * memory than packed and folded_bias is passed to itr_params_owns, so that it is freed with p. */
typedef void itr_packer(itr_params *p, void *layer, itr_compute c, int threads);
void itr_params_add_packer(itr_params *p, itr_packer *fn, void *layer);
void itr_params_release_data(itr_params *p, itr_param *q);       /* releases the memory of q's values; q->data becomes NULL */
void itr_params_owns(itr_params *p, void *memory);               /* p takes ownership of memory from itr_aligned_alloc */
bool itr_params_packed(const itr_params *p);

int64_t itr_params_count(const itr_params *p);                   /* number of arrays */
int64_t itr_params_elements(const itr_params *p);                /* number of elements in all arrays */
itr_param *itr_params_at(const itr_params *p, int64_t i);
itr_param *itr_params_find(const itr_params *p, const char *name);
int64_t itr_params_index(const itr_params *p, const itr_param *q);       /* the index of q: itr_params_at(p, index) == q */
void itr_params_zero_grad(itr_params *p);                        /* marks all gradients as zero; no memory is written */
/* frees the gradients between steps; the next backward pass uses memory of the tape (tape.h) */
void itr_params_release_grads(itr_params *p);
/* the block of all values: itr_params_block floats, zeros between the arrays */
float *itr_params_values(const itr_params *p);
int64_t itr_params_block(const itr_params *p);                   /* length of the block in floats, padding included */
/* length of its first part, which training may change: all arrays that are not `constant` */
int64_t itr_params_live(const itr_params *p);
/* Name of the first parameter (or gradient) with NaN or infinity, or NULL. */
const char *itr_params_first_bad(const itr_params *p, bool gradients);

/* Write and read one array of a model or checkpoint: weights, averages, moments. 0, or -1 with err, which names the array, also for NaN or
 * infinity. Reads the first `rows` rows, `count` numbers in total, into dst. */
ITR_MUST_USE int itr_params_write_array(itr_h5 *h, const char *path, int rank, const int64_t *shape, const float *x, itr_err *err);
ITR_MUST_USE int itr_params_read_array(const itr_h5 *h, const char *path, int64_t rows, int64_t count, float *dst, itr_err *err);
/* Write and read all arrays as GROUP/name (group "/param"), with the same errors. Loading is strict: err lists all names that are missing,
 * unexpected or of another shape. */
ITR_MUST_USE int itr_params_save(const itr_params *p, itr_h5 *h, const char *group, itr_err *err);
ITR_MUST_USE int itr_params_load(itr_params *p, const itr_h5 *h, const char *group, itr_err *err);

#endif
