#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/log.h"

int32_t itr_utf8_next(const char **p, const char *end)
{
	const unsigned char *s = (const unsigned char *)*p, *e = (const unsigned char *)end;
	unsigned char c = *s++, lo = 0x80, hi = 0xBF;
	int more = c < 0x80 ? 0 : c < 0xC2 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : -1;
	int32_t cp = more <= 0 ? c : c & (0x3F >> more);
	/* The range of the second byte excludes overlong forms, surrogates and values above U+10FFFF (Unicode, table 3-7). */
	if (c == 0xE0)
		lo = 0xA0;
	else if (c == 0xED)
		hi = 0x9F;
	else if (c == 0xF0)
		lo = 0x90;
	else if (c == 0xF4)
		hi = 0x8F;
	bool good = more >= 0;
	for (int i = 0; good && i < more; i++) {
		good = s < e && *s >= lo && *s <= hi;
		if (good)
			cp = cp << 6 | (*s++ & 0x3F);
		lo = 0x80;
		hi = 0xBF;
	}
	*p = (const char *)s;
	return good ? cp : -1;
}

bool itr_utf8_valid(const char *s, size_t n)
{
	const char *end = s + n;
	while (s < end) {
		if ((unsigned char)*s < 0x80)
			s++;
		else if (itr_utf8_next(&s, end) < 0)
			return false;
	}
	return true;
}

int itr_utf8_encode(int32_t cp, char out[4])
{
	if (cp < 0 || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
		cp = ITR_CP_REPLACEMENT;
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	int n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (int i = n - 1; i > 0; i--, cp >>= 6)
		out[i] = (char)(0x80 | (cp & 0x3F));
	static const unsigned char lead[5] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	out[0] = (char)(lead[n] | cp);
	return n;
}

void itr_utf8_add(itr_buf *b, int32_t cp)
{
	char c[4];
	itr_buf_add(b, c, (size_t)itr_utf8_encode(cp, c));
}

int64_t itr_utf8_sanitize(itr_buf *out, const char *s, size_t n)
{
	const char *end = s + n;
	int64_t replaced = 0;
	while (s < end) {
		const char *from = s;
		if (itr_utf8_next(&s, end) >= 0)
			itr_buf_add(out, from, (size_t)(s - from));
		else {
			itr_utf8_add(out, ITR_CP_REPLACEMENT);
			replaced++;
		}
	}
	return replaced;
}

int64_t itr_utf8_length(const char *s, size_t n)
{
	const char *end = s + n;
	int64_t count = 0;
	for (; s < end; count++)
		(void)itr_utf8_next(&s, end);
	return count;
}

const char *itr_cp_category(int32_t cp)
{
	return utf8proc_category_string(cp);
}

static bool in_class(int32_t cp, char class)
{
	return utf8proc_category_string(cp)[0] == class;
}

int32_t itr_cp_upper(int32_t cp) { return utf8proc_toupper(cp); }
bool itr_cp_is_letter(int32_t cp) { return in_class(cp, 'L'); }
bool itr_cp_is_mark(int32_t cp) { return in_class(cp, 'M'); }
bool itr_cp_is_number(int32_t cp) { return in_class(cp, 'N'); }
bool itr_cp_is_punct(int32_t cp) { return in_class(cp, 'P'); }

bool itr_cp_is_space(int32_t cp)
{
	return (cp >= 9 && cp <= 13) || cp == 0x85 || in_class(cp, 'Z');
}

bool itr_cp_is_cjk(int32_t cp)
{
	return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF) || (cp >= 0x20000 && cp <= 0x2A6DF) ||
	       (cp >= 0x2A700 && cp <= 0x2B73F) || (cp >= 0x2B740 && cp <= 0x2B81F) || (cp >= 0x2B820 && cp <= 0x2CEAF) ||
	       (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

void itr_utf8_lower(itr_buf *out, const char *s, size_t n)
{
	const char *end = s + n;
	while (s < end) {
		int32_t cp = itr_utf8_next(&s, end);
		if (cp == 0x130) {
			itr_utf8_add(out, 'i');
			itr_utf8_add(out, 0x307);
		} else {
			itr_utf8_add(out, cp < 0 ? ITR_CP_REPLACEMENT : utf8proc_tolower(cp));
		}
	}
}

void itr_utf8_normalize(itr_buf *out, const char *s, size_t n, itr_norm_form form)
{
	static const int options[] = {
		[ITR_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
		[ITR_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
		[ITR_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
		[ITR_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
	};
	size_t ascii = 0;
	while (ascii < n && (unsigned char)s[ascii] < 0x80)
		ascii++;
	if (ascii == n) {                       /* ASCII is unchanged in every form: fast path */
		itr_buf_add(out, s, n);
		return;
	}
	itr_buf clean = ITR_BUF_INIT;
	itr_utf8_sanitize(&clean, s, n);
	utf8proc_uint8_t *form_text = NULL;
	utf8proc_ssize_t m = utf8proc_map((const utf8proc_uint8_t *)clean.data, (utf8proc_ssize_t)clean.len, &form_text,
	                                  (utf8proc_option_t)options[form]);
	if (m < 0)                              /* the text is valid here, so this is out of memory */
		ITR_BUG("utf8proc_map: %s", utf8proc_errmsg(m));
	itr_buf_add(out, form_text, (size_t)m);
	free(form_text);
	itr_buf_free(&clean);
}
