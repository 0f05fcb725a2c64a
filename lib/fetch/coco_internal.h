/* coco_internal.h - internal: the state of itr_coco_fetch and its steps. */
#ifndef ITR_FETCH_COCO_INTERNAL_H
#define ITR_FETCH_COCO_INTERNAL_H

#include "base/vec.h"
#include "fetch/coco.h"

typedef enum { COCO_MISSING, COCO_PRESENT, COCO_FOUND, COCO_FETCHED, COCO_FAILED, COCO_SKIPPED } coco_state;

typedef struct coco_failure {
	int64_t row;
	char reason[32];
	long status;
	int attempts;
	char *message;
} coco_failure;

typedef struct coco_run {
	const itr_coco_opts *o;
	itr_manifest *m;
	itr_issues *f;
	itr_coco_report *r;
	itr_pins *pins;
	coco_state *state;              /* per row of m */
	ITR_VEC(coco_failure) failures;
	int64_t limit;                  /* of this run, or of the run whose failures are retried */
	uint64_t seed;
	const char *split;
	struct itr_map *retry;          /* files to retry; NULL: all missing files */
	itr_json *last;                 /* failures.json of the last run, which `split` and others may point into */
} coco_run;

/* The path of an image relative to DIR: "val2017/000000000139.jpg". Borrowed. */
const char *coco_file(const coco_run *c, const itr_record *r);
void coco_fail(coco_run *c, int64_t row, const char *reason, long status, int attempts, const char *message);
bool coco_stopped(const coco_run *c);

/* coco_report.c: prints the summary by itr_info. */
void coco_say(const coco_run *c);
/* coco_images.c: downloads the missing images. 0, or -1 with err. */
ITR_MUST_USE int coco_fetch_images(coco_run *c, itr_err *err);
/* coco_check.c: decodes images that have not been checked, and pins them. Damaged images become failures; those that were downloaded are
 * removed. */
ITR_MUST_USE int coco_check(coco_run *c, itr_err *err);
/* coco_check.c: writes near-duplicates across splits to DIR/near_duplicates.jsonl. */
ITR_MUST_USE int coco_near(coco_run *c, itr_err *err);
/* coco_failures.c: writes and reads DIR/failures.json. It is also written at the start, with complete false, so that the selection of an
 * interrupted run is known. */
ITR_MUST_USE int coco_failures_write(coco_run *c, bool complete, itr_err *err);
ITR_MUST_USE int coco_failures_read(coco_run *c, itr_err *err);

#endif
