/* coco_json.h - COCO's JSON files, streamed: arrays of flat objects below one object. Only the fields that are asked for are kept;
 * `segmentation` and all else is passed over, so that instances_train2017.json (470 MB) needs no memory to speak of. */
#ifndef ITR_DATA_COCO_JSON_H
#define ITR_DATA_COCO_JSON_H

#include "io/json.h"

enum { ITR_COCO_FIELDS = 6 };

typedef struct itr_coco_field {
	const char *key;
	itr_buf text;           /* of a string or number (11.0 reads 11); empty otherwise */
	itr_jp type;            /* ITR_JP_END: the object has no such key */
	int64_t replaced;       /* sequences of invalid UTF-8 in it that became U+FFFD; whoever uses the text says so */
} itr_coco_field;

typedef struct itr_coco_section {
	const char *name;                               /* "images": a list of objects, or one object ("info") */
	const char *keys[ITR_COCO_FIELDS + 1];          /* NULL-terminated */
	/* Called for each object; fields in the order of keys. 0, or -1 with err to stop. */
	int (*object)(void *ctx, const itr_coco_field *fields, itr_err *err);
	int64_t count;                                  /* out: objects seen; -1: the file has no such section */
} itr_coco_section;

/* Sections may come in any order. 0, or -1 with err (file, byte offset). */
ITR_MUST_USE int itr_coco_stream(const char *path, itr_coco_section *sections, int n, void *ctx, itr_err *err);

/* An id as text: a string, or an integer with its own digits (also beyond 2^53; 11.0 is 11). NULL when the field is neither. */
const char *itr_coco_id(const itr_coco_field *f);
bool itr_coco_id_is_big(const char *id);        /* a number that a double cannot hold */

/* DIR/captions_SUBSET.json; without a subset the only captions_*.json of DIR. `kind` "captions" or "instances". NULL with err, which for
 * captions names the official download. The caller frees. *subset (may be NULL) receives the subset's name, the caller frees. */
char *itr_coco_find(const char *dir, const char *kind, const char *wanted, char **subset, itr_err *err);

#endif
