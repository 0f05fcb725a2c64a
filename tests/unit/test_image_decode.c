/* lib/image decoders against Pillow (tests/golden/gen_images.py), and what they do with damaged files: PNG equal, JPEG within 1 (IDCT and
 * chroma upsampling may differ by one between releases of libjpeg-turbo). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "image/image.h"

enum { LINE = 1 << 16 };

static void test_golden(void **state)
{
	(void)state;
	char *line = itr_xmalloc(LINE), *hex = itr_xmalloc(LINE), name[64], kind[16], path[128];
	int exif, w, h, cases = 0;
	FILE *f = fopen("tests/golden/images.txt", "r");
	assert_non_null(f);
	while (fgets(line, LINE, f)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%63s %15s %d %d %d %65000s", name, kind, &exif, &w, &h, hex), 6);
		snprintf(path, sizeof path, "tests/data/images/%s", name);
		itr_image img;
		itr_err err = ITR_ERR_INIT;
		itr_decode_opts o = { .alpha = strcmp(kind, "drop") ? ITR_ALPHA_WHITE : ITR_ALPHA_DROP, .exif = exif };
		if (itr_image_read(&img, path, &o, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(img.width, w);
		assert_int_equal(img.height, h);
		assert_int_equal(strlen(hex), (size_t)w * (size_t)h * 6);
		int tolerance = itr_path_has_suffix(name, ".jpg") ? 1 : 0;
		for (int i = 0; i < w * h * 3; i++) {
			unsigned want;
			sscanf(hex + 2 * i, "%2x", &want);
			if (abs((int)want - img.rgb[i]) > tolerance)
				fail_msg("%s (%s, exif %d): byte %d is %d, Pillow has %u", name, kind, exif, i, img.rgb[i], want);
		}
		itr_image_free(&img);
		cases++;
	}
	fclose(f);
	free(line);
	free(hex);
	assert_true(cases > 50);
}

static const char *const samples[] = {
	"rgb.png",  "rgba16.png",  "palette_trns.png", "la.png",    "exif6.png",       "ycc420.jpg",   "progressive.jpg",
	"grey.jpg", "restart.jpg", "cmyk.jpg",         "exif3.jpg", "exif_in_two.jpg", "exif_hex.png", "whole_padded_scan.jpg",
	NULL
};

static uint8_t *slurp(const char *name, size_t *n)
{
	char path[128];
	itr_err err = ITR_ERR_INIT;
	snprintf(path, sizeof path, "tests/data/images/%s", name);
	char *b = itr_path_read(path, 1 << 20, n, &err);
	assert_non_null(b);
	return (uint8_t *)b;
}

/* Every prefix, hence every marker and every chunk boundary. The bytes are copied so that a sanitizer sees a read past the end. */
static void test_every_truncation_is_an_error(void **state)
{
	(void)state;
	for (int s = 0; samples[s]; s++) {
		size_t n;
		uint8_t *b = slurp(samples[s], &n);
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *part = itr_xmalloc(cut + !cut);
			memcpy(part, b, cut);
			itr_image img = { 0, 0, NULL };
			itr_err err = ITR_ERR_INIT;
			if (itr_image_decode(&img, part, cut, samples[s], NULL, &err) == 0)
				fail_msg("%s cut to %zu of %zu bytes was accepted", samples[s], cut, n);
			assert_non_null(strstr(err.msg, samples[s]));
			assert_null(img.rgb);
			if (itr_image_whole(part, cut, samples[s], NULL) == 0)
				fail_msg("%s cut to %zu of %zu bytes is called whole", samples[s], cut, n);
			free(part);
		}
		free(b);
	}
}

static void test_damaged_bytes_never_crash(void **state)
{
	(void)state;
	static const uint8_t values[] = { 0x00, 0xFF, 0x7F, 0x80 };
	itr_decode_opts o = { .exif = true, .max_pixels = 1 << 20 };
	for (int s = 0; samples[s]; s++) {
		size_t n;
		uint8_t *b = slurp(samples[s], &n);
		for (size_t i = 0; i < n; i++)
			for (size_t v = 0; v < sizeof values; v++) {
				uint8_t keep = b[i];
				itr_image img;
				itr_err err = ITR_ERR_INIT;
				b[i] = values[v];
				if (itr_image_decode(&img, b, n, samples[s], &o, &err) == 0)
					itr_image_free(&img);
				else
					assert_true(err.msg[0] != 0);
				b[i] = keep;
			}
		free(b);
	}
}

/* Scaled decoding: the sizes and pixels of Pillow's draft (tests/golden/gen_draft.py). */
static void test_fast_decode_is_draft(void **state)
{
	(void)state;
	char line[512], name[64], path[256], want[65], have[ITR_SHA256_HEX];
	int side, w, h, cases = 0;
	FILE *f = fopen("tests/golden/draft.txt", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%63s %d %d %d %64s", name, &side, &w, &h, want), 5);
		snprintf(path, sizeof path, "tests/data/images/%s", name);
		itr_err err = ITR_ERR_INIT;
		itr_image img;
		itr_decode_opts o = { .fast_side = side };
		if (itr_image_read(&img, path, &o, &err) < 0)
			fail_msg("%s", err.msg);
		itr_sha256_bytes(img.rgb, (size_t)img.width * (size_t)img.height * 3, have);
		if (img.width != w || img.height != h || strcmp(have, want))
			fail_msg("%s, side %d: %d x %d, Pillow %d x %d", name, side, img.width, img.height, w, h);
		itr_image_free(&img);
		cases++;
	}
	fclose(f);
	assert_true(cases >= 90);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
	uint32_t c = 0xFFFFFFFFu;
	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
	}
	return ~c;
}

static void test_bombs_are_refused(void **state)
{
	(void)state;
	static const uint32_t sizes[][2] = { { 100000, 100000 }, { 0x7FFFFFFF, 0x7FFFFFFF }, { 13000, 13000 }, { 60000, 60000 }, { 0, 5 } };
	for (int i = 0; i < ITR_LEN(sizes); i++) {
		size_t n;
		uint8_t *b = slurp("rgb.png", &n);
		put32(b + 16, sizes[i][0]);
		put32(b + 20, sizes[i][1]);
		put32(b + 29, crc32_of(b + 12, 17));
		itr_image img;
		itr_err err = ITR_ERR_INIT;
		assert_int_equal(itr_image_decode(&img, b, n, "bomb", NULL, &err), -1);
		free(b);
	}
	itr_image img;
	itr_err err = ITR_ERR_INIT;
	itr_decode_opts o = { .max_pixels = 100 };
	assert_int_equal(itr_image_read(&img, "tests/data/images/ycc420.jpg", &o, &err), -1);
	assert_non_null(strstr(err.msg, "more than the limit of 100"));
}

static size_t chunk(uint8_t *to, const char *type, const uint8_t *data, size_t n)
{
	put32(to, (uint32_t)n);
	memcpy(to + 4, type, 4);
	if (n)
		memcpy(to + 8, data, n);
	put32(to + 8 + n, crc32_of(to + 4, n + 4));
	return n + 12;
}

/* 128 MB of zeros, deflated piece by piece, so that this test's own memory stays small. */
static size_t deflated_zeros(uint8_t *to, size_t room)
{
	static uint8_t zeros[1 << 16];
	z_stream z = { .next_out = to, .avail_out = (uInt)room };
	assert_int_equal(deflateInit(&z, 9), Z_OK);
	for (int i = 0; i < 2048; i++) {
		z.next_in = zeros;
		z.avail_in = sizeof zeros;
		assert_int_equal(deflate(&z, i == 2047 ? Z_FINISH : Z_NO_FLUSH), i == 2047 ? Z_STREAM_END : Z_OK);
	}
	deflateEnd(&z);
	return z.total_out;
}

/* 128 MB of zeros behind 130 kB of deflate, where the pixels, a comment or a colour profile should be: nothing like 128 MB is ever held. */
static void test_deflate_bombs(void **state)
{
	(void)state;
	static const char *const kinds[] = { "IDAT", "zTXt", "iCCP" };
	uint8_t *packed = itr_xmalloc(1 << 20), *png = itr_xmalloc((1 << 20) + 1024), pixels[8 * 25] = { 0 }, small[256];
	size_t n = deflated_zeros(packed, 1 << 20);
	uLongf m = sizeof small;
	assert_int_equal(compress2(small, &m, pixels, sizeof pixels, 9), Z_OK);
	double before = itr_peak_rss_mb();
	for (int k = 0; k < ITR_LEN(kinds); k++) {
		static const uint8_t ihdr[] = { 0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0 };
		size_t at = 8;
		memcpy(png, "\x89PNG\r\n\x1a\n", 8);
		at += chunk(png + at, "IHDR", ihdr, sizeof ihdr);
		if (k) {
			uint8_t *body = itr_xcalloc(n + 4, 1);
			memcpy(body, "a\0\0", 3);
			memcpy(body + 3, packed, n);
			at += chunk(png + at, kinds[k], body, n + 3);
			free(body);
		}
		at += k ? chunk(png + at, "IDAT", small, m) : chunk(png + at, "IDAT", packed, n);
		at += chunk(png + at, "IEND", NULL, 0);
		itr_image img = { 0, 0, NULL };
		itr_err err = ITR_ERR_INIT;
		if (itr_image_decode(&img, png, at, kinds[k], NULL, &err) == 0) {
			assert_int_equal(img.width, 8);
			for (int i = 0; i < 8 * 8 * 3; i++)
				assert_int_equal(img.rgb[i], 0);
		} else {
			assert_non_null(strstr(err.msg, kinds[k]));
		}
		itr_image_free(&img);
	}
	assert_true(itr_peak_rss_mb() < before + 40);
	free(packed);
	free(png);
}

static int decodes(const uint8_t *b, size_t n, bool exif, char *message)
{
	itr_image img;
	itr_err err = ITR_ERR_INIT;
	itr_decode_opts o = { .exif = exif };
	int rc = itr_image_decode(&img, b, n, "it", &o, &err);
	if (rc == 0)
		itr_image_free(&img);
	snprintf(message, sizeof err.msg, "%s", rc < 0 ? err.msg : "");
	return rc;
}

/* Whole means the same with and without decoding, and is not taken from what happens to stand near the end. */
static void test_whole(void **state)
{
	(void)state;
	static const char *const names[] = { "whole_sos_zero.jpg",     "whole_sos_64.jpg",
		                             "whole_tail_mp4.jpg",     "whole_tail_zeros.jpg",
		                             "whole_tail_picture.jpg", "whole_padded_scan.jpg",
		                             "whole_jfif_9.jpg",       "whole_adobe_7.jpg",
		                             "whole_stray_rst.jpg",    "whole_tail.png",
		                             "whole_more_data.png",    "whole_gama.png",
		                             "progressive.jpg",        "rgba16.png" };
	for (int i = 0; i < ITR_LEN(names); i++) {
		size_t n;
		uint8_t *b = slurp(names[i], &n);
		itr_err err = ITR_ERR_INIT;
		if (itr_image_whole(b, n, names[i], &err) < 0)
			fail_msg("%s", err.msg);
		free(b);
	}
	size_t m;
	uint8_t *png = slurp("rgb.png", &m), *both = itr_xmalloc(m + 12);
	static const char nothing[] = "\xFF\xD8\xFF\xE0\0\4ab\xFF\xD9";
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_image_whole(nothing, sizeof nothing - 1, "x", &err), -1);
	assert_non_null(strstr(err.msg, "before its first scan"));
	err = (itr_err)ITR_ERR_INIT;
	memcpy(both, png, m / 2);
	memcpy(both + m / 2, png + m - 12, 12);         /* the end chunk inside of another one */
	assert_int_equal(itr_image_whole(both, m / 2 + 12, "x", &err), -1);
	assert_non_null(strstr(err.msg, "cut off"));
	err = (itr_err)ITR_ERR_INIT;
	assert_int_equal(itr_image_whole("<html>", 6, "x", &err), -1);
	assert_non_null(strstr(err.msg, "neither JPEG nor PNG"));
	free(both);
	free(png);
}

static void test_loss_is_an_error(void **state)
{
	(void)state;
	char message[sizeof ((itr_err *)0)->msg];
	size_t n, at = 0;
	uint8_t *b = slurp("restart.jpg", &n), *more = itr_xmalloc(n + 8);
	for (size_t i = 0; i + 1 < n && !at; i++)
		at = b[i] == 0xFF && b[i + 1] >= 0xD0 && b[i + 1] <= 0xD7 ? i : 0;
	assert_true(at > 0);
	memcpy(more, b, at);
	memset(more + at, 0, 8);                /* data left over in a restart interval: it was decoded wrongly */
	memcpy(more + at + 8, b + at, n - at);
	assert_int_equal(decodes(more, n + 8, false, message), -1);
	assert_non_null(strstr(message, "extraneous bytes before marker 0xd0"));
	b[at + 1] ^= 1;                         /* a restart marker out of order */
	assert_int_equal(decodes(b, n, false, message), -1);
	free(b);
	free(more);

	static const struct { const char *file, *type; int exif, rc;
	} chunks[] = { /* a chunk whose check sum is wrong */
		       { "palette_trns.png", "tRNS", 0, -1 },
		       { "exif6.png", "eXIf", 1, -1 },
		       { "exif6.png", "eXIf", 0, 0 },
		       { "whole_gama.png", "gAMA", 0, 0 },
		       { "rgb.png", "IDAT", 0, -1 }
	};
	for (int i = 0; i < ITR_LEN(chunks); i++) {
		b = slurp(chunks[i].file, &n);
		uint8_t *type = memmem(b, n, chunks[i].type, 4);
		assert_non_null(type);
		size_t length = (size_t)type[-2] << 8 | type[-1];
		type[4 + length] ^= 0x55;
		if (decodes(b, n, chunks[i].exif, message) != chunks[i].rc)
			fail_msg("%s, damaged %s, exif %d: %s", chunks[i].file, chunks[i].type, chunks[i].exif,
			         *message ? message : "accepted");
		free(b);
	}
}

/* Stray bytes between markers are harmless: counted, and the picture is the same. */
static void test_extraneous_bytes_are_counted(void **state)
{
	(void)state;
	size_t n;
	uint8_t *b = slurp("ycc420.jpg", &n), *more = itr_xmalloc(n + 3);
	size_t at = 4 + ((size_t)b[4] << 8 | b[5]);       /* behind APP0 */
	memcpy(more, b, at);
	memcpy(more + at, "\1\2\3", 3);
	memcpy(more + at + 3, b + at, n - at);
	itr_image one, two;
	itr_err err = ITR_ERR_INIT;
	int warnings = 0;
	itr_decode_opts o = { .warnings = &warnings };
	assert_int_equal(itr_image_decode(&one, b, n, "plain", &o, &err), 0);
	assert_int_equal(warnings, 0);
	assert_int_equal(itr_image_decode(&two, more, n + 3, "stray", &o, &err), 0);
	assert_int_equal(warnings, 1);
	assert_memory_equal(one.rgb, two.rgb, (size_t)one.width * (size_t)one.height * 3);
	itr_image_free(&one);
	itr_image_free(&two);
	free(b);
	free(more);
}

static void test_not_a_picture(void **state)
{
	(void)state;
	itr_image img;
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_image_decode(&img, "<html>404</html>", 16, "x.jpg", NULL, &err), -1);
	assert_non_null(strstr(err.msg, "neither JPEG nor PNG"));
	assert_int_equal(itr_image_decode(&img, "", 0, "x.jpg", NULL, &err), -1);
	assert_non_null(strstr(err.msg, "empty"));
	assert_int_equal(itr_image_read(&img, "tests/data/images/none.png", NULL, &err), -1);
	assert_non_null(strstr(err.msg, "No such file"));
}

static void test_round_trip(void **state)
{
	(void)state;
	itr_image img, back;
	itr_err err = ITR_ERR_INIT;
	char path[] = "/tmp/itr-test-image-XXXXXX";
	assert_non_null(mkdtemp(path));
	char *png = itr_path_join(path, "a.png"), *jpg = itr_path_join(path, "a.jpg");
	itr_image_alloc(&img, 31, 23);
	for (int i = 0; i < 31 * 23 * 3; i++)
		img.rgb[i] = (uint8_t)(i / 9);
	assert_int_equal(itr_image_write_png(png, &img, &err), 0);
	assert_int_equal(itr_image_read(&back, png, NULL, &err), 0);
	assert_memory_equal(img.rgb, back.rgb, 31 * 23 * 3);
	itr_image_free(&back);
	assert_int_equal(itr_image_write_jpeg(jpg, &img, 95, &err), 0);
	assert_int_equal(itr_image_read(&back, jpg, NULL, &err), 0);
	assert_int_equal(back.width, 31);
	itr_image_free(&back);
	itr_image_free(&img);
	assert_int_equal(itr_path_remove_tree(path, &err), 0);
	free(png);
	free(jpg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_every_truncation_is_an_error),
		cmocka_unit_test(test_damaged_bytes_never_crash),
		cmocka_unit_test(test_fast_decode_is_draft),
		cmocka_unit_test(test_bombs_are_refused),
		cmocka_unit_test(test_deflate_bombs),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_loss_is_an_error),
		cmocka_unit_test(test_extraneous_bytes_are_counted),
		cmocka_unit_test(test_not_a_picture),
		cmocka_unit_test(test_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
