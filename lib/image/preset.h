/* preset.h - preprocessing of images for public encoders: resize, centre crop, normalise. One line of presets.def for each. Every preset
 * names the library whose numbers it reproduces bit for bit (resize as in Pillow, then that library's float32 arithmetic).
 */
#ifndef ITR_IMAGE_PRESET_H
#define ITR_IMAGE_PRESET_H

#include "image/image.h"
#include "io/json.h"

/* The size after the resize. FLOOR: shorter side = size, longer side = int(size * longer / shorter) (torchvision, timm, transformers).
 * ROUND: longer side = round(longer * (size / shorter)), half to even (open_clip and most Pillow recipes). SQUASH: both sides = size, the
 * aspect ratio is not kept. NONE: no resize. */
typedef enum { ITR_RESIZE_FLOOR, ITR_RESIZE_ROUND, ITR_RESIZE_SQUASH, ITR_RESIZE_NONE } itr_resize_rule;
/* First row and column of the crop: HALF_EVEN int(round((n - crop) / 2.0)) as torchvision, DOWN (n - crop) // 2 as transformers. */
typedef enum { ITR_CROP_HALF_EVEN, ITR_CROP_DOWN } itr_crop_rule;

extern const char *const itr_filter_names[];            /* "bilinear" "bicubic" "box" NULL, by itr_filter */

typedef struct itr_preset {
	const char *name, *source;      /* "clip"; the code whose numbers it reproduces */
	itr_resize_rule resize;
	int size;
	itr_filter filter;
	int crop;                       /* the result is crop x crop */
	itr_crop_rule crop_rule;
	double mean[3], std[3];
} itr_preset;

/* The table, in file order. */
int itr_preset_count(void);
const itr_preset *itr_preset_at(int i);
/* The preset of this name; NULL with err, which contains the nearest known name. */
const itr_preset *itr_preset_find(const char *name, itr_err *err);

/* Position of the crop for an image of width x height: box has the size after the resize and the first column and row of the crop. 0, or -1
 * with err: an image smaller than the crop when it is not resized, or a side beyond INT_MAX. */
typedef struct itr_preset_box { int width, height, left, top; } itr_preset_box;
ITR_MUST_USE int itr_preset_geometry(const itr_preset *p, int width, int height, itr_preset_box *box, itr_err *err);

/* img -> out (crop, crop, 3), NHWC float32: (u8/255 - mean) / std. Only the pixels of the crop are computed. Thread-safe. 0, or -1 with err
 * as itr_preset_geometry. */
ITR_MUST_USE int itr_preset_apply(const itr_preset *p, const itr_image *img, float *out, itr_err *err);
/* The same without normalisation: the 8-bit crop, for an encoder that normalises inside its first layer. dst is allocated here. */
ITR_MUST_USE int itr_preset_crop(const itr_preset *p, const itr_image *img, itr_image *dst, itr_err *err);

/* Only the normalisation: rgb (crop, crop, 3) bytes -> out (crop, crop, 3) floats. */
void itr_preset_values(const itr_preset *p, const uint8_t *rgb, float *out);

/* Reads the preprocessing from a published configuration: timm's `pretrained_cfg` (config.json), transformers' preprocessor_config.json,
 * open_clip's `preprocess_cfg` (open_clip_config.json). `base`: the preset for values that the file does not give. 0 with *out, whose name
 * and source are static strings; -1 with err, which names the key, for an unsupported setting (another filter, padding, images that are not
 * square, another scale of values, a processor with other steps). */
typedef enum { ITR_PUBLISHED_TIMM, ITR_PUBLISHED_TRANSFORMERS, ITR_PUBLISHED_OPEN_CLIP } itr_publisher;
ITR_MUST_USE int itr_preset_published(itr_publisher by, const itr_json *config, const itr_preset *base, itr_preset *out, itr_err *err);
/* The preset of the table that gives the same numbers as p for every image; NULL when there is none. */
const itr_preset *itr_preset_like(const itr_preset *p);
/* A preset as JSON, for model files with a preset that is not in the table; the caller frees. And back: 0, or -1 with err when j is not a
 * preset. */
itr_json *itr_preset_json(const itr_preset *p);
ITR_MUST_USE int itr_preset_from_json(const itr_json *j, itr_preset *out, itr_err *err);

/* A description for feature files (under 200 bytes): "clip: shorter side to 224 bicubic, crop 224 (rounded down), mean 0.48145466 ..., std
 * ...". */
void itr_preset_describe(const itr_preset *p, char *buf, size_t n);

#endif
