/* cli: option tables as users type them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/program.h"
#include "cli/parse.h"

static const char *const precisions[] = { "fp32", "fp16", "int8", "int4", NULL };
struct opt {
	itr_ints dims, precisions, cuts;
	itr_nums sizes, shares;
	itr_strs rules;
	int64_t k, patience, bits;
	double lr, rate, dropout, scale;
	int precision;
	bool all;
	const char *data;
};
static const itr_option options[] = {
	ITR_OPT_HEADING("Group"),
	ITR_OPT_INTS("embedding-dims", 0, struct opt, dims, "D...", "sizes"),
	ITR_OPT_ENUMS("precisions", 'p', struct opt, precisions, precisions, "storage"),
	ITR_OPT_NUMS("split-sizes", 0, struct opt, sizes, "T/V", "shares"),
	ITR_OPT_STRS("fail-if", 0, struct opt, rules, "RULE", "rule"),
	ITR_OPT_INT("recall-k", 'k', struct opt, k, "K", "cut-off"),
	ITR_OPT_NUM("lr", 0, struct opt, lr, "LR", "rate"),
	ITR_OPT_ENUM("precision", 0, struct opt, precision, precisions, "one"),
	ITR_OPT_BOOL("all", 'a', struct opt, all, "all"),
	ITR_OPT_INT_IN("patience", 0, struct opt, patience, "N", ITR_FROM(0), "epochs"),
	ITR_OPT_INT_IN("bits", 0, struct opt, bits, "N", ITR_BETWEEN(-1, 7), "bits"),
	ITR_OPT_NUM_IN("rate", 0, struct opt, rate, "X", ITR_ABOVE(0), "rate"),
	ITR_OPT_NUM_IN("dropout", 0, struct opt, dropout, "P", ITR_BELOW(0, 1), "share"),
	ITR_OPT_NUM_IN("scale", 0, struct opt, scale, "A", ITR_UP_TO(0, 1), "share"),
	ITR_OPT_INTS_IN("cuts", 0, struct opt, cuts, "K...", ITR_FROM(1), "cut-offs"),
	ITR_OPT_NUMS_IN("shares", 0, struct opt, shares, "S...", ITR_BETWEEN(0, 0.5), "shares"),
	ITR_OPT_STR("data-path", 'd', struct opt, data, "FILE", "data"),
	ITR_OPT_END
};

static int parse(struct opt *o, char **args, int *n, itr_err *e, int argc, char **argv)
{
	itr_optset s;
	itr_option_group g = { .table = options, .values = o };
	itr_optset_init(&s);
	itr_optset_add(&s, &g);
	int rc = itr_opts_argv(&s, argc, argv, args, n, e);
	itr_optset_free(&s);
	return rc;
}
#define PARSE(...) \
	char *argv[] = { (char *)(uintptr_t)"tool", __VA_ARGS__ }, *args[32]; \
	int n = 0; \
	struct opt o = { .dims = { 1, { 512 } }, .k = 5 }; \
	itr_err e = ITR_ERR_INIT; \
	int rc = parse(&o, args, &n, &e, ITR_LEN(argv), argv); \
	(void)rc
#define W (char *)(uintptr_t)

static void test_the_documents_own_command(void **state)
{
	(void)state;
	PARSE(W "--data_path", W "x.npz", W "--embedding_dims", W "256", W "512", W "1024", W "--precisions", W "fp32", W "int8", W "out",
	      W "--recall_k", W "10");
	assert_int_equal(rc, 0);
	assert_int_equal(o.dims.n, 3);
	assert_int_equal(o.dims.v[2], 1024);
	assert_int_equal(o.precisions.n, 2);
	assert_int_equal(o.precisions.v[1], 2);
	assert_string_equal(o.data, "x.npz");
	assert_int_equal(o.k, 10);
	assert_int_equal(n, 1);                     /* the first word that is no precision */
	assert_string_equal(args[0], "out");
	free((char *)(uintptr_t)o.data);
}

static void test_forms(void **state)
{
	(void)state;
	PARSE(W "--embedding-dims=1,2", W "-k7", W "-ad", W "f", W "--fail-if", W "a<1", W "--fail-if", W "b<2", W "--lr", W "-1e-3",
	      W "--", W "--all", W "-");
	assert_int_equal(rc, 0);
	assert_int_equal(o.dims.n, 2);
	assert_int_equal(o.k, 7);
	assert_true(o.all);
	assert_string_equal(o.data, "f");
	assert_int_equal(o.rules.n, 2);
	assert_string_equal(o.rules.v[1], "b<2");
	assert_true(o.lr == -1e-3);
	assert_int_equal(n, 2);
	for (int64_t i = 0; i < o.rules.n; i++)
		free((void *)(uintptr_t)o.rules.v[i]);
	free((void *)(uintptr_t)o.data);
}

static void test_no(void **state)
{
	(void)state;
	PARSE(W "--all", W "--no-all", W "--recall-k", W "1e6");
	assert_int_equal(rc, 0);
	assert_false(o.all);
	assert_int_equal(o.k, 1000000);
}

#define REFUSED(message, ...) \
	do { \
		PARSE(__VA_ARGS__); \
		assert_int_equal(rc, -1); \
		assert_string_equal(e.msg, message); \
	} while (0)

static void test_refusals(void **state)
{
	(void)state;
	REFUSED("unknown option '--recal-k': did you mean '--recall-k'?", W "--recal-k", W "1");
	REFUSED("unknown option '--recall': abbreviations are refused, write '--recall-k'", W "--recall", W "1");
	REFUSED("option '--recall-k' needs a value", W "--recall-k");
	REFUSED("option '--data-path' needs a value", W "--data-path", W "--all");
	REFUSED("'--recall-k' needs a whole number, not '1.5'", W "--recall-k", W "1.5");
	REFUSED("'--embedding-dims' needs whole numbers, not 'x'", W "--embedding-dims", W "1,x");
	REFUSED("unknown value 'int9' for '--precision': did you mean 'int8'? (known: fp32, fp16, int8, int4)", W "--precision", W "int9");
	REFUSED("unknown option '-z': see --help", W "-z");
}

/* NaN and infinity are taken by no option; a range is told, and its ends belong to it or not as it says. */
static void test_ranges(void **state)
{
	(void)state;
	REFUSED("'--lr' needs a number, not 'inf'", W "--lr", W "inf");
	REFUSED("'--lr' needs a number, not '-nan'", W "--lr=-nan");
	REFUSED("'--lr' needs a number, not '1e999'", W "--lr", W "1e999");
	REFUSED("'--split-sizes' needs numbers, not 'nan'", W "--split-sizes", W "0.5,nan");
	REFUSED("'--patience' is 0 or more, not '-1'", W "--patience", W "-1");
	REFUSED("'--bits' is from -1 to 7, not '8'", W "--bits", W "8");
	REFUSED("'--rate' is above 0, not '0'", W "--rate", W "0");
	REFUSED("'--dropout' is from 0 to below 1, not '1'", W "--dropout", W "1");
	REFUSED("'--scale' is above 0 up to 1, not '0'", W "--scale", W "0");
	REFUSED("'--scale' is above 0 up to 1, not '1.5'", W "--scale", W "1.5");
	REFUSED("'--cuts' is 1 or more, not '0'", W "--cuts", W "5,0");
	REFUSED("'--cuts' is 1 or more, not '-3'", W "--cuts", W "5", W "-3");
	REFUSED("'--shares' is from 0 to 0.5, not '0.6'", W "--shares", W "0.5", W "0.6");
	PARSE(W "--patience", W "0", W "--bits", W "-1", W "--rate", W "1e-300", W "--dropout", W "0", W "--scale", W "1", W "--cuts",
	      W "1", W "--shares", W "0", W "0.5");
	assert_int_equal(rc, 0);
	assert_true(o.bits == -1 && o.rate == 1e-300 && o.scale == 1 && o.cuts.n == 1 && o.shares.n == 2);
	itr_buf b = ITR_BUF_INIT;
	const itr_option_group g = { .table = options, .values = &o };
	itr_opts_help(&g, &b);
	assert_non_null(strstr(b.data, "share (from 0 to below 1) [0]"));
	b.len = 0;
	itr_opts_mdoc(&g, &b);
	assert_non_null(strstr(b.data, "epochs (0 or more)."));
	itr_buf_free(&b);
}

static void test_config_and_help(void **state)
{
	struct opt o = { .dims = { 1, { 512 } }, .k = 5 };
	itr_err e = ITR_ERR_INIT;
	itr_optset s;
	itr_buf b = ITR_BUF_INIT;
	char name[] = "/tmp/itr-cli.XXXXXX";
	(void)state;
	close(mkstemp(name));
	const char *text = "{\"embedding_dims\": [1, 2, 3], \"precision\": \"int4\", \"all\": true, \"lr\": 0.5}";
	assert_int_equal(itr_atomic_write(name, text, strlen(text), &e), 0);
	itr_option_group g = { .table = options, .values = &o };
	itr_optset_init(&s);
	itr_optset_add(&s, &g);
	assert_int_equal(itr_opts_config(&s, name, &e), 0);
	assert_int_equal(o.dims.n, 3);
	assert_int_equal(o.precision, 3);
	assert_true(o.all && o.lr == 0.5);
	assert_int_equal(itr_opts_pair(&s, "recall-k=9", &e), 0);
	assert_int_equal(o.k, 9);
	assert_int_equal(itr_opts_pair(&s, "recallk=9", &e), -1);
	itr_opts_help(&g, &b);
	assert_non_null(strstr(b.data, "--embedding-dims D...\n"));
	assert_non_null(strstr(b.data, " sizes [1,2,3]\n"));
	assert_non_null(strstr(b.data, "-k, --recall-k K"));
	itr_buf_free(&b);
	itr_optset_free(&s);
	unlink(name);
}

/* --- options of components --------------------------------------------------------------------------------------------------- */

struct near { double margin; int64_t dims; };
struct far { bool hard; double margin; };
static const struct near near_defaults = { 0.2, 64 };
static const struct far far_defaults = { true, 0.5 };
static const itr_option near_options[] = {
	ITR_OPT_NUM_IN("margin", 0, struct near, margin, "M", ITR_FROM(0), "margin"),
	ITR_OPT_INT("dims", 0, struct near, dims, "D", "dimensions"),
	ITR_OPT_END
};
static const itr_option far_options[] = {
	ITR_OPT_BOOL("hard", 0, struct far, hard, "hardest only"),
	ITR_OPT_NUM_IN("margin", 0, struct far, margin, "M", ITR_FROM(0), "margin"),
	ITR_OPT_END
};

/* Parses with the tool's own table and those of two losses, of which `loss` is in use. */
static int with_components(itr_option_groups *all, const char *loss, itr_err *e, int argc, char **argv)
{
	struct opt o = { .k = 5 };
	itr_option_group own = { .table = options, .values = &o, .in_use = true };
	itr_optset s;
	char *args[32];
	int n;
	memset(all, 0, sizeof *all);
	itr_option_groups_add(all, "loss", "near", near_options, &near_defaults, sizeof near_defaults);
	itr_option_groups_add(all, "loss", "far", far_options, &far_defaults, sizeof far_defaults);
	itr_option_groups_add(all, "loss", "plain", NULL, NULL, 0);
	itr_option_groups_add(all, "loss", "farther", far_options, &far_defaults, sizeof far_defaults);
	itr_optset_init(&s);
	itr_optset_add(&s, &own);
	for (itr_option_group *g = all->group; g->table; g++)
		itr_optset_add(&s, g);
	int rc = itr_opts_argv(&s, argc, argv, args, &n, e);
	itr_option_groups_use(all, "loss", loss, NULL);
	if (rc == 0)
		rc = itr_optset_check(&s, e);
	itr_optset_free(&s);
	return rc;
}
#define COMPONENTS(loss, ...) \
	with_components(&all, loss, &e, ITR_LEN(((char *[]){ NULL, __VA_ARGS__ })), (char *[]){ (char *)(uintptr_t)"tool", __VA_ARGS__ })

static void test_components(void **state)
{
	static itr_option_groups all;
	itr_err e = ITR_ERR_INIT;
	itr_buf b = ITR_BUF_INIT;
	(void)state;
	assert_int_equal(COMPONENTS("far", W "--margin", W "0.3", W "--no-hard"), 0);
	assert_int_equal(all.n, 2);
	assert_true(((struct near *)all.group[0].values)->margin == 0.3 &&
	            ((struct far *)all.group[1].values)->margin == 0.3); /* it goes to each that has it */
	assert_true(((struct near *)all.group[0].values)->dims == 64 && !((struct far *)all.group[1].values)->hard);
	assert_int_equal(COMPONENTS("near", W "--dims", W "3", W "--margin", W "1"), 0);
	assert_int_equal(COMPONENTS("near", W "--hard"), -1);
	assert_string_equal(e.msg, "'--hard' belongs to --loss far or --loss farther");
	assert_int_equal(COMPONENTS("farther", W "--hard"), 0);
	assert_int_equal(COMPONENTS("plain", W "--margin", W "1"), -1);
	assert_string_equal(e.msg, "'--margin' belongs to --loss near or --loss far or --loss farther");
	assert_int_equal(COMPONENTS("plain", W "--margins", W "1"), -1);
	assert_non_null(strstr(e.msg, "did you mean '--margin'"));
	assert_int_equal(COMPONENTS("plain", W "--recall-k", W "1"), 0);
	itr_opts_help(&all.group[1], &b);
	assert_non_null(strstr(b.data, "\nLoss far, farther:\n"));
	assert_non_null(strstr(b.data, "margin (0 or more) [0.5]"));
	itr_opts_mdoc(&all.group[0], &b);
	assert_non_null(strstr(b.data, ".El\n.Pp\nLoss near:\n.Bl -tag -width Ds\n.It Fl -margin Ar M\n"));
	itr_buf_free(&b);
}

static const char *shown(const char *argv0, const char *text)
{
	static itr_buf b = ITR_BUF_INIT;
	itr_program_called(argv0, "train");
	itr_buf_clear(&b);
	itr_program_text(text, &b);
	return itr_buf_str(&b);
}

/* Programs' names in texts follow the name under which this one was called. */
static void test_names(void **state)
{
	(void)state;
	assert_string_equal(shown("bin/train", "'{train} --resume' or {fetch-model}"), "'train --resume' or fetch-model");
	assert_string_equal(shown("/usr/bin/itr-train", "'{train} --resume' or {fetch-model}"), "'itr-train --resume' or itr-fetch-model");
	assert_string_equal(itr_program_own(), "itr-train");
	assert_string_equal(shown("itr-train", "{}, {A}, {a b}, { and {\"k\": 1}"), "{}, {A}, {a b}, { and {\"k\": 1}");
	assert_string_equal(shown("python", "{train}"), "train");
	assert_string_equal(shown("%s-train", "{train}"), "train");
	assert_string_equal(shown(NULL, "{train}"), "train");
	assert_string_equal(itr_program_own(), "train");
	itr_err e = ITR_ERR_INIT;
	itr_program_called("itr-train", "train");
	itr_err_set(&e, "%s: {train} makes one", "{runs}");      /* a user's text is shown as it is */
	assert_string_equal(e.msg, "{runs}: itr-train makes one");
	itr_program_called("train", "train");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_documents_own_command),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_no),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_config_and_help),
		cmocka_unit_test(test_components),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
