#include "data/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/atomic_file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/split.h"
#include "io/jsonl.h"

void itr_manifest_init(itr_manifest *m)
{
	memset(m, 0, sizeof *m);
	m->arena = itr_arena_new(0);
	m->root = itr_xstrdup(".");
}

void itr_manifest_free(itr_manifest *m)
{
	if (!m)
		return;
	free(m->records);
	free(m->root);
	itr_arena_free(m->arena);
	memset(m, 0, sizeof *m);
}

bool itr_manifest_is(const char *path) { return path && (itr_path_has_suffix(path, ".jsonl") || !strcmp(path, "-")); }

const char *itr_manifest_str(itr_manifest *m, const char *s) { return s ? itr_arena_strdup(m->arena, s) : NULL; }

char *itr_manifest_image_path(const itr_manifest *m, const itr_record *r) { return itr_path_join(m->root, r->image); }

static bool full(int64_t n) { return (n & (n - 1)) == 0; }      /* arrays double whenever their count reaches a power of two */

itr_record *itr_manifest_add(itr_manifest *m, const char *id, const char *image)
{
	if (full(m->n))
		m->records = itr_xrealloc(m->records, (size_t)ITR_MAX(2 * m->n, 16) * sizeof *m->records);
	itr_record *r = &m->records[m->n++];
	memset(r, 0, sizeof *r);
	r->id = itr_manifest_str(m, id);
	r->image = itr_manifest_str(m, image);
	return r;
}

static void *grow(itr_manifest *m, void *old, int64_t n, size_t item)
{
	if (n && !full(n))
		return old;
	void *more = itr_arena_alloc(m->arena, (size_t)ITR_MAX(2 * n, 1) * item);
	if (n)
		memcpy(more, old, (size_t)n * item);
	return more;
}

void itr_record_add_caption(itr_manifest *m, itr_record *r, const char *id, const char *text)
{
	r->captions = grow(m, r->captions, r->n_captions, sizeof *r->captions);
	r->captions[r->n_captions++] = (itr_caption){ itr_manifest_str(m, id), itr_manifest_str(m, text) };
	m->n_captions++;
}

void itr_record_add_label(itr_manifest *m, itr_record *r, const char *label)
{
	r->labels = grow(m, r->labels, r->n_labels, sizeof *r->labels);
	r->labels[r->n_labels++] = itr_manifest_str(m, label);
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

struct reading {
	itr_manifest *m;
	itr_map *images, *captions;     /* ids seen, with the line */
	const char *path;
	int64_t line;
	itr_err *err;
};

#define COMPLAIN(r, ...) (itr_err_set((r)->err, __VA_ARGS__), itr_err_prefix((r)->err, "%s:%lld: ", (r)->path, (long long)(r)->line))

/* An optional string: 0 with *out (NULL when absent or null), -1 when it is something else. */
static int optional(struct reading *r, const itr_json *j, const char *key, const char **out)
{
	const itr_json *v = itr_json_get(j, key);
	*out = NULL;
	if (!v || itr_json_is_null(v))
		return 0;
	if (!itr_json_is_string(v))
		return COMPLAIN(r, "'%s' is not a string", key);
	*out = itr_manifest_str(r->m, itr_json_str(v, ""));
	return 0;
}

static int read_size(struct reading *r, const itr_json *j, const char *key, int64_t *out)
{
	const itr_json *v = itr_json_get(j, key);
	*out = 0;
	if (!v || itr_json_is_null(v))
		return 0;
	*out = itr_json_int(v, -1);
	return *out < 0 ? COMPLAIN(r, "'%s' is not a size in pixels", key) : 0;
}

static int add_id(struct reading *r, itr_map *seen, const char *what, const char *id)
{
	if (!id[0])
		return COMPLAIN(r, "%s id is empty", what);
	if (!itr_map_add(seen, id, r->line))
		return COMPLAIN(r, "%s id '%s' occurs twice (first in line %lld)", what, id, (long long)itr_map_get(seen, id, 0));
	return 0;
}

static int read_captions(struct reading *r, const itr_json *j, itr_record *rec)
{
	const itr_json *list = itr_json_get(j, "captions");
	char buf[64];
	if (!itr_json_is_array(list))
		return COMPLAIN(r, "'captions' is missing or not a list");
	for (const itr_json *c = itr_json_first(list); c; c = itr_json_next(c)) {
		const char *text = itr_json_str(itr_json_get(c, "text"), NULL);
		const itr_json *jid = itr_json_get(c, "id");
		const char *id = itr_json_is_string(jid) ? itr_json_str(jid, "") : itr_json_id(jid, buf, sizeof buf);
		if (!text || !id)
			return COMPLAIN(r, "a caption without 'id' or 'text'");
		if (add_id(r, r->captions, "caption", id) < 0)
			return -1;
		itr_record_add_caption(r->m, rec, id, text);
	}
	return 0;
}

static int read_labels(struct reading *r, const itr_json *j, itr_record *rec)
{
	const itr_json *list = itr_json_get(j, "labels");
	if (!list || itr_json_is_null(list))
		return 0;
	if (!itr_json_is_array(list))
		return COMPLAIN(r, "'labels' is not a list");
	for (const itr_json *l = itr_json_first(list); l; l = itr_json_next(l)) {
		if (!itr_json_is_string(l))
			return COMPLAIN(r, "a label is not a string");
		itr_record_add_label(r->m, rec, itr_json_str(l, ""));
	}
	return 0;
}

static int check_split(struct reading *r, itr_record *rec)
{
	if (!rec->split)
		return 0;
	const int part = itr_split_find(rec->split);
	if (part < 0)
		return COMPLAIN(r, "split '%s' is none of train, val, test, restval (nor training, dev, valid, validation)", rec->split);
	rec->split = itr_split_names[part];
	return 0;
}

static int read_record(struct reading *r, const itr_json *j)
{
	char buf[64];
	const itr_json *jid = itr_json_get(j, "id"), *synthetic = itr_json_get(j, "synthetic");
	const char *id = itr_json_is_string(jid) ? itr_json_str(jid, "") : itr_json_id(jid, buf, sizeof buf);
	const char *image = itr_json_str(itr_json_get(j, "image"), NULL);
	if (!id || !image || !image[0])
		return COMPLAIN(r, "'%s' is missing or not a string", id ? "image" : "id");
	if (!itr_json_is_bool(synthetic))
		return COMPLAIN(r, "'synthetic' is missing or not true or false");
	if (add_id(r, r->images, "image", id) < 0)
		return -1;
	itr_record *rec = itr_manifest_add(r->m, id, image);
	rec->synthetic = itr_json_bool(synthetic, false);
	r->m->synthetic |= rec->synthetic;
	if (optional(r, j, "url", &rec->url) < 0 || optional(r, j, "split", &rec->split) < 0 ||
	    optional(r, j, "sha256", &rec->sha256) < 0 || check_split(r, rec) < 0)
		return -1;
	if (read_size(r, j, "width", &rec->width) < 0 || read_size(r, j, "height", &rec->height) < 0)
		return -1;
	return read_captions(r, j, rec) < 0 || read_labels(r, j, rec) < 0 ? -1 : 0;
}

static int read_lines(struct reading *r, itr_jsonl *lines, char **header_root)
{
	itr_json *j = NULL;
	int rc;
	while ((rc = itr_jsonl_next(lines, &j, r->err)) > 0) {
		r->line = itr_jsonl_line(lines);
		const itr_json *version = itr_json_get(j, "itr_manifest");
		if (!version) {
			rc = read_record(r, j);
		} else if (itr_json_int(version, 0) != 1) {
			rc = COMPLAIN(r, "a manifest of another version than 1");
		} else {
			free(*header_root);
			*header_root = itr_xstrdup(itr_json_str(itr_json_get(j, "root"), "."));
		}
		itr_json_free(j);
		if (rc < 0)
			return -1;
	}
	return rc;
}

int itr_manifest_read(itr_manifest *m, const char *path, const char *root, itr_err *err)
{
	bool is_stdin = !strcmp(path, "-");
	itr_manifest_init(m);
	itr_jsonl *lines = itr_jsonl_open(path, err);
	if (!lines) {
		itr_manifest_free(m);
		return -1;
	}
	struct reading r = { m, itr_map_new(), itr_map_new(), is_stdin ? "(standard input)" : path, 0, err };
	char *header_root = NULL;
	int rc = read_lines(&r, lines, &header_root);
	itr_jsonl_close(lines);
	itr_map_free(r.images);
	itr_map_free(r.captions);
	free(m->root);
	m->root = root ? itr_xstrdup(root) : !is_stdin ? itr_path_dirname(path) : itr_xstrdup(header_root ? header_root : ".");
	free(header_root);
	if (rc == 0 && m->n == 0)
		rc = itr_err_set(err, "'%s' lists no images", path);
	if (rc < 0)
		itr_manifest_free(m);
	return rc;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

static void put_string(itr_buf *b, const char *key, const char *value)
{
	if (!value)
		return;
	itr_buf_printf(b, ",\"%s\":", key);
	itr_json_print_string(b, value);
}

static void print_header(itr_buf *b, const itr_manifest *m, const char *root, const itr_provenance *p)
{
	itr_buf_puts(b, "{\"itr_manifest\":1");
	put_string(b, "root", root);
	itr_buf_printf(b, ",\"images\":%lld,\"captions\":%lld,\"synthetic\":%s", (long long)m->n, (long long)m->n_captions,
	               m->synthetic ? "true" : "false");
	char *text = p ? itr_provenance_text(p) : NULL;
	if (text && text[0])
		itr_buf_printf(b, ",\"provenance\":%s", text);
	free(text);
	itr_buf_puts(b, "}\n");
}

static void print_record(itr_buf *b, const itr_record *r, const char *image)
{
	itr_buf_puts(b, "{\"id\":");
	itr_json_print_string(b, r->id);
	put_string(b, "image", image);
	put_string(b, "url", r->url);
	if (r->width > 0 && r->height > 0)
		itr_buf_printf(b, ",\"width\":%lld,\"height\":%lld", (long long)r->width, (long long)r->height);
	put_string(b, "split", r->split);
	itr_buf_puts(b, ",\"captions\":[");
	for (int64_t i = 0; i < r->n_captions; i++) {
		itr_buf_puts(b, i ? ",{\"id\":" : "{\"id\":");
		itr_json_print_string(b, r->captions[i].id);
		put_string(b, "text", r->captions[i].text);
		itr_buf_putc(b, '}');
	}
	itr_buf_puts(b, "],\"labels\":[");
	for (int64_t i = 0; i < r->n_labels; i++) {
		if (i)
			itr_buf_putc(b, ',');
		itr_json_print_string(b, r->labels[i]);
	}
	itr_buf_putc(b, ']');
	put_string(b, "sha256", r->sha256);
	itr_buf_printf(b, ",\"synthetic\":%s}\n", r->synthetic ? "true" : "false");
}

static int print_all(const itr_manifest *m, FILE *f, const itr_provenance *p, bool echo)
{
	itr_buf b = ITR_BUF_INIT;
	bool ok = true;
	print_header(&b, m, echo ? "." : m->root, p);
	for (int64_t i = 0; i < m->n && ok; i++) {
		char *joined = echo ? itr_manifest_image_path(m, &m->records[i]) : NULL;
		print_record(&b, &m->records[i], joined ? joined : m->records[i].image);
		free(joined);
		if (b.len > 1 << 16 || i + 1 == m->n) {
			ok = fwrite(b.data, 1, b.len, f) == b.len;
			itr_buf_clear(&b);
		}
	}
	ok = ok && fwrite(itr_buf_str(&b), 1, b.len, f) == b.len;
	itr_buf_free(&b);
	return ok ? 0 : -1;
}

int itr_manifest_write(const itr_manifest *m, const char *path, const itr_provenance *p, FILE *echo, itr_err *err)
{
	if (path) {
		itr_atomic_file *a = itr_atomic_open(path, err);
		if (!a)
			return -1;
		FILE *f = itr_atomic_stream(a);
		if (!f || print_all(m, f, p, false) < 0) {
			itr_err_errno(err, "cannot write '%s'", path);
			itr_atomic_abort(a);
			return -1;
		}
		if (itr_atomic_commit(a, err) < 0)
			return -1;
	}
	if (echo && print_all(m, echo, p, true) < 0)
		return itr_err_errno(err, "cannot write the manifest to standard output");
	return 0;
}
