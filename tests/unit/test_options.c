/* The option tables of all components and of the tool that offers them: a name means one thing in all, and values fit their rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "loss/loss.h"
#include "optim/optim.h"
#include "train/options.h"

struct row { const char *where, *name; const itr_option *o; bool component; };
static struct row rows[1024];
static int n_rows;

static void add(const char *where, const itr_option *table, bool component)
{
	for (const itr_option *o = table; o && o->type != ITR_OPT_T_END; o++)
		if (o->type != ITR_OPT_T_HEADING) {
			assert_true(n_rows < ITR_LEN(rows));
			rows[n_rows++] = (struct row){ where, o->name, o, component };
		}
}

static void add_component(const char *name, const char *summary, const itr_option *table, const void *defaults, size_t size)
{
	assert_true(name && *name && summary && *summary);
	assert_true((table == NULL) == (size == 0) && (defaults == NULL) == (size == 0));
	for (const itr_option *o = table; o && o->type != ITR_OPT_T_END; o++)
		if (o->offset >= size)
			fail_msg("%s: the field of --%s lies outside of its %zu bytes", name, o->name, size);
	add(name, table, true);
}

static bool same_range(const itr_range *a, const itr_range *b)
{
	return a->given == b->given &&
	       (!a->given || (a->low == b->low && a->high == b->high && a->low_open == b->low_open && a->high_open == b->high_open));
}

static void test_one_name_one_type(void **state)
{
	(void)state;
	for (const itr_model_ops *const *m = itr_models; *m; m++)
		add_component((*m)->name, (*m)->summary, (*m)->options, (*m)->defaults, (*m)->options_size);
	for (const itr_loss_ops *const *l = itr_losses; *l; l++)
		add_component((*l)->name, (*l)->summary, (*l)->options, (*l)->defaults, (*l)->size);
	for (const itr_optim_ops *const *p = itr_optims; *p; p++)
		add_component((*p)->name, (*p)->summary, (*p)->options, (*p)->defaults, (*p)->size);
	for (const itr_schedule_ops *const *s = itr_schedules; *s; s++)
		add_component((*s)->name, (*s)->summary, (*s)->options, (*s)->defaults, (*s)->size);
	for (const itr_objective *const *p = itr_objectives; *p; p++)
		add_component((*p)->name, (*p)->summary, (*p)->options, (*p)->defaults, (*p)->size);
	const int components = n_rows;
	for (int i = 0; itr_models[i]; i++)
		assert_string_equal(itr_model_names[i], itr_models[i]->name);
	for (int i = 0; itr_losses[i]; i++)
		assert_string_equal(itr_loss_names[i], itr_losses[i]->name);
	add("towers", itr_finetune_options, false);
	add("the loop", itr_train_loop_options, false);
	for (int i = 0; i < n_rows; i++)
		for (int k = 0; k < i; k++) {
			const struct row *a = &rows[i], *b = &rows[k];
			if (strcmp(a->name, b->name))
				continue;
			if (!a->component)
				fail_msg("'--%s' of %s hides that of %s", a->name, a->where, b->where);
			if (a->o->type != b->o->type || a->o->names != b->o->names || !same_range(&a->o->range, &b->o->range) ||
			    a->o->letter != b->o->letter)
				fail_msg("'--%s' is not the same option in %s and %s", a->name, a->where, b->where);
		}
	assert_true(components > 3 && n_rows > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_name_one_type) };
	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
