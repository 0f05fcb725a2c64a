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
	itr_optset options;     /* the tool's, its components' and the standard ones, and which were given */
	itr_option_group own, standard;
	bool adopted;           /* options come from an earlier run's file, which may hold some of components that it did not use */
	const char *continue_run,
		*continue_dir; /* id of the run that is appended to instead of a new one; the store that it was in, or NULL */
	bool untracked, run_lost;               /* run_lost: continue_run was not found */
};

/* Is the group logged and kept? The tool's own options always are, those of components in use. */
static inline bool itr_group_counts(const struct itr_tool_internals *in, const itr_option_group *g)
{
	return g->in_use || g->values == in->own.values;
}

#endif
