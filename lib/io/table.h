/* table.h - printing of tables as csv, tsv, Markdown, LaTeX or aligned text, and reading of CSV records. */
#ifndef ITR_IO_TABLE_H
#define ITR_IO_TABLE_H

#include "base/buf.h"
#include "io/textfile.h"

typedef enum { ITR_TABLE_TEXT, ITR_TABLE_CSV, ITR_TABLE_TSV, ITR_TABLE_MD, ITR_TABLE_LATEX } itr_table_format;
extern const char *const itr_table_format_names[];             /* "text" "csv" "tsv" "md" "latex" NULL */

typedef struct itr_table itr_table;
itr_table *itr_table_new(int columns, const char *const *names);
void itr_table_cell(itr_table *t, const char *text);           /* cells row by row; a new row starts after the last column */
void itr_table_cellf(itr_table *t, const char *format, ...) ITR_PRINTF(2, 3);
int64_t itr_table_rows(const itr_table *t);
/* Appends the table to out, with the escapes of the format. text, md and latex align columns of numbers to the right (width in code
 * points). CSV: RFC 4180 with LF line ends. TSV: tab, newline and backslash as \t \n \\. LaTeX: booktabs. An incomplete last row gets empty
 * cells. */
void itr_table_print(const itr_table *t, itr_table_format format, itr_buf *out);
/* The same. With `synthetic` the output also says that the numbers come from synthetic data: a line below the table (md, latex) or a last
 * column `synthetic` (csv, tsv). For text the caller says it in its heading. */
void itr_table_print_marked(const itr_table *t, itr_table_format format, bool synthetic, itr_buf *out);
void itr_table_free(itr_table *t);

/* Reads one CSV record (RFC 4180: quotes, embedded newlines; blank lines are skipped) from f into fields. Returns their number; 0 at the
 * end; -1 for a quote without end, text after a closing quote, a NUL, more than max_fields, or a read error, with the reason in *why (why
 * may be NULL; static text). Fields are borrowed from b until the next call. */
int itr_csv_record(itr_textfile *f, itr_buf *b, char **fields, int max_fields, const char **why);

#endif
