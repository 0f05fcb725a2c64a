/* lib/text/unicode: against Python's decoder and unicodedata (tests/golden/gen_unicode.py) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/unicode.h"

static size_t unhex(const char *hex, char *out)
{
	size_t n = 0;
	if (!strcmp(hex, "-"))
		return 0;
	for (unsigned v; sscanf(hex + 2 * n, "%2x", &v) == 1; n++)
		out[n] = (char)v;
	return n;
}

static void answer(const char *what, const char *in, size_t n, itr_buf *out)
{
	static const char *const forms[] = { "NFC", "NFD", "NFKC", "NFKD" };
	for (int k = 0; k < 4; k++)
		if (!strcmp(what, forms[k]))
			itr_utf8_normalize(out, in, n, (itr_norm_form)k);
	if (!strcmp(what, "decode"))
		itr_utf8_sanitize(out, in, n);
	else if (!strcmp(what, "lower"))
		itr_utf8_lower(out, in, n);
	else if (!strcmp(what, "class"))
		for (const char *p = in; p < in + n;) {
			itr_buf_puts(out, out->len ? "," : "");
			itr_buf_puts(out, itr_cp_category(itr_utf8_next(&p, in + n)));
		}
}

static void test_golden(void **state)
{
	char what[16], in[600], want[600], raw[300], ref[600];
	FILE *f = fopen("tests/golden/unicode.txt", "r");
	int checked = 0, wrong = 0;
	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "#%*[^\n]\n"), 0);
	while (fscanf(f, "%15s %599s %599s", what, in, want) == 3) {
		itr_buf out = ITR_BUF_INIT;
		size_t n = unhex(in, raw), m = strcmp(what, "class") ? unhex(want, ref) : (size_t)snprintf(ref, sizeof ref, "%s", want);
		answer(what, raw, n, &out);
		if (out.len != m || (m && memcmp(out.data, ref, m))) {
			print_message("%s %s: not %s\n", what, in, want);
			wrong++;
		}
		itr_buf_free(&out);
		checked++;
	}
	fclose(f);
	assert_int_equal(wrong, 0);
	assert_true(checked > 1400);
}

static void test_every_code_point(void **state)
{
	(void)state;
	for (int32_t cp = 0; cp <= 0x10FFFF; cp++) {
		char s[4];
		const char *p = s;
		int n = itr_utf8_encode(cp, s);
		bool surrogate = cp >= 0xD800 && cp <= 0xDFFF;
		assert_int_equal(itr_utf8_next(&p, s + n), surrogate ? ITR_CP_REPLACEMENT : cp);
		assert_ptr_equal(p, s + n);
		assert_true(itr_utf8_valid(s, (size_t)n));
		assert_false(n > 1 && itr_utf8_valid(s, (size_t)n - 1));
	}
}

static void test_classes(void **state)
{
	(void)state;
	assert_true(itr_cp_is_space(0x3000) && itr_cp_is_space('\t') && itr_cp_is_space(0x85) && !itr_cp_is_space('a'));
	assert_true(itr_cp_is_cjk(0x4E2D) && !itr_cp_is_cjk(0x3042));           /* hiragana is not split by BERT */
	assert_true(itr_cp_is_punct('!') && itr_cp_is_mark(0x301) && itr_cp_is_number(0xBD) && itr_cp_is_letter(0xDF));
	assert_int_equal(itr_utf8_length("a\xff\xe2\x82\xac", 5), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_every_code_point),
		                            cmocka_unit_test(test_classes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
