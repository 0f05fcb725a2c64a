#include "image/classic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	SIDE = ITR_CLASSIC_SIDE, GRID = ITR_CLASSIC_GRID, DIM = ITR_CLASSIC_DIM,
	BASE = 4, CELLS = SIDE / BASE,          /* statistics are gathered in 56 x 56 base cells of 4 x 4 pixels */
	SUB = 14,                               /* sub-cells along a window's side */
	COLOURS = 16, HUES = 12, ANGLES = 9, HALF = 2 * ANGLES,
	CELL_DIM = COLOURS + 3 + 3 + ANGLES + 1, WINDOW_DIM = DIM - GRID * GRID * CELL_DIM,
	QUIET = 12,                             /* gradients below this are noise of the sensor and of JPEG */
	GX = 512, GY = 256,                     /* orientation table: gx in -255..255 as gx + 256, gy in 0..255 */
};

struct itr_classic {
	uint8_t colour[1 << 15][COLOURS];       /* membership of a 5-bit RGB in each colour; sums to 255 */
	uint8_t angle[GY][GX];                  /* half-bin 0..17 of ten degrees */
};

typedef struct cell {                           /* sums over pixels */
	uint32_t colour[COLOURS];
	uint32_t half[HALF];                    /* gradient magnitude by orientation */
	uint32_t sum[3], square[3];             /* R, G, B */
	uint32_t pixels;
} cell;

/* gradient magnitude by orientation and colour of the pixel; holds four rows of the picture */
typedef uint32_t joint[HALF][COLOURS];
typedef uint64_t joint_sum[HALF][COLOURS];

/* --- tables ------------------------------------------------------------------------------------------------------------------------- */

/* Soft assignment of a colour: saturated colours to twelve hues (linear between neighbours), the others to black, two greys and white. */
static void colour_membership(int r, int g, int b, uint8_t out[COLOURS])
{
	int max = ITR_MAX(r, ITR_MAX(g, b)), min = ITR_MIN(r, ITR_MIN(g, b)), chroma = max - min;
	/* colourful: chroma against brightness, from 0 at 12 % to full at 40 %; dark pixels count as black rather than as a colour */
	int relative = max ? 255 * chroma / max : 0, full = (relative - 30) * 255 / 72;
	int bright = (max - 24) * 255 / 40, colourful = ITR_MIN(ITR_MAX(full, 0), 255);
	colourful = colourful * ITR_MIN(ITR_MAX(bright, 0), 255) / 255;
	memset(out, 0, COLOURS);
	if (chroma > 0) {
		int sector = max == r ? 256 * (g - b) / chroma : max == g ? 512 + 256 * (b - r) / chroma : 1024 + 256 * (r - g) / chroma;
		int hue = (sector + 1536) % 1536, at = hue / 128, part = hue % 128;      /* 1536 = the circle; a hue bin is 128 wide */
		out[(at + 1) % HUES] = (uint8_t)(colourful * part / 128);
		out[at] = (uint8_t)(colourful - out[(at + 1) % HUES]);
	}
	int grey = 255 - colourful, light = (r * 77 + g * 150 + b * 29) >> 8;
	int at = light * 3 / 256, part = light * 3 - at * 256;                           /* between greys at, at + 1 of 0..3 */
	out[HUES + at + 1] = (uint8_t)(grey * part / 256);
	out[HUES + at] = (uint8_t)(grey - out[HUES + at + 1]);
}

/* Half-bin of a gradient direction in the upper half plane: half-bin h is 10 h +- 5 degrees, so that horizontal and vertical edges are in
 * the middle of a bin and noise does not move them to another. It is the number of directions 5, 15 ... 175 degrees that are below the
 * gradient's. Cosines and sines are integer constants, so that the result does not depend on libm. */
static int half_bin(int gx, int gy)
{
	static const int cosine[HALF] = { 16322, 15826, 14849, 13421, 11585,  9397,   6924,   4240,   1428,
		                          -1428, -4240, -6924, -9397, -11585, -13421, -14849, -15826, -16322 };
	static const int sine[HALF] = { 1428,  4240,  6924,  9397,  11585, 13421, 14849, 15826, 16322,
		                        16322, 15826, 14849, 13421, 11585, 9397,  6924,  4240,  1428 };
	int bin = 0;
	for (int k = 0; gy && k < HALF; k++)
		bin += gy * cosine[k] - gx * sine[k] >= 0;
	return bin % HALF;
}

itr_classic *itr_classic_new(void)
{
	itr_classic *c = itr_xmalloc(sizeof *c);
	for (int i = 0; i < 1 << 15; i++) {
		int r = i >> 10, g = i >> 5 & 31, b = i & 31;
		colour_membership(r << 3 | r >> 2, g << 3 | g >> 2, b << 3 | b >> 2, c->colour[i]);
	}
	for (int y = 0; y < GY; y++)
		for (int x = 0; x < GX; x++)
			c->angle[y][x] = (uint8_t)half_bin(x - GX / 2, y);
	return c;
}

void itr_classic_free(itr_classic *c)
{
	free(c);
}

/* --- one pass over the pixels --------------------------------------------------------------------------------------------------------- */

/* Central differences of the strongest channel (borders repeat): magnitude by alpha max + beta min, and the half-bin. */
static void gradient_row(const itr_classic *c, const uint8_t *above, const uint8_t *row, const uint8_t *below, uint16_t *magnitude,
                         uint8_t *half)
{
	for (int x = 0; x < SIDE; x++) {
		const int left = 3 * ITR_MAX(x - 1, 0), right = 3 * ITR_MIN(x + 1, SIDE - 1);
		int best = -1, gx = 0, gy = 0;
		for (int k = 0; k < 3; k++) {
			int dx = row[right + k] - row[left + k], dy = below[3 * x + k] - above[3 * x + k];
			int ax = abs(dx), ay = abs(dy), m = 2 * ITR_MAX(ax, ay) + ITR_MIN(ax, ay);
			if (m > best) {
				best = m;
				gx = dx;
				gy = dy;
			}
		}
		magnitude[x] = (uint16_t)(best >= 2 * QUIET ? best / 2 : 0);
		half[x] = gy < 0 ? c->angle[-gy][GX / 2 - gx] : c->angle[gy][GX / 2 + gx];
	}
}

static void add_sixteen(uint32_t *restrict to, const uint8_t *restrict w, uint32_t times)
{
	for (int k = 0; k < COLOURS; k++)
		to[k] += w[k] * times;
}

/* Adds one row of pixels to its row of base cells. joints: one for the row of cells (stride 0) or one a base cell (stride 1). */
static void add_row(const itr_classic *c, const uint8_t *row, const uint16_t *magnitude, const uint8_t *half, cell *cells, joint *joints,
                    int stride)
{
	for (int i = 0; i < CELLS; i++) {
		cell *s = &cells[i];
		for (int x = i * BASE; x < (i + 1) * BASE; x++) {
			const uint8_t *p = row + 3 * x;
			const uint8_t *w = c->colour[(p[0] >> 3) << 10 | (p[1] >> 3) << 5 | p[2] >> 3];
			add_sixteen(s->colour, w, 1);
			for (int k = 0; k < 3; k++) {
				s->sum[k] += p[k];
				s->square[k] += (uint32_t)p[k] * p[k];
			}
			if (magnitude[x]) {
				s->half[half[x]] += magnitude[x];
				add_sixteen(joints[i * stride][half[x]], w, magnitude[x]);
			}
		}
		s->pixels += BASE;
	}
}

/* --- the descriptor of a window ----------------------------------------------------------------------------------------------------- */

static void merge(cell *to, const cell *from)
{
	for (int k = 0; k < COLOURS; k++)
		to->colour[k] += from->colour[k];
	for (int k = 0; k < HALF; k++)
		to->half[k] += from->half[k];
	for (int k = 0; k < 3; k++) {
		to->sum[k] += from->sum[k];
		to->square[k] += from->square[k];
	}
	to->pixels += from->pixels;
}

/* Eighteen half-bins into nine bins of twenty degrees around 10, 30 ... 170: an odd half-bin is the middle of one, an even one lies between
 * two. Quarters. */
static uint64_t fold(const uint32_t half[HALF], uint64_t angle[ANGLES])
{
	uint64_t total = 0;
	memset(angle, 0, ANGLES * sizeof *angle);
	for (int h = 0; h < HALF; h++) {
		int own = h / 2, other = h % 2 ? own : (own + ANGLES - 1) % ANGLES;
		angle[own] += 2ull * half[h];
		angle[other] += 2ull * half[h];
		total += 4ull * half[h];
	}
	return total;
}

/* Square root of a fraction. Both integers are exact as doubles, and IEEE square roots are correctly rounded on every machine. */
static float share(uint64_t part, uint64_t whole)
{
	return whole ? (float)sqrt((double)part / (double)whole) : 0;
}

static float *put_shares(float *out, const uint64_t *part, int n, uint64_t whole)
{
	for (int i = 0; i < n; i++)
		*out++ = share(part[i], whole);
	return out;
}

static float *put_colours(float *out, const cell *s)
{
	for (int k = 0; k < COLOURS; k++)
		*out++ = share(s->colour[k], 255ull * s->pixels);
	return out;
}

/* Mean of lightness, red-green, yellow-blue, each about -1..1, and the spread of R, G and B. */
static float *put_moments(float *out, const cell *s)
{
	double n = s->pixels ? s->pixels : 1, mean[3];
	for (int k = 0; k < 3; k++)
		mean[k] = s->sum[k] / n / 255;
	*out++ = s->pixels ? (float)(2 * (mean[0] + mean[1] + mean[2]) / 3 - 1) : 0;
	*out++ = (float)(mean[0] - mean[1]);
	*out++ = (float)((mean[0] + mean[1]) / 2 - mean[2]);
	for (int k = 0; k < 3; k++)
		*out++ = (float)sqrt(ITR_MAX(s->square[k] / n / 65025 - mean[k] * mean[k], 0)) * 2;
	return out;
}

/* Orientations as fractions of the cell's energy (plus a constant, for cells with almost no gradient), then the energy. */
static float *put_orientations(float *out, const cell *s)
{
	uint64_t angle[ANGLES], total = fold(s->half, angle);
	out = put_shares(out, angle, ANGLES, total + 4ull * QUIET * s->pixels / 4);
	*out++ = share(total, 4ull * 128 * s->pixels);
	return out;
}

/* Coarse gradients: differences of the mean lightness of sub-cells, by orientation. */
static float *put_coarse(const itr_classic *c, float *out, const cell *sub)
{
	int light[SUB][SUB];
	uint32_t half[HALF] = { 0 };
	for (int i = 0; i < SUB * SUB; i++) {
		uint32_t n = 3 * ITR_MAX(sub[i].pixels, 1);
		light[i / SUB][i % SUB] = (int)((sub[i].sum[0] + sub[i].sum[1] + sub[i].sum[2]) / n);
	}
	for (int y = 1; y < SUB - 1; y++)
		for (int x = 1; x < SUB - 1; x++) {
			int gx = light[y][x + 1] - light[y][x - 1], gy = light[y + 1][x] - light[y - 1][x];
			int ax = abs(gx), ay = abs(gy);
			int h = gy < 0 ? c->angle[-gy][GX / 2 - gx] : c->angle[gy][GX / 2 + gx];
			half[h] += (uint32_t)(2 * ITR_MAX(ax, ay) + ITR_MIN(ax, ay)) / 2;
		}
	uint64_t angle[ANGLES], total = fold(half, angle);
	return put_shares(out, angle, ANGLES, total + 4ull * QUIET * SUB * SUB / 4);
}

/* Autocorrelogram: the probability that a pixel at distance d, right and below, has the same colour. High for large patches of a colour. */
static float *put_correlogram(float *out, const cell *sub)
{
	static const int distance[] = { 1, 2, 4, 7 };
	uint32_t level[SUB * SUB][COLOURS];                     /* 0..255 */
	for (int i = 0; i < SUB * SUB; i++)
		for (int k = 0; k < COLOURS; k++)
			level[i][k] = sub[i].colour[k] / ITR_MAX(sub[i].pixels, 1);
	for (int t = 0; t < ITR_LEN(distance); t++) {
		int d = distance[t];
		uint64_t pairs = 2ull * SUB * (uint64_t)(SUB - d), again[COLOURS] = { 0 };
		for (int y = 0; y < SUB; y++)
			for (int x = 0; x + d < SUB; x++)
				for (int k = 0; k < COLOURS; k++)
					again[k] += level[y * SUB + x][k] * level[y * SUB + x + d][k] +
					            level[x * SUB + y][k] * level[(x + d) * SUB + y][k];
		out = put_shares(out, again, COLOURS, pairs * 65025);
	}
	return out;
}

/* Histogram of the energy of sub-cells, in eight bins, each from a power of two to the next. */
static float *put_energies(float *out, const cell *sub)
{
	uint64_t count[8] = { 0 };
	for (int i = 0; i < SUB * SUB; i++) {
		uint64_t angle[ANGLES], mean = fold(sub[i].half, angle) / (4 * ITR_MAX(sub[i].pixels, 1));
		int level = 0;
		while (level < 7 && mean >> level)
			level++;
		count[level]++;
	}
	return put_shares(out, count, 8, SUB * SUB);
}

static float *put_joint(float *out, const joint_sum j)
{
	for (int k = 0; k < COLOURS; k++) {
		uint32_t half[HALF];
		for (int h = 0; h < HALF; h++)
			half[h] = (uint32_t)(j[h][k] / 255);
		uint64_t angle[ANGLES], total = fold(half, angle);
		out = put_shares(out, angle, ANGLES, total + 4 * 4096);
	}
	return out;
}

static void describe_window(const itr_classic *c, const cell sub[SUB * SUB], const joint_sum j, float *out)
{
	cell cells[GRID * GRID], rows[GRID], columns[GRID], all;
	memset(cells, 0, sizeof cells);
	memset(rows, 0, sizeof rows);
	memset(columns, 0, sizeof columns);
	memset(&all, 0, sizeof all);
	for (int i = 0; i < SUB * SUB; i++)
		merge(&cells[(i / SUB / 2) * GRID + i % SUB / 2], &sub[i]);
	for (int i = 0; i < GRID * GRID; i++) {
		merge(&rows[i / GRID], &cells[i]);
		merge(&columns[i % GRID], &cells[i]);
		merge(&all, &cells[i]);
		out = put_colours(out, &cells[i]);
		out = put_moments(out, &cells[i]);
		out = put_orientations(out, &cells[i]);
	}
	out = put_colours(out, &all);
	out = put_moments(out, &all);
	uint64_t angle[ANGLES], total = fold(all.half, angle);
	out = put_shares(out, angle, ANGLES, total + 4ull * QUIET * all.pixels / 4);
	out = put_coarse(c, out, sub);
	out = put_joint(out, j);
	out = put_correlogram(out, sub);
	for (int i = 0; i < GRID; i++)
		out = put_colours(out, &rows[i]);
	for (int i = 0; i < GRID; i++)
		out = put_colours(out, &columns[i]);
	put_energies(out, sub);
}

_Static_assert(WINDOW_DIM == COLOURS + 6 + ANGLES + ANGLES + COLOURS * ANGLES + 4 * COLOURS + 2 * GRID * COLOURS + 8,
               "the parts of the descriptor fill it");

static void add_joint(joint_sum to, const joint from)
{
	for (int h = 0; h < HALF; h++)
		for (int k = 0; k < COLOURS; k++)
			to[h][k] += from[h][k];
}

/* The 56x56-pixel window around patch (r, p). Its sub-cells are base cells; those outside the image are empty. */
static void describe_patch(const itr_classic *c, const cell *cells, const joint *joints, int r, int p, float *out)
{
	const int margin = (SUB - CELLS / GRID) / 2, top = r * (CELLS / GRID) - margin, left = p * (CELLS / GRID) - margin;
	cell sub[SUB * SUB];
	joint_sum j = { { 0 } };
	memset(sub, 0, sizeof sub);
	for (int i = 0; i < SUB * SUB; i++) {
		int y = top + i / SUB, x = left + i % SUB;
		if (y >= 0 && y < CELLS && x >= 0 && x < CELLS) {
			sub[i] = cells[y * CELLS + x];
			add_joint(j, joints[y * CELLS + x]);
		}
	}
	describe_window(c, sub, (const uint64_t (*)[COLOURS])j, out);
}

void itr_classic_describe(const itr_classic *c, const uint8_t *rgb, float *pooled, float *patches)
{
	cell *cells = itr_xcalloc(CELLS * CELLS, sizeof *cells);
	const int per_row = patches ? CELLS : 1;
	joint *joints = itr_xcalloc((size_t)(CELLS * per_row), sizeof *joints);
	joint_sum all = { { 0 } };
	uint16_t magnitude[SIDE];
	uint8_t half[SIDE];
	for (int y = 0; y < SIDE; y++) {
		const uint8_t *row = rgb + (size_t)y * SIDE * 3;
		gradient_row(c, y ? row - SIDE * 3 : row, row, y < SIDE - 1 ? row + SIDE * 3 : row, magnitude, half);
		add_row(c, row, magnitude, half, cells + y / BASE * CELLS, joints + y / BASE * per_row, patches != NULL);
	}
	cell sub[SUB * SUB];
	memset(sub, 0, sizeof sub);
	for (int i = 0; i < CELLS * CELLS; i++)
		merge(&sub[(i / CELLS / (CELLS / SUB)) * SUB + i % CELLS / (CELLS / SUB)], &cells[i]);
	for (int i = 0; i < CELLS * per_row; i++)
		add_joint(all, (const uint32_t (*)[COLOURS])joints[i]);
	describe_window(c, sub, (const uint64_t (*)[COLOURS])all, pooled);
	for (int p = 0; patches && p < GRID * GRID; p++)
		describe_patch(c, cells, (const joint *)joints, p / GRID, p % GRID, patches + (size_t)p * DIM);
	free(cells);
	free(joints);
}
