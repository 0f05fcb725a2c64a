/* lib/io/textfile: byte-order marks, UTF-16, line ends, NUL; the same from memory, from a file and from a pipe that gives one byte at a
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "base/mem.h"
#include "io/textfile.h"

/* Lines as "<a><b>", a NUL written as 0. */
static char *lines(itr_textfile *t)
{
	itr_buf b = ITR_BUF_INIT;
	itr_err err = ITR_ERR_INIT;
	const char *s;
	size_t n;
	int rc;
	while ((rc = itr_textfile_line(t, &s, &n, &err)) > 0) {
		itr_buf_putc(&b, '<');
		for (size_t i = 0; i < n; i++)
			itr_buf_putc(&b, s[i] ? s[i] : '0');
		itr_buf_putc(&b, '>');
		assert_int_equal(s[n], 0);
	}
	assert_int_equal(rc, 0);
	itr_textfile_close(t);
	return itr_buf_detach(&b);
}

static itr_textfile *through_fifo(const char *text, size_t n)
{
	char path[] = "/tmp/itr-textfile-XXXXXX";
	itr_err err = ITR_ERR_INIT;
	assert_non_null(mkdtemp(path));
	char *fifo = itr_xasprintf("%s/p", path), *command = itr_xasprintf("mkfifo %s", fifo);
	assert_int_equal(system(command), 0);
	if (fork() == 0) {
		FILE *f = fopen(fifo, "wb");
		setbuf(f, NULL);
		for (size_t i = 0; i < n; i++)
			fputc(text[i], f);
		fclose(f);
		_exit(0);
	}
	itr_textfile *t = itr_textfile_open(fifo, &err);
	assert_non_null(t);
	unlink(fifo);
	rmdir(path);
	free(command);
	free(fifo);
	return t;
}

static void expect(const char *text, size_t n, const char *want)
{
	itr_err err = ITR_ERR_INIT;
	char *got = lines(itr_textfile_memory(text, n, "memory", &err));
	assert_string_equal(got, want);
	free(got);
	got = lines(through_fifo(text, n));
	assert_string_equal(got, want);
	free(got);
	wait(NULL);
}
#define LINES(text, want) expect(text, sizeof(text) - 1, want)

static void test_marks_and_line_ends(void **state)
{
	(void)state;
	LINES("", "");
	LINES("\n", "<>");
	LINES("a\nb", "<a><b>");
	LINES("a\r\n\r\nb\r\n", "<a><><b>");
	LINES("\xEF\xBB\xBF" "a\n\xEF\xBB\xBF" "b", "<a><\xEF\xBB\xBF" "b>");
	LINES("\xEF\xBB\xBF", "");
	LINES("\xEF\xBB" "a", "<\xEF\xBB" "a>");
	LINES("a\0b\nc", "<a0b><c>");
	LINES("a\rb\nc", "<a><b><c>");
}

static void test_utf16(void **state)
{
	(void)state;
	LINES("\xFF\xFE" "a\0\r\0\n\0\xE9\0", "<a><\xC3\xA9>");
	LINES("\xFE\xFF\0a\0\r\0\n\0\xE9", "<a><\xC3\xA9>");
	LINES("a\0 \0d\0o\0g\0\n\0b\0", "<a dog><b>");
	LINES("\0a\0 \0d\0o\0g\0\n\0b", "<a dog><b>");
	LINES("\xFF\xFE\x3D\xD8\x00\xDE" "a\0", "<\xF0\x9F\x98\x80" "a>");         /* a pair */
	LINES("\xFF\xFE\x3D\xD8" "a\0", "<\xFF" "a>");                             /* a lone high surrogate */
	LINES("\xFF\xFE" "a\0\x3D\xD8", "<a\xFF>");
	LINES("\xFF\xFE" "a\0b", "<a\xFF>");                                       /* an odd byte */
	LINES("\xFF\xFE\x0A\x0D", "<\xE0\xB4\x8A>");                               /* U+0D0A is a letter, no line end */
	LINES("one NUL\0in UTF-8\n", "<one NUL0in UTF-8>");
}

static void test_macintosh(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_textfile *t = itr_textfile_memory("a,b\r1,2\r", 8, "m", &err);
	char got[16] = "";
	for (int i = 0, c; (c = itr_textfile_getc(t)) != EOF; i++)
		got[i] = (char)c;
	itr_textfile_close(t);
	assert_string_equal(got, "a,b\n1,2\n");
	t = itr_textfile_memory("a\rb\n", 4, "m", &err);                           /* LF ends lines here: the CR is data */
	assert_int_equal(itr_textfile_getc(t), 'a');
	assert_int_equal(itr_textfile_peek(t), '\r');
	itr_textfile_close(t);
}

static void test_long_input(void **state)
{
	(void)state;
	enum { N = 300000 };
	char *text = itr_xmalloc(2 * N + 2);
	itr_err err = ITR_ERR_INIT;
	const char *s;
	size_t n;
	text[0] = '\xFF', text[1] = '\xFE';
	for (int i = 0; i < N; i++)
		text[2 + 2 * i] = i % 1000 == 999 ? '\n' : 'x', text[3 + 2 * i] = 0;
	itr_textfile *t = through_fifo(text, 2 * N + 2);
	int64_t count = 0;
	while (itr_textfile_line(t, &s, &n, &err) > 0) {
		assert_int_equal(n, 999);
		count++;
	}
	assert_int_equal(count, N / 1000);
	assert_int_equal(itr_textfile_number(t), count);
	itr_textfile_close(t);
	wait(NULL);
	free(text);
}

static void test_refusals(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	assert_null(itr_textfile_memory("\xFF\xFE\0\0a\0\0\0", 8, "wide.txt", &err));
	assert_non_null(strstr(err.msg, "'wide.txt' is UTF-32"));
	err = (itr_err)ITR_ERR_INIT;
	assert_null(itr_textfile_open("/", &err));
	assert_non_null(strstr(err.msg, "folder"));
	err = (itr_err)ITR_ERR_INIT;
	assert_null(itr_textfile_open("/nonexistent/file", &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_marks_and_line_ends), cmocka_unit_test(test_utf16),
		                            cmocka_unit_test(test_macintosh), cmocka_unit_test(test_long_input),
		                            cmocka_unit_test(test_refusals) };
	return cmocka_run_group_tests_name("io_textfile", tests, NULL, NULL);
}
