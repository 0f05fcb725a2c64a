#include "data/intake.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/utf8.h"

enum { LONG_CAPTION = 2000, MAX_CAPTION = 1 << 20 };

/* --- captions ------------------------------------------------------------------------------------------------------------------------- */

static bool is_space(uint32_t cp)
{
	return cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0x85 || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200b) ||
	       cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000 || cp == 0xfeff;
}

static bool is_control(uint32_t cp)
{
	return (cp < 0x20 && cp != '\t' && cp != '\n' && cp != '\r') || (cp >= 0x7f && cp < 0xa0 && cp != 0x85);
}

char *itr_intake_caption(const char *text, size_t n, const char *where, itr_issues *f)
{
	bool blank = true, control = false, valid = true;
	int64_t characters = 0;
	uint32_t cp;
	if (n > MAX_CAPTION) {
		itr_issues_add(f, "caption of more than 1 MiB (left out)", "%s: %zu bytes", where, n);
		return NULL;
	}
	if (memchr(text, 0, n)) {
		itr_issues_add(f, "caption with a NUL byte (left out)", "%s", where);
		return NULL;
	}
	for (size_t i = 0; i < n; characters++) {
		int length = itr_utf8_decode(text + i, n - i, &cp);
		valid &= length > 0;
		blank &= length > 0 && is_space(cp);
		control |= length > 0 && is_control(cp);
		i += length > 0 ? (size_t)length : 1;
	}
	if (blank) {
		itr_issues_add(f, "empty caption (left out)", "%s", where);
		return NULL;
	}
	if (control)
		itr_issues_add(f, "caption with control characters (kept)", "%s", where);
	if (characters > LONG_CAPTION)
		itr_issues_add(f, "very long caption (kept)", "%s: %lld characters", where, (long long)characters);
	if (valid)
		return itr_xstrndup(text, n);
	itr_buf b = ITR_BUF_INIT;
	itr_issues_add(f, "caption that is not UTF-8 (bad bytes became U+FFFD)", "%s", where);
	itr_utf8_put_clean(&b, text, n);
	return itr_buf_detach(&b);
}

/* --- names of pictures ---------------------------------------------------------------------------------------------------------------- */

static bool is_in(const char *dir, const char *name)
{
	char *path = itr_path_join(dir, name);
	bool yes = itr_path_exists(path);
	free(path);
	return yes;
}

/* Drops "./" and empty parts in place. */
static void tidy(char *s)
{
	const bool absolute = s[0] == '/';
	char *to = s;
	for (const char *from = s; *from; ) {
		const size_t n = strcspn(from, "/");
		if (n && !(n == 1 && from[0] == '.')) {
			if (to > s || absolute)
				*to++ = '/';
			memmove(to, from, n);
			to += n;
		}
		from += n + (from[n] == '/');
	}
	*to = 0;
}

/* What follows the folder in an absolute path; NULL where the path lies elsewhere. */
static char *below(const char *dir, const char *path)
{
	char *full = itr_path_absolute(dir), *real_dir = realpath(dir, NULL), *real_path = realpath(path, NULL), *rest = NULL;
	tidy(full);
	const char *const tries[][2] = { { full, path }, { real_dir, path }, { real_dir, real_path } };
	for (int i = 0; i < ITR_LEN(tries) && !rest; i++) {
		const size_t n = tries[i][0] && tries[i][1] ? strlen(tries[i][0]) : 0;
		if (n && !strncmp(tries[i][0], tries[i][1], n) && tries[i][1][n] == '/')
			rest = itr_xstrdup(tries[i][1] + n + 1);
	}
	free(full);
	free(real_dir);
	free(real_path);
	return rest;
}

char *itr_intake_picture(const char *dir, const char *name, size_t n, const char **why)
{
	*why = memchr(name, 0, n)                  ? "it holds a NUL byte"
	       : itr_utf8_invalid_at(name, n) >= 0 ? "it is not UTF-8"
	       : n == 0                            ? "it is empty"
	                                           : NULL;
	if (*why)
		return NULL;
	char *s = itr_xstrndup(name, n);
	if (strchr(s, '\\') && !is_in(dir, s))
		for (char *at = s; (at = strchr(at, '\\')); )
			*at = '/';
	tidy(s);
	if (s[0] == '/') {
		char *rest = below(dir, s);
		free(s);
		s = rest;
	}
	if (s && itr_path_is_safe(s) && !(isalpha((unsigned char)s[0]) && s[1] == ':'))
		return s;
	*why = "it leaves its folder";
	free(s);
	return NULL;
}

const char *itr_intake_unread_kind(const char *name, const void *bytes, size_t n)
{
	static const struct { const char *extension, *kind, *magic; size_t m, at;
	} kinds[] = {
		{ ".webp", "WebP", "WEBP", 4, 8 },    { ".gif", "GIF", "GIF8", 4, 0 },         { ".bmp", "BMP", "BM", 2, 0 },
		{ ".tif", "TIFF", "II*\0", 4, 0 },    { ".tiff", "TIFF", "MM\0*", 4, 0 },      { ".avif", "AVIF", "ftypavif", 8, 4 },
		{ ".heic", "HEIC", "ftyphei", 7, 4 }, { ".jxl", "JPEG XL", "\xFF\x0A", 2, 0 }, { ".jp2", "JPEG 2000", "jP  ", 4, 4 },
	};
	for (int i = 0; i < ITR_LEN(kinds); i++)
		if (n ? n >= kinds[i].at + kinds[i].m && !memcmp((const char *)bytes + kinds[i].at, kinds[i].magic, kinds[i].m)
		      : itr_path_has_suffix(name, kinds[i].extension))
			return kinds[i].kind;
	return NULL;
}

void itr_intake_drop_unsplit(itr_manifest *m, const char *kind, itr_issues *f)
{
	bool any = false;
	int64_t kept = 0;
	for (int64_t i = 0; i < m->n; i++)
		any |= m->records[i].split != NULL;
	for (int64_t i = 0; any && i < m->n; i++)
		if (m->records[i].split)
			m->records[kept++] = m->records[i];
		else
			itr_issues_add(f, kind, "%s", m->records[i].image), m->n_captions -= m->records[i].n_captions;
	m->n = any ? kept : m->n;
}
