#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng_ziggurat.h"

/* --- seeding: SeedSequence, which spreads entropy words over a pool of four (O'Neill, "Developing a seed_seq alternative") ------------ */

enum { POOL = 4 };

static uint32_t hashmix(uint32_t value, uint32_t *constant)
{
	value ^= *constant;
	*constant *= UINT32_C(0x931e8875);
	value *= *constant;
	return value ^ value >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y)
{
	uint32_t r = UINT32_C(0xca01f9dd) * x - UINT32_C(0x4973f715) * y;
	return r ^ r >> 16;
}

static void seed_pool(uint32_t pool[POOL], const uint32_t *entropy, int n)
{
	uint32_t constant = UINT32_C(0x43b0d7e5);
	for (int i = 0; i < POOL; i++)
		pool[i] = hashmix(i < n ? entropy[i] : 0, &constant);
	for (int s = 0; s < POOL; s++)
		for (int d = 0; d < POOL; d++)
			if (s != d)
				pool[d] = mix(pool[d], hashmix(pool[s], &constant));
	for (int s = POOL; s < n; s++)
		for (int d = 0; d < POOL; d++)
			pool[d] = mix(pool[d], hashmix(entropy[s], &constant));
}

static void seed_words(const uint32_t pool[POOL], uint64_t out[4])
{
	uint32_t constant = UINT32_C(0x8b51f9dd), w[8];
	for (int i = 0; i < 8; i++) {
		uint32_t v = pool[i % POOL] ^ constant;
		constant *= UINT32_C(0x58f38ded);
		v *= constant;
		w[i] = v ^ v >> 16;
	}
	for (int i = 0; i < 4; i++)
		out[i] = (uint64_t)w[2 * i + 1] << 32 | w[2 * i];
}

static void step(itr_rng *r)
{
	const unsigned __int128 multiplier = (unsigned __int128)UINT64_C(2549297995355413924) << 64 | UINT64_C(4865540595714422341);
	r->state = r->state * multiplier + r->inc;
}

void itr_rng_init(itr_rng *r, const uint64_t *words, int n)
{
	uint32_t *entropy = itr_xmalloc((size_t)ITR_MAX(2 * n, 1) * sizeof *entropy), pool[POOL];
	uint64_t w[4];
	int used = 0;
	for (int i = 0; i < n; i++) {
		entropy[used++] = (uint32_t)words[i];
		if (words[i] >> 32)
			entropy[used++] = (uint32_t)(words[i] >> 32);
	}
	seed_pool(pool, entropy, used);
	seed_words(pool, w);
	free(entropy);
	r->state = 0;
	r->inc = ((unsigned __int128)w[2] << 64 | w[3]) << 1 | 1;
	r->has_half = 0;
	r->half = 0;
	step(r);
	r->state += (unsigned __int128)w[0] << 64 | w[1];
	step(r);
}

void itr_rng_seed(itr_rng *r, uint64_t seed) { itr_rng_init(r, &seed, 1); }

/* --- raw words ------------------------------------------------------------------------------------------------------------------------ */

uint64_t itr_rng_u64(itr_rng *r)
{
	step(r);
	uint64_t x = (uint64_t)(r->state >> 64) ^ (uint64_t)r->state;
	unsigned turn = (unsigned)(r->state >> 122);
	return x >> turn | x << (-turn & 63);
}

uint32_t itr_rng_u32(itr_rng *r)
{
	if (r->has_half) {
		r->has_half = 0;
		return r->half;
	}
	uint64_t x = itr_rng_u64(r);
	r->has_half = 1;
	r->half = (uint32_t)(x >> 32);
	return (uint32_t)x;
}

double itr_rng_random(itr_rng *r) { return (double)(itr_rng_u64(r) >> 11) * (1.0 / 9007199254740992.0); }

/* --- bounded integers: Lemire's rejection, on half words where the range allows ------------------------------------------------------- */

/* 0 <= x <= max */
static uint64_t bounded(itr_rng *r, uint64_t max)
{
	if (max == 0)
		return 0;
	if (max == UINT32_MAX)
		return itr_rng_u32(r);
	if (max == UINT64_MAX)
		return itr_rng_u64(r);
	if (max < UINT32_MAX) {
		uint32_t n = (uint32_t)max + 1;
		uint64_t m = (uint64_t)itr_rng_u32(r) * n;
		if ((uint32_t)m < n) {
			uint32_t threshold = (UINT32_MAX - (uint32_t)max) % n;
			while ((uint32_t)m < threshold)
				m = (uint64_t)itr_rng_u32(r) * n;
		}
		return m >> 32;
	}
	uint64_t n = max + 1;
	unsigned __int128 m = (unsigned __int128)itr_rng_u64(r) * n;
	if ((uint64_t)m < n) {
		uint64_t threshold = (UINT64_MAX - max) % n;
		while ((uint64_t)m < threshold)
			m = (unsigned __int128)itr_rng_u64(r) * n;
	}
	return (uint64_t)(m >> 64);
}

int64_t itr_rng_integers(itr_rng *r, int64_t low, int64_t high)
{
	if (low >= high)
		ITR_BUG("itr_rng_integers: low %lld >= high %lld", (long long)low, (long long)high);
	return (int64_t)((uint64_t)low + bounded(r, (uint64_t)high - 1 - (uint64_t)low));
}

/* --- normals: ziggurat ---------------------------------------------------------------------------------------------------------------- */

static double normal_tail(itr_rng *r, bool negative)
{
	for (;;) {
		double x = -ITR_ZIGGURAT_INV_R * log1p(-itr_rng_random(r));
		double y = -log1p(-itr_rng_random(r));
		if (y + y > x * x)
			return negative ? -(ITR_ZIGGURAT_R + x) : ITR_ZIGGURAT_R + x;
	}
}

double itr_rng_normal(itr_rng *r)
{
	for (;;) {
		uint64_t bits = itr_rng_u64(r);
		int layer = (int)(bits & 0xff);
		uint64_t magnitude = bits >> 9 & UINT64_C(0x000fffffffffffff);
		double x = (double)magnitude * itr_ziggurat_wi[layer];
		if (bits >> 8 & 1)
			x = -x;
		if (magnitude < itr_ziggurat_ki[layer])
			return x;                               /* 99.3 % of the draws */
		if (layer == 0)
			return normal_tail(r, magnitude >> 8 & 1);
		double f = itr_ziggurat_fi[layer];
		if ((itr_ziggurat_fi[layer - 1] - f) * itr_rng_random(r) + f < exp(-0.5 * x * x))
			return x;
	}
}

void itr_rng_normals(itr_rng *r, int64_t n, double *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = itr_rng_normal(r);
}

/* --- orders and samples --------------------------------------------------------------------------------------------------------------- */

/* 0 <= x <= max by rejection with the smallest mask of ones: used by shuffle and permutation, not by integers and choice. */
static uint64_t masked(itr_rng *r, uint64_t max)
{
	uint64_t mask = max, v;
	for (int s = 1; s < 64; s *= 2)
		mask |= mask >> s;
	do
		v = (max <= UINT32_MAX ? itr_rng_u32(r) : itr_rng_u64(r)) & mask;
	while (v > max);
	return v;
}

static void swap(int64_t *x, int64_t i, int64_t j)
{
	int64_t t = x[j];
	x[j] = x[i];
	x[i] = t;
}

/* Fisher-Yates from the end down to `first`, as choice does it. */
static void shuffle_tail(itr_rng *r, int64_t n, int64_t first, int64_t *x)
{
	for (int64_t i = n - 1; i >= first; i--)
		swap(x, i, (int64_t)bounded(r, (uint64_t)i));
}

void itr_rng_shuffle(itr_rng *r, int64_t n, int64_t *x)
{
	for (int64_t i = n - 1; i >= 1; i--)
		swap(x, i, (int64_t)masked(r, (uint64_t)i));
}

void itr_rng_permutation(itr_rng *r, int64_t n, int64_t *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = i;
	itr_rng_shuffle(r, n, out);
}

/* Floyd: draw from 0..j for j = n-k .. n-1; what was drawn before is replaced by j. The set is a hash table with open addressing; its size
 * is a power of two. */
static void choose_floyd(itr_rng *r, int64_t n, int64_t k, int64_t *out)
{
	uint64_t mask = (uint64_t)(1.2 * (double)k);
	for (int s = 1; s < 64; s *= 2)
		mask |= mask >> s;
	int64_t *set = itr_xmalloc((size_t)(mask + 1) * sizeof *set);
	memset(set, 0xff, (size_t)(mask + 1) * sizeof *set);       /* -1: empty */
	for (int64_t j = n - k; j < n; j++) {
		int64_t v = (int64_t)bounded(r, (uint64_t)j);
		uint64_t at = (uint64_t)v & mask;
		while (set[at] != -1 && set[at] != v)
			at = (at + 1) & mask;
		if (set[at] == v) {
			v = j;
			at = (uint64_t)j & mask;
			while (set[at] != -1)
				at = (at + 1) & mask;
		}
		set[at] = v;
		out[j - n + k] = v;
	}
	free(set);
	shuffle_tail(r, k, 1, out);
}

void itr_rng_choice(itr_rng *r, int64_t n, int64_t k, int64_t *out)
{
	if (k < 0 || k > n)
		ITR_BUG("itr_rng_choice: %lld of %lld", (long long)k, (long long)n);
	if (n <= 10000 || k <= n / 50) {                            /* the condition by which NumPy chooses between its two methods */
		choose_floyd(r, n, k, out);
		return;
	}
	int64_t *all = itr_xmalloc((size_t)n * sizeof *all);
	for (int64_t i = 0; i < n; i++)
		all[i] = i;
	shuffle_tail(r, n, ITR_MAX(n - k, (int64_t)1), all);
	memcpy(out, all + (n - k), (size_t)k * sizeof *out);
	free(all);
}

/* --- the same in bulk: the generator in registers, no calls between the draws --------------------------------------------------------- */

/* bounded() for 0 < max < 2^32 - 1; r is a local copy, so that the compiler keeps it in registers. */
static inline uint32_t bounded_half(itr_rng *r, uint32_t max)
{
	uint32_t n = max + 1, half;
	uint64_t m;
	for (;;) {
		if (r->has_half) {
			half = r->half;
		} else {
			uint64_t x = itr_rng_u64(r);
			half = (uint32_t)x;
			r->half = (uint32_t)(x >> 32);
		}
		r->has_half ^= 1;
		m = (uint64_t)half * n;
		if ((uint32_t)m >= n || (uint32_t)m >= (UINT32_MAX - max) % n)
			return (uint32_t)(m >> 32);
	}
}

void itr_rng_indices(itr_rng *r, int64_t high, int64_t n, int32_t *out)
{
	itr_rng local = *r;
	if (high <= 0 || high > INT32_MAX)
		ITR_BUG("itr_rng_indices: %lld", (long long)high);
	for (int64_t i = 0; i < n; i++)
		out[i] = high == 1 ? 0 : (int32_t)bounded_half(&local, (uint32_t)high - 1);
	*r = local;
}

void itr_rng_choice_bits(itr_rng *r, int64_t n, int64_t k, uint64_t *bits)
{
	itr_rng local = *r;
	memset(bits, 0, (size_t)((n + 63) / 64) * sizeof *bits);
	if (k < 0 || k > n)
		ITR_BUG("itr_rng_choice_bits: %lld of %lld", (long long)k, (long long)n);
	if ((n > 10000 && k > n / 50) || n > INT32_MAX) {           /* the tail shuffle needs its permutation anyway */
		int64_t *out = itr_xmalloc((size_t)(k + 1) * sizeof *out);
		itr_rng_choice(r, n, k, out);
		for (int64_t i = 0; i < k; i++)
			bits[out[i] / 64] |= UINT64_C(1) << out[i] % 64;
		free(out);
		return;
	}
	for (int64_t j = n - k; j < n; j++) {
		uint64_t v = j ? bounded_half(&local, (uint32_t)j) : 0;
		/* drawn before: j instead; without a branch, which would be mispredicted too often */
		v ^= (v ^ (uint64_t)j) & -(bits[v / 64] >> v % 64 & 1);
		bits[v / 64] |= UINT64_C(1) << v % 64;
	}
	for (int64_t i = k - 1; i >= 1; i--)                        /* the draws of the final shuffle only advance the generator */
		bounded_half(&local, (uint32_t)i);
	*r = local;
}
