#include "data/scenes_noise.h"

#include <stdlib.h>

#include "base/mem.h"

enum { FRACTION = 16 };

void field_init(field *f, int n)
{
	f->n = n;
	f->v = itr_xcalloc((size_t)n * (size_t)n, sizeof *f->v);
}

/* -2048..2047 at a lattice point */
static int lattice(uint32_t seed, int x, int y)
{
	return (int)(scene_hash(seed + (uint32_t)x * 0x9E3779B1u + (uint32_t)y * 0x85EBCA77u) >> 20) - 2048;
}

/* 3t^2 - 2t^3 in 256ths */
static int smooth(int t) { return t * t * (768 - 2 * t) >> 16; }

/* Lattice units a pixel, 16 bits of fraction. */
static uint32_t pace(int n, int cell) { return (uint32_t)(((uint64_t)1000 << FRACTION) / ((uint64_t)ITR_MAX(cell, 1) * (uint64_t)n)); }

void field_noise(field *f, uint32_t seed, int cell_x, int cell_y, int amp, int y0, int y1)
{
	uint32_t step_x = pace(f->n, cell_x), step_y = pace(f->n, cell_y);
	int columns = (int)(((uint64_t)step_x * (uint32_t)f->n) >> FRACTION) + 2;
	int *row = itr_xmalloc((size_t)columns * sizeof *row);
	uint8_t *t = itr_xmalloc((size_t)f->n);
	for (int x = 0; x < f->n; x++)
		t[x] = (uint8_t)smooth((int)(step_x * (uint32_t)x >> (FRACTION - 8) & 255));
	for (int y = ITR_MAX(y0, 0); y < ITR_MIN(y1, f->n); y++) {
		uint32_t at = step_y * (uint32_t)y;
		int iy = (int)(at >> FRACTION), ty = smooth((int)(at >> (FRACTION - 8) & 255));
		for (int i = 0; i < columns; i++) {
			int a = lattice(seed, i, iy), b = lattice(seed, i, iy + 1);
			row[i] = (a + ((b - a) * ty >> 8)) * amp >> 7;
		}
		int16_t *out = f->v + (size_t)y * (size_t)f->n;
		uint32_t u = 0;
		for (int x = 0; x < f->n; x++, u += step_x) {
			const int *p = row + (u >> FRACTION);
			out[x] = (int16_t)(out[x] + ((p[0] + ((p[1] - p[0]) * t[x] >> 8)) >> 4));
		}
	}
	free(row);
	free(t);
}

void field_line(int *line, int n, uint32_t seed, int cell, int amp)
{
	uint32_t step = pace(n, cell);
	for (int x = 0; x < n; x++) {
		uint32_t u = step * (uint32_t)x;
		int i = (int)(u >> FRACTION), a = lattice(seed, i, 7), b = lattice(seed, i + 1, 7);
		line[x] = (a + ((b - a) * smooth((int)(u >> (FRACTION - 8) & 255)) >> 8)) * amp / 2048;
	}
}
