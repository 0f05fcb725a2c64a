/* manifest.h - manifest.jsonl: one image a line with its captions; what every reader of a data set produces and extract-features consumes.
 * First line may be a header {"itr_manifest":1,"root":...}. Ids are strings. Required in a record: id, image, captions,
 * synthetic. */
#ifndef ITR_DATA_MANIFEST_H
#define ITR_DATA_MANIFEST_H

#include "io/json.h"
#include "io/provenance.h"

typedef struct itr_caption { const char *id, *text; } itr_caption;

typedef struct itr_record {
	const char *id, *image, *url, *split, *sha256;     /* url, split, sha256 may be NULL */
	int64_t width, height;                             /* 0 unknown */
	itr_caption *captions; int64_t n_captions;
	const char **labels; int64_t n_labels;
	bool synthetic;
	/* perceptual hash (image/phash.h) of a picture that is not flat; in memory only */
	bool has_phash; uint64_t phash[2];
} itr_record;

typedef struct itr_manifest {
	itr_record *records; int64_t n;
	int64_t n_captions;
	char *root;                     /* image paths are relative to it */
	bool synthetic;                 /* any record is */
	struct itr_arena *arena;        /* owns every string */
} itr_manifest;

/* Reads it whole ("-": standard input, root from the header, `root`, or "."). `root` overrides. Duplicate image or caption ids, missing
 * fields, bad UTF-8, wrong types: -1 with err "FILE:LINE: ...". */
ITR_MUST_USE int itr_manifest_read(itr_manifest *m, const char *path, const char *root, itr_err *err);
void itr_manifest_free(itr_manifest *m);
/* Is this a manifest, rather than stored vectors? By its name: .jsonl, or "-". */
bool itr_manifest_is(const char *path);
char *itr_manifest_image_path(const itr_manifest *m, const itr_record *r);      /* the caller frees */

/* Building one in memory (readers, generators): strings are copied into the manifest's arena. A record is valid until the next
 * itr_manifest_add. */
void itr_manifest_init(itr_manifest *m);
itr_record *itr_manifest_add(itr_manifest *m, const char *id, const char *image);
void itr_record_add_caption(itr_manifest *m, itr_record *r, const char *id, const char *text);
void itr_record_add_label(itr_manifest *m, itr_record *r, const char *label);
const char *itr_manifest_str(itr_manifest *m, const char *s);

/* Writes header (with provenance unless off) and records; atomic; also to `echo` when not NULL. In the echo image paths are relative to the
 * working folder (m->root joined in front) and the header's root is ".", so that a filter that drops the header does no harm. `path` NULL:
 * the echo alone. */
ITR_MUST_USE int itr_manifest_write(const itr_manifest *m, const char *path, const itr_provenance *p, FILE *echo, itr_err *err);

#endif
