/* reader_sidecar.c - any folder tree of NAME.png|jpg|jpeg with NAME.txt beside it: one caption per non-empty line; lines like `af.utf8=...`
 * (the translations of Tux Paint's stamps) are left out. The folders between the root and the picture are its labels. */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "data/intake.h"
#include "data/readers.h"
#include "io/textfile.h"
#include "io/utf8.h"

enum { MAX_DEPTH = 64, MAX_TEXT = 1 << 24 };

typedef ITR_VEC(char *) names;

struct tree {
	names pictures, texts, unread;  /* relative to the root; unread: pictures of a kind that is not read */
	const char *root;
};

static bool is_picture(const char *name)
{
	return itr_path_has_suffix(name, ".png") || itr_path_has_suffix(name, ".jpg") || itr_path_has_suffix(name, ".jpeg");
}

static int walk(struct tree *t, const char *below, int depth, itr_err *err)
{
	char *dir = below[0] ? itr_path_join(t->root, below) : itr_xstrdup(t->root);
	DIR *d = opendir(dir);
	int rc = d ? 0 : itr_err_errno(err, "cannot read folder '%s'", dir);
	struct dirent *e;
	while (rc == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		char *name = below[0] ? itr_path_join(below, e->d_name) : itr_xstrdup(e->d_name), *full = itr_path_join(dir, e->d_name);
		bool folder = e->d_type == DT_DIR || (e->d_type != DT_REG && itr_path_is_dir(full));
		if (folder && depth >= MAX_DEPTH)
			rc = itr_err_set(err, "'%s' is nested more than %d folders deep (a link in a circle?)", full, MAX_DEPTH);
		else if (folder)
			rc = walk(t, name, depth + 1, err);
		else if (is_picture(name))
			ITR_VEC_PUSH(&t->pictures, itr_xstrdup(name));
		else if (itr_path_has_suffix(name, ".txt"))
			ITR_VEC_PUSH(&t->texts, itr_xstrdup(name));
		else if (itr_intake_unread_kind(name, NULL, 0))
			ITR_VEC_PUSH(&t->unread, itr_xstrdup(name));
		free(name);
		free(full);
	}
	if (d)
		closedir(d);
	free(dir);
	return rc;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort(names *v)
{
	if (v->n)
		qsort(v->v, v->n, sizeof *v->v, by_text);
}

static void release(names *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	ITR_VEC_FREE(v);
}

/* "xx.utf8=", "pt_BR.utf8=" at the start of a line */
static bool is_translation(const char *s, size_t n)
{
	size_t i = 0;
	while (i < n && (isalpha((unsigned char)s[i]) || s[i] == '_' || s[i] == '@' || s[i] == '-'))
		i++;
	return i > 0 && n - i >= 6 && !memcmp(s + i, ".utf8=", 6);
}

static int read_captions(itr_manifest *m, itr_record *r, const char *path, const char *name, itr_issues *f, itr_err *err)
{
	size_t size, n;
	char *bytes = itr_path_read_named(path, MAX_TEXT, &size, err);
	itr_textfile *t = bytes ? itr_textfile_memory(bytes, size, path, err) : NULL;
	const char *s;
	int rc = bytes ? 0 : -1;
	if (bytes && !t)
		itr_issues_add(f, "caption file that cannot be read (left out)", "%s", err->msg);
	while (t && (rc = itr_textfile_line(t, &s, &n, err)) > 0) {
		while (n && isspace((unsigned char)*s))
			s++, n--;
		while (n && isspace((unsigned char)s[n - 1]))
			n--;
		if (n == 0 || is_translation(s, n))
			continue;
		char *where = itr_xasprintf("%s:%lld", path, (long long)itr_textfile_number(t)),
		     *caption = itr_intake_caption(s, n, where, f);
		char *id = itr_xasprintf("%s#%lld", name, (long long)r->n_captions);
		if (caption)
			itr_record_add_caption(m, r, id, caption);
		free(id);
		free(caption);
		free(where);
	}
	itr_textfile_close(t);
	free(bytes);
	return rc;
}

static void add_labels(itr_manifest *m, itr_record *r, const char *name)
{
	for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
		char *label = itr_xstrndup(name, (size_t)(slash - name));
		itr_record_add_label(m, r, label);
		free(label);
	}
}

/* NAME without its extension, "animals/ant"; when `a.jpg` and `a.png` both lie there, the second keeps its extension. */
static char *record_id(const char *name, itr_map *ids)
{
	char *id = itr_path_replace_extension(name, "");
	if (!itr_map_add(ids, id, 0)) {
		free(id);
		id = itr_xstrdup(name);
		itr_map_add(ids, id, 0);
	}
	return id;
}

static int read_tree(itr_manifest *m, const struct tree *t, itr_issues *f, itr_err *err)
{
	itr_map *texts = itr_map_new(), *ids = itr_map_new(), *used = itr_map_new();
	int rc = 0;
	for (size_t i = 0; i < t->texts.n; i++) {
		char *stem = itr_path_replace_extension(t->texts.v[i], "");
		itr_map_add(texts, stem, (int64_t)i);
		free(stem);
	}
	for (size_t i = 0; i < t->unread.n; i++) {
		char *stem = itr_path_replace_extension(t->unread.v[i], "");
		if (itr_map_has(texts, stem)) {
			itr_map_add(used, stem, 0);
			itr_issues_add(f, "picture of a kind that is not read yet (left out)", "%s: %s; PNG and JPEG are read",
			                 t->unread.v[i], itr_intake_unread_kind(t->unread.v[i], NULL, 0));
		}
		free(stem);
	}
	for (size_t i = 0; i < t->pictures.n && rc == 0; i++) {
		const char *name = t->pictures.v[i];
		char *stem = itr_path_replace_extension(name, "");
		int64_t at = itr_map_get(texts, stem, -1);
		itr_map_add(used, stem, 0);
		free(stem);
		if (at < 0) {
			itr_issues_add(f, "picture without a caption (left out)", "%s", name);
			continue;
		}
		if (itr_utf8_invalid_at(name, strlen(name)) >= 0) {
			itr_issues_add(f, "file name that is not UTF-8 (left out)", "%s", name);
			continue;
		}
		char *id = record_id(name, ids), *image = itr_path_join(t->root, name), *text = itr_path_join(t->root, t->texts.v[at]);
		itr_record *r = itr_manifest_add(m, id, image);
		rc = read_captions(m, r, text, id, f, err);
		add_labels(m, r, name);
		if (rc == 0 && r->n_captions == 0) {
			itr_issues_add(f, "picture without a caption (left out)", "%s ('%s' has none that can be used)", name, text);
			m->n--;
		}
		free(id);
		free(image);
		free(text);
	}
	for (int64_t i = 0; i < itr_map_count(texts); i++)
		if (!itr_map_has(used, itr_map_key(texts, i)))
			itr_issues_add(f, "caption without a picture (left out)", "%s.txt", itr_map_key(texts, i));
	itr_map_free(texts);
	itr_map_free(ids);
	itr_map_free(used);
	return rc;
}

static int read_sidecar(itr_manifest *m, const itr_reader_opts *o, itr_issues *f, itr_err *err)
{
	struct tree t = { ITR_VEC_INIT, ITR_VEC_INIT, ITR_VEC_INIT, o->source };
	if (!o->source)
		return itr_err_set(err, "which folder? --from sidecar DIR");
	int rc = walk(&t, "", 0, err);
	sort(&t.pictures);
	sort(&t.texts);
	sort(&t.unread);
	if (rc == 0)
		rc = read_tree(m, &t, f, err);
	if (rc == 0 && m->n == 0 && itr_issues_count(f, NULL) == 0)
		rc = itr_err_set(err, "no captioned pictures in '%s': NAME.png or NAME.jpg with its captions in NAME.txt are looked for",
		                 o->source);
	release(&t.pictures);
	release(&t.texts);
	release(&t.unread);
	return rc;
}

const itr_reader itr_reader_sidecar = { "sidecar", "a folder tree of NAME.png|jpg with captions in NAME.txt", true, read_sidecar };
