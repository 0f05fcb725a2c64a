/* scenes_shapes.c - outlines as polygons, filled with exact horizontal coverage on eight scan lines a pixel. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "data/scenes_internal.h"

enum { MAX_POINTS = 160, SUB = 8, MAX_CROSS = 16 };

typedef struct point { int x, y; } point;

/* One or two closed contours; even-odd. */
typedef struct outline {
	point p[MAX_POINTS];
	int n, second;          /* second: where the second contour begins; n when there is one only */
} outline;

static const int16_t quarter[65] = { 0,     402,   804,   1205,  1606,  2006,  2404,  2801,  3196,  3590,  3981,  4370,  4756,
	                             5139,  5520,  5897,  6270,  6639,  7005,  7366,  7723,  8076,  8423,  8765,  9102,  9434,
	                             9760,  10080, 10394, 10702, 11003, 11297, 11585, 11866, 12140, 12406, 12665, 12916, 13160,
	                             13395, 13623, 13842, 14053, 14256, 14449, 14635, 14811, 14978, 15137, 15286, 15426, 15557,
	                             15679, 15791, 15893, 15986, 16069, 16143, 16207, 16261, 16305, 16340, 16364, 16379, 16384 };

int scene_sin(int angle)
{
	int a = angle & 255, q = a & 63;
	switch (a >> 6) {
	case 0:
		return quarter[q];
	case 1:
		return quarter[64 - q];
	case 2:
		return -quarter[q];
	default:
		return -quarter[64 - q];
	}
}

int scene_cos(int angle) { return scene_sin(angle + 64); }

static int mul(int a, int b) { return (int)((int64_t)a * b / UNIT); }

static void add(outline *o, int x, int y)
{
	if (o->n == MAX_POINTS)
		ITR_BUG("an outline of more than %d points", MAX_POINTS);
	o->p[o->n++] = (point){ x, y };
}

/* Points on a circle from angle a to b in steps of `step`. y grows downwards, angle 0 points right. */
static void arc(outline *o, int cx, int cy, int r, int a, int b, int step)
{
	for (int t = a; step > 0 ? t <= b : t >= b; t += step)
		add(o, cx + mul(r, scene_cos(t)), cy + mul(r, scene_sin(t)));
}

/* Corners at radii that alternate, starting straight up. */
static void corners(outline *o, int n, int outer, int inner)
{
	for (int i = 0; i < n; i++) {
		int r = i % 2 ? inner : outer, t = 192 + 256 * i / n;
		/* 256 is no multiple of 5, 6 or 10: interpolate between the table's steps */
		int rest = 256 * i % n, s0 = scene_sin(t), s1 = scene_sin(t + 1), c0 = scene_cos(t), c1 = scene_cos(t + 1);
		add(o, mul(r, c0 + (c1 - c0) * rest / n), mul(r, s0 + (s1 - s0) * rest / n));
	}
}

static void circle(outline *o) { arc(o, 0, 0, UNIT, 0, 254, 2); }

static void square(outline *o)
{
	enum { A = UNIT * 86 / 100 };
	add(o, -A, -A), add(o, A, -A), add(o, A, A), add(o, -A, A);
}

static void triangle(outline *o)
{
	for (int i = 0; i < 3; i++)
		add(o, mul(UNIT * 112 / 100, (const int[]){ 0, 14189, -14189 }[i]),
		    mul(UNIT * 112 / 100, (const int[]){ -UNIT, 8192, 8192 }[i]) + UNIT / 8);
}

static void star(outline *o) { corners(o, 10, UNIT * 112 / 100, UNIT * 48 / 100); }

static void heart(outline *o)
{
	for (int t = 0; t < 256; t += 2) {
		int s = scene_sin(t), s3 = mul(mul(s, s), s);
		int y = 13 * scene_cos(t) - 5 * scene_cos(2 * t) - 2 * scene_cos(3 * t) - scene_cos(4 * t);
		add(o, s3, -y / 16 - UNIT / 10);
	}
}

static void ring(outline *o)
{
	arc(o, 0, 0, UNIT, 0, 252, 4);
	o->second = o->n;
	arc(o, 0, 0, UNIT * 56 / 100, 0, 252, 4);
}

static void diamond(outline *o)
{
	enum { A = UNIT * 76 / 100, B = UNIT * 114 / 100 };
	add(o, 0, -B), add(o, A, 0), add(o, 0, B), add(o, -A, 0);
}

static void hexagon(outline *o) { corners(o, 6, UNIT, UNIT); }

/* The circle without a second circle of radius 0.75 around (0.5, 0): they cross at 33 and 54 steps of the two. */
static void crescent(outline *o)
{
	arc(o, -UNIT / 8, 0, UNIT, 33, 223, 2);
	arc(o, UNIT / 2 - UNIT / 8, 0, UNIT * 3 / 4, 202, 54, -4);
}

static void cross(outline *o)
{
	enum { A = UNIT * 36 / 100, B = UNIT };
	add(o, -A, -B), add(o, A, -B), add(o, A, -A), add(o, B, -A), add(o, B, A), add(o, A, A);
	add(o, A, B), add(o, -A, B), add(o, -A, A), add(o, -B, A), add(o, -B, -A), add(o, -A, -A);
}

static void flower(outline *o)
{
	for (int t = 0; t < 256; t += 2) {
		int lobe = abs(scene_cos(3 * t)), r = UNIT * 54 / 100 + (2 * lobe - mul(lobe, lobe)) * 48 / 100;
		add(o, mul(r, scene_cos(t)), mul(r, scene_sin(t)));
	}
}

static void arrow(outline *o)
{
	enum { T = UNIT * 34 / 100, H = UNIT * 84 / 100, N = UNIT / 12 };
	add(o, -UNIT, -T), add(o, N, -T), add(o, N, -H), add(o, UNIT * 11 / 10, 0), add(o, N, H), add(o, N, T), add(o, -UNIT, T);
}

/* In the order of the names in scenes_words.c. */
static void (*const outlines[ITR_SCENE_SHAPES])(outline *) = { circle,  square,  triangle, star,  heart,  ring,
	                                                       diamond, hexagon, crescent, cross, flower, arrow };

/* --- filling -------------------------------------------------------------------------------------------------------------------- */

struct row {
	int x[MAX_CROSS];
	int n;
};

static void cross_edge(struct row *rows, int n_rows, point a, point b)
{
	enum { STEP = 256 / SUB };
	if (a.y == b.y)
		return;
	if (a.y > b.y) {
		point t = a;
		a = b, b = t;
	}
	/* scan line k lies at k * STEP + STEP / 2; points above the mask do not occur (it has a margin) */
	for (int k = (a.y + STEP / 2 - 1) / STEP; k < n_rows && k * STEP + STEP / 2 < b.y; k++) {
		int y = k * STEP + STEP / 2;
		if (y < a.y)
			continue;
		if (rows[k].n == MAX_CROSS)
			ITR_BUG("an outline crosses a line more than %d times", MAX_CROSS);
		rows[k].x[rows[k].n++] = a.x + (int)((int64_t)(b.x - a.x) * (y - a.y) / (b.y - a.y));
	}
}

static void sort(int *x, int n)
{
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && x[j - 1] > x[j]; j--) {
			int t = x[j];
			x[j] = x[j - 1], x[j - 1] = t;
		}
}

/* Adds 256 / SUB for each whole pixel between a and b (256ths), less for the ends. */
static void add_span(int *cover, int a, int b)
{
	int first = a >> 8, last = b >> 8;
	if (first == last) {
		cover[first] += (b - a) / SUB;
		return;
	}
	cover[first] += (256 - (a & 255)) / SUB;
	for (int x = first + 1; x < last; x++)
		cover[x] += 256 / SUB;
	cover[last] += (b & 255) / SUB;
}

static void fill(mask *m, const outline *o)
{
	struct row *rows = itr_xcalloc((size_t)m->h * SUB, sizeof *rows);
	int *cover = itr_xmalloc((size_t)(m->w + 1) * sizeof *cover);
	for (int i = 0; i < o->n; i++) {
		int next = i + 1 == o->second ? 0 : i + 1 == o->n ? (o->second < o->n ? o->second : 0) : i + 1;
		cross_edge(rows, m->h * SUB, o->p[i], o->p[next]);
	}
	for (int y = 0; y < m->h; y++) {
		memset(cover, 0, (size_t)(m->w + 1) * sizeof *cover);
		for (int k = 0; k < SUB; k++) {
			struct row *r = &rows[y * SUB + k];
			sort(r->x, r->n);
			for (int i = 0; i + 1 < r->n; i += 2)
				add_span(cover, r->x[i], r->x[i + 1]);
		}
		for (int x = 0; x < m->w; x++)
			m->a[(size_t)y * (size_t)m->w + (size_t)x] = (uint8_t)ITR_MIN(cover[x], 255);
	}
	free(cover);
	free(rows);
}

/* The shape's outline on the canvas, in 256ths of a pixel. */
static void place_outline(outline *o, int shape, int cx, int cy, int radius, int angle)
{
	int c = scene_cos(angle), s = scene_sin(angle);
	o->n = 0;
	o->second = MAX_POINTS;
	outlines[shape](o);
	o->second = ITR_MIN(o->second, o->n);
	for (int i = 0; i < o->n; i++) {
		point p = o->p[i];
		o->p[i].x = cx + mul(radius, mul(p.x, c) - mul(p.y, s));
		o->p[i].y = cy + mul(radius, mul(p.x, s) + mul(p.y, c));
	}
}

void scene_shape_mask(mask *m, int shape, int cx, int cy, int radius, int angle, int margin)
{
	outline o;
	int lo_x = INT32_MAX, lo_y = INT32_MAX, hi_x = INT32_MIN, hi_y = INT32_MIN;
	place_outline(&o, shape, cx, cy, radius, angle);
	for (int i = 0; i < o.n; i++) {
		lo_x = ITR_MIN(lo_x, o.p[i].x), hi_x = ITR_MAX(hi_x, o.p[i].x);
		lo_y = ITR_MIN(lo_y, o.p[i].y), hi_y = ITR_MAX(hi_y, o.p[i].y);
	}
	m->x = (lo_x >> 8) - margin, m->y = (lo_y >> 8) - margin;
	m->w = (hi_x >> 8) + margin + 1 - m->x, m->h = (hi_y >> 8) + margin + 1 - m->y;
	m->a = itr_xmalloc((size_t)m->w * (size_t)m->h);
	for (int i = 0; i < o.n; i++)
		o.p[i].x -= m->x * 256, o.p[i].y -= m->y * 256;
	fill(m, &o);
}

static void print_pixels(itr_buf *b, int v, int size)
{
	v = scene_clamp(v, 0, size * 256);
	itr_buf_printf(b, "%d.%d", v >> 8, (v & 255) * 10 >> 8);
}

void scene_print_outline(itr_buf *b, const itr_scene_object *obj, int size)
{
	enum { MOST = 40 };
	outline o;
	place_outline(&o, obj->shape, scene_length(obj->x, size), scene_length(obj->y, size), scene_length(obj->radius, size), obj->angle);
	int step = (o.second + MOST - 1) / MOST;
	for (int i = 0; i < o.second; i += step) {
		if (i)
			itr_buf_putc(b, ',');
		print_pixels(b, o.p[i].x, size);
		itr_buf_putc(b, ',');
		print_pixels(b, o.p[i].y, size);
	}
}

/* --- blur ----------------------------------------------------------------------------------------------------------------------- */

/* Running mean of 2r+1 values along a line of n values that lie `step` apart. */
static void blur_line(uint8_t *a, int n, size_t step, int r, uint8_t *line)
{
	int sum = 0, width = 2 * r + 1, scale = (1 << 16) / width;
	for (int i = 0; i < n; i++)
		line[i] = a[(size_t)i * step];
	for (int i = 0; i < ITR_MIN(r, n); i++)
		sum += line[i];
	for (int i = 0; i < n; i++) {
		if (i + r < n)
			sum += line[i + r];
		if (i - r - 1 >= 0)
			sum -= line[i - r - 1];
		a[(size_t)i * step] = (uint8_t)(sum * scale >> 16);
	}
}

void scene_blur(mask *m, int radius, uint8_t *scratch)
{
	for (int pass = 0; pass < 2; pass++) {
		for (int y = 0; y < m->h; y++)
			blur_line(m->a + (size_t)y * (size_t)m->w, m->w, 1, radius, scratch);
		for (int x = 0; x < m->w; x++)
			blur_line(m->a + x, m->h, (size_t)m->w, radius, scratch);
	}
}
