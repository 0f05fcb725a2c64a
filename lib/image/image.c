#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "image/codec.h"

const char *const itr_alpha_names[] = { "white", "drop", NULL };

/* Pillow's Image.MAX_IMAGE_PIXELS: a quarter of a gigabyte of three-byte pixels. */
static const int64_t default_max_pixels = 178956970;
static const size_t max_file_bytes = (size_t)1 << 30;

void itr_image_alloc(itr_image *img, int width, int height)
{
	if (width <= 0 || height <= 0)
		ITR_BUG("itr_image_alloc: %d x %d", width, height);
	img->width = width;
	img->height = height;
	img->rgb = itr_xmalloc((size_t)width * (size_t)height * 3);
}

void itr_image_free(itr_image *img)
{
	if (!img)
		return;
	free(img->rgb);
	memset(img, 0, sizeof *img);
}

int itr_codec_check(const itr_codec_in *in, int64_t width, int64_t height, itr_err *err)
{
	if (width <= 0 || height <= 0)
		return itr_err_set(err, "'%s': a picture of %lld x %lld pixels", in->where, (long long)width, (long long)height);
	if (width > INT32_MAX || height > INT32_MAX || width > in->max_pixels / height)
		return itr_err_set(err, "'%s': %lld x %lld pixels are more than the limit of %lld", in->where, (long long)width,
		                   (long long)height, (long long)in->max_pixels);
	return 0;
}

int itr_image_decode(itr_image *img, const void *bytes, size_t n, const char *where, const itr_decode_opts *o, itr_err *err)
{
	itr_codec_in in = { .bytes = bytes, .n = n, .where = where, .alpha = o ? o->alpha : ITR_ALPHA_WHITE, .exif = o && o->exif,
		.max_pixels = o && o->max_pixels > 0 ? o->max_pixels : default_max_pixels, .fast_side = o ? o->fast_side : 0,
		.orientation = 1 };
	itr_image out = { 0, 0, NULL };
	int rc;
	switch (itr_picture_kind_of(bytes, n)) {
	case ITR_PICTURE_PNG:
		rc = itr_png_decode(&out, &in, err);
		break;
	case ITR_PICTURE_JPEG:
		rc = itr_jpeg_decode(&out, &in, err);
		break;
	default:
		rc = itr_image_whole(bytes, n, where, err);      /* sets the message */
	}
	if (rc < 0)
		return -1;
	itr_exif_apply(&out, in.orientation);
	if (o && o->warnings)
		*o->warnings += in.warnings;
	*img = out;
	return 0;
}

int itr_image_read(itr_image *img, const char *path, const itr_decode_opts *o, itr_err *err)
{
	size_t n;
	char *bytes = itr_path_read_named(path, max_file_bytes, &n, err);
	if (!bytes)
		return -1;
	int rc = itr_image_decode(img, bytes, n, path, o, err);
	free(bytes);
	return rc;
}

int itr_image_write_jpeg(const char *path, const itr_image *img, int quality, itr_err *err)
{
	uint8_t *bytes;
	size_t n;
	if (itr_image_encode_jpeg(img, quality, &bytes, &n, err) < 0)
		return itr_err_prefix(err, "cannot write '%s': ", path);
	int rc = itr_atomic_write(path, bytes, n, err);
	free(bytes);
	return rc;
}

int itr_image_write_png(const char *path, const itr_image *img, itr_err *err)
{
	itr_atomic_file *a = itr_atomic_open(path, err);
	if (!a)
		return -1;
	FILE *f = itr_atomic_stream(a);
	if (!f || itr_png_encode(img, f, path, err) < 0) {
		if (!f)
			itr_err_errno(err, "cannot write '%s'", path);
		itr_atomic_abort(a);
		return -1;
	}
	return itr_atomic_commit(a, err);
}

void itr_image_crop(itr_image *dst, const itr_image *src, int left, int top, int width, int height)
{
	itr_image out;
	itr_image_alloc(&out, width, height);
	memset(out.rgb, 0, (size_t)width * (size_t)height * 3);
	int64_t x0 = ITR_MAX((int64_t)left, 0), x1 = ITR_MIN((int64_t)left + width, src->width);
	for (int64_t y = ITR_MAX((int64_t)top, 0); x0 < x1 && y < ITR_MIN((int64_t)top + height, src->height); y++)
		memcpy(out.rgb + ((y - top) * width + (x0 - left)) * 3, src->rgb + (y * src->width + x0) * 3, (size_t)(x1 - x0) * 3);
	*dst = out;
}
