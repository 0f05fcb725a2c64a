/* resize.c - Pillow's antialiased resampling (libImaging/Resample.c, 8 bits per channel), bit for bit: double coefficients normalised to
 * sum 1, rounded to 22-bit fixed point, two passes, each rounded and clipped to 8 bits. Only the pixels that the box needs are computed.
 * The intermediate image is a ring buffer with as many rows as the second pass needs, so that it stays in cache for any image size. The
 * inner loops are kernels (resize_kernel.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "image/image.h"
#include "image/resize_kernel.h"

enum { LINES = 4 };     /* rows that a kernel's `across` computes at a time */

struct filter {
	double (*weight)(double x);
	double support;
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

/* --- weights -------------------------------------------------------------------------------------------------------------------------- */

static const itr_resize_kernel *best_kernel(void)
{
	unsigned cpu = itr_cpu_features();
#if defined(__x86_64__)
	return cpu & ITR_CPU_AVX512_VNNI ? &itr_resize_avx512vnni : cpu & ITR_CPU_AVX2 ? &itr_resize_avx2 : &itr_resize_scalar;
#elif defined(__aarch64__)
	return cpu & ITR_CPU_NEON ? &itr_resize_neon : &itr_resize_scalar;
#else
	return (void)cpu, &itr_resize_scalar;
#endif
}

/* Weights w of one output; returns their number. */
static int taps_of(int i, int in, double scale, const struct filter *f, int *first, double *w)
{
	double stretch = ITR_MAX(scale, 1.0), support = f->support * stretch, inverse = 1.0 / stretch, center = (i + 0.5) * scale, sum = 0;
	int lo = ITR_MAX((int)(center - support + 0.5), 0);
	int n = ITR_MIN((int)(center + support + 0.5), in) - lo;
	for (int t = 0; w && t < n; t++) {
		w[t] = f->weight((t + lo - center + 0.5) * inverse);
		sum += w[t];
	}
	for (int t = 0; w && t < n; t++)
		w[t] = (sum != 0 ? w[t] / sum : w[t]) * (1 << ITR_RESIZE_BITS);
	*first = lo;
	return n;
}

/* Weights of outputs [at, at + n) of an axis that takes `in` samples to `out`. */
static void axis_init(itr_resize_axis *a, int in, int out, int at, int n, const struct filter *f, const itr_resize_kernel *kern)
{
	double scale = (double)in / out;
	a->n = n;
	a->words = kern->words;
	a->first = itr_xcalloc((size_t)n, sizeof *a->first);
	a->count = itr_xcalloc((size_t)n, sizeof *a->count);
	a->groups = itr_xcalloc((size_t)n, sizeof *a->groups);
	a->taps = 4;
	for (int i = 0; i < n; i++) {
		a->count[i] = taps_of(at + i, in, scale, f, &a->first[i], NULL);
		a->taps = ITR_MAX(a->taps, (a->count[i] + 3) / 4 * 4);
	}
	for (int i = 0; i < n; i++)
		for (int j = i & ~3; j < ITR_MIN((i & ~3) + 4, n); j++)
			a->groups[i] = ITR_MAX(a->groups[i], (a->count[j] + 3) / 4);
	a->k = itr_xcalloc((size_t)n * (size_t)(a->taps / 4), (size_t)kern->words * sizeof *a->k);
	double *w = itr_xcalloc((size_t)a->taps, sizeof *w);
	for (int i = 0; i < n; i++) {
		int32_t *k = a->k + (size_t)i * (size_t)(a->taps / 4) * (size_t)a->words;
		taps_of(at + i, in, scale, f, &a->first[i], w);
		for (int t = 0; t < 4 * a->groups[i]; t += 4, k += a->words) {
			int32_t four[4] = { 0 };
			for (int j = 0; j < 4 && t + j < a->count[i]; j++)
				four[j] = (int32_t)(w[t + j] < 0 ? w[t + j] - 0.5 : w[t + j] + 0.5);
			kern->pack(k, four);
		}
	}
	free(w);
}

static void axis_free(itr_resize_axis *a)
{
	free(a->first);
	free(a->count);
	free(a->groups);
	free(a->k);
}

/* --- scalar kernel: the reference ----------------------------------------------------------------------------------------------------- */

static inline uint8_t clip8(int32_t v)
{
	v >>= ITR_RESIZE_BITS;
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void pack(int32_t *to, const int32_t *taps4) { memcpy(to, taps4, 4 * sizeof *to); }

static void across(uint8_t *const to[4], const uint8_t *const from[4], const itr_resize_axis *a)
{
	const int32_t half = 1 << (ITR_RESIZE_BITS - 1);
	for (int line = 0; line < LINES; line++)
		for (int x = 0; x < a->n; x++) {
			const uint8_t *p = from[line] + (size_t)a->first[x] * 3;
			const int32_t *k = itr_resize_weights(a, x);
			int32_t r = half, g = half, b = half;
			for (int t = 0; t < a->count[x]; t++, p += 3) {
				r += p[0] * k[t];
				g += p[1] * k[t];
				b += p[2] * k[t];
			}
			to[line][3 * x] = clip8(r);
			to[line][3 * x + 1] = clip8(g);
			to[line][3 * x + 2] = clip8(b);
		}
}

static void down(uint8_t *to, const uint8_t *const *rows, size_t n, const itr_resize_axis *a, int i)
{
	enum { BLOCK = 64 };            /* of constant length so that the compiler vectorises them */
	const int32_t half = 1 << (ITR_RESIZE_BITS - 1), *k = itr_resize_weights(a, i);
	for (size_t at = 0; at < n; at += BLOCK) {
		int32_t acc[BLOCK];
		size_t m = ITR_MIN(n - at, (size_t)BLOCK);
		for (int b = 0; b < BLOCK; b++)
			acc[b] = half;
		for (int t = 0; t < a->count[i]; t++)
			for (size_t b = 0; b < m; b++)
				acc[b] += rows[t][at + b] * k[t];
		for (size_t b = 0; b < m; b++)
			to[at + b] = clip8(acc[b]);
	}
}

const itr_resize_kernel itr_resize_scalar = { "scalar", 4, pack, across, down };

/* --- passes --------------------------------------------------------------------------------------------------------------------------- */

/* The input of a pass: rows of `width` pixels from `from` on. The kernels read some bytes beyond the end of a row, so the last rows are
 * copied to memory with slack. */
struct source {
	const uint8_t *from, *end;
	size_t stride;
	uint8_t *copy;                  /* LINES rows, with slack after each */
	size_t copy_stride;
};

static void source_init(struct source *s, const itr_image *img, int taps)
{
	s->stride = (size_t)img->width * 3;
	s->from = img->rgb;
	s->end = img->rgb + s->stride * (size_t)img->height;
	s->copy_stride = s->stride + 3 * (size_t)taps + ITR_RESIZE_SLACK;
	s->copy = itr_xcalloc(LINES, s->copy_stride);
}

static void source_lines(const struct source *s, int y, int n, const uint8_t *lines[LINES])
{
	for (int i = 0; i < LINES; i++) {
		lines[i] = i < n ? s->from + s->stride * (size_t)(y + i) : lines[n - 1];
		if (i < n && (size_t)(s->end - lines[i]) < s->copy_stride)
			lines[i] = memcpy(s->copy + (size_t)i * s->copy_stride, lines[i], s->stride);
	}
}

/* The axes of one call, restricted to the wanted box. */
struct job {
	const itr_resize_kernel *kern;
	const itr_image *src;
	itr_image *dst;
	itr_resize_axis x, y;
};

static uint8_t *dst_row(const struct job *j, int y) { return j->dst->rgb + (size_t)y * (size_t)j->dst->width * 3; }

static void only_across(const struct job *j, int top)
{
	struct source s;
	source_init(&s, j->src, j->x.taps);
	for (int y = 0; y < j->dst->height; y += LINES) {
		const uint8_t *from[LINES];
		uint8_t *to[LINES];
		int n = ITR_MIN(LINES, j->dst->height - y);
		source_lines(&s, top + y, n, from);
		for (int i = 0; i < LINES; i++)
			to[i] = dst_row(j, y + ITR_MIN(i, n - 1));
		j->kern->across(to, from, &j->x);
	}
	free(s.copy);
}

/* Output row i of the vertical pass from rows row(t) of its input. Missing rows of a group have weight zero, so any row can be read for
 * them. */
static void only_down(const struct job *j, uint8_t *to, int i, const uint8_t **rows, int left, int width)
{
	const itr_resize_axis *a = &j->y;
	for (int t = 0; t < 4 * a->groups[i]; t++)
		rows[t] = j->src->rgb + ((size_t)(a->first[i] + ITR_MIN(t, a->count[i] - 1)) * (size_t)j->src->width + (size_t)left) * 3;
	j->kern->down(to, rows, (size_t)width * 3, a, i);
}

static void across_then_down(const struct job *j)
{
	struct source s;
	const itr_resize_axis *a = &j->y;
	int keep = a->taps + LINES, have = a->first[0], last = a->first[a->n - 1] + a->count[a->n - 1];
	size_t stride = (size_t)j->x.n * 3;
	uint8_t *ring = itr_xmalloc(stride * (size_t)keep);
	const uint8_t **rows = itr_xcalloc((size_t)a->taps, sizeof *rows);
	source_init(&s, j->src, j->x.taps);
	for (int y = 0; y < a->n; y++) {
		while (have < a->first[y] + a->count[y]) {
			const uint8_t *from[LINES];
			uint8_t *to[LINES];
			int n = ITR_MIN(LINES, last - have);
			source_lines(&s, have, n, from);
			for (int i = 0; i < LINES; i++)
				to[i] = ring + (size_t)((have + ITR_MIN(i, n - 1)) % keep) * stride;
			j->kern->across(to, from, &j->x);
			have += n;
		}
		for (int t = 0; t < 4 * a->groups[y]; t++)
			rows[t] = ring + (size_t)((a->first[y] + ITR_MIN(t, a->count[y] - 1)) % keep) * stride;
		j->kern->down(dst_row(j, y), rows, stride, a, y);
	}
	free(ring);
	free(rows);
	free(s.copy);
}

/* The second pass reads only columns [left, left + width) of the source. */
static void down_then_across(struct job *j)
{
	int left = j->x.first[0], right = 0;
	for (int x = 0; x < j->x.n; x++)
		right = ITR_MAX(right, j->x.first[x] + j->x.count[x]);
	size_t stride = (size_t)(right - left) * 3 + 3 * (size_t)j->x.taps + ITR_RESIZE_SLACK;
	uint8_t *between = itr_xcalloc(LINES, stride);
	const uint8_t **rows = itr_xcalloc((size_t)j->y.taps, sizeof *rows);
	for (int x = 0; x < j->x.n; x++)
		j->x.first[x] -= left;
	for (int y = 0; y < j->y.n; y += LINES) {
		const uint8_t *from[LINES];
		uint8_t *to[LINES];
		int n = ITR_MIN(LINES, j->y.n - y);
		for (int i = 0; i < LINES; i++) {
			uint8_t *line = between + (size_t)ITR_MIN(i, n - 1) * stride;
			if (i < n)
				only_down(j, line, y + i, rows, left, right - left);
			from[i] = line;
			to[i] = dst_row(j, y + ITR_MIN(i, n - 1));
		}
		j->kern->across(to, from, &j->x);
	}
	free(between);
	free(rows);
}

void itr_resize_run(itr_image *dst, const itr_image *src, int width, int height, itr_filter filter, const itr_box *box,
                    const itr_resize_kernel *kern)
{
	struct job j = { .kern = kern, .src = src, .dst = dst };
	const struct filter *f = &filters[filter];
	itr_image_alloc(dst, box->width, box->height);
	if (width != src->width)
		axis_init(&j.x, src->width, width, box->left, box->width, f, kern);
	if (height != src->height)
		axis_init(&j.y, src->height, height, box->top, box->height, f, kern);
	if (width == src->width) {
		const uint8_t **rows = itr_xcalloc((size_t)j.y.taps, sizeof *rows);
		for (int y = 0; y < box->height; y++)
			only_down(&j, dst_row(&j, y), y, rows, box->left, box->width);
		free(rows);
	} else if (height == src->height) {
		only_across(&j, box->top);
	} else if (src->height > height && (int64_t)src->height - height > 2 * ((int64_t)src->width - width)) {
		down_then_across(&j);   /* Pillow 13 (python-pillow/Pillow#9549); up to 12 the horizontal pass was always the first */
	} else {
		across_then_down(&j);
	}
	axis_free(&j.x);
	axis_free(&j.y);
}

void itr_image_resize_box(itr_image *dst, const itr_image *src, int width, int height, itr_filter filter, const itr_box *box)
{
	if (width <= 0 || height <= 0 || (unsigned)filter >= sizeof filters / sizeof *filters)
		ITR_BUG("itr_image_resize: to %d x %d, filter %d", width, height, (int)filter);
	if (box->left < 0 || box->top < 0 || box->width <= 0 || box->height <= 0 || box->width > width - box->left ||
	    box->height > height - box->top)
		ITR_BUG("itr_image_resize_box: box %d x %d at %d, %d of %d x %d", box->width, box->height, box->left, box->top, width,
		        height);
	if (width == src->width && height == src->height)
		itr_image_crop(dst, src, box->left, box->top, box->width, box->height);
	else
		itr_resize_run(dst, src, width, height, filter, box, best_kernel());
}

void itr_image_resize(itr_image *dst, const itr_image *src, int width, int height, itr_filter filter)
{
	itr_image_resize_box(dst, src, width, height, filter, &(itr_box){ 0, 0, width, height });
}
