/* scenes.h - pictures of coloured shapes with captions, boxes and edits: a data set that is always at hand, whose right answers are known.
 *
 * Everything is integer arithmetic on draws of itr_rng: scene i of a seed is the same bytes on any machine, with any compiler and any
 * number of threads. Scenes come in families of ITR_SCENE_FAMILY: a base and variants that each differ by one edit (a colour, a shape, an
 * object more...). They are the near-duplicates that make retrieval hard, and the composed queries: reference, target, "make the red circle
 * blue". Methods section 7.
 */
#ifndef ITR_DATA_SCENES_H
#define ITR_DATA_SCENES_H

#include <signal.h>

#include "base/buf.h"
#include "data/manifest.h"
#include "image/image.h"

enum {
	ITR_SCENE_FAMILY = 4,
	ITR_SCENE_OBJECTS = 4,
	ITR_SCENE_CAPTIONS = 5,
	ITR_SCENE_SHAPES = 12,
	ITR_SCENE_COLOURS = 11,
	ITR_SCENE_TEXTURES = 4,
	ITR_SCENE_SIZES = 3,
	ITR_SCENE_BACKGROUNDS = 10,
	ITR_SCENE_LIGHTS = 3
};

typedef struct itr_scene_object {
	int shape, colour, texture, size;       /* indices of the tables in scenes_words.c */
	int x, y, radius;                       /* thousandths of the picture's side */
	int angle;                              /* 256ths of a turn */
	int box[4];                             /* x, y, width, height in pixels; set by itr_scene_render */
	int64_t area;                           /* pixels covered by it, hidden parts included; set by itr_scene_render */
} itr_scene_object;

typedef struct itr_scene {
	int64_t index;
	uint64_t seed, family_seed, own_seed;   /* of the data set, of the backdrop, of what differs between near-duplicates */
	int background, light, n;
	itr_scene_object objects[ITR_SCENE_OBJECTS];
} itr_scene;

/* Scene `index` >= 0 of the data set `seed`. */
void itr_scene_make(itr_scene *s, uint64_t seed, int64_t index);
/* size x size pixels, size in 32..4096; fills in box and area of the objects. */
void itr_scene_render(itr_image *img, itr_scene *s, int size);
/* The boxes and areas alone, as rendering sets them. */
void itr_scene_measure(itr_scene *s, int size);
/* Five captions, cleared and written: whole descriptions in different words, and partial ones that fit other scenes too. */
void itr_scene_captions(const itr_scene *s, itr_buf captions[ITR_SCENE_CAPTIONS]);
/* The instruction that turns `a` into `b` when they differ by exactly one edit: true with text; false otherwise. */
bool itr_scene_edit(const itr_scene *a, const itr_scene *b, itr_buf *text);
/* How many attributes differ (objects matched by shape and colour): for choosing the near ones. */
int itr_scene_distance(const itr_scene *a, const itr_scene *b);
const char *itr_scene_shape_name(int shape);

typedef struct itr_scenes_opts {
	int64_t n;
	uint64_t seed;
	int size;                       /* 0: 224 */
	int quality;                    /* 0: 90 */
	int threads;
	void (*progress)(void *ctx, int64_t done);
	void *progress_ctx;
	const volatile sig_atomic_t *interrupted;       /* non-zero: stop, keep what is whole; may be NULL */
} itr_scenes_opts;

/* Writes DIR/images and DIR/annotations (captions_scenes.json, instances_scenes.json) and fills `m` (root DIR, no splits yet). Pictures
 * that an interrupted run of the same options left are kept. -1 with err. */
ITR_MUST_USE int itr_scenes_write(const char *dir, const itr_scenes_opts *o, itr_manifest *m, const itr_provenance *p, itr_err *err);
/* DIR/composed.jsonl from the splits in `m`: reference, target and the subset of six lie in one split. Returns the number of queries, or
 * -1. */
ITR_MUST_USE int64_t itr_scenes_write_composed(const char *dir, const itr_scenes_opts *o, const itr_manifest *m, itr_err *err);

#endif
