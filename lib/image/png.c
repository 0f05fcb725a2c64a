/* png.c - the interface to libpng. libpng converts everything to 8-bit RGB or RGBA, a row at a time; only interlaced images need a buffer
 * of the whole image. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/buf.h"
#include "base/mem.h"
#include "image/codec.h"

struct decoder {
	png_structp p;
	png_infop info;
	const uint8_t *bytes;
	size_t n, at;
	bool exif;
	int warnings;
	char text[256];
	uint8_t *pixels, *work;
	png_bytep *rows;
	png_uint_32 width, height;
	int channels;
};

static void on_error(png_structp p, png_const_charp text)
{
	struct decoder *d = png_get_error_ptr(p);
	snprintf(d->text, sizeof d->text, "%s", text);
	png_longjmp(p, 1);
}

/* libpng's warnings by their first words (those about a chunk start with its name); the first matching row counts. Lost: pixels, or
 * information that the caller requested, are missing. */
static const struct { const char *starts; bool lost, exif_only; } verdicts[] = {
	{ "IDAT: Too much image data", false, false },          /* more than the picture needs; all of it came */
	{ "IDAT: Extra compressed data", false, false },
	{ "IDAT:", true, false },                               /* the check sum over the pixels does not fit */
	{ "tRNS: invalid with alpha channel", false, false },   /* the alpha channel is used */
	{ "tRNS:", true, false },                               /* dropped: transparent pixels would be opaque */
	{ "eXIf: CRC error", true, true },                      /* dropped: which way is up is unknown */
	/* chunks that say nothing about a pixel; palette indices without a colour are black, as in Pillow */
	{ "", false, false },
};

static void on_warning(png_structp p, png_const_charp text)
{
	struct decoder *d = png_get_error_ptr(p);
	int i = 0;
	while (strncmp(text, verdicts[i].starts, strlen(verdicts[i].starts)))
		i++;
	if (verdicts[i].lost && (d->exif || !verdicts[i].exif_only))
		on_error(p, text);
	d->warnings++;
}

static void read_bytes(png_structp p, png_bytep out, png_size_t n)
{
	struct decoder *d = png_get_io_ptr(p);
	if (n > d->n - d->at)
		png_error(p, "it ends early (truncated)");
	memcpy(out, d->bytes + d->at, n);
	d->at += n;
}

/* Pillow's alpha_composite over opaque white (AlphaComposite.c with dst.a = 255). */
static uint8_t over_white(unsigned s, unsigned a)
{
	if (a == 0)
		return 255;
	unsigned t = (s * a * 128 + 255 * (255 - a) * 128) + (0x80 << 7);
	return (uint8_t)((((t >> 8) + t) >> 8) >> 7);
}

static void store_row(uint8_t *to, const uint8_t *from, png_uint_32 width, int channels, itr_alpha alpha)
{
	if (channels == 3) {
		memcpy(to, from, (size_t)width * 3);
		return;
	}
	for (png_uint_32 x = 0; x < width; x++, to += 3, from += 4)
		for (int ch = 0; ch < 3; ch++)
			to[ch] = alpha == ITR_ALPHA_DROP ? from[ch] : over_white(from[ch], from[3]);
}

static void set_transformations(struct decoder *d)
{
	png_set_expand(d->p);                   /* palette and low bit depths to 8 bits, tRNS to alpha */
	png_set_strip_16(d->p);                 /* >> 8, as Pillow reads RGB;16B */
	png_set_gray_to_rgb(d->p);
	d->channels = 3;
	if ((png_get_color_type(d->p, d->info) & PNG_COLOR_MASK_ALPHA) || png_get_valid(d->p, d->info, PNG_INFO_tRNS))
		d->channels = 4;
	png_set_interlace_handling(d->p);
	png_read_update_info(d->p, d->info);
	if (png_get_rowbytes(d->p, d->info) != (size_t)d->width * (size_t)d->channels)
		png_error(d->p, "unexpected row size");
}

static void read_rows(struct decoder *d, bool interlaced, itr_alpha alpha)
{
	size_t row = (size_t)d->width * (size_t)d->channels, out = (size_t)d->width * 3;
	d->pixels = itr_xmalloc(out * d->height);
	d->work = itr_xmalloc(interlaced ? row * d->height : row);
	if (interlaced) {
		d->rows = itr_xcalloc(d->height, sizeof *d->rows);
		for (png_uint_32 y = 0; y < d->height; y++)
			d->rows[y] = d->work + y * row;
		png_read_image(d->p, d->rows);
	}
	for (png_uint_32 y = 0; y < d->height; y++) {
		if (!interlaced)
			png_read_row(d->p, d->work, NULL);
		store_row(d->pixels + y * out, interlaced ? d->rows[y] : d->work, d->width, d->channels, alpha);
	}
}

/* ImageMagick's text form: three lines (empty, "exif", the length), then hexadecimal digits in lines. */
static int orientation_in_hex(const char *text, size_t n)
{
	itr_buf bytes = ITR_BUF_INIT;
	size_t at = 0;
	for (int line = 0; line < 3 && at < n; at++)
		line += text[at] == '\n';
	for (int half = 0, v = 0; at < n; at++) {
		const char *digits = "0123456789abcdef", *d = text[at] ? strchr(digits, text[at] | 0x20) : NULL;
		if (!d || text[at] < '0')
			continue;
		v = v << 4 | (int)(d - digits);
		if (half)
			itr_buf_putc(&bytes, (char)v);
		half = !half;
		v &= 15;
	}
	int o = itr_exif_orientation((const uint8_t *)itr_buf_str(&bytes), bytes.len);
	itr_buf_free(&bytes);
	return o;
}

static void read_orientation(itr_codec_in *in, struct decoder *d)
{
	png_uint_32 n = 0;
	png_bytep exif;
	png_textp text;
	int count = 0, xmp = 0, hex = 0;
	bool has_exif = png_get_eXIf_1(d->p, d->info, &n, &exif) != 0;
	png_get_text(d->p, d->info, &text, &count);
	for (int i = 0; i < count; i++) {
		size_t length = text[i].compression > 0 ? text[i].itxt_length : text[i].text_length;
		if (!strcmp(text[i].key, "XML:com.adobe.xmp"))
			xmp = itr_xmp_orientation(text[i].text, length);
		else if (!strcmp(text[i].key, "Raw profile type exif"))
			hex = orientation_in_hex(text[i].text, length);
	}
	in->orientation = has_exif ? itr_exif_orientation(exif, n) : hex;
	if (in->orientation == 0)
		in->orientation = xmp;
}

/* The best ratio of deflate is about 1032: a header that claims more pixels than the bytes can contain is an error, before the pixels are
 * allocated. */
static int check_ratio(const struct decoder *d, const itr_codec_in *in, itr_err *err)
{
	int bits = png_get_bit_depth(d->p, d->info) * png_get_channels(d->p, d->info);
	uint64_t raw = ((uint64_t)d->width * (uint64_t)bits + 7) / 8 * d->height;
	if (raw / 1100 > in->n)
		return itr_err_set(err, "'%s': damaged PNG: %u x %u pixels cannot come out of %zu bytes", in->where, d->width, d->height,
		                   in->n);
	return 0;
}

static int decode(struct decoder *d, itr_codec_in *in, itr_err *err)
{
	d->p = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
	d->info = d->p ? png_create_info_struct(d->p) : NULL;
	if (!d->info)
		return itr_err_set(err, "'%s': libpng cannot start", in->where);
	if (setjmp(png_jmpbuf(d->p)))
		return itr_err_set(err, "'%s': damaged PNG: %s", in->where, d->text);
	png_set_read_fn(d->p, d, read_bytes);
	png_set_user_limits(d->p, INT32_MAX, INT32_MAX);      /* our own limit is used instead */
	png_read_info(d->p, d->info);
	d->width = png_get_image_width(d->p, d->info);
	d->height = png_get_image_height(d->p, d->info);
	if (itr_codec_check(in, d->width, d->height, err) < 0 || check_ratio(d, in, err) < 0)
		return -1;
	bool interlaced = png_get_interlace_type(d->p, d->info) != PNG_INTERLACE_NONE;
	set_transformations(d);
	read_rows(d, interlaced, in->alpha);
	png_read_end(d->p, d->info);
	if (in->exif)
		read_orientation(in, d);
	return 0;
}

int itr_png_decode(itr_image *img, itr_codec_in *in, itr_err *err)
{
	struct decoder d;
	memset(&d, 0, sizeof d);
	d.bytes = in->bytes;
	d.n = in->n;
	d.exif = in->exif;
	int rc = decode(&d, in, err);
	if (rc == 0) {
		img->width = (int)d.width;
		img->height = (int)d.height;
		img->rgb = d.pixels;
		in->warnings += d.warnings;
	} else {
		free(d.pixels);
	}
	free(d.work);
	free(d.rows);
	png_destroy_read_struct(&d.p, &d.info, NULL);
	return rc;
}

struct encoder {
	png_structp p;
	png_infop info;
	char text[256];
};

static void on_write_error(png_structp p, png_const_charp text)
{
	struct encoder *e = png_get_error_ptr(p);
	snprintf(e->text, sizeof e->text, "%s", text);
	png_longjmp(p, 1);
}

static void on_write_warning(png_structp p, png_const_charp text) { (void)p, (void)text; }

static int encode(struct encoder *e, const itr_image *img, FILE *f, const char *where, itr_err *err)
{
	e->p = png_create_write_struct(PNG_LIBPNG_VER_STRING, e, on_write_error, on_write_warning);
	e->info = e->p ? png_create_info_struct(e->p) : NULL;
	if (!e->info)
		return itr_err_set(err, "'%s': libpng cannot start", where);
	if (setjmp(png_jmpbuf(e->p)))
		return itr_err_set(err, "cannot write '%s': %s", where, e->text);
	png_init_io(e->p, f);
	png_set_IHDR(e->p, e->info, (png_uint_32)img->width, (png_uint_32)img->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
	             PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(e->p, e->info);
	for (int y = 0; y < img->height; y++)
		png_write_row(e->p, img->rgb + (size_t)y * (size_t)img->width * 3);
	png_write_end(e->p, e->info);
	return 0;
}

int itr_png_encode(const itr_image *img, FILE *f, const char *where, itr_err *err)
{
	struct encoder e;
	memset(&e, 0, sizeof e);
	int rc = encode(&e, img, f, where, err);
	png_destroy_write_struct(&e.p, &e.info);
	return rc;
}
