/* image.h - 8-bit RGB images: decode, encode, resize. One buffer type: row-major, three bytes for each pixel, no padding. */
#ifndef ITR_IMAGE_IMAGE_H
#define ITR_IMAGE_IMAGE_H

#include "base/err.h"

typedef struct itr_image {
	int width, height;
	uint8_t *rgb;           /* (height, width, 3); free with itr_image_free */
} itr_image;

/* WHITE: Pillow's Image.alpha_composite(white, image.convert('RGBA')), bit for bit: (s*a + 255*(255-a)) / 255, rounded, after 16-bit
 * samples and alpha are reduced to 8 bits. DROP: Pillow's convert('RGB'), which keeps the colours of transparent pixels. */
typedef enum { ITR_ALPHA_WHITE, ITR_ALPHA_DROP } itr_alpha;
extern const char *const itr_alpha_names[];      /* "white" "drop" NULL */

typedef struct itr_decode_opts {
	itr_alpha alpha;
	bool exif;              /* rotate by EXIF or else XMP, like Pillow's ImageOps.exif_transpose (Pillow's open does not) */
	int64_t max_pixels;     /* 0: 178,956,970 (Pillow's limit against decompression bombs); larger: an error before allocation */
	/* > 0: decode a JPEG at the smallest of 1/2, 1/4 and 1/8 of its size whose sides are both at least this, as Pillow's draft: faster,
	 * with different pixels */
	int fast_side;
	int *warnings;          /* the number of harmless warnings of the decoder (tables in jpeg.c and png.c) is added; may be NULL */
} itr_decode_opts;

/* Reads JPEG (grey, CMYK/YCCK converted as in Pillow) and PNG (palette, LA, RGBA, grey, 16-bit >> 8, interlaced); the format is detected by
 * content. A truncated or corrupt file is an error. `where` names the source in messages. `o` may be NULL. img is allocated here. 0, or -1
 * with err. */
ITR_MUST_USE int itr_image_read(itr_image *img, const char *path, const itr_decode_opts *o, itr_err *err);
ITR_MUST_USE int itr_image_decode(itr_image *img, const void *bytes, size_t n, const char *where, const itr_decode_opts *o, itr_err *err);
/* Checks that a file is not truncated, with the same result as decoding, but it only searches its markers or chunks. Bytes after the end
 * are allowed. Other damage is found only by decoding. 0, or -1 with err. */
ITR_MUST_USE int itr_image_whole(const void *bytes, size_t n, const char *where, itr_err *err);
void itr_image_alloc(itr_image *img, int width, int height);       /* not zeroed; sizes must be positive */
void itr_image_free(itr_image *img);

/* Baseline JPEG, 4:2:0, standard tables: the same bytes on any machine for the same pixels (islow DCT). */
ITR_MUST_USE int itr_image_write_jpeg(const char *path, const itr_image *img, int quality, itr_err *err);
ITR_MUST_USE int itr_image_write_png(const char *path, const itr_image *img, itr_err *err);
ITR_MUST_USE int itr_image_encode_jpeg(const itr_image *img, int quality, uint8_t **bytes, size_t *n, itr_err *err);   /* *bytes: free() */

typedef enum { ITR_BILINEAR, ITR_BICUBIC, ITR_BOX } itr_filter;
/* Pillow's Image.resize with antialiasing, bit-exact (8-bit two-pass fixed point, bicubic a = -0.5). dst is allocated here; it must not be
 * src. The order of the passes is that of Pillow 13: horizontal first, unless the height shrinks by more than twice as many pixels as the
 * width (python-pillow/Pillow#9549). Up to Pillow 12 horizontal was always first; for such images single values differ by one. */
void itr_image_resize(itr_image *dst, const itr_image *src, int width, int height, itr_filter filter);
/* The same bytes as itr_image_resize followed by itr_image_crop of the box, which must be inside width x height; only the pixels of the box
 * are computed. */
typedef struct itr_box { int left, top, width, height; } itr_box;
void itr_image_resize_box(itr_image *dst, const itr_image *src, int width, int height, itr_filter filter, const itr_box *box);
void itr_image_crop(itr_image *dst, const itr_image *src, int left, int top, int width, int height);   /* outside = black */

#endif
