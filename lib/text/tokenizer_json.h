/* tokenizer_json.h - Hugging Face's tokenizer.json: what the kinds that read it share. Inside of text. Everything that is not built is
 * refused by its name. */
#ifndef ITR_TEXT_TOKENIZER_JSON_H
#define ITR_TEXT_TOKENIZER_JSON_H

#include "text/tokenizer_internal.h"

/* Do these bytes look like one, rather than like a list of tokens? */
bool itr_tokjson_like(const char *text, size_t n);
/* "WordPiece", "BPE", "Unigram", ...; "?" unknown. */
const char *itr_tokjson_model(const itr_json *j);
/* The type of a normalizer, pre_tokenizer or post_processor; "none" for null. */
const char *itr_tokjson_type(const itr_json *part);
int itr_tokjson_refuse(const char *where, const char *part, const itr_json *j, const char *built, itr_err *err);

/* The tokens of model.vocab into k, ids 0 .. n-1 without gaps. */
ITR_MUST_USE int itr_tokjson_vocab(itr_tokenizer *k, const itr_json *j, const char *where, itr_err *err);
/* The special tokens around a text (TemplateProcessing, BertProcessing, RobertaProcessing) into k->start and k->end; then the added tokens,
 * and what would cut a text elsewhere is refused. */
ITR_MUST_USE int itr_tokjson_finish(itr_tokenizer *k, const itr_json *j, const char *where, itr_err *err);

#endif
