#include "text/html.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "text/unicode.h"

enum { LONGEST = 32 };                  /* characters of a name that html.unescape reads */

#define ENTITY(name, a, b)
#define CHARREF(number, cp)
#define NOTHING(first, last)

#undef ENTITY
#define ENTITY(name, a, b) { name, a, b },
static const struct { const char *name; int32_t a, b; } entities[] = {        /* in the order of their bytes */
#include "text/html_entities.def"
};
#undef ENTITY
#define ENTITY(name, a, b)

#undef CHARREF
#define CHARREF(number, cp) { number, cp },
static const struct { int32_t number, cp; } charrefs[] = {
#include "text/html_entities.def"
};
#undef CHARREF
#define CHARREF(number, cp)

#undef NOTHING
#define NOTHING(first, last) { first, last },
static const struct { int32_t first, last; } nothing[] = {
#include "text/html_entities.def"
};

/* The entity called name[0..n), or -1. */
static int find(const char *name, size_t n)
{
	int low = 0, high = ITR_LEN(entities);
	while (low < high) {
		int mid = (low + high) / 2;
		int order = strncmp(entities[mid].name, name, n);
		if (order == 0)
			order = entities[mid].name[n] != 0;
		if (order == 0)
			return mid;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

static void put_number(itr_cps *out, int32_t number)
{
	for (int i = 0; i < ITR_LEN(charrefs); i++)
		if (charrefs[i].number == number) {
			itr_cps_push(out, charrefs[i].cp);
			return;
		}
	if ((number >= 0xD800 && number <= 0xDFFF) || number > 0x10FFFF) {
		itr_cps_push(out, ITR_CP_REPLACEMENT);
		return;
	}
	for (int i = 0; i < ITR_LEN(nothing); i++)
		if (number >= nothing[i].first && number <= nothing[i].last)
			return;
	itr_cps_push(out, number);
}

static int digit(int32_t c, int base)
{
	int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
	return d < base ? d : -1;
}

/* "#123;" or "#x1F;" at s: characters taken, 0 when it is no number. */
static size_t number_at(itr_cps *out, const int32_t *s, size_t n)
{
	int base = n > 1 && (s[1] == 'x' || s[1] == 'X') ? 16 : 10, d;
	size_t i = base == 16 ? 2 : 1, from = i;
	int32_t v = 0;
	for (; i < n && (d = digit(s[i], base)) >= 0; i++)
		v = v > 0x10FFFF ? v : v * base + d;
	if (i == from)
		return 0;
	put_number(out, v);
	return i + (i < n && s[i] == ';');
}

/* A name at s: the number of characters used, 0 when there is none. The longest known prefix of at least two letters counts. */
static size_t name_at(itr_cps *out, const int32_t *s, size_t n)
{
	char name[LONGEST + 1];
	size_t len = 0;
	while (len < n && len < LONGEST && s[len] > 0 && s[len] < 0x80 && !strchr("\t\n\f <&#;", s[len])) {
		name[len] = (char)s[len];
		len++;
	}
	if (len < n && s[len] == ';' && len)
		name[len++] = ';';
	for (size_t k = len; k > 1; k--) {
		int e = find(name, k);
		if (e < 0)
			continue;
		itr_cps_push(out, entities[e].a);
		if (entities[e].b)
			itr_cps_push(out, entities[e].b);
		return k;
	}
	return 0;
}

void itr_html_unescape(itr_cps *t)
{
	itr_cps out = { NULL, 0, 0 };
	size_t i = 0;
	while (i < t->n && t->v[i] != '&')
		i++;
	if (i == t->n)
		return;
	ITR_VEC_RESERVE(&out, t->n);
	memcpy(out.v, t->v, i * sizeof *out.v);
	for (out.n = i; i < t->n;) {
		size_t taken = 0;
		if (t->v[i] == '&' && i + 1 < t->n)
			taken = t->v[i + 1] == '#' ? number_at(&out, t->v + i + 1, t->n - i - 1)
			                           : name_at(&out, t->v + i + 1, t->n - i - 1);
		if (!taken)
			itr_cps_push(&out, t->v[i]);
		i += 1 + taken;
	}
	free(t->v);
	*t = out;
}

/* --- ftfy's --------------------------------------------------------------------------------------------------------------------------- */

/* The entity of name[0..n) in capitals ("EACUTE;"), where no beginning of it is a name of HTML: its character in capitals. */
static bool capital_at(itr_cps *out, const char *name, size_t n)
{
	static const struct {
		int32_t cp;
		const char *upper;
	} several[] = { { 0xDF, "SS" }, { 0xFB00, "FF" }, { 0xFB01, "FI" }, { 0xFB02, "FL" }, { 0xFB03, "FFI" }, { 0xFB04, "FFL" } };
	char lower[LONGEST + 2];
	for (size_t i = 0; i < n; i++) {
		if (name[i] >= 'a' && name[i] <= 'z')
			return false;
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	}
	for (size_t k = n; k > 1; k--)
		if (find(name, k) >= 0)
			return false;
	const int e = find(lower, n);
	if (e < 0)
		return false;
	const int32_t both[] = { entities[e].a, entities[e].b };
	for (int i = 0; i < 2 && (i == 0 || both[i]); i++) {
		int k = 0;
		while (k < ITR_LEN(several) && several[k].cp != both[i])
			k++;
		if (k == ITR_LEN(several) && both[i] == 0x149)
			itr_cps_push(out, 0x2BC);
		for (const char *c = k < ITR_LEN(several) ? several[k].upper : ""; *c; c++)
			itr_cps_push(out, *c);
		if (k == ITR_LEN(several))
			itr_cps_push(out, both[i] == 0x149 ? 'N' : itr_cp_upper(both[i]));
	}
	return true;
}

/* "&name;" or "&#number;", with s after the '&': number of characters used, 0 when it is not replaced. */
static size_t strict_at(itr_cps *out, const int32_t *s, size_t n)
{
	char name[LONGEST + 2];
	const bool number = n && s[0] == '#';
	size_t len = number;
	while (len < n && len < 24u + number && s[len] < 0x80 &&
	       strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", s[len]) && s[len]) {
		name[len - number] = (char)s[len];
		len++;
	}
	if (len == (size_t)number || len == n || s[len] != ';')
		return 0;
	const size_t before = out->n;
	if (number) {
		if (number_at(out, s, len + 1) == len + 1 && !(out->n == before + 1 && out->v[before] == ';'))
			return len + 1;
		out->n = before;
		return 0;
	}
	name[len] = ';';
	const int e = find(name, len + 1);
	if (e < 0)
		return capital_at(out, name, len + 1) ? len + 1 : 0;
	itr_cps_push(out, entities[e].a);
	if (entities[e].b)
		itr_cps_push(out, entities[e].b);
	return len + 1;
}

void itr_html_unescape_strict(itr_cps *t)
{
	itr_cps out = { NULL, 0, 0 };
	ITR_VEC_RESERVE(&out, t->n + 1);
	for (size_t i = 0; i < t->n;) {
		const size_t taken = t->v[i] == '&' ? strict_at(&out, t->v + i + 1, t->n - i - 1) : 0;
		if (!taken)
			itr_cps_push(&out, t->v[i]);
		i += 1 + taken;
	}
	free(t->v);
	*t = out;
}
