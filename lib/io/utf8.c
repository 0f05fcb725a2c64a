#include "io/utf8.h"

#include <string.h>

int itr_utf8_decode(const char *s, size_t n, uint32_t *cp)
{
	const unsigned char *u = (const unsigned char *)s;
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	if (u[0] < 0x80) {
		*cp = u[0];
		return 1;
	}
	int len = u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : u[0] >= 0xe0 && u[0] < 0xf0 ? 3 : u[0] >= 0xc2 && u[0] < 0xe0 ? 2 : 0;
	if (len == 0 || (size_t)len > n)
		return 0;
	uint32_t c = u[0] & (0xffu >> (len + 1));
	for (int i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*cp = c;
	return len;
}

void itr_utf8_put(itr_buf *b, uint32_t cp)
{
	char s[4];
	size_t n;
	if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		cp = 0xfffd;
	if (cp < 0x80) {
		s[0] = (char)cp;
		n = 1;
	} else if (cp < 0x800) {
		s[0] = (char)(0xc0 | cp >> 6);
		n = 2;
	} else if (cp < 0x10000) {
		s[0] = (char)(0xe0 | cp >> 12);
		n = 3;
	} else {
		s[0] = (char)(0xf0 | cp >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		s[i] = (char)(0x80 | ((cp >> 6 * (n - 1 - i)) & 0x3f));
	itr_buf_add(b, s, n);
}

int64_t itr_utf8_invalid_at(const char *s, size_t n)
{
	uint32_t cp;
	for (size_t i = 0; i < n;) {
		int len = itr_utf8_decode(s + i, n - i, &cp);
		if (len == 0)
			return (int64_t)i;
		i += (size_t)len;
	}
	return -1;
}

void itr_utf8_put_clean(itr_buf *b, const char *s, size_t n)
{
	uint32_t cp;
	while (n > 0) {
		int64_t bad = itr_utf8_invalid_at(s, n);
		size_t good = bad < 0 ? n : (size_t)bad;
		itr_buf_add(b, s, good);
		s += good;
		n -= good;
		while (n > 0 && itr_utf8_decode(s, n, &cp) == 0) {
			itr_utf8_put(b, 0xfffd);
			s++;
			n--;
		}
	}
}

int64_t itr_utf8_count(const char *s)
{
	int64_t count = 0;
	size_t n = strlen(s);
	uint32_t cp;
	while (n > 0) {
		int len = itr_utf8_decode(s, n, &cp);
		len = len > 0 ? len : 1;
		s += len;
		n -= (size_t)len;
		count++;
	}
	return count;
}
