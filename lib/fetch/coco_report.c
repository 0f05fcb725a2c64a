/* The report of a run, as text and as JSON. */
#include "base/log.h"
#include "fetch/coco_internal.h"

void coco_say(const coco_run *c)
{
	const itr_coco_report *r = c->r;
	if (!r->wanted)
		return;
	itr_info("%lld pictures: %lld were there, %lld fetched (%.1f MB, %lld requests), %lld failed, %lld not tried", (long long)r->wanted,
	         (long long)(r->present + r->found), (long long)r->fetched, (double)r->received / 1e6, (long long)r->attempts,
	         (long long)r->failed, (long long)r->skipped);
	if (r->failed)
		itr_info("which and why: '%s/failures.json'; again with --retry-failed", c->o->dir);
	if (r->skipped)
		itr_info("without --retry-failed the others that are missing are fetched, too");
}

itr_json *itr_coco_report_json(const itr_coco_report *r)
{
	itr_json *j = itr_json_object();
	itr_json_add_int(j, "wanted", r->wanted);
	itr_json_add_int(j, "present", r->present);
	itr_json_add_int(j, "found", r->found);
	itr_json_add_int(j, "fetched", r->fetched);
	itr_json_add_int(j, "refetched", r->refetched);
	itr_json_add_int(j, "failed", r->failed);
	itr_json_add_int(j, "skipped", r->skipped);
	itr_json_add_int(j, "requests", r->attempts);
	itr_json_add_int(j, "bytes", r->received);
	itr_json_add_num(j, "seconds", r->seconds);
	itr_json_add_num(j, "bytes_per_second", r->seconds > 0 ? (double)r->received / r->seconds : 0);
	itr_json_add_int(j, "annotation_bytes", r->annotations.received);
	itr_json_add_bool(j, "annotations_by_ranges", r->annotations.by_ranges);
	itr_json_add_int(j, "captions_if_five_an_image", r->five);
	itr_json_add_int(j, "near_duplicates", r->near);
	itr_json_add(j, "reasons", itr_json_copy(r->reasons));
	return j;
}

itr_json *itr_verify_report_json(const itr_verify_report *r)
{
	itr_json *j = itr_json_object();
	itr_json_add_int(j, "checked", r->checked);
	itr_json_add_int(j, "changed", r->changed);
	itr_json_add_int(j, "missing", r->missing);
	itr_json_add_int(j, "unpinned", r->unpinned);
	return j;
}
