#include "text/tokenizer_json.h"

#include <stdlib.h>

#include "base/mem.h"

bool itr_tokjson_like(const char *text, size_t n)
{
	size_t i = n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0;
	while (i < n && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'))
		i++;
	return i < n && text[i] == '{' && memmem(text, n, "\"model\"", 7);
}

const char *itr_tokjson_type(const itr_json *part)
{
	return itr_json_str(itr_json_get(part, "type"), part && !itr_json_is_null(part) ? "?" : "none");
}

const char *itr_tokjson_model(const itr_json *j)
{
	const itr_json *model = itr_json_get(j, "model");
	const char *guess = itr_json_get(model, "max_input_chars_per_word") ? "WordPiece"
	                    : itr_json_get(model, "merges")                 ? "BPE"
	                    : itr_json_get(model, "unk_id")                 ? "Unigram"
	                                                                    : "?";
	return itr_json_str(itr_json_get(model, "type"), guess);            /* files of before 2021 leave it out */
}

int itr_tokjson_refuse(const char *where, const char *part, const itr_json *j, const char *built, itr_err *err)
{
	return itr_err_set(err, "'%s': its %s is %.60s, which is not built; %s", where, part, itr_tokjson_type(j), built);
}

int itr_tokjson_vocab(itr_tokenizer *k, const itr_json *j, const char *where, itr_err *err)
{
	const itr_json *vocab = itr_json_path(j, "model.vocab");
	const int64_t n = itr_json_is_object(vocab) ? itr_json_count(vocab) : 0;
	if (n < 1 || n > 4000000)
		return itr_err_set(err, "'%s': its model has no vocabulary", where);
	const char **token = itr_xcalloc((size_t)n, sizeof *token);
	int rc = 0;
	for (const itr_json *c = itr_json_first(vocab); c && rc == 0; c = itr_json_next(c)) {
		const int64_t id = itr_json_int(c, -1);
		if (id < 0 || id >= n || token[id])
			rc = itr_err_set(err, "'%s': the ids of its %lld tokens are not 0 to %lld, each once: '%.60s' has %lld", where,
			                 (long long)n, (long long)n - 1, itr_json_key(c), (long long)id);
		else
			token[id] = itr_json_key(c);
	}
	itr_strtab_init(&k->tokens, n);
	for (int64_t i = 0; i < n && rc == 0; i++)
		rc = itr_tokenizer_add(k, token[i], strlen(token[i]), where, 0, err);
	free(token);
	return rc;
}

/* --- around a text -------------------------------------------------------------------------------------------------------------------- */

static int take_end(const itr_tokenizer *k, const char *token, int64_t id, int32_t *into, const char *where, itr_err *err)
{
	*into = token ? itr_tokenizer_id(k, token) : -1;
	if (*into < 0 || *into != id)
		return itr_err_set(err, "'%s': its post_processor puts '%.60s' with id %lld around a text, the vocabulary does not", where,
		                   token ? token : "?", (long long)id);
	return 0;
}

/* "single": [CLS] A [SEP]. */
static int template(itr_tokenizer *k, const itr_json *p, const char *where, itr_err *err)
{
	const itr_json *single = itr_json_get(p, "single"), *names = itr_json_get(p, "special_tokens");
	int32_t *const into[] = { &k->start, &k->end };
	if (itr_json_count(single) != 3 || strcmp(itr_json_str(itr_json_path(itr_json_at(single, 1), "Sequence.id"), ""), "A"))
		return itr_err_set(
			err, "'%s': its post_processor does not put one token before and one behind a text: no other template is built",
			where);
	for (int i = 0; i < 2; i++) {
		const itr_json *named = itr_json_get(names, itr_json_str(itr_json_path(itr_json_at(single, 2 * i), "SpecialToken.id"), ""));
		const itr_json *ids = itr_json_get(named, "ids"), *tokens = itr_json_get(named, "tokens");
		if (itr_json_count(ids) != 1 ||
		    take_end(k, itr_json_str(itr_json_at(tokens, 0), NULL), itr_json_int(itr_json_at(ids, 0), -1), into[i], where, err) < 0)
			return err && err->set
			               ? -1
			               : itr_err_set(err, "'%s': its post_processor names special tokens that are not there", where);
	}
	return 0;
}

static int processing(itr_tokenizer *k, const itr_json *p, const char *where, itr_err *err)
{
	static const char *const key[] = { "cls", "sep" };
	int32_t *const into[] = { &k->start, &k->end };
	for (int i = 0; i < 2; i++) {
		const itr_json *pair = itr_json_get(p, key[i]);
		if (take_end(k, itr_json_str(itr_json_at(pair, 0), NULL), itr_json_int(itr_json_at(pair, 1), -1), into[i], where, err) < 0)
			return -1;
	}
	return 0;
}

int itr_tokjson_finish(itr_tokenizer *k, const itr_json *j, const char *where, itr_err *err)
{
	const itr_json *p = itr_json_get(j, "post_processor"), *added = itr_json_get(j, "added_tokens");
	const char *type = itr_tokjson_type(p), *side = itr_json_str(itr_json_path(j, "truncation.direction"), "Right");
	if (strcmp(side, "Right"))
		return itr_err_set(err, "'%s': it truncates at the %s end: only the right one is built", where, side);
	for (const itr_json *c = itr_json_first(added); c; c = itr_json_next(c))
		if (itr_added_read(k, c, (int32_t)ITR_MIN(itr_json_int(itr_json_get(c, "id"), INT32_MAX), INT32_MAX), where, err) < 0)
			return -1;
	if (!strcmp(type, "TemplateProcessing"))
		return template(k, p, where, err);
	if (!strcmp(type, "BertProcessing") || !strcmp(type, "RobertaProcessing"))
		return processing(k, p, where, err);
	return itr_tokjson_refuse(where, "post_processor", p, "built are TemplateProcessing, BertProcessing and RobertaProcessing", err);
}
