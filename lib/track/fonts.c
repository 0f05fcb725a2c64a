/* fonts.c - will the texts of a plot be there? gnuplot draws without fonts, says nothing and exits 0. fontconfig's own programs are asked; Pango, which gnuplot draws with, needs
 * their package. Where they are missing nothing is known and nothing is said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "io/utf8.h"
#include "track/plot_internal.h"

enum { MAX_KINDS = 64, MAX_SCRIPT = 1 << 24 };

/* The different characters of the script beyond ASCII, the first MAX_KINDS. */
static int characters(const char *gp, uint32_t *kinds)
{
	size_t n = 0;
	int count = 0;
	char *text = itr_path_read(gp, MAX_SCRIPT, &n, NULL);
	for (size_t at = 0; text && at < n && count < MAX_KINDS;) {
		uint32_t c = 0;
		int used = itr_utf8_decode(text + at, n - at, &c), i = 0;
		at += used ? (size_t)used : 1;
		while (c >= 0x80 && i < count && kinds[i] != c)
			i++;
		if (used && c >= 0x80 && i == count)
			kinds[count++] = c;
	}
	free(text);
	return count;
}

/* Does one font have all these? True where it cannot be asked. */
static bool have(const uint32_t *kinds, int n)
{
	char out[16] = "";
	itr_buf pattern = ITR_BUF_INIT;
	itr_buf_puts(&pattern, ":charset=");
	for (int i = 0; i < n; i++)
		itr_buf_printf(&pattern, "%s%x", i ? " " : "", (unsigned)kinds[i]);
	const char *argv[] = { "fc-list", pattern.data, "file", NULL };
	bool known = itr_proc_run(argv, NULL, out, sizeof out, NULL) == 0;
	itr_buf_free(&pattern);
	return !known || out[0];
}

int itr_plot_fonts(const char *png, const char *gp, itr_err *err)
{
	const char *argv[] = { "fc-match", "-f", "%{file}", "DejaVu Sans", NULL };
	char out[16] = "";
	uint32_t kinds[MAX_KINDS];
	if (!itr_proc_exists("fc-match") || !itr_proc_exists("fc-list"))
		return 0;
	if (itr_proc_run(argv, NULL, out, sizeof out, NULL) == 0 && !out[0])
		return itr_err_set(err, "no font is installed, so '%s' would have no text and is not drawn: apt-get install fonts-dejavu-core, then: gnuplot -d '%s'", png, gp);
	int n = characters(gp, kinds);
	for (int i = 0; n && !have(kinds, n) && i < n; i++)
		if (!have(&kinds[i], 1)) {
			itr_buf c = ITR_BUF_INIT;
			itr_utf8_put(&c, kinds[i]);
			itr_warn("'%s': no installed font has '%s' (U+%04X), which is drawn as a box: apt-get install fonts-noto-core fonts-noto-cjk, then: gnuplot -d '%s'", png, c.data,
			         (unsigned)kinds[i], gp);
			itr_buf_free(&c);
			break;
		}
	return 0;
}
