/* result_picture.h - result pictures: one row for each query with its caption and the best images in order, each with score and name and
 * marked as hit or miss by a frame (solid green, dashed vermillion: Okabe and Ito's pair) and a check mark or a cross, so that colour is
 * not needed to read it. A query without a hit also shows its relevant image. When the relevance is not known (image queries) there is no
 * mark.
 *
 * Drawn by gnuplot (plot/plot.h): NAME.png; NAME.gp and NAME.tiles.png (the images) are kept in the same folder.
 */
#ifndef ITR_PLOT_RESULT_PICTURE_H
#define ITR_PLOT_RESULT_PICTURE_H

#include "base/err.h"

enum { ITR_RESULT_HITS = 5 };

/* SAME: an image of another record with the same caption, drawn as a hit and labelled "same caption". UNKNOWN: the relevance is not known;
 * no mark. */
typedef enum { ITR_RESULT_UNKNOWN, ITR_RESULT_MISS, ITR_RESULT_HIT, ITR_RESULT_SAME } itr_result_mark;

typedef struct itr_result_hit {
	const char *image;               /* path of the image */
	const char *name;                /* text below it; may be NULL */
	double score;
	itr_result_mark mark;
} itr_result_hit;

typedef struct itr_result_row {
	const char *caption;
	const char *note;                /* small line below the caption; may be NULL */
	itr_result_hit hits[ITR_RESULT_HITS];
	int n_hits;
	const char *query;               /* path of a query image, shown below its name; NULL: the query is the caption */
	const char *truth;               /* path of the relevant image, shown in an extra column; NULL: none */
	const char *truth_name;          /* "rank 17" */
} itr_result_row;

/* Draws n rows (1 to 200) with a title and a smaller subtitle (may be NULL). -1 with err when an image cannot be read (the message names
 * it) or gnuplot is missing (the script is kept). */
ITR_MUST_USE int itr_result_picture_render(const char *png, const char *title, const char *subtitle, const itr_result_row *rows, int64_t n,
                                  int threads, itr_err *err);

#endif
