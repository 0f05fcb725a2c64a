/* tokenizer_json.h - internal: reading Hugging Face's tokenizer.json, shared by the kinds. Every unsupported component is an error that
 * names it. */
#ifndef ITR_TEXT_TOKENIZER_JSON_H
#define ITR_TEXT_TOKENIZER_JSON_H

#include "text/tokenizer_internal.h"

/* True when the bytes look like a tokenizer.json and not like a list of tokens. */
bool itr_tokjson_like(const char *text, size_t n);
/* The type of the model: "WordPiece", "BPE", "Unigram", ...; "?" when unknown. */
const char *itr_tokjson_model(const itr_json *j);
/* The type of a normalizer, pre_tokenizer or post_processor; "none" for null. */
const char *itr_tokjson_type(const itr_json *part);
/* Sets err: component `part` (j) is not supported, `built` is. Returns -1. */
int itr_tokjson_refuse(const char *where, const char *part, const itr_json *j, const char *built, itr_err *err);

/* Adds the tokens of model.vocab to k; their ids must be 0 .. n-1. 0, or -1 with err. */
ITR_MUST_USE int itr_tokjson_vocab(itr_tokenizer *k, const itr_json *j, const char *where, itr_err *err);
/* Sets k->start and k->end, the special tokens around a text (TemplateProcessing, BertProcessing, RobertaProcessing), and reads the added
 * tokens. Unsupported truncation is an error. 0, or -1 with err. */
ITR_MUST_USE int itr_tokjson_finish(itr_tokenizer *k, const itr_json *j, const char *where, itr_err *err);

#endif
