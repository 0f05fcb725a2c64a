/* internal.h - internal: state shared by the files of cli. */
#ifndef ITR_CLI_INTERNAL_H
#define ITR_CLI_INTERNAL_H

#include "base/arena.h"
#include "cli/parse.h"

enum { ITR_PROGRESS_AUTO, ITR_PROGRESS_ALWAYS, ITR_PROGRESS_NEVER };

struct itr_tool_internals {
	double started;
	int progress;
	itr_arena *strings;     /* text values of options */
	itr_optset options;     /* options of the tool, its components and the standard ones, and which were given */
	itr_option_group own, standard;
	bool adopted;           /* options were read from a checkpoint, which may have options of components that are not in use */
	const char *continue_run,
		*continue_dir; /* id of the existing run to append to; its store, or NULL */
	bool untracked, run_lost;               /* run_lost: continue_run was not found */
};

/* True when the group is logged and saved: the tool's own options, and those of components in use. */
static inline bool itr_group_counts(const struct itr_tool_internals *in, const itr_option_group *g)
{
	return g->in_use || g->values == in->own.values;
}

#endif
