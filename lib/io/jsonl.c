#include "io/jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/textfile.h"

struct itr_jsonl {
	itr_textfile *file;
};

itr_jsonl *itr_jsonl_open(const char *path, itr_err *err)
{
	itr_textfile *f = itr_textfile_open(path, err);
	if (!f)
		return NULL;
	itr_jsonl *r = itr_xcalloc(1, sizeof *r);
	r->file = f;
	return r;
}

int itr_jsonl_next(itr_jsonl *r, itr_json **out, itr_err *err)
{
	const char *s;
	size_t n;
	int got;
	*out = NULL;
	while ((got = itr_textfile_line(r->file, &s, &n, err)) > 0) {
		if (strspn(s, " \t") == n)
			continue;
		itr_json *j = itr_json_parse(s, n, NULL, err);
		if (j && !itr_json_is_object(j)) {
			itr_json_free(j);
			j = NULL;
			itr_err_set(err, "a line must be one JSON object");
		}
		if (!j)
			return itr_err_prefix(err, "%s:%lld: ", itr_textfile_name(r->file), (long long)itr_textfile_number(r->file));
		*out = j;
		return 1;
	}
	return got;
}

int64_t itr_jsonl_line(const itr_jsonl *r) { return itr_textfile_number(r->file); }

void itr_jsonl_close(itr_jsonl *r)
{
	if (!r)
		return;
	itr_textfile_close(r->file);
	free(r);
}
