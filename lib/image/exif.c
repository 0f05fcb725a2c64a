#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/codec.h"

static uint32_t get(const uint8_t *p, int bytes, bool big)
{
	uint32_t v = 0;
	for (int i = 0; i < bytes; i++)
		v |= (uint32_t)p[i] << 8 * (big ? bytes - 1 - i : i);
	return v;
}

int itr_exif_orientation(const uint8_t *tiff, size_t n)
{
	enum { TAG = 0x0112, SHORT = 3, ENTRY = 12 };
	if (n < 8 || (memcmp(tiff, "II*\0", 4) && memcmp(tiff, "MM\0*", 4)))
		return 1;
	bool big = tiff[0] == 'M';
	size_t ifd = get(tiff + 4, 4, big);
	if (ifd > n - 2)
		return 1;
	size_t count = get(tiff + ifd, 2, big);
	for (size_t i = 0; i < count; i++) {
		size_t at = ifd + 2 + i * ENTRY;
		if (at + ENTRY > n)
			return 1;
		if (get(tiff + at, 2, big) == TAG && get(tiff + at + 2, 2, big) == SHORT) {
			uint32_t v = get(tiff + at + 8, 2, big);
			return v >= 1 && v <= 8 ? (int)v : 1;
		}
	}
	return 1;
}

/* Where pixel (x, y) of the upright picture comes from, EXIF 2.32 table 6: 2 mirror, 3 half turn, 4 upside down, 5..8 the same across the diagonal. */
void itr_exif_apply(itr_image *img, int orientation)
{
	if (orientation < 2 || orientation > 8)
		return;
	itr_image out;
	bool swap = orientation >= 5;
	int w = img->width, h = img->height;
	itr_image_alloc(&out, swap ? h : w, swap ? w : h);
	bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
	bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
	for (int y = 0; y < out.height; y++)
		for (int x = 0; x < out.width; x++) {
			int sx = swap ? y : x, sy = swap ? x : y;
			sx = flip_x ? w - 1 - sx : sx;
			sy = flip_y ? h - 1 - sy : sy;
			memcpy(out.rgb + ((size_t)y * (size_t)out.width + (size_t)x) * 3, img->rgb + ((size_t)sy * (size_t)w + (size_t)sx) * 3, 3);
		}
	itr_image_free(img);
	*img = out;
}
