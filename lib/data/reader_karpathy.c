/* reader_karpathy.c - Karpathy's split files (dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json): captions with train,
 * restval, val or test. Pictures are named as in 2014 there; today's archives name them by the COCO id alone. Sentence ids are Karpathy's
 * own: with --annotations-dir they are replaced by COCO's annotation ids, matched by (image, text); without it, or where none matches, they
 * read "karpathy:ID". */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/coco_json.h"
#include "data/intake.h"
#include "data/readers.h"
#include "data/split.h"

struct reading {
	itr_manifest *m;
	itr_issues *f;
	const char *images_dir, *path;
	itr_map *annotations;           /* "cocoid\ntext\nk-th" -> place in `annotation_ids`; NULL without annotations */
	itr_map *annotation_ids;        /* keys are the ids, in order */
	itr_map *ids, *places, *sentences;      /* seen */
};

/* Text without leading, trailing and repeated white space: the two files differ in that. */
static void add_text(itr_buf *b, const char *s)
{
	bool space = false;
	for (; *s; s++) {
		if (isspace((unsigned char)*s)) {
			space = true;
			continue;
		}
		if (space && b->len && b->data[b->len - 1] != '\n')
			itr_buf_putc(b, ' ');
		space = false;
		itr_buf_putc(b, *s);
	}
}

/* The same sentence may stand twice below one picture: the k-th matches the k-th. `seen` remembers k; the place of the key in `b`. */
static void match_key(itr_buf *b, itr_map *seen, const char *image, const char *text)
{
	itr_buf_clear(b);
	itr_buf_printf(b, "%s\n", image);
	add_text(b, text);
	int64_t k = itr_map_get(seen, itr_buf_str(b), 0);
	itr_map_set(seen, itr_buf_str(b), k + 1);
	itr_buf_printf(b, "\n%lld", (long long)k);
}

struct annotations {
	struct reading *r;
	itr_map *seen;
	itr_buf key;
};

static int on_annotation(void *ctx, const itr_coco_field *f, itr_err *err)
{
	struct annotations *a = ctx;
	const char *id = itr_coco_id(&f[0]), *image = itr_coco_id(&f[1]);
	(void)err;
	if (!id || !image || !itr_map_add(a->r->annotation_ids, id, 0))
		return 0;
	match_key(&a->key, a->seen, image, itr_buf_str(&f[2].text));
	itr_map_add(a->r->annotations, a->key.data, itr_map_count(a->r->annotation_ids) - 1);
	return 0;
}

static int read_annotations(struct reading *r, const char *dir, itr_err *err)
{
	DIR *d = opendir(dir);
	struct annotations a = { r, itr_map_new(), ITR_BUF_INIT };
	struct dirent *e;
	int rc = d ? 0 : itr_err_errno(err, "cannot read folder '%s'", dir), files = 0;
	r->annotations = itr_map_new();
	r->annotation_ids = itr_map_new();
	while (rc == 0 && d && (e = readdir(d))) {
		if (strncmp(e->d_name, "captions_", 9) || !itr_path_has_suffix(e->d_name, ".json"))
			continue;
		itr_coco_section section = { "annotations", { "id", "image_id", "caption", NULL }, on_annotation, 0 };
		char *path = itr_path_join(dir, e->d_name);
		rc = itr_coco_stream(path, &section, 1, &a, err);
		files++;
		free(path);
	}
	if (d)
		closedir(d);
	if (rc == 0 && files == 0)
		rc = itr_err_set(err, "no captions_*.json in '%s'", dir);
	itr_map_free(a.seen);
	itr_buf_free(&a.key);
	return rc;
}

static char *try_path(const char *a, const char *b, const char *c)
{
	char *dir = b[0] ? itr_path_join(a, b) : itr_xstrdup(a), *path = itr_path_join(dir, c);
	free(dir);
	return path;
}

/* Of a COCO picture, today's name below train2017, val2017 or the folder itself, else the name of 2014; the first that exists, or today's
 * plain one. */
static char *find_picture(const struct reading *r, const char *folder, const char *file, const char *cocoid)
{
	char *new_name = cocoid ? itr_xasprintf("%012lld.jpg", strtoll(cocoid, NULL, 10)) : NULL;
	const char *const tries[][2] = {
		{ "", new_name }, { "train2017", new_name }, { "val2017", new_name }, { folder, file }, { "", file }
	};
	char *path = NULL;
	for (int i = cocoid ? 0 : 3; i < ITR_LEN(tries) && !path; i++) {
		path = try_path(r->images_dir, tries[i][0], tries[i][1]);
		if (!itr_path_exists(path)) {
			free(path);
			path = NULL;
		}
	}
	if (!path)
		path = try_path(r->images_dir, "", cocoid ? new_name : file);
	free(new_name);
	return path;
}

/* The sentence as written or, where the file has only its tokens, those; the caller frees. NULL when it has neither, or nothing that can be
 * used. */
static char *sentence_text(struct reading *r, const itr_json *s, const char *where)
{
	const char *raw = itr_json_str(itr_json_get(s, "raw"), NULL);
	itr_buf b = ITR_BUF_INIT;
	if (raw)
		return itr_intake_caption(raw, strlen(raw), where, r->f);
	for (const itr_json *t = itr_json_first(itr_json_get(s, "tokens")); t; t = itr_json_next(t))
		itr_buf_printf(&b, "%s%s", b.len ? " " : "", itr_json_str(t, ""));
	char *text = b.len ? itr_intake_caption(b.data, b.len, where, r->f) : NULL;
	if (text)
		itr_issues_add(r->f, "sentence without its text (its tokens are taken)", "%s", where);
	else if (!b.len)
		itr_issues_add(r->f, "sentence without text (left out)", "%s", where);
	itr_buf_free(&b);
	return text;
}

static void add_sentence(struct reading *r, itr_record *rec, const char *image, const itr_json *s, itr_map *seen)
{
	char number[64];
	const char *sentid = itr_json_id(itr_json_get(s, "sentid"), number, sizeof number);
	char *where = sentid ? itr_xasprintf("sentid %s of image %s", sentid, image) : itr_xasprintf("image %s", image),
	     *text = sentence_text(r, s, where), *id = NULL;
	itr_buf key = ITR_BUF_INIT;
	if (text && r->annotations) {
		match_key(&key, seen, image, text);
		int64_t at = itr_map_get(r->annotations, key.data, -1);
		if (at >= 0)
			id = itr_xstrdup(itr_map_key(r->annotation_ids, at));
		else
			itr_issues_add(r->f, "sentence without an annotation (kept under Karpathy's id)", "%s", where);
	}
	if (text && !id && !sentid)
		itr_issues_add(r->f, "sentence without 'sentid' (named IMAGE#k)", "%s", where);
	if (text && !id)
		id = sentid ? itr_xasprintf("karpathy:%s", sentid) : itr_xasprintf("%s#%lld", image, (long long)rec->n_captions);
	if (text && itr_map_add(r->sentences, id, 0))
		itr_record_add_caption(r->m, rec, id, text);
	else if (text)
		itr_issues_add(r->f, "sentence id that occurs twice (the first counts)", "%s", id);
	itr_buf_free(&key);
	free(where);
	free(text);
	free(id);
}

/* COCO's id, else the name without its extension, else (another folder has a picture of that name) with its folder; NULL where the picture
 * was there before. */
static char *image_id(struct reading *r, const char *folder, const char *file, const char *cocoid)
{
	char *id = cocoid ? itr_xstrdup(cocoid) : itr_path_replace_extension(file, ""), *place = itr_path_join(folder, file);
	bool known = !itr_map_add(r->places, place, 0) && !cocoid, added = !known && itr_map_add(r->ids, id, 0);
	if (!added && !known && !cocoid) {
		free(id);
		id = itr_xstrdup(place);
		added = itr_map_add(r->ids, id, 0);
	}
	if (!added) {
		itr_issues_add(r->f, "image id that occurs twice (the first counts)", "%s", id);
		free(id);
		id = NULL;
	}
	free(place);
	return id;
}

static void add_image(struct reading *r, const itr_json *j)
{
	char number[64];
	const itr_json *jsplit = itr_json_get(j, "split");
	const char *file = itr_json_str(itr_json_get(j, "filename"), NULL), *folder = itr_json_str(itr_json_get(j, "filepath"), "");
	const char *cocoid = itr_json_id(itr_json_get(j, "cocoid"), number, sizeof number);
	const bool none = !jsplit || itr_json_is_null(jsplit);
	const int split = itr_split_find(itr_json_str(jsplit, NULL));
	if (!file || !itr_path_is_safe(file) || (folder[0] && !itr_path_is_safe(folder)) || (!none && split < 0)) {
		itr_issues_add(r->f, "image without a usable filename or split (left out)", "%s", file ? file : "?");
		return;
	}
	char *id = image_id(r, folder, file, cocoid);
	if (!id)
		return;
	char *image = find_picture(r, folder, file, cocoid);
	itr_record *rec = itr_manifest_add(r->m, id, image);
	itr_map *seen = itr_map_new();
	rec->split = none ? NULL : itr_split_names[split];
	for (const itr_json *s = itr_json_first(itr_json_get(j, "sentences")); s; s = itr_json_next(s))
		add_sentence(r, rec, id, s, seen);
	if (rec->n_captions == 0) {
		itr_issues_add(r->f, "image without a caption (left out)", "%s", id);
		r->m->n--;
	}
	itr_map_free(seen);
	free(image);
	free(id);
}

static int read_images(struct reading *r, itr_jsonpull *p, itr_err *err)
{
	itr_jp t = itr_jsonpull_next(p, err);
	if (t != ITR_JP_ARRAY)
		return t == ITR_JP_ERROR ? -1 : itr_err_set(err, "'%s': 'images' is not a list", r->path);
	while ((t = itr_jsonpull_peek(p, err)) == ITR_JP_OBJECT) {
		const int64_t before = itr_jsonpull_replaced(p);
		itr_json *j = itr_jsonpull_tree(p, err);
		if (!j)
			return -1;
		if (itr_jsonpull_replaced(p) > before)
			itr_issues_add(r->f, "image or caption with invalid UTF-8 (U+FFFD in its place)", "%s",
			                 itr_json_str(itr_json_get(j, "filename"), "?"));
		add_image(r, j);
		itr_json_free(j);
	}
	if (t == ITR_JP_ERROR)
		return -1;
	return itr_jsonpull_next(p, err) == ITR_JP_ARRAY_END
	               ? 0
	               : itr_err_set(err, "'%s': 'images' holds something that is not an object", r->path);
}

static int read_file(struct reading *r, itr_err *err)
{
	itr_jsonpull *p = itr_jsonpull_open(r->path, err);
	if (!p)
		return -1;
	itr_jsonpull_replace_invalid(p);        /* one bad caption must not cost the others */
	itr_jp t = itr_jsonpull_next(p, err);
	int rc = t == ITR_JP_OBJECT  ? 0
	         : t == ITR_JP_ERROR ? -1
	                             : itr_err_set(err, "'%s' is none of Karpathy's files: it is not an object", r->path);
	bool found = false;
	while (rc == 0 && (t = itr_jsonpull_next(p, err)) == ITR_JP_KEY) {
		bool images = !strcmp(itr_jsonpull_text(p), "images");
		found |= images;
		rc = images ? read_images(r, p, err) : itr_jsonpull_skip(p, err);
	}
	if (rc == 0 && t != ITR_JP_OBJECT_END)
		rc = -1;
	if (rc == 0 && !found)
		rc = itr_err_set(err, "'%s' is none of Karpathy's files: it has no 'images'", r->path);
	itr_jsonpull_close(p);
	return rc;
}

static int read_karpathy(itr_manifest *m, const itr_reader_opts *o, itr_issues *f, itr_err *err)
{
	if (!o->source)
		return itr_err_set(err, "which file? --from karpathy dataset_coco.json");
	char *dir = itr_path_dirname(o->source);
	struct reading r = { .m = m,
		             .f = f,
		             .images_dir = o->images_dir ? o->images_dir : dir,
		             .path = o->source,
		             .ids = itr_map_new(),
		             .places = itr_map_new(),
		             .sentences = itr_map_new() };
	int rc = o->annotations_dir ? read_annotations(&r, o->annotations_dir, err) : 0;
	if (rc == 0)
		rc = read_file(&r, err);
	if (rc == 0 && o->provenance)
		itr_provenance_input(o->provenance, o->source);
	if (rc == 0)
		itr_intake_drop_unsplit(m, "image without a split, where others have one (left out)", f);
	if (rc == 0 && m->n == 0 && itr_issues_count(f, NULL) == 0)
		rc = itr_err_set(err, "'%s' lists no captioned images", o->source);
	itr_map_free(r.ids);
	itr_map_free(r.places);
	itr_map_free(r.sentences);
	if (r.annotations)
		itr_map_free(r.annotations);
	if (r.annotation_ids)
		itr_map_free(r.annotation_ids);
	free(dir);
	return rc;
}

const itr_reader itr_reader_karpathy = { "karpathy", "Karpathy's split files (dataset_coco.json, dataset_flickr8k.json)", false,
	                                 read_karpathy };
