/* scenes_internal.h - shared by the scenes_*.c files only. Lengths on the canvas are 256ths of a pixel, angles 256ths of a turn, UNIT is 1
 * in 14-bit fixed point. */
#ifndef ITR_DATA_SCENES_INTERNAL_H
#define ITR_DATA_SCENES_INTERNAL_H

#include "data/scenes.h"

enum { UNIT = 1 << 14 };

typedef struct rgb { int r, g, b; } rgb;

/* An 8-bit coverage picture at (x, y) of the canvas; may reach outside it. */
typedef struct mask {
	int x, y, w, h;
	uint8_t *a;             /* w * h */
} mask;

int scene_sin(int angle);       /* UNIT * sin, any angle */
int scene_cos(int angle);
/* The outline of a shape at a centre and radius (256ths of a pixel), with `margin` pixels of room around it. The caller frees a. */
void scene_shape_mask(mask *m, int shape, int cx, int cy, int radius, int angle, int margin);
/* "x,y,x,y,..." in pixels: the first contour, at most 40 points (COCO's polygon form). */
void scene_print_outline(itr_buf *b, const itr_scene_object *o, int size);
/* Two box blurs of the given radius in place; `scratch` holds at least w * h + w + h bytes. */
void scene_blur(mask *m, int radius, uint8_t *scratch);

void scene_background(itr_image *img, const itr_scene *s);

/* Words and colours. */
rgb scene_colour(int colour);
bool scene_colour_fits(int background, int colour);

/* Thousandths of the side as 256ths of a pixel. */
static inline int scene_length(int thousandths, int size) { return (int)((int64_t)thousandths * size * 256 / 1000); }
static inline int scene_clamp(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }
static inline uint32_t scene_hash(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7FEB352Du;
	x ^= x >> 15;
	x *= 0x846CA68Bu;
	return x ^ x >> 16;
}

#endif
