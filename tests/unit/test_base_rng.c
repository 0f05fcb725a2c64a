/* lib/base/rng.c against numpy.random.Generator (tests/golden/gen_rng.py): equality of every bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

static int64_t mixed(itr_rng *r, int64_t rounds, double *out)
{
	int64_t n = 0, x[4];
	for (int64_t i = 0; i < rounds; i++) {
		out[n++] = (double)itr_rng_integers(r, 0, 7);
		out[n++] = itr_rng_random(r);
		out[n++] = (double)itr_rng_integers(r, 0, INT64_C(1) << 35);
		out[n++] = itr_rng_normal(r);
		itr_rng_choice(r, 50, 3, x);
		for (int j = 0; j < 3; j++)
			out[n++] = (double)x[j];
		itr_rng_permutation(r, 4, x);
		for (int j = 0; j < 4; j++)
			out[n++] = (double)x[j];
	}
	return n;
}

/* Draws what a line of the file asks for. Returns the number of 64-bit values in out. */
static int64_t draw(itr_rng *r, const char *method, const long long *a, void *out)
{
	double *d = out;
	int64_t *v = out;
	if (!strcmp(method, "random")) {
		for (int64_t i = 0; i < a[0]; i++)
			d[i] = itr_rng_random(r);
		return a[0];
	}
	if (!strcmp(method, "integers")) {
		for (int64_t i = 0; i < a[2]; i++)
			v[i] = itr_rng_integers(r, a[0], a[1]);
		return a[2];
	}
	if (!strcmp(method, "standard_normal"))
		return itr_rng_normals(r, a[0], d), a[0];
	if (!strcmp(method, "permutation"))
		return itr_rng_permutation(r, a[0], v), a[0];
	if (!strcmp(method, "shuffle")) {
		for (int64_t i = 0; i < a[0]; i++)
			v[i] = 3 * i + 1;
		return itr_rng_shuffle(r, a[0], v), a[0];
	}
	if (!strcmp(method, "choice"))
		return itr_rng_choice(r, a[0], a[1], v), a[1];
	assert_string_equal(method, "mixed");
	return mixed(r, a[0], d);
}

static int split_seeds(char *text, uint64_t *words)
{
	int n = 0;
	for (char *w = strtok(text, ","); w; w = strtok(NULL, ","))
		words[n++] = strtoull(w, NULL, 10);
	return n;
}

static void test_golden(void **state)
{
	(void)state;
	char line[1024], seeds[256], method[32], args[128], want[65], have[ITR_SHA256_HEX];
	int cases = 0;
	void *out = itr_xmalloc(400000 * sizeof(double));
	FILE *f = fopen("tests/golden/rng.txt", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		long long a[3] = { 0 };
		uint64_t words[16];
		itr_rng r;
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%255s %31s %127s %64s", seeds, method, args, want), 4);
		sscanf(args, "%lld,%lld,%lld", a, a + 1, a + 2);
		int n = split_seeds(seeds, words);
		itr_rng_init(&r, words, n);
		itr_sha256_bytes(out, (size_t)draw(&r, method, a, out) * sizeof(double), have);
		if (strcmp(have, want))
			fail_msg("differs from NumPy: %s", line);
		if (n == 1) {
			itr_rng s;
			itr_rng_seed(&s, words[0]);
			itr_rng_init(&r, words, n);
			assert_true(itr_rng_u64(&s) == itr_rng_u64(&r));
		}
		cases++;
	}
	fclose(f);
	free(out);
	assert_true(cases >= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
