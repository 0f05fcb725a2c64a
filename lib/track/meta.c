#include "track/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/utf8.h"

/* --- text --------------------------------------------------------------------------------------------------------------------------- */

void itr_meta_clean(itr_buf *out, const char *s)
{
	while (*s) {
		uint32_t c = 0;
		int n = itr_utf8_decode(s, strlen(s), &c);
		if (n == 0) {
			itr_buf_puts(out, "\xEF\xBF\xBD");
			n = 1;
		} else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF || c == 0xFFFE || c == 0xFFFF) {
			itr_buf_putc(out, ' ');         /* characters that YAML rejects or folds */
		} else {
			itr_buf_add(out, s, (size_t)n);
		}
		s += n;
	}
}

/* --- reading -------------------------------------------------------------------------------------------------------------------------- */

static void double_quoted(itr_buf *out, const char *s, size_t n)
{
	static const char from[] = "0abtnvfre \"/\\N_LP", to[] = "\0\a\b\t\n\v\f\r\x1b \"/\\";
	for (size_t i = 0; i < n; i++) {
		if (s[i] != '\\' || i + 1 >= n) {
			itr_buf_putc(out, s[i]);
			continue;
		}
		char e = s[++i];
		size_t digits = e == 'x' ? 2 : e == 'u' ? 4 : e == 'U' ? 8 : 0;
		const char *at = e ? strchr(from, e) : NULL;
		if (digits && i + digits < n + 1) {
			char hex[9] = { 0 };
			memcpy(hex, s + i + 1, ITR_MIN(digits, n - i - 1));
			unsigned long c = strtoul(hex, NULL, 16);
			if (c && c <= 0x10FFFF)
				itr_utf8_put(out, (uint32_t)c);
			i += digits;
		} else if (at && at - from < (long)sizeof to - 1 && at != from) {
			itr_buf_putc(out, to[at - from]);
		} else if (e != '\n') {
			itr_buf_putc(out, ' ');
		}
	}
}

/* Parses the value after "key:", with continuation lines joined by a space. */
static void put_value(itr_meta *m, const char *key, size_t key_len, const char *text, size_t n)
{
	while (n && (text[n - 1] == ' ' || text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	while (n && *text == ' ')
		text++, n--;
	itr_buf b = ITR_BUF_INIT;
	bool quoted = n >= 2 && (*text == '\'' || *text == '"') && text[n - 1] == *text;
	if (quoted && *text == '"') {
		double_quoted(&b, text + 1, n - 2);
	} else if (quoted) {
		for (size_t i = 1; i + 1 < n; i++) {
			itr_buf_putc(&b, text[i]);
			i += text[i] == '\'' && i + 2 < n && text[i + 1] == '\'';
		}
	} else {
		itr_buf_add(&b, text, n);
	}
	bool null = !quoted && (n == 0 || !strcmp(itr_buf_str(&b), "null") || !strcmp(itr_buf_str(&b), "~"));
	m->key[m->n] = itr_xstrndup(key, key_len);
	m->value[m->n] = null ? NULL : itr_xstrdup(itr_buf_str(&b));
	m->quoted[m->n] = quoted;
	if (!quoted && !null) {                                  /* plain words are strings, plain numbers and [] are not */
		char *end;
		(void)strtoll(m->value[m->n], &end, 10);
		m->quoted[m->n] = *end != 0 && strcmp(m->value[m->n], "[]") != 0;
	}
	m->n++;
	itr_buf_free(&b);
}

int itr_meta_read(itr_meta *m, const char *path, itr_err *err)
{
	size_t len = 0;
	char *text = itr_path_read(path, 1 << 20, &len, err);
	memset(m, 0, sizeof *m);
	if (!text)
		return -1;
	int rc = strlen(text) == len ? 0 : itr_err_set(err, "'%s' is no meta.yaml: it holds a NUL", path);
	for (char *line = text; rc == 0 && *line;) {
		char *end = line + strcspn(line, "\n"), *colon = memchr(line, ':', (size_t)(end - line));
		if (end == line || *line == '#' || !strncmp(line, "---", 3)) {
			line = end + (*end == '\n');
			continue;
		}
		if (!colon || *line == ' ' || *line == '-' || m->n == ITR_META_MAX) {
			rc = itr_err_set(err, "'%s' is no meta.yaml: line '%.*s'", path, (int)ITR_MIN(end - line, 60), line);
			break;
		}
		itr_buf value = ITR_BUF_INIT;
		itr_buf_add(&value, colon + 1, (size_t)(end - colon - 1));
		while (*end && (end[1] == ' ' || (end[1] == '-' && end[2] == ' ') || (end[1] == '\n' && end[2] == ' '))) {     /* folded */
			char *next = end + 1;
			next += strspn(next, " ");
			end = next + strcspn(next, "\n");
			if (value.len && value.data[value.len - 1] == '\\' && strchr(itr_buf_str(&value), '"'))
				value.data[--value.len] = 0;              /* "...\ at the end of a line: joined without a space */
			else
				itr_buf_putc(&value, ' ');
			itr_buf_add(&value, next, (size_t)(end - next));
		}
		put_value(m, line, (size_t)(colon - line), itr_buf_str(&value), value.len);
		itr_buf_free(&value);
		line = end + (*end == '\n');
	}
	free(text);
	if (rc < 0)
		itr_meta_free(m);
	return rc;
}

void itr_meta_free(itr_meta *m)
{
	for (int i = 0; i < m->n; i++) {
		free(m->key[i]);
		free(m->value[i]);
	}
	m->n = 0;
}

static int find_key(const itr_meta *m, const char *key)
{
	for (int i = 0; i < m->n; i++)
		if (!strcmp(m->key[i], key))
			return i;
	return -1;
}

const char *itr_meta_get(const itr_meta *m, const char *key)
{
	int i = find_key(m, key);
	return i < 0 ? NULL : m->value[i];
}

int64_t itr_meta_int(const itr_meta *m, const char *key, int64_t missing)
{
	const char *v = itr_meta_get(m, key);
	char *end;
	if (!v || !*v)
		return missing;
	errno = 0;
	long long x = strtoll(v, &end, 10);
	return *end || errno ? missing : x;
}

/* --- writing -------------------------------------------------------------------------------------------------------------------------- */

static void set_value(itr_meta *m, const char *key, char *value, bool quoted)
{
	int i = find_key(m, key);
	if (i < 0) {
		if (m->n == ITR_META_MAX) {               /* only a foreign file can be this full */
			free(value);
			return;
		}
		i = m->n++;
		m->key[i] = itr_xstrdup(key);
		m->value[i] = NULL;
	}
	free(m->value[i]);
	m->value[i] = value;
	m->quoted[i] = quoted;
}

void itr_meta_set_str(itr_meta *m, const char *key, const char *value)
{
	set_value(m, key, value ? itr_xstrdup(value) : NULL, true);
}

void itr_meta_set_list(itr_meta *m, const char *key)
{
	set_value(m, key, itr_xstrdup("[]"), false);
}

void itr_meta_set_int(itr_meta *m, const char *key, int64_t value)
{
	set_value(m, key, itr_xasprintf("%lld", (long long)value), false);
}

int itr_meta_write(const itr_meta *m, const char *path, bool sync, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	int rc = 0;
	for (int i = 0; i < m->n; i++) {
		itr_buf clean = ITR_BUF_INIT;
		itr_buf_printf(&b, "%s: ", m->key[i]);
		if (m->value[i])
			itr_meta_clean(&clean, m->value[i]);
		if (m->value[i] && m->quoted[i])
			itr_buf_putc(&b, '\'');
		for (const char *c = itr_buf_str(&clean); *c; c++)
			itr_buf_puts(&b, m->quoted[i] && *c == '\'' ? "''" : (char[2]) { *c, 0 });
		itr_buf_puts(&b, !m->value[i] ? "null\n" : m->quoted[i] ? "'\n" : "\n");
		itr_buf_free(&clean);
	}
	if (sync) {
		rc = itr_atomic_write(path, b.data, b.len, err);
	} else {
		char *temp = itr_xasprintf("%s.%ld.new", path, (long)getpid());
		int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (fd < 0 || write(fd, b.data, b.len) != (ssize_t)b.len)
			rc = itr_err_errno(err, "cannot write '%s'", path);
		if (fd >= 0 && close(fd) < 0 && rc == 0)
			rc = itr_err_errno(err, "cannot write '%s'", path);
		if (rc == 0 && rename(temp, path) < 0)
			rc = itr_err_errno(err, "cannot write '%s'", path);
		if (rc < 0 && fd >= 0)
			unlink(temp);
		free(temp);
	}
	itr_buf_free(&b);
	return rc;
}
