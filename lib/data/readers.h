/* readers.h - data sets that lie on disk, made into a manifest. One file a reader (reader_NAME.c), one line in readers.def. */
#ifndef ITR_DATA_READERS_H
#define ITR_DATA_READERS_H

#include <signal.h>

#include "data/issues.h"
#include "data/manifest.h"

typedef struct itr_reader_opts {
	const char *source;             /* the folder or file of `--from NAME PATH`; may be NULL where the reader knows a default */
	const char *annotations_dir;    /* may be NULL: SOURCE/annotations */
	const char *images_dir;         /* may be NULL: SOURCE */
	const char *subset;             /* "val2017"; may be NULL: the only one there is */
	itr_provenance *provenance;     /* annotation files are noted as inputs; may be NULL */
} itr_reader_opts;

typedef struct itr_reader {
	const char *name, *what;
	bool decode;                    /* pictures are of unknown origin: decode each once (itr_dataset_check) */
	/* Fills m (initialised, empty). Image paths as they open from the working folder. Issues for everything that is odd but not
	 * fatal. 0, or -1 with err. Where all was left out, each for a reason, it is 0 with m->n 0: itr_dataset_write says the reasons. */
	int (*read)(itr_manifest *m, const itr_reader_opts *o, itr_issues *f, itr_err *err);
} itr_reader;

/* What a program's help says about a choice of reader: "...; sidecar: a folder tree of ...; coco: ...". The caller frees. */
char *itr_reader_help(void);
/* By name; NULL with err, which names the nearest and lists all. */
const itr_reader *itr_reader_find(const char *name, itr_err *err);

typedef struct itr_check_opts {
	bool decode;                    /* else: the file is there and ends as a JPEG or PNG ends */
	int threads;
	void (*progress)(void *ctx, int64_t done);
	void *progress_ctx;
	const volatile sig_atomic_t *interrupted;
} itr_check_opts;

/* Looks at every picture of m, drops the records whose picture is missing or damaged (issues "picture missing", "picture damaged", or of
 * a kind that is not read) and fills in SHA-256 and, where it decodes, size and perceptual hash. Returns how many were dropped, or -1 with
 * err (interrupted). */
ITR_MUST_USE int64_t itr_dataset_check(itr_manifest *m, const itr_check_opts *o, itr_issues *f, itr_err *err);
/* Rewrites image paths for a manifest in `dir`: relative to it, or, with `copy`, into dir/images/ (paths below `base` keep their folders).
 * m->root = dir. */
ITR_MUST_USE int itr_dataset_place(itr_manifest *m, const char *dir, const char *base, bool copy, itr_err *err);

#endif
