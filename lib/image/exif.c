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

static int valid(uint32_t v) { return v >= 1 && v <= 8 ? (int)v : -1; }

/* The byte orders with their magic number; Pillow also takes the number in the wrong order. */
static bool is_tiff(const uint8_t *p)
{
	return !memcmp(p, "II*\0", 4) || !memcmp(p, "MM\0*", 4) || !memcmp(p, "MM*\0", 4) || !memcmp(p, "II\0*", 4);
}

int itr_exif_orientation(const uint8_t *exif, size_t n)
{
	enum { TAG = 0x0112, ENTRY = 12 };
	/* TIFF's whole numbers; as in Pillow, BYTE is text and no number */
	static const uint8_t size_of[] = { 0, 0, 0, 2, 4, 0, 1, 0, 2, 4, 0, 0, 0, 4 };
	while (n >= 6 && !memcmp(exif, "Exif\0\0", 6))
		exif += 6, n -= 6;
	if (n < 8 || !is_tiff(exif))
		return 0;
	bool big = exif[0] == 'M';
	size_t ifd = get(exif + 4, 4, big);
	if (ifd > n - 2)
		return 0;
	int found = 0;
	size_t count = get(exif + ifd, 2, big);
	for (size_t i = 0; i < count; i++) {
		size_t at = ifd + 2 + i * ENTRY;
		if (at + ENTRY > n)
			break;
		uint32_t type = get(exif + at + 2, 2, big);
		if (get(exif + at, 2, big) == TAG && type > 0 && type < sizeof size_of)
			found = size_of[type] && get(exif + at + 4, 4, big) == 1 ? valid(get(exif + at + 8, size_of[type], big)) : -1;
	}
	return found;
}

/* An attribute (tiff:Orientation="6") or an element (<tiff:Orientation>6</...>); the first one, as Pillow looks for it, in either kind of
 * quotes. */
int itr_xmp_orientation(const void *xmp, size_t n)
{
	static const char name[] = "tiff:Orientation";
	const char *p = xmp, *end = p + n;
	while ((p = memmem(p, (size_t)(end - p), name, sizeof name - 1))) {
		p += sizeof name - 1;
		size_t skip = end - p > 2 && p[0] == '=' && (p[1] == '"' || p[1] == '\'') ? 2 : end - p > 1 && p[0] == '>' ? 1 : 0;
		if (skip && p[skip] >= '0' && p[skip] <= '9')
			return valid((uint32_t)(p[skip] - '0'));
	}
	return 0;
}

/* The source of pixel (x, y) of the upright image, EXIF 2.32 table 6: 2 horizontal flip, 3 rotation by 180 degrees, 4 vertical flip, 5..8
 * the same after a transpose. */
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
			memcpy(out.rgb + ((size_t)y * (size_t)out.width + (size_t)x) * 3,
			       img->rgb + ((size_t)sy * (size_t)w + (size_t)sx) * 3, 3);
		}
	itr_image_free(img);
	*img = out;
}
