/* jsonl.h - one JSON object a line, streamed (textfile.h: byte-order marks, UTF-16, any line end). */
#ifndef ITR_IO_JSONL_H
#define ITR_IO_JSONL_H

#include "io/json.h"

typedef struct itr_jsonl itr_jsonl;

itr_jsonl *itr_jsonl_open(const char *path, itr_err *err);     /* "-" is standard input */
/* The next object: 1 with *out (the caller frees), 0 at the end, -1 with err ("FILE:LINE: ..."). Blank lines are passed over; a line is at
 * most 64 MiB. */
ITR_MUST_USE int itr_jsonl_next(itr_jsonl *r, itr_json **out, itr_err *err);
int64_t itr_jsonl_line(const itr_jsonl *r);
void itr_jsonl_close(itr_jsonl *r);

#endif
