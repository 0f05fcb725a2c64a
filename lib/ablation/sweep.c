/* Named sweeps: a JSON file with options, the file that it extends, and a description ("why"). */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "ablation/grid.h"

enum { DEEPEST = 16 };

/* The options of a file, which override those of the file that it extends. */
static itr_json *merged(const char *path, int depth, itr_err *err)
{
	itr_json *j = itr_json_read(path, err), *all = NULL;
	if (!j)
		return NULL;
	const char *base = itr_json_str(itr_json_get(j, "extends"), NULL);
	const itr_json *options = itr_json_get(j, "options");
	for (const itr_json *c = itr_json_first(j); c; c = itr_json_next(c))
		if (!itr_json_is_object(j) || (strcmp(itr_json_key(c), "extends") && strcmp(itr_json_key(c), "why") &&
		                               strcmp(itr_json_key(c), "options") && strcmp(itr_json_key(c), "program"))) {
			itr_err_set(err, "'%s': '%s' is none of extends, why, program, options", path,
			            itr_json_key(c) ? itr_json_key(c) : "the list");
			goto out;
		}
	if (!itr_json_is_object(j) || (options && !itr_json_is_object(options))) {
		itr_err_set(err, "'%s' must be {\"extends\", \"why\", \"options\": {...}}", path);
		goto out;
	}
	if (base && depth >= DEEPEST) {
		itr_err_set(err, "'%s': more than %d files extend one another: is it a circle?", path, DEEPEST);
		goto out;
	}
	if (base) {
		char *dir = itr_path_dirname(path), *other = itr_path_join(dir, base);
		all = merged(other, depth + 1, err);
		free(dir);
		free(other);
	} else {
		all = itr_json_object();
	}
	for (const itr_json *c = all ? itr_json_first(options) : NULL; c; c = itr_json_next(c))
		itr_json_add(all, itr_json_key(c), itr_json_copy(c));
out:
	itr_json_free(j);
	return all;
}

static void value_text(itr_buf *b, const itr_json *v)
{
	if (itr_json_is_string(v)) {
		itr_buf_puts(b, itr_json_str(v, ""));
	} else if (itr_json_is_array(v)) {
		for (const itr_json *c = itr_json_first(v); c; c = itr_json_next(c)) {
			if (c != itr_json_first(v))
				itr_buf_putc(b, ',');
			value_text(b, c);
		}
	} else {
		itr_json_print(b, v, false);
	}
}

static const char *sweep_file(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strncmp(argv[i], "--sweep=", 8))
			return argv[i] + 8;
		if (!strcmp(argv[i], "--sweep") && i + 1 < argc)
			return argv[i + 1];
	}
	return NULL;
}

int itr_sweep_args(int argc, char **argv, itr_sweep *out, itr_err *err)
{
	const char *file = sweep_file(argc, argv);
	*out = (itr_sweep){ argc, argv, 0, NULL };
	if (!file)
		return 0;
	itr_json *options = merged(file, 0, err);
	if (!options)
		return -1;
	int n = (int)itr_json_count(options), at = 1;
	out->argv = itr_xcalloc((size_t)(argc + 2 * n) + 1, sizeof *out->argv);
	out->text = itr_xcalloc((size_t)n + 1, sizeof *out->text);
	out->argv[0] = argv[0];
	for (const itr_json *c = itr_json_first(options); c; c = itr_json_next(c)) {
		itr_buf b = ITR_BUF_INIT;
		static char set[] = "--set";
		itr_buf_printf(&b, "%s=", itr_json_key(c));
		value_text(&b, c);
		out->text[out->owned] = itr_buf_detach(&b);
		out->argv[at++] = set;
		out->argv[at++] = out->text[out->owned++];
	}
	for (int i = 1; i < argc; i++)
		out->argv[at++] = argv[i];
	out->argc = at;
	itr_json_free(options);
	return 0;
}

void itr_sweep_free(itr_sweep *s)
{
	for (int i = 0; i < s->owned; i++)
		free(s->text[i]);
	if (s->text) {
		free(s->text);
		free(s->argv);
	}
}
