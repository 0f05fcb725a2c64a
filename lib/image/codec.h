/* codec.h - between image.c and the two decoders; nobody else includes it. Each decoder checks the size that the header claims with itr_codec_check
 * before it allocates, reports one message that starts with `where`, and leaves img untouched when it fails. */
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
	int orientation;        /* out: EXIF 1..8; 1 when there is none or `exif` is false */
} itr_codec_in;

ITR_MUST_USE int itr_codec_check(const itr_codec_in *in, int64_t width, int64_t height, itr_err *err);
ITR_MUST_USE int itr_jpeg_decode(itr_image *img, itr_codec_in *in, itr_err *err);
ITR_MUST_USE int itr_png_decode(itr_image *img, itr_codec_in *in, itr_err *err);
ITR_MUST_USE int itr_png_encode(const itr_image *img, FILE *f, const char *where, itr_err *err);

/* Orientation (1..8) in a TIFF block as EXIF holds it, without its "Exif\0\0"; 1 when absent or damaged. */
int itr_exif_orientation(const uint8_t *tiff, size_t n);
/* Turns and mirrors img in place as Pillow's ImageOps.exif_transpose. */
void itr_exif_apply(itr_image *img, int orientation);

#endif
