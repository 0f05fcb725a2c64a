/* tool.h - what every program shares: options, help, messages, signals, the tracked run, the last check of stdout, the exit code.
 *
 *	int main(int argc, char **argv)
 *	{
 *		struct opt o = { .dim = 512 };
 *		itr_tool *t = itr_tool_begin(&evaluate_tool, &o, argc, argv);    // exits by itself for --help, --version, wrong usage (2)
 *		double r;
 *		if (work(&o, &r, &t->err) < 0)
 *			return itr_tool_fail(t);                  // prints "evaluate: MESSAGE", closes the run as FAILED, returns 1
 *		itr_tool_metric(t, "t2i_recall_at_10", r, 0);
 *		return itr_tool_end(t, true);                     // checks stdout, closes the run, returns the exit code
 *	}
 */
#ifndef ITR_CLI_TOOL_H
#define ITR_CLI_TOOL_H

#include <signal.h>
#include <stdio.h>

#include "base/err.h"
#include "base/option.h"
#include "io/json.h"
#include "io/provenance.h"

enum { ITR_EXIT_OK = 0, ITR_EXIT_FAIL = 1, ITR_EXIT_USAGE = 2, ITR_EXIT_INTERRUPTED = 130 };

/* Standard options that a tool switches on; the others (help, version, threads, seed, config, set, verbose, quiet, json, progress,
 * tracking, no-provenance, device) are in every tool. */
enum itr_tool_flags {
	ITR_TOOL_OUTPUT = 1 << 0,        /* -o --output, -f --force */
	ITR_TOOL_OUTPUT_REQUIRED = 1 << 1,
	ITR_TOOL_NO_TRACK = 1 << 2,      /* writes no run by itself (runs) */
	ITR_TOOL_FORCE = 1 << 3,         /* -f --force without -o: several outputs, placed by options of the tool (itr_tool_check_free) */
};

struct itr_tool;

typedef struct itr_tool_desc {
	const char *name;                /* "evaluate" */
	const char *purpose;             /* one line */
	const char *synopsis; /* "{evaluate} [options] EMBEDDINGS"; this text, examples, see_also and options' help name programs in braces:
	                         base/program.h */
	const itr_option *options;
	int min_args, max_args;          /* -1: any number */
	unsigned flags;
	const char *const *examples;     /* NULL-terminated runnable lines */
	const char *see_also;            /* "{train}(1), {runs}(1)" */
	/* Called once options are parsed and before a run is opened: defaults that depend on other options, options taken up from a file
	 * (saved_options.h), wrong use. 0, or the exit code (ITR_EXIT_FAIL, ITR_EXIT_USAGE) with t->err. May be NULL. */
	int (*complete)(struct itr_tool *t, void *opt);
	/* Options of the components that the tool offers (base/option.h): groups up to one without a table, kept in `opt`. Called first of
	 * all; `complete` sets in_use. May be NULL. */
	itr_option_group *(*groups)(void *opt);
} itr_tool_desc;

typedef struct itr_tool {
	const itr_tool_desc *desc;
	itr_err err;                     /* for the calls of main */
	char **args;                     /* what is left after the options */
	int n_args;
	int threads;                     /* resolved: at least 1 */
	uint64_t seed;
	const char *output;              /* -o, or NULL; may be "-" */
	bool force, json, quiet;
	const char *runs_dir;            /* --runs-dir; never NULL */
	const char *experiment, *run_name, *parent_run;      /* as given, or NULL: for the tool that handles runs itself */
	itr_provenance *provenance;      /* add inputs and `synthetic` here before writing outputs */
	FILE *out;                       /* stdout */
	struct itr_run *run;             /* the tracked run; NULL with --no-track */
	void *internals;
} itr_tool;

/* Set by SIGINT and SIGTERM: long loops check it, save and return. A second signal ends at once. */
extern volatile sig_atomic_t itr_interrupted;

itr_tool *itr_tool_begin(const itr_tool_desc *d, void *opt, int argc, char **argv);
/* Prints t->err, run FAILED (KILLED and 130 when interrupted), returns the exit code. Temporaries of outputs are removed. */
int itr_tool_fail(itr_tool *t);
/* Wrong use found only after parsing: prints the message and "see --help", returns 2. */
int itr_tool_usage(itr_tool *t, const char *format, ...) ITR_PRINTF(2, 3);
/* ok false: exit 1 without a message of its own (a verdict was printed). Frees t. */
int itr_tool_end(itr_tool *t, bool ok);
/* Refuses an existing output without --force: 0, or -1 with t->err. Call it before the work. -o PATH of a binary format may not be "-":
 * `binary` says so. */
ITR_MUST_USE int itr_tool_check_output(itr_tool *t, bool binary);
/* The same for one of several outputs: -1 with t->err when it is there and --force was not given. */
ITR_MUST_USE int itr_tool_check_free(itr_tool *t, const char *path);

/* Tracking; no-ops without a run. All options and arguments are logged as params by itr_tool_begin. */
void itr_tool_metric(itr_tool *t, const char *key, double value, int64_t step);
/* small files are copied, large ones (> 16 MiB) linked by a text file with path and sha256 */
void itr_tool_artifact(itr_tool *t, const char *path);

/* Prints j on stdout as one pretty object and frees it. */
void itr_tool_print_json(itr_tool *t, itr_json *j);

#endif
