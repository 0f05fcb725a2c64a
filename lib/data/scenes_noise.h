/* scenes_noise.h - smooth value noise on a field of integers, for the backdrops only. Cells are thousandths of the side. */
#ifndef ITR_DATA_SCENES_NOISE_H
#define ITR_DATA_SCENES_NOISE_H

#include "data/scenes_internal.h"

typedef struct field {
	int n;                  /* side in pixels */
	int16_t *v;             /* n * n */
} field;

void field_init(field *f, int n);       /* zeroed; free(f->v) */
/* Adds noise of amplitude `amp` (at most 400) to rows [y0, y1). */
void field_noise(field *f, uint32_t seed, int cell_x, int cell_y, int amp, int y0, int y1);
/* A wavy line: for each x a value in -amp..amp. */
void field_line(int *line, int n, uint32_t seed, int cell, int amp);

#endif
