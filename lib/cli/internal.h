/* internal.h - what tool.c and progress.c share. */
#ifndef ITR_CLI_INTERNAL_H
#define ITR_CLI_INTERNAL_H

#include "base/arena.h"

enum { ITR_PROGRESS_AUTO, ITR_PROGRESS_ALWAYS, ITR_PROGRESS_NEVER };

struct itr_tool_internals {
	double started;
	int progress;
	itr_arena *strings;     /* text values of options */
};

#endif
