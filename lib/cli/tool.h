/* tool.h - the frame of every program: options, help, messages, signals, the tracked run, the final check of stdout, the exit code.
 *
 *	int main(int argc, char **argv)
 *	{
 *		struct opt o = { .dim = 512 };
 *		itr_tool *t = itr_tool_begin(&evaluate_tool, &o, argc, argv);    // exits for --help, --version, wrong usage (2)
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

/* Optional standard options; the others (help, version, threads, seed, config, set, verbose, quiet, json, progress, tracking,
 * no-provenance, device) are in every tool. */
enum itr_tool_flags {
	ITR_TOOL_OUTPUT = 1 << 0,        /* -o --output, -f --force */
	ITR_TOOL_OUTPUT_REQUIRED = 1 << 1,
	ITR_TOOL_NO_TRACK = 1 << 2,      /* the tool logs no run (runs) */
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
	/* Called after parsing and before a run is started: sets defaults that depend on other options, reads saved options
	 * (saved_options.h), checks the usage. 0, or the exit code (ITR_EXIT_FAIL, ITR_EXIT_USAGE) with t->err. May be NULL. */
	int (*complete)(struct itr_tool *t, void *opt);
	/* Option groups of the tool's components (base/option.h), up to one with table == NULL, stored in `opt`. Called first; `complete`
	 * sets in_use. May be NULL. */
	itr_option_group *(*groups)(void *opt);
} itr_tool_desc;

typedef struct itr_tool {
	const itr_tool_desc *desc;
	itr_err err;                     /* for the calls of main */
	char **args;                     /* arguments that are not options */
	int n_args;
	int threads;                     /* resolved: at least 1 */
	uint64_t seed;
	const char *output;              /* -o, or NULL; may be "-" */
	bool force, json, quiet;
	const char *runs_dir;            /* --runs-dir; never NULL */
	const char *experiment, *run_name, *parent_run;      /* as given, or NULL */
	itr_provenance *provenance;      /* add inputs and `synthetic` here before writing outputs */
	FILE *out;                       /* stdout */
	struct itr_run *run;             /* the tracked run; NULL with --no-track */
	void *internals;
} itr_tool;

/* Set by SIGINT and SIGTERM: long loops check it, save and return. A second signal ends the process at once. */
extern volatile sig_atomic_t itr_interrupted;

itr_tool *itr_tool_begin(const itr_tool_desc *d, void *opt, int argc, char **argv);
/* Prints t->err, ends the run as FAILED (KILLED when interrupted), removes temporary output files, frees t. Returns the exit code, 1 (130
 * when interrupted). */
int itr_tool_fail(itr_tool *t);
/* For wrong usage found after parsing: prints the message and "see --help", returns 2. */
int itr_tool_usage(itr_tool *t, const char *format, ...) ITR_PRINTF(2, 3);
/* Checks stdout, ends the run, frees t and returns the exit code: 0, or 1 when ok is false (the tool has printed the reason). */
int itr_tool_end(itr_tool *t, bool ok);
/* -1 with t->err when the output exists and --force was not given, or when it is "-" and `binary` (a binary format). Call it before the
 * work. */
ITR_MUST_USE int itr_tool_check_output(itr_tool *t, bool binary);
/* The same for one of several outputs: -1 with t->err when it exists and --force was not given. */
ITR_MUST_USE int itr_tool_check_free(itr_tool *t, const char *path);

/* Tracking; without a run these do nothing. itr_tool_begin logs all options and arguments as params. */
void itr_tool_metric(itr_tool *t, const char *key, double value, int64_t step);
/* as itr_run_artifact (track/run.h): files up to 16 MiB are copied, larger ones described by path and sha256 */
void itr_tool_artifact(itr_tool *t, const char *path);

/* Prints j to stdout, pretty-printed, and frees it. */
void itr_tool_print_json(itr_tool *t, itr_json *j);

#endif
