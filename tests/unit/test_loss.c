/* Losses against PyTorch (losses.json, by gen_losses.py): values, gradients of both sides, of own negatives, of the scale and of what a
 * loss trains itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/json.h"
#include "loss/loss.h"

static itr_json *golden(void)
{
	itr_err err = ITR_ERR_INIT;
	itr_json *j = itr_json_read("tests/golden/losses.json", &err);
	if (!j)
		j = itr_json_read("../tests/golden/losses.json", &err);
	assert_non_null(j);
	return j;
}

/* NULL where there is none. */
static float *numbers(const itr_json *a)
{
	if (!a || itr_json_is_null(a))
		return NULL;
	float *v = itr_xmalloc((size_t)itr_json_count(a) * sizeof *v);
	for (int64_t i = 0; i < itr_json_count(a); i++)
		v[i] = (float)itr_json_num(itr_json_at(a, i), NAN);
	return v;
}

static int name_index(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], name))
			return i;
	fail_msg("no '%s'", name);
	return -1;
}

static void set(void *self, const itr_option *o, const itr_json *v)
{
	void *field = (char *)self + o->offset;
	if (o->type == ITR_OPT_T_NUM)
		*(double *)field = itr_json_num(v, NAN);
	else if (o->type == ITR_OPT_T_ENUM)
		*(int *)field = itr_json_is_string(v) ? name_index(o->names, itr_json_str(v, "")) : (int)itr_json_int(v, -1);
	for (int64_t i = 0; i < itr_json_count(v); i++) {
		if (o->type == ITR_OPT_T_INTS)
			((itr_ints *)field)->v[((itr_ints *)field)->n++] = itr_json_int(itr_json_at(v, i), -1);
		else if (o->type == ITR_OPT_T_NUMS)
			((itr_nums *)field)->v[((itr_nums *)field)->n++] = itr_json_num(itr_json_at(v, i), NAN);
	}
}

static void *self_of(const itr_loss_ops *l, const itr_json *options)
{
	void *self = l->size ? memcpy(itr_xmalloc(l->size), l->defaults, l->size) : NULL;
	for (const itr_json *v = itr_json_first(options); v; v = itr_json_next(v)) {
		const itr_option *o = l->options;
		while (o->type != ITR_OPT_T_END && strcmp(o->name, itr_json_key(v)))
			o++;
		assert_int_not_equal(o->type, ITR_OPT_T_END);
		set(self, o, v);
	}
	return self;
}

static void compare(const char *what, const char *loss, const float *got, const itr_json *want, int64_t n)
{
	double top = 1e-6, error = 0;
	for (int64_t i = 0; i < n; i++)
		top = fmax(top, fabs(itr_json_num(itr_json_at(want, i), NAN)));
	for (int64_t i = 0; i < n; i++)
		error = fmax(error, fabs((double)got[i] - itr_json_num(itr_json_at(want, i), NAN)));
	if (!(error < 1e-5 * top))
		fail_msg("%s: the gradient of %s differs by %g of its largest element", loss, what, error / top);
}

static void check_case(const itr_json *c, const int64_t shape[4], const int64_t *group, int threads)
{
	static const char *const what[] = { "query", "target", "own negatives", "log scale" };
	itr_err err = ITR_ERR_INIT;
	const itr_loss_ops *l = itr_loss_find(itr_json_str(itr_json_get(c, "loss"), ""), &err);
	assert_non_null(l);
	void *self = self_of(l, itr_json_get(c, "options"));
	itr_params *p = itr_params_new();
	if (l->init)
		l->init(self, p);
	itr_params_seal(p);
	itr_params_initialise(p, 1);
	if (l->check)
		assert_int_equal(l->check(self, shape[2], &err), 0);
	const int64_t b = shape[0], n = l->contrastive ? shape[1] : b, e = shape[2];
	float *data[] = { numbers(itr_json_get(c, "query")), numbers(itr_json_get(c, "target")), numbers(itr_json_get(c, "own")),
		          numbers(itr_json_get(c, "log_scale")) };
	const int64_t rows[] = { b, n, b * shape[3], 1 };
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads });
	itr_var *x[4];
	for (int k = 0; k < 4; k++)
		x[k] = data[k] ? itr_input_grad(t, k < 3 ? 2 : 1, (int64_t[]){ rows[k], e }, data[k]) : NULL;
	const itr_loss_in in = { .query = x[0],
		                 .target = x[1],
		                 .own = x[2],
		                 .n_own = shape[3],
		                 .group = group,
		                 .symmetric = itr_json_bool(itr_json_get(c, "symmetric"), false),
		                 .log_scale = x[3],
		                 .scale = 1 / 0.07 };
	itr_var *v = l->value(self, t, &in);
	const double want = itr_json_num(itr_json_get(c, "value"), NAN);
	printf("# %-10s %.6f, PyTorch %.6f\n", l->name, itr_var_item(t, v), want);
	assert_true(fabs(itr_var_item(t, v) - want) < 2e-6 * fmax(1, fabs(want)));
	itr_params_zero_grad(p);
	itr_backward(t, v, 1);
	for (int k = 0; k < 4; k++)
		if (x[k] && *x[k]->written)
			compare(what[k], l->name, x[k]->grad, itr_json_at(itr_json_get(c, "grads"), k), x[k]->count);
		else if (x[k])
			assert_true(itr_json_num(itr_json_at(itr_json_at(itr_json_get(c, "grads"), k), 0), NAN) == 0);
	assert_int_equal(itr_params_count(p), itr_json_count(itr_json_get(c, "arrays")));
	for (const itr_json *a = itr_json_first(itr_json_get(c, "arrays")); a; a = itr_json_next(a)) {
		const itr_param *q = itr_params_find(p, itr_json_key(a));
		assert_non_null(q);
		if (q->grad_written)
			compare(q->name, l->name, q->grad, a, q->count);
		else
			assert_true(itr_json_num(itr_json_at(a, 0), NAN) == 0);
	}
	itr_tape_free(t);
	itr_params_free(p);
	free(self);
	for (int k = 0; k < 4; k++)
		free(data[k]);
}

static void test_losses(void **state)
{
	itr_json *j = golden();
	int64_t shape[4], group[16];
	bool seen[32] = { false };
	(void)state;
	for (int i = 0; i < 4; i++)
		shape[i] = itr_json_int(itr_json_at(itr_json_get(j, "shape"), i), -1);
	for (int i = 0; i < shape[1]; i++)
		group[i] = itr_json_int(itr_json_at(itr_json_get(j, "group"), i), -1);
	for (const itr_json *c = itr_json_first(itr_json_get(j, "cases")); c; c = itr_json_next(c)) {
		for (int threads = 1; threads <= 2; threads++)
			check_case(c, shape, group, threads);
		for (int i = 0; itr_losses[i]; i++)
			seen[i] |= !strcmp(itr_losses[i]->name, itr_json_str(itr_json_get(c, "loss"), ""));
	}
	for (int i = 0; itr_losses[i]; i++)
		if (!seen[i])
			fail_msg("loss '%s' has no golden case: tests/golden/gen_losses.py", itr_losses[i]->name);
	itr_json_free(j);
}

static void refused(const itr_loss_ops *l, const char *options, int64_t dim, const char *says)
{
	itr_err err = ITR_ERR_INIT;
	itr_json *j = itr_json_parse(options, strlen(options), "test", &err);
	void *self = self_of(l, j);
	assert_int_equal(l->check(self, dim, &err), says ? -1 : 0);
	if (says && !strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
	free(self);
	itr_json_free(j);
}

static void test_dimensions_that_do_not_fit(void **state)
{
	itr_err err = ITR_ERR_INIT;
	const itr_loss_ops *l = itr_loss_find("matryoshka", &err);
	(void)state;
	assert_non_null(l);
	refused(l, "{}", 8, NULL);
	refused(l, "{}", 7, "7 dimensions have no eighth");
	refused(l, "{\"matryoshka-dims\": [4, 9]}", 8, "9, but embeddings have 8 dimensions");
	refused(l, "{\"matryoshka-dims\": [4, 8]}", 8, NULL);
	refused(l, "{\"matryoshka-dims\": [4, 8], \"matryoshka-weights\": [1]}", 8, "1 weights for 2 dimensions");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_losses), cmocka_unit_test(test_dimensions_that_do_not_fit) };
	return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
