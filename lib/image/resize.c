/* resize.c - Pillow's antialiased resampling (libImaging/Resample.c, 8 bits per channel), bit for bit: double coefficients normalised to sum 1, rounded to
 * 22-bit fixed point, two passes, each rounded and clipped to 8 bits. Only the rows that the vertical pass reads are resampled horizontally. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "image/image.h"

enum { PRECISION_BITS = 32 - 8 - 2, BLOCK = 64 };

struct filter {
	double (*weight)(double x);
	double support;
};

/* One axis: output i is the sum of k[i * taps + t] * input[first[i] + t], t < count[i]. */
struct axis {
	int *first, *count;
	int32_t *k;
	int taps;
};

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

static double bilinear(double x)
{
	x = fabs(x);
	return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
	const double a = -0.5;
	x = fabs(x);
	if (x < 1.0)
		return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
	if (x < 2.0)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0.0;
}

static const struct filter filters[] = {
	[ITR_BILINEAR] = { bilinear, 1.0 },
	[ITR_BICUBIC] = { bicubic, 2.0 },
	[ITR_BOX] = { box, 0.5 },
};

static void axis_init(struct axis *a, int in, int out, const struct filter *f)
{
	double scale = (double)in / out, stretch = ITR_MAX(scale, 1.0), support = f->support * stretch, inverse = 1.0 / stretch;
	a->taps = (int)ceil(support) * 2 + 1;
	a->first = itr_xcalloc((size_t)out, sizeof *a->first);
	a->count = itr_xcalloc((size_t)out, sizeof *a->count);
	a->k = itr_xcalloc((size_t)out * (size_t)a->taps, sizeof *a->k);
	double *w = itr_xcalloc((size_t)a->taps, sizeof *w);
	for (int i = 0; i < out; i++) {
		double center = (i + 0.5) * scale, sum = 0;
		int lo = ITR_MAX((int)(center - support + 0.5), 0);
		int n = ITR_MIN((int)(center + support + 0.5), in) - lo;
		for (int t = 0; t < n; t++) {
			w[t] = f->weight((t + lo - center + 0.5) * inverse);
			sum += w[t];
		}
		for (int t = 0; t < n; t++) {
			double v = (sum != 0 ? w[t] / sum : w[t]) * (1 << PRECISION_BITS);
			a->k[(size_t)i * (size_t)a->taps + (size_t)t] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
		}
		a->first[i] = lo;
		a->count[i] = n;
	}
	free(w);
}

static void axis_free(struct axis *a)
{
	free(a->first);
	free(a->count);
	free(a->k);
}

static inline uint8_t clip8(int32_t v)
{
	v >>= PRECISION_BITS;
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void horizontal_row(uint8_t *to, const uint8_t *from, int width, const struct axis *a)
{
	const int32_t half = 1 << (PRECISION_BITS - 1);
	for (int x = 0; x < width; x++, to += 3) {
		const uint8_t *p = from + (size_t)a->first[x] * 3;
		const int32_t *k = a->k + (size_t)x * (size_t)a->taps;
		int32_t r = half, g = half, b = half;
		for (int t = 0; t < a->count[x]; t++, p += 3) {
			r += p[0] * k[t];
			g += p[1] * k[t];
			b += p[2] * k[t];
		}
		to[0] = clip8(r);
		to[1] = clip8(g);
		to[2] = clip8(b);
	}
}

/* One output row from `count` input rows, in blocks of constant length so that the compiler vectorises them. */
static void vertical_row(uint8_t *to, const uint8_t *from, size_t stride, const int32_t *k, int count)
{
	const int32_t half = 1 << (PRECISION_BITS - 1);
	int32_t acc[BLOCK];
	size_t at = 0;
	for (; at + BLOCK <= stride; at += BLOCK) {
		for (int i = 0; i < BLOCK; i++)
			acc[i] = half;
		for (int t = 0; t < count; t++) {
			const uint8_t *p = from + (size_t)t * stride + at;
			const int32_t kt = k[t];
			for (int i = 0; i < BLOCK; i++)
				acc[i] += p[i] * kt;
		}
		for (int i = 0; i < BLOCK; i++)
			to[at + (size_t)i] = clip8(acc[i]);
	}
	for (; at < stride; at++) {
		int32_t s = half;
		for (int t = 0; t < count; t++)
			s += from[(size_t)t * stride + at] * k[t];
		to[at] = clip8(s);
	}
}

/* Rows [top, top + rows) of src, resampled to `width`. */
static void horizontal_pass(itr_image *dst, const itr_image *src, int top, int rows, int width, const struct filter *f)
{
	struct axis a;
	axis_init(&a, src->width, width, f);
	itr_image_alloc(dst, width, rows);
	for (int y = 0; y < rows; y++)
		horizontal_row(dst->rgb + (size_t)y * (size_t)width * 3, src->rgb + (size_t)(y + top) * (size_t)src->width * 3, width, &a);
	axis_free(&a);
}

/* src holds the rows from `top` on of the picture that `a` was made for. */
static void vertical_pass(itr_image *dst, const itr_image *src, int top, int height, const struct axis *a)
{
	size_t stride = (size_t)src->width * 3;
	itr_image_alloc(dst, src->width, height);
	for (int y = 0; y < height; y++)
		vertical_row(dst->rgb + (size_t)y * stride, src->rgb + (size_t)(a->first[y] - top) * stride, stride, a->k + (size_t)y * (size_t)a->taps, a->count[y]);
}

static void resize_both(itr_image *dst, const itr_image *src, int width, int height, const struct filter *f)
{
	struct axis a;
	itr_image between;
	axis_init(&a, src->height, height, f);
	/* Pillow 13 (python-pillow/Pillow#9549); up to 12 the horizontal pass was always the first */
	if (src->height > height && (int64_t)src->height - height > 2 * ((int64_t)src->width - width)) {
		vertical_pass(&between, src, 0, height, &a);
		horizontal_pass(dst, &between, 0, height, width, f);
	} else {
		int top = a.first[0], end = a.first[height - 1] + a.count[height - 1];
		horizontal_pass(&between, src, top, end - top, width, f);
		vertical_pass(dst, &between, top, height, &a);
	}
	itr_image_free(&between);
	axis_free(&a);
}

void itr_image_resize_box(itr_image *dst, const itr_image *src, int width, int height, itr_filter filter, const itr_box *box)
{
	itr_image whole;
	itr_image_resize(&whole, src, width, height, filter);
	itr_image_crop(dst, &whole, box->left, box->top, box->width, box->height);
	itr_image_free(&whole);
}

void itr_image_resize(itr_image *dst, const itr_image *src, int width, int height, itr_filter filter)
{
	if (width <= 0 || height <= 0 || (unsigned)filter >= sizeof filters / sizeof *filters)
		ITR_BUG("itr_image_resize: to %d x %d, filter %d", width, height, (int)filter);
	const struct filter *f = &filters[filter];
	if (width != src->width && height != src->height) {
		resize_both(dst, src, width, height, f);
	} else if (width != src->width) {
		horizontal_pass(dst, src, 0, height, width, f);
	} else if (height != src->height) {
		struct axis a;
		axis_init(&a, src->height, height, f);
		vertical_pass(dst, src, 0, height, &a);
		axis_free(&a);
	} else {
		itr_image_alloc(dst, width, height);
		memcpy(dst->rgb, src->rgb, (size_t)width * (size_t)height * 3);
	}
}
