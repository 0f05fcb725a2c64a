#include "fetch/data_set.h"

#include "base/log.h"
#include "data/dataset.h"

enum { FALLBACK_SCENES = 1000 };

/* What a source gets and gives. `composed`: queries written, -1 where the source has none. */
struct fetch {
	itr_fetch_opts *o;
	itr_manifest m;
	itr_issues *issues;
	int64_t failed, composed;
	itr_json *transfers;            /* of a download */
};

static int download(struct fetch *f, itr_err *err)
{
	itr_coco_report r;
	const int rc = itr_coco_fetch(&f->o->net, &f->m, f->issues, &r, err);
	f->failed = r.failed + r.skipped;
	f->transfers = itr_coco_report_json(&r);
	itr_json_free(r.reasons);
	return rc;
}

/* The captions are not there and the user allowed scenes instead: say so twice, mark everything. */
static int draw_instead(struct fetch *f, itr_err *err)
{
	itr_warn("%s", err->msg);
	itr_warn("USING SYNTHETIC SCENES INSTEAD (--fallback synthetic): every file made from them is marked synthetic, no figure says "
	         "anything about real pictures");
	*err = (itr_err)ITR_ERR_INIT;
	itr_manifest_free(&f->m);
	itr_manifest_init(&f->m);
	f->o->disk.scenes = f->o->net.limit > 0 ? f->o->net.limit : FALLBACK_SCENES;
	return itr_source_scenes(&f->o->disk, &f->m, &f->composed, err);
}

static int fetch(struct fetch *f, itr_err *err)
{
	itr_fetch_opts *o = f->o;
	if (o->disk.scenes)
		return itr_source_scenes(&o->disk, &f->m, &f->composed, err);
	const itr_reader *reader = itr_reader_find(o->from ? o->from : "coco", err);
	if (!reader)
		return -1;
	const int rc = o->download ? download(f, err) : itr_source_reader(&o->disk, reader, &f->m, f->issues, &f->failed, err);
	return rc < 0 && o->or_scenes && !(o->net.stop && *o->net.stop) ? draw_instead(f, err) : rc;
}

static itr_json *result_json(struct fetch *f)
{
	itr_json *j = itr_dataset_json(&f->m, f->issues);
	itr_json_add_int(j, "failed", f->failed);
	if (f->composed >= 0)
		itr_json_add_int(j, "composed", f->composed);
	if (f->transfers)
		itr_json_add(j, "transfers", f->transfers);
	f->transfers = NULL;
	return j;
}

int itr_fetch_data_set(itr_fetch_opts *o, FILE *echo, itr_fetch_result *r, itr_err *err)
{
	struct fetch f = { .o = o, .issues = itr_issues_new(), .composed = -1 };
	*r = (itr_fetch_result){ .json = NULL };
	itr_manifest_init(&f.m);
	int rc = fetch(&f, err);
	if (rc == 0)
		rc = itr_dataset_write(&f.m, o->net.dir, f.issues, f.transfers ? "see failures.json" : "--images-dir names their folder",
		                       o->net.provenance, echo, err);
	if (rc == 0)
		*r = (itr_fetch_result){ f.m.n, f.m.n_captions, f.failed, result_json(&f) };
	if (rc == 0 && f.failed > o->max_failed)
		rc = itr_err_set(err, "%lld pictures are missing or damaged, more than --max-failed %lld; the manifest lists the others",
		                 (long long)f.failed, (long long)o->max_failed);
	itr_issues_free(f.issues);
	itr_json_free(f.transfers);
	itr_manifest_free(&f.m);
	return rc;
}
