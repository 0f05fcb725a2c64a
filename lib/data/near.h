/* near.h - pictures that are the same or look alike: equal bytes (SHA-256), or perceptual hashes that differ in few bits (image/phash.h).
 * One such pair in training and test makes a figure look better than it is. */
#ifndef ITR_DATA_NEAR_H
#define ITR_DATA_NEAR_H

#include "data/issues.h"
#include "data/groups.h"
#include "data/manifest.h"
#include "image/phash.h"

typedef struct itr_near_item {
	const char *file, *part, *sha256;       /* part NULL: none; sha256 NULL: unknown */
	itr_phash hash;
	bool hashed;                            /* false: hash unknown, or the picture is flat: only equal bytes count */
} itr_near_item;

/* Writes DIR/near_duplicates.jsonl, {"distance","a","a_part","b","b_part"} a line, the pairs in different parts that differ in at most
 * `distance` of 128 bits (0 to ITR_PHASH_MAX_DISTANCE), or removes an old one when there are none. Of more than 32 copies in one part the
 * first 32 are listed. *pairs is their number; the first 1,000 are issues "near-duplicate pictures in different parts". Says on the log
 * how many pictures look like another one. -1 with err. */
ITR_MUST_USE int itr_near_report(const itr_near_item *items, int64_t n, int distance, const char *dir, itr_issues *f, int64_t *pairs,
                                 itr_err *err);
/* The same for a manifest whose records have been looked at (itr_dataset_check). */
ITR_MUST_USE int itr_near_report_manifest(const itr_manifest *m, int distance, const char *dir, itr_issues *f, int64_t *pairs,
                                          itr_err *err);

/* Joins the records of m that are equal or alike, and through them the alike of the alike. */
void itr_near_join(const itr_manifest *m, int distance, itr_groups *g);

#endif
