/* tokenizer_internal.h - what the kinds of tokenizers share: the vocabulary, the list of ids that fills up, and the descriptor. */
#ifndef ITR_TEXT_TOKENIZER_INTERNAL_H
#define ITR_TEXT_TOKENIZER_INTERNAL_H

#include <string.h>

#include "base/buf.h"
#include "text/tokenizer.h"
#include "text/unidata.h"

/* --- strings to numbers: open addressing, keys are bytes of any length. The hash runs byte by byte, so that one pass gives it for every prefix. ------------------- */
typedef struct itr_strtab {
	struct itr_strslot { uint32_t hash; int32_t value; } *slots;      /* value -1: free */
	struct itr_strkey { uint32_t at, len; } *keys;                    /* by value */
	itr_buf bytes;
	uint32_t mask;
	int64_t n;
} itr_strtab;

#define ITR_STRHASH_INIT 0x811C9DC5u            /* FNV-1a */
static inline uint32_t itr_strhash_step(uint32_t h, unsigned char c) { return (h ^ c) * 0x01000193u; }
static inline uint32_t itr_strhash(const char *s, size_t n)
{
	uint32_t h = ITR_STRHASH_INIT;
	for (size_t i = 0; i < n; i++)
		h = itr_strhash_step(h, (unsigned char)s[i]);
	return h;
}

void itr_strtab_init(itr_strtab *t, int64_t max_values);                  /* values are 0 .. max_values-1 */
void itr_strtab_free(itr_strtab *t);
/* 1: added; 0: the key was there. */
int itr_strtab_add(itr_strtab *t, const char *key, size_t n, int32_t value);

/* The value of key, whose hash is h; -1: none. */
static inline int32_t itr_strtab_get(const itr_strtab *t, const char *key, size_t n, uint32_t h)
{
	for (uint32_t i = h ^ h >> 15;; i++) {
		const struct itr_strslot *s = &t->slots[i & t->mask];
		if (s->value < 0)
			return -1;
		if (s->hash == h && t->keys[s->value].len == n && !memcmp(t->bytes.data + t->keys[s->value].at, key, n))
			return s->value;
	}
}

/* --- ids on their way out: one place is kept for the last special token ------------------------------------------------------------------------------------ */
typedef struct itr_ids { int32_t *v; int64_t n, max; } itr_ids;
static inline void itr_ids_push(itr_ids *out, int32_t id)
{
	if (out->n < out->max)
		out->v[out->n++] = id;
}
static inline bool itr_ids_full(const itr_ids *out) { return out->n >= out->max; }

/* --- the descriptor ------------------------------------------------------------------------------------------------------------------------------------------ */
/* What options and tokenizer_config.json come to. */
typedef struct itr_tokenizer_rules { bool lower, strip_accents, split_cjk, open_clip_clean; } itr_tokenizer_rules;

typedef struct itr_tokenizer_kind_desc {
	const char *name, *what;
	/* Fills k (tokens, special ids, data) from the file's bytes. 0, or -1 with err; k is freed by the caller either way. */
	int (*parse)(struct itr_tokenizer *k, const char *where, const char *text, size_t n, const itr_tokenizer_rules *rules, itr_err *err);
	/* Ids of the text between the first and the last special token. It may stop when the list is full. */
	void (*encode)(const struct itr_tokenizer *k, const char *text, size_t n, itr_ids *out);
	void (*free)(void *data);
} itr_tokenizer_kind_desc;

struct itr_tokenizer {
	const itr_tokenizer_kind_desc *kind;
	itr_strtab tokens;                      /* spelling -> id; also id -> spelling (NUL-terminated in bytes) */
	int32_t start, end, pad, unk;
	itr_tokenizer_rules rules;
	itr_buf source;                         /* the vocabulary as it was read */
	void *data;                             /* the kind's own */
};

/* The next line of [*at, end), without its end ("\n", "\r\n"); false at the end of the text. */
bool itr_next_line(const char **at, const char *end, const char **line, size_t *len);
/* Adds a token with the next id. 0, or -1 with err: it is empty, double, or not text. `number` is its line, 0 if it has none. */
ITR_MUST_USE int itr_tokenizer_add(struct itr_tokenizer *k, const char *token, size_t n, const char *where, int64_t number, itr_err *err);
/* Code points s[0..n) as UTF-8 appended to b. */
void itr_cps_encode(itr_buf *b, const int32_t *s, size_t n);

#endif
