/* internal.h - what tool.c and progress.c share. */
#ifndef ITR_CLI_INTERNAL_H
#define ITR_CLI_INTERNAL_H

#include "base/arena.h"
#include "cli/parse.h"

enum { ITR_PROGRESS_AUTO, ITR_PROGRESS_ALWAYS, ITR_PROGRESS_NEVER };

struct itr_tool_internals {
	double started;
	int progress;
	itr_arena *strings;     /* text values of options */
	itr_optset options;     /* the tool's and the standard ones, and which were given */
	/* id of the run that is appended to instead of a new one; the store that it was in, or NULL */
	const char *continue_run, *continue_dir;
	bool untracked, run_lost;               /* run_lost: continue_run was not found */
};

#endif
