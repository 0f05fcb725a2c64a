/* table.h - rows and columns as csv, tsv, Markdown, LaTeX or aligned text. */
#ifndef ITR_IO_TABLE_H
#define ITR_IO_TABLE_H

#include "base/buf.h"
#include "io/textfile.h"

typedef enum { ITR_TABLE_TEXT, ITR_TABLE_CSV, ITR_TABLE_TSV, ITR_TABLE_MD, ITR_TABLE_LATEX } itr_table_format;
extern const char *const itr_table_format_names[];             /* "text" "csv" "tsv" "md" "latex" NULL */

typedef struct itr_table itr_table;
itr_table *itr_table_new(int columns, const char *const *names);
void itr_table_cell(itr_table *t, const char *text);           /* cells in reading order; a new row begins by itself */
void itr_table_cellf(itr_table *t, const char *format, ...) ITR_PRINTF(2, 3);
int64_t itr_table_rows(const itr_table *t);
/* Escapes as the format needs; text, md and latex align columns of numbers to the right (width counted in code points). CSV: RFC 4180 with
 * plain newlines. TSV: tab, newline and backslash as \\t \\n \\\\. LaTeX: booktabs. A last row that is not full gets empty cells. */
void itr_table_print(const itr_table *t, itr_table_format format, itr_buf *out);
/* The same, and where the figures come from synthetic data that stands in what is printed: a line below the table (md, latex), a last
 * column `synthetic` (csv, tsv). Text is marked by its own heading. */
void itr_table_print_marked(const itr_table *t, itr_table_format format, bool synthetic, itr_buf *out);
void itr_table_free(itr_table *t);

/* One CSV record (RFC 4180, quotes, embedded newlines; blank lines passed over) from f into fields: their number, 0 at the end, -1 for a
 * quote that is never closed, text behind a closing quote, a NUL, more than max_fields, or a read error; `why` (may be NULL) then says
 * which. Fields are borrowed from b until the next call. */
int itr_csv_record(itr_textfile *f, itr_buf *b, char **fields, int max_fields, const char **why);

#endif
