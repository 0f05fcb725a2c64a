/* WordPiece (Wu et al. 2016) as BERT uses it, the equal of transformers' BertTokenizerFast: clean, split ideographs off, strip accents, lower case, split at space and
 * punctuation, then the longest known beginning again and again. A word of more than 100 characters, or with a part that is not known, is [UNK]. */
#include "base/mem.h"
#include "base/vec.h"
#include "text/tokenizer_internal.h"
#include "text/unicode.h"

#include <stdlib.h>

enum { MAX_CHARS = 100, MAX_BYTES = 4 * MAX_CHARS, SPECIALS = 5, STACK = 4096 };
static const char *const special_names[SPECIALS] = { "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]" };

struct wordpiece {
	itr_strtab tails;               /* "ing" -> number of tail "##ing"; tail_id has its id */
	int32_t *tail_id;
	size_t longest;                 /* bytes of the longest token */
	int32_t special[SPECIALS];      /* -1: not in this vocabulary, and then ordinary text */
	char ascii[128];                /* what clean and lower case make of it, 0: nothing */
	unsigned char split[128];       /* is it space (1), punctuation (2)? */
};

static void free_wordpiece(void *data)
{
	struct wordpiece *d = data;
	itr_strtab_free(&d->tails);
	free(d->tail_id);
	free(d);
}

static int32_t lookup(const itr_strtab *t, const char *s, size_t n) { return itr_strtab_get(t, s, n, itr_strhash(s, n)); }

static int specials(itr_tokenizer *k, struct wordpiece *d, const char *where, itr_err *err)
{
	for (int i = 0; i < SPECIALS; i++) {
		d->special[i] = lookup(&k->tokens, special_names[i], strlen(special_names[i]));
		if (d->special[i] < 0 && i < 3)
			return itr_err_set(err, "'%s' is no BERT vocabulary: it has no %s", where, special_names[i]);
	}
	k->unk = d->special[0];
	k->start = d->special[1];
	k->end = d->special[2];
	k->pad = d->special[3];
	return 0;
}

static int parse(itr_tokenizer *k, const char *where, const char *text, size_t n, const itr_tokenizer_rules *rules, itr_err *err)
{
	struct wordpiece *d = k->data = itr_xcalloc(1, sizeof *d);
	const char *at = text, *end = text + n, *line;
	int64_t lines = 1;
	size_t len;
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	itr_strtab_init(&k->tokens, lines);
	itr_strtab_init(&d->tails, lines);
	d->tail_id = itr_xmalloc((size_t)lines * sizeof *d->tail_id);
	for (int64_t number = 1; itr_next_line(&at, end, &line, &len); number++) {
		if (itr_tokenizer_add(k, line, len, where, number, err) < 0)
			return -1;
		d->longest = ITR_MAX(d->longest, len);
		if (len > 2 && !memcmp(line, "##", 2)) {
			d->tail_id[d->tails.n] = (int32_t)k->tokens.n - 1;
			itr_strtab_add(&d->tails, line + 2, len - 2, (int32_t)d->tails.n);
		}
	}
	for (int c = 0; c < 128; c++) {
		unsigned f = itr_ud_flags(c);
		d->ascii[c] = f & ITR_UD_REMOVED ? 0 : f & ITR_UD_SPACE ? ' ' : (char)(rules->lower ? itr_ud_lower(c) : c);
		d->split[c] = f & ITR_UD_SPACE ? 1 : f & ITR_UD_PUNCT ? 2 : 0;
	}
	return specials(k, d, where, err);
}

/* The longest token that word[from..len) begins with, into *taken; -1: none. */
static int32_t longest_piece(const itr_tokenizer *k, const struct wordpiece *d, const char *word, size_t from, size_t len, size_t *taken)
{
	uint32_t hash[MAX_BYTES + 1];
	size_t n = ITR_MIN(len - from, d->longest);
	hash[0] = ITR_STRHASH_INIT;
	for (size_t i = 0; i < n; i++)
		hash[i + 1] = itr_strhash_step(hash[i], (unsigned char)word[from + i]);
	for (*taken = n; *taken > 0; --*taken) {
		int32_t v = itr_strtab_get(from ? &d->tails : &k->tokens, word + from, *taken, hash[*taken]);
		if (v >= 0)
			return from ? d->tail_id[v] : v;
	}
	return -1;
}

static void put_word(const itr_tokenizer *k, const char *word, size_t len, size_t chars, itr_ids *out)
{
	const struct wordpiece *d = k->data;
	int32_t ids[MAX_CHARS];
	int n = 0;
	if (chars > MAX_CHARS) {
		itr_ids_push(out, k->unk);
		return;
	}
	int32_t whole = lookup(&k->tokens, word, len);
	if (whole >= 0) {
		itr_ids_push(out, whole);
		return;
	}
	for (size_t from = 0, taken; from < len; from += taken) {
		ids[n] = longest_piece(k, d, word, from, len, &taken);
		if (ids[n++] < 0) {
			ids[0] = k->unk;
			n = 1;
			break;
		}
	}
	for (int i = 0; i < n; i++)
		itr_ids_push(out, ids[i]);
}

/* Text that is normalised already: words between spaces, punctuation by itself. */
static void split_words(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out)
{
	const struct wordpiece *d = k->data;
	const char *p = s, *end = s + n, *word = s;
	size_t chars = 0;
	while (p < end && !itr_ids_full(out)) {
		const char *at = p;
		unsigned split;
		if ((unsigned char)*p < 0x80) {
			split = d->split[(unsigned char)*p++];
		} else {
			unsigned f = itr_ud_flags(itr_utf8_next(&p, end));
			split = f & ITR_UD_SPACE ? 1 : f & ITR_UD_PUNCT ? 2 : 0;
		}
		if (!split) {
			chars++;
			continue;
		}
		if (chars)
			put_word(k, word, (size_t)(at - word), chars, out);
		if (split == 2)
			put_word(k, at, (size_t)(p - at), 1, out);
		word = p;
		chars = 0;
	}
	if (chars)
		put_word(k, word, (size_t)(end - word), chars, out);
}

/* BertNormalizer, its steps in its order. */
static void normalise(const itr_tokenizer *k, itr_buf *to, const char *s, size_t n)
{
	itr_cps t = { NULL, 0, 0 }, u = { NULL, 0, 0 };
	size_t kept = 0;
	itr_cps_decode(&t, s, n);
	for (size_t i = 0; i < t.n; i++) {
		unsigned f = itr_ud_flags(t.v[i]);
		bool apart = (f & ITR_UD_CJK) && k->rules.split_cjk;
		if (f & ITR_UD_REMOVED)
			continue;
		if (apart)
			itr_cps_push(&u, ' ');
		itr_cps_push(&u, f & ITR_UD_SPACE ? ' ' : t.v[i]);
		if (apart)
			itr_cps_push(&u, ' ');
	}
	if (k->rules.strip_accents) {
		itr_cps_nfd(&u);
		for (size_t i = 0; i < u.n; i++)
			if (u.v[i] < 0x300 || !(itr_ud_flags(u.v[i]) & ITR_UD_MN))
				u.v[kept++] = u.v[i];
		u.n = kept;
	}
	if (k->rules.lower) {
		t.n = 0;
		for (size_t i = 0; i < u.n; i++) {
			itr_cps_push(&t, u.v[i] == 0x130 ? 'i' : itr_ud_lower(u.v[i]));
			if (u.v[i] == 0x130)
				itr_cps_push(&t, 0x307);
		}
		itr_cps_encode(to, t.v, t.n);
	} else {
		itr_cps_encode(to, u.v, u.n);
	}
	free(t.v);
	free(u.v);
}

static void encode_part(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out)
{
	const struct wordpiece *d = k->data;
	char few[STACK];
	size_t m = 0;
	for (size_t i = 0; i < n && n <= STACK; i++) {
		if ((unsigned char)s[i] >= 0x80)
			break;
		few[m] = d->ascii[(unsigned char)s[i]];
		m += few[m] != 0;
		if (i + 1 == n) {
			split_words(k, few, m, out);
			return;
		}
	}
	itr_buf b = ITR_BUF_INIT;
	normalise(k, &b, s, n);
	split_words(k, itr_buf_str(&b), b.len, out);
	itr_buf_free(&b);
}

/* The special token at s, which begins with '[': its number, or -1. The references find them in the text as it is, before anything else. */
static int special_at(const struct wordpiece *d, const char *s, size_t n)
{
	for (int i = 0; i < SPECIALS; i++) {
		size_t len = strlen(special_names[i]);
		if (d->special[i] >= 0 && len <= n && !memcmp(s, special_names[i], len))
			return i;
	}
	return -1;
}

static void encode(const itr_tokenizer *k, const char *text, size_t n, itr_ids *out)
{
	const struct wordpiece *d = k->data;
	const char *from = text, *end = text + n, *p = text;
	while (n && (p = memchr(p, '[', (size_t)(end - p))) && !itr_ids_full(out)) {
		int i = special_at(d, p, (size_t)(end - p));
		if (i < 0) {
			p++;
			continue;
		}
		if (p > from)
			encode_part(k, from, (size_t)(p - from), out);
		itr_ids_push(out, d->special[i]);
		from = p += strlen(special_names[i]);
	}
	if (from < end)
		encode_part(k, from, (size_t)(end - from), out);
}

const itr_tokenizer_kind_desc itr_tokenizer_wordpiece = {
	.name = "wordpiece", .what = "BERT's word pieces: vocab.txt, one token a line", .parse = parse, .encode = encode, .free = free_wordpiece,
};
