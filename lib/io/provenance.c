#include "io/provenance.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"

/* An input that a thread is hashing. */
struct hashing {
	pthread_t thread;
	char *path, hex[ITR_SHA256_HEX];
	int rc;
};

struct itr_provenance {
	struct hashing *hashing;
	bool enabled, synthetic;
	char *tool, *version;
	uint64_t seed;
	ITR_VEC(char *) arguments;
	ITR_VEC(char *) inputs;         /* path, sha256, path, sha256, ... */
	itr_json *notes;
};

/* Options that do not change a result. If they were recorded, the same result from another folder or with more threads would have other
 * bytes. */
static const struct quiet_option {
	char letter;
	const char *name;
	bool has_value;
} quiet_options[] = {
	{ 'j', "threads", true }, { 'v', "verbose", false }, { 'q', "quiet", false }, { 0, "progress", true }, { 0, "runs-dir", true },
	{ 0, "run-name", true }, { 0, "parent-run", true }, { 0, "experiment", true }, { 0, "no-track", false }, { 0, "track", false },
	{ 'o', "output", true }, { 'f', "force", false },
};

/* The entry of long option `arg` (after "--", up to '='); '-' and '_' are equal. */
static const struct quiet_option *long_option(const char *arg)
{
	size_t n = strcspn(arg, "=");
	for (int i = 0; i < ITR_LEN(quiet_options); i++) {
		const char *name = quiet_options[i].name;
		size_t k = 0;
		while (k < n && name[k] && (arg[k] == name[k] || (arg[k] == '_' && name[k] == '-')))
			k++;
		if (k == n && !name[k])
			return &quiet_options[i];
	}
	return NULL;
}

static const struct quiet_option *short_option(char letter)
{
	for (int i = 0; i < ITR_LEN(quiet_options); i++)
		if (quiet_options[i].letter && quiet_options[i].letter == letter)
			return &quiet_options[i];
	return NULL;
}

/* Number of words of argv, from this one on, that are not recorded: 0, 1, or 2 when the value of the option is a separate word. */
static int words_left_out(const char *arg)
{
	if (arg[0] != '-' || !arg[1])
		return 0;
	if (arg[1] == '-') {
		const struct quiet_option *o = arg[2] ? long_option(arg + 2) : NULL;
		return !o ? 0 : o->has_value && !strchr(arg, '=') ? 2 : 1;
	}
	for (const char *s = arg + 1; *s; s++) {        /* -qf, -vj4, -j 4 */
		const struct quiet_option *o = short_option(*s);
		if (!o)
			return 0;
		if (o->has_value)
			return s[1] ? 1 : 2;
	}
	return 1;
}

itr_provenance *itr_provenance_new(const char *tool, const char *version, int argc, char **argv, uint64_t seed, bool enabled)
{
	itr_provenance *p = itr_xcalloc(1, sizeof *p);
	p->enabled = enabled;
	p->tool = itr_xstrdup(tool);
	p->version = itr_xstrdup(version);
	p->seed = seed;
	bool options = true;
	for (int i = 1; i < argc; i++) {
		int skip = options ? words_left_out(argv[i]) : 0;
		if (!strcmp(argv[i], "--"))
			options = false;
		if (skip == 0)
			ITR_VEC_PUSH(&p->arguments, itr_xstrdup(argv[i]));
		else
			i += skip - 1;
	}
	return p;
}

void itr_provenance_free(itr_provenance *p)
{
	if (!p)
		return;
	itr_provenance_input_end(p);
	for (size_t i = 0; i < p->arguments.n; i++)
		free(p->arguments.v[i]);
	for (size_t i = 0; i < p->inputs.n; i++)
		free(p->inputs.v[i]);
	itr_json_free(p->notes);
	free(p->arguments.v);
	free(p->inputs.v);
	free(p->tool);
	free(p->version);
	free(p);
}

static bool is_new(const itr_provenance *p, const char *path)
{
	if (!p || !p->enabled)
		return false;
	for (size_t i = 0; i < p->inputs.n; i += 2)
		if (!strcmp(p->inputs.v[i], path))
			return false;
	return true;
}

void itr_provenance_input(itr_provenance *p, const char *path)
{
	char hex[ITR_SHA256_HEX];
	if (!is_new(p, path) || itr_sha256_file(path, hex, NULL) < 0)
		return;
	ITR_VEC_PUSH(&p->inputs, itr_xstrdup(path));
	ITR_VEC_PUSH(&p->inputs, itr_xstrdup(hex));
}

static void *hash_file(void *arg)
{
	struct hashing *h = arg;
	h->rc = itr_sha256_file(h->path, h->hex, NULL);
	return NULL;
}

void itr_provenance_input_begin(itr_provenance *p, const char *path)
{
	itr_provenance_input_end(p);
	if (!is_new(p, path))
		return;
	struct hashing *h = itr_xcalloc(1, sizeof *h);
	h->path = itr_xstrdup(path);
	if (pthread_create(&h->thread, NULL, hash_file, h) != 0) {       /* no thread available: hashes now */
		free(h->path);
		free(h);
		itr_provenance_input(p, path);
		return;
	}
	p->hashing = h;
}

void itr_provenance_input_end(itr_provenance *p)
{
	struct hashing *h = p ? p->hashing : NULL;
	if (!h)
		return;
	pthread_join(h->thread, NULL);
	if (h->rc == 0) {
		ITR_VEC_PUSH(&p->inputs, h->path);
		ITR_VEC_PUSH(&p->inputs, itr_xstrdup(h->hex));
	} else {
		free(h->path);
	}
	free(h);
	p->hashing = NULL;
}

void itr_provenance_set_synthetic(itr_provenance *p)
{
	if (p)
		p->synthetic = true;
}

void itr_provenance_note(itr_provenance *p, const char *key, itr_json *value)
{
	if (!p) {
		itr_json_free(value);
		return;
	}
	if (!p->notes)
		p->notes = itr_json_object();
	itr_json_add(p->notes, key, value);
}

bool itr_provenance_synthetic(const itr_provenance *p) { return p && p->synthetic; }

itr_json *itr_provenance_json(const itr_provenance *p)
{
	if (!p || !p->enabled)
		return NULL;
	char *seed = itr_xasprintf("%" PRIu64, p->seed);        /* a string: seeds may exceed 2^53 */
	itr_json *j = itr_json_object();
	itr_json_add_str(j, "tool", p->tool);
	itr_json_add_str(j, "version", p->version);
	itr_json *arguments = itr_json_add_array(j, "arguments");
	for (size_t i = 0; i < p->arguments.n; i++)
		itr_json_push(arguments, itr_json_new_str(p->arguments.v[i]));
	itr_json_add_str(j, "seed", seed);
	free(seed);
	itr_json_add_bool(j, "synthetic", p->synthetic);
	itr_json *inputs = itr_json_add_array(j, "inputs");
	for (size_t i = 0; i < p->inputs.n; i += 2) {
		itr_json *in = itr_json_push(inputs, itr_json_object());
		itr_json_add_str(in, "path", p->inputs.v[i]);
		itr_json_add_str(in, "sha256", p->inputs.v[i + 1]);
	}
	for (const itr_json *n = itr_json_first(p->notes); n; n = itr_json_next(n))
		itr_json_add(j, itr_json_key(n), itr_json_copy(n));
	return j;
}

void itr_provenance_put(const itr_provenance *p, itr_json *object)
{
	itr_json *j = itr_provenance_json(p);
	if (j)
		itr_json_add(object, "provenance", j);
}

char *itr_provenance_text(const itr_provenance *p)
{
	itr_buf b = ITR_BUF_INIT;
	itr_json *j = itr_provenance_json(p);
	if (j)
		itr_json_print(&b, j, false);
	itr_json_free(j);
	return itr_buf_detach(&b);
}
