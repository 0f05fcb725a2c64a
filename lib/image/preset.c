/* preset.c - geometry and normalisation of the presets; resize.c computes the pixels. */
#include "image/preset.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"

static const itr_preset presets[] = {
#define ITR_PRESET(name, resize, size, filter, crop, crop_rule, source, ...) \
	{ name, source, ITR_RESIZE_##resize, size, ITR_##filter, crop, ITR_CROP_##crop_rule, __VA_ARGS__ },
#include "image/presets.def"
#undef ITR_PRESET
};
enum { COUNT = sizeof presets / sizeof *presets };

int itr_preset_count(void) { return COUNT; }

const itr_preset *itr_preset_at(int i) { return i >= 0 && i < COUNT ? &presets[i] : NULL; }

const itr_preset *itr_preset_find(const char *name, itr_err *err)
{
	const char *names[COUNT];
	for (int i = 0; i < COUNT; i++) {
		if (!strcmp(presets[i].name, name))
			return &presets[i];
		names[i] = presets[i].name;
	}
	itr_err_set(err, "unknown preprocessing preset '%s': did you mean '%s'?", name, itr_nearest(name, names, COUNT));
	return NULL;
}

static int64_t longer_side(const itr_preset *p, int64_t shorter, int64_t longer)
{
	if (p->resize == ITR_RESIZE_ROUND)
		return (int64_t)rint((double)longer * ((double)p->size / (double)shorter));     /* Python's round: half to even */
	return p->size * longer / shorter;
}

static int first_of_crop(const itr_preset *p, int side)
{
	int slack = side - p->crop;
	return p->crop_rule == ITR_CROP_DOWN ? slack / 2 : (int)rint(slack / 2.0);
}

int itr_preset_geometry(const itr_preset *p, int width, int height, itr_preset_box *box, itr_err *err)
{
	int64_t w = width, h = height;
	if (p->resize == ITR_RESIZE_SQUASH) {
		w = h = p->size;
	} else if (p->resize != ITR_RESIZE_NONE) {
		w = width <= height ? p->size : longer_side(p, height, width);
		h = width <= height ? longer_side(p, width, height) : p->size;
	}
	if (w < p->crop || h < p->crop)
		return itr_err_set(err, "a picture of %d x %d pixels is smaller than the %d x %d of preset '%s', which does not resize",
		                   width, height, p->crop, p->crop, p->name);
	if (w > INT_MAX || h > INT_MAX)
		return itr_err_set(err, "a picture of %d x %d pixels is too narrow for preset '%s': its longer side would become %lld",
		                   width, height, p->name, (long long)ITR_MAX(w, h));
	*box = (itr_preset_box){ (int)w, (int)h, first_of_crop(p, (int)w), first_of_crop(p, (int)h) };
	return 0;
}

int itr_preset_crop(const itr_preset *p, const itr_image *img, itr_image *dst, itr_err *err)
{
	itr_preset_box b;
	if (itr_preset_geometry(p, img->width, img->height, &b, err) < 0)
		return -1;
	itr_image_resize_box(dst, img, b.width, b.height, p->filter, &(itr_box){ b.left, b.top, p->crop, p->crop });
	return 0;
}

/* ToTensor divides by 255, Normalize subtracts and divides, all in float32; transformers' rescale (a product in double, then rounded) gives
 * the same 256 values. */
static void value_table(const itr_preset *p, float table[3][256])
{
	for (int c = 0; c < 3; c++)
		for (int v = 0; v < 256; v++)
			table[c][v] = ((float)v / 255.0f - (float)p->mean[c]) / (float)p->std[c];
}

void itr_preset_values(const itr_preset *p, const uint8_t *rgb, float *out)
{
	float table[3][256];
	value_table(p, table);
	for (size_t i = 0, n = (size_t)p->crop * (size_t)p->crop; i < n; i++, rgb += 3, out += 3) {
		out[0] = table[0][rgb[0]];
		out[1] = table[1][rgb[1]];
		out[2] = table[2][rgb[2]];
	}
}

int itr_preset_apply(const itr_preset *p, const itr_image *img, float *out, itr_err *err)
{
	itr_image crop;
	if (itr_preset_crop(p, img, &crop, err) < 0)
		return -1;
	itr_preset_values(p, crop.rgb, out);
	itr_image_free(&crop);
	return 0;
}

const char *const itr_filter_names[] = { [ITR_BILINEAR] = "bilinear", [ITR_BICUBIC] = "bicubic", [ITR_BOX] = "box", NULL };

void itr_preset_describe(const itr_preset *p, char *buf, size_t n)
{
	static const char *const rule[] = {
		[ITR_RESIZE_FLOOR] = "shorter side", [ITR_RESIZE_ROUND] = "shorter side (rounded)", [ITR_RESIZE_SQUASH] = "both sides"
	};
	char resize[80] = "no resize";
	if (p->resize != ITR_RESIZE_NONE)
		snprintf(resize, sizeof resize, "%s to %d %s", rule[p->resize], p->size, itr_filter_names[p->filter]);
	snprintf(buf, n, "%s: %s, crop %d%s, mean %.9g %.9g %.9g, std %.9g %.9g %.9g", p->name, resize, p->crop,
	         p->crop_rule == ITR_CROP_DOWN ? " (rounded down)" : "", p->mean[0], p->mean[1], p->mean[2], p->std[0], p->std[1],
	         p->std[2]);
}
