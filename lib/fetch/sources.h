/* sources.h - the sources of a data set that need no network: drawn scenes, and what a reader finds on disk. coco.h is the third, and takes
 * the same path from there on. */
#ifndef ITR_FETCH_SOURCES_H
#define ITR_FETCH_SOURCES_H

#include "data/readers.h"
#include "fetch/coco.h"

typedef struct itr_source_opts {
	const char *dir;                /* the data set's folder; refused where it holds another one, unless `force` */
	bool force, copy;               /* copy: a reader's pictures below dir */
	itr_split_rule rule;            /* how the split is made where the data set has none */
	/* near-duplicates differ in at most so many bits (phash.h), which needs every picture decoded; -1: no check */
	int near;
	double fractions[3];            /* of train, val, test; all 0: no split */
	uint64_t seed;
	int64_t limit;                  /* pictures that are kept of a reader's; 0: all */
	int64_t scenes; int size;       /* how many, and their side in pixels */
	itr_reader_opts reader;         /* its provenance is used for scenes, too; may be NULL */
	int threads;
	itr_fetch_progress progress;
	const volatile sig_atomic_t *stop;
} itr_source_opts;

/* Both fill m (initialised, empty), with splits, its root dir; -1 with err. */

/* Draws o->scenes scenes and, where the split is by picture, the composed queries: *composed is their number, -1 where none were
 * made. Marks the provenance synthetic. */
ITR_MUST_USE int itr_source_scenes(const itr_source_opts *o, itr_manifest *m, int64_t *composed, itr_err *err);
/* Reads, draws the limit, checks every picture; *failed: the missing and damaged ones, which m does not hold. */
ITR_MUST_USE int itr_source_reader(const itr_source_opts *o, const itr_reader *reader, itr_manifest *m, itr_findings *f, int64_t *failed,
                                   itr_err *err);

#endif
