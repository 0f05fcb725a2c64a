/* table.h - rows and columns as csv, tsv, Markdown, LaTeX or aligned text. */
#ifndef ITR_IO_TABLE_H
#define ITR_IO_TABLE_H

#include "base/buf.h"

typedef enum { ITR_TABLE_TEXT, ITR_TABLE_CSV, ITR_TABLE_TSV, ITR_TABLE_MD, ITR_TABLE_LATEX } itr_table_format;
extern const char *const itr_table_format_names[];             /* "text" "csv" "tsv" "md" "latex" NULL */

typedef struct itr_table itr_table;
itr_table *itr_table_new(int columns, const char *const *names);
void itr_table_cell(itr_table *t, const char *text);           /* cells in reading order; a new row begins by itself */
void itr_table_cellf(itr_table *t, const char *format, ...) ITR_PRINTF(2, 3);
int64_t itr_table_rows(const itr_table *t);
/* Escapes as the format needs; text and md align numbers to the right. */
void itr_table_print(const itr_table *t, itr_table_format format, itr_buf *out);
void itr_table_free(itr_table *t);

/* One CSV record (RFC 4180, quotes, embedded newlines) from f into fields: their number, 0 at the end. Borrowed until the next call; b is scratch. */
int itr_csv_read(void *file, itr_buf *b, char **fields, int max_fields);

#endif
