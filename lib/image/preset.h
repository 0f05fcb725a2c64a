/* preset.h - what the public encoders expect of a picture: resize, centre crop, normalise. One line of presets.def each; every preset
 * states the library whose numbers it reproduces bit for bit (the resize is Pillow's, the values are that library's float32 arithmetic).
 */
#ifndef ITR_IMAGE_PRESET_H
#define ITR_IMAGE_PRESET_H

#include "image/image.h"
#include "io/json.h"

/* How the resized size follows from the picture's. FLOOR: shorter side = size, the other int(size * longer / shorter) (torchvision, timm,
 * transformers). ROUND: the other round(longer * (size / shorter)), half to even (open_clip's and most Pillow recipes). SQUASH: both =
 * size, the shape is lost. NONE: not resized. */
typedef enum { ITR_RESIZE_FLOOR, ITR_RESIZE_ROUND, ITR_RESIZE_SQUASH, ITR_RESIZE_NONE } itr_resize_rule;
/* First row and column of the crop: HALF_EVEN int(round((n - crop) / 2.0)) as torchvision, DOWN (n - crop) // 2 as transformers. */
typedef enum { ITR_CROP_HALF_EVEN, ITR_CROP_DOWN } itr_crop_rule;

extern const char *const itr_filter_names[];            /* by itr_filter: "bilinear" ..., ending in NULL */

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
/* NULL with err, which names the nearest known one. */
const itr_preset *itr_preset_find(const char *name, itr_err *err);

/* Where the crop lies in the resized picture: width x height after the resize, first column and row of the crop. 0, or -1 with err (without
 * a resize, a picture smaller than the crop; a resized side beyond INT_MAX). */
typedef struct itr_preset_box { int width, height, left, top; } itr_preset_box;
ITR_MUST_USE int itr_preset_geometry(const itr_preset *p, int width, int height, itr_preset_box *box, itr_err *err);

/* img -> out (crop, crop, 3), NHWC float32: (u8/255 - mean) / std. Only what the crop needs is resized; the bytes are those of the whole
 * resize, cropped. Thread-safe. 0, or -1 with err as itr_preset_geometry. */
ITR_MUST_USE int itr_preset_apply(const itr_preset *p, const itr_image *img, float *out, itr_err *err);
/* The same without the last step: the 8-bit crop, for an encoder that normalises inside its first layer. dst is allocated. */
ITR_MUST_USE int itr_preset_crop(const itr_preset *p, const itr_image *img, itr_image *dst, itr_err *err);

/* That last step alone: (crop, crop, 3) bytes -> floats. */
void itr_preset_values(const itr_preset *p, const uint8_t *rgb, float *out);

/* Preprocessing as publishers write it beside their weights: timm's `pretrained_cfg` (config.json), transformers' preprocessor_config.json,
 * open_clip's `preprocess_cfg` (open_clip_config.json). `base`: what the tower takes otherwise: open_clip's and transformers' files may
 * leave things out. 0 and *out, whose name and source are static; -1 with err for what is not built (another filter, padding, oblong
 * pictures, another scale of values, a processor with other steps), by its key. */
typedef enum { ITR_PUBLISHED_TIMM, ITR_PUBLISHED_TRANSFORMERS, ITR_PUBLISHED_OPEN_CLIP } itr_publisher;
ITR_MUST_USE int itr_preset_published(itr_publisher by, const itr_json *config, const itr_preset *base, itr_preset *out, itr_err *err);
/* The preset of the table that gives the same numbers for every picture; NULL: there is none. */
const itr_preset *itr_preset_like(const itr_preset *p);
/* A preset that is not in the table, as a model file keeps it; and back: 0, or -1 with err for what is no preset. The caller frees the
 * JSON. */
itr_json *itr_preset_json(const itr_preset *p);
ITR_MUST_USE int itr_preset_from_json(const itr_json *j, itr_preset *out, itr_err *err);

/* What is stored beside the vectors (under 200 bytes): "clip: shorter side to 224 bicubic, crop 224 (rounded down), mean 0.48145466 ...,
 * std ...". */
void itr_preset_describe(const itr_preset *p, char *buf, size_t n);

#endif
