#include "data/translation.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/rng.h"
#include "io/npz.h"
#include "tensor/gemm.h"
#include "tensor/rows.h"

enum { LATENT = 64, CAPTIONS = 5, BLOCK = 500 };        /* rows that one generator draws: a multiple of CAPTIONS */
enum { MAP_TEXT = 1, MAP_IMAGE = 2, ROWS_IMAGE = 3, ROWS_TEXT = 4 };

/* What a caption says about its picture: 1/sqrt(1 + BLUR^2) = 0.45 is the correlation of their latents, which leaves the best possible
 * search far from perfect. */
static const float BLUR = 2;

struct side {
	bool text;
	uint64_t seed;
	/* first: number of the first row of the whole series, so that the test captions continue the training ones */
	int64_t first, rows, dim;
	const float *map;               /* (LATENT, dim) */
	float *x;
	void (*progress)(void *ctx, int64_t rows);
	void *ctx;
};

/* The latent of image i: a stream of its own, so that captions and pictures find the same one. */
static void latent_of(uint64_t seed, int64_t image, float z[LATENT])
{
	itr_rng r;
	itr_rng_init(&r, (uint64_t[]){ seed, ROWS_IMAGE, (uint64_t)image }, 3);
	for (int k = 0; k < LATENT; k++)
		z[k] = (float)itr_rng_normal(&r);
}

/* One row's latent (captions: blurred by their own draw) and its noise, put where the vector will stand. */
static void draw_row(const struct side *s, int64_t row, float z[LATENT], float *noise)
{
	itr_rng r;
	latent_of(s->seed, s->text ? row / CAPTIONS : row, z);
	itr_rng_init(&r, (uint64_t[]){ s->seed, ROWS_TEXT, (uint64_t)row, s->text }, 4);
	for (int k = 0; s->text && k < LATENT; k++)
		z[k] += BLUR * (float)itr_rng_normal(&r);
	for (int64_t j = 0; j < s->dim; j++)
		noise[j] = (float)itr_rng_normal(&r);
}

static void one_block(void *ctx, int64_t b, int worker)
{
	const struct side *s = ctx;
	const int64_t first = b * BLOCK, n = ITR_MIN((int64_t)BLOCK, s->rows - first);
	float *z = itr_xmalloc((size_t)n * LATENT * sizeof *z), *x = s->x + first * s->dim;
	(void)worker;
	for (int64_t i = 0; i < n; i++)
		draw_row(s, s->first + first + i, z + i * LATENT, x + i * s->dim);
	/* signal of variance 4 (64 / 16 for images, 64 (1 + BLUR^2) / 80 for captions) over noise of variance 1 */
	itr_gemm(false, false, n, s->dim, LATENT, s->text ? 0.1118034f : 0.25f, z, LATENT, s->map, s->dim, 1, x, s->dim, 1);
	itr_rows_normalize(x, n, s->dim, 1);
	free(z);
	if (s->progress)
		s->progress(s->ctx, n);
}

static float *make_map(uint64_t seed, int which, int64_t dim)
{
	itr_rng r;
	float *m = itr_aligned_alloc((size_t)(LATENT * dim) * sizeof *m);
	itr_rng_init(&r, (uint64_t[]){ seed, (uint64_t)which }, 2);
	for (int64_t i = 0; i < LATENT * dim; i++)
		m[i] = (float)itr_rng_normal(&r);
	return m;
}

static void make_rows(struct side *s, int threads) { itr_parallel_for(threads, (s->rows + BLOCK - 1) / BLOCK, one_block, s); }

static int put_matrix(itr_npz_writer *w, const char *key, const struct side *s, itr_err *err)
{
	return itr_npz_put(w, key, ITR_F32, 2, (int64_t[]){ s->rows, s->dim }, s->x, err);
}

/* Names made by a pattern of one number, or of two for captions (image, which caption). */
static int put_names(itr_npz_writer *w, const char *key, int64_t first, int64_t n, const char *kind, itr_err *err)
{
	char **names = itr_xmalloc((size_t)n * sizeof *names);
	for (int64_t i = 0; i < n; i++) {
		const long long row = (long long)(first + i);
		names[i] = !strcmp(kind, "name") ? itr_xasprintf("%012lld.jpg", row)
		         : itr_xasprintf("synthetic caption %lld of image %012lld", row % CAPTIONS + 1, row / CAPTIONS);
	}
	int rc = itr_npz_put_text(w, key, (const char *const *)names, n, err);
	for (int64_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return rc;
}

static int put_ids(itr_npz_writer *w, int64_t first, int64_t n, itr_err *err)
{
	int64_t *ids = itr_xmalloc((size_t)n * sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = first + i;
	int rc = itr_npz_put(w, "captions/ids", ITR_I64, 1, &n, ids, err);
	free(ids);
	return rc;
}

static int put_marks(itr_npz_writer *w, const itr_provenance *p, itr_err *err)
{
	const uint8_t yes = 1;
	char *text = itr_provenance_text(p);
	int rc = itr_npz_put(w, "itr_synthetic", ITR_BOOL, 0, NULL, &yes, err);
	if (rc == 0 && text[0])
		rc = itr_npz_put_string(w, "itr_provenance", text, err);
	free(text);
	return rc;
}

static int put_captions(itr_npz_writer *w, struct side *s, int threads, itr_err *err)
{
	s->x = itr_aligned_alloc((size_t)(s->rows * s->dim) * sizeof *s->x);
	make_rows(s, threads);
	int rc = put_matrix(w, "captions/embeddings", s, err);
	itr_aligned_free(s->x);
	if (rc == 0)
		rc = put_names(w, "captions/text", s->first, s->rows, "caption", err);
	return rc < 0 ? rc : put_ids(w, s->first, s->rows, err);
}

static int put_images(itr_npz_writer *w, struct side *s, int threads, itr_err *err)
{
	s->x = itr_aligned_alloc((size_t)(s->rows * s->dim) * sizeof *s->x);
	make_rows(s, threads);
	int rc = put_matrix(w, "images/embeddings", s, err);
	itr_aligned_free(s->x);
	return rc < 0 ? rc : put_names(w, "images/names", s->first, s->rows, "name", err);
}

static int write_file(const char *dir, const char *name, struct side *text, struct side *image, const itr_provenance *p, int threads,
                      itr_err *err)
{
	char *path = itr_path_join(dir, name);
	itr_npz_writer *w = itr_npz_create(path, false, err);
	int rc = w ? put_captions(w, text, threads, err) : -1;
	if (rc == 0 && image)
		rc = put_images(w, image, threads, err);
	if (rc == 0)
		rc = put_marks(w, p, err);
	if (rc == 0)
		rc = itr_npz_finish(w, err);
	else
		itr_npz_abandon(w);
	free(path);
	return rc;
}

int itr_translation_write(const char *dir, int64_t images, uint64_t seed, const itr_provenance *p, int threads,
                          void (*progress)(void *ctx, int64_t rows), void *ctx, itr_err *err)
{
	float *a = make_map(seed, MAP_TEXT, ITR_TRANSLATION_TEXT_DIM), *b = make_map(seed, MAP_IMAGE, ITR_TRANSLATION_IMAGE_DIM);
	struct side text = { true, seed, 0, images * CAPTIONS, ITR_TRANSLATION_TEXT_DIM, a, NULL, progress, ctx };
	struct side image = { false, seed, 0, images, ITR_TRANSLATION_IMAGE_DIM, b, NULL, progress, ctx };
	struct side test = { true, seed, images * CAPTIONS, ITR_TRANSLATION_TEST, ITR_TRANSLATION_TEXT_DIM, a, NULL, progress, ctx };
	int rc = write_file(dir, "train.npz", &text, &image, p, threads, err);
	if (rc == 0)
		rc = write_file(dir, "test.clean.npz", &test, NULL, p, threads, err);
	itr_aligned_free(a);
	itr_aligned_free(b);
	return rc;
}
