/* A word vocabulary, as in the LSTM baseline: lower case, only letters, marks and digits ("don't" becomes "dont"), words separated by white
 * space. */
#include "base/mem.h"
#include "base/vec.h"
#include "io/json.h"
#include "text/tokenizer_internal.h"
#include "text/unicode.h"

#include <stdlib.h>

enum { STACK = 4096, SPECIALS = 4, KEPT = ITR_UD_LETTER | ITR_UD_NUMBER | ITR_UD_MARK };
static const char *const special_names[SPECIALS] = { "<pad>", "<unk>", "<start>", "<end>" };

/* Lower case; other characters are dropped. ASCII has a fast path without tables. */
static void normalise(itr_buf *to, const char *s, size_t n)
{
	const char *p = s, *end = s + n;
	/* an invalid byte becomes three, U+0130 three; no lower case is longer than 3 bytes for 2 */
	itr_buf_reserve(to, 3 * n + 8);
	while (p < end) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x80) {
			char low = (char)(c | 0x20);
			if ((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9'))
				to->data[to->len++] = c >= '0' && c <= '9' ? (char)c : low;
			else if (c == ' ' || (c >= 9 && c <= 13))
				to->data[to->len++] = ' ';
			p++;
			continue;
		}
		int32_t cp = itr_utf8_next(&p, end);
		unsigned f = cp < 0 ? 0 : itr_ud_flags(cp);
		if (f & ITR_UD_SPACE)
			to->data[to->len++] = ' ';
		else if (f & KEPT)
			to->len += (size_t)itr_utf8_encode(cp == 0x130 ? 'i' : itr_ud_lower(cp), to->data + to->len);
		if (cp == 0x130)
			to->len += (size_t)itr_utf8_encode(0x307, to->data + to->len);
	}
	to->data[to->len] = 0;
}

/* The next word of normalised text: its length at *word, 0 at the end. */
static size_t next_word(const char **p, const char *end, const char **word)
{
	while (*p < end && **p == ' ')
		++*p;
	*word = *p;
	const char *space = memchr(*p, ' ', (size_t)(end - *p));
	*p = space ? space : end;
	return (size_t)(*p - *word);
}

static void encode(const itr_tokenizer *k, const char *text, size_t n, itr_ids *out)
{
	itr_buf b = ITR_BUF_INIT;
	const char *word;
	size_t len;
	normalise(&b, text, n);
	for (const char *p = b.data, *end = b.data + b.len; !itr_ids_full(out) && (len = next_word(&p, end, &word));) {
		int32_t id = itr_strtab_get(&k->tokens, word, len, itr_strhash(word, len));
		itr_ids_push(out, id < 0 ? k->unk : id);
	}
	itr_buf_free(&b);
}

/* The baseline's vocabulary.json: {"word_to_idx": {word: id}, ...}; the ids must be 0 .. n-1. */
static int parse_json(itr_tokenizer *k, const char *where, const char *text, size_t n, itr_err *err)
{
	itr_json *j = itr_json_parse(text, n, where, err);
	if (!j)
		return -1;
	const itr_json *words = itr_json_get(j, "word_to_idx");
	int64_t count = itr_json_is_object(words) ? itr_json_count(words) : 0;
	const char **by_id = itr_xcalloc((size_t)ITR_MAX(count, 1), sizeof *by_id);
	int rc = count ? 0 : itr_err_set(err, "'%s' is no vocabulary: it has no object 'word_to_idx'", where);
	for (const itr_json *w = itr_json_first(words); rc == 0 && w; w = itr_json_next(w)) {
		int64_t id = itr_json_int(w, -1);
		if (id < 0 || id >= count || by_id[id])
			rc = itr_err_set(err, "'%s': the id of '%s' is not one of 0 .. %lld, each once", where, itr_json_key(w),
			                 (long long)count - 1);
		else
			by_id[id] = itr_json_key(w);
	}
	itr_strtab_init(&k->tokens, ITR_MAX(count, 1));
	for (int64_t i = 0; rc == 0 && i < count; i++)
		rc = itr_tokenizer_add(k, by_id[i], strlen(by_id[i]), where, 0, err);
	free(by_id);
	itr_json_free(j);
	return rc;
}

static int parse_lines(itr_tokenizer *k, const char *where, const char *text, size_t n, itr_err *err)
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

static int parse(itr_tokenizer *k, const char *where, const char *text, size_t n, const itr_tokenizer_rules *rules, itr_err *err)
{
	int32_t *const ids[SPECIALS] = { &k->pad, &k->unk, &k->start, &k->end };
	(void)rules;
	if ((n && text[0] == '{' ? parse_json(k, where, text, n, err) : parse_lines(k, where, text, n, err)) < 0)
		return -1;
	for (int i = 0; i < SPECIALS; i++)
		if ((*ids[i] = itr_tokenizer_id(k, special_names[i])) < 0)
			return itr_err_set(
				err, "'%s' is no vocabulary of words: it has no %s; '{tokenize} --build-vocab' makes one from captions",
				where, special_names[i]);
	return 0;
}

static void free_nothing(void *data) { (void)data; }

const itr_tokenizer_kind_desc itr_tokenizer_words = {
	.name = "words",
	.what = "lower-cased words: one a line, or vocabulary.json",
	.parse = parse,
	.encode = encode,
	.free = free_nothing,
};

/* --- counting ------------------------------------------------------------------------------------------------------------------------- */

struct itr_word_counter {
	itr_strtab words;
	int64_t *count;
	int64_t room;
	itr_buf text;
};

itr_word_counter *itr_word_counter_new(void)
{
	itr_word_counter *c = itr_xcalloc(1, sizeof *c);
	c->room = 1024;
	itr_strtab_init(&c->words, c->room);
	c->count = itr_xcalloc((size_t)c->room, sizeof *c->count);
	return c;
}

void itr_word_counter_free(itr_word_counter *c)
{
	if (!c)
		return;
	itr_strtab_free(&c->words);
	free(c->count);
	itr_buf_free(&c->text);
	free(c);
}

static void grow(itr_word_counter *c)
{
	itr_strtab old = c->words;
	c->room *= 2;
	itr_strtab_init(&c->words, c->room);
	for (int32_t i = 0; i < old.n; i++)
		itr_strtab_add(&c->words, old.bytes.data + old.keys[i].at, old.keys[i].len, i);
	itr_strtab_free(&old);
	c->count = itr_xrealloc(c->count, (size_t)c->room * sizeof *c->count);
}

void itr_word_counter_add(itr_word_counter *c, const char *text, size_t bytes)
{
	const char *word;
	size_t len;
	itr_buf_clear(&c->text);
	normalise(&c->text, text, bytes);
	for (const char *p = c->text.data, *end = c->text.data + c->text.len; (len = next_word(&p, end, &word));) {
		int32_t i = itr_strtab_get(&c->words, word, len, itr_strhash(word, len));
		if (i < 0) {
			if (c->words.n == c->room)
				grow(c);
			i = (int32_t)c->words.n;
			itr_strtab_add(&c->words, word, len, i);
			c->count[i] = 0;
		}
		c->count[i]++;
	}
}

struct rank { int64_t count; int32_t word; };

static int by_count(const void *x, const void *y)
{
	const struct rank *a = x, *b = y;
	return a->count != b->count ? (a->count < b->count) - (a->count > b->count) : (a->word > b->word) - (a->word < b->word);
}

char *itr_word_counter_vocab(const itr_word_counter *c, int64_t min_count, int64_t max_size, int64_t *lines)
{
	int64_t n = c->words.n, written = SPECIALS;
	struct rank *r = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *r);
	itr_buf b = ITR_BUF_INIT;
	for (int64_t i = 0; i < n; i++)
		r[i] = (struct rank){ c->count[i], (int32_t)i };
	qsort(r, (size_t)n, sizeof *r, by_count);
	for (int i = 0; i < SPECIALS; i++)
		itr_buf_printf(&b, "%s\n", special_names[i]);
	for (int64_t i = 0; i < n && r[i].count >= min_count && (max_size <= 0 || written < max_size); i++) {
		if (c->words.keys[r[i].word].len > 1000)        /* not a word, and no vocabulary would take it */
			continue;
		itr_buf_printf(&b, "%s\n", c->words.bytes.data + c->words.keys[r[i].word].at);
		written++;
	}
	free(r);
	if (lines)
		*lines = written;
	return itr_buf_detach(&b);
}
