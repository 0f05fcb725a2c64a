/* reader_coco.c - COCO captions and, when they are there, instances (the categories of a picture become its labels): in a folder of
 * annotations, or one file by its name. Sections may come in any order: captions are kept until all pictures are known. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "data/coco_json.h"
#include "data/intake.h"
#include "data/readers.h"

struct caption {
	int64_t image;                  /* number of the image id */
	const char *id, *text;          /* id NULL: the file gives none */
};

struct label {
	int32_t image, category;
};

struct reading {
	itr_manifest *m;
	itr_issues *f;
	const char *dir;                /* of the pictures */
	itr_map *images;                /* image id -> number, from whichever section names it first */
	ITR_VEC(int64_t) record;        /* number -> row of m, -1 unknown */
	itr_map *caption_ids, *categories;
	ITR_VEC(struct caption) captions;
	ITR_VEC(struct label) labels;
	ITR_VEC(const char *) names;    /* of categories */
	ITR_VEC(int32_t) order;         /* place in the file's list */
	int32_t n_categories;
	int64_t unnamed;                /* captions without an id */
	bool synthetic;
};

static int64_t number_of(struct reading *r, const char *id)
{
	int64_t n = itr_map_count(r->images);
	if (!itr_map_add(r->images, id, n))
		return itr_map_get(r->images, id, 0);
	ITR_VEC_PUSH(&r->record, -1);
	if (itr_coco_id_is_big(id))
		itr_issues_add(r->f, "id beyond 2^53 (kept digit by digit)", "image %s", id);
	return n;
}

/* Files that fetch-coco --synthetic wrote say so: what is made of them stays marked. */
static int on_info(void *ctx, const itr_coco_field *f, itr_err *err)
{
	struct reading *r = ctx;
	(void)err;
	r->synthetic |= f[0].type == ITR_JP_TRUE;
	return 0;
}

static int on_image(void *ctx, const itr_coco_field *f, itr_err *err)
{
	struct reading *r = ctx;
	const itr_coco_field *name = f[1].type == ITR_JP_STRING ? &f[1] : &f[5];
	const char *id = itr_coco_id(&f[0]), *file = itr_buf_str(&name->text), *why;
	(void)err;
	if (!id || !file[0]) {
		itr_issues_add(r->f, "image without id or file_name (left out)", "%s", id ? id : file);
		return 0;
	}
	if (name->replaced) {           /* no file on disk has the name that is left */
		itr_issues_add(r->f, "image with invalid UTF-8 in its file_name (left out)", "%s: %s", id, file);
		return 0;
	}
	char *path = itr_intake_picture(r->dir, file, name->text.len, &why);
	int64_t n = path ? number_of(r, id) : -1;
	if (!path) {
		itr_issues_add(r->f, "image with a file_name that leaves its folder (left out)", "%s: %s", id, file);
	} else if (r->record.v[n] >= 0) {
		itr_issues_add(r->f, "image id that occurs twice (the first counts)", "%s", id);
	} else {
		r->record.v[n] = r->m->n;
		itr_record *rec = itr_manifest_add(r->m, id, path);
		rec->width = strtoll(itr_buf_str(&f[2].text), NULL, 10);
		rec->height = strtoll(itr_buf_str(&f[3].text), NULL, 10);
		if (f[4].type == ITR_JP_STRING)
			rec->url = itr_manifest_str(r->m, itr_buf_str(&f[4].text));
	}
	free(path);
	return 0;
}

static int on_caption(void *ctx, const itr_coco_field *f, itr_err *err)
{
	struct reading *r = ctx;
	const bool named = f[0].type != ITR_JP_END && f[0].type != ITR_JP_NULL;
	const char *id = itr_coco_id(&f[0]), *image = itr_coco_id(&f[1]), *text = itr_buf_str(&f[2].text);
	(void)err;
	if ((named && !id) || !image || f[2].type != ITR_JP_STRING) {
		itr_issues_add(r->f, "caption without id, image_id or text (left out)", "id %s, image %s", id ? id : "?",
		                 image ? image : "?");
		return 0;
	}
	char *where = named ? itr_xstrdup(id) : itr_xasprintf("image %s", image),
	     *clean = itr_intake_caption(text, f[2].text.len, where, r->f);
	if (clean && named && !itr_map_add(r->caption_ids, id, 0)) {
		itr_issues_add(r->f, "caption id that occurs twice (the first counts)", "%s", id);
	} else if (clean) {
		if (f[2].replaced)
			itr_issues_add(r->f, "caption with invalid UTF-8 (U+FFFD in its place)", "%s: %s", where, clean);
		if (named && itr_coco_id_is_big(id))
			itr_issues_add(r->f, "id beyond 2^53 (kept digit by digit)", "caption %s", id);
		ITR_VEC_PUSH(&r->captions,
		             ((struct caption){ number_of(r, image), itr_manifest_str(r->m, id), itr_manifest_str(r->m, clean) }));
	}
	free(where);
	free(clean);
	return 0;
}

/* IMAGE#k for the k-th caption of an image that the file gives no id. */
static void add_unnamed(struct reading *r, itr_record *rec, const char *text)
{
	int64_t k = rec->n_captions;
	char *id = itr_xasprintf("%s#%lld", rec->id, (long long)k);
	while (!itr_map_add(r->caption_ids, id, 0)) {
		free(id);
		id = itr_xasprintf("%s#%lld", rec->id, (long long)++k);
	}
	itr_record_add_caption(r->m, rec, id, text);
	free(id);
	r->unnamed++;
}

static int32_t category_of(struct reading *r, const char *id)
{
	if (itr_map_add(r->categories, id, (int64_t)r->names.n)) {
		ITR_VEC_PUSH(&r->names, NULL);
		ITR_VEC_PUSH(&r->order, 0);
	}
	return (int32_t)itr_map_get(r->categories, id, 0);
}

static int on_instance(void *ctx, const itr_coco_field *f, itr_err *err)
{
	struct reading *r = ctx;
	const char *image = itr_coco_id(&f[0]), *category = itr_coco_id(&f[1]);
	(void)err;
	int64_t n = image ? itr_map_get(r->images, image, -1) : -1;
	if (!image || !category)
		itr_issues_add(r->f, "instance without image_id or category_id (left out)", "image %s", image ? image : "?");
	else if (n < 0 || r->record.v[n] < 0)
		itr_issues_add(r->f, "instance of an unknown image (left out)", "image %s", image);
	else
		ITR_VEC_PUSH(&r->labels, ((struct label){ (int32_t)r->record.v[n], category_of(r, category) }));
	return 0;
}

static int on_category(void *ctx, const itr_coco_field *f, itr_err *err)
{
	struct reading *r = ctx;
	const char *id = itr_coco_id(&f[0]), *name = itr_buf_str(&f[1].text);
	(void)err;
	if (!id || !name[0]) {
		itr_issues_add(r->f, "category without id or name (left out)", "%s", id ? id : name);
		return 0;
	}
	if (f[1].replaced)
		itr_issues_add(r->f, "category with invalid UTF-8 in its name (U+FFFD in its place)", "%s: %s", id, name);
	int32_t c = category_of(r, id);
	r->names.v[c] = itr_manifest_str(r->m, name);
	r->order.v[c] = r->n_categories++;
	return 0;
}

static int read_captions(struct reading *r, const char *path, itr_err *err)
{
	itr_coco_section sections[] = {
		{ "images", { "id", "file_name", "width", "height", "coco_url", "filename", NULL }, on_image, 0 },
		{ "annotations", { "id", "image_id", "caption", NULL }, on_caption, 0 },
		{ "info", { "synthetic", NULL }, on_info, 0 },
	};
	if (itr_coco_stream(path, sections, ITR_LEN(sections), r, err) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (sections[i].count < 0)
			return itr_err_set(err, "'%s' is no COCO captions file: it has no '%s'", path, sections[i].name);
	for (size_t i = 0; i < r->captions.n; i++) {
		const struct caption *c = &r->captions.v[i];
		int64_t row = r->record.v[c->image];
		if (row < 0)
			itr_issues_add(r->f, "caption of an unknown image (left out)", "%s: image %s", c->id ? c->id : "?",
			                 itr_map_key(r->images, c->image));
		else if (c->id)
			itr_record_add_caption(r->m, &r->m->records[row], c->id, c->text);
		else
			add_unnamed(r, &r->m->records[row], c->text);
	}
	if (r->unnamed)
		itr_issues_add(r->f, "captions without an id (named IMAGE#k)", "%s: %lld", path, (long long)r->unnamed);
	return 0;
}

static int by_image(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	return x->image != y->image ? (x->image < y->image ? -1 : 1) : x->category < y->category ? -1 : x->category > y->category;
}

static int read_instances(struct reading *r, const char *path, itr_err *err)
{
	itr_coco_section sections[] = {
		{ "annotations", { "image_id", "category_id", NULL }, on_instance, 0 },
		{ "categories", { "id", "name", NULL }, on_category, 0 },
	};
	if (itr_coco_stream(path, sections, 2, r, err) < 0)
		return -1;
	for (size_t i = 0; i < r->labels.n; i++) {
		struct label *l = &r->labels.v[i];
		if (!r->names.v[l->category]) {
			itr_issues_add(r->f, "instance of an unknown category (left out)", "category %s",
			                 itr_map_key(r->categories, l->category));
			l->category = -1;
		}
	}
	/* from here on `category` is the place in the file's list, so that labels come in that order */
	const char **by_order = itr_xcalloc((size_t)ITR_MAX(r->n_categories, 1), sizeof *by_order);
	for (size_t c = 0; c < r->names.n; c++)
		if (r->names.v[c])
			by_order[r->order.v[c]] = r->names.v[c];
	for (size_t i = 0; i < r->labels.n; i++)
		if (r->labels.v[i].category >= 0)
			r->labels.v[i].category = r->order.v[r->labels.v[i].category];
	if (r->labels.n)
		qsort(r->labels.v, r->labels.n, sizeof *r->labels.v, by_image);
	for (size_t i = 0; i < r->labels.n; i++) {
		const struct label *l = &r->labels.v[i];
		if (l->category >= 0 && (i == 0 || by_image(l, l - 1) != 0))
			itr_record_add_label(r->m, &r->m->records[l->image], by_order[l->category]);
	}
	free(by_order);
	return 0;
}

/* DIR/NAME or DIR/SUBSET/NAME, whichever is there; the first when neither is. */
static void find_picture(itr_manifest *m, itr_record *r, const char *dir, const char *subset)
{
	char *plain = itr_path_join(dir, r->image), *below = itr_path_join(dir, subset), *deeper = itr_path_join(below, r->image),
	     *images = itr_path_join(dir, "images"), *scene = itr_path_join(images, r->image);
	r->image = itr_manifest_str(m, itr_path_exists(plain)    ? plain
	                               : itr_path_exists(deeper) ? deeper
	                               : itr_path_exists(scene)  ? scene
	                                                         : plain);
	free(plain);
	free(below);
	free(deeper);
	free(images);
	free(scene);
}

/* Drops pictures without captions and says where the others lie. */
static void finish(struct reading *r, const char *dir, const char *subset)
{
	int64_t kept = 0;
	for (int64_t i = 0; i < r->m->n; i++) {
		itr_record *rec = &r->m->records[i];
		if (rec->n_captions == 0) {
			itr_issues_add(r->f, "image without a caption (left out)", "%s", rec->id);
			continue;
		}
		find_picture(r->m, rec, dir, subset);
		rec->synthetic = r->synthetic;
		r->m->records[kept++] = *rec;
	}
	r->m->n = kept;
	r->m->synthetic |= r->synthetic;
}

static const char no_labels[] = "no instances file, hence no labels";

/* Where everything lies. A source that is a file is the captions file; its pictures are beside it, or beside its folder when that is called
 * annotations. */
struct place {
	char *annotations, *captions, *subset, *images;
};

static int find_files(struct place *p, const itr_reader_opts *o, itr_err *err)
{
	const char *source = o->source ? o->source : ".";
	const bool file = itr_path_exists(source) && !itr_path_is_dir(source);
	char *folder = file ? itr_path_dirname(source) : itr_xstrdup(source);
	p->annotations = o->annotations_dir ? itr_xstrdup(o->annotations_dir)
	                 : file             ? itr_xstrdup(folder)
	                                    : itr_path_join(folder, "annotations");
	if (file) {
		const char *name = itr_path_basename(source);
		p->captions = itr_xstrdup(source);
		p->subset = o->subset ? itr_xstrdup(o->subset)
		                      : itr_path_replace_extension(strncmp(name, "captions_", 9) ? name : name + 9, "");
		if (!strcmp(itr_path_basename(folder), "annotations")) {
			char *above = itr_path_dirname(folder);
			free(folder);
			folder = above;
		}
	} else {
		p->captions = itr_coco_find(p->annotations, "captions", o->subset, &p->subset, err);
	}
	p->images = itr_xstrdup(o->images_dir ? o->images_dir : folder);
	free(folder);
	return p->captions ? 0 : -1;
}

static int read_labels(struct reading *r, const struct place *p, itr_provenance *provenance, itr_err *err)
{
	char *instances = itr_coco_find(p->annotations, "instances", p->subset, NULL, NULL);
	int rc = instances ? read_instances(r, instances, err) : 0;
	if (instances && provenance)
		itr_provenance_input(provenance, instances);
	if (!instances)
		itr_issues_add(r->f, no_labels, "%s/instances_%s.json", p->annotations, p->subset);
	free(instances);
	return rc;
}

static int read_coco(itr_manifest *m, const itr_reader_opts *o, itr_issues *f, itr_err *err)
{
	struct place p = { 0 };
	struct reading r = { .m = m, .f = f, .images = itr_map_new(), .caption_ids = itr_map_new(), .categories = itr_map_new() };
	int rc = find_files(&p, o, err);
	r.dir = p.images;
	if (rc == 0)
		rc = read_captions(&r, p.captions, err);
	if (rc == 0 && o->provenance)
		itr_provenance_input(o->provenance, p.captions);
	if (rc == 0)
		rc = read_labels(&r, &p, o->provenance, err);
	if (rc == 0)
		finish(&r, p.images, p.subset);
	if (rc == 0 && m->n == 0 && itr_issues_count(f, NULL) == itr_issues_count(f, no_labels))
		rc = itr_err_set(err, "'%s' has no captioned images", p.captions);
	itr_map_free(r.images);
	itr_map_free(r.caption_ids);
	itr_map_free(r.categories);
	ITR_VEC_FREE(&r.record);
	ITR_VEC_FREE(&r.captions);
	ITR_VEC_FREE(&r.labels);
	ITR_VEC_FREE(&r.names);
	ITR_VEC_FREE(&r.order);
	free(p.annotations);
	free(p.captions);
	free(p.subset);
	free(p.images);
	return rc;
}

const itr_reader itr_reader_coco = { "coco", "COCO captions and instances (JSON) with their pictures, in a folder or one file", false,
	                             read_coco };
