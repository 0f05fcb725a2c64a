/* data_set.h - a data set from wherever it is (a download, a reader's files, drawn scenes) as one manifest in a folder. What `fetch-coco`
 * does once its options are known. */
#ifndef ITR_FETCH_DATA_SET_H
#define ITR_FETCH_DATA_SET_H

#include <stdio.h>

#include "fetch/sources.h"

typedef struct itr_fetch_opts {
	itr_coco_opts net;
	itr_source_opts disk;           /* scenes > 0: they are drawn; else: */
	bool download;                  /* net's subsets, instead of disk's reader */
	const char *from;               /* name of the reader; NULL: coco */
	bool or_scenes;                 /* draw scenes where the data set cannot be had, with a warning; everything is marked synthetic */
	int64_t max_failed;             /* missing or damaged pictures that are no error */
} itr_fetch_opts;

typedef struct itr_fetch_result {
	int64_t images, captions, failed;
	itr_json *json;                 /* the data set, composed queries, transfers; itr_json_free */
} itr_fetch_result;

/* Writes the manifest and what lies beside it into net.dir; echo (may be NULL) receives a line a record. 0; -1 with err. With more than
 * max_failed bad pictures everything is written, r is filled in, and it is -1. */
ITR_MUST_USE int itr_fetch_data_set(itr_fetch_opts *o, FILE *echo, itr_fetch_result *r, itr_err *err);

#endif
