/* lib/fetch/pins (the journal of checksums) and lib/image/phash (which pictures are the same). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "fetch/pins.h"

static char folder[] = "/tmp/itr-pins-XXXXXX";

static int begin(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	return itr_path_remove_tree(folder, NULL);
}

static itr_pin pin_of(int i)
{
	itr_pin p = { .bytes = 100 + i,
		      .has_phash = i % 3 != 0,
		      .flat = i % 3 == 2,
		      .phash = { { i % 3 == 1 ? (uint64_t)i : 0, i % 3 == 1 ? ~(uint64_t)i : 0 } } };
	char text[16];
	snprintf(text, sizeof text, "%d", i);
	itr_sha256_bytes(text, strlen(text), p.sha256);
	return p;
}

static void expect(const itr_pins *p, int i)
{
	char name[32];
	snprintf(name, sizeof name, "val/%05d.jpg", i);
	const itr_pin *got = itr_pins_find(p, name);
	itr_pin want = pin_of(i);
	assert_non_null(got);
	assert_string_equal(got->sha256, want.sha256);
	assert_int_equal(got->bytes, want.bytes);
	assert_int_equal(got->has_phash, want.has_phash);
	assert_int_equal(got->flat, want.flat);
	if (want.has_phash && !want.flat)
		assert_int_equal(itr_phash_distance(got->phash, want.phash), 0);
}

static void test_journal(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	char name[32], *path = itr_path_join(folder, "checksums.jsonl");
	itr_pins *p = itr_pins_open(folder, &err);
	assert_non_null(p);
	assert_null(itr_pins_open(folder, &err));               /* one process at a time */
	assert_non_null(strstr(err.msg, "another process"));
	for (int i = 999; i >= 0; i--) {
		itr_pin pin = pin_of(i);
		snprintf(name, sizeof name, "val/%05d.jpg", i);
		assert_int_equal(itr_pins_add(p, name, &pin, &err), 0);
	}
	assert_int_equal(itr_pins_drop(p, "val/00500.jpg", &err), 0);
	itr_pins_close(p);
	FILE *f = fopen(path, "a");                             /* what a kill leaves */
	fputs("{\"file\":\"val/zzz.jpg\",\"sha256\":\"ab", f);
	fclose(f);
	for (int round = 0; round < 2; round++) {
		p = itr_pins_open(folder, &err);
		assert_non_null(p);
		for (int i = 0; i < 1000; i++)
			if (i != 500)
				expect(p, i);
		assert_null(itr_pins_find(p, "val/00500.jpg"));
		assert_null(itr_pins_find(p, "val/zzz.jpg"));
		assert_int_equal(itr_pins_save(p, &err), 0);    /* the second round reads the sorted file */
		itr_pins_close(p);
	}
	f = fopen(path, "a");
	fputs("not json\n", f);
	fclose(f);
	assert_null(itr_pins_open(folder, &err));
	assert_non_null(strstr(err.msg, ":1000'"));             /* names the line: 999 pins before it */
	free(path);
}

struct found { int64_t n, wrong, last_i, last_j; const itr_phash *h; const int *group; };

static void on_pair(void *ctx, int64_t i, int64_t j, int distance)
{
	struct found *f = ctx;
	f->n++;
	f->wrong += i >= j || f->group[i] == f->group[j] || itr_phash_distance(f->h[i], f->h[j]) != distance || i < f->last_i ||
	            (i == f->last_i && j <= f->last_j);
	f->last_i = i;
	f->last_j = j;
}

static void test_pairs(void **state)
{
	(void)state;
	enum { N = 3000 };
	static itr_phash h[N];
	static int group[N];
	itr_rng r;
	itr_rng_seed(&r, 5);
	for (int i = 0; i < N; i++) {           /* families of pictures that differ in a few bits */
		h[i] = (itr_phash){ { itr_rng_u64(&r), itr_rng_u64(&r) } };
		if (i >= 1000) {
			h[i] = h[itr_rng_integers(&r, 0, 1000)];
			for (int64_t k = itr_rng_integers(&r, 0, 9); k > 0; k--) {
				int64_t bit = itr_rng_integers(&r, 0, 128);
				h[i].bits[bit / 64] ^= UINT64_C(1) << (bit % 64);
			}
		}
		group[i] = (int)itr_rng_integers(&r, 0, 3);
	}
	for (int d = 0; d <= ITR_PHASH_MAX_DISTANCE; d++) {
		int64_t want = 0;
		for (int i = 0; i < N; i++)
			for (int j = i + 1; j < N; j++)
				want += group[i] != group[j] && itr_phash_distance(h[i], h[j]) <= d;
		struct found f = { .h = h, .group = group, .last_i = -1 };
		itr_phash_pairs(h, group, N, d, on_pair, &f);
		assert_int_equal(f.n, want);
		assert_int_equal(f.wrong, 0);
		assert_true(d < 3 || want > 500);
	}
	struct found none = { 0 };
	itr_phash_pairs(h, group, 0, 4, on_pair, &none);
	assert_int_equal(none.n, 0);
}

static void test_pictures(void **state)
{
	(void)state;
	itr_image a, small, other;
	bool flat;
	char hex[33];
	itr_image_alloc(&a, 200, 150);
	itr_image_alloc(&other, 200, 150);
	itr_rng r;
	itr_rng_seed(&r, 9);
	double phase[8];
	for (int k = 0; k < 8; k++)
		phase[k] = itr_rng_random(&r);
	for (int i = 0; i < 200 * 150; i++)
		for (int c = 0; c < 3; c++) {
			int x = i % 200, y = i / 200;
			a.rgb[3 * i + c] = (uint8_t)((x * (1 + (y / 37) % 3) + y * 2 + (x / 41) * 53) % 256);
			other.rgb[3 * i + c] = (uint8_t)((x * 3 + y * (1 + (x / 29) % 4) + (int)(phase[y / 20 % 8] * 200)) % 256);
		}
	itr_image_resize(&small, &a, 97, 80, ITR_BICUBIC);
	itr_phash h = itr_image_phash(&a, &flat), back;
	assert_false(flat);
	assert_true(itr_phash_distance(h, itr_image_phash(&small, NULL)) <= 7);         /* the same picture, smaller */
	assert_true(itr_phash_distance(h, itr_image_phash(&other, NULL)) > 20);         /* another one */
	itr_phash_print(h, hex);
	assert_true(itr_phash_parse(&back, hex));
	assert_int_equal(itr_phash_distance(h, back), 0);
	assert_false(itr_phash_parse(&back, "123"));
	memset(a.rgb, 200, 3 * 200 * 150);
	itr_image_phash(&a, &flat);
	assert_true(flat);
	itr_image_free(&a);
	itr_image_free(&small);
	itr_image_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_journal), cmocka_unit_test(test_pairs), cmocka_unit_test(test_pictures) };
	return cmocka_run_group_tests(tests, begin, end);
}
