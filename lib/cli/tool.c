#include "cli/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/program.h"
#include "cli/internal.h"
#include "cli/parse.h"
#include "track/run.h"
#include "version.h"

volatile sig_atomic_t itr_interrupted;

static const char *const progress_names[] = { "auto", "always", "never", NULL };

struct standard {
	bool help, version, force, verbose, quiet, json, track, provenance;
	int64_t threads, seed;
	int progress;
	const char *output, *config, *runs_dir, *experiment, *run_name, *parent_run, *device;
	itr_strs set;
};

#define FORCE_OPTION \
	ITR_OPT_BOOL("force", 'f', struct standard, force, "replace an existing output"),

#define OUTPUT_OPTIONS ITR_OPT_STR("output", 'o', struct standard, output, "FILE", "output file or folder"), FORCE_OPTION

#define COMMON_OPTIONS                                                                                                                     \
	ITR_OPT_INT_IN("threads", 'j', struct standard, threads, "N", ITR_FROM(0), "number of threads; 0: one per processor"),             \
		ITR_OPT_INT_IN("seed", 0, struct standard, seed, "N", ITR_FROM(0), "seed of every random decision"),                       \
		ITR_OPT_STR("config", 0, struct standard, config, "FILE", "JSON file of options; the command line has precedence"),        \
		ITR_OPT_STRS("set", 0, struct standard, set, "NAME=VALUE", "set one option, as in a config file"),                         \
		ITR_OPT_BOOL("json", 0, struct standard, json, "print the result as one JSON object"),                                     \
		ITR_OPT_ENUM("progress", 0, struct standard, progress, progress_names, "progress on standard error"),                      \
		ITR_OPT_BOOL("verbose", 'v', struct standard, verbose, "print more details"),                                              \
		ITR_OPT_BOOL("quiet", 'q', struct standard, quiet, "errors only"),                                                         \
		ITR_OPT_STR("runs-dir", 0, struct standard, runs_dir, "DIR", "folder of the tracked runs"),                                \
		ITR_OPT_STR("experiment", 0, struct standard, experiment, "NAME",                                                          \
	                    "experiment of the tracked run (default: the parent's, or 'Default')"),                                        \
		ITR_OPT_STR("run-name", 0, struct standard, run_name, "NAME", "name of the tracked run"),                                  \
		ITR_OPT_STR("parent-run", 0, struct standard, parent_run, "ID",                                                            \
	                    "parent run (default: environment variable ITR_PARENT_RUN)"),                                                  \
		ITR_OPT_BOOL("track", 0, struct standard, track, "record this call as a run; --no-track: do not"),                         \
		ITR_OPT_BOOL("provenance", 0, struct standard, provenance,                                                                 \
	                     "record in outputs how they were made; --no-provenance: do not"),                                             \
		ITR_OPT_STR("device", 0, struct standard, device, "NAME", "accepted for other programs' command lines; only cpu exists"),  \
		ITR_OPT_BOOL("help", 'h', struct standard, help, "print this text (--help=mdoc and --help=completion for other forms)"),   \
		ITR_OPT_BOOL("version", 'V', struct standard, version, "print version, compiler and processor"), ITR_OPT_END

static const itr_option standard_with_output[] = { ITR_OPT_HEADING("In every program:"), OUTPUT_OPTIONS COMMON_OPTIONS };
static const itr_option standard_with_force[] = { ITR_OPT_HEADING("In every program:"), FORCE_OPTION COMMON_OPTIONS };
static const itr_option standard_plain[] = { ITR_OPT_HEADING("In every program:"), COMMON_OPTIONS };

static const itr_option *standard_table(const itr_tool_desc *d)
{
	return d->flags & (ITR_TOOL_OUTPUT | ITR_TOOL_OUTPUT_REQUIRED) ? standard_with_output
	       : d->flags & ITR_TOOL_FORCE                             ? standard_with_force
	                                                               : standard_plain;
}

/* --- signals --------------------------------------------------------------------------------------------------------------------- */

static void on_signal(int number)
{
	static const char again[] = "\ninterrupted: saving what is done; once more to stop at once\n";
	if (itr_interrupted) {
		itr_atomic_cleanup_all();
		_exit(number == SIGINT ? ITR_EXIT_INTERRUPTED : 128 + number);
	}
	itr_interrupted = number;
	if (isatty(2) && write(2, again, sizeof again - 1) < 0)
		return;
}

static void catch_signals(void)
{
	struct sigaction catch = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN }, old;
	sigemptyset(&catch.sa_mask);
	catch.sa_flags = SA_RESTART;
	for (int k = 0; k < 2; k++) {
		int number = k ? SIGTERM : SIGINT;
		if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)      /* nohup, background jobs */
			sigaction(number, &catch, NULL);
	}
	sigaction(SIGPIPE, &ignore, NULL);               /* a closed pipe is a failed write, found when stdout is checked */
}

/* --- help -------------------------------------------------------------------------------------------------------------------------- */

static void print_help(const itr_tool_desc *d, const itr_optset *s)
{
	itr_buf b = ITR_BUF_INIT;
	itr_buf_printf(&b, "%s - %s\n\nUsage: ", itr_program_own(), d->purpose);
	itr_program_text(d->synopsis, &b);
	itr_buf_puts(&b, "\n\nOptions:\n");
	for (int k = 0; k < s->n; k++)
		itr_opts_help(s->group[k], &b);
	if (d->examples && d->examples[0])
		itr_buf_puts(&b, "\nExamples:\n");
	for (const char *const *e = d->examples; e && *e; e++) {
		itr_buf_puts(&b, "  ");
		itr_program_text(*e, &b);
		itr_buf_putc(&b, '\n');
	}
	if (d->see_also) {
		itr_buf_puts(&b, "\nSee also: ");
		itr_program_text(d->see_also, &b);
		itr_buf_putc(&b, '\n');
	}
	fwrite(itr_buf_str(&b), 1, b.len, stdout);
	itr_buf_free(&b);
}

static void print_help_form(const itr_optset *s, const char *form)
{
	itr_buf b = ITR_BUF_INIT;
	for (int k = 0; k < s->n && !strcmp(form, "mdoc"); k++)
		itr_opts_mdoc(s->group[k], &b);
	if (strcmp(form, "mdoc"))
		itr_opts_completion(s, &b);
	fwrite(itr_buf_str(&b), 1, b.len, stdout);
	itr_buf_free(&b);
}

static void print_version(void)
{
#if defined(__clang__)
	const char *compiler = "clang " __clang_version__;
#else
	const char *compiler = "gcc " __VERSION__;
#endif
	printf("%s (itr) %s%s%s\ncompiled by %s\nprocessor: %s, %d to use\n", itr_program_own(), ITR_VERSION, ITR_GIT[0] ? ", commit " : "",
	       ITR_GIT, compiler, itr_cpu_names(), itr_cpu_count());
}

/* Checks that everything printed to stdout was written: 0, or -1 with errno. The errno of an earlier failed write is lost, so another byte
 * is written to get it; the output is incomplete anyway. */
static int close_stdout(void)
{
	if (ferror(stdout)) {
		errno = 0;
		clearerr(stdout);
		(void)(fputc('\n', stdout) == EOF || fflush(stdout));
		errno = errno ? errno : EIO;
		return -1;
	}
	return fflush(stdout) != 0 || fclose(stdout) != 0 ? -1 : 0;
}

ITR_NORETURN static void leave(int code)
{
	if (close_stdout() < 0) {
		itr_error("cannot write standard output: %s", strerror(errno));
		code = ITR_EXIT_FAIL;
	}
	exit(code);
}

/* Prints the message, the synopsis, and a reference to --help. */
static void print_usage(const itr_tool_desc *d, const char *message)
{
	itr_buf b = ITR_BUF_INIT;
	itr_error("%s", message);
	itr_program_text(d->synopsis, &b);
	fprintf(stderr, "usage: %s\n'%s --help' lists the options\n", itr_buf_str(&b), itr_program_own());
	itr_buf_free(&b);
}

/* --help=FORM is handled before parsing, so that it works with any other arguments. */
static void early_help(const itr_tool_desc *d, const itr_optset *s, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strncmp(argv[i], "--help=", 7)) {
			print_help_form(s, argv[i] + 7);
			leave(ITR_EXIT_OK);
		}
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			print_help(d, s);
			leave(ITR_EXIT_OK);
		}
		if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-V")) {
			print_version();
			leave(ITR_EXIT_OK);
		}
	}
}

/* --- parsing ----------------------------------------------------------------------------------------------------------------------- */

/* Order of the sources: --config first, then --set, then the command line, wherever they are on it. */
static const char *find_config(int argc, char **argv)
{
	const char *path = NULL;
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strncmp(argv[i], "--config=", 9))
			path = argv[i] + 9;
		else if (!strcmp(argv[i], "--config") && i + 1 < argc)
			path = argv[i + 1];
	}
	return path;
}

/* All tables: the tool's, its components', the standard ones. */
static void collect_options(itr_tool *t, void *opt, struct standard *s)
{
	static const itr_option none[] = { ITR_OPT_END };
	struct itr_tool_internals *in = t->internals;
	const itr_tool_desc *d = t->desc;
	itr_optset_init(&in->options);
	in->options.strings = in->strings;
	in->own = (itr_option_group){ .table = d->options ? d->options : none, .values = opt, .in_use = true };
	in->standard = (itr_option_group){ .table = standard_table(d), .values = s, .in_use = true };
	itr_optset_add(&in->options, &in->own);
	for (itr_option_group *g = d->groups ? d->groups(opt) : NULL; g && g->table; g++)
		itr_optset_add(&in->options, g);
	itr_optset_add(&in->options, &in->standard);
}

static int parse_all(itr_tool *t, const struct standard *s, int argc, char **argv)
{
	struct itr_tool_internals *in = t->internals;
	itr_optset *set = &in->options;
	const char *config = find_config(argc, argv);
	int rc = config ? itr_opts_config(set, config, &t->err) : 0;
	for (int i = 1; rc == 0 && i < argc && strcmp(argv[i], "--"); i++) {
		if (!strncmp(argv[i], "--set=", 6))
			rc = itr_opts_pair(set, argv[i] + 6, &t->err);
		else if (!strcmp(argv[i], "--set") && i + 1 < argc)
			rc = itr_opts_pair(set, argv[i + 1], &t->err);
	}
	if (rc == 0)
		rc = itr_opts_argv(set, argc, argv, t->args, &t->n_args, &t->err);
	if (rc == 0 && t->n_args < t->desc->min_args)
		rc = itr_err_set(&t->err, t->n_args ? "too few arguments" : "what to work on is missing");
	if (rc == 0 && t->desc->max_args >= 0 && t->n_args > t->desc->max_args)
		rc = itr_err_set(&t->err, "unexpected argument '%s'", t->args[t->desc->max_args]);
	if (rc == 0 && (t->desc->flags & ITR_TOOL_OUTPUT_REQUIRED) && !s->output)
		rc = itr_err_set(&t->err, "say where the result goes: -o FILE");
	return rc;
}

/* --- the tracked run ---------------------------------------------------------------------------------------------------------------- */

static void log_group(itr_tool *t, const itr_option_group *g)
{
	char key[300];
	for (const itr_option *o = g->table; o->type != ITR_OPT_T_END; o++) {
		if (o->type == ITR_OPT_T_HEADING)
			continue;
		itr_buf v = ITR_BUF_INIT;
		itr_opt_text(o, (const char *)g->values + o->offset, &v);
		snprintf(key, sizeof key, "%s", o->name);
		for (char *c = key; *c; c++)
			if (*c == '-')
				*c = '_';
		if (v.len)
			itr_run_param(t->run, key, v.data);
		itr_buf_free(&v);
	}
}

/* The tool's own options and those of the components in use. */
static void log_params(itr_tool *t, const struct standard *s)
{
	const struct itr_tool_internals *in = t->internals;
	char key[300];
	for (int k = 0; k < in->options.n - 1; k++)
		if (itr_group_counts(in, in->options.group[k]))
			log_group(t, in->options.group[k]);
	for (int i = 0; i < t->n_args && i < 20; i++) {
		snprintf(key, sizeof key, "arg_%d", i + 1);
		itr_run_param(t->run, key, t->args[i]);
	}
	if (s->output)
		itr_run_param(t->run, "output", s->output);
	snprintf(key, sizeof key, "%llu", (unsigned long long)t->seed);
	itr_run_param(t->run, "seed", key);
	snprintf(key, sizeof key, "%d", t->threads);
	itr_run_param(t->run, "threads", key);
}

/* Continues the run of a resumed job. If its store was moved or deleted, that is not an error, unless the user has given the store. */
static int continue_run(itr_tool *t, const struct standard *s)
{
	struct itr_tool_internals *in = t->internals;
	const bool named = itr_optset_given(&in->options, "runs-dir");
	const char *dirs[] = { named ? NULL : in->continue_dir, s->runs_dir };
	itr_err err = ITR_ERR_INIT, first = ITR_ERR_INIT;
	for (int i = 0; i < ITR_LEN(dirs) && !t->run; i++) {
		t->run = dirs[i] ? itr_run_reopen(dirs[i], in->continue_run, &err) : NULL;
		if (t->run)
			t->runs_dir = dirs[i];
		else if (!first.set)
			first = err;
	}
	if (t->run)
		return 0;
	if (named)
		return itr_err_set(&t->err, "no run can be tracked (--no-track works without): %s", first.msg);
	in->run_lost = true;
	itr_warn("the run %s is not tracked any further: %s (--runs-dir DIR names the place of its store)", in->continue_run, first.msg);
	return 0;
}

static int open_run(itr_tool *t, const struct standard *s, int argc, char **argv)
{
	const struct itr_tool_internals *in = t->internals;
	if (in->continue_run)
		return continue_run(t, s);
	itr_buf line = ITR_BUF_INIT;
	for (int i = 0; i < argc; i++)
		itr_buf_printf(&line, "%s%s", i ? " " : "", argv[i]);
	itr_run_opts o = { .runs_dir = s->runs_dir, .experiment = s->experiment, .name = s->run_name, .source = t->desc->name,
	                   .parent = s->parent_run && *s->parent_run ? s->parent_run : NULL, .argv_text = itr_buf_str(&line) };
	t->run = itr_run_start(&o, &t->err);
	itr_buf_free(&line);
	if (!t->run)
		return itr_err_prefix(&t->err, "no run can be tracked (--no-track works without): ");
	log_params(t, s);
	return 0;
}

static void close_run(itr_tool *t, itr_run_status status)
{
	itr_err err = ITR_ERR_INIT;
	if (!t->run)
		return;
	itr_run_tag(t->run, "itr.synthetic", itr_provenance_synthetic(t->provenance) ? "true" : "false");
	itr_run_metric(t->run, "wall_seconds", itr_clock_now() - ((struct itr_tool_internals *)t->internals)->started, 0);
	itr_run_metric(t->run, "peak_rss_mb", itr_peak_rss_mb(), 0);
	itr_json *p = itr_provenance_json(t->provenance);
	if (p) {
		itr_buf b = ITR_BUF_INIT;
		const itr_json *inputs = itr_json_get(p, "inputs");
		if (inputs)
			itr_json_print(&b, inputs, false);
		if (b.len > 2)
			itr_run_tag(t->run, "itr.inputs", b.data);
		itr_buf_free(&b);
		itr_json_free(p);
	}
	if (itr_run_end(t->run, status, &err) < 0)
		itr_warn("the tracked run is not whole: %s", err.msg);
	t->run = NULL;
}

/* --- begin and end -------------------------------------------------------------------------------------------------------------------- */

itr_tool *itr_tool_begin(const itr_tool_desc *d, void *opt, int argc, char **argv)
{
	const char *parent = getenv("ITR_PARENT_RUN"), *runs = getenv("ITR_RUNS_DIR");
	struct standard s = { .seed = 42,
		              .runs_dir = runs && *runs ? runs : "runs",
		              .parent_run = parent,
		              .device = "cpu",
		              .track = true,
		              .provenance = true };
	itr_tool *t = itr_xcalloc(1, sizeof *t);
	itr_program_called(argv[0], d->name);
	itr_log_setup(itr_program_own(), ITR_LOG_INFO);
	t->desc = d;
	t->out = stdout;
	t->args = itr_xcalloc((size_t)argc + 1, sizeof *t->args);
	struct itr_tool_internals *in = t->internals = itr_xcalloc(1, sizeof *in);
	in->started = itr_clock_now();
	in->strings = itr_arena_new(1 << 12);
	collect_options(t, opt, &s);
	early_help(d, &in->options, argc, argv);
	if (parse_all(t, &s, argc, argv) < 0) {
		print_usage(d, t->err.msg);
		exit(ITR_EXIT_USAGE);
	}
	itr_log_setup(itr_program_own(), s.quiet ? ITR_LOG_ERROR : s.verbose ? ITR_LOG_DEBUG : ITR_LOG_INFO);
	if (strcmp(s.device, "cpu"))
		itr_warn("device '%s' does not exist here: working on the cpu", s.device);
	t->threads = itr_threads_resolve(s.threads);
	t->seed = (uint64_t)s.seed;
	t->output = s.output;
	t->force = s.force;
	t->json = s.json;
	t->quiet = s.quiet;
	t->runs_dir = s.runs_dir;
	t->experiment = s.experiment;
	t->run_name = s.run_name;
	t->parent_run = s.parent_run && *s.parent_run ? s.parent_run : NULL;
	in->progress = s.quiet && s.progress == 0 ? ITR_PROGRESS_NEVER : s.progress;
	t->provenance = itr_provenance_new(d->name, ITR_VERSION, argc, argv, t->seed, s.provenance);
	catch_signals();
	int wrong = d->complete ? d->complete(t, opt) : 0;
	if (wrong)
		exit(wrong == ITR_EXIT_USAGE ? itr_tool_usage(t, "%s", t->err.msg) : itr_tool_fail(t));
	if (!in->adopted && itr_optset_check(&in->options, &t->err) < 0)
		exit(itr_tool_usage(t, "%s", t->err.msg));
	itr_optset_no_effect(&in->options);
	in->standard.values = memcpy(itr_arena_alloc(in->strings, sizeof s), &s,
	                             sizeof s); /* s is local; itr_tool_given is called later */
	if (s.track && !in->untracked && !(d->flags & ITR_TOOL_NO_TRACK) && open_run(t, &s, argc, argv) < 0)
		exit(itr_tool_fail(t));
	return t;
}

static void release(itr_tool *t)
{
	itr_provenance_free(t->provenance);
	struct itr_tool_internals *in = t->internals;
	itr_arena_free(in->strings);
	itr_optset_free(&in->options);
	free(t->internals);
	free(t->args);
	free(t);
}

int itr_tool_fail(itr_tool *t)
{
	bool stopped = itr_interrupted != 0;
	itr_error("%s", t->err.set ? t->err.msg : stopped ? "interrupted" : "failed");
	close_run(t, stopped ? ITR_RUN_KILLED : ITR_RUN_FAILED);
	itr_atomic_cleanup_all();
	fflush(stdout);
	release(t);
	return stopped ? ITR_EXIT_INTERRUPTED : ITR_EXIT_FAIL;
}

int itr_tool_usage(itr_tool *t, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	char text[sizeof t->err.msg];
	itr_program_vformat(text, sizeof text, format, ap);
	va_end(ap);
	print_usage(t->desc, text);
	if (t->run) {                                    /* a mistyped command is no run */
		char *dir = itr_xstrdup(itr_run_dir(t->run));
		itr_err ignored = ITR_ERR_INIT;
		if (itr_run_end(t->run, ITR_RUN_FAILED, &ignored) < 0 || itr_path_remove_tree(dir, &ignored) < 0)
			itr_debug("%s", ignored.msg);
		free(dir);
	}
	release(t);
	return ITR_EXIT_USAGE;
}

int itr_tool_end(itr_tool *t, bool ok)
{
	int code = ok ? ITR_EXIT_OK : ITR_EXIT_FAIL;
	if (close_stdout() < 0) {
		if (errno != EPIPE)
			itr_error("cannot write standard output: %s", strerror(errno));
		code = ITR_EXIT_FAIL;
	}
	if (itr_interrupted)
		code = ITR_EXIT_INTERRUPTED;
	close_run(t, itr_interrupted ? ITR_RUN_KILLED : code ? ITR_RUN_FAILED : ITR_RUN_FINISHED);
	release(t);
	return code;
}

/* The argument that is the same existing file as the output, or NULL. */
static const char *overwritten_input(const itr_tool *t)
{
	struct stat out, in;
	if (stat(t->output, &out) < 0 || !S_ISREG(out.st_mode))
		return NULL;
	for (int i = 0; i < t->n_args; i++)
		if (stat(t->args[i], &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
			return t->args[i];
	return NULL;
}

int itr_tool_check_output(itr_tool *t, bool binary)
{
	if (!t->output)
		return 0;
	if (!strcmp(t->output, "-"))
		return binary ? itr_err_set(&t->err, "this format is binary and written in several passes: it cannot go to standard "
		                                     "output, give -o a file name")
		              : 0;
	if (itr_path_exists(t->output) && !itr_path_is_dir(t->output) && !t->force)
		return itr_err_set(&t->err, "'%s' exists: --force replaces it", t->output);
	if (overwritten_input(t))
		return itr_err_set(&t->err, "'%s' is the input: --force does not replace what is being read, give another -o", t->output);
	return 0;
}

int itr_tool_check_free(itr_tool *t, const char *path)
{
	return itr_path_exists(path) && !t->force ? itr_err_set(&t->err, "'%s' exists: --force replaces it", path) : 0;
}

void itr_tool_metric(itr_tool *t, const char *key, double value, int64_t step)
{
	if (t->run)
		itr_run_metric(t->run, key, value, step);
}

void itr_tool_artifact(itr_tool *t, const char *path)
{
	if (t->run)
		itr_run_artifact(t->run, path);
}

void itr_tool_print_json(itr_tool *t, itr_json *j)
{
	itr_buf b = ITR_BUF_INIT;
	itr_json_print(&b, j, true);
	itr_buf_putc(&b, '\n');
	fwrite(b.data, 1, b.len, t->out);
	itr_buf_free(&b);
	itr_json_free(j);
}
