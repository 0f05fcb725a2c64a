/* saved_options.h - options that are saved: a long job writes them into its checkpoint, a later call reads them back.
 *
 *	itr_json *info = itr_tool_options(t);                              // into the checkpoint
 *	itr_tool_adopt(t, info, "model.ckpt.h5", free_to_differ);          // --resume: in the tool's `complete`, before a run is opened
 */
#ifndef ITR_CLI_SAVED_OPTIONS_H
#define ITR_CLI_SAVED_OPTIONS_H

#include "cli/tool.h"

/* Was the option given: on the command line, in --config, by --set? */
bool itr_tool_given(const itr_tool *t, const char *option);

/* {"options": {name: value}, "arguments": [...], "output", "seed", "run", "runs_dir", "provenance"}: every option of the tool's own table
 * and of the components in use, what of the standard ones changes results, and the tracked run with its store's absolute path. The caller
 * frees. */
itr_json *itr_tool_options(const itr_tool *t);

/* The way back, from desc->complete only: every option that was not given takes its kept value, output, seed, arguments and the recorded
 * command line too, and the run that was written is continued under its own id (none, if none was), in the store that --runs-dir names,
 * else in the one where it was, else in the default one; a run that is not found there any more is no reason to stop: a warning, and
 * nothing is tracked. An option given with another value than the kept one is refused by name, unless it is one of `loose`
 * (NULL-terminated; may be NULL), where what is given wins. `where` names the file in messages. 0, or -1 with t->err. */
ITR_MUST_USE int itr_tool_adopt(itr_tool *t, const itr_json *kept, const char *where, const char *const *loose);

#endif
