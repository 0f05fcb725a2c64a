/* scenes_words.c - the names of things, captions and instructions. Tables are in the order of the indices in itr_scene. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "data/scenes_internal.h"

enum { WORDS = 3 };

/* The first word is the plain one. */
static const char *const shapes[ITR_SCENE_SHAPES][WORDS] = {
	{ "circle", "disc", "round shape" },
	{ "square", "square", "box" },
	{ "triangle", "triangle", "three-cornered shape" },
	{ "star", "star", "five-pointed star" },
	{ "heart", "heart", "heart shape" },
	{ "ring", "ring", "hoop" },
	{ "diamond", "diamond", "rhombus" },
	{ "hexagon", "hexagon", "six-sided shape" },
	{ "crescent", "crescent", "crescent moon" },
	{ "cross", "cross", "plus sign" },
	{ "flower", "flower", "blossom" },
	{ "arrow", "arrow", "arrow" },
};
static const char *const colours[ITR_SCENE_COLOURS][WORDS] = {
	{ "red", "bright red", "scarlet" },   { "orange", "orange", "orange" },
	{ "yellow", "yellow", "golden" },     { "green", "green", "emerald green" },
	{ "blue", "blue", "royal blue" },     { "purple", "violet", "purple" },
	{ "pink", "pink", "rosy" },           { "brown", "brown", "chocolate brown" },
	{ "black", "black", "jet black" },    { "white", "white", "snow white" },
	{ "turquoise", "turquoise", "teal" },
};
static const rgb paints[ITR_SCENE_COLOURS] = {
	{ 216, 44, 46 },   { 242, 138, 34 }, { 252, 214, 52 }, { 52, 158, 72 },   { 42, 96, 206 },  { 132, 66, 178 },
	{ 246, 140, 182 }, { 120, 74, 42 },  { 36, 36, 42 },   { 244, 244, 240 }, { 42, 190, 182 },
};
static const char *const textures[ITR_SCENE_TEXTURES][WORDS] = {
	{ "", "", "" },
	{ "striped", "with stripes", "stripy" },
	{ "dotted", "with dots", "polka-dotted" },
	{ "checkered", "with checks", "chequered" },
};
static const char *const sizes[ITR_SCENE_SIZES][WORDS] = { { "small", "little", "tiny" },
	                                                   { "", "", "medium-sized" },
	                                                   { "large", "big", "huge" } };
static const char *const places[ITR_SCENE_BACKGROUNDS][WORDS] = {
	{ "in a blue sky", "high up in the sky", "among the clouds" },
	{ "on a green meadow", "in the grass", "in a meadow with flowers" },
	{ "on a sandy beach", "by the sea", "at the seaside" },
	{ "in the night sky", "in a starry night", "among the stars" },
	{ "on a wooden table", "on wooden boards", "on a table made of planks" },
	{ "in front of a brick wall", "on a brick wall", "against a wall of bricks" },
	{ "on a marble floor", "on polished marble", "on pale stone tiles" },
	{ "in the snow", "in a snowy landscape", "on a winter day" },
	{ "on a blackboard", "on a chalkboard", "on a school board" },
	{ "at sunset", "in front of the setting sun", "in the glow of the evening" },
};
/* What "put the scene ..." says. */
static const char *const moves[ITR_SCENE_BACKGROUNDS] = {
	"into a blue sky",          "onto a green meadow", "onto a sandy beach", "into a starry night sky", "onto a wooden table",
	"in front of a brick wall", "onto a marble floor", "into the snow",      "onto a blackboard",       "in front of a sunset",
};
/* Colours that a backdrop would swallow, one bit each. */
enum { RED, ORANGE, YELLOW, GREEN, BLUE, PURPLE, PINK, BROWN, BLACK, WHITE, TURQUOISE };
static const unsigned swallowed[ITR_SCENE_BACKGROUNDS] = {
	1u << WHITE | 1u << BLUE, 1u << GREEN, 1u << TURQUOISE, 1u << BLACK | 1u << BLUE,  1u << BROWN | 1u << ORANGE,
	1u << BROWN | 1u << RED,  1u << WHITE, 1u << WHITE,     1u << BLACK | 1u << GREEN, 1u << ORANGE | 1u << BLACK,
};
enum { NIGHT = 3, SUNSET = 9 };

rgb scene_colour(int colour) { return paints[colour]; }
bool scene_colour_fits(int background, int colour) { return !(swallowed[background] >> colour & 1); }
const char *itr_scene_shape_name(int shape) { return shapes[shape][0]; }

/* --- phrases -------------------------------------------------------------------------------------------------------------------- */

typedef struct speaker {
	itr_rng r;
	int style;              /* 0: plain words; 1: any words */
} speaker;

static int draw(speaker *s, int n) { return (int)itr_rng_integers(&s->r, 0, n); }

static const char *word(speaker *s, const char *const w[WORDS]) { return w[s->style ? draw(s, WORDS) : 0]; }

enum { SIZE = 1, TEXTURE = 2, COLOUR = 4, ALL = 7 };

static void add_word(itr_buf *b, const char *w)
{
	if (!w[0])
		return;
	if (b->len)
		itr_buf_putc(b, ' ');
	itr_buf_puts(b, w);
}

/* "a large striped red circle", "a big scarlet disc with stripes": `what` says which attributes are told. */
static void add_object(speaker *s, itr_buf *b, const itr_scene_object *o, int what, const char *article)
{
	itr_buf np = ITR_BUF_INIT;
	const char *with = "";
	if (what & SIZE)
		add_word(&np, word(s, sizes[o->size]));
	if (what & TEXTURE) {
		const char *t = word(s, textures[o->texture]);
		if (!strncmp(t, "with ", 5))
			with = t;
		else
			add_word(&np, t);
	}
	if (what & COLOUR)
		add_word(&np, word(s, colours[o->colour]));
	add_word(&np, word(s, shapes[o->shape]));
	add_word(&np, with);
	if (!strcmp(article, "a") && strchr("aeio", itr_buf_str(&np)[0]))
		article = "an";
	add_word(b, article);
	add_word(b, itr_buf_str(&np));
	itr_buf_free(&np);
}

/* "a, b and c" */
static void add_list(speaker *s, itr_buf *b, const itr_scene *scene, int what)
{
	for (int i = 0; i < scene->n; i++) {
		if (i)
			itr_buf_puts(b, i + 1 < scene->n ? "," : " and");
		add_object(s, b, &scene->objects[i], what, "a");
	}
}

static const char *relation(const itr_scene_object *a, const itr_scene_object *b)
{
	int dx = b->x - a->x, dy = b->y - a->y;
	if (abs(dx) >= abs(dy))
		return dx >= 0 ? "to the left of" : "to the right of";
	return dy >= 0 ? "above" : "below";
}

static const char *position(const itr_scene_object *o)
{
	static const char *const names[3][3] = { { "in the upper left corner", "at the top", "in the upper right corner" },
		                                 { "on the left", "in the middle", "on the right" },
		                                 { "in the lower left corner", "at the bottom", "in the lower right corner" } };
	int column = o->x < 370 ? 0 : o->x > 630 ? 2 : 1, row = o->y < 370 ? 0 : o->y > 630 ? 2 : 1;
	return names[row][column];
}

static const char *light(const itr_scene *s)
{
	static const char *const names[ITR_SCENE_LIGHTS] = { "", "in warm light", "in dim light" };
	return s->background == NIGHT || s->background == SUNSET ? "" : names[s->light];
}

static void finish(itr_buf *b)
{
	if (b->len)
		b->data[0] = (char)toupper((unsigned char)b->data[0]);
	itr_buf_putc(b, '.');
}

/* --- the five captions ------------------------------------------------------------------------------------------------------------ */

static void tell_all(speaker *s, itr_buf *b, const itr_scene *scene)
{
	if (scene->n == 2 && draw(s, 2)) {
		add_object(s, b, &scene->objects[0], ALL, "a");
		add_word(b, relation(&scene->objects[0], &scene->objects[1]));
		add_object(s, b, &scene->objects[1], ALL, "a");
	} else {
		add_list(s, b, scene, ALL);
	}
	add_word(b, word(s, places[scene->background]));
}

static void tell_all_otherwise(speaker *s, itr_buf *b, const itr_scene *scene)
{
	static const char *const there[] = { "there is", "you can see", "somebody has put", "we see" };
	s->style = 1;
	if (draw(s, 2)) {
		add_word(b, word(s, places[scene->background]));
		add_word(b, there[draw(s, ITR_LEN(there))]);
		add_list(s, b, scene, ALL);
	} else {
		add_list(s, b, scene, ALL);
		itr_buf_putc(b, ',');
		add_word(b, word(s, places[scene->background]));
	}
	add_word(b, light(scene));
	s->style = 0;
}

static void tell_colours(speaker *s, itr_buf *b, const itr_scene *scene)
{
	static const char *const start[] = { "", "a picture of", "an image with", "" };
	add_word(b, start[draw(s, ITR_LEN(start))]);
	add_list(s, b, scene, COLOUR);
}

static void tell_one(speaker *s, itr_buf *b, const itr_scene *scene)
{
	const itr_scene_object *o = &scene->objects[draw(s, scene->n)];
	int what = (const int[]){ COLOUR, SIZE | COLOUR, TEXTURE | COLOUR, SIZE | TEXTURE, ALL }[draw(s, 5)];
	s->style = draw(s, 2);
	if (draw(s, 2))
		add_word(b, "there is");
	add_object(s, b, o, what, "a");
	add_word(b, position(o));
	s->style = 0;
}

static void tell_little(speaker *s, itr_buf *b, const itr_scene *scene)
{
	static const char *const counts[] = { "", "a single shape", "two shapes", "three shapes", "four shapes" };
	int first = draw(s, scene->n);
	if (scene->n > 1 && draw(s, 3) == 0) {
		int second = (first + 1 + draw(s, scene->n - 1)) % scene->n;
		add_object(s, b, &scene->objects[first], COLOUR, "the");
		add_word(b, "is");
		add_word(b, relation(&scene->objects[first], &scene->objects[second]));
		add_object(s, b, &scene->objects[second], COLOUR, "the");
		return;
	}
	s->style = 1;
	if (scene->n == 1) {
		add_object(s, b, &scene->objects[0], 0, "a");
		add_word(b, word(s, places[scene->background]));
	} else {
		add_word(b, counts[scene->n]);
		add_word(b, word(s, places[scene->background]));
		itr_buf_puts(b, ", one of them");
		add_object(s, b, &scene->objects[first], draw(s, 2) ? COLOUR : 0, "a");
	}
	s->style = 0;
}

void itr_scene_captions(const itr_scene *scene, itr_buf captions[ITR_SCENE_CAPTIONS])
{
	static void (*const tellers[ITR_SCENE_CAPTIONS])(speaker *, itr_buf *, const itr_scene *) = { tell_all, tell_all_otherwise,
		                                                                                      tell_colours, tell_one, tell_little };
	speaker s = { .style = 0 };
	itr_rng_init(&s.r, (uint64_t[]){ scene->own_seed, 5 }, 2);
	for (int i = 0; i < ITR_SCENE_CAPTIONS; i++) {
		itr_buf_clear(&captions[i]);
		tellers[i](&s, &captions[i], scene);
		finish(&captions[i]);
	}
}

/* --- instructions ------------------------------------------------------------------------------------------------------------------ */

static bool same_look(const itr_scene_object *a, const itr_scene_object *b)
{
	return a->shape == b->shape && a->colour == b->colour && a->texture == b->texture && a->size == b->size;
}

/* The objects of `a` that `b` lacks: how many, and the last of them. */
static int only_in(const itr_scene *a, const itr_scene *b, const itr_scene_object **which)
{
	int n = 0;
	for (int i = 0; i < a->n; i++) {
		bool found = false;
		for (int j = 0; j < b->n && !found; j++)
			found = same_look(&a->objects[i], &b->objects[j]);
		if (!found) {
			*which = &a->objects[i];
			n++;
		}
	}
	return n;
}

static void say_texture(itr_buf *b, const char *it, int texture, int from, int way)
{
	static const char *const nouns[ITR_SCENE_TEXTURES] = { "", "stripes", "dots", "checks" };
	if (texture == 0)
		itr_buf_printf(b, way ? "take the %2$s off %1$s" : "%1$s without the %2$s", it, nouns[from]);
	else if (way || from == 0)
		itr_buf_printf(b, way ? "make %s %s" : "give %s %s", it, way ? textures[texture][0] : nouns[texture]);
	else
		itr_buf_printf(b, "give %s %s instead of %s", it, nouns[texture], nouns[from]);
}

/* One attribute of x became that of y. */
static bool say_change(itr_buf *b, const itr_scene_object *x, const itr_scene_object *y, int way)
{
	int changes = (x->shape != y->shape) + (x->colour != y->colour) + (x->texture != y->texture) + (x->size != y->size);
	if (changes != 1)
		return false;
	itr_buf it = ITR_BUF_INIT;
	itr_buf_printf(&it, "the %s %s", colours[x->colour][0], shapes[x->shape][0]);
	const char *an = strchr("aeio", shapes[y->shape][0][0]) ? "an" : "a";
	if (x->colour != y->colour)
		itr_buf_printf(b, way ? "make %s %s" : "change the colour of %s to %s", it.data, colours[y->colour][0]);
	else if (x->shape != y->shape)
		itr_buf_printf(b, way ? "replace %s with %s %s of the same colour" : "turn %s into %s %s", it.data, an,
		               shapes[y->shape][0]);
	else if (x->size != y->size)
		itr_buf_printf(b, way ? "make %s %s" : "the same with a %2$s version of %1$s", it.data,
		               y->size > x->size ? "larger" : "smaller");
	else
		say_texture(b, it.data, y->texture, x->texture, way);
	itr_buf_free(&it);
	return true;
}

bool itr_scene_edit(const itr_scene *a, const itr_scene *b, itr_buf *text)
{
	const itr_scene_object *gone = NULL, *come = NULL;
	int n_gone = only_in(a, b, &gone), n_come = only_in(b, a, &come),
	    way = (int)(scene_hash((uint32_t)(a->own_seed ^ b->own_seed >> 1)) & 1);
	speaker plain = { .style = 0 };
	itr_buf_clear(text);
	if (a->background != b->background) {
		if (n_gone || n_come)
			return false;
		itr_buf_printf(text, way ? "put the scene %s" : "move everything %s", moves[b->background]);
		return true;
	}
	if (n_gone == 1 && n_come == 1)
		return say_change(text, gone, come, way);
	if (n_gone == 0 && n_come == 1 && b->n == a->n + 1) {
		itr_buf_puts(text, "add");
		add_object(&plain, text, come, ALL, "a");
		return true;
	}
	if (n_gone == 1 && n_come == 0 && a->n == b->n + 1) {
		itr_buf_puts(text, way ? "remove" : "take away");
		add_object(&plain, text, gone, COLOUR, "the");
		return true;
	}
	return false;
}
