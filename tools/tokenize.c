/* tokenize - captions as token ids. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/tool.h"
#include "text/captions.h"
#include "text/ftfy.h"
#include "text/lengths.h"
#include "text/tokenizer.h"

enum { CLEAN_TRANSFORMERS, CLEAN_OPEN_CLIP };
static const char *const clean_names[] = { "transformers", "open_clip", NULL };
static const char *const format_names[] = { "auto", "lines", "manifest", NULL };       /* itr_captions_format */

struct opt {
	const char *tokenizer, *config;
	int64_t max_length, min_count, max_size;
	int clean, format;
	bool cased, tokens, lengths, build_vocab, list;
};

static const itr_option options[] = {
	ITR_OPT_HEADING("Tokenizer:"),
	ITR_OPT_STR("tokenizer", 't', struct opt, tokenizer, "KIND:FILE",
	            "wordpiece:vocab.txt, clip-bpe:merges.txt.gz, words:vocab.txt; tokenizer.json for the first two; or a model's folder"),
	ITR_OPT_BOOL("cased", 0, struct opt, cased, "wordpiece: keep upper case and accents"),
	ITR_OPT_ENUM("clip-clean", 0, struct opt, clean, clean_names, "clip-bpe: library whose text cleaning is used"),
	ITR_OPT_STR("tokenizer-config", 0, struct opt, config, "FILE", "tokenizer_config.json (default: the one in the model's folder)"),
	ITR_OPT_BOOL("list", 0, struct opt, list, "the kinds of tokenizers"),
	ITR_OPT_HEADING("Input:"),
	ITR_OPT_ENUM("format", 0, struct opt, format, format_names, "one caption a line, or a manifest"),
	ITR_OPT_HEADING("Output:"),
	ITR_OPT_INT_IN("max-length", 0, struct opt, max_length, "N", ITR_FROM(0),
	               "at most N ids a caption, the last special one kept; 0 is all"),
	ITR_OPT_BOOL("tokens", 0, struct opt, tokens, "print the tokens as strings instead of ids"),
	ITR_OPT_BOOL("lengths", 0, struct opt, lengths, "print the distribution of caption lengths instead of the ids"),
	ITR_OPT_BOOL("build-vocab", 0, struct opt, build_vocab, "build a vocabulary for 'words' from the captions"),
	ITR_OPT_INT_IN("min-count", 0, struct opt, min_count, "N", ITR_FROM(1), "--build-vocab: omit words that occur less often"),
	ITR_OPT_INT_IN("max-size", 0, struct opt, max_size, "N", ITR_FROM(0),
	               "--build-vocab: at most N lines, <pad> <unk> <start> <end> among them; 0 is all"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{tokenize} --tokenizer wordpiece:vocab.txt < captions.txt",
	"{tokenize} --tokenizer clip-bpe:bpe_simple_vocab_16e6.txt.gz --max-length 77 data/coco/manifest.jsonl -o ids.jsonl",
	"{tokenize} --tokenizer models/all-MiniLM-L6-v2 --lengths data/coco/manifest.jsonl",
	"{tokenize} --build-vocab --max-size 10000 data/coco/manifest.jsonl -o vocab.txt",
	NULL
};

static const itr_tool_desc tokenize_tool = {
	.name = "tokenize",
	.purpose = "captions as token ids",
	.synopsis = "{tokenize} [options] [FILE...]",
	.options = options,
	.max_args = -1,
	.flags = ITR_TOOL_OUTPUT | ITR_TOOL_NO_TRACK,
	.examples = examples,
	.see_also = "{extract-features}(1), {train}(1)",
};

struct work {
	itr_tool *t;
	struct opt *o;
	itr_tokenizer *k;
	itr_word_counter *words;
	FILE *out;
	itr_buf line;
	int32_t *ids;
	int64_t room;
	int64_t n, misdecoded;          /* captions; those that open_clip would repair first */
	itr_lengths lengths;
};

static void print_ids(struct work *w, int64_t n)
{
	itr_buf_clear(&w->line);
	itr_buf_putc(&w->line, '[');
	for (int64_t i = 0; i < n; i++) {
		if (i)
			itr_buf_putc(&w->line, ',');
		if (w->o->tokens)
			itr_json_print_string(&w->line, itr_tokenizer_token(w->k, w->ids[i]));
		else
			itr_buf_printf(&w->line, "%d", w->ids[i]);
	}
	itr_buf_puts(&w->line, "]\n");
	fwrite(w->line.data, 1, w->line.len, w->out);
}

static void one_caption(struct work *w, const char *text, size_t bytes, const char *file, int64_t line)
{
	int64_t max = w->o->max_length ? w->o->max_length : itr_tokenizer_max_ids(bytes);
	w->n++;
	w->misdecoded += w->o->clean == CLEAN_OPEN_CLIP && itr_looks_misdecoded(text, bytes);
	if (w->words) {
		itr_word_counter_add(w->words, text, bytes);
		return;
	}
	if (max > w->room) {
		w->room = max;
		w->ids = itr_xrealloc(w->ids, (size_t)max * sizeof *w->ids);
	}
	int64_t n = itr_tokenizer_encode(w->k, text, bytes, w->ids, max);
	if (w->o->lengths)
		itr_lengths_add(&w->lengths, n, file, line);
	else
		print_ids(w, n);
}

static int one_file(struct work *w, const char *path)
{
	itr_captions *c = itr_captions_open(path, (itr_captions_format)w->o->format, &w->t->err);
	const char *text;
	size_t n;
	int rc = c ? 1 : -1;
	while (rc > 0 && (rc = itr_captions_next(c, &text, &n, &w->t->err)) > 0) {
		one_caption(w, text, n, path, itr_captions_line(c));
		if (itr_interrupted)
			rc = itr_err_set(&w->t->err, "interrupted");
		else if (ferror(w->out))
			rc = itr_err_errno(&w->t->err, "cannot write '%s'", w->t->output ? w->t->output : "standard output");
	}
	itr_captions_close(c);
	return rc;
}

/* What is known only at the end: the lengths, the vocabulary. */
static void finish(struct work *w)
{
	if (w->words) {
		int64_t lines;
		char *vocab = itr_word_counter_vocab(w->words, w->o->min_count, w->o->max_size, &lines);
		fputs(vocab, w->out);
		itr_info("%lld captions -> a vocabulary of %lld", (long long)w->n, (long long)lines);
		free(vocab);
		return;
	}
	if (!w->o->lengths)
		return;
	itr_buf_clear(&w->line);
	if (w->t->json) {
		itr_json *j = itr_lengths_json(&w->lengths);
		itr_json_add_int(j, "schema", 1);
		itr_provenance_put(w->t->provenance, j);
		itr_json_print(&w->line, j, true);
		itr_buf_putc(&w->line, '\n');
		itr_json_free(j);
	} else {
		itr_lengths_print(&w->lengths, &w->line);
	}
	fwrite(itr_buf_str(&w->line), 1, w->line.len, w->out);
}

static int all_files(struct work *w)
{
	int rc = w->t->n_args ? 0 : one_file(w, "-");
	for (int i = 0; i < w->t->n_args && rc == 0; i++)
		rc = one_file(w, w->t->args[i]);
	if (rc == 0 && !w->n)
		rc = itr_err_set(&w->t->err, "there were no captions");
	if (rc == 0 && w->misdecoded)
		itr_warn("%lld captions look as if their UTF-8 had been read as Windows-1252 (as 'caf\u00c3\u00a9'): open_clip repairs "
		         "such text before it cuts it, this program does not, and the ids differ",
		         (long long)w->misdecoded);
	if (rc == 0)
		finish(w);
	return rc;
}

static int tokenize(struct work *w)
{
	itr_tool *t = w->t;
	itr_tokenizer_opts ko = { .cased = w->o->cased, .open_clip_clean = w->o->clean == CLEAN_OPEN_CLIP, .config = w->o->config };
	bool file = t->output && strcmp(t->output, "-") != 0;
	if (itr_tool_check_output(t, false) < 0)
		return -1;
	if (w->o->build_vocab)
		w->words = itr_word_counter_new();
	else if (!(w->k = itr_tokenizer_new(w->o->tokenizer, &ko, &t->err)))
		return -1;
	itr_atomic_file *a = file ? itr_atomic_open(t->output, &t->err) : NULL;
	if (file && !a)
		return -1;
	w->out = a ? itr_atomic_stream(a) : t->out;
	int rc = all_files(w);
	if (a && rc == 0)
		rc = itr_atomic_commit(a, &t->err);
	else
		itr_atomic_abort(a);
	return rc;
}

static const char *wrong_use(const itr_tool *t, const struct opt *o)
{
	if (!o->tokenizer == !o->build_vocab)
		return o->tokenizer ? "'--build-vocab' needs no '--tokenizer'"
		                    : "'--tokenizer' is missing: wordpiece:vocab.txt, clip-bpe:merges.txt.gz, words:vocab.txt or a model's "
		                      "folder";
	if (o->max_length == 1)
		return "'--max-length' is 0 or at least 2";
	if (t->json && !o->lengths)
		return "'--json' is about '--lengths': ids are JSON already, one array a line";
	if (o->tokens + o->lengths + o->build_vocab > 1)
		return "'--tokens', '--lengths' and '--build-vocab' are different results: choose one";
	if (!t->n_args && isatty(STDIN_FILENO))
		return "no captions: name a file, or give them on standard input";
	return NULL;
}

static int list(itr_tool *t)
{
	const char *what, *name;
	for (int i = 0; (name = itr_tokenizer_kind_at(i, &what)); i++)
		fprintf(t->out, "%-12s %s\n", name, what);
	return itr_tool_end(t, true);
}

int main(int argc, char **argv)
{
	struct opt o = { .min_count = 1, .max_size = 10000 };
	itr_tool *t = itr_tool_begin(&tokenize_tool, &o, argc, argv);
	struct work w = { .t = t, .o = &o, .lengths = ITR_LENGTHS_INIT };
	if (o.list)
		return list(t);
	const char *wrong = wrong_use(t, &o);
	if (wrong)
		return itr_tool_usage(t, "%s", wrong);
	int rc = tokenize(&w);
	itr_tokenizer_free(w.k);
	itr_word_counter_free(w.words);
	itr_lengths_free(&w.lengths);
	itr_buf_free(&w.line);
	free(w.ids);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}
