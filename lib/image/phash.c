#include "image/phash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

enum { CELLS = 9, BANDS = 8, FLAT = 3 };

itr_phash itr_image_phash(const itr_image *img, bool *flat)
{
	itr_image small;
	int grey[CELLS][CELLS], low = 255, high = 0;
	itr_phash h = { { 0, 0 } };
	itr_image_resize(&small, img, CELLS, CELLS, ITR_BOX);
	for (int y = 0; y < CELLS; y++)
		for (int x = 0; x < CELLS; x++) {
			const uint8_t *p = small.rgb + 3 * (y * CELLS + x);
			grey[y][x] = (299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000;
			low = ITR_MIN(low, grey[y][x]);
			high = ITR_MAX(high, grey[y][x]);
		}
	for (int y = 0; y < 8; y++)
		for (int x = 0; x < 8; x++) {
			h.bits[0] |= (uint64_t)(grey[y][x] < grey[y][x + 1]) << (8 * y + x);
			h.bits[1] |= (uint64_t)(grey[y][x] < grey[y + 1][x]) << (8 * y + x);
		}
	itr_image_free(&small);
	if (flat)
		*flat = high - low <= FLAT;
	return h;
}

/* Portable population count: the library is built for the baseline instruction set, where the builtin is a function call. */
static int count_bits(uint64_t x)
{
	x -= (x >> 1) & UINT64_C(0x5555555555555555);
	x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
	x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (int)((x * UINT64_C(0x0101010101010101)) >> 56);
}

int itr_phash_distance(itr_phash a, itr_phash b) { return count_bits(a.bits[0] ^ b.bits[0]) + count_bits(a.bits[1] ^ b.bits[1]); }

void itr_phash_print(itr_phash h, char hex[33])
{
	snprintf(hex, 33, "%016llx%016llx", (unsigned long long)h.bits[0], (unsigned long long)h.bits[1]);
}

bool itr_phash_parse(itr_phash *h, const char *hex)
{
	char word[17];
	if (strlen(hex) != 32 || strspn(hex, "0123456789abcdef") != 32)
		return false;
	memcpy(word, hex, 16);
	word[16] = 0;
	h->bits[0] = strtoull(word, NULL, 16);
	h->bits[1] = strtoull(hex + 16, NULL, 16);
	return true;
}

static uint32_t band(itr_phash h, int b) { return (uint32_t)(h.bits[b / 4] >> (16 * (b % 4))) & 0xffff; }

typedef struct pair { int64_t i, j; int distance; } pair;
typedef ITR_VEC(pair) pairs;

static int by_place(const void *a, const void *b)
{
	const pair *p = a, *q = b;
	if (p->i != q->i)
		return p->i < q->i ? -1 : 1;
	return p->j < q->j ? -1 : p->j > q->j;
}

/* All pairs among the rows with the same value of band b; a pair is reported in the first band that it has in common. `near_by` has space
 * for n hashes: some buckets are large (smooth images), and there sequential reading is much faster. */
static void compare_bucket(const itr_phash *h, const int *group, const int64_t *rows, int64_t n, int b, int max_distance,
                           itr_phash *near_by, pairs *out)
{
	for (int64_t x = 0; x < n; x++)
		near_by[x] = h[rows[x]];
	for (int64_t x = 0; x < n; x++)
		for (int64_t y = x + 1; y < n; y++) {
			int distance = count_bits(near_by[x].bits[0] ^ near_by[y].bits[0]);
			if (distance > max_distance)
				continue;
			distance += count_bits(near_by[x].bits[1] ^ near_by[y].bits[1]);
			bool earlier = distance > max_distance || group[rows[x]] == group[rows[y]];
			for (int k = 0; k < b && !earlier; k++)
				earlier = band(near_by[x], k) == band(near_by[y], k);
			if (!earlier)
				ITR_VEC_PUSH(out, ((pair){ rows[x], rows[y], distance }));
		}
}

void itr_phash_pairs(const itr_phash *h, const int *group, int64_t n, int max_distance,
                     void (*found)(void *ctx, int64_t i, int64_t j, int distance), void *ctx)
{
	enum { VALUES = 1 << 16 };
	if (max_distance > ITR_PHASH_MAX_DISTANCE)
		ITR_BUG("distance %d of perceptual hashes is beyond what the bands can find", max_distance);
	int64_t *start = itr_xmalloc((VALUES + 1) * sizeof *start), *rows = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *rows);
	itr_phash *near_by = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *near_by);
	pairs out = ITR_VEC_INIT;
	for (int b = 0; b < BANDS; b++) {
		memset(start, 0, (VALUES + 1) * sizeof *start);
		for (int64_t i = 0; i < n; i++)
			start[band(h[i], b) + 1]++;
		for (int v = 0; v < VALUES; v++)
			start[v + 1] += start[v];
		for (int64_t i = n;
		     i-- > 0;) /* fills each bucket from its end, so that its rows ascend; start[v+1] becomes its beginning */
			rows[--start[band(h[i], b) + 1]] = i;
		for (int v = 0; v < VALUES; v++) {
			int64_t first = start[v + 1], last = v + 2 <= VALUES ? start[v + 2] : n;
			compare_bucket(h, group, rows + first, last - first, b, max_distance, near_by, &out);
		}
	}
	free(start);
	free(rows);
	free(near_by);
	if (out.n)
		qsort(out.v, out.n, sizeof *out.v, by_place);
	for (size_t k = 0; k < out.n; k++)
		found(ctx, out.v[k].i, out.v[k].j, out.v[k].distance);
	ITR_VEC_FREE(&out);
}
