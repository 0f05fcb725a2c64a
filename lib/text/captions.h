/* captions.h - reads captions one at a time, from a text file (one in each line; textfile.h) or a manifest (JSON Lines). */
#ifndef ITR_TEXT_CAPTIONS_H
#define ITR_TEXT_CAPTIONS_H

#include "base/err.h"

typedef struct itr_captions itr_captions;
typedef enum { ITR_CAPTIONS_AUTO, ITR_CAPTIONS_LINES, ITR_CAPTIONS_MANIFEST } itr_captions_format;

/* "-" is standard input. AUTO: a manifest when the name ends in .jsonl or standard input starts with '{', otherwise lines. NULL with err.
 */
itr_captions *itr_captions_open(const char *path, itr_captions_format format, itr_err *err);
/* Reads the next caption: 1 with *text (n bytes, NUL-terminated, may contain any byte except newline; borrowed until the next call), 0 at
 * the end, -1 with err ("FILE:LINE: ..."). */
ITR_MUST_USE int itr_captions_next(itr_captions *c, const char **text, size_t *n, itr_err *err);
int64_t itr_captions_line(const itr_captions *c);         /* line number of the last caption, from 1 */
void itr_captions_close(itr_captions *c);                 /* NULL does nothing */

#endif
