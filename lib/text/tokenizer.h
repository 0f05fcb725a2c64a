/* tokenizer.h - tokenizers of text encoders: captions to token ids, equal to the reference implementation's for any bytes.
 *
 *	itr_tokenizer *k = itr_tokenizer_new("wordpiece:vocab.txt", NULL, err);      // NULL with err
 *	int32_t ids[77];
 *	int64_t n = itr_tokenizer_encode(k, caption, strlen(caption), ids, 77);      // with special tokens, no padding
 *	itr_tokenizer_free(k);
 *
 * Kinds (tokenizers.def; one file each):
 *
 *	wordpiece   BERT. Reference: transformers' BertTokenizerFast. File: vocab.txt, one token a line, the line number is the id; or
 *	            tokenizer.json.
 *	clip-bpe    CLIP. Reference: transformers' CLIPTokenizerFast, or open_clip's SimpleTokenizer with open_clip_clean (ftfy.h).
 *	            File: bpe_simple_vocab_16e6.txt.gz, plain or compressed (its first 48,894 merges are used), or a merges.txt with only
 *	            these; or tokenizer.json.
 *	words       lower-case words, as in the LSTM baseline: letters, marks and digits stay, all other characters are dropped.
 *	            File: one word a line (the first four are <pad> <unk> <start> <end>), or the baseline's vocabulary.json.
 *
 * Invalid UTF-8 is read as U+FFFD, one for each maximal invalid subpart, as with Python's errors="replace". A tokenizer is immutable: any
 * number of threads may encode with it. Time is linear in the length of the text (n log n for long words with clip-bpe).
 */
#ifndef ITR_TEXT_TOKENIZER_H
#define ITR_TEXT_TOKENIZER_H

#include "base/err.h"

typedef struct itr_tokenizer itr_tokenizer;

/* All zeros: as the published models, that is BERT uncased (lower case, accents stripped), CLIP as CLIPTokenizerFast. */
typedef struct itr_tokenizer_opts {
	bool cased;               /* wordpiece: no lower case, accents stay (bert-base-cased) */
	bool open_clip_clean;     /* clip-bpe: ftfy's steps, html.unescape twice and white space as in open_clip.SimpleTokenizer */
	/* wordpiece: lower case even when the vocabulary's configuration is cased (sentence-transformers' do_lower_case) */
	bool lower;
	const char *rules;        /* result of itr_tokenizer_rules_json for the same vocabulary; takes precedence over config */
	/* path of a tokenizer_config.json with do_lower_case, strip_accents and tokenize_chinese_chars; NULL: the one in the folder, when
	 * spec is a folder */
	const char *config;
} itr_tokenizer_opts;

/* spec: "KIND:FILE", or a model folder with tokenizer.json, vocab.txt, merges.txt or bpe_simple_vocab_16e6.txt(.gz), which determine the
 * kind; tokenizer_config.json, added_tokens.json and special_tokens_map.json in the folder are read, too. When there is a tokenizer.json,
 * the other vocabulary files must agree with it. o may be NULL. NULL with err for a missing, damaged or wrong file (duplicate tokens, no
 * [UNK], no merges header, a compressed file of more than 64 MiB). Free with itr_tokenizer_free. */
itr_tokenizer *itr_tokenizer_new(const char *spec, const itr_tokenizer_opts *o, itr_err *err);
/* The same from n bytes in memory (the vocabulary in a model file); `where` is used in messages. Nothing is borrowed. */
itr_tokenizer *itr_tokenizer_parse(const char *kind, const char *where, const void *bytes, size_t n, const itr_tokenizer_opts *o,
                                   itr_err *err);
void itr_tokenizer_free(itr_tokenizer *k);

const char *itr_tokenizer_kind(const itr_tokenizer *k);                    /* "wordpiece" */
/* Name of the i-th kind, with a one-line description in *what; NULL after the last. */
const char *itr_tokenizer_kind_at(int i, const char **what);

/* The parts from which itr_tokenizer_parse can create the tokenizer again, for model files: the bytes of the vocabulary (borrowed) and the
 * rules of text preparation (the caller frees). */
const void *itr_tokenizer_source(const itr_tokenizer *k, size_t *bytes);
char *itr_tokenizer_rules_json(const itr_tokenizer *k);

/* Writes the ids of text with special tokens, without padding, truncated to max_ids >= 2 as in the reference (the last special token is
 * kept). Returns their number. */
int64_t itr_tokenizer_encode(const itr_tokenizer *k, const char *text, size_t bytes, int32_t *ids, int64_t max_ids);

/* An upper bound of the number of ids of a text of so many bytes. */
int64_t itr_tokenizer_max_ids(size_t bytes);

int64_t itr_tokenizer_size(const itr_tokenizer *k);                        /* ids are 0 .. size-1 */
int32_t itr_tokenizer_id(const itr_tokenizer *k, const char *token);       /* -1: no such token */
const char *itr_tokenizer_token(const itr_tokenizer *k,
                                int32_t id); /* as the vocabulary spells it ("##ing", "dog</w>"); NULL outside. Borrowed */
/* Ids of the special tokens; -1 when the kind does not have it. */
int32_t itr_tokenizer_start(const itr_tokenizer *k);                       /* [CLS], <|startoftext|>, <start> */
int32_t itr_tokenizer_end(const itr_tokenizer *k);                         /* [SEP], <|endoftext|>, <end> */
/* [PAD], 0 (OpenAI pads CLIP with zeros, which do not influence the embedding), <pad> */
int32_t itr_tokenizer_pad(const itr_tokenizer *k);
int32_t itr_tokenizer_unk(const itr_tokenizer *k);                         /* [UNK], <|endoftext|>, <unk> */

/* --- a word vocabulary from captions ------------------------------------------------------------------------------------------------ */
typedef struct itr_word_counter itr_word_counter;
itr_word_counter *itr_word_counter_new(void);
void itr_word_counter_add(itr_word_counter *c, const char *text, size_t bytes);
void itr_word_counter_free(itr_word_counter *c);
/* The text of a "words" vocabulary: <pad> <unk> <start> <end>, then the words that occur at least min_count times, the most frequent first
 * (equal counts: in order of first occurrence), at most max_size lines in total (0: no limit; the baseline uses 10,000). *lines (lines may
 * be NULL) = their number. The caller frees. */
char *itr_word_counter_vocab(const itr_word_counter *c, int64_t min_count, int64_t max_size, int64_t *lines);

#endif
