/* textfile.h - reading of text files in several encodings, as UTF-8. All readers of lines, CSV and JSON use it, so that files saved by
 * Excel, Notepad or PowerShell are read correctly everywhere:
 *
 *	a byte-order mark       is skipped: UTF-8, UTF-16 little and big endian
 *	UTF-16                  is decoded; without a mark it is detected by its zero bytes (every ASCII character has one). A lone
 *	                        surrogate and an odd last byte become the byte 0xFF, which the caller treats like any invalid byte
 *	UTF-32                  is an error
 *	line ends               LF and CRLF; CR alone when the first 64 KiB have no LF (old Macintosh files)
 *	NUL bytes               are kept: the caller must check for them (itr_textfile_line gives the length)
 *
 * A read returns as soon as there is some input, so that two programs can communicate through pipes line by line. */
#ifndef ITR_IO_TEXTFILE_H
#define ITR_IO_TEXTFILE_H

#include "base/buf.h"
#include "base/err.h"

typedef struct itr_textfile itr_textfile;

/* "-" is standard input. NULL with err when it cannot be opened, is a folder, or is UTF-32. Free with itr_textfile_close. */
itr_textfile *itr_textfile_open(const char *path, itr_err *err);
/* The same for n bytes in memory, borrowed until itr_textfile_close; `name` is used in messages. */
itr_textfile *itr_textfile_memory(const char *bytes, size_t n, const char *name, itr_err *err);
void itr_textfile_close(itr_textfile *t);                       /* NULL does nothing */

/* Reads up to n decoded bytes. Returns their number; 0 at the end and after a read error (see itr_textfile_error). */
size_t itr_textfile_read(itr_textfile *t, char *to, size_t n);
int itr_textfile_getc(itr_textfile *t);                         /* one byte, or EOF */
int itr_textfile_peek(itr_textfile *t);                         /* the next byte without consuming it, or EOF */
/* -1 with err after a read error, otherwise 0. */
ITR_MUST_USE int itr_textfile_error(const itr_textfile *t, itr_err *err);

/* Reads the next line without its end (LF, CRLF or CR): 1 with *line (n bytes, NUL-terminated, borrowed until the next call), 0 at the end,
 * -1 with err for a read error or a line longer than 64 MiB ("FILE:LINE: ..."). */
ITR_MUST_USE int itr_textfile_line(itr_textfile *t, const char **line, size_t *n, itr_err *err);
int64_t itr_textfile_number(const itr_textfile *t);            /* number of the line last read, from 1 */
const char *itr_textfile_name(const itr_textfile *t);          /* for messages: the path, or "standard input" */

/* Reads a whole file, decoded, and adds a NUL. A file larger than max_bytes is an error. The caller frees. NULL with err. */
char *itr_textfile_all(const char *path, size_t max_bytes, size_t *n, itr_err *err);

#endif
