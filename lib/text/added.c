/* Added tokens, searched before the text is split, as in Hugging Face's AddedVocabulary: tokens that are not `normalized` in the original
 * text, the others in the normalised text between them. The leftmost match counts; of several, the longest. */
#include <stdlib.h>

#include "base/mem.h"
#include "text/tokenizer_internal.h"
#include "text/unicode.h"

void itr_added_free(itr_added *a)
{
	for (size_t i = 0; i < a->list.n; i++)
		free(a->list.v[i].content);
	ITR_VEC_FREE(&a->list);
	for (int i = 0; i < 2; i++)
		if (a->set[i].names.slots) {
			itr_strtab_free(&a->set[i].names);
			free(a->set[i].which);
		}
}

int itr_added_put(itr_tokenizer *k, const char *content, int32_t id, itr_added_flags flags, const char *where, itr_err *err)
{
	const size_t n = strlen(content);
	int32_t have = itr_strtab_get(&k->tokens, content, n, itr_strhash(content, n));
	if (have < 0 && id >= 0 && id != k->tokens.n)
		return itr_err_set(err, "'%s': the added token '%.60s' has id %d, the next one free is %lld: gaps in the ids are not built",
		                   where, content, id, (long long)k->tokens.n);
	if (have >= 0 && id >= 0 && have != id)
		return itr_err_set(err, "'%s': the added token '%.60s' has id %d, the vocabulary gives it %d: they do not belong together",
		                   where, content, id, have);
	if (have < 0) {
		have = (int32_t)k->tokens.n;
		if (itr_tokenizer_add(k, content, n, where, 0, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < k->added.list.n; i++)
		if (k->added.list.v[i].id == have) {
			k->added.list.v[i].flags = flags;               /* the last word counts */
			return 0;
		}
	ITR_VEC_PUSH(&k->added.list, ((struct itr_added_token){ itr_xstrdup(content), have, flags }));
	return 0;
}

static void collect(itr_tokenizer *k, bool normalized)
{
	itr_added_set *s = &k->added.set[normalized];
	itr_buf b = ITR_BUF_INIT;
	itr_strtab_init(&s->names, (int64_t)k->added.list.n + 1);
	s->which = itr_xcalloc(k->added.list.n + 1, sizeof *s->which);
	for (size_t i = 0; i < k->added.list.n; i++) {
		const struct itr_added_token *a = &k->added.list.v[i];
		if (!(a->flags & ITR_ADDED_NORMALIZED) == normalized)
			continue;
		itr_buf_clear(&b);
		if (normalized)
			k->kind->normalise(k, &b, a->content, strlen(a->content));
		else
			itr_buf_puts(&b, a->content);
		if (!b.len || !itr_strtab_add(&s->names, b.data, b.len, (int32_t)s->names.n))
			continue;
		s->which[s->names.n - 1] = (int32_t)i;
		s->first[(unsigned char)b.data[0]] = true;
		s->only = s->names.n == 1 || s->only == b.data[0] ? b.data[0] : 0;
		s->longest = ITR_MAX(s->longest, b.len);
	}
	itr_buf_free(&b);
}

void itr_added_build(itr_tokenizer *k)
{
	if (!k->added.list.n)
		return;
	for (int i = 0; i < 2; i++) {
		if (k->added.set[i].names.slots) {
			itr_strtab_free(&k->added.set[i].names);
			free(k->added.set[i].which);
		}
		k->added.set[i] = (itr_added_set){ .only = 0 };
		collect(k, i != 0);
	}
}

/* Index of the longest name at s, or -1. */
static int32_t name_at(const itr_added_set *set, const char *s, size_t n, size_t *len)
{
	uint32_t h = ITR_STRHASH_INIT;
	int32_t best = -1;
	for (size_t i = 0; i < n && i < set->longest; i++) {
		h = itr_strhash_step(h, (unsigned char)s[i]);
		int32_t v = itr_strtab_get(&set->names, s, i + 1, h);
		if (v >= 0) {
			best = v;
			*len = i + 1;
		}
	}
	return best;
}

/* \w of the reference's regex engine, but for circled letters. */
static bool is_word(int32_t cp)
{
	if (cp < 0)
		return false;
	const char *c = itr_cp_category(cp);
	return c[0] == 'L' || c[0] == 'M' || !strcmp(c, "Nd") || !strcmp(c, "Nl") || !strcmp(c, "Pc") || cp == 0x200C || cp == 0x200D;
}

/* The character that ends at p; *at receives where it begins. */
static int32_t before(const char *s, const char *p, const char **at)
{
	const char *q = p - 1;
	while (q > s && ((unsigned char)*q & 0xC0) == 0x80 && p - q < 4)
		q--;
	*at = q;
	const char *next = q;
	const int32_t cp = itr_utf8_next(&next, p);
	if (next == p)
		return cp;
	*at = p - 1;                            /* invalid bytes: one by one is enough here */
	return -1;
}

static bool single_word(const char *s, const char *from, const char *to, const char *end)
{
	const char *at;
	return !(from > s && is_word(before(s, from, &at))) && !(to < end && is_word(itr_utf8_next(&to, end)));
}

static const char *spaces_before(const char *s, const char *p)
{
	const char *at;
	for (int32_t cp; p > s && (cp = before(s, p, &at)) >= 0 && (itr_ud_flags(cp) & ITR_UD_SPACE);)
		p = at;
	return p;
}

static const char *spaces_behind(const char *p, const char *end)
{
	for (const char *next = p; p < end; p = next) {
		const int32_t cp = itr_utf8_next(&next, end);
		if (cp < 0 || !(itr_ud_flags(cp) & ITR_UD_SPACE))
			break;
	}
	return p;
}

typedef void rest_fn(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out);

static void split(const itr_tokenizer *k, const itr_added_set *set, const char *s, size_t n, itr_ids *out, rest_fn *rest)
{
	const char *end = s + n, *from = s, *p = s;
	while (p < end && !itr_ids_full(out)) {
		if (set->only && !(p = memchr(p, set->only, (size_t)(end - p))))
			break;
		size_t len = 0;
		const int32_t v = set->first[(unsigned char)*p] ? name_at(set, p, (size_t)(end - p), &len) : -1;
		if (v < 0) {
			p++;
			continue;
		}
		const struct itr_added_token *a = &k->added.list.v[set->which[v]];
		const char *start = p, *stop = p += len;
		if ((a->flags & ITR_ADDED_SINGLE_WORD) && !single_word(s, start, stop, end))
			continue;
		if (a->flags & ITR_ADDED_LSTRIP)
			start = ITR_MAX(spaces_before(s, start), from);
		if (a->flags & ITR_ADDED_RSTRIP)
			stop = spaces_behind(stop, end);
		if (from < start)
			rest(k, from, (size_t)(start - from), out);
		itr_ids_push(out, a->id);
		from = stop;
	}
	if (from < end)
		rest(k, from, (size_t)(end - from), out);
}

static void normalised(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out)
{
	itr_buf b = ITR_BUF_INIT;
	k->kind->normalise(k, &b, s, n);
	split(k, &k->added.set[1], itr_buf_str(&b), b.len, out, k->kind->split);
	itr_buf_free(&b);
}

void itr_added_encode(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out)
{
	rest_fn *rest = k->added.set[1].names.n ? normalised : k->kind->encode;
	if (k->added.set[0].names.n)
		split(k, &k->added.set[0], s, n, out, rest);
	else if (n)
		rest(k, s, n, out);
}

/* --- from other files of the vocabulary's folder -------------------------------------------------------------------------------------- */

int itr_added_read(itr_tokenizer *k, const itr_json *one, int32_t id, const char *where, itr_err *err)
{
	static const struct { const char *key; itr_added_flags flag;
	} keys[] = {
		{ "single_word", ITR_ADDED_SINGLE_WORD },
		{ "lstrip", ITR_ADDED_LSTRIP },
		{ "rstrip", ITR_ADDED_RSTRIP },
		{ "normalized", ITR_ADDED_NORMALIZED },
	};
	const char *content = itr_json_str(itr_json_get(one, "content"), NULL);
	int flags = 0;
	if (!content)
		return itr_err_set(err, "'%s': an added token has no 'content'", where);
	const bool special = itr_json_bool(itr_json_get(one, "special"), false);
	for (int i = 0; i < ITR_LEN(keys); i++)
		if (itr_json_bool(itr_json_get(one, keys[i].key), keys[i].flag == ITR_ADDED_NORMALIZED && !special))
			flags |= keys[i].flag;
	/* the reference passes over an empty one */
	return *content ? itr_added_put(k, content, id, (itr_added_flags)flags, where, err) : 0;
}

static int by_id(const void *a, const void *b)
{
	const int64_t x = ((const itr_added_entry *)a)->id, y = ((const itr_added_entry *)b)->id;
	return (x > y) - (x < y);
}

/* {"13": {...}} (added_tokens_decoder) or {"name": 13} (added_tokens.json), in the order of the ids. *n entries, free(). */
static itr_added_entry *entries_of(const itr_json *map, size_t *n)
{
	itr_added_entry *e = itr_xcalloc((size_t)itr_json_count(map) + 1, sizeof *e);
	*n = 0;
	for (const itr_json *c = itr_json_first(map); c; c = itr_json_next(c)) {
		char *end;
		const char *key = itr_json_key(c);
		const int64_t id = itr_json_is_number(c) ? itr_json_int(c, -1) : strtoll(key, &end, 10);
		e[(*n)++] = (itr_added_entry){ id < 0 || id > INT32_MAX ? INT32_MAX : id, key, c };
	}
	qsort(e, *n, sizeof *e, by_id);
	return e;
}

/* True when the token is named as a special one ("cls_token": ..., "additional_special_tokens": [...]); in added_tokens.json it is then
 * special. */
static bool named(const itr_json *j, const char *content)
{
	for (const itr_json *c = itr_json_first(j); c; c = itr_json_next(c)) {
		const char *one = itr_json_str(c, itr_json_str(itr_json_get(c, "content"), ""));
		const size_t n = itr_json_key(c) ? strlen(itr_json_key(c)) : 0;
		if (n > 6 && !strcmp(itr_json_key(c) + n - 6, "_token") && !strcmp(one, content))
			return true;
		for (const itr_json *e = n > 15 && strstr(itr_json_key(c), "special_tokens") ? itr_json_first(c) : NULL; e;
		     e = itr_json_next(e))
			if (!strcmp(itr_json_str(e, itr_json_str(itr_json_get(e, "content"), "")), content))
				return true;
	}
	return false;
}

int itr_added_beside(itr_tokenizer *k, const itr_json *config, const itr_json *map, const itr_json *legacy, const char *where, itr_err *err)
{
	const itr_json *decoder = itr_json_get(config, "added_tokens_decoder");
	size_t n = 0;
	int rc = 0;
	itr_added_entry *e = entries_of(decoder ? decoder : legacy, &n);
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (decoder) {
			rc = itr_added_read(k, e[i].value, (int32_t)e[i].id, where, err);
		} else {
			const bool special = named(config, e[i].key) || named(map, e[i].key);
			rc = itr_added_put(k, e[i].key, (int32_t)e[i].id, special ? 0 : ITR_ADDED_NORMALIZED, where, err);
		}
	}
	free(e);
	return rc;
}

itr_json *itr_added_json(const itr_tokenizer *k)
{
	itr_json *all = itr_json_array();
	for (size_t i = 0; i < k->added.list.n; i++) {
		const struct itr_added_token *a = &k->added.list.v[i];
		itr_json *j = itr_json_push(all, itr_json_object());
		itr_json_add_int(j, "id", a->id);
		itr_json_add_str(j, "content", a->content);
		itr_json_add_bool(j, "single_word", a->flags & ITR_ADDED_SINGLE_WORD);
		itr_json_add_bool(j, "lstrip", a->flags & ITR_ADDED_LSTRIP);
		itr_json_add_bool(j, "rstrip", a->flags & ITR_ADDED_RSTRIP);
		itr_json_add_bool(j, "normalized", a->flags & ITR_ADDED_NORMALIZED);
	}
	return all;
}
