#include "text/ftfy.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/vec.h"
#include "text/html.h"
#include "text/tokenizer_internal.h"
#include "text/unicode.h"

enum { SEGMENT = 1000000 };             /* characters of a line that are decoded together: max_decode_length */

/* Windows-1252 at 0x80 .. 0x9F; unassigned bytes stay control characters ("sloppy-windows-1252"). */
static const uint16_t windows_1252[32] = {
	0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D, 0x8F,
	0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D, 0x17E, 0x178,
};

static const struct { int32_t cp; uint16_t parts[3];
} ligatures[] = {
	{ 0x132, { 'I', 'J' } },    { 0x133, { 'i', 'j' } },  { 0x149, { 0x2BC, 'n' } },     { 0x1F1, { 'D', 'Z' } },
	{ 0x1F2, { 'D', 'z' } },    { 0x1F3, { 'd', 'z' } },  { 0x1C4, { 'D', 0x17D } },     { 0x1C5, { 'D', 0x17E } },
	{ 0x1C6, { 'd', 0x17E } },  { 0x1C7, { 'L', 'J' } },  { 0x1C8, { 'L', 'j' } },       { 0x1C9, { 'l', 'j' } },
	{ 0x1CA, { 'N', 'J' } },    { 0x1CB, { 'N', 'j' } },  { 0x1CC, { 'n', 'j' } },       { 0xFB00, { 'f', 'f' } },
	{ 0xFB01, { 'f', 'i' } },   { 0xFB02, { 'f', 'l' } }, { 0xFB03, { 'f', 'f', 'i' } }, { 0xFB04, { 'f', 'f', 'l' } },
	{ 0xFB05, { 0x17F, 't' } }, { 0xFB06, { 's', 't' } },
};

/* Straight quotes and line ends. */
static void put_straight(itr_cps *out, int32_t p)
{
	if (p >= 0x201C && p <= 0x201F)
		p = '"';
	else if (p == 0x2BC || (p >= 0x2018 && p <= 0x201B))
		p = '\'';
	itr_cps_push(out, p == '\r' || p == 0x2028 || p == 0x2029 || p == 0x85 ? '\n' : p);
}

/* Forms of half and full width by their NFKC. */
static void put_usual(itr_cps *out, int32_t cp)
{
	char from[4];
	itr_buf form = ITR_BUF_INIT;
	if (cp != 0x3000 && (cp < 0xFF01 || cp > 0xFFEF)) {
		put_straight(out, cp);
		return;
	}
	itr_utf8_normalize(&form, from, (size_t)itr_utf8_encode(cp, from), ITR_NFKC);
	for (const char *p = itr_buf_str(&form), *end = p + form.len; p < end;)
		put_straight(out, itr_utf8_next(&p, end));
	itr_buf_free(&form);
}

static bool is_control(int32_t c)
{
	return c <= 8 || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) || c == 0xFEFF ||
	       (c >= 0xFFF9 && c <= 0xFFFC);
}

/* Length of the escape sequence of a terminal at s: ESC [ digits and semicolons, a letter; 0: none. */
static size_t escape_at(const int32_t *s, size_t n)
{
	size_t i = 2;
	if (n < 3 || s[0] != 0x1B || s[1] != '[')
		return 0;
	while (i < n && (s[i] == ';' || (s[i] >= '0' && s[i] <= '9') || (s[i] >= 0x80 && !strcmp(itr_cp_category(s[i]), "Nd"))))
		i++;
	return i < n && ((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z')) ? i + 1 : 0;
}

/* Applies the steps up to the line breaks to one character, each to the result of the one before. */
static void put(itr_cps *out, int32_t c)
{
	int32_t parts[3] = { c >= 0x80 && c < 0xA0 ? windows_1252[c - 0x80] : c, 0, 0 };
	for (int i = 0; i < ITR_LEN(ligatures); i++)
		if (ligatures[i].cp == parts[0]) {
			for (int k = 0; k < 3; k++)
				parts[k] = ligatures[i].parts[k];
			break;
		}
	for (int k = 0; k < 3 && (k == 0 || parts[k]); k++)
		put_usual(out, parts[k]);
}

static bool plain(const itr_cps *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i] >= 0x80 || t->v[i] == '&' || t->v[i] == '\r' || is_control(t->v[i]))
			return false;
	return true;
}

static bool same(const itr_cps *a, const itr_cps *b) { return a->n == b->n && (!a->n || !memcmp(a->v, b->v, a->n * sizeof *a->v)); }

static void copy(itr_cps *to, const int32_t *v, size_t n)
{
	to->n = 0;
	ITR_VEC_RESERVE(to, n + 1);
	memcpy(to->v, v, n * sizeof *v);
	to->n = n;
}

/* One pass over all steps; the result goes to `out`. */
static void round_of(itr_cps *t, itr_cps *out, bool entities)
{
	if (entities)
		itr_html_unescape_strict(t);
	out->n = 0;
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i] == '\r' && i + 1 < t->n && t->v[i + 1] == '\n')
			continue;
		put(out, t->v[i]);
	}
	size_t kept = 0;
	for (size_t i = 0; i < out->n;) {
		const size_t escape = escape_at(out->v + i, out->n - i);
		if (escape)
			i += escape;
		else
			out->v[kept++] = out->v[i++];
	}
	out->n = kept;
	kept = 0;
	for (size_t i = 0; i < out->n; i++)
		if (!is_control(out->v[i]))
			out->v[kept++] = out->v[i];
	out->n = kept;
	itr_cps_python_nfc(out);
}

static void segment(itr_cps *whole, const int32_t *v, size_t n, bool entities)
{
	itr_cps t = { NULL, 0, 0 }, before = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	copy(&t, v, n);
	while (!plain(&t)) {
		copy(&before, t.v, t.n);
		round_of(&t, &out, entities);
		copy(&t, out.v, out.n);
		if (same(&t, &before))
			break;
	}
	for (size_t i = 0; i < t.n; i++)
		itr_cps_push(whole, t.v[i]);
	free(t.v);
	free(before.v);
	free(out.v);
}

void itr_ftfy(itr_cps *t)
{
	itr_cps whole = { NULL, 0, 0 };
	bool entities = true;
	if (plain(t))
		return;
	for (size_t from = 0, to; from < t->n; from = to) {
		for (to = from; to < t->n && to - from < SEGMENT && (to == from || t->v[to - 1] != '\n'); to++)
			entities &= t->v[to] != '<';            /* markup: entities may be meant, from here on */
		segment(&whole, t->v + from, to - from, entities);
	}
	free(t->v);
	*t = whole;
}

/* --- mis-decoded text ----------------------------------------------------------------------------------------------------------------- */

/* The byte that Windows-1252 (or Latin-1) decodes to this character; -1: none. */
static int byte_of(int32_t cp)
{
	for (int i = 0; i < 32; i++)
		if (windows_1252[i] == cp)
			return 0x80 + i;
	return cp >= 0x80 && cp <= 0xFF ? cp : -1;
}

bool itr_looks_misdecoded(const char *s, size_t n)
{
	const char *p = s, *end = s + n;
	while (p < end) {
		if ((unsigned char)*p < 0x80) {
			p++;
			continue;
		}
		const char *next;
		int32_t cp = itr_utf8_next(&p, end);
		const int lead = byte_of(cp), more = lead >= 0xF0 && lead <= 0xF4  ? 3
		                                     : lead >= 0xE0 && lead < 0xF0 ? 2
		                                     : lead >= 0xC2 && lead < 0xE0 ? 1
		                                                                   : 0;
		int found = 0;
		next = p;
		while (found < more && next < end) {
			const int b = byte_of(itr_utf8_next(&next, end));
			if (b < 0x80 || b > 0xBF)
				break;
			found++;
		}
		if (more && found == more)
			return true;
	}
	return false;
}
