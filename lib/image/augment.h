/* augment.h - random augmentation of training images, as torchvision.transforms on Pillow images: RandomResizedCrop, RandomHorizontalFlip,
 * ColorJitter without hue. For given random parameters the pixels equal Pillow's bit for bit.
 *
 * The random parameters depend only on default_rng([seed, epoch, row]), so neither threads nor the order of work change them.
 */
#ifndef ITR_IMAGE_AUGMENT_H
#define ITR_IMAGE_AUGMENT_H

#include "image/preset.h"

enum itr_augment_kinds { ITR_AUGMENT_FLIP = 1, ITR_AUGMENT_CROP = 2, ITR_AUGMENT_COLOUR = 4 };
extern const char *const itr_augment_names[]; /* "none", "flip", "crop" (crop and flip), "full" (crop, flip and colour), NULL */
unsigned itr_augment_kinds_of(int name);                /* index into the names -> bits of itr_augment_kinds */

typedef struct itr_augment {
	unsigned kinds;
	/* crop: area uniform in [scale_min, 1] of the image's area, aspect ratio log-uniform in [3/4, 4/3] */
	double scale_min;
	/* colour: factors of brightness, contrast, saturation are uniform in [1 - j, 1 + j] */
	double jitter[3];
} itr_augment;

/* The random parameters for one image. */
typedef struct itr_augment_draw {
	itr_box box;                     /* crop, in pixels of the image */
	bool flip;
	double factor[3];                /* brightness, contrast, saturation */
	int order[3];                    /* the order in which they are applied: 0 brightness, 1 contrast, 2 saturation */
} itr_augment_draw;
/* Draws the parameters for an image of width x height; may_flip false: no flip. */
void itr_augment_sample(const itr_augment *a, int width, int height, uint64_t seed, uint64_t epoch, uint64_t row, bool may_flip,
                        itr_augment_draw *d);

/* Applies them: dst (allocated here, the preset's crop x crop) = img cropped and resized with the preset's filter (without ITR_AUGMENT_CROP
 * as itr_preset_crop), then flipped, then colour jitter. Thread-safe. 0, or -1 with err as itr_preset_geometry. */
ITR_MUST_USE int itr_augment_apply(const itr_augment *a, const itr_augment_draw *d, const itr_preset *p, const itr_image *img,
                                   itr_image *dst, itr_err *err);

/* Pillow's ImageEnhance, in place: kind 0 brightness, 1 contrast, 2 saturation (Color). */
void itr_image_enhance(itr_image *img, int kind, double factor);
void itr_image_mirror(itr_image *img);           /* horizontal flip in place */

/* True when the caption has a word that a horizontal flip would make false: left, right, leftmost, rightmost, clockwise ... */
bool itr_caption_has_side(const char *text);

#endif
