/* CLIP's byte-pair encoding (Radford et al. 2021), with the same ids as transformers' CLIPTokenizerFast or open_clip's SimpleTokenizer.
 *
 * The symbols of a word are its bytes, the last one marked as the end of a word. The pair with the lowest rank is merged first. The id of a
 * token is 512 + the line of its merge, so ids are also ranks. Most words of captions are one token. When the file is read, each such token
 * is merged from its bytes; those that result in one token are then found by one look-up. */
#include "base/mem.h"
#include "base/vec.h"
#include "text/ftfy.h"
#include "text/html.h"
#include "text/tokenizer_json.h"
#include "text/unicode.h"

#include <stdlib.h>

enum { BYTES = 256, MERGES = 49152 - BYTES - 2, SMALL = 64, STACK = 4096, NO_PAIR = INT32_MAX, SPACE = 0, LETTER, NUMBER, OTHER, NOTHING };

struct pair { uint32_t key; int32_t id; };      /* key: left << 16 | right */
struct heap { uint64_t *v; size_t n; };         /* rank << 32 | place; smallest first */

struct clip {
	struct pair *pairs;
	uint32_t mask;
	int32_t byte_id[BYTES];
	itr_strtab words;                       /* bytes -> number of a word that is one token */
	int32_t *word_id;
	const char *special[2];                 /* start, end, as they are spelled in lower case */
	unsigned char class[128];
	char ascii[128];
	bool slow[128];                         /* not to be taken from `ascii`: characters that open_clip's cleaning may change */
	bool open_clip;
	bool plain;                             /* the pattern names no special token: as the tokenizer.json that OpenAI published */
};

static void free_clip(void *data)
{
	struct clip *d = data;
	itr_strtab_free(&d->words);
	free(d->word_id);
	free(d->pairs);
	free(d);
}

/* --- the merges ----------------------------------------------------------------------------------------------------------------------- */

static uint32_t pair_slot(uint32_t key) { return (key * 0x9E3779B1u) >> 13; }

static int32_t pair_get(const struct clip *d, int32_t a, int32_t b)
{
	uint32_t key = (uint32_t)a << 16 | (uint32_t)b;
	for (uint32_t i = pair_slot(key);; i++) {
		const struct pair *p = &d->pairs[i & d->mask];
		if (p->id < 0 || p->key == key)
			return p->id < 0 ? NO_PAIR : p->id;
	}
}

static void pair_add(struct clip *d, int32_t a, int32_t b, int32_t id)
{
	uint32_t key = (uint32_t)a << 16 | (uint32_t)b, i = pair_slot(key);
	while (d->pairs[i & d->mask].id >= 0)
		i++;
	d->pairs[i & d->mask] = (struct pair){ key, id };
}

/* A short word: searches the pair with the lowest rank after each merge, which is faster than a heap up to some dozens of symbols. The
 * result is in sym; returns the number of symbols. */
static int merge_small(const struct clip *d, int32_t *sym, int n)
{
	int32_t rank[SMALL];
	for (int i = 0; i + 1 < n; i++)
		rank[i] = pair_get(d, sym[i], sym[i + 1]);
	while (n > 1) {
		int best = 0;
		for (int i = 1; i + 1 < n; i++)
			if (rank[i] < rank[best])
				best = i;
		if (rank[best] == NO_PAIR)
			break;
		sym[best] = rank[best];
		n--;
		memmove(sym + best + 1, sym + best + 2, (size_t)(n - best - 1) * sizeof *sym);
		memmove(rank + best, rank + best + 1, (size_t)(n - best) * sizeof *rank);
		if (best > 0)
			rank[best - 1] = pair_get(d, sym[best - 1], sym[best]);
		if (best + 1 < n)
			rank[best] = pair_get(d, sym[best], sym[best + 1]);
	}
	return n;
}

static void heap_push(struct heap *h, uint64_t x)
{
	size_t i = h->n++;
	for (; i && h->v[(i - 1) / 2] > x; i = (i - 1) / 2)
		h->v[i] = h->v[(i - 1) / 2];
	h->v[i] = x;
}

static uint64_t heap_pop(struct heap *h)
{
	uint64_t top = h->v[0], x = h->v[--h->n];
	size_t i = 0;
	for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
		c += c + 1 < h->n && h->v[c + 1] < h->v[c];
		if (h->v[c] >= x)
			break;
		h->v[i] = h->v[c];
	}
	h->v[i] = x;
	return top;
}

static void heap_offer(const struct clip *d, struct heap *h, const int32_t *sym, uint32_t a, uint32_t b, uint32_t end)
{
	int32_t rank = b < end ? pair_get(d, sym[a], sym[b]) : NO_PAIR;
	if (rank != NO_PAIR)
		heap_push(h, (uint64_t)rank << 32 | a);
}

/* A long word: a list of symbols and a heap of pairs, n log n. Outdated entries of the heap are recognised when they are removed from it.
 */
static void merge_long(const struct clip *d, const char *s, uint32_t n, itr_ids *out)
{
	int32_t *sym = itr_xmalloc(n * sizeof *sym);
	uint32_t *next = itr_xmalloc(n * sizeof *next), *prev = itr_xmalloc(n * sizeof *prev);
	/* n at first, and two more for each of at most n merges, each of which took one out */
	struct heap h = { itr_xmalloc((size_t)n * 3 * sizeof(uint64_t)), 0 };
	for (uint32_t i = 0; i < n; i++) {
		sym[i] = d->byte_id[(unsigned char)s[i]] + (i + 1 == n ? BYTES : 0);
		next[i] = i + 1;
		prev[i] = i - 1;
	}
	for (uint32_t i = 0; i + 1 < n; i++)
		heap_offer(d, &h, sym, i, i + 1, n);
	while (h.n) {
		uint64_t top = heap_pop(&h);
		uint32_t a = (uint32_t)top, b;
		int32_t id = (int32_t)(top >> 32);
		if (sym[a] < 0 || (b = next[a]) >= n || pair_get(d, sym[a], sym[b]) != id)
			continue;
		sym[a] = id;
		sym[b] = -1;
		next[a] = next[b];
		if (next[b] < n)
			prev[next[b]] = a;
		heap_offer(d, &h, sym, a, next[a], n);
		if (a)
			heap_offer(d, &h, sym, prev[a], a, n);
	}
	for (uint32_t i = 0; i < n && !itr_ids_full(out); i = next[i])
		itr_ids_push(out, sym[i]);
	free(sym);
	free(next);
	free(prev);
	free(h.v);
}

static void put_word(const struct clip *d, const char *s, size_t n, itr_ids *out)
{
	int32_t sym[SMALL], word = itr_strtab_get(&d->words, s, n, itr_strhash(s, n));
	if (word >= 0) {
		itr_ids_push(out, d->word_id[word]);
		return;
	}
	if (n > SMALL) {
		merge_long(d, s, (uint32_t)n, out);
		return;
	}
	for (size_t i = 0; i < n; i++)
		sym[i] = d->byte_id[(unsigned char)s[i]];
	sym[n - 1] += BYTES;
	int left = merge_small(d, sym, (int)n);
	for (int i = 0; i < left; i++)
		itr_ids_push(out, sym[i]);
}

/* --- the file ------------------------------------------------------------------------------------------------------------------------- */

/* The bytes of each token while the file is read. */
struct raw { itr_buf bytes; struct { uint32_t at, len; bool last; } *token; };

static int add_token(itr_tokenizer *k, struct raw *r, const char *spelling, size_t n, const char *where, int64_t line, itr_err *err)
{
	r->token[k->tokens.n].at = (uint32_t)r->bytes.len;
	return itr_tokenizer_add(k, spelling, n, where, line, err);
}

/* The 256 bytes, then the same at the end of a word, in the order and spelling of GPT-2: a printable character is itself, the others are
 * mapped to U+0100 and above. */
static void add_bytes(itr_tokenizer *k, struct clip *d, struct raw *r)
{
	static const struct {
		int first, last;
		bool own;
	} order[] = { { '!', '~', true }, { 0xA1, 0xAC, true }, { 0xAE, 0xFF, true },
		      { 0, 32, false },   { 127, 160, false },  { 173, 173, false } };
	for (int last = 0; last < 2; last++) {
		int32_t moved = 0x100;
		for (int i = 0; i < ITR_LEN(order); i++)
			for (int c = order[i].first; c <= order[i].last; c++) {
				char name[16], byte = (char)c;
				size_t n = (size_t)itr_utf8_encode(order[i].own ? c : moved++, name);
				int32_t id = (int32_t)k->tokens.n;
				if (last)
					memcpy(name + n, "</w>", 4), n += 4;
				else
					d->byte_id[c] = id;
				if (add_token(k, r, name, n, "", 0, NULL) < 0)
					continue;                       /* cannot be: all are different */
				r->token[id].len = 1;
				r->token[id].last = last;
				itr_buf_add(&r->bytes, &byte, 1);
			}
	}
}

static int bad_line(const char *where, int64_t number, const char *line, size_t len, const char *why, itr_err *err)
{
	itr_buf shown = ITR_BUF_INIT;
	itr_utf8_sanitize(&shown, line, ITR_MIN(len, 60));
	itr_err_set(err, "'%s:%lld' is no merge: '%s' %s", where, (long long)number, itr_buf_str(&shown), why);
	itr_buf_free(&shown);
	return -1;
}

static int add_merge(itr_tokenizer *k, struct clip *d, struct raw *r, const char *line, size_t len, const char *where, int64_t number,
                     itr_err *err)
{
	const char *space = memchr(line, ' ', len);
	char joined[512];
	if (!space || space == line || space == line + len - 1 || memchr(space + 1, ' ', (size_t)(line + len - space - 1)) ||
	    len > sizeof joined)
		return bad_line(where, number, line, len, "is not two tokens with a space between", err);
	size_t na = (size_t)(space - line), nb = len - na - 1;
	int32_t a = itr_strtab_get(&k->tokens, line, na, itr_strhash(line, na)),
		b = itr_strtab_get(&k->tokens, space + 1, nb, itr_strhash(space + 1, nb));
	if (a < 0 || b < 0)
		return bad_line(where, number, line, len, "joins a token that no line before it makes", err);
	if (r->token[a].last)
		return bad_line(where, number, line, len, "continues after the end of a word", err);
	memcpy(joined, line, na);
	memcpy(joined + na, space + 1, nb);
	int32_t id = (int32_t)k->tokens.n;
	if (add_token(k, r, joined, na + nb, where, number, err) < 0)
		return -1;
	pair_add(d, a, b, id);
	r->token[id].len = r->token[a].len + r->token[b].len;
	r->token[id].last = r->token[b].last;
	itr_buf_reserve(&r->bytes, r->token[id].len);
	itr_buf_add(&r->bytes, r->bytes.data + r->token[a].at, r->token[a].len);
	itr_buf_add(&r->bytes, r->bytes.data + r->token[b].at, r->token[b].len);
	return 0;
}

/* Finds the tokens at the end of a word that result from merging their own bytes. */
static void find_words(const itr_tokenizer *k, struct clip *d, const struct raw *r)
{
	itr_strtab_init(&d->words, k->tokens.n);
	d->word_id = itr_xmalloc((size_t)k->tokens.n * sizeof *d->word_id);
	for (int32_t id = 0; id < k->tokens.n; id++) {
		const char *s = r->bytes.data + r->token[id].at;
		int32_t sym[SMALL];
		int n = (int)r->token[id].len;
		if (!r->token[id].last || n > SMALL)
			continue;
		for (int i = 0; i < n; i++)
			sym[i] = d->byte_id[(unsigned char)s[i]] + (i + 1 == n ? BYTES : 0);
		if (merge_small(d, sym, n) != 1 || sym[0] != id)
			continue;
		d->word_id[d->words.n] = id;
		itr_strtab_add(&d->words, s, (size_t)r->token[id].len, (int32_t)d->words.n);
	}
}

static int class_of(const struct clip *d, unsigned f)
{
	unsigned letter = d->open_clip ? ITR_UD_OC_LETTER : ITR_UD_LETTER, number = d->open_clip ? ITR_UD_OC_NUMBER : ITR_UD_NUMBER;
	if (f & ITR_UD_SPACE)
		return SPACE;
	return (f & letter) && (f & number) ? NOTHING : f & letter ? LETTER : f & number ? NUMBER : OTHER;
}

static int read_merges(itr_tokenizer *k, struct clip *d, struct raw *r, const char *where, const char *text, size_t n, itr_err *err)
{
	const char *at = text, *end = text + n, *line;
	size_t len;
	if (!itr_next_line(&at, end, &line, &len) || !memmem(line, len, "#version", 8))
		return itr_err_set(err, "'%s' is no file of merges: its first line does not say '#version'", where);
	add_bytes(k, d, r);
	int64_t number = 2;
	for (; number < 2 + MERGES && itr_next_line(&at, end, &line, &len); number++)
		if (add_merge(k, d, r, line, len, where, number, err) < 0)
			return -1;
	return number > 2 ? 0 : itr_err_set(err, "'%s' holds no merges", where);
}

/* --- tokenizer.json ------------------------------------------------------------------------------------------------------------------- */

/* The pattern that splits words, as transformers 5 saves it and as OpenAI published it. */
static const char *const patterns[2] = {
	"<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
	"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
};

static bool says(const itr_json *j, const char *path, const char *want) { return !strcmp(itr_json_str(itr_json_path(j, path), ""), want); }

static int check_steps(struct clip *d, const itr_json *j, const char *where, itr_err *err)
{
	const itr_json *n = itr_json_path(j, "normalizer.normalizers"), *p = itr_json_path(j, "pre_tokenizer.pretokenizers"),
		       *model = itr_json_get(j, "model");
	const itr_json *cut = itr_json_at(p, 0), *bytes = itr_json_at(p, 1), *replace = itr_json_at(n, 1);
	const char *pattern = itr_json_str(itr_json_path(cut, "pattern.Regex"), "");
	if (strcmp(itr_tokjson_model(j), "BPE"))
		return itr_err_set(err, "'%s' holds a model of type %.40s, not BPE", where, itr_tokjson_model(j));
	if (itr_json_count(n) != 3 || !says(itr_json_at(n, 0), "type", "NFC") || !says(replace, "type", "Replace") ||
	    !says(replace, "pattern.Regex", "\\s+") || !says(replace, "content", " ") || !says(itr_json_at(n, 2), "type", "Lowercase"))
		return itr_tokjson_refuse(where, "normalizer", itr_json_get(j, "normalizer"),
		                          "built are CLIP's steps: NFC, \\s+ to a space, Lowercase", err);
	d->plain = !strcmp(pattern, patterns[1]);
	if (itr_json_count(p) != 2 || !says(cut, "type", "Split") || !says(cut, "behavior", "Removed") ||
	    !itr_json_bool(itr_json_get(cut, "invert"), false) || (!d->plain && strcmp(pattern, patterns[0])) ||
	    !says(bytes, "type", "ByteLevel") || itr_json_bool(itr_json_get(bytes, "add_prefix_space"), true) ||
	    !itr_json_bool(itr_json_get(bytes, "use_regex"), true))
		return itr_tokjson_refuse(where, "pre_tokenizer", itr_json_get(j, "pre_tokenizer"),
		                          "built are CLIP's steps: Split by its pattern, then ByteLevel", err);
	if (!says(model, "end_of_word_suffix", "</w>") || *itr_json_str(itr_json_get(model, "continuing_subword_prefix"), "") ||
	    itr_json_bool(itr_json_get(model, "byte_fallback"), false) || itr_json_bool(itr_json_get(model, "ignore_merges"), false) ||
	    itr_json_num(itr_json_get(model, "dropout"), 0) > 0)
		return itr_err_set(err,
		                   "'%s': its BPE has another end_of_word_suffix than '</w>', a continuing_subword_prefix, byte_fallback, "
		                   "ignore_merges or dropout: not built",
		                   where);
	return 0;
}

/* model.merges, pairs as "a b" or as ["a", "b"], as the lines of a merges.txt. */
static int merges_of(itr_buf *b, const itr_json *j, const char *where, itr_err *err)
{
	const itr_json *merges = itr_json_path(j, "model.merges");
	if (itr_json_count(merges) > MERGES)
		return itr_err_set(err, "'%s': it has %lld merges, CLIP has %d", where, (long long)itr_json_count(merges), MERGES);
	itr_buf_puts(b, "#version: tokenizer.json\n");
	for (const itr_json *c = itr_json_first(merges); c; c = itr_json_next(c)) {
		if (itr_json_is_array(c))
			itr_buf_printf(b, "%s %s\n", itr_json_str(itr_json_at(c, 0), ""), itr_json_str(itr_json_at(c, 1), ""));
		else
			itr_buf_printf(b, "%s\n", itr_json_str(c, ""));
	}
	return 0;
}

/* Ids are ranks here: bytes, bytes at the end of a word, merges in their order, special tokens. */
static int check_vocab(itr_tokenizer *k, const itr_json *j, const char *where, itr_err *err)
{
	const itr_json *vocab = itr_json_path(j, "model.vocab");
	for (const itr_json *c = itr_json_first(vocab); c; c = itr_json_next(c)) {
		const int64_t id = itr_json_int(c, -1);
		const int32_t ours = itr_tokenizer_id(k, itr_json_key(c));
		if (ours < 0 && id == k->tokens.n) {
			if (itr_tokenizer_add(k, itr_json_key(c), strlen(itr_json_key(c)), where, 0, err) < 0)
				return -1;
		} else if (ours != id)
			return itr_err_set(err,
			                   "'%s': token '%.60s' has id %lld; only CLIP's numbering is built: 512 bytes, then the merges in "
			                   "their order, then the special tokens",
			                   where, itr_json_key(c), (long long)id);
	}
	return 0;
}

static int read_json(itr_tokenizer *k, struct clip *d, struct raw *r, const char *where, const itr_json *j, itr_err *err)
{
	itr_buf lines = ITR_BUF_INIT;
	int rc = d->open_clip
	                 ? itr_err_set(err, "'%s': open_clip's tokenizer reads bpe_simple_vocab_16e6.txt.gz, not a tokenizer.json", where)
	                 : check_steps(d, j, where, err);
	if (rc == 0)
		rc = merges_of(&lines, j, where, err);
	if (rc == 0)
		rc = read_merges(k, d, r, where, itr_buf_str(&lines), lines.len, err);
	itr_buf_free(&lines);
	if (rc == 0)
		find_words(k, d, r);
	if (rc == 0)
		rc = check_vocab(k, j, where, err);
	if (rc == 0)
		rc = itr_tokjson_finish(k, j, where, err);
	for (size_t i = 0; i < k->added.list.n && rc == 0; i++)
		if ((k->added.list.v[i].flags & ITR_ADDED_NORMALIZED) && strpbrk(k->added.list.v[i].content, " \t\n"))
			rc = itr_err_set(err, "'%s': the added token '%.60s' is normalised and holds white space: not built", where,
			                 k->added.list.v[i].content);
	k->unk = k->end;
	k->pad = 0;
	return rc;
}

/* --- both ----------------------------------------------------------------------------------------------------------------------------- */

static int read_plain(itr_tokenizer *k, struct clip *d, struct raw *r, const char *where, const char *text, size_t n, itr_err *err)
{
	int rc = read_merges(k, d, r, where, text, n, err);
	if (rc < 0)
		return -1;
	find_words(k, d, r);
	k->start = (int32_t)k->tokens.n;
	k->unk = k->end = k->start + 1;
	k->pad = 0;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = d->open_clip ? itr_tokenizer_add(k, d->special[i], strlen(d->special[i]), where, 0, err)
		                  : itr_added_put(k, d->special[i], -1, 0, where, err);
	return rc;
}

static int parse(itr_tokenizer *k, const char *where, const char *text, size_t n, const itr_tokenizer_rules *rules, itr_err *err)
{
	static const char *const hugging_face[2] = { "<|startoftext|>", "<|endoftext|>" }, *const open_clip[2] = { "<start_of_text>",
		                                                                                                   "<end_of_text>" };
	struct clip *d = k->data = itr_xcalloc(1, sizeof *d);
	struct raw r = { ITR_BUF_INIT, itr_xcalloc(2 * BYTES + MERGES + 2, sizeof *r.token) };
	d->open_clip = rules->open_clip_clean;
	memcpy(d->special, d->open_clip ? open_clip : hugging_face, sizeof d->special);
	d->mask = (1u << 19) / 4 - 1;
	d->pairs = itr_xmalloc((d->mask + 1) * sizeof *d->pairs);
	memset(d->pairs, 0xFF, (d->mask + 1) * sizeof *d->pairs);
	itr_strtab_init(&k->tokens, 2 * BYTES + MERGES + 2);
	for (int c = 0; c < 128; c++) {
		d->class[c] = (unsigned char)class_of(d, itr_ud_flags(c));
		d->ascii[c] = (char)(d->open_clip && (itr_ud_flags(c) & ITR_UD_PY_SPACE) ? ' ' : itr_ud_lower(c));
		d->slow[c] = d->open_clip && (c == '&' || (c < ' ' && !strchr("\t\n\f\r", c)) || c == 0 || c == 127);
	}
	int rc;
	if (itr_tokjson_like(text, n)) {
		itr_json *j = itr_json_parse(text, n, where, err);
		rc = j ? read_json(k, d, &r, where, j, err) : -1;
		itr_json_free(j);
	} else {
		rc = read_plain(k, d, &r, where, text, n, err);
	}
	itr_buf_free(&r.bytes);
	free(r.token);
	return rc;
}

/* --- the text ------------------------------------------------------------------------------------------------------------------------- */

/* Class of the character at *p, which moves on. */
static int next_class(const struct clip *d, const char **p, const char *end)
{
	return (unsigned char)**p < 0x80 ? d->class[(unsigned char)*(*p)++] : class_of(d, itr_ud_flags(itr_utf8_next(p, end)));
}

static const char *end_of_run(const struct clip *d, const char *p, const char *end, int class)
{
	while (p < end) {
		const char *at = p;
		if (next_class(d, &p, end) != class)
			return at;
	}
	return end;
}

/* Bytes of 's 't 're 've 'm 'll 'd at s; 0: it is none. open_clip's pattern ignores case, and a long s (U+017F) is an s then. */
static size_t contraction(const struct clip *d, const char *s, size_t n)
{
	if (n < 2 || s[0] != '\'')
		return 0;
	if (s[1] == 's' || s[1] == 't' || s[1] == 'm' || s[1] == 'd')
		return 2;
	if (n > 2 && (!memcmp(s + 1, "re", 2) || !memcmp(s + 1, "ve", 2) || !memcmp(s + 1, "ll", 2)))
		return 3;
	return d->open_clip && n > 2 && !memcmp(s + 1, "\xC5\xBF", 2) ? 3 : 0;
}

/* A special token's name at s in lower case; 0: it is none. (open_clip again: long s.) */
static size_t special_name(const struct clip *d, const char *s, size_t n, const char *name)
{
	size_t i = 0;
	for (; *name; name++) {
		if (i < n && s[i] == *name)
			i++;
		else if (d->open_clip && *name == 's' && n - i > 1 && !memcmp(s + i, "\xC5\xBF", 2))
			i += 2;
		else
			return 0;
	}
	return i;
}

/* In open_clip's pattern the name is the special token. For Hugging Face it is ordinary text here (the token was searched before lower
 * case), which its pattern splits into three parts. */
static size_t put_special(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out)
{
	const struct clip *d = k->data;
	for (int i = 0; i < 2; i++) {
		size_t len = special_name(d, s, n, d->special[i]);
		if (!len)
			continue;
		if (d->open_clip && len == strlen(d->special[i])) {
			itr_ids_push(out, i ? k->end : k->start);
		} else if (d->open_clip) {
			put_word(d, s, len, out);
		} else {
			put_word(d, s, 2, out);
			put_word(d, s + 2, len - 4, out);
			put_word(d, s + len - 2, 2, out);
		}
		return len;
	}
	return 0;
}

/* CLIP's pattern on text that is normalised already. */
static void split_words(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out)
{
	const struct clip *d = k->data;
	const char *p = s, *end = s + n;
	while (p < end && !itr_ids_full(out)) {
		const char *from = p;
		size_t len = *p == '<' && !d->plain ? put_special(k, p, (size_t)(end - p), out) : 0;
		if (len) {
			p += len;
			continue;
		}
		len = contraction(d, p, (size_t)(end - p));
		int class = len ? OTHER : next_class(d, &p, end);
		if (class == SPACE || class == NOTHING)
			continue;
		p = len ? from + len : class == NUMBER ? p : end_of_run(d, p, end, class);
		put_word(d, from, (size_t)(p - from), out);
	}
}

static void normalise(const itr_tokenizer *k, itr_buf *to, const char *s, size_t n)
{
	const struct clip *d = k->data;
	itr_cps t = { NULL, 0, 0 };
	itr_cps_decode(&t, s, n);
	if (d->open_clip) {
		itr_ftfy(&t);
		itr_html_unescape(&t);
		itr_html_unescape(&t);
		for (size_t i = 0; i < t.n; i++)
			if (itr_ud_flags(t.v[i]) & ITR_UD_PY_SPACE)
				t.v[i] = ' ';
		itr_cps_python_lower(&t);
		itr_cps_encode(to, t.v, t.n);
	} else {
		itr_cps lower = { NULL, 0, 0 };
		itr_cps_nfc(&t);
		for (size_t i = 0; i < t.n; i++) {
			itr_cps_push(&lower, t.v[i] == 0x130 ? 'i' : itr_ud_lower(t.v[i]));
			if (t.v[i] == 0x130)
				itr_cps_push(&lower, 0x307);
		}
		itr_cps_encode(to, lower.v, lower.n);
		free(lower.v);
	}
	free(t.v);
}

static void encode(const itr_tokenizer *k, const char *s, size_t n, itr_ids *out)
{
	const struct clip *d = k->data;
	char few[STACK];
	for (size_t i = 0; i < n && n <= STACK; i++) {
		if ((unsigned char)s[i] >= 0x80 || d->slow[(unsigned char)s[i]])
			break;
		few[i] = d->ascii[(unsigned char)s[i]];
		if (i + 1 == n) {
			split_words(k, few, n, out);
			return;
		}
	}
	itr_buf b = ITR_BUF_INIT;
	normalise(k, &b, s, n);
	split_words(k, itr_buf_str(&b), b.len, out);
	itr_buf_free(&b);
}

const itr_tokenizer_kind_desc itr_tokenizer_clip_bpe = {
	.name = "clip-bpe",
	.what = "CLIP's byte pairs: bpe_simple_vocab_16e6.txt.gz, merges.txt or tokenizer.json",
	.parse = parse,
	.encode = encode,
	.normalise = normalise,
	.split = split_words,
	.free = free_clip,
};
