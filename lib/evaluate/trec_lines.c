#include "evaluate/trec_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/textfile.h"
#include "io/utf8.h"

int itr_trec_lines_open(itr_trec_lines *l, const char *path, itr_err *err)
{
	size_t n;
	*l = (itr_trec_lines){ .path = path, .text = itr_textfile_all(path, (size_t)8 << 30, &n, err) };
	if (!l->text)
		return -1;
	l->next = l->text;
	l->end = l->text + n;
	if (n == 0)
		return itr_err_set(err, "'%s' is empty", path);
	if (n >= 2 && memcmp(l->text, "\x1f\x8b", 2) == 0)
		return itr_err_set(err, "'%s' is packed by gzip: unpack it first (gzip -d)", path);
	return 0;
}

void itr_trec_lines_close(itr_trec_lines *l)
{
	free(l->text);
	l->text = NULL;
}

static int check_line(const itr_trec_lines *l, const char *line, size_t n, itr_err *err)
{
	if (n > ITR_TREC_LINE_MAX)
		return itr_err_set(err, "'%s': line %lld has %lld bytes, more than the %d that a line of ids and numbers may have", l->path,
		                   (long long)l->number, (long long)n, (int)ITR_TREC_LINE_MAX);
	if (memchr(line, 0, n))
		return itr_err_set(err, "'%s': line %lld holds a NUL byte: it is no text file", l->path, (long long)l->number);
	int64_t bad = itr_utf8_invalid_at(line, n);
	if (bad >= 0)
		return itr_err_set(
			err,
			"'%s': line %lld is not UTF-8 (byte 0x%02x in column %lld): convert the file, as with 'iconv -f latin1 -t utf-8'",
			l->path, (long long)l->number, (unsigned char)line[bad], (long long)bad + 1);
	return 0;
}

static void split(itr_trec_lines *l, char *line)
{
	char *save = NULL;
	l->n = 0;
	for (char *c = strtok_r(line, " \t\r\v\f", &save); c; c = strtok_r(NULL, " \t\r\v\f", &save)) {
		if (l->n < ITR_TREC_COLUMNS)
			l->column[l->n] = c;
		l->n++;
	}
}

int itr_trec_lines_read(itr_trec_lines *l, itr_err *err)
{
	while (l->next < l->end) {
		char *line = l->next, *stop = memchr(line, '\n', (size_t)(l->end - line));
		stop = stop ? stop : l->end;                    /* a NUL stands there: the file's text has one added */
		l->next = stop < l->end ? stop + 1 : l->end;
		l->number++;
		if (check_line(l, line, (size_t)(stop - line), err) < 0)
			return -1;
		*stop = 0;
		line += strspn(line, " \t\r\v\f");
		l->comments += *line == '#';
		if (!*line || *line == '#')
			continue;
		split(l, line);
		return 1;
	}
	return 0;
}

int itr_trec_number(const itr_trec_lines *l, const char *text, const char *what, double *value, itr_err *err)
{
	char *end;
	*value = strtod(text, &end);
	if (end == text || *end)
		return itr_err_set(err, "'%s': line %lld: %s '%.40s' is no number (does an id hold a space?)", l->path,
		                   (long long)l->number, what, text);
	if (isnan(*value))
		return itr_err_set(err, "'%s': line %lld: %s is NaN, which has no place in an order", l->path, (long long)l->number, what);
	return 0;
}
