/* tokenizer_internal.h - internal, shared by the kinds of tokenizers: the hash table of the vocabulary, the output list of ids, the
 * descriptor. */
#ifndef ITR_TEXT_TOKENIZER_INTERNAL_H
#define ITR_TEXT_TOKENIZER_INTERNAL_H

#include <string.h>

#include "base/buf.h"
#include "base/vec.h"
#include "io/json.h"
#include "text/tokenizer.h"
#include "text/unidata.h"

/* --- hash table from byte strings to integers, open addressing. The hash is computed byte by byte, so that one pass gives the hash of
 * every prefix. */
typedef struct itr_strtab {
	struct itr_strslot { uint32_t hash; int32_t value; } *slots;      /* value -1: empty */
	struct itr_strkey { uint32_t at, len; } *keys;                    /* [value]: position of the key in `bytes` */
	itr_buf bytes;
	uint32_t mask;
	int64_t n, room;                                                  /* room: of keys */
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

void itr_strtab_init(itr_strtab *t, int64_t max_values);                  /* space for values 0 .. max_values-1; grows when needed */
void itr_strtab_free(itr_strtab *t);
/* 1: added; 0: the key is already in the table, which does not change. */
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

/* --- output list of ids; the caller reserves one element for the last special token --------------------------------------------------- */
typedef struct itr_ids { int32_t *v; int64_t n, max; } itr_ids;
static inline void itr_ids_push(itr_ids *out, int32_t id)
{
	if (out->n < out->max)
		out->v[out->n++] = id;
}
static inline bool itr_ids_full(const itr_ids *out) { return out->n >= out->max; }

/* --- the descriptor ------------------------------------------------------------------------------------------------------------------- */
/* The rules that follow from the options, tokenizer_config.json and the vocabulary. */
typedef struct itr_tokenizer_rules {
	bool lower, strip_accents, split_cjk, open_clip_clean;
	/* no cleaning: control characters and all white space stay (possible in a tokenizer.json) */
	bool raw;
	bool cased, force_lower;                /* options `cased` and `lower` */
	bool fixed;                             /* from a model file: nothing may change them */
	/* the first three come from tokenizer_config.json, which transformers follows: a tokenizer.json that contradicts is an error */
	bool config_says;
} itr_tokenizer_rules;

/* --- added tokens (added.c) ----------------------------------------------------------------------------------------------------------- */
typedef enum { ITR_ADDED_SINGLE_WORD = 1, ITR_ADDED_LSTRIP = 2, ITR_ADDED_RSTRIP = 4, ITR_ADDED_NORMALIZED = 8 } itr_added_flags;
typedef struct itr_added_set {
	itr_strtab names;                       /* contents, normalised in the second set */
	int32_t *which;                         /* name -> index in the list */
	bool first[256];                        /* first bytes of the names */
	char only;                              /* the first byte, when all names have the same; otherwise 0 */
	size_t longest;
} itr_added_set;
typedef struct itr_added {
	ITR_VEC(struct itr_added_token { char *content; int32_t id; itr_added_flags flags; }) list;
	itr_added_set set[2];                   /* searched in the original text, and in the normalised text */
} itr_added;
typedef struct itr_added_entry { int64_t id; const char *key; const itr_json *value; } itr_added_entry;

typedef struct itr_tokenizer_kind_desc {
	const char *name, *what;
	/* Fills k (tokens, special ids, data) from the bytes of the file. 0, or -1 with err; the caller frees k in both cases. */
	int (*parse)(struct itr_tokenizer *k, const char *where, const char *text, size_t n, const itr_tokenizer_rules *rules,
	             itr_err *err);
	/* encode: ids of a text without added tokens; it may stop when the list is full. normalise and split are its two steps, for added
	 * tokens that are searched in the normalised text (NULL: the kind does not support added tokens). */
	void (*encode)(const struct itr_tokenizer *k, const char *text, size_t n, itr_ids *out);
	void (*normalise)(const struct itr_tokenizer *k, itr_buf *to, const char *text, size_t n);
	void (*split)(const struct itr_tokenizer *k, const char *normalised, size_t n, itr_ids *out);
	void (*free)(void *data);
} itr_tokenizer_kind_desc;

struct itr_tokenizer {
	const itr_tokenizer_kind_desc *kind;
	itr_strtab tokens;                      /* spelling -> id; also id -> spelling (NUL-terminated in bytes) */
	int32_t start, end, pad, unk;
	itr_tokenizer_rules rules;
	itr_added added;
	bool added_beside;                      /* some added tokens come from other files: a model file has to store them */
	itr_buf source;                         /* the bytes of the vocabulary */
	void *data;                             /* private data of the kind */
};

/* Adds an added token, which is searched before the text is split. id -1: the id that the vocabulary has for it. 0, or -1 with err when the
 * ids have a gap or contradict the vocabulary. Call itr_added_build after the last one. */
ITR_MUST_USE int itr_added_put(struct itr_tokenizer *k, const char *content, int32_t id, itr_added_flags flags, const char *where,
                               itr_err *err);
/* The same from an entry of tokenizer.json or added_tokens_decoder: {"content", "lstrip", ...}. */
ITR_MUST_USE int itr_added_read(struct itr_tokenizer *k, const itr_json *one, int32_t id, const char *where, itr_err *err);
/* The same for all tokens of tokenizer_config.json, or of added_tokens.json (legacy); special_tokens_map.json (map) and the config tell
 * which are special. Each may be NULL. */
ITR_MUST_USE int itr_added_beside(struct itr_tokenizer *k, const itr_json *config, const itr_json *map, const itr_json *legacy,
                                  const char *where, itr_err *err);
/* Builds the search tables. */
void itr_added_build(struct itr_tokenizer *k);
void itr_added_encode(const struct itr_tokenizer *k, const char *s, size_t n, itr_ids *out);
itr_json *itr_added_json(const struct itr_tokenizer *k);
void itr_added_free(itr_added *a);

/* Applies the options `cased` and `lower` to the rules of a vocabulary. 0, or -1 with err when they contradict. */
ITR_MUST_USE int itr_tokenizer_resolve_rules(itr_tokenizer_rules *r, itr_err *err);

/* The next line of [*at, end), without its end ("\n", "\r\n"); false at the end of the text. */
bool itr_next_line(const char **at, const char *end, const char **line, size_t *len);
/* Adds a token with the next id. 0, or -1 with err when it is empty, a duplicate, or not UTF-8. `number` is its line, 0 if it has none. */
ITR_MUST_USE int itr_tokenizer_add(struct itr_tokenizer *k, const char *token, size_t n, const char *where, int64_t number, itr_err *err);
/* Appends code points s[0..n) to b as UTF-8. */
void itr_cps_encode(itr_buf *b, const int32_t *s, size_t n);

#endif
