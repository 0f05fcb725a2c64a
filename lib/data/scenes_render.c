/* scenes_render.c - objects with shadow, pattern, rounded edges and a highlight, then the light of the scene over everything. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "data/scenes_internal.h"

enum { PLAIN, STRIPED, DOTTED, CHECKED };

typedef struct brush {
	itr_image *img;
	int n;
	mask shape, bevel;
	rgb main, second;
	int texture, cx, cy, radius;    /* centre and radius in 256ths of a pixel */
	int cos, sin;
} brush;

static mask copy_mask(const mask *m)
{
	mask c = *m;
	c.a = itr_xmalloc((size_t)m->w * (size_t)m->h);
	memcpy(c.a, m->a, (size_t)m->w * (size_t)m->h);
	return c;
}

static int mask_at(const mask *m, int x, int y)
{
	x -= m->x, y -= m->y;
	return x < 0 || y < 0 || x >= m->w || y >= m->h ? 0 : m->a[(size_t)y * (size_t)m->w + (size_t)x];
}

static uint8_t *pixel(const brush *b, int x, int y) { return b->img->rgb + ((size_t)y * (size_t)b->n + (size_t)x) * 3; }

static void shadow(const brush *b, const mask *m, int dx, int dy, int strength)
{
	for (int y = 0; y < m->h; y++) {
		int py = m->y + y + dy;
		for (int x = 0; x < m->w && py >= 0 && py < b->n; x++) {
			int px = m->x + x + dx, a = m->a[(size_t)y * (size_t)m->w + (size_t)x];
			if (a == 0 || px < 0 || px >= b->n)
				continue;
			uint8_t *p = pixel(b, px, py);
			int keep = 256 - (a * strength >> 8);
			p[0] = (uint8_t)(p[0] * keep >> 8), p[1] = (uint8_t)(p[1] * keep >> 8), p[2] = (uint8_t)(p[2] * keep >> 8);
		}
	}
}

/* -256..256: which side of a stripe of the given period v lies on; the edge is one pixel (`pix`) wide. */
static int stripe(int v, int period, int pix)
{
	int t = (v + 64 * period) % period, d = period / 4 - abs(t - period / 2);
	return scene_clamp(d * 512 / pix, -256, 256);
}

/* How much of the second colour (0..256) the pattern shows at (u, v), UNIT = radius. */
static int pattern(int texture, int u, int v, int pix)
{
	enum { STRIPE = UNIT * 42 / 100, CELL = UNIT * 52 / 100, CHECK = UNIT * 72 / 100, SPOT = UNIT * 17 / 100 };
	switch (texture) {
	case STRIPED:
		return 128 + stripe(u + v / 3, STRIPE, pix) / 2;
	case DOTTED: {
		int iv = (v + 8 * CELL) / CELL, du = (u + 8 * CELL + (iv % 2 ? CELL / 2 : 0)) % CELL - CELL / 2,
		    dv = (v + 8 * CELL) % CELL - CELL / 2;
		int edge = (int)(((int64_t)SPOT * SPOT - (int64_t)du * du - (int64_t)dv * dv) / (2 * SPOT));
		return scene_clamp(edge * 256 / pix + 128, 0, 256);
	}
	case CHECKED:
		return 128 + stripe(u, CHECK, pix) * stripe(v, CHECK, pix) / 512;
	default:
		return 0;
	}
}

/* Diffuse light from the upper left, a rounded edge from the blurred mask, a soft highlight. */
static rgb shade(const brush *b, rgb c, int x, int y, int dx, int dy)
{
	int d = ITR_MAX(b->n / 110, 1), edge = mask_at(&b->bevel, x + d, y + d) - mask_at(&b->bevel, x - d, y - d);
	int slope = 256 - (int)((int64_t)(dx + dy) * 30 / b->radius), shine = 0;
	int64_t hx = dx + b->radius * 36 / 100, hy = dy + b->radius * 40 / 100, reach = (int64_t)b->radius * b->radius * 30 / 100,
		far = hx * hx + hy * hy;
	if (far < reach)
		shine = (int)((reach - far) * 64 / reach);
	shine += edge > 0 ? edge / 3 : 0;
	if (edge < 0)
		slope += edge * 2 / 3;
	c = (rgb){ c.r * slope >> 8, c.g * slope >> 8, c.b * slope >> 8 };
	return (rgb){ c.r + ((255 - c.r) * shine >> 8), c.g + ((255 - c.g) * shine >> 8), c.b + ((255 - c.b) * shine >> 8) };
}

/* Area and box of the pixels that are at least half covered and inside the picture. */
static void measure(const mask *m, int n, itr_scene_object *o)
{
	int lo_x = n, lo_y = n, hi_x = 0, hi_y = 0;
	o->area = 0;
	for (int y = ITR_MAX(m->y, 0); y < ITR_MIN(m->y + m->h, n); y++)
		for (int x = ITR_MAX(m->x, 0); x < ITR_MIN(m->x + m->w, n); x++)
			if (mask_at(m, x, y) >= 128) {
				o->area++;
				lo_x = ITR_MIN(lo_x, x), hi_x = ITR_MAX(hi_x, x + 1), lo_y = ITR_MIN(lo_y, y), hi_y = ITR_MAX(hi_y, y + 1);
			}
	o->box[0] = ITR_MIN(lo_x, hi_x), o->box[1] = ITR_MIN(lo_y, hi_y), o->box[2] = ITR_MAX(hi_x - lo_x, 0),
	o->box[3] = ITR_MAX(hi_y - lo_y, 0);
}

static void paint(const brush *b)
{
	int pix = ITR_MAX((int)((int64_t)UNIT * 256 / b->radius), 1);
	for (int y = ITR_MAX(b->shape.y, 0); y < ITR_MIN(b->shape.y + b->shape.h, b->n); y++)
		for (int x = ITR_MAX(b->shape.x, 0); x < ITR_MIN(b->shape.x + b->shape.w, b->n); x++) {
			int a = mask_at(&b->shape, x, y);
			if (a == 0)
				continue;
			int dx = x * 256 + 128 - b->cx, dy = y * 256 + 128 - b->cy, t = 0;
			if (b->texture != PLAIN) {
				int u = (int)(((int64_t)dx * b->cos + (int64_t)dy * b->sin) / b->radius),
				    v = (int)(((int64_t)dy * b->cos - (int64_t)dx * b->sin) / b->radius);
				t = pattern(b->texture, u, v, pix);
			}
			rgb c = { b->main.r + ((b->second.r - b->main.r) * t >> 8), b->main.g + ((b->second.g - b->main.g) * t >> 8),
				b->main.b + ((b->second.b - b->main.b) * t >> 8) };
			c = shade(b, c, x, y, dx, dy);
			uint8_t *p = pixel(b, x, y);
			p[0] = (uint8_t)scene_clamp(p[0] + (c.r - p[0]) * a / 255, 0, 255);
			p[1] = (uint8_t)scene_clamp(p[1] + (c.g - p[1]) * a / 255, 0, 255);
			p[2] = (uint8_t)scene_clamp(p[2] + (c.b - p[2]) * a / 255, 0, 255);
		}
}

/* A pattern's second colour: towards white, or towards black for light colours. */
static rgb second_colour(rgb c)
{
	int light = (c.r * 3 + c.g * 6 + c.b) / 10, to = light > 172 ? 24 : 255, t = light > 172 ? 150 : 190;
	return (rgb){ c.r + ((to - c.r) * t >> 8), c.g + ((to - c.g) * t >> 8), c.b + ((to - c.b) * t >> 8) };
}

static void draw_object(itr_image *img, itr_scene_object *o, int strength)
{
	int n = img->width, soft = ITR_MAX(n * 16 / 1000, 1), margin = 4 * soft + 2;
	brush b = { .img = img,
		    .n = n,
		    .main = scene_colour(o->colour),
		    .texture = o->texture,
		    .cx = scene_length(o->x, n),
		    .cy = scene_length(o->y, n),
		    .radius = scene_length(o->radius, n),
		    .cos = scene_cos(o->angle),
		    .sin = scene_sin(o->angle) };
	b.second = second_colour(b.main);
	scene_shape_mask(&b.shape, o->shape, b.cx, b.cy, b.radius, o->angle, margin);
	uint8_t *scratch = itr_xmalloc((size_t)ITR_MAX(b.shape.w, b.shape.h));
	mask blurred = copy_mask(&b.shape);
	b.bevel = copy_mask(&b.shape);
	scene_blur(&blurred, soft, scratch);
	scene_blur(&b.bevel, ITR_MAX(n * 9 / 1000, 1), scratch);
	shadow(&b, &blurred, n * 18 / 1000, n * 26 / 1000, strength);
	paint(&b);
	measure(&b.shape, n, o);
	free(scratch);
	free(blurred.a);
	free(b.bevel.a);
	free(b.shape.a);
}

/* Colour of the light (256 = as it is), darker corners, a little grain. */
static void expose(itr_image *img, const itr_scene *s)
{
	static const rgb lights[ITR_SCENE_LIGHTS] = { { 256, 256, 256 }, { 268, 238, 196 }, { 192, 200, 220 } };
	int n = img->width, half = n / 2;
	rgb l = lights[s->light];
	uint32_t seed = (uint32_t)s->own_seed;
	for (int y = 0; y < n; y++)
		for (int x = 0; x < n; x++) {
			uint8_t *p = img->rgb + ((size_t)y * (size_t)n + (size_t)x) * 3;
			int64_t d2 = (int64_t)(x - half) * (x - half) + (int64_t)(y - half) * (y - half);
			int bright = 256 - (int)(d2 * 26 / ((int64_t)half * half));
			uint32_t h = scene_hash(seed + (uint32_t)(y * n + x));
			int grain = (int)(h & 3) + (int)(h >> 2 & 3) - 3;
			p[0] = (uint8_t)scene_clamp((p[0] * l.r * bright >> 16) + grain, 0, 255);
			p[1] = (uint8_t)scene_clamp((p[1] * l.g * bright >> 16) + grain, 0, 255);
			p[2] = (uint8_t)scene_clamp((p[2] * l.b * bright >> 16) + grain, 0, 255);
		}
}

void itr_scene_render(itr_image *img, itr_scene *s, int size)
{
	if (size < 32 || size > 4096)
		ITR_BUG("itr_scene_render: size %d", size);
	itr_image_alloc(img, size, size);
	scene_background(img, s);
	for (int i = 0; i < s->n; i++)
		draw_object(img, &s->objects[i], 120);
	expose(img, s);
}

void itr_scene_measure(itr_scene *s, int size)
{
	for (int i = 0; i < s->n; i++) {
		itr_scene_object *o = &s->objects[i];
		mask m;
		scene_shape_mask(&m, o->shape, scene_length(o->x, size), scene_length(o->y, size), scene_length(o->radius, size), o->angle,
		                 0);
		measure(&m, size, o);
		free(m.a);
	}
}
