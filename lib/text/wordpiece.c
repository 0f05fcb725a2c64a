/* WordPiece (Wu et al. 2016) as in BERT, with the same ids as transformers' BertTokenizerFast: clean, separate ideographs, strip accents,
 * lower case, split at white space and punctuation, then repeatedly the longest known prefix. A word of more than 100 characters (or the
 * limit in its tokenizer.json), or with an unknown part, becomes [UNK]. */
#include "base/mem.h"
#include "base/vec.h"
#include "text/tokenizer_json.h"
#include "text/unicode.h"

#include <stdlib.h>

enum { MAX_CHARS = 1000, MAX_BYTES = 4 * MAX_CHARS, SPECIALS = 5, STACK = 4096 };
static const char *const special_names[SPECIALS] = { "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]" };

struct wordpiece {
	itr_strtab tails;               /* "ing" -> number of tail "##ing"; tail_id has its id */
	int32_t *tail_id;
	size_t longest;                 /* bytes of the longest token */
	int32_t known;                  /* ids below are the vocabulary's own; added tokens are no pieces of a word */
	size_t max_chars;               /* of a word; longer ones are not known */
	char unk[64], prefix[16];       /* "[UNK]", "##" */
	char ascii[128];                /* the character after clean and lower case; 0: removed */
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

/* The special tokens of a vocab.txt; one that it lacks is ordinary text. */
static int specials(itr_tokenizer *k, const char *where, itr_err *err)
{
	int32_t id[SPECIALS];
	for (int i = 0; i < SPECIALS; i++) {
		id[i] = lookup(&k->tokens, special_names[i], strlen(special_names[i]));
		if (id[i] < 0 && i < 3)
			return itr_err_set(err, "'%s' is no BERT vocabulary: it has no %s", where, special_names[i]);
		if (id[i] >= 0 && itr_added_put(k, special_names[i], id[i], 0, where, err) < 0)
			return -1;
	}
	k->unk = id[0];
	k->start = id[1];
	k->end = id[2];
	k->pad = id[3];
	return 0;
}

static int read_lines(itr_tokenizer *k, const char *where, const char *text, size_t n, itr_err *err)
{
	const char *at = text, *end = text + n, *line;
	int64_t lines = 1;
	size_t len;
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	itr_strtab_init(&k->tokens, lines);
	for (int64_t number = 1; itr_next_line(&at, end, &line, &len); number++)
		if (itr_tokenizer_add(k, line, len, where, number, err) < 0)
			return -1;
	return 0;
}

/* --- tokenizer.json ------------------------------------------------------------------------------------------------------------------- */

static const itr_json *only_of(const itr_json *part, const char *list)
{
	const itr_json *all = itr_json_get(part, list);
	return !strcmp(itr_tokjson_type(part), "Sequence") && itr_json_count(all) == 1 ? itr_json_at(all, 0) : part;
}

/* Rules of the tokenizer.json, unless a model file or the user gives others. */
static int read_normalizer(itr_tokenizer *k, const itr_json *j, const char *where, itr_err *err)
{
	const itr_json *b = only_of(itr_json_get(j, "normalizer"), "normalizers");
	itr_tokenizer_rules *r = &k->rules;
	if (strcmp(itr_tokjson_type(b), "BertNormalizer"))
		return itr_tokjson_refuse(where, "normalizer", b, "built is BertNormalizer", err);
	r->raw = !itr_json_bool(itr_json_get(b, "clean_text"), true);
	if (r->fixed)
		return 0;
	const bool lower = itr_json_bool(itr_json_get(b, "lowercase"), true),
		   strip = itr_json_bool(itr_json_get(b, "strip_accents"), lower);
	const bool cjk = itr_json_bool(itr_json_get(b, "handle_chinese_chars"), true);
	if (r->config_says && (r->lower != lower || r->strip_accents != strip || r->split_cjk != cjk || r->raw))
		return itr_err_set(err,
		                   "'%s' and the tokenizer_config.json beside it differ about lower case (%s, %s), accents (%s, %s), "
		                   "Chinese characters or cleaning: transformers follows the config, "
		                   "tokenizers the other; make them agree",
		                   where, lower ? "lower" : "kept", r->lower ? "lower" : "kept", strip ? "stripped" : "kept",
		                   r->strip_accents ? "stripped" : "kept");
	r->lower = lower;
	r->strip_accents = strip;
	r->split_cjk = cjk;
	return itr_tokenizer_resolve_rules(r, err);
}

static int read_json(itr_tokenizer *k, struct wordpiece *d, const char *where, const itr_json *j, itr_err *err)
{
	const itr_json *model = itr_json_get(j, "model"), *pre = only_of(itr_json_get(j, "pre_tokenizer"), "pretokenizers");
	const char *unk = itr_json_str(itr_json_get(model, "unk_token"), "[UNK]"),
		   *prefix = itr_json_str(itr_json_get(model, "continuing_subword_prefix"), "##");
	const int64_t chars = itr_json_int(itr_json_get(model, "max_input_chars_per_word"), 100);
	if (strcmp(itr_tokjson_model(j), "WordPiece"))
		return itr_err_set(err, "'%s' holds a model of type %.40s, not WordPiece", where, itr_tokjson_model(j));
	if (strcmp(itr_tokjson_type(pre), "BertPreTokenizer"))
		return itr_tokjson_refuse(where, "pre_tokenizer", pre, "built is BertPreTokenizer", err);
	if (chars < 1 || chars > MAX_CHARS || strlen(unk) >= sizeof d->unk || strlen(prefix) >= sizeof d->prefix || !*prefix)
		return itr_err_set(err,
		                   "'%s': max_input_chars_per_word %lld, unk_token '%.80s' or continuing_subword_prefix '%.40s' is not one "
		                   "that is built (1 to %d characters, not empty)",
		                   where, (long long)chars, unk, prefix, MAX_CHARS);
	d->max_chars = (size_t)chars;
	memcpy(d->unk, unk, strlen(unk) + 1);
	memcpy(d->prefix, prefix, strlen(prefix) + 1);
	if (read_normalizer(k, j, where, err) < 0 || itr_tokjson_vocab(k, j, where, err) < 0)
		return -1;
	d->known = (int32_t)k->tokens.n;
	if (itr_tokjson_finish(k, j, where, err) < 0)
		return -1;
	k->unk = itr_tokenizer_id(k, unk);
	k->pad = itr_tokenizer_id(k, "[PAD]");
	return k->unk >= 0 ? 0 : itr_err_set(err, "'%s': its unk_token '%s' is not in its vocabulary", where, unk);
}

/* --- both ----------------------------------------------------------------------------------------------------------------------------- */

static void find_tails(itr_tokenizer *k, struct wordpiece *d)
{
	const size_t prefix = strlen(d->prefix);
	itr_strtab_init(&d->tails, k->tokens.n);
	d->tail_id = itr_xmalloc((size_t)k->tokens.n * sizeof *d->tail_id);
	for (int32_t id = 0; id < d->known; id++) {
		const struct itr_strkey *key = &k->tokens.keys[id];
		const char *token = k->tokens.bytes.data + key->at;
		d->longest = ITR_MAX(d->longest, (size_t)key->len);
		if (key->len > prefix && !memcmp(token, d->prefix, prefix)) {
			d->tail_id[d->tails.n] = id;
			itr_strtab_add(&d->tails, token + prefix, key->len - prefix, (int32_t)d->tails.n);
		}
	}
}

static int parse(itr_tokenizer *k, const char *where, const char *text, size_t n, const itr_tokenizer_rules *rules, itr_err *err)
{
	struct wordpiece *d = k->data = itr_xcalloc(1, sizeof *d);
	(void)rules;                            /* k has them, and a tokenizer.json may change them */
	*d = (struct wordpiece){ .max_chars = 100, .unk = "[UNK]", .prefix = "##" };
	int rc;
	if (itr_tokjson_like(text, n)) {
		itr_json *j = itr_json_parse(text, n, where, err);
		rc = j ? read_json(k, d, where, j, err) : -1;
		itr_json_free(j);
	} else {
		rc = read_lines(k, where, text, n, err);
		d->known = (int32_t)k->tokens.n;
		if (rc == 0)
			rc = specials(k, where, err);
	}
	if (rc < 0)
		return -1;
	find_tails(k, d);
	for (int c = 0; c < 128; c++) {
		unsigned f = itr_ud_flags(c);
		d->ascii[c] = !k->rules.raw && (f & ITR_UD_REMOVED) ? 0
		              : !k->rules.raw && (f & ITR_UD_SPACE) ? ' '
		                                                    : (char)(k->rules.lower ? itr_ud_lower(c) : c);
		d->split[c] = f & ITR_UD_SPACE ? 1 : f & ITR_UD_PUNCT ? 2 : 0;
	}
	return 0;
}

/* The id of the longest token that is a prefix of word[from..len), with its length in *taken; -1: none. */
static int32_t longest_piece(const itr_tokenizer *k, const struct wordpiece *d, const char *word, size_t from, size_t len, size_t *taken)
{
	uint32_t hash[MAX_BYTES + 1];
	size_t n = ITR_MIN(len - from, d->longest);
	hash[0] = ITR_STRHASH_INIT;
	for (size_t i = 0; i < n; i++)
		hash[i + 1] = itr_strhash_step(hash[i], (unsigned char)word[from + i]);
	for (*taken = n; *taken > 0; --*taken) {
		int32_t v = itr_strtab_get(from ? &d->tails : &k->tokens, word + from, *taken, hash[*taken]);
		if (v >= 0 && v < d->known)
			return from ? d->tail_id[v] : v;
	}
	return -1;
}

static void put_word(const itr_tokenizer *k, const char *word, size_t len, size_t chars, itr_ids *out)
{
	const struct wordpiece *d = k->data;
	int32_t ids[MAX_CHARS];
	int n = 0;
	if (chars > d->max_chars) {
		itr_ids_push(out, k->unk);
		return;
	}
	int32_t whole = lookup(&k->tokens, word, len);
	if (whole >= 0 && whole < d->known) {
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

/* Normalised text: words between spaces; each punctuation character is a word. */
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
		if ((f & ITR_UD_REMOVED) && !k->rules.raw)
			continue;
		if (apart)
			itr_cps_push(&u, ' ');
		itr_cps_push(&u, (f & ITR_UD_SPACE) && !k->rules.raw ? ' ' : t.v[i]);
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

static void encode(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out)
{
	const struct wordpiece *d = k->data;
	char few[STACK];
	size_t m = 0;
	for (size_t i = 0; i < n && n <= STACK; i++) {
		if ((unsigned char)s[i] >= 0x80)
			break;
		few[m] = d->ascii[(unsigned char)s[i]];
		m += few[m] != 0 || k->rules.raw;
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

const itr_tokenizer_kind_desc itr_tokenizer_wordpiece = {
	.name = "wordpiece",
	.what = "BERT's word pieces: vocab.txt, one token a line, or tokenizer.json",
	.parse = parse,
	.encode = encode,
	.normalise = normalise,
	.split = split_words,
	.free = free_wordpiece,
};
