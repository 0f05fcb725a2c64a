/* codec.h - internal interface between image.c and the two decoders. Each decoder checks the size in the header with itr_codec_check before
 * it allocates. Its error message starts with `where`, and img is unchanged after an error. */
#ifndef ITR_IMAGE_CODEC_H
#define ITR_IMAGE_CODEC_H

#include <stdio.h>

#include "image/image.h"

typedef struct itr_codec_in {
	const uint8_t *bytes;
	size_t n;
	const char *where;
	itr_alpha alpha;
	bool exif;
	int64_t max_pixels;
	int fast_side;          /* as in itr_decode_opts */
	int warnings;           /* out */
	int orientation;        /* out: 1..8; another value, and when `exif` is false: do not rotate */
} itr_codec_in;

typedef enum { ITR_PICTURE_OTHER, ITR_PICTURE_JPEG, ITR_PICTURE_PNG } itr_picture_kind;
itr_picture_kind itr_picture_kind_of(const uint8_t *bytes, size_t n);      /* by the first bytes */

ITR_MUST_USE int itr_codec_check(const itr_codec_in *in, int64_t width, int64_t height, itr_err *err);
ITR_MUST_USE int itr_jpeg_decode(itr_image *img, itr_codec_in *in, itr_err *err);
ITR_MUST_USE int itr_png_decode(itr_image *img, itr_codec_in *in, itr_err *err);
ITR_MUST_USE int itr_png_encode(const itr_image *img, FILE *f, const char *where, itr_err *err);

/* The orientation in EXIF (a TIFF block, with or without "Exif\0\0" before it; only the first directory, since the second is for the
 * thumbnail) and in XMP (tiff:Orientation). 1..8; 0: not given; -1: an invalid value, after which other sources are not read, as in Pillow.
 */
int itr_exif_orientation(const uint8_t *exif, size_t n);
int itr_xmp_orientation(const void *xmp, size_t n);
/* Rotates and flips img in place as Pillow's ImageOps.exif_transpose; values other than 2..8 do nothing. */
void itr_exif_apply(itr_image *img, int orientation);

#endif
