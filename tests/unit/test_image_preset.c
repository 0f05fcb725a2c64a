/* lib/image/preset.c against the libraries that the presets name (tests/golden/gen_presets.py): equality of every float32, since the
 * arithmetic is theirs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "image/preset.h"

static void picture(itr_image *img, int width, int height, uint32_t seed)
{
	uint32_t x = seed;
	itr_image_alloc(img, width, height);
	for (int i = 0; i < width * height * 3; i++) {
		x = x * 1664525u + 1013904223u;
		img->rgb[i] = seed % 3 == 0 ? (x >> 31 ? 255 : 0) : (uint8_t)(x >> 24);
	}
}

static size_t floats(const itr_preset *p) { return (size_t)p->crop * (size_t)p->crop * 3; }

static void test_golden(void **state)
{
	(void)state;
	char line[512], name[64], want[65], have[ITR_SHA256_HEX];
	int w, h, cases = 0, seen[64] = { 0 };
	unsigned seed;
	FILE *f = fopen("tests/golden/presets.txt", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%63s %d %d %u %64s", name, &w, &h, &seed, want), 5);
		itr_err err = ITR_ERR_INIT;
		const itr_preset *p = itr_preset_find(name, &err);
		if (!p)
			fail_msg("%s", err.msg);
		itr_image img;
		picture(&img, w, h, seed);
		float *out = itr_xmalloc(floats(p) * sizeof *out);
		assert_int_equal(itr_preset_apply(p, &img, out, &err), 0);
		itr_sha256_bytes(out, floats(p) * sizeof *out, have);
		if (strcmp(have, want))
			fail_msg("%s on %d x %d differs from %s", name, w, h, p->source);
		free(out);
		itr_image_free(&img);
		seen[p - itr_preset_at(0)]++;
		cases++;
	}
	fclose(f);
	for (int i = 0; i < itr_preset_count(); i++)
		if (seen[i] < 5)
			fail_msg("preset '%s' has %d golden cases", itr_preset_at(i)->name, seen[i]);
	assert_true(cases >= 150);
}

/* tests/golden/preset_configs.json: files as timm, transformers and open_clip put them beside weights, and what those libraries make of
 * pictures by them. */
static void test_published(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_json *all = itr_json_read("tests/golden/preset_configs.json", &err);
	assert_non_null(all);
	int made = 0, refused = 0;
	for (const itr_json *j = itr_json_first(all); j; j = itr_json_next(j)) {
		const char *word = itr_json_str(itr_json_get(j, "refused"), NULL), *like = itr_json_str(itr_json_get(j, "like"), "none");
		itr_preset out, back;
		int rc = itr_preset_published((itr_publisher)itr_json_int(itr_json_get(j, "by"), 0), itr_json_get(j, "config"),
		                              itr_preset_find(itr_json_str(itr_json_get(j, "base"), ""), &err), &out, &err);
		itr_buf config = ITR_BUF_INIT;
		itr_json_print(&config, itr_json_get(j, "config"), false);
		if ((rc < 0) != (word != NULL) || (word && !strstr(err.msg, word)))
			fail_msg("%s: %s", config.data, rc < 0 ? err.msg : "not refused");
		itr_buf_free(&config);
		if (word) {
			refused++;
			continue;
		}
		assert_int_equal(out.crop, itr_json_int(itr_json_get(j, "side"), 0));
		const itr_preset *known = itr_preset_like(&out);
		assert_string_equal(known ? known->name : "none", like);
		itr_json *kept = itr_preset_json(&out);         /* the way through a model file */
		assert_int_equal(itr_preset_from_json(kept, &back, &err), 0);
		itr_json_free(kept);
		char text[2][256];
		itr_preset_describe(&out, text[0], 256);
		itr_preset_describe(&back, text[1], 256);
		assert_string_equal(text[0], text[1]);
		assert_true(strlen(text[0]) < 200);
		float *values = itr_xmalloc(floats(&back) * sizeof *values);
		for (const itr_json *c = itr_json_first(itr_json_get(j, "pictures")); c; c = itr_json_next(c), made++) {
			char have[ITR_SHA256_HEX];
			itr_image img;
			picture(&img, (int)itr_json_int(itr_json_at(c, 0), 0), (int)itr_json_int(itr_json_at(c, 1), 0),
			        (uint32_t)itr_json_int(itr_json_at(c, 2), 0));
			assert_int_equal(itr_preset_apply(&back, &img, values, &err), 0);
			itr_sha256_bytes(values, floats(&back) * sizeof *values, have);
			if (strcmp(have, itr_json_str(itr_json_at(c, 3), "")))
				fail_msg("%s on %d x %d differs from the library's", text[0], img.width, img.height);
			itr_image_free(&img);
		}
		free(values);
	}
	itr_json_free(all);
	assert_true(made >= 80 && refused >= 25);
}

static void test_names(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	char text[256];
	assert_null(itr_preset_find("imagnet", &err));
	assert_non_null(strstr(err.msg, "did you mean 'imagenet'"));
	assert_null(itr_preset_at(-1));
	assert_null(itr_preset_at(itr_preset_count()));
	for (int i = 0; i < itr_preset_count(); i++) {
		const itr_preset *p = itr_preset_at(i);
		assert_ptr_equal(itr_preset_find(p->name, &err), p);
		itr_preset_describe(p, text, sizeof text);
		assert_true(strlen(text) < 200 && !strncmp(text, p->name, strlen(p->name)));
	}
	itr_preset_describe(itr_preset_at(0), text, sizeof text);
	assert_string_equal(text, "clip: shorter side to 224 bicubic, crop 224 (rounded down), mean 0.48145466 0.4578275 0.40821073, std "
	                          "0.26862954 0.26130258 0.27577711");
	itr_preset_describe(itr_preset_at(0), text, 8);
	assert_string_equal(text, "clip: s");
}

/* int(size * longer / shorter), crop at int(round(slack / 2.0)) with Python's half to even against slack // 2: slack 1, 2, 3 tell them
 * apart. */
static void test_geometry(void **state)
{
	(void)state;
	static const struct { const char *preset; int w, h, W, H, left, top;
	} cases[] = {
		{ "clip", 640, 480, 298, 224, 37, 0 }, { "clip-round", 640, 480, 299, 224, 37, 0 },
		{ "clip", 480, 640, 224, 298, 0, 37 }, { "imagenet", 500, 334, 383, 256, 80, 16 },
		{ "clip", 225, 224, 225, 224, 0, 0 },  { "clip-openai", 225, 224, 225, 224, 0, 0 },
		{ "clip", 227, 224, 227, 224, 1, 0 },  { "clip-openai", 227, 224, 227, 224, 2, 0 },
		{ "vit", 900, 10, 224, 224, 0, 0 },    { "none-224", 300, 224, 300, 224, 38, 0 },
		{ "clip", 1, 1, 224, 224, 0, 0 },
	};
	for (int i = 0; i < ITR_LEN(cases); i++) {
		itr_err err = ITR_ERR_INIT;
		itr_preset_box b;
		assert_int_equal(itr_preset_geometry(itr_preset_find(cases[i].preset, &err), cases[i].w, cases[i].h, &b, &err), 0);
		if (b.width != cases[i].W || b.height != cases[i].H || b.left != cases[i].left || b.top != cases[i].top)
			fail_msg("%s %d x %d: %d x %d at %d, %d", cases[i].preset, cases[i].w, cases[i].h, b.width, b.height, b.left,
			         b.top);
	}
}

static void test_refused(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_image img, crop;
	itr_preset_box b;
	picture(&img, 300, 223, 1);
	assert_int_equal(itr_preset_crop(itr_preset_find("none-224", &err), &img, &crop, &err), -1);
	assert_non_null(strstr(err.msg, "300 x 223 pixels is smaller than the 224 x 224"));
	itr_image_free(&img);
	assert_int_equal(itr_preset_geometry(itr_preset_find("clip", &err), 1, 100000000, &b, &err), -1);
	assert_non_null(strstr(err.msg, "too narrow"));
}

/* 1 x N: the resized picture would be 224 x 4,480,000 (3 GB); only the crop of it is made. */
static void test_thin_pictures_cost_little(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	static const int sides[][2] = { { 1, 20000 }, { 20000, 1 }, { 2, 60000 }, { 60000, 3 } };
	float *out = itr_xmalloc((size_t)224 * 224 * 3 * sizeof *out);
	for (int i = 0; i < ITR_LEN(sides); i++)
		for (int p = 0; p < itr_preset_count(); p++) {
			if (itr_preset_at(p)->resize == ITR_RESIZE_NONE)
				continue;
			itr_image img;
			picture(&img, sides[i][0], sides[i][1], 5);
			assert_int_equal(itr_preset_apply(itr_preset_at(p), &img, out, &err), 0);
			for (size_t k = 0; k < 224 * 224 * 3; k++)
				assert_true(isfinite(out[k]));
			itr_image_free(&img);
		}
	free(out);
}

struct shared { const itr_preset *p; itr_image img; float *out; };

static void one(void *ctx, int64_t i, int worker)
{
	struct shared *s = ctx;
	(void)worker;
	if (itr_preset_apply(s->p, &s->img, s->out + (size_t)i * floats(s->p), NULL) < 0)
		abort();
}

static void test_threads(void **state)
{
	(void)state;
	struct shared s = { .p = itr_preset_at(0) };
	picture(&s.img, 321, 200, 7);
	s.out = itr_xmalloc(16 * floats(s.p) * sizeof(float));
	itr_parallel_for(4, 16, one, &s);
	for (size_t i = 1; i < 16; i++)
		assert_memory_equal(s.out, s.out + i * floats(s.p), floats(s.p) * sizeof(float));
	free(s.out);
	itr_image_free(&s.img);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden),  cmocka_unit_test(test_published),
		                            cmocka_unit_test(test_names),   cmocka_unit_test(test_geometry),
		                            cmocka_unit_test(test_refused), cmocka_unit_test(test_thin_pictures_cost_little),
		                            cmocka_unit_test(test_threads) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
