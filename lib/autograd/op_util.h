/* op_util.h - internal: helpers for the kernels of ops. */
#ifndef ITR_AUTOGRAD_OP_UTIL_H
#define ITR_AUTOGRAD_OP_UTIL_H

#include "autograd/op.h"

enum { ITR_CHUNK = 1 << 14 };           /* elements in a piece of work; constant, so that results do not depend on threads */

/* Calls fn(n, begin, end) for pieces of `chunk` elements of [0, count), in parallel. */
void itr_node_chunks(itr_node *n, int64_t count, int64_t chunk, void (*fn)(itr_node *n, int64_t begin, int64_t end));
/* Number of rows in a piece of about ITR_CHUNK elements. */
int64_t itr_chunk_rows(int64_t columns);

static inline const float *itr_in(const itr_node *n, int k) { return n->in[k]->data; }
static inline float *itr_out(const itr_node *n) { return n->out->data; }
static inline const float *itr_dout(const itr_node *n) { return n->out->grad; }
static inline float *itr_din(const itr_node *n, int k) { return n->in[k] && n->in[k]->needs_grad ? n->in[k]->grad : NULL; }
static inline const double *itr_in64(const itr_node *n, int k) { return n->in[k]->data; }
static inline double *itr_out64(const itr_node *n) { return n->out->data; }
static inline const double *itr_dout64(const itr_node *n) { return n->out->grad; }
static inline double *itr_din64(const itr_node *n, int k) { return n->in[k] && n->in[k]->needs_grad ? n->in[k]->grad : NULL; }

/* For reference kernels: the gradient of input k, set to zero before its first contribution, so that `+=` is always correct. NULL when it
 * needs no gradient. */
double *itr_ref_grad(itr_node *n, int k);
/* The same for float kernels. */
float *itr_zeroed_grad(itr_node *n, int k);
/* For reference kernels whose gradient of input k is a difference of larger numbers: reports the sum of the absolute terms of one element.
 * The largest is stored (itr_var.terms); it bounds the rounding error of a float kernel (gradcheck.h). A term that is itself a difference
 * counts with both parts. */
static inline void itr_ref_terms(itr_node *n, int k, double sum) { n->in[k]->terms = sum > n->in[k]->terms ? sum : n->in[k]->terms; }
/* d = beta * d + v for beta 0 or 1; with 0 the old value of d is not read. */
static inline void itr_accumulate(float *d, float beta, float v) { *d = beta != 0.0f ? *d + v : v; }

itr_var *itr_apply1(itr_tape *t, const itr_op *op, itr_var *a, const itr_attr *attr);
itr_var *itr_apply2(itr_tape *t, const itr_op *op, itr_var *a, itr_var *b, const itr_attr *attr);

#endif
