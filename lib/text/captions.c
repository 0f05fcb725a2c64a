#include "text/captions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/json.h"

struct itr_captions {
	FILE *f;
	char *path;
	char *line;
	size_t room;
	int64_t number;
	bool manifest;
	itr_json *record;               /* of a manifest: the present line */
	const itr_json *next;           /* its next caption */
};

itr_captions *itr_captions_open(const char *path, itr_captions_format format, itr_err *err)
{
	bool in = !strcmp(path, "-");
	FILE *f = in ? stdin : itr_path_is_dir(path) ? NULL : fopen(path, "rb");
	if (!f) {
		if (itr_path_is_dir(path))
			itr_err_set(err, "'%s' is a folder, not a file of captions", path);
		else
			itr_err_errno(err, "cannot open '%s'", path);
		return NULL;
	}
	itr_captions *c = itr_xcalloc(1, sizeof *c);
	c->f = f;
	c->path = itr_xstrdup(in ? "(standard input)" : path);
	c->manifest = format == ITR_CAPTIONS_MANIFEST || (format == ITR_CAPTIONS_AUTO && itr_path_has_suffix(path, ".jsonl"));
	if (in && format == ITR_CAPTIONS_AUTO) {
		int first = getc(f);
		c->manifest = first == '{';
		if (first != EOF)
			ungetc(first, f);
	}
	return c;
}

/* The next line without its newline: 1, 0 at the end, -1 with err. */
static int next_line(itr_captions *c, size_t *n, itr_err *err)
{
	ssize_t got = getline(&c->line, &c->room, c->f);
	if (got < 0)
		return ferror(c->f) ? itr_err_errno(err, "cannot read '%s'", c->path) : 0;
	if (got && c->line[got - 1] == '\n')
		c->line[--got] = 0;
	c->number++;
	*n = (size_t)got;
	return 1;
}

/* Takes up the next record that has captions. */
static int next_record(itr_captions *c, itr_err *err)
{
	size_t n;
	int rc;
	itr_json_free(c->record);
	c->record = NULL;
	while ((rc = next_line(c, &n, err)) > 0) {
		char *where = itr_xasprintf("%s:%lld", c->path, (long long)c->number);
		bool blank = strspn(c->line, " \t\r") == n;
		c->record = blank ? NULL : itr_json_parse(c->line, n, where, err);
		free(where);
		if (blank || (c->record && itr_json_get(c->record, "itr_manifest"))) {
			itr_json_free(c->record);
			c->record = NULL;
			continue;
		}
		if (!c->record)
			return -1;
		const itr_json *captions = itr_json_get(c->record, "captions");
		if (!itr_json_is_array(captions))
			return itr_err_set(err, "%s:%lld: no array 'captions': this is no manifest", c->path, (long long)c->number);
		if ((c->next = itr_json_first(captions)))
			return 1;
		itr_json_free(c->record);
		c->record = NULL;
	}
	return rc;
}

int itr_captions_next(itr_captions *c, const char **text, size_t *n, itr_err *err)
{
	if (!c->manifest) {
		int rc = next_line(c, n, err);
		*text = c->line;
		return rc;
	}
	if (!c->next) {
		int rc = next_record(c, err);
		if (rc <= 0)
			return rc;
	}
	*text = itr_json_str(itr_json_get(c->next, "text"), NULL);
	c->next = itr_json_next(c->next);
	if (!*text)
		return itr_err_set(err, "%s:%lld: a caption has no 'text'", c->path, (long long)c->number);
	*n = strlen(*text);
	return 1;
}

int64_t itr_captions_line(const itr_captions *c) { return c->number; }

void itr_captions_close(itr_captions *c)
{
	if (!c)
		return;
	if (c->f != stdin)
		fclose(c->f);
	itr_json_free(c->record);
	free(c->path);
	free(c->line);
	free(c);
}
