/* textfile.h - text files as people have them, read as UTF-8 with one kind of line end. Every reader of lines, CSV and JSON goes through
 * it, so that a file saved by Excel, Notepad or PowerShell means the same everywhere:
 *
 *	a byte-order mark       is passed over: UTF-8, UTF-16 little and big endian
 *	UTF-16                  is decoded; without a mark it is known by its zero bytes (every ASCII character has one). A lone surrogate
 *	                        and an odd last byte become the byte 0xFF, which the caller treats as any invalid byte
 *	UTF-32                  is refused
 *	line ends               LF and CRLF; CR alone where the first 64 KiB have no LF (old Macintosh files)
 *	NUL bytes               are kept: the caller must check for them (itr_textfile_line gives the length)
 *
 * Input is read as it comes, so that a program at the other end of a pipe gets its answer line by line. */
#ifndef ITR_IO_TEXTFILE_H
#define ITR_IO_TEXTFILE_H

#include "base/buf.h"
#include "base/err.h"

typedef struct itr_textfile itr_textfile;

/* "-" is standard input. NULL with err: it cannot be opened, is a folder, or is UTF-32. Free with itr_textfile_close. */
itr_textfile *itr_textfile_open(const char *path, itr_err *err);
/* The same over n bytes in memory, which are borrowed until itr_textfile_close; `name` stands in messages. */
itr_textfile *itr_textfile_memory(const char *bytes, size_t n, const char *name, itr_err *err);
void itr_textfile_close(itr_textfile *t);                       /* NULL is fine */

/* Up to n decoded bytes; 0 at the end and after a read error (see itr_textfile_error). */
size_t itr_textfile_read(itr_textfile *t, char *to, size_t n);
int itr_textfile_getc(itr_textfile *t);                         /* one byte, or EOF */
int itr_textfile_peek(itr_textfile *t);                         /* the byte that comes next, not taken, or EOF */
/* -1 with err after a read error, else 0. */
ITR_MUST_USE int itr_textfile_error(const itr_textfile *t, itr_err *err);

/* The next line without its end (LF, CRLF or CR): 1 with *line (n bytes, NUL-terminated, until the next call), 0 at the end, -1 with err: a
 * read error, or a line longer than 64 MiB ("FILE:LINE: ..."). */
ITR_MUST_USE int itr_textfile_line(itr_textfile *t, const char **line, size_t *n, itr_err *err);
int64_t itr_textfile_number(const itr_textfile *t);            /* of the line last read, counted from 1 */
const char *itr_textfile_name(const itr_textfile *t);          /* for messages: the path, or "standard input" */

/* The whole of it, decoded, NUL added; at most max_bytes on disk. The caller frees. NULL with err. */
char *itr_textfile_all(const char *path, size_t max_bytes, size_t *n, itr_err *err);

#endif
