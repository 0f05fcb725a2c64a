/* captions.h - captions one after the other, from a text file (one a line; textfile.h) or a manifest (formats.md), streamed. */
#ifndef ITR_TEXT_CAPTIONS_H
#define ITR_TEXT_CAPTIONS_H

#include "base/err.h"

typedef struct itr_captions itr_captions;
typedef enum { ITR_CAPTIONS_AUTO, ITR_CAPTIONS_LINES, ITR_CAPTIONS_MANIFEST } itr_captions_format;

/* "-" is standard input. AUTO: a manifest when the name ends in .jsonl, or when standard input begins with '{'. NULL with err. */
itr_captions *itr_captions_open(const char *path, itr_captions_format format, itr_err *err);
/* The next caption: 1 with *text (n bytes, also NUL-terminated, may hold any byte but the newline; until the next call), 0 at the end, -1
 * with err ("FILE:LINE: ..."). */
ITR_MUST_USE int itr_captions_next(itr_captions *c, const char **text, size_t *n, itr_err *err);
int64_t itr_captions_line(const itr_captions *c);         /* the line that the last caption came from, counted from 1 */
void itr_captions_close(itr_captions *c);                 /* NULL is fine */

#endif
