/* fonts.c - checks that there are fonts for the texts of a plot. Without fonts gnuplot draws no text and exits with 0; a character that no
 * font has becomes a black box as large as the plot. The check uses fontconfig's program fc-list, whose package Pango, gnuplot's text
 * library, needs. Without it there is no check. */
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "io/utf8.h"
#include "plot/plot_internal.h"

enum { MAX_SCRIPT = 1 << 24, MAX_ANSWER = 1 << 23, LAST = 0x10FFFF, BOX = 0x25A1 };

/* A bit for each character that some font has, from fc-list's lines of "20-7e a0 ..."; NULL when fc-list cannot be run. *any: there is a
 * font. */
static uint8_t *characters_of_fonts(bool *any)
{
	const char *argv[] = { "fc-list", "-f", "%{charset}\n", NULL };
	char *text = itr_xcalloc(MAX_ANSWER, 1), *end;
	uint8_t *bits = NULL;
	*any = false;
	if (itr_proc_exists("fc-list") && itr_proc_run(argv, NULL, text, MAX_ANSWER, NULL) == 0) {
		bits = itr_xcalloc(LAST / 8 + 1, 1);
		for (const char *s = text; *s; s = *end ? end + 1 : end) {
			unsigned long from = strtoul(s, &end, 16), to = from;
			if (end == s)
				end = (char *)(uintptr_t)s;
			else if (*end == '-')
				to = strtoul(end + 1, &end, 16);
			*any |= end != s;
			for (unsigned long c = from; end != s && c <= to && c <= LAST; c++)
				bits[c / 8] |= (uint8_t)(1 << c % 8);
		}
	}
	free(text);
	return bits;
}

/* Marks that are not drawn by themselves (Unicode's Default_Ignorable_Code_Point). */
static bool invisible(uint32_t c)
{
	return c < 0x20 || c == 0xAD || c == 0x34F || c == 0xFEFF || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
	       (c >= 0x2060 && c <= 0x206F) || (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0000 && c <= 0xE0FFF);
}

/* Copies the script with a small box for each character that no font has. Returns their number; *first is the first of them. */
static int64_t replace_missing(const char *gp, size_t n, const uint8_t *bits, itr_buf *out, uint32_t *first)
{
	int64_t missing = 0;
	const bool box = bits[BOX / 8] >> BOX % 8 & 1;
	for (size_t at = 0, used; at < n; at += used) {
		uint32_t c = 0;
		used = ITR_MAX((size_t)itr_utf8_decode(gp + at, n - at, &c), (size_t)1);
		if (c < 0x80 || invisible(c) || (bits[c / 8] >> c % 8 & 1)) {
			itr_buf_add(out, gp + at, used);
			continue;
		}
		*first = missing++ ? *first : c;
		itr_utf8_put(out, box ? BOX : '?');
	}
	return missing;
}

int itr_plot_fonts(const char *png, const char *gp, itr_err *err)
{
	bool any;
	uint8_t *bits = characters_of_fonts(&any);
	size_t n = 0;
	uint32_t first = 0;
	itr_buf script = ITR_BUF_INIT, c = ITR_BUF_INIT;
	char *text = bits && any ? itr_path_read(gp, MAX_SCRIPT, &n, NULL) : NULL;
	int64_t missing = text ? replace_missing(text, n, bits, &script, &first) : 0;
	int rc = 0;
	if (bits && !any)
		rc = itr_err_set(err,
		                 "no font is installed, so '%s' would have no text and is not drawn: apt-get install fonts-dejavu-core, "
		                 "then: gnuplot -d '%s'",
		                 png, gp);
	if (missing) {
		itr_utf8_put(&c, first);
		itr_warn("'%s': no installed font has %lld of its characters, such as '%s' (U+%04X); a small box stands for each. apt-get "
		         "install fonts-noto-core fonts-noto-cjk, "
		         "then draw it again",
		         png, (long long)missing, c.data, (unsigned)first);
		rc = itr_atomic_write(gp, script.data, script.len, err);
	}
	itr_buf_free(&script);
	itr_buf_free(&c);
	free(text);
	free(bits);
	return rc;
}
