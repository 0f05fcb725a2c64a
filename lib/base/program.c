#include "base/program.h"

#include <stdio.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyz-"

static char before[64], own_name[128] = "itr";   /* set once, before threads */

void itr_program_called(const char *argv0, const char *name)
{
	/* the prefix becomes part of printf formats, so it must not contain '%' */
	static const char plain[] = LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+";
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL, *base = slash ? slash + 1 : argv0 ? argv0 : "";
	size_t n = strlen(base), own = strlen(name), extra = n > own ? n - own : 0;
	bool ours = extra < sizeof before && strspn(base, plain) >= extra && !strcmp(base + extra, name);
	memcpy(before, base, ours ? extra : 0);
	before[ours ? extra : 0] = 0;
	snprintf(own_name, sizeof own_name, "%s%s", before, name);
}

const char *itr_program_own(void) { return own_name; }

void itr_program_text(const char *text, itr_buf *out)
{
	for (const char *c = text; *c; c++) {
		size_t n = *c == '{' ? strspn(c + 1, LETTERS) : 0;
		if (n && c[n + 1] == '}') {
			itr_buf_puts(out, before);
			itr_buf_add(out, c + 1, n);
			c += n + 1;
		} else {
			itr_buf_putc(out, *c);
		}
	}
}

int itr_program_vformat(char *out, size_t size, const char *format, va_list ap)
{
	if (!strchr(format, '{'))
		return vsnprintf(out, size, format, ap);
	itr_buf b = ITR_BUF_INIT;
	itr_program_text(format, &b);
	int n = vsnprintf(out, size, itr_buf_str(&b), ap);
	itr_buf_free(&b);
	return n;
}
