/* The pool of large arrays: nothing overlaps, what is given back serves again, holes grow together, a round of the same calls finds the
 * same places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/pool.h"
#include "base/rng.h"

enum { ARRAYS = 64, ROUNDS = 4000 };

static void fill(unsigned char *p, size_t n, int mark) { memset(p, mark, n); }

static bool holds(const unsigned char *p, size_t n, int mark)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != mark)
			return false;
	return true;
}

static void test_arrays_come_and_go(void **state)
{
	itr_pool *p = itr_pool_new();
	unsigned char *array[ARRAYS] = { NULL };
	size_t bytes[ARRAYS] = { 0 };
	itr_rng r;
	(void)state;
	itr_rng_seed(&r, 1);
	for (int i = 0; i < ROUNDS; i++) {
		const int k = (int)itr_rng_integers(&r, 0, ARRAYS);
		if (array[k]) {
			assert_true(holds(array[k], bytes[k], k));
			itr_pool_give(p, array[k], bytes[k]);
			array[k] = NULL;
			continue;
		}
		bytes[k] = (size_t)itr_rng_integers(&r, 1, itr_rng_integers(&r, 2, 200000));
		array[k] = itr_pool_take(p, bytes[k]);
		assert_int_equal((uintptr_t)array[k] % 64, 0);
		fill(array[k], bytes[k], k);
	}
	for (int k = 0; k < ARRAYS; k++)
		if (array[k]) {
			assert_true(holds(array[k], bytes[k], k));
			itr_pool_give(p, array[k], bytes[k]);
		}
	/* all holes have grown together: the whole first block is one */
	const size_t held = itr_pool_bytes(p);
	itr_pool_give(p, itr_pool_take(p, (size_t)4 << 20), (size_t)4 << 20);
	assert_true(itr_pool_bytes(p) <= (held > (size_t)4 << 20 ? held : (size_t)4 << 20));
	itr_pool_free(p);
}

static void test_a_round_finds_its_places(void **state)
{
	itr_pool *p = itr_pool_new();
	void *place[2][8];
	size_t held = 0;
	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int k = 0; k < 8; k++) {
			place[round][k] = itr_pool_take(p, (size_t)(8 - k) << 20);
			if (k % 3 == 2)
				itr_pool_give(p, place[round][k - 1], (size_t)(9 - k) << 20);
		}
		assert_true(round == 0 || itr_pool_bytes(p) == held);
		held = itr_pool_bytes(p);
		itr_pool_reset(p);
	}
	assert_memory_equal(place[0], place[1], sizeof place[0]);
	assert_true(held < (size_t)(1 + 2 + 3 + 4 + 5 + 6 + 7 + 8) << 20);       /* what was given back served again */
	itr_pool_trim(p);
	assert_int_equal(itr_pool_bytes(p), 0);
	assert_non_null(itr_pool_take(p, 100));
	itr_pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_arrays_come_and_go), cmocka_unit_test(test_a_round_finds_its_places) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
