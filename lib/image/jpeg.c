/* jpeg.c - the interface to libjpeg-turbo. libjpeg reports errors by a callback, which calls longjmp back into the functions below; their
 * state is in a struct, so that longjmp does not clobber local variables. Warnings that mean lost data (premature end, bad codes) are
 * errors here (table `verdicts`), because libjpeg would fill the rest with grey. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>        /* after jpeglib.h, which defines its configuration */

#include "base/buf.h"
#include "base/mem.h"
#include "image/codec.h"

enum { MAX_SCANS = 500, BATCH = 16, APP1 = JPEG_APP0 + 1, APP1_MAX = 0xFFFF };

struct errors {
	struct jpeg_error_mgr mgr;
	jmp_buf back;
	int warnings;
	char text[JMSG_LENGTH_MAX];
};

struct decoder {
	struct jpeg_decompress_struct c;
	struct jpeg_progress_mgr progress;
	struct errors e;
	uint8_t *pixels, *row;
};

struct encoder {
	struct jpeg_compress_struct c;
	struct errors e;
	unsigned char *bytes;
	unsigned long n;
};

static void fail(j_common_ptr c)
{
	struct errors *e = (struct errors *)c->err;
	c->err->format_message(c, e->text);
	longjmp(e->back, 1);
}

/* Every warning of libjpeg-turbo 2.1 and 3. LOST: samples are missing or invented. A warning that is not in the table counts as LOST. */
enum verdict { LOST, HARMLESS, BY_MARKER };
static const struct {
	int code;
	enum verdict verdict;
} verdicts[] = {
	{ JWRN_ADOBE_XFORM, HARMLESS },         /* an unknown transform is read as YCbCr or YCCK, as everywhere; all samples are there */
	{ JWRN_ARITH_BAD_CODE, LOST },          /* the rest of the segment is zero */
	{ JWRN_BOGUS_ICC, HARMLESS },           /* colour profiles are not applied */
	{ JWRN_BOGUS_PROGRESSION, LOST },       /* a scan that others build on is missing or came twice */
	/* stray bytes between segments, padding behind a scan; but before a restart marker in a scan the interval was decoded wrongly */
	{ JWRN_EXTRANEOUS_DATA, BY_MARKER },
	{ JWRN_HIT_MARKER, LOST },              /* a scan or restart interval ends before its last block */
	{ JWRN_HUFF_BAD_CODE, LOST },
	{ JWRN_JFIF_MAJOR, HARMLESS },          /* only the number of the JFIF edition is unknown */
	{ JWRN_JPEG_EOF, LOST },                /* the file ends before its end marker */
	{ JWRN_MUST_RESYNC, LOST },             /* a restart marker is missing or in the wrong place */
	{ JWRN_NOT_SEQUENTIAL, HARMLESS },      /* a sequential scan has no use for these four numbers; Samsung's phones write zeros */
	{ JWRN_TOO_MUCH_DATA, HARMLESS },       /* about our calls, not about the file */
};

static bool is_loss(j_common_ptr c)
{
	const struct jpeg_error_mgr *m = c->err;
	bool in_scan = c->is_decompressor && ((j_decompress_ptr)c)->input_scan_number > 0;
	for (int i = 0; i < ITR_LEN(verdicts); i++)
		if (verdicts[i].code == m->msg_code)
			return verdicts[i].verdict == LOST || (verdicts[i].verdict == BY_MARKER && in_scan &&
			                                       m->msg_parm.i[1] >= JPEG_RST0 && m->msg_parm.i[1] <= JPEG_RST0 + 7);
	return true;
}

static void message(j_common_ptr c, int level)
{
	struct errors *e = (struct errors *)c->err;
	if (level >= 0)
		return;         /* trace messages */
	if (is_loss(c))
		fail(c);
	e->warnings++;
}

static void silent(j_common_ptr c) { (void)c; }

static struct jpeg_error_mgr *errors_init(struct errors *e)
{
	jpeg_std_error(&e->mgr);
	e->mgr.error_exit = fail;
	e->mgr.emit_message = message;
	e->mgr.output_message = silent;
	return &e->mgr;
}

/* A progressive file with thousands of small scans over a huge image could take minutes. */
static void limit_scans(j_common_ptr c)
{
	struct errors *e = (struct errors *)c->err;
	if (c->is_decompressor && ((j_decompress_ptr)c)->input_scan_number > MAX_SCANS) {
		snprintf(e->text, sizeof e->text, "more than %d scans", MAX_SCANS);
		longjmp(e->back, 1);
	}
}

/* EXIF may come after JFIF, ICC and XMP, and in several segments that form one block. XMP is used when EXIF has no orientation. */
static void read_orientation(itr_codec_in *in, const struct jpeg_decompress_struct *c)
{
	static const char exif_name[] = "Exif\0", xmp_name[] = "http://ns.adobe.com/xap/1.0/";     /* with the closing zero */
	itr_buf exif = ITR_BUF_INIT;
	int xmp = 0;
	for (jpeg_saved_marker_ptr m = c->marker_list; m; m = m->next) {
		if (m->marker != APP1)
			continue;
		if (m->data_length >= sizeof exif_name && !memcmp(m->data, exif_name, sizeof exif_name))
			itr_buf_add(&exif, (const char *)m->data + sizeof exif_name, m->data_length - sizeof exif_name);
		else if (m->data_length >= sizeof xmp_name && !memcmp(m->data, xmp_name, sizeof xmp_name))
			xmp = itr_xmp_orientation(m->data + sizeof xmp_name, m->data_length - sizeof xmp_name);
	}
	in->orientation = exif.len ? itr_exif_orientation((const uint8_t *)exif.data, exif.len) : 0;
	if (in->orientation == 0)
		in->orientation = xmp;
	itr_buf_free(&exif);
}

/* Pillow reads four-component files as inverted CMYK ("assume Adobe conventions") and converts with this arithmetic (its Convert.c). */
static void cmyk_row(uint8_t *rgb, const uint8_t *cmyk, int width)
{
	for (int x = 0; x < width; x++, rgb += 3, cmyk += 4) {
		int nk = cmyk[3];               /* 255 - K, K = 255 - byte */
		for (int ch = 0; ch < 3; ch++) {
			int t = (255 - cmyk[ch]) * nk + 128, v = nk - ((t + (t >> 8)) >> 8);
			rgb[ch] = (uint8_t)ITR_MAX(v, 0);
		}
	}
}

static void grey_row(uint8_t *rgb, const uint8_t *grey, int width)
{
	for (int x = 0; x < width; x++)
		rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = grey[x];
}

static void decode_rows(struct decoder *d)
{
	struct jpeg_decompress_struct *c = &d->c;
	int channels = c->output_components, width = (int)c->output_width;
	if (channels != 3)
		d->row = itr_xmalloc((size_t)width * (size_t)channels);
	while (c->output_scanline < c->output_height) {
		uint8_t *to = d->pixels + (size_t)c->output_scanline * (size_t)width * 3;
		if (channels == 3) {
			JSAMPROW rows[BATCH];
			int n = (int)ITR_MIN((JDIMENSION)BATCH, c->output_height - c->output_scanline);
			for (int i = 0; i < n; i++)
				rows[i] = to + (size_t)i * (size_t)width * 3;
			jpeg_read_scanlines(c, rows, (JDIMENSION)n);
			continue;
		}
		if (jpeg_read_scanlines(c, &d->row, 1) != 1)
			continue;
		if (channels == 4)
			cmyk_row(to, d->row, width);
		else
			grey_row(to, d->row, width);
	}
	jpeg_finish_decompress(c);
}

/* Pillow's draft: the largest divisor of 8, 4, 2 for which no side falls below fast_side. The inverse DCT then gives the small image
 * directly. */
static unsigned scale_of(const itr_codec_in *in, const struct jpeg_decompress_struct *c)
{
	unsigned side = ITR_MIN(c->image_width, c->image_height), scale = 8;
	while (scale > 1 && (in->fast_side <= 0 || side / (unsigned)in->fast_side < scale))
		scale /= 2;
	return scale;
}

/* The part of decoding that libjpeg may leave by longjmp. 0, or -1 with err. */
static int decode(struct decoder *d, itr_codec_in *in, itr_err *err)
{
	struct jpeg_decompress_struct *c = &d->c;
	if (setjmp(d->e.back))
		return itr_err_set(err, "'%s': damaged JPEG: %s", in->where, d->e.text);
	jpeg_create_decompress(c);
	d->progress.progress_monitor = limit_scans;
	c->progress = &d->progress;
	jpeg_mem_src(c, in->bytes, in->n);
	if (in->exif)
		jpeg_save_markers(c, APP1, APP1_MAX);
	jpeg_read_header(c, TRUE);
	if (itr_codec_check(in, c->image_width, c->image_height, err) < 0)
		return -1;
	if (c->num_components != 1 && c->num_components != 3 && c->num_components != 4)
		return itr_err_set(err, "'%s': a JPEG of %d components", in->where, c->num_components);
	if (in->exif)
		read_orientation(in, c);
	c->out_color_space = c->num_components == 1 ? JCS_GRAYSCALE : c->num_components == 3 ? JCS_RGB : JCS_CMYK;
	c->dct_method = JDCT_ISLOW;             /* with fancy upsampling, libjpeg's default: what Pillow uses */
	c->scale_num = 1;
	c->scale_denom = scale_of(in, c);
	jpeg_start_decompress(c);
	d->pixels = itr_xmalloc((size_t)c->output_width * c->output_height * 3);
	decode_rows(d);
	return 0;
}

int itr_jpeg_decode(itr_image *img, itr_codec_in *in, itr_err *err)
{
	struct decoder d;
	memset(&d, 0, sizeof d);
	d.c.err = errors_init(&d.e);
	int rc = decode(&d, in, err);
	if (rc == 0) {
		img->width = (int)d.c.output_width;
		img->height = (int)d.c.output_height;
		img->rgb = d.pixels;
		in->warnings += d.e.warnings;
	} else {
		free(d.pixels);
	}
	free(d.row);
	jpeg_destroy_decompress(&d.c);
	return rc;
}

static int encode(struct encoder *s, const itr_image *img, int quality, itr_err *err)
{
	struct jpeg_compress_struct *c = &s->c;
	if (setjmp(s->e.back))
		return itr_err_set(err, "cannot encode as JPEG: %s", s->e.text);
	jpeg_create_compress(c);
	jpeg_mem_dest(c, &s->bytes, &s->n);
	c->image_width = (JDIMENSION)img->width;
	c->image_height = (JDIMENSION)img->height;
	c->input_components = 3;
	c->in_color_space = JCS_RGB;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, quality, TRUE);
	c->dct_method = JDCT_ISLOW;
	jpeg_start_compress(c, TRUE);
	while (c->next_scanline < c->image_height) {
		JSAMPROW row = img->rgb + (size_t)c->next_scanline * (size_t)img->width * 3;
		jpeg_write_scanlines(c, &row, 1);
	}
	jpeg_finish_compress(c);
	return 0;
}

int itr_image_encode_jpeg(const itr_image *img, int quality, uint8_t **bytes, size_t *n, itr_err *err)
{
	struct encoder s;
	memset(&s, 0, sizeof s);
	s.c.err = errors_init(&s.e);
	int rc = encode(&s, img, quality, err);
	jpeg_destroy_compress(&s.c);
	if (rc < 0) {
		free(s.bytes);
		return -1;
	}
	*bytes = s.bytes;
	*n = s.n;
	return 0;
}
