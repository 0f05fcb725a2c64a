/* result_picture.h - result pictures: one row a query, its caption, the best pictures in order, each marked as hit or miss by a frame
 * (solid green, dashed vermillion: Okabe and Ito's pair) and by a check or a cross, so that colour alone carries nothing; score and name
 * below; behind them, for a query that missed, the picture that belongs to it. Where the truth is not known (pictures asking for pictures)
 * there is no mark.
 *
 * Drawn by gnuplot (plot/plot.h): NAME.png, with NAME.gp and the pictures in one file NAME.tiles.png kept beside it.
 */
#ifndef ITR_PLOT_RESULT_PICTURE_H
#define ITR_PLOT_RESULT_PICTURE_H

#include "base/err.h"

enum { ITR_RESULT_HITS = 5 };

/* SAME: another picture of the very caption that was asked; a hit to the eye. UNKNOWN: the relevance of the query is not known, so
 * nothing is claimed. */
typedef enum { ITR_RESULT_UNKNOWN, ITR_RESULT_MISS, ITR_RESULT_HIT, ITR_RESULT_SAME } itr_result_mark;

typedef struct itr_result_hit {
	const char *image;               /* path of the picture */
	const char *name;                /* below it; may be NULL */
	double score;
	itr_result_mark mark;
} itr_result_hit;

typedef struct itr_result_row {
	const char *caption;
	const char *note;                /* small line below the caption; may be NULL */
	itr_result_hit hits[ITR_RESULT_HITS];
	int n_hits;
	const char *query;               /* the picture that asks, shown below its name; NULL: a caption asks */
	const char *truth;               /* the picture that belongs to it, shown in a column of its own; NULL: none shown */
	const char *truth_name;          /* "rank 17" */
} itr_result_row;

/* Draws n rows (1 to 200) under a title and a smaller line (may be NULL). -1 with err: a picture cannot be read (named), gnuplot is missing
 * (the script stays). */
ITR_MUST_USE int itr_result_picture_render(const char *png, const char *title, const char *subtitle, const itr_result_row *rows, int64_t n,
                                  int threads, itr_err *err);

#endif
