/* jsonl.h - JSON Lines: one JSON object in each line, read one at a time (encodings and line ends as in textfile.h). */
#ifndef ITR_IO_JSONL_H
#define ITR_IO_JSONL_H

#include "io/json.h"

typedef struct itr_jsonl itr_jsonl;

itr_jsonl *itr_jsonl_open(const char *path, itr_err *err);     /* "-" is standard input */
/* Reads the next object: 1 with *out (the caller frees), 0 at the end, -1 with err ("FILE:LINE: ..."). Blank lines are skipped. A line
 * longer than 64 MiB is an error. */
ITR_MUST_USE int itr_jsonl_next(itr_jsonl *r, itr_json **out, itr_err *err);
int64_t itr_jsonl_line(const itr_jsonl *r);                    /* number of the line last read, from 1 */
void itr_jsonl_close(itr_jsonl *r);

#endif
