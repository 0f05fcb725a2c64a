/* saved_options.h - writes the options of a program into a checkpoint, and reads them back when the job is resumed.
 *
 *	itr_json *info = itr_tool_options(t);                              // for the checkpoint
 *	itr_tool_adopt(t, info, "model.ckpt.h5", free_to_differ);          // --resume: in the tool's `complete`, before a run is started
 */
#ifndef ITR_CLI_SAVED_OPTIONS_H
#define ITR_CLI_SAVED_OPTIONS_H

#include "cli/tool.h"

/* True when the option was given on the command line, in --config or by --set. */
bool itr_tool_given(const itr_tool *t, const char *option);

/* {"options": {name: value}, "arguments": [...], "output", "seed", "run", "runs_dir", "provenance"}: all options of the tool's table and of
 * the components in use, the standard options that change results, and the tracked run with the absolute path of its store. The caller
 * frees. */
itr_json *itr_tool_options(const itr_tool *t);

/* Applies saved options; call it only in desc->complete. Options that were not given, output, seed, arguments and the recorded command line
 * get their saved values. The saved run is continued under the same id, in the store of --runs-dir, otherwise in its own store, otherwise
 * in the default one; when it is not found, there is a warning and the job is not tracked. An option given with a value that differs from
 * the saved one is an error, except the options in `loose` (NULL-terminated; may be NULL), whose given value is used. `where` is the file
 * in messages. 0, or -1 with t->err. */
ITR_MUST_USE int itr_tool_adopt(itr_tool *t, const itr_json *kept, const char *where, const char *const *loose);

#endif
