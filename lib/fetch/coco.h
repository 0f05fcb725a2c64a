/* coco.h - MS-COCO from its servers (or a mirror) into one folder: annotations, pictures, checksums, what failed and why.
 *
 *	DIR/annotations/captions_SUBSET.json, instances_SUBSET.json     extracted from the zip, or the user's own
 *	DIR/SUBSET/000000000139.jpg
 *	DIR/checksums.jsonl                                             pins (pins.h)
 *	DIR/failures.json                                               the last run: selection, counts, reasons, one entry a failure
 *	DIR/near_duplicates.jsonl                                       pairs of similar pictures in different parts, if any
 *
 * Nothing that is on disk is fetched again; a run that was killed is continued by giving the command again. */
#ifndef ITR_FETCH_COCO_H
#define ITR_FETCH_COCO_H

#include "data/findings.h"
#include "data/manifest.h"
#include "data/split.h"
#include "fetch/annotations.h"
#include "fetch/pins.h"
#include "net/http_client.h"

enum { ITR_COCO_SUBSETS = 4 };

/* How progress is shown; any member may be NULL. `begin` returns what the others get. */
typedef struct itr_fetch_progress {
	void *ctx;
	void *(*begin)(void *ctx, const char *what, const char *unit, int64_t total);
	void (*add)(void *p, int64_t n);                /* from any thread */
	void (*note)(void *p, const char *text);
	void (*end)(void *p);
} itr_fetch_progress;

typedef struct itr_coco_opts {
	const char *dir;
	const char *subsets[ITR_COCO_SUBSETS]; int n_subsets;
	const char *base_url, *annotations_url;         /* NULL: COCO's own */
	/* its splits (train, restval, val, test) onto the pictures of the subsets; NULL: none */
	const char *karpathy;
	const char *split;                              /* only the pictures of this part (with karpathy); NULL: all */
	int64_t limit;                                  /* pictures; 0: all */
	uint64_t seed;
	double fractions[3];                            /* split where there is no official one */
	itr_split_rule rule;                            /* how the split is made then */
	bool retry_failed;
	bool force;                                     /* take over a folder that holds another data set (itr_dataset_claim) */
	/* report near-duplicates across parts up to this distance (phash.h); -1: no check */
	int near;
	int threads;
	itr_http_opts http;
	itr_fetch_progress progress;
	const volatile sig_atomic_t *stop;
	itr_provenance *provenance;                     /* the annotation files are noted here; may be NULL */
} itr_coco_opts;

extern const char itr_coco_base_url[], itr_coco_annotations_url[];

/* A message about the first bad field, or NULL. */
const char *itr_coco_opts_check(const itr_coco_opts *o);

typedef struct itr_coco_report {
	int64_t wanted, present, found, fetched, failed, skipped;      /* wanted = present + found + fetched + failed + skipped */
	/* present: on disk and pinned; found: on disk, pinned now; skipped: missing, and not asked for by retry_failed (counts as missing)
	 */
	int64_t refetched;              /* of fetched: a damaged file on disk was replaced */
	int64_t attempts, received;     /* requests for pictures; body bytes */
	double seconds;                 /* of the picture transfers */
	int64_t five, near;             /* captions when each picture keeps its first five; near-duplicate pairs */
	itr_annotations_report annotations;
	itr_json *reasons;              /* {"http-404": 3}; itr_json_free */
} itr_coco_report;

/* Fills m with the pictures that are there, each with its part; findings for what is odd. 0 even when pictures failed (r->failed,
 * r->skipped); -1 with err for what stops everything: no annotations, a full disk, an interrupt. */
ITR_MUST_USE int itr_coco_fetch(const itr_coco_opts *o, itr_manifest *m, itr_findings *f, itr_coco_report *r, itr_err *err);
itr_json *itr_coco_report_json(const itr_coco_report *r);

typedef struct itr_verify_report {
	int64_t checked, changed, missing, unpinned;
} itr_verify_report;

itr_json *itr_verify_report_json(const itr_verify_report *r);

/* Hashes every pinned file of the subsets (and their annotations) again; no network. `say` (may be NULL) gets "changed" / "missing" and the
 * file's name, in order of name. Files that lie there without a pin are only counted. 0, or -1 with err (nothing was ever fetched there;
 * interrupted). */
ITR_MUST_USE int itr_coco_verify(const itr_coco_opts *o, void (*say)(void *ctx, const char *what, const char *file), void *ctx,
                                 itr_verify_report *r, itr_err *err);

#endif
