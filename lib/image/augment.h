/* augment.h - a training picture changed at random: random resized crop, mirror, colour jitter, as torchvision.transforms does them on
 * Pillow pictures (RandomResizedCrop, RandomHorizontalFlip, ColorJitter without hue); the pixels that a given draw leads to are Pillow's,
 * bit for bit.
 *
 * A draw comes from default_rng([seed, epoch, row]) alone: neither threads nor the order of work can change it.
 */
#ifndef ITR_IMAGE_AUGMENT_H
#define ITR_IMAGE_AUGMENT_H

#include "image/preset.h"

enum itr_augment_kinds { ITR_AUGMENT_FLIP = 1, ITR_AUGMENT_CROP = 2, ITR_AUGMENT_COLOUR = 4 };
extern const char *const itr_augment_names[]; /* "none" "flip" "crop" "full" NULL: nothing; mirror; crop and mirror; those and colours */
unsigned itr_augment_kinds_of(int name);                /* index into the names -> kinds */

typedef struct itr_augment {
	unsigned kinds;
	/* crop: its area is uniform in [scale_min, 1] of the picture's, its shape log-uniform in [3/4, 4/3] */
	double scale_min;
	/* colour: brightness, contrast, saturation are each multiplied by a factor uniform in [1 - j, 1 + j] */
	double jitter[3];
} itr_augment;

/* What was drawn for one picture. */
typedef struct itr_augment_draw {
	itr_box box;                     /* crop, in the picture's pixels */
	bool flip;
	double factor[3];
	int order[3];                    /* 0 brightness, 1 contrast, 2 saturation */
} itr_augment_draw;
void itr_augment_sample(const itr_augment *a, int width, int height, uint64_t seed, uint64_t epoch, uint64_t row, bool may_flip,
                        itr_augment_draw *d);

/* img -> dst, allocated, of the preset's crop x crop: cropped by the draw and resized with the preset's filter (without ITR_AUGMENT_CROP:
 * as itr_preset_crop), mirrored, coloured. Thread-safe. 0, or -1 with err as itr_preset_geometry. */
ITR_MUST_USE int itr_augment_apply(const itr_augment *a, const itr_augment_draw *d, const itr_preset *p, const itr_image *img,
                                   itr_image *dst, itr_err *err);

/* Pillow's ImageEnhance on pixels in place: kind 0 brightness, 1 contrast, 2 saturation (Color). */
void itr_image_enhance(itr_image *img, int kind, double factor);
void itr_image_mirror(itr_image *img);

/* Has the caption a word that a mirror would make false: left, right, leftmost, rightmost, clockwise ...? */
bool itr_caption_has_side(const char *text);

#endif
