#include "io/table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "io/utf8.h"

const char *const itr_table_format_names[] = { "text", "csv", "tsv", "md", "latex", NULL };

struct itr_table {
	int columns;
	ITR_VEC(char *) cells;          /* the names first, then rows in reading order */
};

itr_table *itr_table_new(int columns, const char *const *names)
{
	if (columns < 1)
		ITR_BUG("a table of %d columns", columns);
	itr_table *t = itr_xcalloc(1, sizeof *t);
	t->columns = columns;
	for (int i = 0; i < columns; i++)
		itr_table_cell(t, names[i]);
	return t;
}

void itr_table_cell(itr_table *t, const char *text) { ITR_VEC_PUSH(&t->cells, itr_xstrdup(text ? text : "")); }

void itr_table_cellf(itr_table *t, const char *format, ...)
{
	itr_buf b = ITR_BUF_INIT;
	va_list ap;
	va_start(ap, format);
	itr_buf_vprintf(&b, format, ap);
	va_end(ap);
	itr_table_cell(t, itr_buf_str(&b));
	itr_buf_free(&b);
}

/* Number of rows, including an incomplete one, without the names. */
int64_t itr_table_rows(const itr_table *t) { return ((int64_t)t->cells.n - 1) / t->columns; }

void itr_table_free(itr_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cells.n; i++)
		free(t->cells.v[i]);
	free(t->cells.v);
	free(t);
}

/* Row 0 is the names. */
static const char *cell(const itr_table *t, int64_t row, int column)
{
	size_t i = (size_t)row * (size_t)t->columns + (size_t)column;
	return i < t->cells.n ? t->cells.v[i] : "";
}

/* True for a cell of a numeric column: "12", "-0.5", "1e-9", "37.5%", "0.41 [0.38, 0.44]", "nan", "-". */
static bool looks_numeric(const char *s)
{
	static const char *const words[] = { "nan", "inf", "-inf", "-", "" };
	for (int i = 0; i < ITR_LEN(words); i++)
		if (!strcmp(s, words[i]))
			return true;
	if (*s == '-' || *s == '+')
		s++;
	return isdigit((unsigned char)*s) && !s[strspn(s, "0123456789.,eE+-% []()x\xc2\xb1")];
}

static bool numeric_column(const itr_table *t, int column)
{
	for (int64_t r = 1; r <= itr_table_rows(t); r++)
		if (!looks_numeric(cell(t, r, column)))
			return false;
	return itr_table_rows(t) > 0;
}

/* --- one cell in each format ------------------------------------------------------------------------------------------ */

static void put_csv(itr_buf *out, const char *s)
{
	size_t n = strlen(s);
	if (!s[strcspn(s, ",\"\r\n")] && !(n && (s[0] == ' ' || s[n - 1] == ' '))) {
		itr_buf_puts(out, s);
		return;
	}
	itr_buf_putc(out, '"');
	for (; *s; s++) {
		if (*s == '"')
			itr_buf_putc(out, '"');
		itr_buf_putc(out, *s);
	}
	itr_buf_putc(out, '"');
}

/* Replaces each byte that is in `from` by the string at the same position in `to`. */
static void put_replacing(itr_buf *out, const char *s, const char *from, const char *const *to)
{
	for (; *s; s++) {
		const char *at = strchr(from, *s);
		if (at)
			itr_buf_puts(out, to[at - from]);
		else
			itr_buf_putc(out, *s);
	}
}

static void put_cell(itr_buf *out, itr_table_format format, const char *s)
{
	static const char *const tsv[] = { "\\t", "\\n", "\\r", "\\\\" };
	static const char *const md[] = { "\\|", "<br>", "" };
	static const char *const latex[] = { "\\&",
		                             "\\%",
		                             "\\_",
		                             "\\#",
		                             "\\$",
		                             "\\{",
		                             "\\}",
		                             "\\textasciitilde{}",
		                             "\\textasciicircum{}",
		                             "\\textbackslash{}",
		                             "\\textless{}",
		                             "\\textgreater{}",
		                             " ",
		                             "" };
	static const char *const text[] = { " ", "", " " };
	switch (format) {
	case ITR_TABLE_CSV: put_csv(out, s); break;
	case ITR_TABLE_TSV: put_replacing(out, s, "\t\n\r\\", tsv); break;
	case ITR_TABLE_MD: put_replacing(out, s, "|\n\r", md); break;
	case ITR_TABLE_LATEX: put_replacing(out, s, "&%_#${}~^\\<>\n\r", latex); break;
	case ITR_TABLE_TEXT: put_replacing(out, s, "\n\r\t", text); break;
	}
}

/* --- whole tables --------------------------------------------------------------------------------------------------------- */

static void print_separated(const itr_table *t, itr_table_format format, itr_buf *out)
{
	for (int64_t r = 0; r <= itr_table_rows(t); r++)
		for (int c = 0; c < t->columns; c++) {
			put_cell(out, format, cell(t, r, c));
			itr_buf_putc(out, c + 1 < t->columns ? format == ITR_TABLE_CSV ? ',' : '\t' : '\n');
		}
}

static void print_latex(const itr_table *t, itr_buf *out)
{
	itr_buf_puts(out, "\\begin{tabular}{");
	for (int c = 0; c < t->columns; c++)
		itr_buf_putc(out, numeric_column(t, c) ? 'r' : 'l');
	itr_buf_puts(out, "}\n\\toprule\n");
	for (int64_t r = 0; r <= itr_table_rows(t); r++) {
		for (int c = 0; c < t->columns; c++) {
			if (c > 0)
				itr_buf_puts(out, " & ");
			put_cell(out, ITR_TABLE_LATEX, cell(t, r, c));
		}
		itr_buf_puts(out, r == 0 ? " \\\\\n\\midrule\n" : " \\\\\n");
	}
	itr_buf_puts(out, "\\bottomrule\n\\end{tabular}\n");
}

static void pad(itr_buf *out, char c, int64_t n)
{
	while (n-- > 0)
		itr_buf_putc(out, c);
}

/* Text and Markdown: every cell padded to its column's width. */
static void print_aligned(const itr_table *t, itr_table_format format, itr_buf *out)
{
	bool md = format == ITR_TABLE_MD;
	int64_t rows = itr_table_rows(t) + 1, *width = itr_xcalloc((size_t)t->columns, sizeof *width);
	bool *right = itr_xcalloc((size_t)t->columns, sizeof *right);
	itr_buf one = ITR_BUF_INIT;
	for (int c = 0; c < t->columns; c++) {
		right[c] = numeric_column(t, c);
		width[c] = md ? 3 : 0;
		for (int64_t r = 0; r < rows; r++) {
			itr_buf_clear(&one);
			put_cell(&one, format, cell(t, r, c));
			width[c] = ITR_MAX(width[c], itr_utf8_count(itr_buf_str(&one)));
		}
	}
	for (int64_t r = 0; r < rows; r++) {
		for (int c = 0; c < t->columns; c++) {
			itr_buf_clear(&one);
			put_cell(&one, format, cell(t, r, c));
			int64_t spaces = width[c] - itr_utf8_count(itr_buf_str(&one));
			itr_buf_puts(out, md ? "| " : c > 0 ? "  " : "");
			pad(out, ' ', right[c] ? spaces : 0);
			itr_buf_puts(out, itr_buf_str(&one));
			if (md || (!right[c] && c + 1 < t->columns))
				pad(out, ' ', right[c] ? 0 : spaces);
			if (md)
				itr_buf_putc(out, ' ');
		}
		while (!md && out->len > 0 && out->data[out->len - 1] == ' ')
			out->data[--out->len] = 0;
		itr_buf_puts(out, md ? "|\n" : "\n");
		for (int c = 0; r == 0 && md && c < t->columns; c++) {
			itr_buf_puts(out, "|-");
			pad(out, '-', width[c]);
			itr_buf_puts(out, right[c] ? ":" : "-");
			itr_buf_puts(out, c + 1 < t->columns ? "" : "|\n");
		}
	}
	itr_buf_free(&one);
	free(width);
	free(right);
}

void itr_table_print(const itr_table *t, itr_table_format format, itr_buf *out)
{
	switch (format) {
	case ITR_TABLE_CSV:
	case ITR_TABLE_TSV: print_separated(t, format, out); break;
	case ITR_TABLE_LATEX: print_latex(t, out); break;
	case ITR_TABLE_MD:
	case ITR_TABLE_TEXT: print_aligned(t, format, out); break;
	}
}

void itr_table_print_marked(const itr_table *t, itr_table_format format, bool synthetic, itr_buf *out)
{
	const size_t columns = (size_t)t->columns;
	if (!synthetic || format == ITR_TABLE_TEXT) {
		itr_table_print(t, format, out);
	} else if (format == ITR_TABLE_CSV || format == ITR_TABLE_TSV) {
		const char **names = itr_xcalloc(columns + 1, sizeof *names);
		for (size_t i = 0; i < columns; i++)
			names[i] = t->cells.v[i];
		names[columns] = "synthetic";
		itr_table *wide = itr_table_new(t->columns + 1, names);
		for (size_t i = columns; i < t->cells.n; i++) {
			itr_table_cell(wide, t->cells.v[i]);
			if ((i + 1) % columns == 0)
				itr_table_cell(wide, "true");
		}
		itr_table_print(wide, format, out);
		itr_table_free(wide);
		free(names);
	} else {
		itr_table_print(t, format, out);
		itr_buf_puts(out, format == ITR_TABLE_MD
		                          ? "\n**Synthetic data: these figures say nothing about real pictures.**\n"
		                          : "\\par\\textbf{Synthetic data: these figures say nothing about real pictures.}\n");
	}
}

/* --- reading CSV ------------------------------------------------------------------------------------------------------------ */

/* Reads one field, whose first byte is c, into b and adds a NUL. Returns its terminator: ',', '\n' or EOF; -2 with *why. */
static int read_field(itr_textfile *f, itr_buf *b, int c, const char **why)
{
	bool quoted = c == '"' && (b->len == 0 || b->data[b->len - 1] == 0);
	if (quoted) {
		for (c = itr_textfile_getc(f);; c = itr_textfile_getc(f)) {
			if (c == '"' && (c = itr_textfile_getc(f)) != '"')
				break;
			if (c == EOF || c == 0) {
				*why = c == 0 ? "a NUL byte" : "a quote that is never closed";
				return -2;
			}
			itr_buf_putc(b, (char)c);
		}
	}
	for (; c != ',' && c != '\n' && c != EOF; c = itr_textfile_getc(f)) {
		if (c == '\r') {
			int next = itr_textfile_peek(f);
			if (next == '\n' || next == EOF) {
				c = itr_textfile_getc(f);
				break;
			}
		}
		if (quoted || c == 0) {
			*why = c == 0 ? "a NUL byte" : "text behind a closing quote";
			return -2;
		}
		itr_buf_putc(b, (char)c);
	}
	itr_buf_putc(b, 0);
	return c;
}

int itr_csv_record(itr_textfile *f, itr_buf *b, char **fields, int max_fields, const char **why)
{
	const char *reason = NULL;
	int n = 0, end = ',';
	why = why ? why : &reason;
	do {
		itr_buf_clear(b);
		for (n = 0, end = ','; end == ','; n++) {
			end = read_field(f, b, itr_textfile_getc(f), why);
			if (end == -2)
				return -1;
		}
	} while (end != EOF && n == 1 && b->len == 1);          /* a blank line */
	if (itr_textfile_error(f, NULL) < 0) {
		*why = "reading failed";
		return -1;
	}
	if (end == EOF && n == 1 && b->len == 1)
		return 0;
	if (n > max_fields) {
		*why = "more fields than expected";
		return -1;
	}
	char *s = b->data;
	for (int i = 0; i < n; i++, s += strlen(s) + 1)
		fields[i] = s;
	return n;
}
