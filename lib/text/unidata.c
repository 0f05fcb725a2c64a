#include "text/unidata.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "text/unicode.h"

#define CLASS(first, flags)
#define LOWER(first, last, step, delta)
#define CCC(first, last, class)
#define PY_CCC(first, last, class)
#define DECOMPOSE(cp, a, b)
#define COMPOSE(a, b, cp)

#undef CLASS
#define CLASS(first, flags) first,
static const int32_t class_first[] = {
#include "text/unidata.def"
};
#undef CLASS
#define CLASS(first, flags) flags,
static const uint16_t class_flags[] = {
#include "text/unidata.def"
};
#undef CLASS
#define CLASS(first, flags)

#undef LOWER
#define LOWER(first, last, step, delta) { first, last, step, delta },
static const struct { int32_t first, last, step, delta; } lowers[] = {
#include "text/unidata.def"
};
#undef LOWER
#define LOWER(first, last, step, delta)

#undef CCC
#define CCC(first, last, class) { first, last, class },
static const struct { int32_t first, last, class; } combining[] = {
#include "text/unidata.def"
};
#undef CCC
#define CCC(first, last, class)

#undef PY_CCC
#define PY_CCC(first, last, class) { first, last, class },
static const struct { int32_t first, last, class; } python_combining[] = {
#include "text/unidata.def"
};
#undef PY_CCC
#define PY_CCC(first, last, class)

#undef DECOMPOSE
#define DECOMPOSE(cp, a, b) { cp, a, b },
static const struct { int32_t cp, a, b; } decompositions[] = {
#include "text/unidata.def"
};
#undef DECOMPOSE
#define DECOMPOSE(cp, a, b)

#undef COMPOSE
#define COMPOSE(a, b, cp) { a, b, cp },
static const struct { int32_t a, b, cp; } compositions[] = {
#include "text/unidata.def"
};

/* Hangul, Unicode 3.12 */
enum { S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7, L_COUNT = 19, V_COUNT = 21, T_COUNT = 28, S_COUNT = 11172 };

/* Index of the last row with key <= value; rows are sorted by key, and key 0 of row 0 is never greater. */
#define LAST_NOT_ABOVE(table, key, value, at) \
	do { \
		size_t low_ = 0, high_ = (size_t)ITR_LEN(table); \
		while (high_ - low_ > 1) { \
			size_t mid_ = (low_ + high_) / 2; \
			if ((table)[mid_] key <= (value)) \
				low_ = mid_; \
			else \
				high_ = mid_; \
		} \
		(at) = low_; \
	} while (0)

unsigned itr_ud_flags(int32_t cp)
{
	size_t at;
	LAST_NOT_ABOVE(class_first, , cp, at);
	return class_flags[at];
}

int32_t itr_ud_lower(int32_t cp)
{
	size_t at;
	if (cp < 0x80)
		return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
	LAST_NOT_ABOVE(lowers, .first, cp, at);
	return cp >= lowers[at].first && cp <= lowers[at].last && (cp - lowers[at].first) % lowers[at].step == 0 ? cp + lowers[at].delta
	                                                                                                         : cp;
}

static int class_of(int32_t cp)
{
	size_t at;
	if (cp < 0x300)
		return 0;
	LAST_NOT_ABOVE(combining, .first, cp, at);
	return cp >= combining[at].first && cp <= combining[at].last ? combining[at].class : 0;
}

/* Python's Unicode gives some more characters a class. */
static int python_class_of(int32_t cp)
{
	size_t at;
	const int class = class_of(cp);
	if (class || cp < 0x300)
		return class;
	LAST_NOT_ABOVE(python_combining, .first, cp, at);
	return cp >= python_combining[at].first && cp <= python_combining[at].last ? python_combining[at].class : 0;
}

typedef int class_fn(int32_t cp);

void itr_cps_push(itr_cps *t, int32_t cp) { ITR_VEC_PUSH(t, cp); }

void itr_cps_decode(itr_cps *t, const char *s, size_t n)
{
	const char *end = s + n;
	ITR_VEC_RESERVE(t, t->n + n);
	while (s < end) {
		int32_t cp = itr_utf8_next(&s, end);
		t->v[t->n++] = cp < 0 ? ITR_CP_REPLACEMENT : cp;
	}
}

static void decompose(itr_cps *out, int32_t cp)
{
	size_t at;
	if (cp >= S_BASE && cp < S_BASE + S_COUNT) {
		int32_t s = cp - S_BASE;
		itr_cps_push(out, L_BASE + s / (V_COUNT * T_COUNT));
		itr_cps_push(out, V_BASE + s % (V_COUNT * T_COUNT) / T_COUNT);
		if (s % T_COUNT)
			itr_cps_push(out, T_BASE + s % T_COUNT);
		return;
	}
	LAST_NOT_ABOVE(decompositions, .cp, cp, at);
	if (decompositions[at].cp != cp) {
		itr_cps_push(out, cp);
		return;
	}
	/* both parts may decompose further */
	decompose(out, decompositions[at].a);
	if (decompositions[at].b)
		decompose(out, decompositions[at].b);
}

/* Stable counting sort by combining class (256 values): linear for any number of marks. */
static void order_marks(int32_t *v, size_t n, class_fn *its_class)
{
	if (n <= 16) {
		for (size_t i = 1; i < n; i++) {
			int32_t cp = v[i];
			int c = its_class(cp);
			size_t j = i;
			for (; j > 0 && its_class(v[j - 1]) > c; j--)
				v[j] = v[j - 1];
			v[j] = cp;
		}
		return;
	}
	size_t from[257] = { 0 };
	int32_t *sorted = itr_xmalloc(n * sizeof *sorted);
	for (size_t i = 0; i < n; i++)
		from[its_class(v[i]) + 1]++;
	for (int c = 0; c < 256; c++)
		from[c + 1] += from[c];
	for (size_t i = 0; i < n; i++)
		sorted[from[its_class(v[i])]++] = v[i];
	memcpy(v, sorted, n * sizeof *v);
	free(sorted);
}

static void nfd(itr_cps *t, class_fn *its_class)
{
	itr_cps out = { NULL, 0, 0 };
	ITR_VEC_RESERVE(&out, t->n + t->n / 2 + 8);
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i] < 0xC0)
			itr_cps_push(&out, t->v[i]);
		else
			decompose(&out, t->v[i]);
	}
	for (size_t i = 0, j; i < out.n; i = j) {
		for (j = i; j < out.n && its_class(out.v[j]); j++)
			;
		if (j > i + 1)
			order_marks(out.v + i, j - i, its_class);
		j += j == i;
	}
	free(t->v);
	*t = out;
}

/* The primary composite of a and b; 0: there is none. */
static int32_t compose(int32_t a, int32_t b)
{
	if (a >= L_BASE && a < L_BASE + L_COUNT && b >= V_BASE && b < V_BASE + V_COUNT)
		return S_BASE + ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
	if (a >= S_BASE && a < S_BASE + S_COUNT && (a - S_BASE) % T_COUNT == 0 && b > T_BASE && b < T_BASE + T_COUNT)
		return a + (b - T_BASE);
	size_t low = 0, high = (size_t)ITR_LEN(compositions);
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (compositions[mid].a < a || (compositions[mid].a == a && compositions[mid].b < b))
			low = mid + 1;
		else
			high = mid;
	}
	return low < (size_t)ITR_LEN(compositions) && compositions[low].a == a && compositions[low].b == b ? compositions[low].cp : 0;
}

static void nfc(itr_cps *t, class_fn *its_class)
{
	size_t i = 0, n = 0;
	while (i < t->n && t->v[i] < 0x300)             /* nothing below the first combining mark changes */
		i++;
	if (i == t->n)
		return;
	nfd(t, its_class);
	size_t starter = SIZE_MAX;
	int last = 0;                                   /* class of the last mark kept since the starter */
	for (i = 0; i < t->n; i++) {
		int32_t cp = t->v[i], c;
		int class = its_class(cp);
		if (starter != SIZE_MAX && (n == starter + 1 || (last && last < class)) && (c = compose(t->v[starter], cp))) {
			t->v[starter] = c;
			continue;
		}
		if (!class)
			starter = n;
		last = class;
		t->v[n++] = cp;
	}
	t->n = n;
}

void itr_cps_nfd(itr_cps *t) { nfd(t, class_of); }
void itr_cps_nfc(itr_cps *t) { nfc(t, class_of); }
void itr_cps_python_nfc(itr_cps *t) { nfc(t, python_class_of); }

/* Python's handle_capital_sigma for the whole text: depends on the nearest cased letter on each side, ignoring Case_Ignorable characters.
 */
void itr_cps_python_lower(itr_cps *t)
{
	itr_cps out = { NULL, 0, 0 };
	bool cased_before = false;
	ITR_VEC_RESERVE(&out, t->n + 8);
	/* first position after i that is not ignorable: moves forward only, so that a row of sigmas stays linear */
	size_t next = 0;
	for (size_t i = 0; i < t->n; i++) {
		int32_t cp = t->v[i];
		if (cp < 0x80 && cp != '\'' && cp != '.' && cp != ':' && cp != '^' && cp != '`') {
			cased_before = (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
			itr_cps_push(&out, itr_ud_lower(cp));
			continue;
		}
		unsigned f = itr_ud_flags(cp);
		if (cp == 0x3A3) {
			next = ITR_MAX(next, i + 1);
			while (next < t->n && (itr_ud_flags(t->v[next]) & ITR_UD_PY_IGNORABLE))
				next++;
			bool cased_after = next < t->n && (itr_ud_flags(t->v[next]) & ITR_UD_PY_CASED);
			itr_cps_push(&out, cased_before && !cased_after ? 0x3C2 : 0x3C3);
		} else if (cp == 0x130) {
			itr_cps_push(&out, 'i');
			itr_cps_push(&out, 0x307);
		} else {
			itr_cps_push(&out, f & ITR_UD_PY_SAME ? cp : itr_ud_lower(cp));
		}
		if (!(f & ITR_UD_PY_IGNORABLE))
			cased_before = f & ITR_UD_PY_CASED;
	}
	free(t->v);
	*t = out;
}
