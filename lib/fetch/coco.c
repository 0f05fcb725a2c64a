/* The sequence of steps; each step has its own file. */
#include "fetch/coco.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/coco_json.h"
#include "data/dataset.h"
#include "data/readers.h"
#include "data/split.h"
#include "fetch/coco_internal.h"

const char itr_coco_base_url[] = "http://images.cocodataset.org";      /* https: the certificate does not match the name */
const char itr_coco_annotations_url[] = "http://images.cocodataset.org/annotations/annotations_trainval2017.zip";

const char *itr_coco_opts_check(const itr_coco_opts *o)
{
	if (o->n_subsets < 1)
		return "which subset? '--subset val2017' or '--subset train2017'";
	for (int i = 0; i < o->n_subsets; i++) {
		if (!itr_path_is_safe(o->subsets[i]) || strchr(o->subsets[i], '/'))
			return "the name of a subset is a plain name like 'val2017'";
		for (int k = 0; k < i; k++)
			if (strcmp(o->subsets[i], o->subsets[k]) == 0)
				return "the same subset is named twice";
	}
	if (o->split && !o->karpathy)
		return "'--split' chooses a part of an official split: it needs '--karpathy FILE'";
	if (o->near > ITR_PHASH_MAX_DISTANCE)
		return "the distance of near-duplicates is at most 7 of 128 bits";
	return itr_http_opts_check(&o->http);
}

bool coco_stopped(const coco_run *c) { return c->o->stop && *c->o->stop; }

const char *coco_file(const coco_run *c, const itr_record *r) { return r->image + strlen(c->m->root) + 1; }

/* --- annotations and records --------------------------------------------------------------------------------------------------- */

static int get_annotations(coco_run *c, itr_http *client, const char *dir, itr_err *err)
{
	char *names[2 * ITR_COCO_SUBSETS];
	bool required[2 * ITR_COCO_SUBSETS], before[2 * ITR_COCO_SUBSETS];
	int n = 0, rc;
	for (int i = 0; i < c->o->n_subsets; i++) {
		required[n] = true;
		names[n++] = itr_xasprintf("captions_%s.json", c->o->subsets[i]);
		required[n] = false;
		names[n++] = itr_xasprintf("instances_%s.json", c->o->subsets[i]);
	}
	for (int i = 0; i < n; i++) {
		char *path = itr_path_join(dir, names[i]);
		before[i] = itr_path_exists(path);
		free(path);
	}
	void *p = c->o->progress.begin ? c->o->progress.begin(c->o->progress.ctx, "annotations", "files", n) : NULL;
	rc = itr_annotations_fetch(client, c->o->annotations_url ? c->o->annotations_url : itr_coco_annotations_url, dir,
	                           (const char *const *)names, required, n, &c->r->annotations, err);
	if (p && c->o->progress.end)
		c->o->progress.end(p);
	for (int i = 0; i < n; i++) {
		char *path = itr_path_join(dir, names[i]), *file = itr_xasprintf("annotations/%s", names[i]);
		itr_pin pin = { .bytes = itr_path_size(path) };
		if (rc == 0 && !before[i] && pin.bytes >= 0)
			rc = itr_sha256_file(path, pin.sha256, err) < 0 || itr_pins_add(c->pins, file, &pin, err) < 0 ? -1 : 0;
		free(path);
		free(file);
		free(names[i]);
	}
	return rc;
}

static void append(itr_manifest *to, const itr_manifest *from)
{
	to->synthetic |= from->synthetic;
	for (int64_t i = 0; i < from->n; i++) {
		const itr_record *r = &from->records[i];
		itr_record *n = itr_manifest_add(to, r->id, r->image);
		n->width = r->width;
		n->height = r->height;
		n->url = itr_manifest_str(to, r->url);
		n->split = itr_manifest_str(to, r->split);
		n->synthetic = r->synthetic;
		for (int64_t k = 0; k < r->n_captions; k++)
			itr_record_add_caption(to, n, r->captions[k].id, r->captions[k].text);
		for (int64_t k = 0; k < r->n_labels; k++)
			itr_record_add_label(to, n, r->labels[k]);
	}
}

/* A picture's place in its subset: its file_name with its folders, for two of them may share a name, but for the subset's own, which some
 * files repeat. */
static const char *place(const char *image, const char *images_dir, const char *subset)
{
	const size_t n = strlen(images_dir), s = strlen(subset);
	if (strncmp(image, images_dir, n) || image[n] != '/')
		return itr_path_basename(image);
	image += n + 1;
	return !strncmp(image, subset, s) && image[s] == '/' ? image + s + 1 : image;
}

/* Sets the path of each image: DIR/SUBSET/NAME, even if the reader found it elsewhere. */
static void set_places(coco_run *c, itr_manifest *m, const char *subset, const char *images_dir)
{
	const char *base = c->o->base_url ? c->o->base_url : itr_coco_base_url;
	for (int64_t i = 0; i < m->n; i++) {
		itr_record *r = &m->records[i];
		char *file = itr_xasprintf("%s/%s", subset, place(r->image, images_dir, subset)),
		     *image = itr_xasprintf("%s/%s", c->o->dir, file), *url = itr_http_join(base, file);
		r->image = itr_manifest_str(m, image);
		r->url = itr_manifest_str(m, url);
		free(file);
		free(image);
		free(url);
	}
}

/* The first subset goes into the manifest itself: train2017's captions are not held twice. */
static int read_subset(coco_run *c, const itr_reader *reader, const char *annotations, const char *subset, itr_err *err)
{
	char *images = itr_path_join(c->o->dir, subset);
	itr_reader_opts ro = { .annotations_dir = annotations, .images_dir = images, .subset = subset, .provenance = c->o->provenance };
	itr_manifest other, *m = c->m->n ? &other : c->m;
	if (m == &other)
		itr_manifest_init(m);
	int rc = reader->read(m, &ro, c->f, err);
	if (rc == 0)
		set_places(c, m, subset, images);
	if (rc == 0 && m == &other)
		append(c->m, m);
	if (m == &other)
		itr_manifest_free(m);
	free(images);
	return rc;
}

static int unique_ids(const itr_manifest *m, itr_err *err)
{
	itr_map *seen = itr_map_new();
	int rc = 0;
	for (int64_t i = 0; i < m->n && rc == 0; i++)
		if (!itr_map_add(seen, m->records[i].id, i))
			rc = itr_err_set(err, "image %s is in more than one subset: '%s' and '%s'", m->records[i].id,
			                 m->records[itr_map_get(seen, m->records[i].id, 0)].image, m->records[i].image);
	itr_map_free(seen);
	return rc;
}

/* --- Karpathy's split ---------------------------------------------------------------------------------------------------------- */

static int on_karpathy(void *ctx, const itr_coco_field *f, itr_err *err)
{
	const char *id = itr_coco_id(&f[0]), *split = itr_buf_str(&f[1].text);
	(void)err;
	const int part = itr_split_find(split);
	if (id && part >= 0)
		itr_map_add(ctx, id, part);
	return 0;
}

/* Images that are not in the file are dropped; entries of the file that are in no subset are counted. */
static int apply_karpathy(coco_run *c, itr_err *err)
{
	itr_coco_section section = { "images", { "cocoid", "split", NULL }, on_karpathy, 0 };
	itr_map *parts = itr_map_new();
	int rc = itr_coco_stream(c->o->karpathy, &section, 1, parts, err);
	if (rc == 0 && itr_map_count(parts) == 0)
		rc = itr_err_set(err, "'%s' is not Karpathy's dataset_coco.json: no image has 'cocoid' and 'split'", c->o->karpathy);
	int64_t kept = 0;
	for (int64_t i = 0; rc == 0 && i < c->m->n; i++) {
		itr_record *r = &c->m->records[i];
		int64_t part = itr_map_get(parts, r->id, -1);
		if (part < 0) {
			itr_issues_add(c->f, "image without a part in Karpathy's split (left out)", "%s", r->id);
			continue;
		}
		r->split = itr_split_names[part];
		if (!c->split || strcmp(c->split, r->split) == 0)
			c->m->records[kept++] = *r;
	}
	if (rc == 0) {
		itr_info("%lld of the %lld images of '%s' are in the subsets asked for%s%s", (long long)kept,
		         (long long)itr_map_count(parts), c->o->karpathy, c->split ? ", part " : "", c->split ? c->split : "");
		c->m->n = kept;
		if (!kept)
			rc = itr_err_set(err, "no image is left: Karpathy's 'test' and 'val' lie in both val2017 and train2017 (--subset "
			                      "val2017,train2017)");
	}
	itr_map_free(parts);
	return rc;
}

static void count_captions(coco_run *c)
{
	c->m->n_captions = c->r->five = 0;
	for (int64_t i = 0; i < c->m->n; i++) {
		c->m->n_captions += c->m->records[i].n_captions;
		c->r->five += ITR_MIN(c->m->records[i].n_captions, 5);
	}
}

/* The published sizes (Karpathy: sums of the splits of his file). Another size is reported, but not an error: the annotations may be the
 * user's. -1: unknown. */
static void expect_counts(coco_run *c)
{
	static const struct {
		const char *of;
		int64_t images, captions;
	} known[] = {
		{ "val2017", 5000, -1 }, { "train", 82783, -1 }, { "restval", 30504, -1 }, { "val", 5000, -1 }, { "test", 5000, 25010 }
	};
	bool karpathy = c->o->karpathy && c->o->n_subsets > 1;          /* one subset alone never has a whole part */
	if (c->limit || (c->o->karpathy ? !karpathy : c->o->n_subsets != 1))
		return;
	for (int i = 0; i < ITR_LEN(known); i++) {
		int64_t images = 0, captions = 0;
		bool asked = karpathy ? !strstr(known[i].of, "2017") && (!c->split || strcmp(known[i].of, c->split) == 0)
		                      : strcmp(known[i].of, c->o->subsets[0]) == 0;
		for (int64_t k = 0; k < c->m->n && asked; k++)
			if (!karpathy || strcmp(c->m->records[k].split, known[i].of) == 0) {
				images++;
				captions += c->m->records[k].n_captions;
			}
		if (asked && images != known[i].images)
			itr_issues_add(c->f, "another number of images than COCO's own", "%s: %lld, not %lld", known[i].of,
			                 (long long)images, (long long)known[i].images);
		if (asked && known[i].captions >= 0 && captions != known[i].captions)
			itr_issues_add(c->f, "another number of captions than COCO's own", "%s: %lld, not %lld", known[i].of,
			                 (long long)captions, (long long)known[i].captions);
	}
}

static int read_records(coco_run *c, const char *annotations, itr_err *err)
{
	const itr_reader *reader = itr_reader_find("coco", err);
	int rc = reader ? 0 : -1;
	free(c->m->root);
	c->m->root = itr_xstrdup(c->o->dir);
	for (int i = 0; i < c->o->n_subsets && rc == 0; i++)
		rc = read_subset(c, reader, annotations, c->o->subsets[i], err);
	if (rc == 0)
		rc = unique_ids(c->m, err);
	if (rc == 0 && c->o->karpathy)
		rc = apply_karpathy(c, err);
	if (rc < 0)
		return -1;
	if (c->m->synthetic)
		itr_provenance_set_synthetic(c->o->provenance);
	if (c->o->karpathy)
		itr_provenance_input(c->o->provenance, c->o->karpathy);
	itr_dataset_limit(c->m, c->limit, c->seed);
	count_captions(c);
	expect_counts(c);
	if (c->r->five != c->m->n_captions)
		itr_info("%lld captions of %lld images; tools that keep five an image use %lld: say which with every figure",
		         (long long)c->m->n_captions, (long long)c->m->n, (long long)c->r->five);
	return 0;
}

/* --- the end ------------------------------------------------------------------------------------------------------------------- */

/* Keeps the rows that are on disk, with their hashes, paths as the manifest wants them. */
static void keep_present(coco_run *c)
{
	int64_t kept = 0;
	c->m->n_captions = 0;
	for (int64_t i = 0; i < c->m->n; i++) {
		itr_record *r = &c->m->records[i];
		coco_state s = c->state[i];
		const char *file = coco_file(c, r);
		const itr_pin *pin = itr_pins_find(c->pins, file);
		if ((s != COCO_PRESENT && s != COCO_FOUND && s != COCO_FETCHED) || !pin)
			continue;
		r->sha256 = itr_manifest_str(c->m, pin->sha256);
		r->has_phash = pin->has_phash && !pin->flat;
		memcpy(r->phash, pin->phash.bits, sizeof r->phash);
		r->image = file;
		c->m->n_captions += r->n_captions;
		c->m->records[kept++] = *r;
	}
	c->m->n = kept;
}

static void count_states(coco_run *c)
{
	for (int64_t i = 0; c->state && i < c->r->wanted; i++) {
		coco_state s = c->state[i];
		c->r->present += s == COCO_PRESENT;
		c->r->found += s == COCO_FOUND;
		c->r->fetched += s == COCO_FETCHED;
		c->r->failed += s == COCO_FAILED;
		c->r->skipped += s == COCO_SKIPPED;
	}
}

static int run(coco_run *c, itr_http *client, const char *annotations, itr_err *err)
{
	if (c->o->retry_failed && coco_failures_read(c, err) < 0)
		return -1;
	if (coco_failures_write(c, false, err) < 0)     /* so that the selection of an interrupted run is known */
		return -1;
	if (get_annotations(c, client, annotations, err) < 0 || read_records(c, annotations, err) < 0)
		return -1;
	c->r->wanted = c->m->n;
	c->state = itr_xcalloc((size_t)ITR_MAX(c->m->n, 1), sizeof *c->state);
	int rc = coco_fetch_images(c, err);
	if (rc == 0)
		rc = coco_check(c, err);
	itr_err later = ITR_ERR_INIT;
	if (rc < 0) {                           /* interrupted or a full disk: stores what is known, if possible */
		if (coco_failures_write(c, false, &later) < 0 || itr_pins_flush(c->pins, &later) < 0)
			itr_debug("%s", later.msg);
		return -1;
	}
	if (coco_failures_write(c, true, err) < 0 || itr_pins_save(c->pins, err) < 0)
		return -1;
	keep_present(c);
	if (c->m->n && itr_dataset_split(c->m, c->o->fractions, c->o->seed, &c->o->rule, c->o->near, err) < 0)
		return -1;
	return c->o->near >= 0 && c->o->rule.by != ITR_SPLIT_BY_CAPTION ? coco_near(c, err) : 0;
}

/* The identity of the folder's data set: the subsets, but not --limit, so that more images can be added. */
static int claim(const itr_coco_opts *o, itr_err *err)
{
	itr_buf what = ITR_BUF_INIT;
	itr_buf_puts(&what, "fetched");
	for (int i = 0; i < o->n_subsets; i++)
		itr_buf_printf(&what, " %s", o->subsets[i]);
	int rc = itr_dataset_claim(o->dir, what.data, o->force, err);
	itr_buf_free(&what);
	return rc < 0 ? -1 : 0;
}

static bool holds_nothing(const itr_coco_opts *o)
{
	char *manifest = itr_path_join(o->dir, "manifest.jsonl"), *annotations = itr_path_join(o->dir, "annotations");
	bool nothing = !itr_path_exists(manifest);
	DIR *d = opendir(annotations);
	for (struct dirent *e; d && (e = readdir(d)); )
		nothing &= e->d_name[0] == '.' && (!e->d_name[1] || (e->d_name[1] == '.' && !e->d_name[2]));
	if (d)
		closedir(d);
	free(manifest);
	free(annotations);
	return nothing;
}

/* No file was downloaded: removes the claim on the folder, so that the next attempt, or --fallback synthetic, can use it. */
static void release(const itr_coco_opts *o)
{
	static const char *const files[] = { "failures.json", "dataset.txt", "annotations" };
	for (int i = 0; i < ITR_LEN(files); i++) {
		char *path = itr_path_join(o->dir, files[i]);
		if (itr_path_is_dir(path) ? rmdir(path) < 0 : unlink(path) < 0)
			itr_debug("'%s' stays", path);
		free(path);
	}
}

int itr_coco_fetch(const itr_coco_opts *o, itr_manifest *m, itr_issues *f, itr_coco_report *r, itr_err *err)
{
	coco_run c = { .o = o, .m = m, .f = f, .r = r, .limit = o->limit, .seed = o->seed, .split = o->split };
	const char *wrong = itr_coco_opts_check(o);
	*r = (itr_coco_report){ .reasons = itr_json_object() };
	if (wrong)
		return itr_err_set(err, "%s", wrong);
	if (claim(o, err) < 0)
		return -1;
	itr_http *client = itr_http_new(&o->http, err);
	char *annotations = itr_path_join(o->dir, "annotations");
	c.pins = client ? itr_pins_open(o->dir, err) : NULL;
	int rc = c.pins ? run(&c, client, annotations, err) : -1;
	bool nothing = rc < 0 && c.pins && !coco_stopped(&c) && itr_pins_count(c.pins) == 0 && !c.m->n && holds_nothing(o);
	count_states(&c);
	coco_say(&c);
	if (nothing)
		release(o);
	itr_pins_close(c.pins);
	itr_http_free(client);
	for (size_t i = 0; i < c.failures.n; i++)
		free(c.failures.v[i].message);
	ITR_VEC_FREE(&c.failures);
	if (c.retry)
		itr_map_free(c.retry);
	itr_json_free(c.last);
	free(c.state);
	free(annotations);
	return rc;
}
