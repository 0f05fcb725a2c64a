/* reader_flickr.c - Flickr8k, Flickr30k and every other list of pictures and captions (caption_list.h) that lies beside its pictures. The
 * official lists Flickr_8k.{train,dev,test}Images.txt, or a column `split`, give the parts. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/caption_list.h"
#include "data/intake.h"
#include "data/readers.h"
#include "data/split.h"
#include "io/textfile.h"

struct reading {
	itr_manifest *m;
	itr_issues *f;
	itr_map *rows, *ids, *splits;   /* picture -> row of m; ids taken; picture -> part */
	const char *path, *images;
};

/* The name without its extension; where a.jpg and a.png are both listed, the second keeps its own. */
static char *record_id(struct reading *r, const char *image)
{
	char *id = itr_path_replace_extension(image, "");
	if (itr_map_add(r->ids, id, 0))
		return id;
	free(id);
	itr_map_add(r->ids, image, 0);
	return itr_xstrdup(image);
}

/* The part that a row names; the first row of a picture decides. */
static void take_split(struct reading *r, itr_record *rec, const itr_caption_row *row)
{
	if (!row->split || !row->split[0])
		return;
	const int part = itr_split_find(row->split);
	if (part < 0)
		itr_issues_add(r->f, "row with an unknown split", "%s:%lld: '%s'", r->path, (long long)row->line, row->split);
	else if (!rec->split)
		rec->split = itr_split_names[part];
	else if (strcmp(rec->split, itr_split_names[part]))
		itr_issues_add(r->f, "picture in two parts (the first counts)", "%s:%lld: %s", r->path, (long long)row->line, rec->image);
}

static void on_row(void *ctx, const itr_caption_row *row)
{
	struct reading *r = ctx;
	const char *why;
	char *where = itr_xasprintf("%s:%lld", r->path, (long long)row->line),
	     *image = itr_intake_picture(r->images, row->image, row->image_n, &why);
	char *text = image ? itr_intake_caption(row->text, row->text_n, where, r->f) : NULL;
	if (!image)
		itr_issues_add(r->f, "picture with a name that leaves its folder or is not UTF-8 (left out)", "%s: '%.80s': %s", where,
		                 row->image, why);
	if (text) {
		int64_t at = itr_map_get(r->rows, image, -1);
		if (at < 0) {
			at = r->m->n;
			char *id = record_id(r, image);
			itr_manifest_add(r->m, id, image);
			itr_map_add(r->rows, image, at);
			free(id);
		}
		itr_record *rec = &r->m->records[at];
		char *id = itr_xasprintf("%s#%lld", image, (long long)rec->n_captions);
		itr_record_add_caption(r->m, rec, id, text);
		take_split(r, rec, row);
		free(id);
	}
	free(where);
	free(image);
	free(text);
}

/* The names of one official list. */
static int read_list(struct reading *r, const char *path, int part, itr_err *err)
{
	itr_textfile *t = itr_textfile_open(path, err);
	const char *s, *why;
	size_t n;
	int rc = t ? 0 : -1;
	while (t && (rc = itr_textfile_line(t, &s, &n, err)) > 0) {
		while (n && isspace((unsigned char)*s))
			s++, n--;
		while (n && isspace((unsigned char)s[n - 1]))
			n--;
		char *image = n ? itr_intake_picture(r->images, s, n, &why) : NULL;
		if (n && !image)
			itr_issues_add(r->f, "line of an official list that names no picture", "%s:%lld: %s", path,
			                 (long long)itr_textfile_number(t), why);
		else if (n && !itr_map_add(r->splits, image, part) && itr_map_get(r->splits, image, part) != part)
			itr_issues_add(r->f, "picture in two official lists (the first counts)", "%s", image);
		free(image);
	}
	itr_textfile_close(t);
	return rc;
}

static int read_splits(struct reading *r, const char *dir, itr_err *err)
{
	static const struct { const char *name; int part;
	} lists[] = {
		{ "Flickr_8k.trainImages.txt", ITR_TRAIN },
		{ "Flickr_8k.devImages.txt", ITR_VAL },
		{ "Flickr_8k.testImages.txt", ITR_TEST },
	};
	for (int i = 0; i < ITR_LEN(lists); i++) {
		char *path = itr_path_join(dir, lists[i].name);
		int rc = itr_path_exists(path) ? read_list(r, path, lists[i].part, err) : 0;
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
static void finish(struct reading *r)
{
	const bool official = itr_map_count(r->splits) > 0;
	for (int64_t i = 0; i < r->m->n && official; i++) {
		const int64_t part = itr_map_get(r->splits, r->m->records[i].image, -1);
		r->m->records[i].split = part < 0 ? NULL : itr_split_names[part];
	}
	itr_intake_drop_unsplit(
		r->m, official ? "picture in no official list (left out)" : "picture in no part, where others are in one (left out)", r->f);
	for (int64_t i = 0; i < r->m->n; i++) {
		char *path = itr_path_join(r->images, r->m->records[i].image);
		r->m->records[i].image = itr_manifest_str(r->m, path);
		free(path);
	}
}

static int read_flickr(itr_manifest *m, const itr_reader_opts *o, itr_issues *f, itr_err *err)
{
	static const char *const texts[] = { "captions.txt", "captions.csv", "results.csv", "Flickr8k.token.txt",
		                             "results_20130124.token" },
				 *const folders[] = { "Images", "images", "Flicker8k_Dataset", "flickr30k_images", "flickr30k-images" };
	if (!o->source)
		return itr_err_set(err, "which folder? --from flickr DIR");
	char *text = itr_path_is_dir(o->source) ? first_existing(o->source, texts, ITR_LEN(texts)) : itr_xstrdup(o->source);
	if (!text)
		return itr_err_set(err,
		                   "neither captions.txt nor captions.csv, results.csv or Flickr8k.token.txt lies in '%s'; a list of "
		                   "another name: --from flickr FILE",
		                   o->source);
	char *dir = itr_path_dirname(text),
	     *images = o->images_dir ? itr_xstrdup(o->images_dir) : first_existing(dir, folders, ITR_LEN(folders));
	struct reading r = { .m = m,
		             .f = f,
		             .rows = itr_map_new(),
		             .ids = itr_map_new(),
		             .splits = itr_map_new(),
		             .path = text,
		             .images = images ? images : dir };
	int rc = itr_caption_list_read(text, r.images, f, on_row, &r, err);
	if (rc == 0)
		rc = read_splits(&r, dir, err);
	if (rc == 0)
		finish(&r);
	if (rc == 0 && o->provenance)
		itr_provenance_input(o->provenance, text);
	if (rc == 0 && m->n == 0 && itr_issues_count(f, NULL) == 0)
		rc = itr_err_set(err, "'%s' has no captions", text);
	itr_map_free(r.rows);
	itr_map_free(r.ids);
	itr_map_free(r.splits);
	free(text);
	free(dir);
	free(images);
	return rc;
}

const itr_reader itr_reader_flickr = { "flickr", "Flickr8k, Flickr30k or any list of pictures and captions (CSV) with its pictures", false,
	                               read_flickr };
