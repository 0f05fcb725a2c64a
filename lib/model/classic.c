/* classic - colour layout and oriented gradients (image/classic.h): needs no weights */
#include <string.h>

#include "base/parallel.h"
#include "image/classic.h"
#include "model/tower.h"

enum { INPUT = ITR_CLASSIC_SIDE * ITR_CLASSIC_SIDE * 3, PATCHES = ITR_CLASSIC_GRID * ITR_CLASSIC_GRID };

static void open_tables(itr_tower *w)
{
	w->dim = w->state_dim = ITR_CLASSIC_DIM;
	w->grid = ITR_CLASSIC_GRID;
	w->input_bytes = INPUT;
	w->fast_side = ITR_CLASSIC_SIDE;
	w->tables = itr_classic_new();
}

static void close_tables(itr_tower *w) { itr_classic_free(w->tables); }

static void describe(itr_buf *b)
{
	itr_buf_printf(b, "classic-1: resize %dx%d bilinear, the whole picture (aspect ratio not kept)", ITR_CLASSIC_SIDE,
	               ITR_CLASSIC_SIDE);
}

/* The whole picture is squeezed into the square: a layout descriptor loses more by cropping an object away than by distorting it. */
static int prepare(const itr_tower *w, const itr_image *img, void *input, itr_err *err)
{
	(void)w, (void)err;
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

struct work { const itr_tower *w; const itr_tower_batch *b; };

static void embed_one(void *ctx, int64_t i, int worker)
{
	const struct work *x = ctx;
	const itr_tower_batch *b = x->b;
	(void)worker;
	itr_classic_describe(x->w->tables, (const uint8_t *)b->pictures + i * INPUT, b->pooled + i * ITR_CLASSIC_DIM,
	                     b->states ? b->states + i * PATCHES * ITR_CLASSIC_DIM : NULL);
}

static void embed(const itr_tower *w, const itr_tower_batch *b, int threads)
{
	struct work x = { w, b };
	itr_parallel_for(threads, b->n, embed_one, &x);
}

const itr_tower_ops itr_tower_classic = {
	.name = "classic",
	.summary = "colour layout, oriented gradients and their joint statistics; 2048 pooled and per patch of a 7x7 grid; no weights",
	.modality = ITR_IMAGE,
	.open = open_tables,
	.close = close_tables,
	.describe = describe,
	.prepare = prepare,
	.embed = embed,
};
