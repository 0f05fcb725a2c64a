/* coco.h - downloads MS-COCO from its servers or a mirror into one folder:
 *
 *	DIR/annotations/captions_SUBSET.json, instances_SUBSET.json     extracted from the zip, or the user's own
 *	DIR/SUBSET/000000000139.jpg
 *	DIR/checksums.jsonl                                             pins (pins.h)
 *	DIR/failures.json                                               the last run: selection, counts, reasons, an entry for each failure
 *	DIR/near_duplicates.jsonl                                       pairs of similar images in different splits, if any
 *
 * Files on disk are not downloaded again; to resume an interrupted run, repeat the command. */
#ifndef ITR_FETCH_COCO_H
#define ITR_FETCH_COCO_H

#include "data/issues.h"
#include "data/manifest.h"
#include "data/split.h"
#include "fetch/annotations.h"
#include "fetch/pins.h"
#include "net/http_client.h"

enum { ITR_COCO_SUBSETS = 4 };

/* Callbacks for progress; each may be NULL. The result of `begin` is the argument p of the others. */
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
	/* path of Karpathy's JSON file, whose splits (train, restval, val, test) are used for the images of the subsets; NULL: none */
	const char *karpathy;
	const char *split;                              /* only the images of this split (with karpathy); NULL: all */
	int64_t limit;                                  /* number of images; 0: all */
	uint64_t seed;
	double fractions[3];                            /* sizes of the splits when there are no official ones */
	itr_split_rule rule;                            /* rule of the split in this case */
	bool retry_failed;
	bool force;                                     /* replace another data set in the folder (itr_dataset_claim) */
	/* report near-duplicates across splits up to this distance (phash.h); -1: no check */
	int near;
	int threads;
	itr_http_opts http;
	itr_fetch_progress progress;
	const volatile sig_atomic_t *stop;
	itr_provenance *provenance;                     /* receives the annotation files as inputs; may be NULL */
} itr_coco_opts;

extern const char itr_coco_base_url[], itr_coco_annotations_url[];

/* NULL when the options are valid, otherwise a message about the first invalid field (static). */
const char *itr_coco_opts_check(const itr_coco_opts *o);

typedef struct itr_coco_report {
	int64_t wanted, present, found, fetched, failed, skipped;      /* wanted = present + found + fetched + failed + skipped */
	/* present: on disk and pinned; found: on disk, pinned now; skipped: missing, but not selected by retry_failed */
	int64_t refetched;              /* of fetched: files that replaced a damaged one */
	int64_t attempts, received;     /* requests for images; body bytes */
	double seconds;                 /* duration of the image transfers */
	int64_t five, near;             /* number of captions with at most five for each image; of near-duplicate pairs */
	itr_annotations_report annotations;
	itr_json *reasons;              /* {"http-404": 3}; itr_json_free */
} itr_coco_report;

/* Downloads; fills m with the images on disk and their splits, f with warnings. 0, also when images failed (r->failed, r->skipped); -1 with
 * err when nothing can continue: no annotations, a full disk, an interrupt. */
ITR_MUST_USE int itr_coco_fetch(const itr_coco_opts *o, itr_manifest *m, itr_issues *f, itr_coco_report *r, itr_err *err);
itr_json *itr_coco_report_json(const itr_coco_report *r);

typedef struct itr_verify_report {
	int64_t checked, changed, missing, unpinned;
} itr_verify_report;

itr_json *itr_verify_report_json(const itr_verify_report *r);

/* Hashes all pinned files of the subsets and their annotations again, without network. Calls `say` (may be NULL) with "changed" or
 * "missing" and the file name, sorted by name. Files without a pin are only counted. 0, or -1 with err (there are no pins in the folder;
 * interrupted). */
ITR_MUST_USE int itr_coco_verify(const itr_coco_opts *o, void (*say)(void *ctx, const char *what, const char *file), void *ctx,
                                 itr_verify_report *r, itr_err *err);

#endif
