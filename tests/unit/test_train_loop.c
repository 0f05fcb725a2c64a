/* The training loop: GradCache, accumulation, moving average, early stopping, resumption, what stops it; checkpoints that are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "encode/encode.h"
#include "io/npz.h"
#include "tensor/rows.h"
#include "train/checkpoint.h"
#include "train/internal.h"
#include "train/loop.h"
#include "model_options.h"

enum { IMAGES = 40, TEXTS = 120, IN = 48, OUT = 64 };
static char folder[] = "/tmp/itr-test-loop.XXXXXX";

static char *in_folder(const char *name) { return itr_xasprintf("%s/%s", folder, name); }

static float *rows(int64_t n, int64_t dim, uint64_t key)
{
	itr_rng r;
	float *x = itr_aligned_alloc((size_t)(n * dim) * sizeof *x);
	itr_rng_seed(&r, key);
	for (int64_t i = 0; i < n * dim; i++)
		x[i] = (float)itr_rng_normal(&r);
	itr_rows_normalize(x, n, dim, 1);
	return x;
}

/* Three texts an image, split by image. */
static itr_embeddings data(void)
{
	itr_embeddings d = { .table.n = { TEXTS, IMAGES }, .side = { { .dim = IN }, { .dim = OUT } } };
	itr_err err = ITR_ERR_INIT;
	d.side[ITR_TEXT].rows = rows(TEXTS, IN, 1);
	d.side[ITR_IMAGE].rows = rows(IMAGES, OUT, 2);
	d.table.text_image = itr_xmalloc(TEXTS * sizeof *d.table.text_image);
	d.table.id[ITR_TEXT] = itr_xmalloc(TEXTS * sizeof *d.table.id[ITR_TEXT]);
	d.table.id[ITR_IMAGE] = itr_xmalloc(IMAGES * sizeof *d.table.id[ITR_IMAGE]);
	for (int64_t i = 0; i < TEXTS; i++) {
		d.table.text_image[i] = i / 3;
		d.table.id[ITR_TEXT][i] = itr_xasprintf("%lld", (long long)i);
	}
	for (int64_t i = 0; i < IMAGES; i++)
		d.table.id[ITR_IMAGE][i] = itr_xasprintf("%lld", (long long)i);
	assert_int_equal(itr_split_assign_rows(&d.table, (double[]){ 0.8, 0.2, 0 }, 1, &(itr_split_rule){ .by = ITR_SPLIT_BY_IMAGE }, &err),
	                 0);
	return d;
}

static itr_train_opts options(void)
{
	return (itr_train_opts){ .epochs = 1,
		                 .batch_size = 32,
		                 .val_batch = 16,
		                 .accumulate = 1,
		                 .optimizer = "sgd",
		                 .loss = "infonce",
		                 .monitor = "val_loss",
		                 .lr = 0.1,
		                 .threads = 2,
		                 .log_every = 1,
		                 .seed = 5 };
}

static itr_model *model(double dropout)
{
	itr_err err = ITR_ERR_INIT;
	char json[64];
	snprintf(json, sizeof json, "{\"embed_dim\":24,\"dropout\":%g}", dropout);
	void *options = model_options("heads", json);
	itr_model *m = itr_model_new(
		"heads",
		&(itr_model_config){ .text_dim = IN, .image_dim = OUT, .options = options, .temperature = 0.07, .learn_scale = true }, 3,
		&err);
	free(options);
	assert_non_null(m);
	return m;
}

/* Two layers, of which large weights overflow. */
static itr_model *two_layers(void)
{
	itr_err err = ITR_ERR_INIT;
	void *options = model_options("mlp", "{\"hidden\":20,\"dropout\":0}");
	itr_model *m = itr_model_new(
		"mlp", &(itr_model_config){ .text_dim = IN, .image_dim = OUT, .options = options, .temperature = 0.07 }, 3, &err);
	free(options);
	assert_non_null(m);
	return m;
}

/* Trains from the same weights; how far they moved, one block; NULL when it failed. */
static float *moved(const itr_embeddings *d, const itr_train_opts *o, double dropout, itr_train_report *r)
{
	itr_err err = ITR_ERR_INIT;
	itr_model *m = model(dropout), *start = model(dropout);
	const int64_t n = itr_params_block(m->params);
	itr_train_report own;
	itr_train_end end = itr_train_network(m, d, o, &(itr_train_hooks){ 0 }, NULL, r ? r : &own, &err);
	if (end == ITR_TRAIN_FAILED)
		fail_msg("%s", err.msg);
	itr_train_report_free(r ? r : &own);
	float *w = itr_aligned_alloc((size_t)n * sizeof *w);
	for (int64_t i = 0; i < n; i++)
		w[i] = itr_params_values(m->params)[i] - itr_params_values(start->params)[i];
	itr_model_free(m);
	itr_model_free(start);
	return w;
}

static double difference(const float *a, const float *b, int64_t n)
{
	double top = 0, worst = 0;
	for (int64_t i = 0; i < n; i++) {
		top = fmax(top, fabs((double)b[i]));
		worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
	}
	assert_true(top > 1e-6);
	return worst / top;
}

static int64_t block(void)
{
	itr_model *m = model(0);
	const int64_t n = itr_params_block(m->params);
	itr_model_free(m);
	return n;
}

/* One step of SGD moves the weights by the gradient: chunks give that of the whole batch, for every chunk size, also one that does not
 * divide it. */
static void test_gradcache(void **state)
{
	itr_embeddings d = data();
	itr_train_opts o = options();
	const int64_t n = block(), chunks[] = { 1, 7, 32, 96, 200 };
	(void)state;
	o.batch_size = 96;
	for (int symmetric = 0; symmetric < 2; symmetric++) {
		o.symmetric = symmetric;
		o.cache_chunk = 0;
		float *plain = moved(&d, &o, 0, NULL);
		for (int i = 0; i < ITR_LEN(chunks); i++) {
			o.cache_chunk = chunks[i];
			float *cached = moved(&d, &o, 0, NULL);
			assert_true(difference(cached, plain, n) < 1e-5);
			itr_aligned_free(cached);
		}
		itr_aligned_free(plain);
	}
	itr_embeddings_free(&d);
}

/* Several steps with dropout, bit for bit: chunked or not, averaged or not. */
static void test_threads(void **state)
{
	itr_embeddings d = data();
	const int64_t n = block();
	(void)state;
	for (int chunk = 0; chunk <= 10; chunk += 10) {
		itr_train_opts o = options();
		o.epochs = 3;
		o.cache_chunk = chunk;
		o.optimizer = "adamw";
		o.clip = 0.5;
		o.threads = 1;
		float *one = moved(&d, &o, 0.3, NULL);
		o.threads = 2;
		float *two = moved(&d, &o, 0.3, NULL);
		o.threads = 5;
		float *five = moved(&d, &o, 0.3, NULL);
		assert_memory_equal(one, two, (size_t)n * sizeof *one);
		assert_memory_equal(one, five, (size_t)n * sizeof *one);
		itr_aligned_free(one), itr_aligned_free(two), itr_aligned_free(five);
	}
	itr_embeddings_free(&d);
}

/* A loss that is a mean over rows: batches put together are one large batch, also in the epoch's last group, whose batches are fewer and of
 * unequal size. */
static void accumulate(const char *loss, int64_t batch, int64_t times, int64_t chunk, int64_t steps)
{
	itr_embeddings d = data();
	itr_train_opts o = options();
	itr_train_report r;
	o.loss = loss;
	o.lr = 1e-2;
	o.cache_chunk = chunk;
	itr_model *m = two_layers();
	const int64_t n = itr_params_block(m->params);
	float *start = itr_aligned_alloc((size_t)n * 4), *whole = itr_aligned_alloc((size_t)n * 4),
	      *parts = itr_aligned_alloc((size_t)n * 4);
	memcpy(start, itr_params_values(m->params), (size_t)n * 4);
	for (int k = 0; k < 2; k++) {
		o.batch_size = k ? batch : batch * times;
		o.accumulate = k ? times : 1;
		memcpy(itr_params_values(m->params), start, (size_t)n * 4);
		assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ 0 }, NULL, &r, NULL), ITR_TRAIN_DONE);
		assert_int_equal(r.steps, steps);
		itr_train_report_free(&r);
		for (int64_t i = 0; i < n; i++)
			(k ? parts : whole)[i] = itr_params_values(m->params)[i] - start[i];
	}
	assert_true(difference(parts, whole, n) < 1e-5);
	itr_aligned_free(start), itr_aligned_free(whole), itr_aligned_free(parts);
	itr_model_free(m);
	itr_embeddings_free(&d);
}

static void test_accumulation(void **state)
{
	(void)state;
	for (int64_t chunk = 0; chunk <= 7; chunk += 7) {
		accumulate("cosine", 32, 3, chunk, 1);          /* 96 pairs */
		accumulate("mse", 16, 4, chunk, 2);             /* 64, and 16 + 16 */
		accumulate("cosine", 20, 3, chunk, 2);          /* 60, and 20 + 16 */
		accumulate("mse", 19, 5, chunk, 2);             /* 95, and 1 */
		accumulate("mse", 95, 4, chunk, 1);             /* 95 + 1 */
	}
}

/* After one step the average with decay 0.75 is 0.75 of the old weights and 0.25 of the new; it is what is validated and saved, the weights
 * themselves go on. */
static void test_ema(void **state)
{
	itr_embeddings d = data();
	itr_train_opts o = options();
	itr_train_report r;
	itr_err err = ITR_ERR_INIT;
	char *path = in_folder("ema.h5");
	itr_model *m = model(0), *start = model(0);
	(void)state;
	o.batch_size = 96;
	o.ema = 0.75;
	assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ .model_path = path }, NULL, &r, &err), ITR_TRAIN_DONE);
	itr_train_report_free(&r);
	itr_model *saved = model(0);
	itr_h5 *h = itr_h5_open(path, "itr-model", &err);
	assert_non_null(h);
	assert_int_equal(itr_params_load(saved->params, h, "/param", &err), 0);         /* the link for earlier versions */
	assert_int_equal(itr_params_load(saved->params, h, "/net/model/param", &err), 0);
	itr_h5_close(h);
	double moved_by = 0;
	for (int64_t i = 0; i < itr_params_block(m->params); i++) {
		const double w0 = (double)itr_params_values(start->params)[i], w1 = (double)itr_params_values(m->params)[i];
		assert_true(fabs((double)itr_params_values(saved->params)[i] - (0.75 * w0 + 0.25 * w1)) < 1e-6);
		moved_by = fmax(moved_by, fabs(w1 - w0));
	}
	assert_true(moved_by > 1e-4);
	itr_model_free(m), itr_model_free(start), itr_model_free(saved);
	free(path);
	itr_embeddings_free(&d);
}

/* Nothing learns at this rate: the first epoch is the best, and `patience` more end it. */
static void test_early_stopping(void **state)
{
	itr_embeddings d = data();
	itr_train_opts o = options();
	itr_train_report r;
	itr_model *m = model(0);
	(void)state;
	o.epochs = 20;
	o.lr = 1e-30;
	o.patience = 3;
	assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ 0 }, NULL, &r, NULL), ITR_TRAIN_EARLY);
	assert_int_equal(r.epochs, 4);
	assert_int_equal(r.best_epoch, 1);
	itr_train_report_free(&r);
	itr_model_free(m);
	itr_embeddings_free(&d);
}

static void test_refusals(void **state)
{
	itr_embeddings d = data();
	itr_train_report r;
	itr_model *m = model(0);
	itr_err err = ITR_ERR_INIT;
	(void)state;
	itr_train_opts o = options();
	o.monitor = "val_t2i_recal_at_10";
	assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ 0 }, NULL, &r, &err), ITR_TRAIN_FAILED);
	assert_non_null(strstr(err.msg, "'val_t2i_recall_at_10'"));
	o = options();
	o.loss = "infonec";
	assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ 0 }, NULL, &r, &err), ITR_TRAIN_FAILED);
	assert_non_null(strstr(err.msg, "did you mean 'infonce'"));
	itr_model_free(m);
	itr_embeddings_free(&d);
}

static char *contents(const char *path, size_t *n)
{
	itr_err err = ITR_ERR_INIT;
	char *bytes = itr_path_read(path, 1 << 24, n, &err);
	assert_non_null(bytes);
	return bytes;
}

/* Weights that overflow are never a checkpoint nor the best model, whatever is monitored, with or without a part to validate on, found at
 * the next step or at the epoch's end. */
static void test_divergence(void **state)
{
	itr_embeddings d = data();
	char *ckpt = in_folder("nan.ckpt.h5"), *path = in_folder("nan.h5");
	static const char *const monitors[] = { "val_loss", "val_mean_recall_at_10", "val_i2t_mrr", "train_loss" };
	(void)state;
	for (int k = 0; k < 4 * ITR_LEN(monitors); k++) {
		itr_train_opts o = options();
		o.optimizer = "adam";
		itr_train_report r;
		itr_err err = ITR_ERR_INIT;
		itr_model *m = two_layers();
		o.monitor = monitors[k / 4];
		o.lr = 1e30;
		o.ema = k & 1 ? 0.5 : 0;
		o.batch_size = k & 2 ? 96 : 32;                 /* one step an epoch: no later step finds it */
		o.epochs = k & 2 ? 1 : 5;
		assert_int_equal(
			itr_train_network(m, &d, &o, &(itr_train_hooks){ .checkpoint_path = ckpt, .model_path = path }, NULL, &r, &err),
			ITR_TRAIN_FAILED);
		assert_true(r.diverged && r.best_epoch == 0);
		assert_non_null(strstr(err.msg, k & 2 ? "after epoch 1" : "at step"));
		assert_non_null(strstr(err.msg, "no good state"));
		assert_false(itr_path_exists(ckpt) || itr_path_exists(path));
		itr_train_report_free(&r);
		itr_model_free(m);
	}
	free(ckpt), free(path);
	itr_embeddings_free(&d);
}

/* Without validation pairs a few training pairs tell whether the model is of use. */
static void test_divergence_without_val(void **state)
{
	itr_embeddings d = data();
	itr_train_opts o = options();
	o.optimizer = "adam";
	itr_train_report r;
	itr_err err = ITR_ERR_INIT;
	itr_model *m = two_layers();
	char *path = in_folder("noval.h5");
	(void)state;
	for (int64_t i = 0; i < d.table.n[ITR_TEXT]; i++)
		d.table.part[ITR_TEXT][i] = ITR_TRAIN;
	o.monitor = "train_loss";
	o.batch_size = TEXTS;
	o.lr = 1e30;
	assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ .model_path = path }, NULL, &r, &err), ITR_TRAIN_FAILED);
	assert_true(r.diverged && !itr_path_exists(path));
	itr_train_report_free(&r);
	itr_model_free(m);
	free(path);
	itr_embeddings_free(&d);
}

/* After good epochs: model and checkpoint stay as they were, byte for byte, and the message names the checkpoint. */
static void test_divergence_later(void **state)
{
	itr_embeddings d = data();
	char *ckpt = in_folder("late.ckpt.h5"), *path = in_folder("late.h5");
	const itr_train_hooks h = { .checkpoint_path = ckpt, .model_path = path };
	itr_train_report r;
	itr_err err = ITR_ERR_INIT;
	size_t n[4];
	(void)state;
	for (int late = 0; late < 2; late++) {
		itr_model *m = two_layers(), *again = two_layers();
		itr_train_opts o = options();
		o.optimizer = "adam";
		o.lr = 1e-3;
		assert_int_equal(itr_train_network(m, &d, &o, &h, NULL, &r, &err), ITR_TRAIN_DONE);
		itr_train_report_free(&r);
		char *before[2] = { contents(ckpt, &n[0]), contents(path, &n[1]) };
		o.epochs = 2;
		o.lr = late ? 1e25 : 1e30;
		assert_int_equal(itr_train_network(again, &d, &o, &h, ckpt, &r, &err), ITR_TRAIN_FAILED);
		assert_true(r.diverged && r.best_epoch == 1);
		assert_non_null(strstr(err.msg, "last good state is in"));
		char *after[2] = { contents(ckpt, &n[2]), contents(path, &n[3]) };
		for (int i = 0; i < 2; i++) {
			assert_int_equal(n[i], n[2 + i]);
			assert_memory_equal(before[i], after[i], n[i]);
			free(before[i]), free(after[i]);
		}
		itr_train_report_free(&r);
		itr_model_free(m), itr_model_free(again);
	}
	free(ckpt), free(path);
	itr_embeddings_free(&d);
}

/* Makes the file's array `name` begin with NaN, by its bytes: the library does not write such a file. */
static void poison(const char *path, const char *name)
{
	itr_err err = ITR_ERR_INIT;
	itr_h5_info info;
	size_t n;
	itr_h5 *h = itr_h5_open(path, NULL, &err);
	float *x = h ? itr_h5_read(h, name, ITR_F32, &info, &err) : NULL;
	if (!x)
		fail_msg("%s", err.msg);
	itr_h5_close(h);
	char *bytes = contents(path, &n);
	const size_t size = ITR_MIN((size_t)info.count, (size_t)64) * sizeof *x;
	int64_t found = 0;
	for (size_t at = 0; at + size <= n; at++)
		if (!memcmp(bytes + at, x, size)) {
			memset(bytes + at, 0xff, sizeof *x);
			found++;
		}
	assert_true(found > 0);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
	itr_aligned_free(x);
	free(bytes);
}

/* NaN in an array of a model or of a checkpoint: neither written nor read, and the array is named. */
static void test_files_hold_numbers(void **state)
{
	itr_embeddings d = data();
	char *ckpt = in_folder("f.ckpt.h5"), *path = in_folder("f.h5");
	itr_model *m = model(0);
	const char *first = itr_params_at(m->params, 0)->name;
	char *param = itr_xasprintf("/net/model/param/%s", first);
	const char *const arrays[] = { param, "/net/model/optim/state0", "/net/model/ema", "/net/model/best" };
	itr_err err = ITR_ERR_INIT;
	(void)state;
	itr_params_at(m->params, 0)->data[1] = INFINITY;
	assert_int_equal(itr_model_save(m, path, false, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.msg, param));
	assert_false(itr_path_exists(path));
	itr_model_free(m);
	for (int k = 0; k <= ITR_LEN(arrays); k++) {
		itr_train_opts o = options();
		itr_train_report r;
		o.ema = 0.5;
		m = model(0);
		assert_int_equal(
			itr_train_network(m, &d, &o, &(itr_train_hooks){ .checkpoint_path = ckpt, .model_path = path }, NULL, &r, &err),
			ITR_TRAIN_DONE);
		itr_train_report_free(&r);
		err = (itr_err)ITR_ERR_INIT;
		poison(k < ITR_LEN(arrays) ? ckpt : path, k < ITR_LEN(arrays) ? arrays[k] : param);
		o.epochs = 2;
		if (k == ITR_LEN(arrays))
			assert_null(itr_model_open(path, NULL, &err));
		else if (k == 3)
			assert_null(itr_checkpoint_best(ckpt, &(itr_train_net){ .name = "model", .params = m->params }, &err));
		else
			assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ 0 }, ckpt, &r, &err), ITR_TRAIN_FAILED);
		assert_non_null(strstr(err.msg, k < ITR_LEN(arrays) ? arrays[k] : param));
		assert_non_null(strstr(err.msg, "NaN or infinity"));
		if (k < ITR_LEN(arrays) && k != 3)
			itr_train_report_free(&r);
		itr_model_free(m);
	}
	free(ckpt), free(path), free(param);
	itr_embeddings_free(&d);
}

static void npz_pairs(const char *path)
{
	itr_err err = ITR_ERR_INIT;
	float *x = rows(10, IN, 1), *y = rows(2, OUT, 2);
	itr_npz_writer *w = itr_npz_create(path, false, &err);
	assert_int_equal(itr_npz_put(w, "captions/embeddings", ITR_F32, 2, (int64_t[]){ 10, IN }, x, &err), 0);
	assert_int_equal(itr_npz_put(w, "images/embeddings", ITR_F32, 2, (int64_t[]){ 2, OUT }, y, &err), 0);
	if (itr_npz_finish(w, &err) < 0)
		fail_msg("%s", err.msg);
	itr_aligned_free(x), itr_aligned_free(y);
}

/* Finite weights that are too large: the row is named, by whoever applies the model. */
static void test_overflow_when_applied(void **state)
{
	char *path = in_folder("large.h5"), *pairs = in_folder("pairs.npz");
	itr_err err = ITR_ERR_INIT;
	itr_encoded out;
	(void)state;
	npz_pairs(pairs);
	for (int projection = 0; projection < 2; projection++) {
		const int64_t dim = 24;
		if (projection) {
			itr_closed *p = itr_closed_new("cca", dim);
			for (int s = 0; s < 2; s++) {
				p->side[s].in = s ? OUT : IN;
				p->side[s].weight = rows(dim, p->side[s].in, 3);
				for (int64_t i = 0; i < dim * p->side[s].in; i++)
					p->side[s].weight[i] *= 1e38F;
			}
			p->side[0].bias = rows(1, dim, 4);
			for (int64_t i = 0; i < dim; i++)
				p->side[0].bias[i] = FLT_MAX;
			assert_int_equal(itr_closed_save(p, path, NULL, &err), 0);
			p->side[0].bias[3] = INFINITY;
			assert_int_equal(itr_closed_save(p, path, NULL, &err), -1);
			assert_non_null(strstr(err.msg, "/param/text.bias"));
			itr_closed_free(p);
		} else {
			itr_model *m = two_layers();
			for (int64_t i = 0; i < itr_params_live(m->params); i++)
				itr_params_values(m->params)[i] *= 1e30F;
			if (itr_model_save(m, path, false, NULL, NULL, &err) < 0)
				fail_msg("%s", err.msg);
			itr_model_free(m);
		}
		err = (itr_err)ITR_ERR_INIT;
		itr_model *opened = itr_model_open(path, NULL, &err);
		assert_non_null(opened);
		for (int side = 0; side < 2; side++) {
			const itr_encode_opts o = { .in = { .sides = side ? 0 : ITR_HAS_TEXT, .threads = 2 }, .check_split = side };
			assert_int_equal(itr_encode(&out, opened, pairs, &o, &err), -1);
			assert_null(out.rows.table.id[ITR_TEXT]);
			assert_non_null(strstr(err.msg, "NaN or infinity of text '"));
			err = (itr_err)ITR_ERR_INIT;
		}
		itr_model_free(opened);
	}
	free(path), free(pairs);
}

/* --- resumption ----------------------------------------------------------------------------------------------------------------------- */

struct stopper { volatile sig_atomic_t stop; int64_t after, steps; };

static void count(void *ctx, int64_t samples, double loss, double lr)
{
	struct stopper *s = ctx;
	(void)samples, (void)loss, (void)lr;
	s->stop = ++s->steps >= s->after;
}

/* Stopped after any step, also inside an epoch, and gone on with in another process's memory: the same weights, average and metrics as
 * without. */
static void test_resume(void **state)
{
	itr_embeddings d = data();
	itr_train_opts o = options();
	itr_err err = ITR_ERR_INIT;
	itr_train_report whole, part;
	char *ckpt = in_folder("r.ckpt.h5"), *best = in_folder("r.h5");
	(void)state;
	o.epochs = 4;
	o.optimizer = "adam";
	o.lr = 1e-2;
	o.ema = 0.9;
	o.schedule = 1;
	itr_model *m = model(0.2);
	const size_t bytes = (size_t)itr_params_block(m->params) * sizeof(float);
	assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ 0 }, NULL, &whole, &err), ITR_TRAIN_DONE);
	for (int64_t after = 1; after < 12; after += 2) {
		struct stopper s = { .after = after };
		itr_model *a = model(0.2), *b = model(0.2);
		assert_int_equal(
			itr_train_network(
				a, &d, &o,
				&(itr_train_hooks){
					.ctx = &s, .progress = count, .stop = &s.stop, .checkpoint_path = ckpt, .model_path = best },
				NULL, &part, &err),
			ITR_TRAIN_STOPPED);
		itr_train_report_free(&part);
		(void)unlink(best);             /* a lost model comes back from the checkpoint */
		o.threads = 1 + (int)(after / 2 % 2);
		assert_int_equal(
			itr_train_network(b, &d, &o, &(itr_train_hooks){ .checkpoint_path = ckpt, .model_path = best }, ckpt, &part, &err),
			ITR_TRAIN_DONE);
		assert_memory_equal(itr_params_values(m->params), itr_params_values(b->params), bytes);
		assert_int_equal(part.epochs, whole.epochs);
		assert_int_equal(part.steps, whole.steps);
		assert_int_equal(part.best_epoch, whole.best_epoch);
		assert_memory_equal(part.history, whole.history, (size_t)(whole.epochs * whole.n_metrics) * sizeof(double));
		assert_true(itr_path_exists(best));
		itr_train_report_free(&part);
		itr_model_free(a);
		itr_model_free(b);
	}
	itr_train_report_free(&whole);
	itr_model_free(m);
	free(ckpt);
	free(best);
	itr_embeddings_free(&d);
}

/* A checkpoint with bytes changed, or cut, is refused or read as what it was; it never crashes, and the whole one before is named. */
static void test_damaged(void **state)
{
	itr_embeddings d = data();
	itr_train_opts o = options();
	itr_err err = ITR_ERR_INIT;
	itr_train_report r;
	size_t n;
	char *ckpt = in_folder("d.ckpt.h5");
	itr_model *m = model(0);
	itr_rng g;
	(void)state;
	o.epochs = 2;
	assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ .checkpoint_path = ckpt }, NULL, &r, &err), ITR_TRAIN_DONE);
	itr_train_report_free(&r);
	unsigned char *bytes = (unsigned char *)itr_path_read(ckpt, 1 << 24, &n, &err);
	assert_non_null(bytes);
	itr_rng_seed(&g, 4);
	o.epochs = 3;
	for (int k = 0; k < 150; k++) {
		unsigned char *copy = memcpy(itr_xmalloc(n), bytes, n);
		size_t keep = n;
		if (k % 3 == 0)
			keep = (size_t)itr_rng_integers(&g, 0, (int64_t)n);
		else
			for (int i = 0; i < 8; i++)
				copy[itr_rng_integers(&g, 0, k % 3 == 1 ? 4096 : (int64_t)n)] ^=
					(unsigned char)itr_rng_integers(&g, 1, 256);
		FILE *f = fopen(ckpt, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(copy, 1, keep, f), keep);
		fclose(f);
		itr_model *b = model(0);
		err = (itr_err)ITR_ERR_INIT;
		itr_train_end end = itr_train_network(b, &d, &o, &(itr_train_hooks){ 0 }, ckpt, &r, &err);
		if (k % 3 == 0) {
			assert_int_equal(end, ITR_TRAIN_FAILED);
			if (keep > 0)
				assert_non_null(strstr(err.msg, "d.ckpt.1.h5"));
		}
		assert_true(end != ITR_TRAIN_FAILED || err.set);
		itr_train_report_free(&r);
		itr_model_free(b);
		free(copy);
	}
	free(bytes);
	free(ckpt);
	itr_model_free(m);
	itr_embeddings_free(&d);
}

/* What a later program wrote is refused, with its version. */
static void test_later_version(void **state)
{
	char *ckpt = in_folder("later.ckpt.h5");
	itr_err err = ITR_ERR_INIT;
	(void)state;
	itr_h5 *h = itr_h5_create(ckpt, "itr-checkpoint", false, &err);
	assert_non_null(h);
	assert_int_equal(itr_h5_set_attr_int(h, "/", "version", 3, &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
	assert_null(itr_checkpoint_info(ckpt, &err));
	assert_non_null(strstr(err.msg, "is of version 3 of 'itr-checkpoint'; this program reads version 1 to 2"));
	free(ckpt);
}

/* History is by name: a column that the file does not have is NaN, one that the run does not have is dropped. */
static void test_history_by_name(void **state)
{
	itr_model *m = model(0);
	itr_err err = ITR_ERR_INIT;
	char *ckpt = in_folder("names.ckpt.h5");
	itr_train_net net = { .name = "model", .params = m->params };
	itr_train_state s = { .epoch = 2, .loss_weight = 1, .term_sum = { 3, 4 } }, back;
	double history[] = { 1, 2, 3, 4 }, got[6];
	(void)state;
	net.optim = itr_optim_new("sgd", m->params, &(itr_optim_opts){ .threads = 1 }, &err);
	itr_checkpoint_parts p = { .net = &net, .n_nets = 1, .state = &s, .history = history, .metrics = 2,
		                   .metric = (const char *const[]){ "a", "b" } };
	assert_int_equal(itr_checkpoint_write(ckpt, &p, &err), 0);
	p = (itr_checkpoint_parts){ .net = &net, .n_nets = 1, .state = &back, .history = got, .metrics = 3,
		                    .metric = (const char *const[]){ "b", "new", "a" } };
	assert_int_equal(itr_checkpoint_read(ckpt, &p, 5, &err), 0);
	assert_true(got[0] == 2 && isnan(got[1]) && got[2] == 1 && got[3] == 4 && isnan(got[4]) && got[5] == 3);
	assert_true(back.epoch == 2 && back.term_sum[1] == 4);
	itr_train_net two[] = { net, { .name = "loss", .params = m->params, .optim = net.optim } };
	p.net = two;
	p.n_nets = 2;
	err = (itr_err)ITR_ERR_INIT;
	assert_int_equal(itr_checkpoint_read(ckpt, &p, 5, &err), -1);
	assert_non_null(strstr(err.msg, "missing"));
	itr_optim_free(net.optim);
	itr_model_free(m);
	free(ckpt);
}

/* --- samplers ---------------------------------------------------------------------------------------------------------------------------
 */

/* Each sampler: a permutation, by seed and epoch alone. no-duplicates: every image once in a batch, as long as there are enough. */
static void test_samplers(void **state)
{
	enum { N = 96, BATCH = 20 };
	itr_embeddings d = data();
	itr_train_opts o = options();
	itr_trainer r = { .data = &d, .opts = &o };
	(void)state;
	o.batch_size = BATCH;
	int duplicates[2] = { 0 };
	for (int s = 0; itr_samplers[s]; s++) {
		int64_t first[N], again[N], next[N];
		assert_string_equal(itr_samplers[s]->name, itr_sampler_names[s]);
		for (int64_t i = 0; i < N; i++)
			first[i] = again[i] = next[i] = i;
		itr_samplers[s]->order(&r, 3, first, N);
		itr_samplers[s]->order(&r, 3, again, N);
		itr_samplers[s]->order(&r, 4, next, N);
		assert_memory_equal(first, again, sizeof first);
		assert_memory_not_equal(first, next, sizeof first);
		bool there[N] = { false };
		for (int64_t i = 0; i < N; i++)
			there[first[i]] = true;
		for (int64_t i = 0; i < N; i++)
			assert_true(there[i]);
		for (int64_t i = 0; i < N; i++)
			for (int64_t k = i / BATCH * BATCH; k < i; k++)
				duplicates[s > 0] += first[k] / 3 == first[i] / 3;
	}
	assert_true(duplicates[0] > 5);
	assert_int_equal(duplicates[1], 0);
	o.batch_size = N;                       /* 32 images cannot fill it */
	int64_t rows[N];
	for (int64_t i = 0; i < N; i++)
		rows[i] = i;
	itr_samplers[1]->order(&r, 0, rows, N);
	for (int64_t i = 0; i < 32; i++)
		for (int64_t k = 0; k < i; k++)
			assert_true(rows[i] / 3 != rows[k] / 3);        /* the first of each image come first */
	itr_embeddings_free(&d);
}

/* --- objectives ------------------------------------------------------------------------------------------------------------------------
 */

/* A copy of the named objective's defaults with one option set; the caller frees. Its place in itr_objectives into *place. */
static void *objective_values(const char *name, int *place)
{
	for (*place = 0; itr_objectives[*place]; ++*place) {
		const itr_objective *o = itr_objectives[*place];
		if (!strcmp(o->name, name))
			return memcpy(itr_xmalloc(o->size), o->defaults, o->size);
	}
	fail_msg("no objective '%s'", name);
	return NULL;
}

static void *field(const char *objective, void *values, const char *option)
{
	for (int i = 0; itr_objectives[i]; i++)
		for (const itr_option *o = itr_objectives[i]->options; o && o->type != ITR_OPT_T_END; o++)
			if (!strcmp(itr_objectives[i]->name, objective) && !strcmp(o->name, option))
				return (char *)values + o->offset;
	fail_msg("'%s' has no option '%s'", objective, option);
	return NULL;
}

static double dot(const float *a, const float *b, int64_t n)
{
	double s = 0;
	for (int64_t i = 0; i < n; i++)
		s += (double)a[i] * (double)b[i];
	return s;
}

/* Mean over rows of KL(softmax(a_i b_j / ta) || softmax(c_i d_j / tc)): the definition. */
static double divergence(const float *a, const float *b, int64_t dim, double ta, const float *c, const float *d, int64_t width, double tc,
                         int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) {
		double zp = 0, zq = 0;
		for (int64_t j = 0; j < n; j++) {
			zp += exp(dot(a + i * dim, b + j * dim, dim) / ta);
			zq += exp(dot(c + i * width, d + j * width, width) / tc);
		}
		for (int64_t j = 0; j < n; j++) {
			const double p = dot(a + i * dim, b + j * dim, dim) / ta - log(zp),
				     q = dot(c + i * width, d + j * width, width) / tc - log(zq);
			sum += exp(p) * (p - q);
		}
	}
	return sum / (double)n;
}

/* The term of `distill` is the divergence of the model's similarities from the teacher's, over the pairs that both know. */
static void test_distill(void **state)
{
	enum { DIM = 10, LEFT_OUT = 4 };        /* the last images, which the teacher has not seen */
	const int64_t texts = TEXTS - 3 * LEFT_OUT, images = IMAGES - LEFT_OUT;
	itr_embeddings d = data();
	itr_train_opts o = options();
	itr_train_report r;
	itr_err err = ITR_ERR_INIT;
	itr_model *m = model(0);
	char *path = in_folder("teacher.npz");
	float *t = rows(texts, DIM, 8), *u = rows(images, DIM, 9);
	int place;
	(void)state;
	double *one_hot = itr_xcalloc((size_t)(texts * images), sizeof *one_hot);
	for (int64_t i = 0; i < texts; i++)
		one_hot[i * images + i / 3] = 1;
	itr_npz_writer *w = itr_npz_create(path, false, &err);
	assert_int_equal(itr_npz_put(w, "captions/embeddings", ITR_F32, 2, (int64_t[]){ texts, DIM }, t, &err), 0);
	assert_int_equal(itr_npz_put(w, "images/embeddings", ITR_F32, 2, (int64_t[]){ images, DIM }, u, &err), 0);
	assert_int_equal(itr_npz_put(w, "captions/label", ITR_F64, 2, (int64_t[]){ texts, images }, one_hot, &err), 0);
	assert_int_equal(itr_npz_finish(w, &err), 0);
	free(one_hot);
	void *values = objective_values("distill", &place);
	const void *all[ITR_TRAIN_OBJECTIVES] = { NULL };
	all[place] = values;
	*(const char **)field("distill", values, "teacher") = path;
	*(double *)field("distill", values, "distill-weight") = 3;
	*(double *)field("distill", values, "teacher-temperature") = 0.5;
	o.method = (int)(itr_method_find("distill", NULL) - itr_methods);
	o.objective_values = all;
	o.batch_size = TEXTS;
	o.lr = 1e-30;
	o.symmetric = true;
	/* what the model makes of the pairs, before the training, which does not move it */
	float *x = itr_aligned_alloc(TEXTS * 24 * sizeof *x), *y = itr_aligned_alloc(IMAGES * 24 * sizeof *y);
	itr_model_context *c = itr_model_context_new(m, 1);
	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .rows = d.side[ITR_TEXT].rows }, TEXTS,
	                &(itr_model_output){ .pooled = x, .unit = true });
	itr_model_embed(c, ITR_IMAGE, &(itr_model_input){ .rows = d.side[ITR_IMAGE].rows }, IMAGES,
	                &(itr_model_output){ .pooled = y, .unit = true });
	itr_model_context_free(c);
	float *a = itr_aligned_alloc(TEXTS * DIM * 4), *b = itr_aligned_alloc(TEXTS * DIM * 4), *p = itr_aligned_alloc(TEXTS * 24 * 4),
	      *q = itr_aligned_alloc(TEXTS * 24 * 4);
	int64_t n = 0;
	for (int64_t i = 0; i < texts; i++)
		if (d.table.part[ITR_TEXT][i] == ITR_TRAIN) {
			memcpy(a + n * DIM, t + i * DIM, DIM * 4), memcpy(b + n * DIM, u + i / 3 * DIM, DIM * 4);
			memcpy(p + n * 24, x + i * 24, 24 * 4), memcpy(q + n * 24, y + i / 3 * 24, 24 * 4);
			n++;
		}
	assert_true(n > 50 && n < 96);
	const double want = 3 * 0.5 * (divergence(a, b, DIM, 0.5, p, q, 24, 0.07, n) + divergence(b, a, DIM, 0.5, q, p, 24, 0.07, n));
	for (int chunk = 0; chunk <= 7; chunk += 7) {
		o.cache_chunk = chunk;
		if (itr_train_network(m, &d, &o, &(itr_train_hooks){ 0 }, NULL, &r, &err) != ITR_TRAIN_DONE)
			fail_msg("%s", err.msg);
		assert_string_equal(r.metric[r.n_metrics - 1], "train_loss_distill");
		assert_true(fabs(r.value[r.n_metrics - 1] / want - 1) < 1e-5);
		assert_true(fabs(r.value[r.n_metrics - 1] + r.value[r.n_metrics - 2] - r.value[r.n_metrics - 3]) < 1e-6);
		itr_train_report_free(&r);
	}
	float *blocks[] = { t, u, x, y, a, b, p, q };
	for (int i = 0; i < ITR_LEN(blocks); i++)
		itr_aligned_free(blocks[i]);
	free(values), free(path);
	itr_model_free(m);
	itr_embeddings_free(&d);
}

/* Trains with `adversary`; the model's weights (block() floats) and the second network's first array, which the checkpoint holds. */
static float *with_adversary(const itr_embeddings *d, itr_train_opts o, double weight, float **second, double *own_loss)
{
	char *ckpt = in_folder("adversary.ckpt.h5");
	itr_err err = ITR_ERR_INIT;
	itr_train_report r;
	itr_h5_info info;
	int place;
	void *values = objective_values("adversary", &place);
	const void *all[ITR_TRAIN_OBJECTIVES] = { NULL };
	itr_model *m = model(0.2);
	all[place] = values;
	*(double *)field("adversary", values, "adversary-weight") = weight;
	*(double *)field("adversary", values, "adversary-lr") = 1e-2;
	o.method = (int)(itr_method_find("adversary", NULL) - itr_methods);
	o.objective_values = all;
	if (itr_train_network(m, d, &o, &(itr_train_hooks){ .checkpoint_path = ckpt }, NULL, &r, &err) != ITR_TRAIN_DONE)
		fail_msg("%s", err.msg);
	assert_string_equal(r.metric[r.n_metrics - 1], "train_own_loss_adversary");
	*own_loss = r.value[r.n_metrics - 1];
	itr_train_report_free(&r);
	itr_h5 *h = itr_h5_open_version(ckpt, "itr-checkpoint", 2, &err);
	*second = itr_h5_read(h, "/net/adversary/param/fc1.weight", ITR_F32, &info, &err);
	assert_non_null(*second);
	assert_int_equal(info.count, 64 * 24);
	itr_h5_close(h);
	float *w = memcpy(itr_aligned_alloc((size_t)block() * 4), itr_params_values(m->params), (size_t)block() * 4);
	itr_model_free(m);
	free(values), free(ckpt);
	return w;
}

/* Own steps move their own net alone, and the model's step does not move that net: with weight 0 the model is as without, to the bit; after
 * one step the second network is the same for any weight, for chunks as for the whole batch. It learns; the term makes it harder. */
static void test_own_steps(void **state)
{
	itr_embeddings d = data();
	itr_train_opts o = options();
	double alone, against, ignored;
	float *second[4];
	(void)state;
	o.optimizer = "adam";
	o.lr = 1e-3;
	o.batch_size = 96;
	float *none = with_adversary(&d, o, 0, &second[0], &ignored), *some = with_adversary(&d, o, 5, &second[1], &ignored);
	itr_model *m = model(0.2);
	itr_train_report r;
	assert_int_equal(itr_train_network(m, &d, &o, &(itr_train_hooks){ 0 }, NULL, &r, NULL), ITR_TRAIN_DONE);
	itr_train_report_free(&r);
	assert_memory_equal(none, itr_params_values(m->params), (size_t)block() * 4);
	assert_memory_not_equal(some, none, (size_t)block() * 4);
	assert_memory_equal(second[0], second[1], 64 * 24 * 4);
	itr_model_free(m);
	itr_aligned_free(none), itr_aligned_free(some);
	o.epochs = 40;
	o.batch_size = 32;
	none = with_adversary(&d, o, 0, &second[2], &alone);
	some = with_adversary(&d, o, 5, &second[3], &against);
	assert_memory_not_equal(second[0], second[2], 64 * 24 * 4);
	printf("# adversary: %.3f alone, %.3f against the term\n", alone, against);
	assert_true(alone < 0.5 && against > alone + 0.1);
	itr_aligned_free(none), itr_aligned_free(some);
	for (int i = 0; i < 4; i++)
		itr_aligned_free(second[i]);
	itr_embeddings_free(&d);
}

/* NaN in the data is found on reading, with the row and the array's name; wrong keys list those that are there. */
static void test_bad_pairs(void **state)
{
	itr_embeddings d;
	itr_err err = ITR_ERR_INIT;
	char *path = in_folder("bad.npz");
	float *x = rows(10, 8, 1), *y = rows(2, 8, 2);
	(void)state;
	for (int k = 0; k < 2; k++) {
		itr_npz_writer *w = itr_npz_create(path, false, &err);
		x[3 * 8 + 2] = k ? 0.5F : NAN;
		assert_int_equal(
			itr_npz_put(w, k ? "caption/embeddings" : "captions/embeddings", ITR_F32, 2, (int64_t[]){ 10, 8 }, x, &err), 0);
		assert_int_equal(itr_npz_put(w, "images/embeddings", ITR_F32, 2, (int64_t[]){ 2, 8 }, y, &err), 0);
		assert_int_equal(itr_npz_finish(w, &err), 0);
		assert_int_equal(itr_embeddings_open(&d, path, &(itr_embeddings_opts){ .threads = 1 }, &err), -1);
		assert_non_null(strstr(err.msg, k ? "caption/embeddings" : "row 3 of 'captions/embeddings'"));
		assert_null(d.side[ITR_TEXT].rows);
	}
	itr_aligned_free(x), itr_aligned_free(y);
	free(path);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gradcache),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_accumulation),
		cmocka_unit_test(test_ema),
		cmocka_unit_test(test_early_stopping),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_divergence),
		cmocka_unit_test(test_divergence_without_val),
		cmocka_unit_test(test_divergence_later),
		cmocka_unit_test(test_files_hold_numbers),
		cmocka_unit_test(test_overflow_when_applied),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_samplers), cmocka_unit_test(test_distill), cmocka_unit_test(test_own_steps),
		cmocka_unit_test(test_later_version),
		cmocka_unit_test(test_history_by_name),
		cmocka_unit_test(test_bad_pairs),
	};
	return cmocka_run_group_tests_name("train_loop", tests, begin, end);
}
