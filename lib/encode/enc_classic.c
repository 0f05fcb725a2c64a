/* classic - colour layout and oriented gradients (image/classic.h): needs no weights */
#include <stdio.h>
#include <string.h>

#include "base/parallel.h"
#include "encode/encoder.h"
#include "image/classic.h"

enum { INPUT = ITR_CLASSIC_SIDE * ITR_CLASSIC_SIDE * 3, PATCHES = ITR_CLASSIC_GRID * ITR_CLASSIC_GRID };

static int create(itr_encoder *e, itr_modality modality, const itr_encoder_opts *o, itr_err *err)
{
	(void)modality, (void)o, (void)err;
	e->dim = e->patch_dim = ITR_CLASSIC_DIM;
	e->grid = ITR_CLASSIC_GRID;
	e->input_bytes = INPUT;
	e->fast_side = ITR_CLASSIC_SIDE;
	e->state = itr_classic_new();
	snprintf(e->preprocess, sizeof e->preprocess, "classic-1: resize %dx%d bilinear, the whole picture (aspect ratio not kept)",
	         ITR_CLASSIC_SIDE, ITR_CLASSIC_SIDE);
	return 0;
}

static void destroy(itr_encoder *e)
{
	itr_classic_free(e->state);
}

/* The whole picture is squeezed into the square: a layout descriptor loses more by cropping an object away than by distorting it. */
static int prepare(const itr_encoder *e, const itr_image *img, void *input, itr_err *err)
{
	(void)e, (void)err;
	if (img->width == ITR_CLASSIC_SIDE && img->height == ITR_CLASSIC_SIDE) {
		memcpy(input, img->rgb, INPUT);
		return 0;
	}
	itr_image small;
	itr_image_resize(&small, img, ITR_CLASSIC_SIDE, ITR_CLASSIC_SIDE, ITR_BILINEAR);
	memcpy(input, small.rgb, INPUT);
	itr_image_free(&small);
	return 0;
}

struct batch {
	const itr_encoder *e;
	const uint8_t *inputs;
	float *pooled, *patches;
};

static void encode_one(void *ctx, int64_t i, int worker)
{
	const struct batch *b = ctx;
	(void)worker;
	itr_classic_describe(b->e->state, b->inputs + i * INPUT, b->pooled + i * ITR_CLASSIC_DIM,
	                     b->patches ? b->patches + i * PATCHES * ITR_CLASSIC_DIM : NULL);
}

static int encode_images(const itr_encoder *e, const void *inputs, int64_t n, int threads, float *pooled, float *patches, itr_err *err)
{
	(void)err;
	struct batch b = { e, inputs, pooled, patches };
	itr_parallel_for(threads, n, encode_one, &b);
	return 0;
}

const itr_encoder_desc itr_encoder_classic = {
	.name = "classic",
	.summary = "colour layout, oriented gradients and their joint statistics; 2048 pooled and per patch of a 7x7 grid; no weights",
	.sides = ITR_HAS_IMAGE,
	.create = create,
	.destroy = destroy,
	.prepare = prepare,
	.encode_images = encode_images,
};
