#include "data/issues.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"

enum { EXAMPLES = 3 };

struct kind {
	ITR_VEC(char *) items;
};

struct itr_issues {
	itr_map *names;
	ITR_VEC(struct kind) kinds;
};

itr_issues *itr_issues_new(void)
{
	itr_issues *f = itr_xcalloc(1, sizeof *f);
	f->names = itr_map_new();
	return f;
}

void itr_issues_free(itr_issues *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->kinds.n; i++) {
		for (size_t k = 0; k < f->kinds.v[i].items.n; k++)
			free(f->kinds.v[i].items.v[k]);
		ITR_VEC_FREE(&f->kinds.v[i].items);
	}
	ITR_VEC_FREE(&f->kinds);
	itr_map_free(f->names);
	free(f);
}

void itr_issues_add(itr_issues *f, const char *kind, const char *format, ...)
{
	if (!f)
		return;
	int64_t at = itr_map_get(f->names, kind, -1);
	if (at < 0) {
		at = (int64_t)f->kinds.n;
		itr_map_add(f->names, kind, at);
		ITR_VEC_PUSH(&f->kinds, ((struct kind){ ITR_VEC_INIT }));
	}
	itr_buf b = ITR_BUF_INIT;
	va_list ap;
	va_start(ap, format);
	itr_buf_vprintf(&b, format, ap);
	va_end(ap);
	ITR_VEC_PUSH(&f->kinds.v[at].items, itr_buf_detach(&b));
}

int64_t itr_issues_count(const itr_issues *f, const char *kind)
{
	int64_t n = 0;
	if (!kind) {
		for (size_t i = 0; i < f->kinds.n; i++)
			n += (int64_t)f->kinds.v[i].items.n;
		return n;
	}
	int64_t at = itr_map_get(f->names, kind, -1);
	return at < 0 ? 0 : (int64_t)f->kinds.v[at].items.n;
}

void itr_issues_warn(const itr_issues *f)
{
	for (int64_t i = 0; i < itr_map_count(f->names); i++) {
		const struct kind *k = &f->kinds.v[i];
		itr_buf b = ITR_BUF_INIT;
		for (size_t j = 0; j < ITR_MIN(k->items.n, EXAMPLES); j++)
			itr_buf_printf(&b, "%s%.160s", j ? "; " : "", k->items.v[j]);
		if (k->items.n > EXAMPLES)
			itr_buf_printf(&b, "; and %zu more", k->items.n - EXAMPLES);
		itr_warn("%s, %zu: %s", itr_map_key(f->names, i), k->items.n, itr_buf_str(&b));
		itr_buf_free(&b);
	}
}

char *itr_issues_summary(const itr_issues *f)
{
	itr_buf b = ITR_BUF_INIT;
	for (int64_t i = 0; i < itr_map_count(f->names); i++)
		itr_buf_printf(&b, "%s%s, %zu", i ? "; " : "", itr_map_key(f->names, i), f->kinds.v[i].items.n);
	return itr_buf_detach(&b);
}

itr_json *itr_issues_json(const itr_issues *f)
{
	itr_json *j = itr_json_object();
	for (int64_t i = 0; i < itr_map_count(f->names); i++) {
		const struct kind *k = &f->kinds.v[i];
		itr_json *o = itr_json_add_object(j, itr_map_key(f->names, i));
		itr_json_add_int(o, "count", (int64_t)k->items.n);
		itr_json *items = itr_json_add_array(o, "items");
		for (size_t n = 0; n < k->items.n; n++)
			itr_json_push(items, itr_json_new_str(k->items.v[n]));
	}
	return j;
}

int itr_issues_write(const itr_issues *f, const char *path, itr_err *err)
{
	if (itr_map_count(f->names) == 0) {
		unlink(path);
		return 0;
	}
	itr_json *j = itr_issues_json(f);
	int rc = itr_json_write(path, j, err);
	itr_json_free(j);
	return rc;
}
