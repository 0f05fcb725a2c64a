/* sentence.h - the files that sentence-transformers lays around a tower: modules.json, Pooling's and Dense's config.json,
 * sentence_bert_config.json, config_sentence_transformers.json. Inside of model. What they ask for is applied, or refused by name; nothing
 * is passed over. Reference: sentence-transformers 6.2.
 */
#ifndef ITR_MODEL_SENTENCE_H
#define ITR_MODEL_SENTENCE_H

#include "io/weights.h"
#include "model/pooling.h"
#include "model/stages.h"

typedef struct itr_sentence {
	/* where the tower's own weights lie, if modules.json names another place than the one given; NULL: there */
	char *folder;
	bool modules;                            /* modules.json was there */
	itr_pooling pooling;                     /* DEFAULT: the files do not say */
	int64_t pooling_width;                   /* of a token, as Pooling says; 0: it does not */
	bool skip_prompt;                        /* the prompt's tokens take no part in the pooling */
	itr_stages stages;
	char *stage_folder[ITR_MAX_STAGES];      /* with the stage's weights; NULL: it has none */
	int64_t max_tokens;                      /* max_seq_length; 0: not said */
	bool lower;                              /* texts are made lower case before a tokenizer that would not */
	char *prompt;                            /* put in front of every text; NULL: none */
} itr_sentence;

/* Reads what lies in the folder `weights` (or in that of the file `weights`). prompt, prompt_name: the user's choice, NULL: the default
 * that the files name. 0, or -1 with err: a module or an option that is not built, by its name; a prompt that is not there; files that
 * contradict each other. Free with itr_sentence_free either way. */
ITR_MUST_USE int itr_sentence_read(itr_sentence *s, const char *weights, const char *prompt, const char *prompt_name, itr_err *err);
void itr_sentence_free(itr_sentence *s);

/* Lists the stages' tensors behind the tower's, under the names that itr_stages_init gives them. */
ITR_MUST_USE int itr_sentence_append(const itr_sentence *s, itr_weights *w, itr_err *err);

#endif
