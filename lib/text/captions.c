#include "text/captions.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/json.h"
#include "io/textfile.h"

struct itr_captions {
	itr_textfile *file;
	const char *line;               /* the current line, borrowed from the file */
	bool manifest;
	itr_json *record;               /* manifest: the current line */
	const itr_json *next;           /* its next caption */
};

itr_captions *itr_captions_open(const char *path, itr_captions_format format, itr_err *err)
{
	const bool in = !strcmp(path, "-");
	if (itr_path_is_dir(path)) {
		itr_err_set(err, "'%s' is a folder, not a file of captions", path);
		return NULL;
	}
	itr_textfile *f = itr_textfile_open(path, err);
	if (!f)
		return NULL;
	itr_captions *c = itr_xcalloc(1, sizeof *c);
	c->file = f;
	c->manifest = format == ITR_CAPTIONS_MANIFEST ||
	              (format == ITR_CAPTIONS_AUTO && (in ? itr_textfile_peek(f) == '{' : itr_path_has_suffix(path, ".jsonl")));
	return c;
}

/* Reads the next record that has captions. */
static int next_record(itr_captions *c, itr_err *err)
{
	size_t n;
	int rc;
	itr_json_free(c->record);
	c->record = NULL;
	while ((rc = itr_textfile_line(c->file, &c->line, &n, err)) > 0) {
		char *where = itr_xasprintf("%s:%lld", itr_textfile_name(c->file), (long long)itr_captions_line(c));
		bool blank = strspn(c->line, " \t") == n;
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
			return itr_err_set(err, "%s:%lld: no array 'captions': this is no manifest", itr_textfile_name(c->file),
			                   (long long)itr_captions_line(c));
		if ((c->next = itr_json_first(captions)))
			return 1;
		itr_json_free(c->record);
		c->record = NULL;
	}
	return rc;
}

int itr_captions_next(itr_captions *c, const char **text, size_t *n, itr_err *err)
{
	if (!c->manifest)
		return itr_textfile_line(c->file, text, n, err);
	if (!c->next) {
		int rc = next_record(c, err);
		if (rc <= 0)
			return rc;
	}
	*text = itr_json_str(itr_json_get(c->next, "text"), NULL);
	c->next = itr_json_next(c->next);
	if (!*text)
		return itr_err_set(err, "%s:%lld: a caption has no 'text'", itr_textfile_name(c->file), (long long)itr_captions_line(c));
	*n = strlen(*text);
	return 1;
}

int64_t itr_captions_line(const itr_captions *c) { return itr_textfile_number(c->file); }

void itr_captions_close(itr_captions *c)
{
	if (!c)
		return;
	itr_textfile_close(c->file);
	itr_json_free(c->record);
	free(c);
}
