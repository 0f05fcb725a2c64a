#include "data/caption_list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/textfile.h"

enum { MAX_FILE = 1 << 28, MAX_FIELD = 1 << 21, MAX_COLUMNS = 64, LOOK_AT = 200 };

static const char separators[] = ",\t;|";

/* What a column is called, the better name first; letters only, "_", "-" and spaces do not count. */
static const char *const image_names[] = { "image",   "imagename", "imagefile", "filename", "filepath", "imagepath", "img",
	                                   "imgname", "imgpath",   "picture",   "photo",    "file",     "path",      NULL };
static const char *const text_names[] = { "caption", "comment", "text", "sentence", "description", "captions", "title", NULL };
static const char *const split_names[] = { "split", NULL };

typedef struct field {
	size_t at, n;                   /* of `fields` */
	bool quoted;
} field;

typedef struct list {
	const char *path, *images;
	itr_issues *f;
	const char *s, *end;            /* what is left */
	int64_t line;                   /* of s */
	char separator;
	bool token, header;             /* neither: a name that ends in a picture's extension comes first */
	int columns, image, text, split;        /* with a header; split -1: none. Without: `columns` 3 where a number stands between */
	itr_buf fields;
	field field[MAX_COLUMNS];
} list;

/* --- fields --------------------------------------------------------------------------------------------------------------------------- */

static const char *line_end(const list *l, const char *s)
{
	const char *lf = memchr(s, '\n', (size_t)(l->end - s));
	return lf ? lf : l->end;
}

/* The byte behind a picture's name and its extension at the start of a line, where the separator stands; NULL when there is none. Names may
 * hold separators: "a, b.jpg,caption". */
static const char *name_end(const char *s, const char *end, char separator)
{
	static const char *const extensions[] = { ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif" };
	for (const char *dot = s; (dot = memchr(dot, '.', (size_t)(end - dot))); dot++)
		for (int k = 0; k < ITR_LEN(extensions); k++) {
			const char *behind = dot + strlen(extensions[k]);
			if (behind < end && !strncasecmp(dot, extensions[k], strlen(extensions[k]))) {
				while (behind < end && *behind == ' ')
					behind++;
				if (behind < end && *behind == separator)
					return behind;
			}
		}
	return NULL;
}

/* A line break inside quotes, and the next line begins as a row does: the quote was never closed. */
static bool begins_row(const list *l, const char *s)
{
	const char *end = line_end(l, s), *name = name_end(s, end, l->separator);
	return name && !memchr(s, ' ', (size_t)(name - s));
}

/* The field in quotes at s, unquoted, behind l->fields. What ends it: separator, line break or the end; NULL when these are no quotes of
 * CSV. */
static const char *quoted(list *l, const char *s)
{
	for (s++; s < l->end; s++) {
		if (*s == '"' && s + 1 < l->end && s[1] == '"') {
			s++;
		} else if (*s == '"') {
			for (s++; s < l->end && (*s == ' ' || *s == '\r'); s++)
				;
			return s == l->end || *s == '\n' || *s == l->separator ? s : NULL;
		} else if (*s == '\n' && begins_row(l, s + 1)) {
			return NULL;
		} else if (*s == '\r' && s + 1 < l->end && s[1] == '\n') {
			continue;
		}
		itr_buf_putc(&l->fields, *s);
		if (l->fields.len > MAX_FIELD)
			return NULL;
	}
	return NULL;
}

static bool may_quote(const list *l, const char **s)
{
	const char *p = *s;
	while (l->separator != '|' && p < l->end && *p == ' ')
		p++;
	if (p == l->end || *p != '"' || l->token)
		return false;
	*s = p;
	return true;
}

/* One field from s as l->field[i]; `last`: it reaches to the end of its line, separators and all. Returns what ended it. */
static const char *read_field(list *l, const char *s, int i, bool name, bool last)
{
	const size_t at = l->fields.len;
	const char *end = line_end(l, s), *stop = NULL, *open = s;
	bool in_quotes = may_quote(l, &open) && (stop = quoted(l, open)) && !(last && stop < l->end && *stop != '\n');
	if (!in_quotes) {
		if (at < l->fields.len)
			l->fields.data[l->fields.len = at] = 0;
		stop = last ? end : name ? name_end(s, end, l->separator) : NULL;
		if (!stop)
			stop = memchr(s, l->separator, (size_t)(end - s));
		stop = stop ? stop : end;
		while (s < stop && isspace((unsigned char)*s))
			s++;
		const char *back = stop;
		while (back > s && isspace((unsigned char)back[-1]))
			back--;
		itr_buf_add(&l->fields, s, (size_t)(back - s));
	}
	l->field[i] = (field){ at, l->fields.len - at, in_quotes };
	itr_buf_putc(&l->fields, 0);
	return stop;
}

/* The row at l->s, which moves behind it: the number of its fields; more than `columns` only where the last one is not the caption. */
static int read_row(list *l, int columns, bool rest_is_text)
{
	int n = 0;
	const char *from = l->s;
	itr_buf_clear(&l->fields);
	for (bool more = true; more && n < MAX_COLUMNS; n++) {
		const char *stop = read_field(l, l->s, n, n == 0 && l->image == 0, rest_is_text && n == columns - 1);
		more = stop < l->end && *stop != '\n';
		l->s = stop < l->end ? stop + 1 : stop;
	}
	if (n == MAX_COLUMNS)
		l->s = line_end(l, l->s) + (line_end(l, l->s) < l->end);
	for (; (from = memchr(from, '\n', (size_t)(l->s - from))); from++)
		l->line++;
	return n;
}

static const char *field_text(const list *l, int i) { return itr_buf_str(&l->fields) + l->field[i].at; }

/* --- what kind of list it is ---------------------------------------------------------------------------------------------------------- */

static bool is_called(const char *s, const char *name)
{
	for (; *s || *name; s++) {
		if (*s == '_' || *s == '-' || *s == ' ')
			continue;
		if (tolower((unsigned char)*s) != *name)
			return false;
		name++;
	}
	return true;
}

static int column_of(const list *l, int n, const char *const *names)
{
	for (; *names; names++)
		for (int i = 0; i < n; i++)
			if (is_called(field_text(l, i), *names))
				return i;
	return -1;
}

static bool is_picture(const list *l, const char *name)
{
	char *path = itr_path_join(l->images, name);
	bool yes = name[0] && itr_path_size(path) >= 0 && !itr_path_is_dir(path);
	free(path);
	return yes;
}

static bool find_header(list *l)
{
	const char *s = l->s;
	for (const char *c = separators; *c; c++) {
		l->separator = *c;
		l->image = -1;
		int n = read_row(l, 0, false);
		l->image = column_of(l, n, image_names);
		l->text = column_of(l, n, text_names);
		l->split = column_of(l, n, split_names);
		l->columns = n;
		if (l->image >= 0 && l->text >= 0 && !is_picture(l, field_text(l, 0)))
			return l->header = true;
		l->s = s;
		l->line = 1;
	}
	return false;
}

static bool is_token(const char *s, const char *end)
{
	const char *tab = memchr(s, '\t', (size_t)(end - s));
	return tab && memrchr(s, '#', (size_t)(tab - s));
}

/* In the first lines a number stands between name and caption, everywhere. */
static bool has_numbers(list *l)
{
	const char *s = l->s;
	int rows = 0, numbers = 0;
	while (rows < LOOK_AT && l->s < l->end) {
		int n = read_row(l, 3, true);
		const char *number = n == 3 ? field_text(l, 1) : "";
		rows += n > 1 || l->field[0].n > 0;
		numbers += number[0] && strspn(number, "0123456789") == strlen(number);
	}
	l->s = s;
	l->line = 1;
	return rows > 0 && numbers == rows;
}

static int find_form(list *l, itr_err *err)
{
	const char *first = l->s;
	while (first < l->end && isspace((unsigned char)*first))
		first++;
	if (first == l->end)
		return itr_err_set(err, "'%s' is empty", l->path);
	if (find_header(l))
		return 0;
	l->image = 0;
	l->split = -1;
	int looked = 0;
	for (const char *s = first; s < l->end && looked < LOOK_AT; s = line_end(l, s) + 1, looked++) {
		const char *end = line_end(l, s), *name = s + (*s == '"');
		l->token = is_token(s, end);
		for (const char *c = separators; *c && !l->token; c++) {
			l->separator = *c;
			const char *stop = *s == '"' ? NULL : name_end(name, end, *c);
			if (!stop && *s == '"' && (stop = memchr(name, '"', (size_t)(end - name))))
				stop = stop + 1 < end && stop[1] == *c ? stop : NULL;
			if (stop) {
				l->columns = 2;
				l->columns += has_numbers(l);
				l->text = l->columns - 1;
				return 0;
			}
		}
		if (l->token)
			return 0;
	}
	const int shown = (int)ITR_MIN(strcspn(first, "\r\n"), (size_t)80);
	return itr_err_set(
		err,
		"'%s' is no list of pictures and captions: it begins '%.*s'; wanted is a header with an image's and a caption's column "
	        "(image,caption; "
		"image_name,comment_number,comment; filepath<TAB>title; ...), or lines like 'NAME.jpg,caption' or 'NAME.jpg#0<TAB>caption'",
		l->path, shown, first);
}

/* --- rows ----------------------------------------------------------------------------------------------------------------------------- */

/* "He said ""stop""" in the token form, where quotes are not CSV's but some copies have them */
static void unquote(char *s, size_t *n)
{
	if (*n < 2 || s[0] != '"' || s[*n - 1] != '"')
		return;
	char *to = s;
	for (size_t i = 1; i + 1 < *n; i++) {
		if (s[i] == '"' && s[i + 1] == '"' && i + 2 < *n)
			i++;
		*to++ = s[i];
	}
	*to = 0;
	*n = (size_t)(to - s);
}

static bool token_row(list *l, itr_caption_row *r)
{
	const char *end = line_end(l, l->s);
	itr_buf_clear(&l->fields);
	read_field(l, l->s, 0, false, true);
	l->s = end < l->end ? end + 1 : end;
	l->line += end < l->end;
	char *line = l->fields.data, *tab = memchr(line, '\t', l->field[0].n),
	     *hash = tab ? memrchr(line, '#', (size_t)(tab - line)) : NULL;
	if (!hash) {
		itr_issues_add(l->f, "line without a picture's name (left out)", "%s:%lld", l->path, (long long)r->line);
		return false;
	}
	char *text = tab + 1;
	while (isspace((unsigned char)*text))
		text++;
	r->image = line;
	r->image_n = (size_t)(hash - line);
	r->text = text;
	r->text_n = l->field[0].n - (size_t)(text - line);
	unquote(text, &r->text_n);
	return true;
}

static bool list_row(list *l, itr_caption_row *r)
{
	const bool rest = l->text == l->columns - 1;
	const int n = read_row(l, l->columns, rest);
	const char *why = n < l->columns   ? "line with too few fields (left out)"
	                  : n > l->columns ? "line with more fields than the header (left out)"
	                                   : NULL;
	if (!l->header && !l->field[0].quoted && n >= 2 && !name_end(field_text(l, 0), field_text(l, 0) + l->field[0].n + 1, 0))
		why = "line without a picture's name (left out)";
	if (why) {
		itr_issues_add(l->f, why, "%s:%lld", l->path, (long long)r->line);
		return false;
	}
	r->image = field_text(l, l->image);
	r->image_n = l->field[l->image].n;
	r->text = field_text(l, l->text);
	r->text_n = l->field[l->text].n;
	r->split = l->split >= 0 ? field_text(l, l->split) : NULL;
	return true;
}

int itr_caption_list_read(const char *path, const char *images, itr_issues *f, void (*row)(void *ctx, const itr_caption_row *r),
                          void *ctx, itr_err *err)
{
	size_t n;
	char *text = itr_textfile_all(path, MAX_FILE, &n, err);
	if (!text)
		return -1;
	list l = { .path = path, .images = images, .f = f, .s = text, .end = text + n, .line = 1 };
	int rc = find_form(&l, err);
	while (rc == 0 && l.s < l.end) {
		itr_caption_row r = { .line = l.line };
		const char *end = line_end(&l, l.s);
		if (strspn(l.s, " \t\r") == (size_t)(end - l.s)) {
			l.s = end < l.end ? end + 1 : end;
			l.line++;
		} else if (l.token ? token_row(&l, &r) : list_row(&l, &r)) {
			row(ctx, &r);
		}
	}
	itr_buf_free(&l.fields);
	free(text);
	return rc;
}
