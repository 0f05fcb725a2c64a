/* reader_flickr.c - Flickr8k and Flickr30k as they are passed around: Kaggle's captions.txt (`image,caption`; commas inside captions, some of them quoted, so a line is cut
 * at the first ".jpg,") or the original Flickr8k.token.txt (`image.jpg#0<TAB>caption`). The official lists Flickr_8k.{train,dev,test}Images.txt beside it give the split. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/readers.h"
#include "io/utf8.h"

enum { MAX_FILE = 1 << 28 };

struct reading {
	itr_manifest *m;
	itr_findings *f;
	itr_map *rows, *splits;         /* picture -> row of m; picture -> 0 train, 1 val, 2 test */
	const char *path;
	int64_t line;
	int part;                       /* of the list being read */
};

static const char *const split_names[] = { "train", "val", "test" };

static char *trimmed(const char *s, size_t n)
{
	while (n && isspace((unsigned char)*s))
		s++, n--;
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	return itr_xstrndup(s, n);
}

/* "He said ""stop""" as CSV quotes it */
static void unquote(char *s)
{
	size_t n = strlen(s);
	if (n < 2 || s[0] != '"' || s[n - 1] != '"')
		return;
	char *to = s;
	for (size_t i = 1; i + 1 < n; i++) {
		if (s[i] == '"' && s[i + 1] == '"' && i + 2 < n)
			i++;
		*to++ = s[i];
	}
	*to = 0;
}

static char *in_utf8(struct reading *r, char *s)
{
	size_t n = strlen(s);
	if (itr_utf8_invalid_at(s, n) < 0)
		return s;
	itr_buf b = ITR_BUF_INIT;
	itr_findings_add(r->f, "caption that is not UTF-8 (bad bytes became U+FFFD)", "%s:%lld", r->path, (long long)r->line);
	itr_utf8_put_clean(&b, s, n);
	free(s);
	return itr_buf_detach(&b);
}

static void add(struct reading *r, const char *image, char *text)
{
	int64_t row = itr_map_get(r->rows, image, -1);
	if (!text[0]) {
		itr_findings_add(r->f, "empty caption (left out)", "%s:%lld", r->path, (long long)r->line);
		return;
	}
	if (row < 0) {
		row = r->m->n;
		char *id = itr_path_replace_extension(image, "");
		itr_manifest_add(r->m, id, image);
		itr_map_add(r->rows, image, row);
		free(id);
	}
	itr_record *rec = &r->m->records[row];
	char *id = itr_xasprintf("%s#%lld", image, (long long)rec->n_captions);
	itr_record_add_caption(r->m, rec, id, text);
	free(id);
}

/* The end of the picture's name in a line and the start of its caption; false when the line has neither form. */
static bool cut(const char *s, size_t n, size_t *name, size_t *caption)
{
	static const char *const ends[] = { ".jpg,", ".jpeg,", ".png," };
	const char *tab = memchr(s, '\t', n), *hash = tab ? memrchr(s, '#', (size_t)(tab - s)) : NULL;
	if (hash) {
		*name = (size_t)(hash - s);
		*caption = (size_t)(tab - s) + 1;
		return true;
	}
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < ITR_LEN(ends); k++)
			if (s[i] == '.' && n - i >= strlen(ends[k]) && !strncasecmp(s + i, ends[k], strlen(ends[k]))) {
				*name = i + strlen(ends[k]) - 1;
				*caption = *name + 1;
				return true;
			}
	return false;
}

static void read_line(struct reading *r, const char *s, size_t n)
{
	size_t name_end, caption;
	if (n == 0 || (r->line == 1 && n >= 5 && !strncasecmp(s, "image", 5)))
		return;
	if (!cut(s, n, &name_end, &caption)) {
		itr_findings_add(r->f, "line without a picture's name (left out)", "%s:%lld", r->path, (long long)r->line);
		return;
	}
	char *image = trimmed(s, name_end), *text = trimmed(s + caption, n - caption);
	unquote(text);
	text = in_utf8(r, text);
	if (itr_path_is_safe(image) && itr_utf8_invalid_at(image, strlen(image)) < 0)
		add(r, image, text);
	else
		itr_findings_add(r->f, "picture with a name that leaves its folder or is not UTF-8 (left out)", "%s:%lld", r->path, (long long)r->line);
	free(image);
	free(text);
}

static int each_line(struct reading *r, const char *path, void (*line)(struct reading *, const char *, size_t), itr_err *err)
{
	size_t n;
	char *text = itr_path_read(path, MAX_FILE, &n, err);
	if (!text)
		return -1;
	r->path = path;
	r->line = 0;
	for (const char *s = text; s < text + n;) {
		const char *end = memchr(s, '\n', (size_t)(text + n - s));
		size_t length = end ? (size_t)(end - s) : (size_t)(text + n - s);
		r->line++;
		line(r, s, length);
		s += length + 1;
	}
	free(text);
	return 0;
}

static void list_line(struct reading *r, const char *s, size_t n)
{
	char *image = trimmed(s, n);
	if (image[0] && !itr_map_add(r->splits, image, r->part))
		itr_findings_add(r->f, "picture in two official lists (the first counts)", "%s", image);
	free(image);
}

static int read_splits(struct reading *r, const char *dir, itr_err *err)
{
	static const char *const lists[] = { "Flickr_8k.trainImages.txt", "Flickr_8k.devImages.txt", "Flickr_8k.testImages.txt" };
	for (r->part = 0; r->part < ITR_LEN(lists); r->part++) {
		char *path = itr_path_join(dir, lists[r->part]);
		int rc = itr_path_exists(path) ? each_line(r, path, list_line, err) : 0;
		free(path);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* The first of the names that is there; NULL when none is. */
static char *first_existing(const char *dir, const char *const *names, int n)
{
	for (int i = 0; i < n; i++) {
		char *path = itr_path_join(dir, names[i]);
		if (itr_path_exists(path))
			return path;
		free(path);
	}
	return NULL;
}

/* Official splits when there are any; where the pictures lie. */
static void finish(struct reading *r, const char *images)
{
	bool official = itr_map_count(r->splits) > 0;
	int64_t kept = 0;
	r->m->n_captions = 0;
	for (int64_t i = 0; i < r->m->n; i++) {
		itr_record *rec = &r->m->records[i];
		int64_t part = itr_map_get(r->splits, rec->image, -1);
		if (official && part < 0) {
			itr_findings_add(r->f, "picture in no official list (left out)", "%s", rec->image);
			continue;
		}
		rec->split = official ? split_names[part] : NULL;
		char *path = itr_path_join(images, rec->image);
		rec->image = itr_manifest_str(r->m, path);
		free(path);
		r->m->n_captions += rec->n_captions;
		r->m->records[kept++] = *rec;
	}
	r->m->n = kept;
}

static int read_flickr(itr_manifest *m, const itr_reader_opts *o, itr_findings *f, itr_err *err)
{
	static const char *const texts[] = { "captions.txt", "Flickr8k.token.txt", "results_20130124.token" }, *const folders[] = { "Images", "images", "Flicker8k_Dataset", "flickr30k-images" };
	if (!o->source)
		return itr_err_set(err, "which folder? --from flickr DIR");
	char *text = itr_path_is_dir(o->source) ? first_existing(o->source, texts, ITR_LEN(texts)) : itr_xstrdup(o->source);
	if (!text)
		return itr_err_set(err, "neither captions.txt nor Flickr8k.token.txt lies in '%s'", o->source);
	char *dir = itr_path_dirname(text), *images = o->images_dir ? itr_xstrdup(o->images_dir) : first_existing(dir, folders, ITR_LEN(folders));
	struct reading r = { .m = m, .f = f, .rows = itr_map_new(), .splits = itr_map_new() };
	int rc = each_line(&r, text, read_line, err);
	if (rc == 0)
		rc = read_splits(&r, dir, err);
	if (rc == 0)
		finish(&r, images ? images : dir);
	if (rc == 0 && o->provenance)
		itr_provenance_input(o->provenance, text);
	if (rc == 0 && m->n == 0)
		rc = itr_err_set(err, "'%s' has no captions", text);
	itr_map_free(r.rows);
	itr_map_free(r.splits);
	free(text);
	free(dir);
	free(images);
	return rc;
}

const itr_reader itr_reader_flickr = { "flickr", "Flickr8k or Flickr30k: captions.txt or Flickr8k.token.txt with its pictures", false, read_flickr };
