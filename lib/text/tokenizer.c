#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/path.h"
#include "io/gzip.h"
#include "io/json.h"
#include "text/tokenizer_json.h"
#include "text/unicode.h"

#include <stdlib.h>

#define TOKENIZER(descriptor) extern const itr_tokenizer_kind_desc descriptor;
#include "text/tokenizers.def"
#undef TOKENIZER

static const itr_tokenizer_kind_desc *const kinds[] = {
#define TOKENIZER(descriptor) &descriptor,
#include "text/tokenizers.def"
#undef TOKENIZER
};

enum { MAX_FILE = 64 << 20, MAX_TOKEN = 1000 };

const char *itr_tokenizer_kind_at(int i, const char **what)
{
	if (i < 0 || i >= ITR_LEN(kinds))
		return NULL;
	if (what)
		*what = kinds[i]->what;
	return kinds[i]->name;
}

static const itr_tokenizer_kind_desc *find_kind(const char *name, size_t n, itr_err *err)
{
	const char *names[ITR_LEN(kinds)];
	itr_buf all = ITR_BUF_INIT, asked = ITR_BUF_INIT;
	for (int i = 0; i < ITR_LEN(kinds); i++) {
		names[i] = kinds[i]->name;
		if (strlen(names[i]) == n && !memcmp(names[i], name, n)) {
			itr_buf_free(&all);
			return kinds[i];
		}
		itr_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	}
	itr_buf_add(&asked, name, n);
	itr_err_set(err, "unknown kind of tokenizer '%s': did you mean '%s'? There are: %s", itr_buf_str(&asked),
	            itr_nearest(itr_buf_str(&asked), names, ITR_LEN(names)), all.data);
	itr_buf_free(&all);
	itr_buf_free(&asked);
	return NULL;
}

/* --- shared by the kinds -------------------------------------------------------------------------------------------------------------- */

bool itr_next_line(const char **at, const char *end, const char **line, size_t *len)
{
	if (*at >= end)
		return false;
	const char *nl = memchr(*at, '\n', (size_t)(end - *at)), *stop = nl ? nl : end;
	*line = *at;
	*len = (size_t)(stop - *at);
	if (*len && (*line)[*len - 1] == '\r')
		--*len;
	*at = nl ? nl + 1 : end;
	return true;
}

/* The error for token number k->tokens.n. The line number is formatted only here: a caller would format it 50,000 times in vain. */
static int not_added(const itr_tokenizer *k, const char *token, size_t n, const char *where, int64_t number, itr_err *err)
{
	char line[32] = "";
	if (number)
		snprintf(line, sizeof line, ":%lld", (long long)number);
	if (!n)
		return itr_err_set(err, "'%s%s' is empty: a vocabulary has one token a line", where, line);
	if (n > MAX_TOKEN || memchr(token, 0, n) || !itr_utf8_valid(token, n))
		return itr_err_set(err, "'%s%s' is no token: %s", where, line,
		                   n > MAX_TOKEN ? "it is longer than 1,000 bytes" : "it is not UTF-8 text");
	return itr_err_set(err, "'%s%s' repeats token '%.*s', which already has id %d", where, line, (int)n, token,
	                   itr_strtab_get(&k->tokens, token, n, itr_strhash(token, n)));
}

int itr_tokenizer_add(itr_tokenizer *k, const char *token, size_t n, const char *where, int64_t number, itr_err *err)
{
	bool text = n && n <= MAX_TOKEN && !memchr(token, 0, n) && itr_utf8_valid(token, n);
	return text && itr_strtab_add(&k->tokens, token, n, (int32_t)k->tokens.n) ? 0 : not_added(k, token, n, where, number, err);
}

void itr_cps_encode(itr_buf *b, const int32_t *s, size_t n)
{
	itr_buf_reserve(b, n * 4);
	for (size_t i = 0; i < n; i++) {
		if (s[i] < 0x80)
			b->data[b->len++] = (char)s[i];
		else
			b->len += (size_t)itr_utf8_encode(s[i], b->data + b->len);
	}
	b->data[b->len] = 0;
}

/* --- creation ------------------------------------------------------------------------------------------------------------------------- */

/* Reads tokenizer_config.json into r; missing members leave r unchanged. */
static int read_config(itr_tokenizer_rules *r, const itr_json *j, const char *path, itr_err *err)
{
	const char *class = itr_json_str(itr_json_get(j, "tokenizer_class"), ""),
		   *side = itr_json_str(itr_json_get(j, "truncation_side"), "right");
	r->lower = itr_json_bool(itr_json_get(j, "do_lower_case"), r->lower);
	/* null: as the lower case, as in the original BERT */
	r->strip_accents = itr_json_bool(itr_json_get(j, "strip_accents"), r->lower);
	r->split_cjk = itr_json_bool(itr_json_get(j, "tokenize_chinese_chars"), r->split_cjk);
	r->config_says = !strncmp(class, "Bert", 4);                    /* PreTrainedTokenizerFast uses only its tokenizer.json */
	if (strcmp(side, "right"))
		return itr_err_set(err, "'%s': it truncates at the %.20s end: only the right one is built", path, side);
	if (itr_json_bool(itr_json_get(j, "split_special_tokens"), false))
		return itr_err_set(err, "'%s': 'split_special_tokens' is not built", path);
	return 0;
}

static int read_rules(itr_tokenizer_rules *r, const itr_json *j)
{
	r->lower = itr_json_bool(itr_json_get(j, "lower"), r->lower);
	r->strip_accents = itr_json_bool(itr_json_get(j, "strip_accents"), r->strip_accents);
	r->split_cjk = itr_json_bool(itr_json_get(j, "split_cjk"), r->split_cjk);
	r->open_clip_clean = itr_json_bool(itr_json_get(j, "open_clip_clean"), r->open_clip_clean);
	r->fixed = true;
	return 0;
}

int itr_tokenizer_resolve_rules(itr_tokenizer_rules *r, itr_err *err)
{
	if (r->cased)
		r->lower = r->strip_accents = false;
	if (r->force_lower && !r->lower && r->strip_accents)
		return itr_err_set(
			err, "lower case is asked for before a tokenizer that strips accents and keeps capitals: that order is not built");
	r->lower = r->lower || r->force_lower;
	return 0;
}

/* Other files of a vocabulary's folder, or their contents in a model file; each may be NULL. */
struct beside { char *path; itr_json *config, *map, *legacy, *rules; };

static int optional(const char *dir, const char *name, itr_json **j, itr_err *err)
{
	char *path = itr_path_join(dir, name);
	const bool there = itr_path_exists(path);
	*j = there ? itr_json_read(path, err) : NULL;
	free(path);
	return *j || !there ? 0 : -1;
}

/* config: a file, or NULL; dir: the folder with the other files, or NULL. */
static int open_beside(struct beside *b, const itr_tokenizer_opts *o, const char *config, const char *dir, itr_err *err)
{
	*b = (struct beside){ .path = config ? itr_xstrdup(config) : NULL };
	if (o && o->rules)
		return (b->rules = itr_json_parse(o->rules, strlen(o->rules), "rules of a tokenizer", err)) ? 0 : -1;
	if (config && !(b->config = itr_json_read(config, err)))
		return -1;
	return !dir || (optional(dir, "added_tokens.json", &b->legacy, err) == 0 &&
	                optional(dir, "special_tokens_map.json", &b->map, err) == 0)
	               ? 0
	               : -1;
}

static void close_beside(struct beside *b)
{
	free(b->path);
	itr_json_free(b->config);
	itr_json_free(b->map);
	itr_json_free(b->legacy);
	itr_json_free(b->rules);
}

static int rules_of(itr_tokenizer_rules *r, const itr_tokenizer_opts *o, const struct beside *b, itr_err *err)
{
	*r = (itr_tokenizer_rules){ .lower = true,
		                    .strip_accents = true,
		                    .split_cjk = true,
		                    .open_clip_clean = o && o->open_clip_clean,
		                    .cased = o && o->cased,
		                    .force_lower = o && o->lower };
	if (b->rules)
		return read_rules(r, b->rules);
	if (b->config && read_config(r, b->config, b->path, err) < 0)
		return -1;
	return itr_tokenizer_resolve_rules(r, err);
}

/* Checks that the special tokens named by the config are those that this tokenizer adds to a text. */
static int check_specials(const itr_tokenizer *k, const struct beside *b, itr_err *err)
{
	const bool bert = !strcmp(k->kind->name, "wordpiece");
	const struct {
		const char *key;
		int32_t id;
	} named[] = { { bert ? "cls_token" : "bos_token", k->start },
		      { bert ? "sep_token" : "eos_token", k->end },
		      { "unk_token", k->unk } };
	for (int i = 0; i < ITR_LEN(named); i++) {
		const itr_json *t = itr_json_get(b->config ? b->config : b->map, named[i].key);
		const char *name = itr_json_str(t, itr_json_str(itr_json_get(t, "content"), NULL));
		if (name && strcmp(name, itr_tokenizer_token(k, named[i].id)))
			return itr_err_set(err,
			                   "the files beside the vocabulary call the %s '%.60s', the vocabulary has '%s' in that place: "
			                   "other names are read from a tokenizer.json only",
			                   named[i].key, name, itr_tokenizer_token(k, named[i].id));
	}
	return 0;
}

/* A number that changes when a token is added or changed. */
static int64_t flags_of(const itr_tokenizer *k)
{
	int64_t sum = 0;
	for (size_t i = 0; i < k->added.list.n; i++)
		sum = 17 * (sum % 1000003) + k->added.list.v[i].flags + 1;
	return sum;
}

/* Reads added tokens from the other files of the folder. open_clip does not read them. */
static int add_tokens(itr_tokenizer *k, const struct beside *b, const char *where, itr_err *err)
{
	if (b->rules)
		for (const itr_json *c = itr_json_first(itr_json_get(b->rules, "added")); c; c = itr_json_next(c))
			if (itr_added_read(k, c, (int32_t)itr_json_int(itr_json_get(c, "id"), -1), where, err) < 0)
				return -1;
	const int64_t own = flags_of(k);
	if (k->kind->split && !k->rules.open_clip_clean && !b->rules &&
	    (itr_added_beside(k, b->config, b->map, b->legacy, where, err) < 0 || check_specials(k, b, err) < 0))
		return -1;
	k->added_beside = flags_of(k) != own || (b->rules && itr_json_get(b->rules, "added"));
	itr_added_build(k);
	return 0;
}

static itr_tokenizer *parse(const itr_tokenizer_kind_desc *kind, const char *where, const char *bytes, size_t n,
                            const itr_tokenizer_rules *rules, const struct beside *b, itr_err *err)
{
	itr_buf unpacked = ITR_BUF_INIT;
	itr_tokenizer *k = NULL;
	if (itr_is_gzip(bytes, n)) {
		if (itr_gunzip(&unpacked, bytes, n, MAX_FILE, where, err) < 0)
			goto done;
		bytes = itr_buf_str(&unpacked);
		n = unpacked.len;
	}
	if (n > MAX_FILE) {
		itr_err_set(err, "'%s' is no vocabulary: it is larger than %d MiB", where, MAX_FILE >> 20);
		goto done;
	}
	k = itr_xcalloc(1, sizeof *k);
	*k = (itr_tokenizer){ .kind = kind, .start = -1, .end = -1, .pad = -1, .unk = -1, .rules = *rules };
	itr_buf_add(&k->source, bytes, n);
	if (kind->parse(k, where, bytes, n, rules, err) < 0 || add_tokens(k, b, where, err) < 0) {
		itr_tokenizer_free(k);
		k = NULL;
	}
done:
	itr_buf_free(&unpacked);
	return k;
}

itr_tokenizer *itr_tokenizer_parse(const char *kind, const char *where, const void *bytes, size_t n, const itr_tokenizer_opts *o,
                                   itr_err *err)
{
	itr_tokenizer_rules rules;
	const itr_tokenizer_kind_desc *d = find_kind(kind, strlen(kind), err);
	struct beside b = { 0 };
	itr_tokenizer *k = NULL;
	if (d && open_beside(&b, o, o ? o->config : NULL, NULL, err) == 0 && rules_of(&rules, o, &b, err) == 0)
		k = parse(d, where, bytes, n, &rules, &b, err);
	close_beside(&b);
	return k;
}

/* dir: the folder with the other files; NULL: only this file is used. */
static itr_tokenizer *load(const itr_tokenizer_kind_desc *kind, const char *path, const itr_tokenizer_opts *o, const char *config,
                           const char *dir, itr_err *err)
{
	itr_tokenizer_rules rules;
	struct beside b;
	size_t n;
	char *bytes = NULL;
	itr_tokenizer *k = NULL;
	if (open_beside(&b, o, config, dir, err) == 0 && rules_of(&rules, o, &b, err) == 0 &&
	    (bytes = itr_path_read(path, MAX_FILE, &n, err)))
		k = parse(kind, path, bytes, n, &rules, &b, err);
	close_beside(&b);
	free(bytes);
	return k;
}

/* Which kind a tokenizer.json is for; NULL with err. */
static const itr_tokenizer_kind_desc *kind_of_json(const char *path, itr_err *err)
{
	itr_json *j = itr_json_read(path, err);
	const itr_tokenizer_kind_desc *d = NULL;
	const char *model = itr_tokjson_model(j);
	if (j && !strcmp(model, "WordPiece"))
		d = find_kind("wordpiece", 9, err);
	else if (j && !strcmp(model, "BPE"))
		d = find_kind("clip-bpe", 8, err);
	else if (j)
		itr_err_set(err, "'%s' holds a model of type %.40s: built are WordPiece and CLIP's BPE", path, model);
	itr_json_free(j);
	return d;
}

/* Checks that a vocab.txt or merges.txt in the folder of a tokenizer.json agrees with it. */
static int check_other(const itr_tokenizer *k, const char *dir, const char *file, itr_err *err)
{
	char *path = itr_path_join(dir, file);
	int rc = 0;
	if (itr_path_exists(path)) {
		itr_tokenizer *other = load(k->kind, path, NULL, NULL, NULL, err);
		rc = other ? 0 : -1;
		for (int32_t id = 0; rc == 0 && id < other->tokens.n; id++)
			if (id >= k->tokens.n || strcmp(itr_tokenizer_token(other, id), itr_tokenizer_token(k, id)))
				rc = itr_err_set(err,
				                 "'%s' and the tokenizer.json beside it give id %d to different tokens ('%.60s' and "
				                 "'%.60s'): take away the one that is wrong",
				                 path, id, itr_tokenizer_token(other, id),
				                 id < k->tokens.n ? itr_tokenizer_token(k, id) : "none");
		itr_tokenizer_free(other);
	}
	free(path);
	return rc;
}

/* The vocabulary file of a published model. kind NULL: any kind except a list of words, which cannot be distinguished from word pieces. As
 * in transformers, tokenizer.json comes first. */
static itr_tokenizer *load_folder(const char *dir, const itr_tokenizer_kind_desc *kind, const itr_tokenizer_opts *o, itr_err *err)
{
	static const struct { const char *file, *kind;
	} layouts[] = {
		{ "tokenizer.json", NULL },
		{ "merges.txt", "clip-bpe" },
		{ "bpe_simple_vocab_16e6.txt.gz", "clip-bpe" },
		{ "bpe_simple_vocab_16e6.txt", "clip-bpe" },
		{ "vocab.txt", "wordpiece" },
		{ "vocabulary.json", "words" },
		{ "vocab.txt", "words" },
	};
	char *config = o && o->config ? itr_xstrdup(o->config) : itr_path_join(dir, "tokenizer_config.json");
	const bool has_config = (o && o->config) || itr_path_exists(config);
	const bool no_json = (kind && !kind->split) || (o && o->open_clip_clean);
	itr_tokenizer *k = NULL;
	bool found = false;
	for (int i = no_json; i < ITR_LEN(layouts) && !found; i++) {
		char *path = itr_path_join(dir, layouts[i].file);
		const itr_tokenizer_kind_desc *d = layouts[i].kind ? find_kind(layouts[i].kind, strlen(layouts[i].kind), NULL) : NULL;
		found = itr_path_exists(path) && (!kind || !d || d == kind);
		if (found && (d || (d = kind_of_json(path, err)))) {
			if (kind && d != kind)
				itr_err_set(err, "'%s' is a tokenizer of kind %s, not %s", path, d->name, kind->name);
			else
				k = load(d, path, o, has_config ? config : NULL, dir, err);
		}
		if (k && i == 0 && check_other(k, dir, !strcmp(d->name, "wordpiece") ? "vocab.txt" : "merges.txt", err) < 0) {
			itr_tokenizer_free(k);
			k = NULL;
		}
		free(path);
	}
	if (!found)
		itr_err_set(err,
		            "'%s' holds no vocabulary%s%s: none of tokenizer.json, merges.txt, bpe_simple_vocab_16e6.txt.gz, vocab.txt, "
		            "vocabulary.json",
		            dir, kind ? " of " : "", kind ? kind->name : "");
	free(config);
	return k;
}

itr_tokenizer *itr_tokenizer_new(const char *spec, const itr_tokenizer_opts *o, itr_err *err)
{
	if (itr_path_is_dir(spec))
		return load_folder(spec, NULL, o, err);
	const char *colon = strchr(spec, ':');
	if (!colon || !colon[1]) {
		itr_err_set(err,
		            itr_path_exists(spec) ? "'%s' is a file: its kind belongs in front, as in 'wordpiece:%s'"
		                                  : "'%s' is no tokenizer: write KIND:FILE, as in 'wordpiece:vocab.txt', or a folder",
		            spec, spec);
		return NULL;
	}
	const itr_tokenizer_kind_desc *d = find_kind(spec, (size_t)(colon - spec), err);
	if (!d)
		return NULL;
	return itr_path_is_dir(colon + 1) ? load_folder(colon + 1, d, o, err) : load(d, colon + 1, o, o ? o->config : NULL, NULL, err);
}

void itr_tokenizer_free(itr_tokenizer *k)
{
	if (!k)
		return;
	if (k->data)
		k->kind->free(k->data);
	itr_added_free(&k->added);
	itr_strtab_free(&k->tokens);
	itr_buf_free(&k->source);
	free(k);
}

/* --- using it ------------------------------------------------------------------------------------------------------------------------- */

int64_t itr_tokenizer_encode(const itr_tokenizer *k, const char *text, size_t bytes, int32_t *ids, int64_t max_ids)
{
	itr_ids out = { ids, 0, max_ids - 1 };
	if (max_ids < 2)
		ITR_BUG("itr_tokenizer_encode: room for %lld ids, two are the least", (long long)max_ids);
	itr_ids_push(&out, k->start);
	if (k->added.list.n)
		itr_added_encode(k, text, bytes, &out);
	else if (bytes)
		k->kind->encode(k, text, bytes, &out);
	ids[out.n++] = k->end;
	return out.n;
}

/* An invalid byte becomes the three bytes of U+FFFD; NFC, NFD and entities make no character longer than that; an id is at least one byte.
 */
int64_t itr_tokenizer_max_ids(size_t bytes) { return 3 * (int64_t)bytes + 2; }

const void *itr_tokenizer_source(const itr_tokenizer *k, size_t *bytes)
{
	*bytes = k->source.len;
	return k->source.data;
}

char *itr_tokenizer_rules_json(const itr_tokenizer *k)
{
	itr_json *j = itr_json_object();
	itr_buf b = ITR_BUF_INIT;
	itr_json_add_bool(j, "lower", k->rules.lower);
	itr_json_add_bool(j, "strip_accents", k->rules.strip_accents);
	itr_json_add_bool(j, "split_cjk", k->rules.split_cjk);
	itr_json_add_bool(j, "open_clip_clean", k->rules.open_clip_clean);
	if (k->added_beside)
		itr_json_add(j, "added", itr_added_json(k));
	itr_json_print(&b, j, false);
	itr_json_free(j);
	return itr_buf_detach(&b);
}

const char *itr_tokenizer_kind(const itr_tokenizer *k) { return k->kind->name; }
int64_t itr_tokenizer_size(const itr_tokenizer *k) { return k->tokens.n; }
int32_t itr_tokenizer_start(const itr_tokenizer *k) { return k->start; }
int32_t itr_tokenizer_end(const itr_tokenizer *k) { return k->end; }
int32_t itr_tokenizer_pad(const itr_tokenizer *k) { return k->pad; }
int32_t itr_tokenizer_unk(const itr_tokenizer *k) { return k->unk; }

int32_t itr_tokenizer_id(const itr_tokenizer *k, const char *token)
{
	size_t n = strlen(token);
	return itr_strtab_get(&k->tokens, token, n, itr_strhash(token, n));
}

const char *itr_tokenizer_token(const itr_tokenizer *k, int32_t id)
{
	return id >= 0 && id < k->tokens.n ? k->tokens.bytes.data + k->tokens.keys[id].at : NULL;
}
