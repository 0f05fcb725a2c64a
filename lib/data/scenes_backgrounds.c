/* scenes_backgrounds.c - ten backdrops: gradients and noise, painted from the back to the front. */
#include <stdlib.h>

#include "base/mem.h"
#include "data/scenes_noise.h"

typedef struct canvas {
	itr_image *img;
	int n;                  /* side */
	uint32_t seed;
	field f, g;             /* scratch, zero at the start */
} canvas;

static void put(canvas *c, int x, int y, int r, int g, int b)
{
	uint8_t *p = c->img->rgb + ((size_t)y * (size_t)c->n + (size_t)x) * 3;
	p[0] = (uint8_t)scene_clamp(r, 0, 255), p[1] = (uint8_t)scene_clamp(g, 0, 255), p[2] = (uint8_t)scene_clamp(b, 0, 255);
}

static void put_rgb(canvas *c, int x, int y, rgb v) { put(c, x, y, v.r, v.g, v.b); }

static void blend(canvas *c, int x, int y, rgb v, int alpha)
{
	if (x < 0 || y < 0 || x >= c->n || y >= c->n)
		return;
	uint8_t *p = c->img->rgb + ((size_t)y * (size_t)c->n + (size_t)x) * 3;
	p[0] = (uint8_t)(p[0] + ((v.r - p[0]) * alpha >> 8)), p[1] = (uint8_t)(p[1] + ((v.g - p[1]) * alpha >> 8)),
	p[2] = (uint8_t)(p[2] + ((v.b - p[2]) * alpha >> 8));
}

static rgb mix(rgb a, rgb b, int t)     /* t of 256 */
{
	return (rgb){ a.r + ((b.r - a.r) * t >> 8), a.g + ((b.g - a.g) * t >> 8), a.b + ((b.b - a.b) * t >> 8) };
}

static rgb plus(rgb a, int v) { return (rgb){ a.r + v, a.g + v, a.b + v }; }

static int16_t at(const field *f, int x, int y) { return f->v[(size_t)y * (size_t)f->n + (size_t)x]; }

static uint32_t lot(const canvas *c, uint32_t k) { return scene_hash(c->seed * 31 + k * 0x9E3779B1u); }
static int pick(const canvas *c, uint32_t k, int low, int high) { return low + (int)(lot(c, k) % (uint32_t)(high - low + 1)); }
static int px(const canvas *c, int thousandths) { return c->n * thousandths / 1000; }

/* A soft disc at 256ths of a pixel. */
static void dot(canvas *c, int cx, int cy, int radius, rgb v, int alpha)
{
	int r = ITR_MAX(radius, 128), reach = (r >> 8) + 2;
	for (int y = (cy >> 8) - reach; y <= (cy >> 8) + reach; y++)
		for (int x = (cx >> 8) - reach; x <= (cx >> 8) + reach; x++) {
			int64_t dx = x * 256 + 128 - cx, dy = y * 256 + 128 - cy;
			int edge = (int)(((int64_t)r * r - dx * dx - dy * dy) / (2 * r)) + 128;
			blend(c, x, y, v, alpha * scene_clamp(edge, 0, 256) >> 8);
		}
}

/* Light around a centre that fades with the square of the distance. */
static void glow(canvas *c, int cx, int cy, int radius, rgb v, int alpha)
{
	int64_t r2 = (int64_t)radius * radius;
	for (int y = ITR_MAX(cy - radius, 0); y < ITR_MIN(cy + radius, c->n); y++)
		for (int x = ITR_MAX(cx - radius, 0); x < ITR_MIN(cx + radius, c->n); x++) {
			int64_t d2 = (int64_t)(x - cx) * (x - cx) + (int64_t)(y - cy) * (y - cy);
			if (d2 < r2) {
				int t = (int)((r2 - d2) * 256 / r2);
				blend(c, x, y, v, alpha * (t * t >> 8) >> 8);
			}
		}
}

static void clouds(canvas *c, int rows, rgb top, rgb bottom, int bias)
{
	field_noise(&c->f, c->seed + 1, 460, 240, 128, 0, rows);
	field_noise(&c->f, c->seed + 2, 210, 120, 66, 0, rows);
	field_noise(&c->f, c->seed + 3, 90, 58, 34, 0, rows);
	field_noise(&c->f, c->seed + 4, 38, 26, 16, 0, rows);
	for (int y = 0; y < rows; y++) {
		rgb sky = mix(top, bottom, y * 256 / rows);
		for (int x = 0; x < c->n; x++) {
			int v = at(&c->f, x, y) + bias, light = scene_clamp(v / 5, 0, 22);
			put_rgb(c, x, y, mix(sky, (rgb){ 252 - light, 252 - light, 254 - light / 2 }, scene_clamp(v * 4, 0, 226)));
		}
	}
}

static void sky(canvas *c) { clouds(c, c->n, (rgb){ 62, 128, 212 }, (rgb){ 178, 214, 244 }, pick(c, 1, -60, 10)); }

static void meadow(canvas *c)
{
	int horizon = px(c, pick(c, 1, 300, 460)), *hill = itr_xmalloc((size_t)c->n * sizeof *hill), lift = px(c, 28);
	clouds(c, horizon + lift + 1, (rgb){ 92, 158, 226 }, (rgb){ 206, 228, 244 }, -50);
	field_line(hill, c->n, c->seed + 9, 420, lift);
	field_noise(&c->g, c->seed + 5, 160, 70, 70, 0, c->n);
	field_noise(&c->g, c->seed + 6, 14, 60, 46, 0, c->n);
	field_noise(&c->g, c->seed + 7, 7, 26, 40, 0, c->n);
	for (int y = 0; y < c->n; y++)
		for (int x = 0; x < c->n; x++) {
			int depth = y - horizon - hill[x];
			if (depth < 0)
				continue;
			int t = scene_clamp(depth * 256 / (c->n - horizon), 0, 256), v = at(&c->g, x, y) * (96 + t) >> 9;
			rgb g = mix((rgb){ 150, 188, 92 }, (rgb){ 70, 138, 48 }, t);
			put(c, x, y, g.r + v, g.g + v, g.b + v / 2);
		}
	static const rgb petals[] = { { 250, 246, 236 }, { 250, 222, 90 }, { 240, 170, 196 } };
	for (uint32_t k = 0; k < 46; k++) {
		int y = pick(c, 100 + 3 * k, horizon + lift, c->n - 1), depth = (y - horizon) * 256 / (c->n - horizon);
		dot(c, pick(c, 101 + 3 * k, 0, c->n) * 256, y * 256, c->n * 256 * (3 + depth / 64) / 1000, petals[lot(c, 102 + 3 * k) % 3],
		    200);
	}
	free(hill);
}

static void beach(canvas *c)
{
	int horizon = px(c, pick(c, 1, 200, 270)), shore = px(c, pick(c, 2, 380, 460)), *wave = itr_xmalloc((size_t)c->n * sizeof *wave);
	clouds(c, horizon, (rgb){ 96, 168, 228 }, (rgb){ 214, 234, 246 }, -70);
	field_line(wave, c->n, c->seed + 9, 260, px(c, 20));
	field_noise(&c->g, c->seed + 5, 150, 14, 60, horizon, shore + px(c, 30));
	field_noise(&c->g, c->seed + 6, 60, 7, 36, horizon, shore + px(c, 30));
	field_noise(&c->f, c->seed + 7, 240, 60, 60, horizon, c->n);
	field_noise(&c->f, c->seed + 8, 9, 8, 46, horizon, c->n);
	for (int y = horizon; y < c->n; y++)
		for (int x = 0; x < c->n; x++) {
			int depth = y - shore - wave[x], foam = px(c, 16), v = at(&c->g, x, y), s = at(&c->f, x, y);
			if (depth < 0) {
				rgb sea = mix((rgb){ 26, 104, 160 }, (rgb){ 104, 202, 200 },
				              scene_clamp((y - horizon) * 256 / ITR_MAX(shore - horizon, 1), 0, 256));
				put_rgb(c, x, y, plus(sea, v > 30 ? v / 2 : v / 6));
			} else {
				rgb wet = mix((rgb){ 196, 168, 122 }, (rgb){ 236, 214, 170 }, scene_clamp(depth * 256 / px(c, 90), 0, 256));
				put(c, x, y, wet.r + s / 5, wet.g + s / 5, wet.b + s / 5);
			}
			int edge = depth < 0 ? -depth : depth;
			if (edge < foam)
				blend(c, x, y, (rgb){ 250, 252, 250 }, scene_clamp((foam - edge) * 230 / foam + v, 0, 236));
		}
	free(wave);
}

static void night(canvas *c)
{
	field_noise(&c->f, c->seed + 1, 400, 300, 70, 0, c->n);
	field_noise(&c->f, c->seed + 2, 150, 110, 40, 0, c->n);
	field_noise(&c->f, c->seed + 3, 50, 40, 18, 0, c->n);
	for (int y = 0; y < c->n; y++) {
		rgb sky = mix((rgb){ 9, 12, 38 }, (rgb){ 46, 44, 100 }, y * 256 / c->n);
		for (int x = 0; x < c->n; x++) {
			int v = ITR_MAX(at(&c->f, x, y), -20);
			put(c, x, y, sky.r + v / 5, sky.g + v / 6, sky.b + v / 3);
		}
	}
	for (uint32_t k = 0; k < 130; k++) {
		int big = lot(c, 102 + 3 * k) % 14 == 0;
		dot(c, pick(c, 100 + 3 * k, 0, c->n * 256), pick(c, 101 + 3 * k, 0, c->n * 256), c->n * (big ? 6 : 3) * 256 / 1000,
		    lot(c, 102 + 3 * k) % 3 ? (rgb){ 255, 250, 226 } : (rgb){ 206, 222, 255 }, 90 + (int)(lot(c, 103 + 3 * k) % 160));
	}
}

static void wood(canvas *c)
{
	int planks = pick(c, 1, 4, 6);
	for (int k = 0; k < planks; k++) {
		int y0 = c->n * k / planks, y1 = c->n * (k + 1) / planks, tone = pick(c, (uint32_t)(10 + k), -14, 14),
		    joint = pick(c, (uint32_t)(30 + k), px(c, 100), px(c, 900));
		field_noise(&c->f, c->seed + 11 * (uint32_t)k, 520, 22, 80, y0, y1);
		field_noise(&c->f, c->seed + 11 * (uint32_t)k + 1, 240, 9, 60, y0, y1);
		field_noise(&c->f, c->seed + 11 * (uint32_t)k + 2, 90, 5, 36, y0, y1);
		for (int y = y0; y < y1; y++)
			for (int x = 0; x < c->n; x++) {
				int v = at(&c->f, x, y) / 4 + tone + (c->n / 2 - y) * 14 / c->n,
				    edge = ITR_MIN(ITR_MIN(y - y0, y1 - 1 - y), abs(x - joint));
				int line = px(c, 5);
				v -= edge < line ? (line - edge) * 64 / ITR_MAX(line, 1) : 0;
				put(c, x, y, 172 + v, 122 + v * 7 / 8, 76 + v * 3 / 4);
			}
	}
}

static void brick(canvas *c)
{
	int rows = pick(c, 1, 7, 9), columns = 4, joint = ITR_MAX(px(c, 9), 1);
	field_noise(&c->f, c->seed + 1, 10, 9, 44, 0, c->n);
	field_noise(&c->f, c->seed + 2, 60, 40, 40, 0, c->n);
	for (int y = 0; y < c->n; y++) {
		int row = y * rows / c->n, top = y - (row * c->n + rows - 1) / rows, low = ((row + 1) * c->n - 1) / rows - y;
		for (int x = 0; x < c->n; x++) {
			int wide = c->n / columns, shifted = x + (row % 2 ? wide / 2 : 0), column = shifted / wide, left = shifted % wide;
			int v = at(&c->f, x, y) / 5;
			if (top < joint || left < joint) {
				put(c, x, y, 176 + v, 168 + v, 158 + v);
				continue;
			}
			uint32_t h = lot(c, (uint32_t)(row * 64 + column + 5));
			v += (int)(h % 31) - 15 + (top < 2 * joint ? 10 : low < joint ? -16 : 0);
			put(c, x, y, 158 + v, 82 + v * 3 / 4 + (int)(h >> 8 & 15), 64 + v * 2 / 3);
		}
	}
}

static void marble(canvas *c)
{
	int tiles = pick(c, 1, 2, 4), joint = ITR_MAX(px(c, 5), 1);
	field_noise(&c->f, c->seed + 1, 300, 220, 140, 0, c->n);
	field_noise(&c->f, c->seed + 2, 130, 110, 80, 0, c->n);
	field_noise(&c->f, c->seed + 3, 50, 50, 40, 0, c->n);
	field_noise(&c->g, c->seed + 4, 500, 400, 90, 0, c->n);
	for (int y = 0; y < c->n; y++)
		for (int x = 0; x < c->n; x++) {
			int tx = x * tiles / c->n, ty = y * tiles / c->n, v = abs(at(&c->f, x, y)), dark = scene_clamp(20 - v, 0, 20) * 2;
			int base = 226 + ((tx + ty) % 2 ? -12 : 0) + at(&c->g, x, y) / 9 - dark;
			if (x * tiles % c->n < joint * tiles || y * tiles % c->n < joint * tiles)
				base = 168;
			put(c, x, y, base, base - 1, base - 5);
		}
}

static void snow(canvas *c)
{
	int *far = itr_xmalloc((size_t)c->n * sizeof *far), *near = itr_xmalloc((size_t)c->n * sizeof *near);
	field_line(far, c->n, c->seed + 1, 300, px(c, 70));
	field_line(near, c->n, c->seed + 2, 480, px(c, 60));
	field_noise(&c->f, c->seed + 3, 300, 90, 70, 0, c->n);
	field_noise(&c->f, c->seed + 4, 26, 16, 24, 0, c->n);
	for (int y = 0; y < c->n; y++) {
		rgb sky = mix((rgb){ 140, 170, 206 }, (rgb){ 222, 230, 240 }, ITR_MIN(y * 512 / c->n, 256));
		for (int x = 0; x < c->n; x++) {
			int v = at(&c->f, x, y), a = y - px(c, 330) - far[x], b = y - px(c, 480) - near[x];
			rgb p = sky;
			if (b >= 0)
				p = mix((rgb){ 246, 249, 252 }, (rgb){ 206, 220, 238 }, scene_clamp(b * 300 / c->n + v, 0, 256));
			else if (a >= 0)
				p = mix((rgb){ 204, 216, 234 }, (rgb){ 178, 196, 220 }, scene_clamp(a * 600 / c->n + v, 0, 256));
			put_rgb(c, x, y, p);
		}
	}
	for (uint32_t k = 0; k < 90; k++)
		dot(c, pick(c, 100 + 3 * k, 0, c->n * 256), pick(c, 101 + 3 * k, 0, c->n * 256),
		    c->n * 256 * pick(c, 102 + 3 * k, 2, 6) / 1000, (rgb){ 255, 255, 255 }, 190);
	free(far);
	free(near);
}

static void blackboard(canvas *c)
{
	int frame = ITR_MAX(px(c, 34), 1);
	field_noise(&c->f, c->seed + 1, 420, 160, 90, 0, c->n);
	field_noise(&c->f, c->seed + 2, 130, 50, 50, 0, c->n);
	field_noise(&c->f, c->seed + 3, 40, 14, 30, 0, c->n);
	for (int y = 0; y < c->n; y++)
		for (int x = 0; x < c->n; x++) {
			int edge = ITR_MIN(ITR_MIN(x, y), ITR_MIN(c->n - 1 - x, c->n - 1 - y)), v = at(&c->f, x, y),
			    chalk = v > 0 ? v / 6 : v / 16;
			if (edge < frame) {
				int grain = v / 10 + (edge == frame - 1 ? -40 : edge * 26 / frame);
				put(c, x, y, 140 + grain, 98 + grain, 60 + grain);
			} else {
				put(c, x, y, 40 + chalk, 74 + chalk, 62 + chalk);
			}
		}
}

static void sunset(canvas *c)
{
	static const rgb stops[] = { { 58, 44, 112 }, { 150, 70, 128 }, { 236, 112, 92 }, { 252, 176, 92 }, { 255, 220, 140 } };
	int horizon = px(c, pick(c, 1, 600, 700)), sun = px(c, pick(c, 2, 200, 800)), *far = itr_xmalloc((size_t)c->n * sizeof *far),
	    *near = itr_xmalloc((size_t)c->n * sizeof *near);
	field_noise(&c->f, c->seed + 1, 520, 60, 70, 0, c->n);
	field_noise(&c->f, c->seed + 2, 200, 26, 40, 0, c->n);
	for (int y = 0; y < c->n; y++)
		for (int x = 0; x < c->n; x++) {
			int t = scene_clamp(y * 1024 / horizon + at(&c->f, x, y) / 3, 0, 1023);
			put_rgb(c, x, y, mix(stops[t >> 8], stops[(t >> 8) + 1], t & 255));
		}
	glow(c, sun, horizon - px(c, 60), px(c, 420), (rgb){ 255, 226, 150 }, 190);
	dot(c, sun * 256, (horizon - px(c, 60)) * 256, px(c, 74) * 256, (rgb){ 255, 246, 206 }, 250);
	field_line(far, c->n, c->seed + 5, 260, px(c, 46));
	field_line(near, c->n, c->seed + 6, 380, px(c, 50));
	for (int y = horizon - px(c, 60); y < c->n; y++)
		for (int x = 0; x < c->n; x++) {
			if (y > horizon + px(c, 60) + near[x])
				put_rgb(c, x, y,
				        mix((rgb){ 74, 42, 74 }, (rgb){ 40, 26, 52 }, scene_clamp((y - horizon) * 400 / c->n, 0, 256)));
			else if (y > horizon + far[x])
				put_rgb(c, x, y,
				        mix((rgb){ 160, 84, 104 }, (rgb){ 112, 60, 92 },
				            scene_clamp((y - horizon - far[x]) * 1000 / c->n, 0, 256)));
		}
	free(far);
	free(near);
}

/* In the order of the names in scenes_words.c. */
static void (*const painters[ITR_SCENE_BACKGROUNDS])(canvas *) = {
	sky, meadow, beach, night, wood, brick, marble, snow, blackboard, sunset
};

void scene_background(itr_image *img, const itr_scene *s)
{
	canvas c = { .img = img, .n = img->width, .seed = (uint32_t)(s->family_seed ^ s->family_seed >> 32) };
	field_init(&c.f, c.n);
	field_init(&c.g, c.n);
	painters[s->background](&c);
	free(c.f.v);
	free(c.g.v);
}
