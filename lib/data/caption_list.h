/* caption_list.h - lists of pictures and captions as they are passed around: one row a caption. Understood are
 *
 *	image.jpg#0<TAB>caption                         Flickr8k.token.txt
 *	a header that names the columns, in any order   image,caption / image_name,comment_number,comment / filepath<TAB>title / ...
 *	no header: NAME.jpg, then the caption           also NAME.jpg, a number, the caption
 *
 * with comma, tab, semicolon or | between fields (the first line tells which) and quotes as in RFC 4180: separators and line breaks inside
 * them are text. A caption that is the last column needs no quotes around separators. Quotes that do not close as CSV's do are taken as
 * they stand, to the end of their line. */
#ifndef ITR_DATA_CAPTION_LIST_H
#define ITR_DATA_CAPTION_LIST_H

#include "data/issues.h"

typedef struct itr_caption_row {
	const char *image, *text, *split;       /* trimmed; split NULL where the list has no such column */
	size_t image_n, text_n;                 /* bytes: there may be NULs among them */
	int64_t line;                           /* where the row begins, counted from 1 */
} itr_caption_row;

/* Calls row() for each one, in order; what it is given lives until it returns. `images`: the folder of the pictures: a first line whose
 * first field is one of them is no header. Rows that have no picture or too few or too many fields are issues. -1 with err: it cannot be
 * read, or nothing in it looks like a row (says what was looked for). */
ITR_MUST_USE int itr_caption_list_read(const char *path, const char *images, itr_issues *f,
                                       void (*row)(void *ctx, const itr_caption_row *r), void *ctx, itr_err *err);

#endif
