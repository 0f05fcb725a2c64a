/* A self-contained HTML page. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/atomic_file.h"
#include "base/path.h"

enum { MAX_PICTURE = 32 << 20 };

static void escape(itr_buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			itr_buf_puts(b, "&lt;");
		else if (*s == '>')
			itr_buf_puts(b, "&gt;");
		else if (*s == '&')
			itr_buf_puts(b, "&amp;");
		else if (*s == '"')
			itr_buf_puts(b, "&quot;");
		else
			itr_buf_putc(b, *s);
	}
}

static void base64(itr_buf *b, const unsigned char *x, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)x[i] << 16 | (i + 1 < n ? (unsigned)x[i + 1] << 8 : 0) | (i + 2 < n ? x[i + 2] : 0);
		itr_buf_putc(b, digit[v >> 18]);
		itr_buf_putc(b, digit[v >> 12 & 63]);
		itr_buf_putc(b, i + 1 < n ? digit[v >> 6 & 63] : '=');
		itr_buf_putc(b, i + 2 < n ? digit[v & 63] : '=');
	}
}

static int put_figures(const itr_analysis *a, const char *dir, itr_buf *b, itr_err *err)
{
	static const char *const alt[ITR_A_FIGURES] = { "Recall by embedding size, precision and pool; speed; memory; directions",
		                                        "Recall by pool size, with chance", "MRR by pool size, with chance",
		                                        "Pareto front of recall, time and memory" };
	for (int i = 0; i < ITR_A_FIGURES; i++) {
		size_t n;
		char *path = itr_analysis_figure_path(a, dir, i), *png = itr_path_read(path, MAX_PICTURE, &n, err);
		free(path);
		if (!png)
			return -1;
		itr_buf_printf(b, "<p><img alt=\"%s\" src=\"data:image/png;base64,", alt[i]);
		base64(b, (const unsigned char *)png, n);
		itr_buf_puts(b, "\"></p>\n");
		free(png);
	}
	return 0;
}

static void put_warnings(const itr_analysis *a, itr_buf *b)
{
	if (!itr_json_first(a->warnings))
		return;
	itr_buf_puts(b, "<ul class=\"warn\">\n");
	for (const itr_json *w = itr_json_first(a->warnings); w; w = itr_json_next(w)) {
		itr_buf_puts(b, "<li>");
		escape(b, itr_json_str(w, ""));
		itr_buf_puts(b, "</li>\n");
	}
	itr_buf_puts(b, "</ul>\n");
}

static bool is_text(int column)
{
	return column == ITR_AC_EXPERIMENT || column == ITR_AC_PRECISION || column == ITR_AC_KERNEL || column == ITR_AC_PARETO;
}

static void put_table(const itr_analysis *a, itr_buf *b)
{
	itr_buf text = ITR_BUF_INIT;
	itr_buf_puts(b, "<p>A click on a column's name sorts. * is on the Pareto front of recall, time and memory of its pool "
	                "size.</p>\n<div class=\"scroll\"><table id=\"t\"><thead><tr>");
	for (int k = 0; k < ITR_AC_COUNT; k++)
		itr_buf_printf(b, "<th>%s</th>", a->name[k]);
	itr_buf_puts(b, "</tr></thead><tbody>\n");
	for (int64_t i = 0; i < a->n_cells; i++) {
		const itr_acell *c = &a->cells[i];
		if (c->error)
			continue;
		itr_buf_puts(b, c->at_chance ? "<tr class=\"chance\">" : "<tr>");
		for (int k = 0; k < ITR_AC_COUNT; k++) {
			itr_buf_clear(&text);
			itr_analysis_text(c, (itr_acolumn)k, false, &text);
			itr_buf_puts(b, is_text(k) ? "<td class=\"l\">" : "<td>");
			escape(b, itr_buf_str(&text));
			itr_buf_puts(b, "</td>");
		}
		itr_buf_puts(b, "</tr>\n");
	}
	itr_buf_puts(b, "</tbody></table></div>\n");
	itr_buf_free(&text);
}

static void put_failed(const itr_analysis *a, itr_buf *b)
{
	if (!a->n_failed)
		return;
	itr_buf_puts(b, "<h2>Failed</h2>\n<dl>\n");
	for (int64_t i = 0; i < a->n_cells; i++) {
		if (!a->cells[i].error)
			continue;
		itr_buf_puts(b, "<dt>");
		escape(b, a->cells[i].key);
		itr_buf_puts(b, "</dt><dd>");
		escape(b, a->cells[i].error);
		itr_buf_puts(b, "</dd>\n");
	}
	itr_buf_puts(b, "</dl>\n");
}

static const char head[] = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                           "content=\"width=device-width\"><title>Candidate-pool ablation</title>\n<style>\n"
			   "body{font:15px/1.45 sans-serif;margin:2em auto;max-width:1200px;padding:0 "
                           "1em;color:#111}img{max-width:100%}.scroll{overflow-x:auto}\n"
			   "table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}th,td{padding:3px "
                           "8px;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}\n"
			   "th{cursor:pointer;background:#f3f3f3}.l{text-align:left}.chance "
                           "td{color:#a33}.warn{background:#fff4d6;border-left:4px solid #e69f00;padding:.6em 2em}\n"
			   "</style></head><body>\n<h1>Candidate-pool ablation</h1>\n";

/* Sorts numbers numerically, empty cells last; stable. */
static const char script[] = "<script>\ndocument.querySelectorAll('#t th').forEach((th,i)=>{let up=false;th.onclick=()=>{up=!up;const "
                             "b=document.querySelector('#t tbody');\n"
			     "const v=r=>r.cells[i].textContent,s=up?1:-1;\n[...b.rows].sort((p,q)=>{const "
                             "x=v(p),y=v(q);if(x===''||y==='')return (x==='')-(y==='');\n"
			     "const n=x-y;return s*(isNaN(n)?x.localeCompare(y):n);}).forEach(r=>b.appendChild(r));};});\n</script>\n";

int itr_analysis_page(const itr_analysis *a, const char *dir, const char *path, const itr_provenance *p, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	itr_buf_puts(&b, head);
	put_warnings(a, &b);
	itr_buf_printf(&b, "<p>%lld experiments, %lld failed.</p>\n", (long long)(a->n_cells - a->n_failed), (long long)a->n_failed);
	int rc = put_figures(a, dir, &b, err);
	put_table(a, &b);
	put_failed(a, &b);
	char *text = p ? itr_provenance_text(p) : NULL;
	if (text && *text) {
		itr_buf_puts(&b, "<h2>Provenance</h2>\n<p><code>");
		escape(&b, text);
		itr_buf_puts(&b, "</code></p>\n");
	}
	free(text);
	itr_buf_puts(&b, script);
	itr_buf_puts(&b, "</body></html>\n");
	if (rc == 0)
		rc = itr_atomic_write(path, b.data, b.len, err);
	itr_buf_free(&b);
	return rc;
}
