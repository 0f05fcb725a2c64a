#include "image/augment.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

const char *const itr_augment_names[] = { "none", "flip", "crop", "full", NULL };

unsigned itr_augment_kinds_of(int name)
{
	static const unsigned kinds[] = { 0, ITR_AUGMENT_FLIP, ITR_AUGMENT_CROP | ITR_AUGMENT_FLIP,
		                          ITR_AUGMENT_CROP | ITR_AUGMENT_FLIP | ITR_AUGMENT_COLOUR };
	return kinds[name];
}

/* --- draws ---------------------------------------------------------------------------------------------------------------------------- */

/* torchvision's RandomResizedCrop.get_params: ten tries, then the largest centred box of an allowed shape. */
static itr_box sample_box(itr_rng *r, double scale_min, int width, int height)
{
	const double area = (double)width * (double)height, low = log(3.0 / 4), high = log(4.0 / 3);
	for (int i = 0; i < 10; i++) {
		const double target = area * (scale_min + (1 - scale_min) * itr_rng_random(r)),
			     ratio = exp(low + (high - low) * itr_rng_random(r));
		const int w = (int)rint(sqrt(target * ratio)), h = (int)rint(sqrt(target / ratio));
		if (w > 0 && w <= width && h > 0 && h <= height) {
			const int top = (int)itr_rng_integers(r, 0, height - h + 1), left = (int)itr_rng_integers(r, 0, width - w + 1);
			return (itr_box){ left, top, w, h };
		}
	}
	const double shape = (double)width / (double)height;
	int w = width, h = height;
	if (shape < 3.0 / 4)
		h = (int)rint((double)w / (3.0 / 4));
	else if (shape > 4.0 / 3)
		w = (int)rint((double)h * (4.0 / 3));
	return (itr_box){ (width - w) / 2, (height - h) / 2, w, h };
}

void itr_augment_sample(const itr_augment *a, int width, int height, uint64_t seed, uint64_t epoch, uint64_t row, bool may_flip,
                        itr_augment_draw *d)
{
	itr_rng r;
	int64_t order[3];
	itr_rng_init(&r, (uint64_t[]){ seed, epoch, row }, 3);
	*d = (itr_augment_draw){ .box = { 0, 0, width, height }, .factor = { 1, 1, 1 }, .order = { 0, 1, 2 } };
	if (a->kinds & ITR_AUGMENT_CROP)
		d->box = sample_box(&r, a->scale_min, width, height);
	if (a->kinds & ITR_AUGMENT_FLIP)
		d->flip = itr_rng_random(&r) < 0.5 && may_flip;
	if (!(a->kinds & ITR_AUGMENT_COLOUR))
		return;
	itr_rng_permutation(&r, 3, order);
	for (int k = 0; k < 3; k++) {
		d->order[k] = (int)order[k];
		d->factor[k] = 1 + a->jitter[k] * (2 * itr_rng_random(&r) - 1);
	}
}

/* --- pixels --------------------------------------------------------------------------------------------------------------------------- */

void itr_image_mirror(itr_image *img)
{
	for (int y = 0; y < img->height; y++) {
		uint8_t *row = img->rgb + (size_t)y * (size_t)img->width * 3;
		for (int l = 0, r = img->width - 1; l < r; l++, r--)
			for (int c = 0; c < 3; c++) {
				const uint8_t keep = row[3 * l + c];
				row[3 * l + c] = row[3 * r + c];
				row[3 * r + c] = keep;
			}
	}
}

/* Luminance of a pixel, as Pillow's convert('L'). */
static inline int grey(const uint8_t *p) { return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16; }

/* Pillow's Image.blend of one value: truncated, not rounded, and clamped to 0..255. */
static inline uint8_t blend(int from, int to, float alpha)
{
	const float v = (float)from + alpha * (float)(to - from);
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* Blends with an image of one grey value, by a table. */
static void blend_grey(itr_image *img, int level, float alpha)
{
	uint8_t table[256];
	for (int v = 0; v < 256; v++)
		table[v] = blend(level, v, alpha);
	for (size_t i = 0, n = (size_t)img->width * (size_t)img->height * 3; i < n; i++)
		img->rgb[i] = table[img->rgb[i]];
}

void itr_image_enhance(itr_image *img, int kind, double factor)
{
	const size_t n = (size_t)img->width * (size_t)img->height;
	const float alpha = (float)factor;
	uint64_t sum = 0;
	if (kind == 0) {
		blend_grey(img, 0, alpha);
	} else if (kind == 1) {
		for (size_t i = 0; i < n; i++)
			sum += (uint64_t)grey(img->rgb + 3 * i);
		blend_grey(img, (int)((double)sum / (double)n + 0.5), alpha);
	} else {
		for (uint8_t *p = img->rgb; p < img->rgb + 3 * n; p += 3) {
			const int g = grey(p);
			for (int c = 0; c < 3; c++)
				p[c] = blend(g, p[c], alpha);
		}
	}
}

int itr_augment_apply(const itr_augment *a, const itr_augment_draw *d, const itr_preset *p, const itr_image *img, itr_image *dst,
                      itr_err *err)
{
	if (a->kinds & ITR_AUGMENT_CROP) {
		itr_image part;
		itr_image_crop(&part, img, d->box.left, d->box.top, d->box.width, d->box.height);
		itr_image_resize(dst, &part, p->crop, p->crop, p->filter);
		itr_image_free(&part);
	} else if (itr_preset_crop(p, img, dst, err) < 0) {
		return -1;
	}
	if (d->flip)
		itr_image_mirror(dst);
	for (int k = 0; k < 3 && a->kinds & ITR_AUGMENT_COLOUR; k++)
		itr_image_enhance(dst, d->order[k], d->factor[d->order[k]]);
	return 0;
}

/* --- captions ------------------------------------------------------------------------------------------------------------------------- */

static bool letter(char c) { return ((unsigned char)c | 0x20) >= 'a' && ((unsigned char)c | 0x20) <= 'z'; }

bool itr_caption_has_side(const char *text)
{
	static const char *const words[] = { "left",          "right",     "leftmost",  "rightmost",  "lefthand",  "righthand",
		                             "leftward",      "rightward", "leftwards", "rightwards", "clockwise", "counterclockwise",
		                             "anticlockwise", "east",      "west" };
	while (*text) {
		size_t n = 0;
		while (letter(text[n]))
			n++;
		for (int w = 0; n && w < ITR_LEN(words); w++) {
			size_t k = 0;
			while (k < n && words[w][k] && (text[k] | 0x20) == words[w][k])
				k++;
			if (k == n && !words[w][k])
				return true;
		}
		text += n + !n;
	}
	return false;
}
