/* scenes.c - what is in a scene: the base of a family, its variants, and how two scenes differ. */
#include "data/scenes.h"

#include <string.h>

#include "base/rng.h"
#include "data/scenes_internal.h"

enum { TRIES = 40 };

static int draw(itr_rng *r, int n) { return (int)itr_rng_integers(r, 0, n); }

/* Weighted towards plain: two thirds of the objects have no pattern. */
static int draw_texture(itr_rng *r) { return draw(r, 3) == 0 ? 1 + draw(r, ITR_SCENE_TEXTURES - 1) : 0; }

static int draw_radius(itr_rng *r, int size)
{
	static const int low[ITR_SCENE_SIZES] = { 84, 132, 194 }, spread[ITR_SCENE_SIZES] = { 16, 22, 30 };
	return low[size] + draw(r, spread[size]);
}

static bool twin(const itr_scene *s, int me, int shape, int colour)
{
	for (int i = 0; i < s->n; i++)
		if (i != me && s->objects[i].shape == shape && s->objects[i].colour == colour)
			return true;
	return false;
}

/* A look that no other object of the scene has ("the red circle" must be one) and that the background does not swallow. */
static void draw_look(itr_rng *r, const itr_scene *s, int me, itr_scene_object *o)
{
	do {
		o->shape = draw(r, ITR_SCENE_SHAPES);
		o->colour = draw(r, ITR_SCENE_COLOURS);
	} while (twin(s, me, o->shape, o->colour) || !scene_colour_fits(s->background, o->colour));
}

static bool room_for(const itr_scene *s, int me, const itr_scene_object *o)
{
	int margin = o->radius + 12;
	if (o->x < margin || o->y < margin || o->x > 1000 - margin || o->y > 1000 - margin)
		return false;
	for (int i = 0; i < s->n; i++) {
		const itr_scene_object *p = &s->objects[i];
		int dx = p->x - o->x, dy = p->y - o->y, apart = (p->radius + o->radius) * 21 / 20;
		if (i != me && dx * dx + dy * dy < apart * apart)
			return false;
	}
	return true;
}

static bool place(itr_rng *r, const itr_scene *s, int me, itr_scene_object *o)
{
	for (int t = 0; t < TRIES; t++) {
		o->x = 100 + draw(r, 800);
		o->y = 100 + draw(r, 800);
		if (room_for(s, me, o))
			return true;
	}
	return false;
}

/* One more object; false when there is no room for the size that was drawn. */
static bool add_object(itr_rng *r, itr_scene *s)
{
	itr_scene_object o = { 0 };
	draw_look(r, s, -1, &o);
	o.texture = draw_texture(r);
	o.size = draw(r, ITR_SCENE_SIZES);
	o.radius = draw_radius(r, o.size);
	o.angle = draw(r, 29) - 14;
	if (!place(r, s, -1, &o))
		return false;
	s->objects[s->n++] = o;
	return true;
}

static void make_base(itr_rng *r, itr_scene *s)
{
	static const int counts[] = { 1, 1, 2, 2, 2, 3, 3, 3, 4 };
	int wanted = counts[draw(r, ITR_LEN(counts))];
	s->background = draw(r, ITR_SCENE_BACKGROUNDS);
	s->light = draw(r, 2) ? 0 : draw(r, ITR_SCENE_LIGHTS);
	s->family_seed = itr_rng_u64(r);
	s->n = 0;
	for (int t = 0; s->n < wanted && (t < TRIES || s->n == 0); t++)
		add_object(r, s);
}

enum edit { COLOUR, SHAPE, TEXTURE, SIZE, BACKGROUND, ADD, REMOVE, EDITS };

static int other(itr_rng *r, int n, int than)
{
	int v = draw(r, n - 1);
	return v >= than ? v + 1 : v;
}

static bool edit_look(itr_rng *r, itr_scene *s, enum edit e)
{
	int me = draw(r, s->n);
	itr_scene_object o = s->objects[me];
	if (e == COLOUR)
		o.colour = other(r, ITR_SCENE_COLOURS, o.colour);
	else if (e == SHAPE)
		o.shape = other(r, ITR_SCENE_SHAPES, o.shape);
	else if (e == TEXTURE)
		o.texture = other(r, ITR_SCENE_TEXTURES, o.texture);
	else {
		o.size = other(r, ITR_SCENE_SIZES, o.size);
		o.radius = draw_radius(r, o.size);
	}
	if (twin(s, me, o.shape, o.colour) || !scene_colour_fits(s->background, o.colour) || !room_for(s, me, &o))
		return false;
	s->objects[me] = o;
	return true;
}

static bool edit_background(itr_rng *r, itr_scene *s)
{
	int to = other(r, ITR_SCENE_BACKGROUNDS, s->background);
	for (int i = 0; i < s->n; i++)
		if (!scene_colour_fits(to, s->objects[i].colour))
			return false;
	s->background = to;
	return true;
}

static bool edit_scene(itr_rng *r, itr_scene *s)
{
	enum edit e = (enum edit)draw(r, EDITS);
	switch (e) {
	case BACKGROUND:
		return edit_background(r, s);
	case ADD:
		return s->n < ITR_SCENE_OBJECTS && add_object(r, s);
	case REMOVE:
		if (s->n < 2)
			return false;
		int me = draw(r, s->n);
		memmove(&s->objects[me], &s->objects[me + 1], (size_t)(s->n - me - 1) * sizeof s->objects[0]);
		s->n--;
		return true;
	default:
		return edit_look(r, s, e);
	}
}

/* Near-duplicates are photographed anew: everything moves a little. */
static void jitter(itr_rng *r, itr_scene *s)
{
	for (int i = 0; i < s->n; i++) {
		itr_scene_object o = s->objects[i];
		o.x += draw(r, 17) - 8;
		o.y += draw(r, 17) - 8;
		o.angle += draw(r, 7) - 3;
		if (room_for(s, i, &o))
			s->objects[i] = o;
	}
}

/* Members 1, 2... of the family are made in order, so that each can be unlike all before it: a query's target is then one scene of the
 * family, not two. */
static void make_member(itr_scene *s, const itr_scene *family, uint64_t number, uint64_t member)
{
	itr_rng r;
	bool known;
	itr_rng_init(&r, (uint64_t[]){ family->seed, number, member + 1 }, 3);
	do {
		*s = family[0];
		while (!edit_scene(&r, s))
			;
		known = false;
		for (uint64_t k = 0; k < member; k++)
			known |= itr_scene_distance(s, &family[k]) == 0;
	} while (known);
	jitter(&r, s);
	s->own_seed = itr_rng_u64(&r);
}

void itr_scene_make(itr_scene *s, uint64_t seed, int64_t index)
{
	uint64_t number = (uint64_t)index / ITR_SCENE_FAMILY, member = (uint64_t)index % ITR_SCENE_FAMILY;
	itr_scene family[ITR_SCENE_FAMILY];
	itr_rng r;
	memset(family, 0, sizeof family);
	family[0].seed = seed;
	itr_rng_init(&r, (uint64_t[]){ seed, number }, 2);
	make_base(&r, &family[0]);
	family[0].own_seed = itr_rng_u64(&r);
	for (uint64_t k = 1; k <= member; k++)
		make_member(&family[k], family, number, k);
	*s = family[member];
	s->index = index;
}

/* --- differences ---------------------------------------------------------------------------------------------------------------- */

static int look_distance(const itr_scene_object *a, const itr_scene_object *b)
{
	return (a->shape != b->shape) + (a->colour != b->colour) + (a->texture != b->texture) + (a->size != b->size);
}

/* Greedy matching, best pair first; there are at most four objects. */
int itr_scene_distance(const itr_scene *a, const itr_scene *b)
{
	enum { UNMATCHED = 4 };
	bool used_a[ITR_SCENE_OBJECTS] = { false }, used_b[ITR_SCENE_OBJECTS] = { false };
	int d = 2 * (a->background != b->background);
	int pairs = ITR_MIN(a->n, b->n);
	for (int k = 0; k < pairs; k++) {
		int best = UNMATCHED + 1, bi = 0, bj = 0;
		for (int i = 0; i < a->n; i++)
			for (int j = 0; j < b->n; j++) {
				int v = used_a[i] || used_b[j] ? UNMATCHED + 1 : look_distance(&a->objects[i], &b->objects[j]);
				if (v < best)
					best = v, bi = i, bj = j;
			}
		used_a[bi] = used_b[bj] = true;
		d += best;
	}
	return d + UNMATCHED * (ITR_MAX(a->n, b->n) - pairs);
}
