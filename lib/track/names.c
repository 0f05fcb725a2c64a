#include "track/names.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "io/utf8.h"
#include "text/unicode.h"
#include "track/run.h"

enum { MAX_KEY = 250 };

/* MLflow 3's rule for names, ^[/\w.\- :]*$ with Python's \w: letters and numbers of all scripts, and '_'. */
static bool allowed(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("_-. :", (int)c));
	return itr_cp_is_letter((int32_t)c) || itr_cp_is_number((int32_t)c);
}

/* Names are file paths, so "." and ".." are not allowed as parts. */
static void put_part(itr_buf *b, const char *s, size_t n)
{
	bool dots = (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.');
	for (size_t i = 0, used; i < n; i += used) {
		uint32_t c = 0;
		used = (size_t)itr_utf8_decode(s + i, n - i, &c);
		if (used == 0) {
			itr_buf_printf(b, "_byte%02X_", (unsigned char)s[i]);
			used = 1;
		} else if (c == '@') {
			itr_buf_puts(b, b->len && b->data[b->len - 1] == '_' ? "at_" : "_at_");
		} else if (dots || !allowed(c)) {
			itr_buf_printf(b, "_x%02X_", (unsigned)c);
		} else {
			itr_buf_add(b, s + i, used);
		}
	}
}

bool itr_run_key(const char *key, char out[256])
{
	itr_buf b = ITR_BUF_INIT;
	while (*key) {
		size_t n = strcspn(key, "/");
		if (n && b.len)
			itr_buf_putc(&b, '/');
		put_part(&b, key, n);
		key += n + (key[n] == '/');
	}
	bool fits = b.len > 0 && b.len <= MAX_KEY;
	snprintf(out, 256, "%s", b.len ? itr_buf_str(&b) : "_");
	itr_buf_free(&b);
	return fits;
}

int64_t itr_run_text(itr_buf *out, const char *s)
{
	int64_t wrong = 0;
	for (size_t n = strlen(s), used; n; s += used, n -= used) {
		int64_t good = itr_utf8_invalid_at(s, n);
		used = good < 0 ? n : (size_t)good;
		itr_buf_add(out, s, used);
		if (good < 0)
			continue;
		itr_buf_printf(out, "\\x%02X", (unsigned char)s[used++]);
		wrong++;
	}
	return wrong;
}

size_t itr_run_cut(const char *s, size_t max)
{
	size_t n = 0;
	for (size_t chars = 0; s[n]; n++) {
		chars += ((unsigned char)s[n] & 0xC0) != 0x80;
		if (chars > max)
			break;
	}
	return n;
}
