#include "fetch/sources.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/path.h"
#include "data/dataset.h"
#include "data/near.h"
#include "data/scenes.h"

static void *begin(const itr_source_opts *o, const char *what, int64_t total)
{
	return o->progress.begin ? o->progress.begin(o->progress.ctx, what, what, total) : NULL;
}

static void end(const itr_source_opts *o, void *p)
{
	if (o->progress.end)
		o->progress.end(p);
}

static int assign_split(const itr_source_opts *o, itr_manifest *m, itr_err *err)
{
	return itr_dataset_split(m, o->fractions, o->seed, &o->rule, o->near, err);
}

/* Opens every image, and decodes it when `near` requires it. Returns the number of dropped images, or -1 with err. */
static int64_t check_pictures(const itr_source_opts *o, itr_manifest *m, bool decode, itr_issues *f, itr_err *err)
{
	void *p = begin(o, "pictures", m->n);
	itr_check_opts co = {
		.decode = decode, .threads = o->threads, .progress = o->progress.add, .progress_ctx = p, .interrupted = o->stop
	};
	int64_t dropped = itr_dataset_check(m, &co, f, err);
	end(o, p);
	return dropped;
}

static int draw(const itr_source_opts *o, itr_scenes_opts *so, itr_manifest *m, itr_err *err)
{
	void *p = begin(o, "scenes", so->n);
	so->progress = o->progress.add;
	so->progress_ctx = p;
	if (o->reader.provenance)
		itr_provenance_set_synthetic(o->reader.provenance);
	int rc = itr_scenes_write(o->dir, so, m, o->reader.provenance, err);
	end(o, p);
	return rc;
}

int itr_source_scenes(const itr_source_opts *o, itr_manifest *m, int64_t *composed, itr_err *err)
{
	itr_scenes_opts so = { .n = o->scenes, .seed = o->seed, .size = o->size, .threads = o->threads, .interrupted = o->stop };
	char *what = itr_xasprintf("synthetic n=%lld seed=%llu size=%d", (long long)so.n, (unsigned long long)so.seed, so.size),
	     *images = itr_path_join(o->dir, "images");
	bool parts = o->fractions[0] + o->fractions[1] + o->fractions[2] > 0;
	*composed = -1;
	int rc = itr_dataset_claim(o->dir, what, o->force, err);
	if (rc == 0)
		rc = itr_path_remove_tree(images, err);         /* pictures of another data set under the same names */
	if (rc >= 0)
		rc = draw(o, &so, m, err);
	if (rc == 0 && o->rule.by == ITR_SPLIT_BY_NEAR && check_pictures(o, m, true, NULL, err) != 0)
		rc = -1;
	if (rc == 0)
		rc = assign_split(o, m, err);
	if (rc == 0 && parts && o->rule.by != ITR_SPLIT_BY_CAPTION) {               /* targets are sought within a part */
		*composed = itr_scenes_write_composed(o->dir, &so, m, err);
		rc = *composed < 0 ? -1 : 0;
	}
	free(what);
	free(images);
	return rc;
}

static int read_all(const itr_source_opts *o, const itr_reader *reader, itr_manifest *m, itr_issues *f, itr_err *err)
{
	const itr_reader_opts *r = &o->reader;
	const char *from = r->source ? r->source : r->annotations_dir ? r->annotations_dir : ".";
	char *what = itr_xasprintf("%s %s%s%s", reader->name, from, r->subset ? " " : "", r->subset ? r->subset : "");
	int rc = reader->read(m, r, f, err);
	if (rc == 0)
		rc = itr_dataset_claim(o->dir, what, o->force, err);
	free(what);
	return rc;
}

int itr_source_reader(const itr_source_opts *o, const itr_reader *reader, itr_manifest *m, itr_issues *f, int64_t *failed, itr_err *err)
{
	*failed = 0;
	if (read_all(o, reader, m, f, err) < 0)
		return -1;
	if (m->synthetic && o->reader.provenance)
		itr_provenance_set_synthetic(o->reader.provenance);
	if (m->n == 0)
		return 0;               /* the reasons are in f; itr_dataset_write puts them into its message */
	itr_dataset_limit(m, o->limit, o->seed);
	*failed = check_pictures(o, m, reader->decode || o->near >= 0, f, err);
	if (*failed < 0 || assign_split(o, m, err) < 0)
		return -1;
	if (itr_dataset_place(m, o->dir, o->reader.images_dir ? o->reader.images_dir : o->reader.source, o->copy, err) < 0)
		return -1;
	int64_t pairs;
	return o->near >= 0 && o->rule.by != ITR_SPLIT_BY_CAPTION ? itr_near_report_manifest(m, o->near, o->dir, f, &pairs, err) : 0;
}
