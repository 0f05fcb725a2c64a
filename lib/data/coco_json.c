#include "data/coco_json.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"

#define ANNOTATIONS_URL "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"

static int bad(const char *path, const char *what, itr_err *err) { return itr_err_set(err, "'%s' is no COCO file: %s", path, what); }

/* "11.0" is 11: what pandas makes of ids beside missing ones. */
static void drop_zero_fraction(itr_buf *b)
{
	const size_t digits = strspn(itr_buf_str(b), "-0123456789"), n = b->len;
	if (digits && digits + 1 < n && b->data[digits] == '.' && strspn(b->data + digits + 1, "0") == n - digits - 1)
		b->data[b->len = digits] = 0;
}

/* The members of an object whose '{' is taken. */
static int read_fields(itr_jsonpull *p, itr_coco_field *fields, int n, itr_err *err)
{
	itr_jp t;
	for (int i = 0; i < n; i++) {
		itr_buf_clear(&fields[i].text);
		fields[i].type = ITR_JP_END;
		fields[i].replaced = 0;
	}
	while ((t = itr_jsonpull_next(p, err)) == ITR_JP_KEY) {
		itr_coco_field *f = NULL;
		for (int i = 0; i < n && !f; i++)
			if (!strcmp(fields[i].key, itr_jsonpull_text(p)))
				f = &fields[i];
		itr_jp next = itr_jsonpull_peek(p, err);
		if (!f || next == ITR_JP_OBJECT || next == ITR_JP_ARRAY) {
			if (itr_jsonpull_skip(p, err) < 0)
				return -1;
			continue;
		}
		int64_t before = itr_jsonpull_replaced(p);
		f->type = itr_jsonpull_next(p, err);
		if (f->type == ITR_JP_ERROR)
			return -1;
		f->replaced = itr_jsonpull_replaced(p) - before;
		itr_buf_clear(&f->text);
		if (f->type == ITR_JP_STRING || f->type == ITR_JP_NUMBER)
			itr_buf_puts(&f->text, itr_jsonpull_text(p));
		if (f->type == ITR_JP_NUMBER)
			drop_zero_fraction(&f->text);
	}
	return t == ITR_JP_OBJECT_END ? 0 : -1;
}

static int read_section(itr_jsonpull *p, const char *path, itr_coco_section *s, void *ctx, itr_err *err)
{
	itr_coco_field fields[ITR_COCO_FIELDS];
	int n = 0, rc = 0;
	itr_jp t;
	for (; s->keys[n]; n++)
		fields[n] = (itr_coco_field){ .key = s->keys[n], .text = ITR_BUF_INIT, .type = ITR_JP_END };
	t = itr_jsonpull_next(p, err);
	bool list = t == ITR_JP_ARRAY;
	if (!list && t != ITR_JP_OBJECT)
		return t == ITR_JP_ERROR ? -1 : bad(path, "a section is neither a list nor an object", err);
	s->count = ITR_MAX(s->count, 0);
	while (rc == 0 && (!list || (t = itr_jsonpull_next(p, err)) == ITR_JP_OBJECT)) {
		rc = read_fields(p, fields, n, err);
		if (rc == 0)
			rc = s->object(ctx, fields, err);
		s->count++;
		if (!list)
			break;
	}
	for (int i = 0; i < n; i++)
		itr_buf_free(&fields[i].text);
	if (rc == 0 && list && t != ITR_JP_ARRAY_END)
		rc = t == ITR_JP_ERROR ? -1 : bad(path, "a list holds something that is not an object", err);
	return rc;
}

static int read_top(itr_jsonpull *p, const char *path, itr_coco_section *sections, int n, void *ctx, itr_err *err)
{
	itr_jp t = itr_jsonpull_next(p, err);
	if (t != ITR_JP_OBJECT)
		return t == ITR_JP_ERROR ? -1 : bad(path, "it is not an object", err);
	while ((t = itr_jsonpull_next(p, err)) == ITR_JP_KEY) {
		itr_coco_section *s = NULL;
		for (int i = 0; i < n && !s; i++)
			if (!strcmp(sections[i].name, itr_jsonpull_text(p)))
				s = &sections[i];
		if ((s ? read_section(p, path, s, ctx, err) : itr_jsonpull_skip(p, err)) < 0)
			return -1;
	}
	return t == ITR_JP_OBJECT_END && itr_jsonpull_next(p, err) == ITR_JP_END ? 0 : -1;
}

int itr_coco_stream(const char *path, itr_coco_section *sections, int n, void *ctx, itr_err *err)
{
	itr_jsonpull *p = itr_jsonpull_open(path, err);
	if (!p)
		return -1;
	itr_jsonpull_replace_invalid(p);        /* one bad caption in 600,000 must not cost the others */
	for (int i = 0; i < n; i++)
		sections[i].count = -1;
	int rc = read_top(p, path, sections, n, ctx, err);
	itr_jsonpull_close(p);
	return rc;
}

const char *itr_coco_id(const itr_coco_field *f)
{
	const char *s = itr_buf_str(&f->text);
	if (f->type == ITR_JP_STRING)
		return s[0] ? s : NULL;
	if (f->type != ITR_JP_NUMBER || strspn(s + (s[0] == '-'), "0123456789") != strlen(s) - (s[0] == '-'))
		return NULL;
	return s;
}

bool itr_coco_id_is_big(const char *id)
{
	static const char limit[] = "9007199254740992";
	const char *digits = id + (id[0] == '-');
	size_t n = strlen(digits);
	if (strspn(digits, "0123456789") != n)
		return false;
	return n > sizeof limit - 1 || (n == sizeof limit - 1 && strcmp(digits, limit) > 0);
}

/* The subset's name in "captions_val2017.json", or NULL. */
static char *subset_of(const char *name, const char *kind)
{
	size_t k = strlen(kind), n = strlen(name);
	if (n <= k + 6 || strncmp(name, kind, k) || name[k] != '_' || strcmp(name + n - 5, ".json"))
		return NULL;
	return itr_xstrndup(name + k + 1, n - k - 6);
}

static char *only_subset(const char *dir, const char *kind, itr_err *err)
{
	DIR *d = opendir(dir);
	char *found = NULL, *more = NULL, *s;
	struct dirent *e;
	while (d && (e = readdir(d)))
		if ((s = subset_of(e->d_name, kind)) != NULL) {
			if (found) {
				free(more);
				more = s;
			} else {
				found = s;
			}
		}
	if (d)
		closedir(d);
	if (more) {
		itr_err_set(err, "'%s' holds several %s files ('%s', '%s'): say which with --subset", dir, kind, found, more);
		free(found);
		found = NULL;
	} else if (!found) {
		itr_err_set(err, "no %s_*.json in '%s'", kind, dir);
	}
	free(more);
	return found;
}

char *itr_coco_find(const char *dir, const char *kind, const char *wanted, char **subset, itr_err *err)
{
	itr_err why = ITR_ERR_INIT;
	char *name = wanted ? itr_xstrdup(wanted) : only_subset(dir, kind, &why), *file, *path = NULL;
	if (name) {
		file = itr_xasprintf("%s_%s.json", kind, name);
		path = itr_path_join(dir, file);
		if (!itr_path_exists(path)) {
			itr_err_set(&why, "there is no '%s'", path);
			free(path);
			path = NULL;
		}
		free(file);
	}
	if (!path)
		itr_err_set(err,
		            "%s; COCO's are fetched with: curl -O %s && unzip annotations_trainval2017.zip (or continue without real "
		            "pictures: --fallback synthetic)",
		            why.msg, ANNOTATIONS_URL);
	if (path && subset)
		*subset = name;
	else
		free(name);
	return path;
}
