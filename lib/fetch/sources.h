/* sources.h - sources of a data set without network: synthetic scenes, and data sets on disk (data/readers.h). */
#ifndef ITR_FETCH_SOURCES_H
#define ITR_FETCH_SOURCES_H

#include "data/readers.h"
#include "fetch/coco.h"

typedef struct itr_source_opts {
	const char *dir;                /* folder of the data set; an error when it has another data set, unless `force` */
	bool force, copy;               /* copy: copies the images that a reader finds into dir */
	itr_split_rule rule;            /* rule of the split, when the data set has none */
	/* near-duplicates: hashes that differ in at most so many bits (phash.h); every image is decoded for it; -1: no check */
	int near;
	double fractions[3];            /* of train, val, test; all 0: no split */
	uint64_t seed;
	int64_t limit;                  /* number of images of a reader that are kept; 0: all */
	int64_t scenes; int size;       /* number of scenes, and their side in pixels */
	itr_reader_opts reader;         /* its provenance (may be NULL) is used for scenes, too */
	int threads;
	itr_fetch_progress progress;
	const volatile sig_atomic_t *stop;
} itr_source_opts;

/* Both fill m (initialised, empty) with records and splits and set its root to dir. 0, or -1 with err. */

/* Draws o->scenes scenes and, when the split is by image, composed queries: *composed is their number, -1: none. Marks the provenance as
 * synthetic. */
ITR_MUST_USE int itr_source_scenes(const itr_source_opts *o, itr_manifest *m, int64_t *composed, itr_err *err);
/* Reads the data set, selects `limit` images, checks every image. *failed: number of missing and damaged images, which are not in m. */
ITR_MUST_USE int itr_source_reader(const itr_source_opts *o, const itr_reader *reader, itr_manifest *m, itr_issues *f, int64_t *failed,
                                   itr_err *err);

#endif
