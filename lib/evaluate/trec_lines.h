/* trec_lines.h - inside of evaluate: lines of columns, as TREC's files have them, in any form that io/textfile.h reads. Comments (lines
 * that begin with '#') and blank lines are passed over; what is no text is refused: NUL bytes, ids that are not UTF-8, lines that are too
 * long. */
#ifndef ITR_EVALUATE_TREC_LINES_H
#define ITR_EVALUATE_TREC_LINES_H

#include "base/err.h"

enum { ITR_TREC_COLUMNS = 8, ITR_TREC_LINE_MAX = 1 << 16 };

typedef struct itr_trec_lines {
	const char *path;
	char *text, *next, *end;        /* the whole file; columns point into it */
	int64_t number, comments;       /* of the line that was read last, from 1; comment lines so far */
	char *column[ITR_TREC_COLUMNS];
	int n;                          /* columns of the line, the surplus beyond ITR_TREC_COLUMNS counted too */
} itr_trec_lines;

/* 0, or -1 with err: not readable, no text, empty. Close either way. */
ITR_MUST_USE int itr_trec_lines_open(itr_trec_lines *l, const char *path, itr_err *err);
/* 1: l->column and l->n are the next line's; 0 at the end; -1 with err. */
ITR_MUST_USE int itr_trec_lines_read(itr_trec_lines *l, itr_err *err);
void itr_trec_lines_close(itr_trec_lines *l);
/* A finite or infinite number in the whole of `text`; NaN and what is no number: -1 with err, which names the line and `what`. */
ITR_MUST_USE int itr_trec_number(const itr_trec_lines *l, const char *text, const char *what, double *value, itr_err *err);

#endif
