/* sheet.h - result pictures: one row a query, its caption, the best pictures in order, each marked as hit or miss by a frame
 * (solid green, dashed vermillion: Okabe and Ito's pair) and by a check or a cross, so that colour alone carries nothing; score and name
 * below; behind them, for a query that missed, the picture that belongs to it. Where the truth is not known (pictures asking for pictures)
 * there is no mark.
 *
 * Drawn by gnuplot (track/plot.h): NAME.png, with NAME.gp and the pictures in one file NAME.tiles.png kept beside it.
 */
#ifndef ITR_SHEET_SHEET_H
#define ITR_SHEET_SHEET_H

#include "base/err.h"

enum { ITR_SHEET_HITS = 5 };

/* SAME: another picture of the very caption that was asked; a hit to the eye. UNKNOWN: the relevance of the query is not known, so
 * nothing is claimed. */
typedef enum { ITR_SHEET_UNKNOWN, ITR_SHEET_MISS, ITR_SHEET_HIT, ITR_SHEET_SAME } itr_sheet_mark;

typedef struct itr_sheet_hit {
	const char *image;               /* path of the picture */
	const char *name;                /* below it; may be NULL */
	double score;
	itr_sheet_mark mark;
} itr_sheet_hit;

typedef struct itr_sheet_row {
	const char *caption;
	const char *note;                /* small line below the caption; may be NULL */
	itr_sheet_hit hits[ITR_SHEET_HITS];
	int n_hits;
	const char *query;               /* the picture that asks, shown below its name; NULL: a caption asks */
	const char *truth;               /* the picture that belongs to it, shown in a column of its own; NULL: none shown */
	const char *truth_name;          /* "rank 17" */
} itr_sheet_row;

/* Draws n rows (1 to 200) under a title and a smaller line (may be NULL). -1 with err: a picture cannot be read (named), gnuplot is missing
 * (the script stays). */
ITR_MUST_USE int itr_sheet_render(const char *png, const char *title, const char *subtitle, const itr_sheet_row *rows, int64_t n,
                                  int threads, itr_err *err);

#endif
