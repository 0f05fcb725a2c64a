/* lib/text/hash_features: what a hashed vector must and must not depend on */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/hash_features.h"

static float a[ITR_HASH_DIM], b[ITR_HASH_DIM];

static double dot(const char *x, const char *y)
{
	double sum = 0;
	itr_hash_text(x, a);
	itr_hash_text(y, b);
	for (int i = 0; i < ITR_HASH_DIM; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

static void test_same(void **state)
{
	(void)state;
	assert_true(fabs(dot("A red dog.", "a  RED, dog!") - 1) < 1e-6);
	assert_true(fabs(dot("caf\xc3\xa9", "CAFE\xcc\x81") - 1) < 1e-6);       /* composed and decomposed */
	assert_true(fabs(dot("the dog's bone", "the dog\xe2\x80\x99s bone") - 1) < 1e-6);
	assert_true(fabs(dot("\xef\xbc\xa1 dog", "a dog") - 1) < 1e-6);         /* full-width A */
}

static void test_different(void **state)
{
	(void)state;
	double near = dot("a red dog on grass", "a red cat on grass"), order = dot("red dog blue cat", "blue dog red cat"),
	       far = dot("one two three", "four five six");
	assert_true(near > 0.3 && near < 0.95);
	assert_true(order > 0.5 && order < 0.99);                               /* pairs see the order, words do not */
	assert_true(fabs(far) < 0.3);
	assert_true(dot("\xe4\xb8\xad\xe5\x9b\xbd", "\xe4\xb8\xad") > 0.3);     /* ideographs are words */
}

static void test_sublinear(void **state)
{
	(void)state;
	double once = dot("dog cat", "dog"), often = dot("dog dog dog dog cat", "dog");
	assert_true(often > once && often < 0.97);
}

static void test_empty(void **state)
{
	(void)state;
	const char *none[] = { "", "  ", "!!! ...", "\xff\xfe" };
	for (int k = 0; k < 4; k++) {
		assert_int_equal(itr_hash_text(none[k], a), 0);
		for (int i = 0; i < ITR_HASH_DIM; i++)
			assert_true(a[i] == 0);
	}
}

static void test_tokens(void **state)
{
	float *t = malloc(4 * ITR_HASH_DIM * sizeof *t);
	(void)state;
	assert_int_equal(itr_hash_tokens("one two", 4, t), 2);
	for (int r = 0; r < 4; r++) {
		double norm = 0;
		for (int i = 0; i < ITR_HASH_DIM; i++)
			norm += (double)t[r * ITR_HASH_DIM + i] * t[r * ITR_HASH_DIM + i];
		assert_true(fabs(norm - (r < 2)) < 1e-5);
	}
	assert_int_equal(itr_hash_tokens("a b c d e f", 4, t), 4);
	itr_hash_text("dog", a);
	itr_hash_tokens("dog", 1, t);
	assert_memory_equal(a, t, sizeof a);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same), cmocka_unit_test(test_different), cmocka_unit_test(test_sublinear),
		                            cmocka_unit_test(test_empty), cmocka_unit_test(test_tokens) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
