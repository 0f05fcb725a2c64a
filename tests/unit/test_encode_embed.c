/* lib/encode/embed: rows, ids and ground truth belong together whatever is selected, shuffled, mapped or cut */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "data/features.h"
#include "encode/embed.h"
#include "io/npz.h"
#include "model/closed.h"

enum { N = 6, M = 12, D = 8, R = 4 };

static char folder[] = "/tmp/itr-test-embed-XXXXXX", store[64], model[64], out[64];
static float image[N * D], text[M * D];

/* Image i is in split train, val, test in turn and has captions 2i and 2i+1, whose vectors are the image's own: row i = a one at place i,
 * and i elsewhere tiny. */
static void make_store(void)
{
	itr_features_layout l = {
		.synthetic = true, .n_images = N, .n_texts = M, .image = { .encoder = "e", .dim = D }, .text = { .encoder = "e", .dim = D }
	};
	const char *id[N], *split[N], *file[N], *text_id[M], *caption[M];
	static char names[N + M][16];
	int64_t text_image[M];
	itr_err err = ITR_ERR_INIT;
	for (int i = 0; i < N; i++) {
		snprintf(names[i], 16, "i%d", i);
		id[i] = names[i];
		split[i] = itr_split_names[i % 3];
		file[i] = "x";
		for (int k = 0; k < D; k++)
			image[i * D + k] = k == i ? 2 : 0.125f * (float)(i == 3 ? 1 : k % 3);
	}
	for (int i = 0; i < M; i++) {
		snprintf(names[N + i], 16, "t%d", i);
		text_id[i] = caption[i] = names[N + i];
		text_image[i] = i / 2;
		memcpy(text + i * D, image + i / 2 * D, D * sizeof *text);
	}
	itr_features_index x = { .image_id = id,
		                 .image_split = split,
		                 .image_path = file,
		                 .text_id = text_id,
		                 .caption = caption,
		                 .text_image = text_image,
		                 .config = "{}" };
	itr_h5 *h = itr_features_create(store, ITR_FEATURES_FORMAT, &l, &err);
	assert_non_null(h);
	assert_int_equal(itr_h5_write_rows(h, "/image/pooled", ITR_F32, 0, N, image, &err), 0);
	assert_int_equal(itr_h5_write_rows(h, "/text/pooled", ITR_F32, 0, M, text, &err), 0);
	assert_int_equal(itr_features_write_index(h, &l, &x, &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
}

static int embed(const itr_embed_opts *o, itr_embed_result *r, itr_err *err)
{
	itr_provenance *p = itr_provenance_new("test", "0", 0, NULL, 42, true);
	int rc = itr_embed(store, out, o, p, r, err);
	itr_provenance_free(p);
	return rc;
}

/* Every caption's vector equals its image's vector, and the ids say so too. */
static void check_pairs(const char *dim, int64_t n, int64_t m)
{
	char name[40];
	itr_err err = ITR_ERR_INIT;
	itr_array_info a, b, c;
	itr_npz *z = itr_npz_open(out, &err);
	assert_non_null(z);
	snprintf(name, sizeof name, "text_%s", dim);
	float *t = itr_npz_f32(z, name, &a, &err);
	snprintf(name, sizeof name, "video_%s", dim);
	float *v = itr_npz_f32(z, name, &b, &err);
	int64_t *truth = itr_npz_i64(z, "ground_truth", &c, &err);
	assert_true(t && v && truth);
	assert_true(a.shape[0] == m && b.shape[0] == n && c.count == m && a.shape[1] == atoi(dim));
	char **tid = itr_npz_text(z, "text_ids", &a, &err), **vid = itr_npz_text(z, "video_ids", &b, &err);
	for (int64_t i = 0; i < m; i++) {
		assert_int_equal(atoi(tid[i] + 1) / 2, atoi(vid[truth[i]] + 1));
		assert_memory_equal(t + i * c.rank * atoi(dim), v + truth[i] * atoi(dim), (size_t)atoi(dim) * sizeof *t);
		double norm = 0;
		for (int k = 0; k < atoi(dim); k++)
			norm += (double)t[i * atoi(dim) + k] * t[i * atoi(dim) + k];
		assert_true(fabs(norm - 1) < 1e-5);
	}
	itr_npz_free_text(tid, m);
	itr_npz_free_text(vid, n);
	itr_aligned_free(t);
	itr_aligned_free(v);
	itr_aligned_free(truth);
	itr_npz_close(z);
}

static void test_sizes(void **state)
{
	itr_embed_result r;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	itr_embed_opts o = {
		.project = { 3, { D, 3, 20 } }, .truncate = { 1, { 5 } }, .seed = 42, .threads = 2
	};
	assert_int_equal(embed(&o, &r, &err), 0);
	assert_true(r.base == D && r.n_dims == 4 && r.images == N && r.texts == M);
	check_pairs("8", N, M);
	check_pairs("3", N, M);
	check_pairs("20", N, M);
	check_pairs("5", N, M);
	o = (itr_embed_opts){ .split = "test", .shuffle_queries = true, .seed = 7 };
	assert_int_equal(embed(&o, &r, &err), 0);
	check_pairs("8", N / 3, M / 3);
}

/* The projected rows against the definition, in double. */
static void test_gaussian(void **state)
{
	itr_embed_result r;
	itr_err err = ITR_ERR_INIT;
	itr_rng rng;
	double g[D * 3], row[3];
	(void)state;
	assert_int_equal(embed(&(itr_embed_opts){ .project = { 1, { 3 } }, .seed = 42 }, &r, &err), 0);
	itr_npz *z = itr_npz_open(out, &err);
	float *v = itr_npz_f32(z, "video_3", NULL, &err);
	itr_rng_init(&rng, (uint64_t[]){ 42, 3 }, 2);
	itr_rng_normals(&rng, D * 3, g);
	for (int i = 0; i < N; i++) {
		double norm = 0;
		for (int d = 0; d < 3; d++) {
			row[d] = 0;
			for (int k = 0; k < D; k++)
				row[d] += image[i * D + k] * g[k * 3 + d];
			norm += row[d] * row[d];
		}
		for (int d = 0; d < 3; d++)
			assert_true(fabs(v[i * 3 + d] - row[d] / sqrt(norm)) < 1e-6);   /* float32 rounding of unit rows */
	}
	itr_aligned_free(v);
	itr_npz_close(z);
}

static itr_closed *random_model(const char *encoder)
{
	itr_rng rng;
	itr_closed *p = itr_closed_new("cca", R);
	itr_rng_seed(&rng, 1);
	for (int s = 0; s < 2; s++) {
		p->side[s].in = D;
		free(p->side[s].encoder);
		p->side[s].encoder = itr_xstrdup(encoder);
		p->side[s].weight = itr_aligned_alloc(R * D * sizeof(float));
		if (s)
			memcpy(p->side[s].weight, p->side[0].weight, R * D * sizeof(float));
		else
			for (int k = 0; k < R * D; k++)
				p->side[s].weight[k] = (float)itr_rng_normal(&rng);
	}
	return p;
}

static void test_model(void **state)
{
	itr_embed_result r;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	itr_closed *p = random_model("e");
	assert_int_equal(itr_closed_save(p, model, NULL, &err), 0);
	itr_closed_free(p);
	itr_embed_opts o = {
		.model = model, .split = "val", .project = { 2, { R, 2 } }, .seed = 42
	};
	assert_int_equal(embed(&o, &r, &err), 0);
	assert_int_equal(r.base, R);
	check_pairs("4", N / 3, M / 3);
	check_pairs("2", N / 3, M / 3);
	p = random_model("another");
	assert_int_equal(itr_closed_save(p, model, NULL, &err), 0);
	itr_closed_free(p);
	assert_int_equal(embed(&o, &r, &err), -1);
	assert_non_null(strstr(err.msg, "encoder 'another'"));
	o.model = "/nowhere.h5";
	assert_int_equal(embed(&o, &r, &err), -1);
}

static void test_refused(void **state)
{
	itr_embed_result r;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	unlink(out);
	assert_int_equal(embed(&(itr_embed_opts){ .truncate = { 1, { D + 1 } } }, &r, &err), -1);
	assert_int_equal(embed(&(itr_embed_opts){ .project = { 2, { 3, 3 } } }, &r, &err), -1);
	assert_non_null(strstr(err.msg, "twice"));
	assert_int_equal(embed(&(itr_embed_opts){ .split = "restval" }, &r, &err), -1);
	assert_non_null(strstr(err.msg, "0 images"));
	assert_false(itr_path_exists(out));
}

static int clean(void **state)
{
	(void)state;
	return itr_path_remove_tree(folder, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sizes), cmocka_unit_test(test_gaussian), cmocka_unit_test(test_model),
		                            cmocka_unit_test(test_refused) };
	if (!mkdtemp(folder))
		return 1;
	snprintf(store, sizeof store, "%s/f.h5", folder);
	snprintf(model, sizeof model, "%s/m.h5", folder);
	snprintf(out, sizeof out, "%s/e.npz", folder);
	make_store();
	return cmocka_run_group_tests(tests, NULL, clean);
}
