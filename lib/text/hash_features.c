#include "text/hash_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/vec.h"
#include "text/unicode.h"

typedef ITR_VEC(uint64_t) hashes;

static uint64_t fnv1a(const char *s, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
	return itr_mix64(h);
}

static bool in_word(int32_t cp)
{
	if (cp < 0x80)
		return (cp >= 'a' && cp <= 'z') || (cp >= '0' && cp <= '9');
	return itr_cp_is_letter(cp) || itr_cp_is_mark(cp) || itr_cp_is_number(cp);
}

/* A variation selector after an emoji is a mark, but alone it is not a word. */
static bool carries_word(int32_t cp) { return cp < 0x80 || itr_cp_is_letter(cp) || itr_cp_is_number(cp); }

/* Hash of each word, in order. An apostrophe (' or U+2019) between two letters belongs to the word and is dropped from it. */
static void split_words(const char *text, hashes *words)
{
	itr_buf form = ITR_BUF_INIT, lower = ITR_BUF_INIT, word = ITR_BUF_INIT;
	itr_utf8_normalize(&form, text, strlen(text), ITR_NFKC);
	itr_utf8_lower(&lower, itr_buf_str(&form), form.len);
	const char *p = itr_buf_str(&lower), *end = p + lower.len;
	bool carried = false;
	while (p < end) {
		int32_t cp = itr_utf8_next(&p, end);
		bool cjk = itr_cp_is_cjk(cp), part = !cjk && in_word(cp);
		const char *after = p;
		if ((cp == '\'' || cp == 0x2019) && word.len && p < end && in_word(itr_utf8_next(&after, end)))
			continue;
		if (part) {
			itr_utf8_add(&word, cp);
			carried = carried || carries_word(cp);
		}
		if (word.len && (!part || p == end)) {
			if (carried)
				ITR_VEC_PUSH(words, fnv1a(word.data, word.len));
			itr_buf_clear(&word);
			carried = false;
		}
		if (cjk) {
			itr_utf8_add(&word, cp);
			ITR_VEC_PUSH(words, fnv1a(word.data, word.len));
			itr_buf_clear(&word);
		}
	}
	itr_buf_free(&form);
	itr_buf_free(&lower);
	itr_buf_free(&word);
}

static uint64_t pair_of(uint64_t a, uint64_t b)
{
	return itr_mix64(a ^ (b * 0x9e3779b97f4a7c15u + 1));
}

static void add_ngram(float *v, uint64_t h, float weight)
{
	for (int k = 0; k < ITR_HASH_SLOTS; k++) {
		uint64_t r = itr_mix64(h + (uint64_t)(k + 1) * 0x9e3779b97f4a7c15u);
		v[(r >> 32) * ITR_HASH_DIM >> 32] += r & 1 ? weight : -weight;
	}
}

static void unit_length(float *v)
{
	double sum = 0;
	for (int i = 0; i < ITR_HASH_DIM; i++)
		sum += (double)v[i] * v[i];
	float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
	for (int i = 0; i < ITR_HASH_DIM; i++)
		v[i] *= scale;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Equal n-grams are brought together by sorting; the order of additions depends on the hashes alone. */
static void add_counted(float *v, uint64_t *h, size_t n, float weight)
{
	if (n)
		qsort(h, n, sizeof *h, by_value);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && h[j] == h[i]; j++)
			;
		add_ngram(v, h[i], weight * sqrtf((float)(j - i)));
	}
}

int64_t itr_hash_text(const char *text, float pooled[ITR_HASH_DIM])
{
	hashes words = ITR_VEC_INIT, pairs = ITR_VEC_INIT;
	split_words(text, &words);
	for (size_t i = 1; i < words.n; i++)
		ITR_VEC_PUSH(&pairs, pair_of(words.v[i - 1], words.v[i]));
	int64_t n = (int64_t)words.n;
	memset(pooled, 0, ITR_HASH_DIM * sizeof *pooled);
	add_counted(pooled, words.v, words.n, 1);
	add_counted(pooled, pairs.v, pairs.n, ITR_HASH_PAIR_WEIGHT);
	unit_length(pooled);
	ITR_VEC_FREE(&words);
	ITR_VEC_FREE(&pairs);
	return n;
}

int64_t itr_hash_tokens(const char *text, int64_t max_tokens, float *tokens)
{
	hashes words = ITR_VEC_INIT;
	split_words(text, &words);
	int64_t n = ITR_MIN((int64_t)words.n, max_tokens);
	memset(tokens, 0, (size_t)(max_tokens * ITR_HASH_DIM) * sizeof *tokens);
	for (int64_t i = 0; i < n; i++) {
		float *v = tokens + i * ITR_HASH_DIM;
		add_ngram(v, words.v[i], 1);
		if (i > 0)
			add_ngram(v, pair_of(words.v[i - 1], words.v[i]), ITR_HASH_PAIR_WEIGHT);
		if (i + 1 < (int64_t)words.n)
			add_ngram(v, pair_of(words.v[i], words.v[i + 1]), ITR_HASH_PAIR_WEIGHT);
		unit_length(v);
	}
	ITR_VEC_FREE(&words);
	return n;
}
