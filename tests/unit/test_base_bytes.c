/* lib/base/bytes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

static void test_amounts(void **state)
{
	static const struct { const char *text; size_t bytes;
	} good[] = { { "4096", 4096 },        { "1", 1 },          { "512B", 512 },         { "1k", 1024 },
		     { "300M", 300UL << 20 }, { "2G", 2UL << 30 }, { "1.5GiB", 3UL << 29 }, { "0.5mb", 1UL << 19 },
		     { "3T", 3UL << 40 } };
	itr_err err = ITR_ERR_INIT;
	(void)state;
	for (int i = 0; i < (int)(sizeof good / sizeof *good); i++) {
		size_t bytes = 0;
		assert_int_equal(itr_bytes_parse(good[i].text, &bytes, &err), 0);
		assert_true(bytes == good[i].bytes);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "",    "G",   "0",    "0.1", "-1G", "+1G", " 1G", "1 G",  "1GG", "1iB",
		                           "1e3", "inf", "nan",  "0x10", "1.2.3", "2 GB", "1Q", "1Gi", "1Mb " };
	(void)state;
	for (int i = 0; i < (int)(sizeof bad / sizeof *bad); i++) {
		itr_err err = ITR_ERR_INIT;
		size_t bytes;
		assert_int_equal(itr_bytes_parse(bad[i], &bytes, &err), -1);
		assert_non_null(strstr(err.msg, "no amount of memory"));
	}
	itr_err err = ITR_ERR_INIT;
	size_t bytes;
	assert_int_equal(itr_bytes_parse("9000000T", &bytes, &err), -1);
	assert_non_null(strstr(err.msg, "can be addressed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_amounts), cmocka_unit_test(test_refused) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
