/* tokenizer.h - captions to the ids that a text encoder was trained on, equal to the reference's on any bytes.
 *
 *	itr_tokenizer *k = itr_tokenizer_new("wordpiece:vocab.txt", NULL, err);      // NULL with err
 *	int32_t ids[77];
 *	int64_t n = itr_tokenizer_encode(k, caption, strlen(caption), ids, 77);      // special tokens in, no padding
 *	itr_tokenizer_free(k);
 *
 * Kinds (tokenizers.def; one file each):
 *
 *	wordpiece   BERT. Reference: transformers' BertTokenizerFast. File: vocab.txt, one token a line, the line number is the id; or
 *	            tokenizer.json.
 *	clip-bpe    CLIP. Reference: transformers' CLIPTokenizerFast, or open_clip's SimpleTokenizer with open_clip_clean (ftfy.h).
 *	            File: bpe_simple_vocab_16e6.txt.gz, plain or packed (its first 48,894 merges count), or a merges.txt cut to that;
 *	            or tokenizer.json.
 *	words       lower-cased words, as the sources' LSTM baseline: letters, marks and digits stay, everything else is dropped.
 *	            File: one word a line (the first four are <pad> <unk> <start> <end>), or the baseline's vocabulary.json.
 *
 * Invalid UTF-8 reads as U+FFFD, one for each maximal invalid subpart, as Python's errors="replace" does. A tokenizer never changes once
 * made: any number of threads may encode with it. Time is linear in the text, however long its words are.
 */
#ifndef ITR_TEXT_TOKENIZER_H
#define ITR_TEXT_TOKENIZER_H

#include "base/err.h"

typedef struct itr_tokenizer itr_tokenizer;

/* Zero is the published models' own behaviour: BERT uncased (lower case, accents stripped), CLIP as CLIPTokenizerFast. */
typedef struct itr_tokenizer_opts {
	bool cased;               /* wordpiece: no lower case, accents stay (bert-base-cased) */
	bool open_clip_clean;     /* clip-bpe: ftfy's steps, html.unescape twice and white space as open_clip.SimpleTokenizer does it */
	/* wordpiece: lower case although the vocabulary's own rules keep it (sentence-transformers' do_lower_case) */
	bool lower;
	const char *rules;        /* what itr_tokenizer_rules_json gave for the tokenizer whose file this is; wins over config */
	/* tokenizer_config.json to take do_lower_case, strip_accents and tokenize_chinese_chars from; NULL: the one in the folder, if a
	 * folder is given */
	const char *config;
} itr_tokenizer_opts;

/* "KIND:FILE", or a folder as the model hubs lay it out: tokenizer.json, or vocab.txt, merges.txt or bpe_simple_vocab_16e6.txt(.gz),
 * say which kind; tokenizer_config.json, added_tokens.json and special_tokens_map.json count too. A vocabulary beside a tokenizer.json must
 * agree with it. o may be NULL. A missing, damaged or foreign file (duplicate tokens, no [UNK], no merges header, a packed file that
 * unpacks to more than 64 MiB): NULL with err. Free with itr_tokenizer_free. */
itr_tokenizer *itr_tokenizer_new(const char *spec, const itr_tokenizer_opts *o, itr_err *err);
/* The same from a file's bytes in memory (a vocabulary kept inside a model file); `where` names them in messages. Nothing is borrowed. */
itr_tokenizer *itr_tokenizer_parse(const char *kind, const char *where, const void *bytes, size_t n, const itr_tokenizer_opts *o,
                                   itr_err *err);
void itr_tokenizer_free(itr_tokenizer *k);

const char *itr_tokenizer_kind(const itr_tokenizer *k);                    /* "wordpiece" */
/* The i-th kind and, in *what, one line about it; NULL after the last. */
const char *itr_tokenizer_kind_at(int i, const char **what);

/* What it was made from, so that a model file can hold it and itr_tokenizer_parse make it again: the vocabulary's bytes (borrowed) and how
 * text is prepared (free()). */
const void *itr_tokenizer_source(const itr_tokenizer *k, size_t *bytes);
char *itr_tokenizer_rules_json(const itr_tokenizer *k);

/* Ids of text, special tokens in, no padding; cut to max_ids as the reference does (the last special token stays). max_ids >= 2. Returns
 * how many were written. */
int64_t itr_tokenizer_encode(const itr_tokenizer *k, const char *text, size_t bytes, int32_t *ids, int64_t max_ids);

/* Room that is enough for every id of a text of so many bytes. */
int64_t itr_tokenizer_max_ids(size_t bytes);

int64_t itr_tokenizer_size(const itr_tokenizer *k);                        /* ids are 0 .. size-1 */
int32_t itr_tokenizer_id(const itr_tokenizer *k, const char *token);       /* -1: no such token */
const char *itr_tokenizer_token(const itr_tokenizer *k,
                                int32_t id); /* as the vocabulary spells it ("##ing", "dog</w>"); NULL outside. Borrowed */
/* The special tokens by their part in a sequence; -1 where the kind has none. */
int32_t itr_tokenizer_start(const itr_tokenizer *k);                       /* [CLS], <|startoftext|>, <start> */
int32_t itr_tokenizer_end(const itr_tokenizer *k);                         /* [SEP], <|endoftext|>, <end> */
/* [PAD], 0 (OpenAI pads CLIP with zeros; its text tower never reads them), <pad> */
int32_t itr_tokenizer_pad(const itr_tokenizer *k);
int32_t itr_tokenizer_unk(const itr_tokenizer *k);                         /* [UNK], <|endoftext|>, <unk> */

/* --- a word vocabulary from captions ------------------------------------------------------------------------------------------------ */
typedef struct itr_word_counter itr_word_counter;
itr_word_counter *itr_word_counter_new(void);
void itr_word_counter_add(itr_word_counter *c, const char *text, size_t bytes);
void itr_word_counter_free(itr_word_counter *c);
/* The vocabulary's text for "words": <pad> <unk> <start> <end>, then the most frequent words first (equal counts: the one met first), those
 * that occur at least min_count times, at most max_size lines in all (0: no limit; the sources use 10,000). The caller frees; *lines may be
 * NULL. */
char *itr_word_counter_vocab(const itr_word_counter *c, int64_t min_count, int64_t max_size, int64_t *lines);

#endif
