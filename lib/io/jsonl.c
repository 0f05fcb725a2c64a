#include "io/jsonl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MAX_LINE = 64 << 20 };

struct itr_jsonl {
	FILE *file;
	char *path;
	itr_buf line;
	int64_t number;
};

itr_jsonl *itr_jsonl_open(const char *path, itr_err *err)
{
	bool standard = !strcmp(path, "-");
	FILE *f = standard ? stdin : fopen(path, "rb");
	if (!f) {
		itr_err_errno(err, "cannot open '%s'", path);
		return NULL;
	}
	itr_jsonl *r = itr_xcalloc(1, sizeof *r);
	r->file = f;
	r->path = itr_xstrdup(standard ? "standard input" : path);
	return r;
}

/* The next line into r->line, without its end. 1, 0 at the end of the file, -1 with err. */
static int read_line(itr_jsonl *r, itr_err *err)
{
	char piece[1 << 14];
	bool any = false;
	itr_buf_clear(&r->line);
	/* getc_unlocked keeps embedded NULs, which fgets would hide */
	for (size_t n = 0;;) {
		int c = getc_unlocked(r->file);
		any = any || c != EOF;
		if (c != EOF && c != '\n')
			piece[n++] = (char)c;
		if (n == sizeof piece || c == EOF || c == '\n') {
			itr_buf_add(&r->line, piece, n);
			n = 0;
		}
		if (r->line.len > MAX_LINE)
			return itr_err_set(err, "%s:%lld: line longer than 64 MiB; is this one JSON object a line?", r->path, (long long)r->number + 1);
		if (c == EOF || c == '\n')
			break;
	}
	if (ferror(r->file))
		return itr_err_errno(err, "cannot read '%s'", r->path);
	r->number += any;
	return any;
}

int itr_jsonl_next(itr_jsonl *r, itr_json **out, itr_err *err)
{
	int got;
	*out = NULL;
	while ((got = read_line(r, err)) > 0) {
		const char *s = itr_buf_str(&r->line);
		if (strspn(s, " \t\r") == r->line.len)
			continue;
		itr_json *j = itr_json_parse(s, r->line.len, NULL, err);
		if (j && !itr_json_is_object(j)) {
			itr_json_free(j);
			j = NULL;
			itr_err_set(err, "a line must be one JSON object");
		}
		if (!j)
			return itr_err_prefix(err, "%s:%lld: ", r->path, (long long)r->number);
		*out = j;
		return 1;
	}
	return got;
}

int64_t itr_jsonl_line(const itr_jsonl *r) { return r->number; }

void itr_jsonl_close(itr_jsonl *r)
{
	if (!r)
		return;
	if (r->file != stdin)
		fclose(r->file);
	itr_buf_free(&r->line);
	free(r->path);
	free(r);
}
