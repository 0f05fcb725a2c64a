/* Tables in five formats, CSV records, and what provenance records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "io/provenance.h"
#include "io/table.h"

static itr_table *sample(void)
{
	static const char *const names[] = { "name", "R@1", "note" };
	itr_table *t = itr_table_new(3, names);
	itr_table_cell(t, "caf\xc3\xa9");
	itr_table_cellf(t, "%.1f", 12.5);
	itr_table_cell(t, "a,b \"c\"");
	itr_table_cell(t, "x|y_%");
	itr_table_cell(t, "-3");
	itr_table_cell(t, "l1\nl2\t\\");
	itr_table_cell(t, "last");
	return t;
}

static void check(itr_table_format format, const char *want)
{
	itr_table *t = sample();
	itr_buf b = ITR_BUF_INIT;
	assert_int_equal(itr_table_rows(t), 3);
	itr_table_print(t, format, &b);
	assert_string_equal(itr_buf_str(&b), want);
	itr_buf_free(&b);
	itr_table_free(t);
}

static void test_formats(void **state)
{
	(void)state;
	check(ITR_TABLE_CSV, "name,R@1,note\ncaf\xc3\xa9,12.5,\"a,b \"\"c\"\"\"\nx|y_%,-3,\"l1\nl2\t\\\"\nlast,,\n");
	check(ITR_TABLE_TSV, "name\tR@1\tnote\ncaf\xc3\xa9\t12.5\ta,b \"c\"\nx|y_%\t-3\tl1\\nl2\\t\\\\\nlast\t\t\n");
	check(ITR_TABLE_MD, "| name   |  R@1 | note       |\n|--------|-----:|------------|\n| caf\xc3\xa9   | 12.5 | a,b \"c\"    |\n"
	      "| x\\|y_% |   -3 | l1<br>l2\t\\ |\n| last   |      |            |\n");
	check(ITR_TABLE_TEXT, "name    R@1  note\ncaf\xc3\xa9   12.5  a,b \"c\"\nx|y_%    -3  l1 l2 \\\nlast\n");
	check(ITR_TABLE_LATEX, "\\begin{tabular}{lrl}\n\\toprule\nname & R@1 & note \\\\\n\\midrule\ncaf\xc3\xa9 & 12.5 & a,b \"c\" \\\\\n"
	      "x|y\\_\\% & -3 & l1 l2\t\\textbackslash{} \\\\\nlast &  &  \\\\\n\\bottomrule\n\\end{tabular}\n");
}

static void test_empty(void **state)
{
	(void)state;
	static const char *const names[] = { "only" };
	itr_table *t = itr_table_new(1, names);
	itr_buf b = ITR_BUF_INIT;
	assert_int_equal(itr_table_rows(t), 0);
	itr_table_print(t, ITR_TABLE_CSV, &b);
	assert_string_equal(b.data, "only\n");
	itr_buf_free(&b);
	itr_table_free(t);
}

static int csv(const char *text, size_t n, const char *want, const char *want_why)
{
	itr_textfile *f = itr_textfile_memory(text, n, "memory", NULL);
	itr_buf b = ITR_BUF_INIT, seen = ITR_BUF_INIT;
	char *fields[4];
	const char *why = NULL;
	int k;
	while ((k = itr_csv_record(f, &b, fields, 4, &why)) > 0)
		for (int i = 0; i < k; i++)
			itr_buf_printf(&seen, "<%s>%s", fields[i], i + 1 < k ? "" : ";");
	if (k == 0)
		assert_string_equal(itr_buf_str(&seen), want);
	else
		assert_string_equal(why, want_why);
	itr_buf_free(&seen);
	itr_buf_free(&b);
	itr_textfile_close(f);
	return k;
}
#define CSV(text, want, why) csv(text, sizeof(text) - 1, want, why)

static void test_csv(void **state)
{
	(void)state;
	assert_int_equal(CSV("a,b\n1,2\n", "<a><b>;<1><2>;", ""), 0);
	assert_int_equal(CSV("a,b\r\n1,2", "<a><b>;<1><2>;", ""), 0);
	assert_int_equal(CSV("\"a,\"\"x\"\"\nb\",,\n\n,\n", "<a,\"x\"\nb><><>;<><>;", ""), 0);
	assert_int_equal(CSV("\xef\xbb\xbfid,x\n", "<id><x>;", ""), 0);
	assert_int_equal(CSV("\xef\xbb\xbf\"id\",x\n", "<id><x>;", ""), 0);
	assert_int_equal(CSV("\xef\xbb" "a,x\n", "<\xef\xbb" "a><x>;", ""), 0);
	assert_int_equal(CSV("a\rb,c\n", "<a\rb><c>;", ""), 0);
	assert_int_equal(CSV("a,b\r1,\"2\r3\"\r", "<a><b>;<1><2\n3>;", ""), 0);         /* an old Macintosh's */
	assert_int_equal(CSV("\xff\xfe" "a\0,\0b\0\n\0", "<a><b>;", ""), 0);
	assert_int_equal(CSV("\n\n", "", ""), 0);
	assert_int_equal(CSV("\"open\n", "", "a quote that is never closed"), -1);
	assert_int_equal(CSV("\"a\"b,c\n", "", "text behind a closing quote"), -1);
	assert_int_equal(CSV("a\0b\n", "", "a NUL byte"), -1);
	assert_int_equal(CSV("1,2,3,4,5\n", "", "more fields than expected"), -1);
}

static void test_provenance(void **state)
{
	(void)state;
	const char *const argv[] = { "evaluate", "-j4", "-j",     "8",          "--threads=2", "--threads",  "3",
		                     "-qf",      "-o",  "out.h5", "--runs_dir", "r",           "--no-track", "--dim",
		                     "512",      "-k",  "in.npz", "--",         "-q",          NULL };
	itr_provenance *p = itr_provenance_new("evaluate", "0.1", ITR_LEN(argv) - 1, (char **)(uintptr_t)argv, 18446744073709551615u, true);
	FILE *f = fopen("provenance-test.tmp", "wb");
	assert_non_null(f);
	fputs("abc", f);
	fclose(f);
	itr_provenance_input(p, "provenance-test.tmp");
	itr_provenance_input(p, "provenance-test.tmp");
	itr_provenance_input(p, "/nonexistent/file");
	remove("provenance-test.tmp");
	itr_provenance_set_synthetic(p);
	char *text = itr_provenance_text(p);
	assert_string_equal(text,
	                    "{\"tool\":\"evaluate\",\"version\":\"0.1\",\"arguments\":[\"--dim\",\"512\",\"-k\",\"in.npz\",\"--\",\"-q\"],"
	                    "\"seed\":\"18446744073709551615\",\"synthetic\":true,\"inputs\":[{\"path\":\"provenance-test.tmp\","
	                    "\"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}]}");
	free(text);
	itr_provenance_free(p);
	p = itr_provenance_new("evaluate", "0.1", 1, (char **)(uintptr_t)argv, 1, false);
	itr_provenance_set_synthetic(p);
	assert_true(itr_provenance_synthetic(p));
	assert_null(itr_provenance_json(p));
	text = itr_provenance_text(p);
	assert_string_equal(text, "");
	free(text);
	itr_provenance_free(p);
	itr_provenance_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats), cmocka_unit_test(test_empty), cmocka_unit_test(test_csv), cmocka_unit_test(test_provenance),
	};
	return cmocka_run_group_tests_name("io_table", tests, NULL, NULL);
}
