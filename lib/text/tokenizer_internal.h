/* tokenizer_internal.h - what the kinds of tokenizers share: the vocabulary, the list of ids that fills up, and the descriptor. */
#ifndef ITR_TEXT_TOKENIZER_INTERNAL_H
#define ITR_TEXT_TOKENIZER_INTERNAL_H

#include <string.h>

#include "base/buf.h"
#include "base/vec.h"
#include "io/json.h"
#include "text/tokenizer.h"
#include "text/unidata.h"

/* --- strings to numbers: open addressing, keys are bytes of any length. The hash runs byte by byte, so that one pass gives it for every
 * prefix. ------------------- */
typedef struct itr_strtab {
	struct itr_strslot { uint32_t hash; int32_t value; } *slots;      /* value -1: free */
	struct itr_strkey { uint32_t at, len; } *keys;                    /* by value */
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

void itr_strtab_init(itr_strtab *t, int64_t max_values);                  /* values are 0 .. max_values-1 at first; it grows */
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

/* --- ids on their way out: one place is kept for the last special token --------------------------------------------------------------- */
typedef struct itr_ids { int32_t *v; int64_t n, max; } itr_ids;
static inline void itr_ids_push(itr_ids *out, int32_t id)
{
	if (out->n < out->max)
		out->v[out->n++] = id;
}
static inline bool itr_ids_full(const itr_ids *out) { return out->n >= out->max; }

/* --- the descriptor ------------------------------------------------------------------------------------------------------------------- */
/* What options and tokenizer_config.json come to. */
typedef struct itr_tokenizer_rules {
	bool lower, strip_accents, split_cjk, open_clip_clean;
	/* no cleaning: control characters stay, every space as it is (a tokenizer.json may say so) */
	bool raw;
	bool cased, force_lower;                /* the user's word, and sentence-transformers' */
	bool fixed;                             /* from a model file: nothing else has a say */
	/* the first three are tokenizer_config.json's, and transformers would follow it: a tokenizer.json may not contradict */
	bool config_says;
} itr_tokenizer_rules;

/* --- added tokens (added.c) ----------------------------------------------------------------------------------------------------------- */
typedef enum { ITR_ADDED_SINGLE_WORD = 1, ITR_ADDED_LSTRIP = 2, ITR_ADDED_RSTRIP = 4, ITR_ADDED_NORMALIZED = 8 } itr_added_flags;
typedef struct itr_added_set {
	itr_strtab names;                       /* as they are searched */
	int32_t *which;                         /* name -> place in the list */
	bool first[256];
	char only;                              /* the one byte that all of them begin with; 0: there are several */
	size_t longest;
} itr_added_set;
typedef struct itr_added {
	ITR_VEC(struct itr_added_token { char *content; int32_t id; itr_added_flags flags; }) list;
	itr_added_set set[2];                   /* searched in the text as it is, and in the normalised one */
} itr_added;
typedef struct itr_added_entry { int64_t id; const char *key; const itr_json *value; } itr_added_entry;

typedef struct itr_tokenizer_kind_desc {
	const char *name, *what;
	/* Fills k (tokens, special ids, data) from the file's bytes. 0, or -1 with err; k is freed by the caller either way. */
	int (*parse)(struct itr_tokenizer *k, const char *where, const char *text, size_t n, const itr_tokenizer_rules *rules,
	             itr_err *err);
	/* Ids of a text without added tokens. It may stop when the list is full. The same in two steps, where tokens are to be found
	 * between them: the normalised text, and its ids (NULL: the kind knows no added tokens). */
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
	bool added_beside;                      /* some are not in the vocabulary's own file: a model file has to keep them */
	itr_buf source;                         /* the vocabulary as it was read */
	void *data;                             /* the kind's own */
};

/* Adds a token that is found before anything else; id -1: the vocabulary's own. 0, or -1 with err: ids that leave a gap or contradict the
 * vocabulary. After the last one: itr_added_settle. */
ITR_MUST_USE int itr_added_put(struct itr_tokenizer *k, const char *content, int32_t id, itr_added_flags flags, const char *where,
                               itr_err *err);
/* One of a tokenizer.json or an added_tokens_decoder: {"content", "lstrip", ...}. */
ITR_MUST_USE int itr_added_read(struct itr_tokenizer *k, const itr_json *one, int32_t id, const char *where, itr_err *err);
/* Those of tokenizer_config.json, or of added_tokens.json (legacy), where special_tokens_map.json (map) and the config say which are
 * special. Any may be NULL. */
ITR_MUST_USE int itr_added_beside(struct itr_tokenizer *k, const itr_json *config, const itr_json *map, const itr_json *legacy,
                                  const char *where, itr_err *err);
void itr_added_settle(struct itr_tokenizer *k);
void itr_added_encode(const struct itr_tokenizer *k, const char *s, size_t n, itr_ids *out);
itr_json *itr_added_json(const struct itr_tokenizer *k);
void itr_added_free(itr_added *a);

/* What the options make of the rules of a vocabulary. 0, or -1 with err. */
ITR_MUST_USE int itr_tokenizer_settle_rules(itr_tokenizer_rules *r, itr_err *err);

/* The next line of [*at, end), without its end ("\n", "\r\n"); false at the end of the text. */
bool itr_next_line(const char **at, const char *end, const char **line, size_t *len);
/* Adds a token with the next id. 0, or -1 with err: it is empty, double, or not text. `number` is its line, 0 if it has none. */
ITR_MUST_USE int itr_tokenizer_add(struct itr_tokenizer *k, const char *token, size_t n, const char *where, int64_t number, itr_err *err);
/* Code points s[0..n) as UTF-8 appended to b. */
void itr_cps_encode(itr_buf *b, const int32_t *s, size_t n);

#endif
