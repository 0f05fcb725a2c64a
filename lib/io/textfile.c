#include "io/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/utf8.h"

enum { WINDOW = 1 << 16, MAX_LINE = 64 << 20, ENOUGH = 64 };

typedef enum { PLAIN, UTF16_LE, UTF16_BE } encoding;

struct itr_textfile {
	int fd;                         /* -1: memory */
	int failed;                     /* errno of a read that failed */
	bool owns, ended;
	bool line_ends_known, mac;               /* mac: CR alone ends a line */
	encoding from;
	char *name;
	unsigned char *raw;             /* of a file: its window, WINDOW bytes; of memory: all of it, borrowed */
	size_t raw_pos, raw_len;
	const char *data;               /* decoded: the window itself, or `text` */
	size_t pos, len;
	itr_buf text, line;
	int64_t number;
};

/* Moves the rest of the window to its start and appends the available bytes of the file; false at its end. */
static bool more(itr_textfile *t)
{
	if (t->fd < 0 || t->ended)
		return false;
	if (t->raw_pos)
		memmove(t->raw, t->raw + t->raw_pos, t->raw_len -= t->raw_pos);
	t->raw_pos = 0;
	ssize_t got = read(t->fd, t->raw + t->raw_len, WINDOW - t->raw_len);
	if (got < 0)
		t->failed = errno;
	t->ended = got <= 0;
	t->raw_len += got > 0 ? (size_t)got : 0;
	return got > 0;
}

/* --- detection of the encoding -------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *bytes;
	size_t n;
	int from;                       /* -1: not read */
} marks[] = { { "\xFF\xFE\0\0", 4, -1 },
	      { "\0\0\xFE\xFF", 4, -1 },
	      { "\xEF\xBB\xBF", 3, PLAIN },
	      { "\xFF\xFE", 2, UTF16_LE },
	      { "\xFE\xFF", 2, UTF16_BE } };

/* The bytes so far may be the start of a mark, or are too few to decide. */
static bool undecided(const itr_textfile *t)
{
	for (int i = 0; i < ITR_LEN(marks); i++)
		if (t->raw_len < marks[i].n && !memcmp(t->raw, marks[i].bytes, t->raw_len))
			return true;
	return (t->raw_len == 1 && t->raw[0] != '\n') || (t->raw_len < ENOUGH && memchr(t->raw, 0, t->raw_len));
}

/* UTF-16 without a mark: more than half of the units have a zero byte on one side, none on the other. */
static encoding by_zeros(const unsigned char *s, size_t n)
{
	size_t zeros[2] = { 0, 0 }, units = n / 2;
	for (size_t i = 0; i < 2 * units; i++)
		zeros[i & 1] += s[i] == 0;
	if (units == 0 || (zeros[0] && zeros[1]) || 2 * (zeros[0] + zeros[1]) <= units)
		return PLAIN;
	return zeros[1] ? UTF16_LE : zeros[0] ? UTF16_BE : PLAIN;
}

static int look(itr_textfile *t, itr_err *err)
{
	while (undecided(t) && more(t))
		;
	if (t->failed)
		return 0;               /* reported by the first read */
	t->from = by_zeros(t->raw, ITR_MIN(t->raw_len, (size_t)WINDOW));
	for (int i = 0; i < ITR_LEN(marks); i++)
		if (t->raw_len >= marks[i].n && !memcmp(t->raw, marks[i].bytes, marks[i].n)) {
			if (marks[i].from < 0)
				return itr_err_set(err, "'%s' is UTF-32, which is not read: iconv -f UTF-32 -t UTF-8 makes it UTF-8",
				                   t->name);
			t->from = (encoding)marks[i].from;
			t->raw_pos = marks[i].n;
			break;
		}
	return 0;
}

/* --- life ----------------------------------------------------------------------------------------------------------------------------- */

static itr_textfile *new_textfile(const char *name)
{
	itr_textfile *t = itr_xcalloc(1, sizeof *t);
	t->fd = -1;
	t->name = itr_xstrdup(name);
	return t;
}

static itr_textfile *started(itr_textfile *t, itr_err *err)
{
	if (look(t, err) == 0)
		return t;
	itr_textfile_close(t);
	return NULL;
}

itr_textfile *itr_textfile_open(const char *path, itr_err *err)
{
	const bool standard = !strcmp(path, "-");
	if (!standard && itr_path_is_dir(path)) {
		itr_err_set(err, "cannot open '%s': it is a folder", path);
		return NULL;
	}
	const int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		itr_err_errno(err, "cannot open '%s'", path);
		return NULL;
	}
	itr_textfile *t = new_textfile(standard ? "standard input" : path);
	t->fd = fd;
	t->owns = !standard;
	t->raw = itr_xmalloc(WINDOW);
	return started(t, err);
}

itr_textfile *itr_textfile_memory(const char *bytes, size_t n, const char *name, itr_err *err)
{
	itr_textfile *t = new_textfile(name);
	/* never written: there is no descriptor to fill it from, and line ends are changed in a copy */
	t->raw = (unsigned char *)(uintptr_t)bytes;
	t->raw_len = n;
	t->ended = true;
	return started(t, err);
}

void itr_textfile_close(itr_textfile *t)
{
	if (!t)
		return;
	if (t->fd >= 0)
		free(t->raw);
	if (t->owns)
		close(t->fd);
	free(t->name);
	itr_buf_free(&t->text);
	itr_buf_free(&t->line);
	free(t);
}

const char *itr_textfile_name(const itr_textfile *t) { return t->name; }

int64_t itr_textfile_number(const itr_textfile *t) { return t->number; }

int itr_textfile_error(const itr_textfile *t, itr_err *err)
{
	if (!t->failed)
		return 0;
	errno = t->failed;
	return itr_err_errno(err, "cannot read '%s'", t->name);
}

/* --- bytes ---------------------------------------------------------------------------------------------------------------------------- */

/* UTF-16 of the window into t->text, but for a last half unit or half pair that more bytes may complete. */
static void decode(itr_textfile *t)
{
	const bool last = t->ended;
	const int high = t->from == UTF16_LE;
	while (t->raw_len - t->raw_pos >= 2) {
		const unsigned char *s = t->raw + t->raw_pos;
		uint32_t cp = (uint32_t)s[high] << 8 | s[!high];
		size_t used = 2;
		if (cp >= 0xd800 && cp < 0xdc00) {
			if (t->raw_len - t->raw_pos < 4 && !last)
				return;
			uint32_t low = t->raw_len - t->raw_pos >= 4 ? (uint32_t)s[2 + high] << 8 | s[2 + !high] : 0;
			if (low >= 0xdc00 && low < 0xe000) {
				cp = 0x10000u + ((cp - 0xd800) << 10) + (low - 0xdc00);
				used = 4;
			}
		}
		if (cp >= 0xd800 && cp < 0xe000)
			itr_buf_putc(&t->text, '\xFF');
		else
			itr_utf8_put(&t->text, cp);
		t->raw_pos += used;
	}
	if (last && t->raw_pos < t->raw_len) {
		itr_buf_putc(&t->text, '\xFF');
		t->raw_pos = t->raw_len;
	}
}

/* The next decoded bytes into data, whether or not there are any yet. */
static void take(itr_textfile *t)
{
	itr_buf_clear(&t->text);
	if (t->from != PLAIN) {
		decode(t);
	} else if (t->mac) {
		itr_buf_add(&t->text, t->raw + t->raw_pos, t->raw_len - t->raw_pos);
		t->raw_pos = t->raw_len;
	} else {
		t->data = (const char *)t->raw + t->raw_pos;
		t->len = t->raw_len - t->raw_pos;
		t->raw_pos = t->raw_len;
		return;
	}
	t->data = itr_buf_str(&t->text);
	t->len = t->text.len;
}

/* Determines the line end: CR alone when the first bytes have a CR that is not the last byte, and no LF. */
static void find_line_ends(itr_textfile *t)
{
	const size_t n = ITR_MIN(t->len, (size_t)WINDOW);
	const char *cr = memchr(t->data, '\r', n);
	t->line_ends_known = true;
	t->mac = cr && cr + 1 < t->data + n && !memchr(t->data, '\n', n);
	if (t->mac && t->data != t->text.data) {
		itr_buf_add(&t->text, t->data, t->len);
		t->data = t->text.data;
	}
}

/* Makes data[pos] valid; false at the end. */
static bool fill(itr_textfile *t)
{
	if (t->pos < t->len)
		return true;
	t->pos = t->len = 0;
	for (bool go_on = true; go_on && t->len == 0; ) {
		take(t);
		go_on = t->len > 0 || more(t);
	}
	if (t->len == 0 && t->raw_pos < t->raw_len)
		take(t);                /* half a unit at the end */
	if (t->len && !t->line_ends_known)
		find_line_ends(t);
	for (char *s = t->text.data, *end = s + t->len; t->mac && t->len && (s = memchr(s, '\r', (size_t)(end - s))); s++)
		*s = '\n';
	return t->len > 0;
}

int itr_textfile_peek(itr_textfile *t) { return fill(t) ? (unsigned char)t->data[t->pos] : EOF; }

int itr_textfile_getc(itr_textfile *t) { return fill(t) ? (unsigned char)t->data[t->pos++] : EOF; }

size_t itr_textfile_read(itr_textfile *t, char *to, size_t n)
{
	if (!fill(t))
		return 0;
	n = ITR_MIN(n, t->len - t->pos);
	memcpy(to, t->data + t->pos, n);
	t->pos += n;
	return n;
}

/* --- lines ---------------------------------------------------------------------------------------------------------------------------- */

static size_t to_line_end(const char *s, size_t n)
{
	const char *lf = memchr(s, '\n', n);
	const size_t k = lf ? (size_t)(lf - s) : n;
	const char *cr = memchr(s, '\r', k);
	return cr ? (size_t)(cr - s) : k;
}

int itr_textfile_line(itr_textfile *t, const char **line, size_t *n, itr_err *err)
{
	itr_buf_clear(&t->line);
	if (!fill(t))
		return itr_textfile_error(t, err);
	t->number++;
	while (fill(t)) {
		const size_t k = to_line_end(t->data + t->pos, t->len - t->pos);
		itr_buf_add(&t->line, t->data + t->pos, k);
		t->pos += k;
		if (t->line.len > MAX_LINE)
			return itr_err_set(err, "%s:%lld: line longer than 64 MiB; is this text, one entry a line?", t->name,
			                   (long long)t->number);
		if (t->pos == t->len)
			continue;
		if (t->data[t->pos++] == '\r' && itr_textfile_peek(t) == '\n')
			t->pos++;
		break;
	}
	if (itr_textfile_error(t, err) < 0)
		return -1;
	*line = itr_buf_str(&t->line);
	*n = t->line.len;
	return 1;
}

char *itr_textfile_all(const char *path, size_t max_bytes, size_t *n, itr_err *err)
{
	size_t raw;
	char *bytes = itr_path_read(path, max_bytes, &raw, err);
	itr_textfile *t = bytes ? itr_textfile_memory(bytes, raw, path, err) : NULL;
	itr_buf all = ITR_BUF_INIT;
	while (t && fill(t)) {
		itr_buf_add(&all, t->data + t->pos, t->len - t->pos);
		t->pos = t->len;
	}
	free(bytes);
	if (!t)
		return NULL;
	itr_textfile_close(t);
	*n = all.len;
	return itr_buf_detach(&all);
}
