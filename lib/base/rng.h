/* rng.h - NumPy's random generator: default_rng(seed) = PCG64 (XSL-RR 128/64) seeded by SeedSequence.
 *
 * The only source of random numbers in the project, so that every random decision can be reproduced with NumPy >= 1.17. The results of
 * integers, random, standard_normal, permutation, shuffle and choice equal numpy.random.Generator's bit for bit (golden-tested;
 * NumPy's version is recorded in tests/golden). Sources: O'Neill, "PCG" (HMC-CS-2014-0905); NumPy's _generator.pyx and distributions.c
 * for the order of draws (Lemire rejection on 32-bit half words in integers and choice, masked rejection in shuffle and
 * permutation, ziggurat normals, Floyd's set method and tail shuffle in choice).
 */
#ifndef ITR_BASE_RNG_H
#define ITR_BASE_RNG_H

#include "base/compat.h"

typedef struct itr_rng {
	unsigned __int128 state, inc;
	int has_half;           /* `half` holds an unused 32-bit half of the last word, as in NumPy's next_uint32 */
	uint32_t half;
} itr_rng;

/* default_rng(words[0..n-1]); one word = default_rng(seed). Words are taken as Python integers: each 64-bit value becomes one 32-bit
 * entropy word when it fits and two when it does not, as SeedSequence does. */
void itr_rng_init(itr_rng *r, const uint64_t *words, int n);
void itr_rng_seed(itr_rng *r, uint64_t seed);

uint64_t itr_rng_u64(itr_rng *r);
uint32_t itr_rng_u32(itr_rng *r);
double itr_rng_random(itr_rng *r);                                   /* random(): [0, 1), 53 bits */
double itr_rng_normal(itr_rng *r);                                   /* standard_normal() */
void itr_rng_normals(itr_rng *r, int64_t n, double *out);            /* standard_normal(n) */
int64_t itr_rng_integers(itr_rng *r, int64_t low, int64_t high);     /* integers(low, high): low <= x < high */
void itr_rng_permutation(itr_rng *r, int64_t n, int64_t *out);       /* permutation(n) */
void itr_rng_shuffle(itr_rng *r, int64_t n, int64_t *x);             /* shuffle(x), in place, int64 array */
void itr_rng_choice(itr_rng *r, int64_t n, int64_t k, int64_t *out); /* choice(n, k, replace=False), k <= n */

/* Faster forms of the same draws (several times as fast). The state of the generator afterwards is the same as after the NumPy call.
 * choice(n, k, replace=False) as a set: bit i of the (n + 63) / 64 words is set when i was drawn; the order is lost. */
void itr_rng_choice_bits(itr_rng *r, int64_t n, int64_t k, uint64_t *bits);
/* n draws of integers(0, high), 0 < high < 2^31. */
void itr_rng_indices(itr_rng *r, int64_t high, int64_t n, int32_t *out);

#endif
