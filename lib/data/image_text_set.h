/* image_text_set.h - a manifest's pictures and captions as rows: what training, evaluation and extraction from pixels start from, and the
 * only place that decodes pictures for encoders.
 *
 *	itr_image_text_set s;
 *	if (itr_image_text_set_open(&s, "manifest.jsonl", &(itr_image_text_opts){ .check_pictures = true, .threads = 2 }, err) < 0)
 *		return -1;
 *	itr_image img;
 *	if (itr_image_text_set_picture(&s, 0, 0, &img, err) == 0)
 *		itr_image_free(&img);
 *	itr_image_text_set_free(&s);
 */
#ifndef ITR_DATA_IMAGE_TEXT_SET_H
#define ITR_DATA_IMAGE_TEXT_SET_H

#include <signal.h>

#include "data/issues.h"
#include "data/manifest.h"
#include "data/picture_opts.h"
#include "data/row_table.h"

typedef struct itr_image_text_opts {
	const char *root;               /* folder of the pictures; NULL: the manifest's */
	itr_picture_opts pictures;
	/* Decode every picture now, so that a damaged one is known before the work begins: it is no row, and neither are its captions.
	 * Without it whoever encodes a picture learns of it (extraction, which would decode each twice) */
	bool check_pictures;
	int64_t max_failed;             /* with check_pictures: how many may be damaged */
	bool pairs_only;                /* a caption without a word is no row, nor is a picture without a caption */
	int threads;
	const volatile sig_atomic_t *stop;      /* may be NULL */
} itr_image_text_opts;

/* Kinds of `issues`. */
#define ITR_ISSUE_DAMAGED "picture damaged"
#define ITR_ISSUE_EMPTY "caption empty"
#define ITR_ISSUE_UNCAPTIONED "picture without a caption"

typedef struct itr_image_text_set {
	itr_manifest manifest;          /* owns the strings of the table */
	itr_row_table table;            /* with captions, labels, and the split that the records have */
	int64_t *record;                /* [table.n[ITR_IMAGE]]: its record in the manifest */
	itr_picture_opts pictures;
	itr_issues *issues;           /* rows that were left out, by kind */
} itr_image_text_set;

/* Rows in the manifest's order. Damaged pictures and empty captions are named by itr_warn. 0; -1 with err and s empty: an unreadable
 * manifest, a split for some records alone, more than max_failed damaged pictures, no pair with pairs_only, interrupted. */
ITR_MUST_USE int itr_image_text_set_open(itr_image_text_set *s, const char *path, const itr_image_text_opts *o, itr_err *err);
void itr_image_text_set_free(itr_image_text_set *s);

/* Decodes picture `image` (a row). The encoder's fast_side: with pictures.fast no side of a JPEG is decoded smaller than that; 0: as it is.
 * Thread-safe. 0, or -1 with err (file and reason). */
ITR_MUST_USE int itr_image_text_set_picture(const itr_image_text_set *s, int64_t image, int fast_side, itr_image *img, itr_err *err);

#endif
