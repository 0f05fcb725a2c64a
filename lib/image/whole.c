/* whole.c - checks that an image file is complete. Reads the markers of a JPEG or the chunks of a PNG without decoding. So the end of an
 * embedded thumbnail is not taken for the end of the image, and bytes after the end are ignored: phones store a video there, MPO further
 * images, some servers pad with zeros. */
#include <string.h>

#include "base/mem.h"
#include "image/codec.h"
#include "image/image.h"

static const uint8_t jpeg_start[] = { 0xFF, 0xD8, 0xFF }, png_start[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n' };

itr_picture_kind itr_picture_kind_of(const uint8_t *b, size_t n)
{
	if (n >= sizeof png_start && !memcmp(b, png_start, sizeof png_start))
		return ITR_PICTURE_PNG;
	return n >= sizeof jpeg_start && !memcmp(b, jpeg_start, sizeof jpeg_start) ? ITR_PICTURE_JPEG : ITR_PICTURE_OTHER;
}

static size_t be(const uint8_t *p, int bytes)
{
	size_t v = 0;
	for (int i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

/* ITU-T T.81, B.1.1: markers are FF and a code, after any number of FF; entropy-coded data writes FF as FF 00 and may hold RSTn. All others
 * except SOI, EOI and TEM have a length. NULL when the file is complete, otherwise the error. */
static const char *jpeg_fault(const uint8_t *b, size_t n)
{
	enum { TEM = 0x01, RST0 = 0xD0, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA };
	bool scan = false;
	size_t at = 2;
	for (const uint8_t *p; at < n && (p = memchr(b + at, 0xFF, n - at));) {
		at = (size_t)(p - b);
		while (at < n && b[at] == 0xFF)
			at++;
		if (at >= n)
			break;
		int code = b[at++];
		if (code == EOI)
			return scan ? NULL : "it ends before its first scan";
		if (code == 0 || code == TEM || (code >= RST0 && code <= SOI))
			continue;
		if (n - at < 2)
			break;
		size_t length = be(b + at, 2);
		if (length < 2)
			return "a marker segment has an impossible length";
		scan |= code == SOS;
		at += length;
	}
	return "it is cut off: the end marker is missing";
}

/* NULL when the file is complete, otherwise the error. */
static const char *png_fault(const uint8_t *b, size_t n)
{
	enum { FRAME = 12 };    /* length, type and check of a chunk */
	bool pixels = false;
	for (size_t at = sizeof png_start; n - at >= FRAME;) {
		size_t length = be(b + at, 4);
		if (length > INT32_MAX)
			return "a chunk has an impossible length";
		if (length > n - at - FRAME)
			break;
		if (!memcmp(b + at + 4, "IEND", 4))
			return pixels ? NULL : "it ends before its pixels";
		pixels |= !memcmp(b + at + 4, "IDAT", 4);
		at += FRAME + length;
	}
	return "it is cut off: the end chunk is missing";
}

int itr_image_whole(const void *bytes, size_t n, const char *where, itr_err *err)
{
	itr_picture_kind kind = itr_picture_kind_of(bytes, n);
	if (n == 0)
		return itr_err_set(err, "'%s' is empty", where);
	if (kind == ITR_PICTURE_OTHER)
		return itr_err_set(err, "'%s' is neither JPEG nor PNG (by its content; %zu bytes)", where, n);
	const char *fault = kind == ITR_PICTURE_JPEG ? jpeg_fault(bytes, n) : png_fault(bytes, n);
	return fault ? itr_err_set(err, "'%s': damaged %s: %s (%zu bytes)", where, kind == ITR_PICTURE_JPEG ? "JPEG" : "PNG", fault, n) : 0;
}
