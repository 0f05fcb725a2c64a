/* parse.h - internal: parses argv, config files and `k=v` pairs by option tables (base/option.h); prints help in several formats. */
#ifndef ITR_CLI_PARSE_H
#define ITR_CLI_PARSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"
#include "io/json.h"

enum { ITR_OPT_GROUPS = 64 };

typedef struct itr_optset {
	int n;
	itr_option_group *group[ITR_OPT_GROUPS];      /* of the tool, its components, the standard options. Borrowed */
	bool *seen[ITR_OPT_GROUPS];                   /* given in the current source: a repeated list option appends */
	bool *given[ITR_OPT_GROUPS];                  /* given in any source: command line, config file, --set */
	itr_arena *strings; /* memory of text values; borrowed, set after init; NULL: the heap */
} itr_optset;

/* An empty set. A value is stored in the first group without an owner that has the option, and in all groups with an owner (components)
 * that have it. */
void itr_optset_init(itr_optset *s);
void itr_optset_add(itr_optset *s, itr_option_group *g);
void itr_optset_free(itr_optset *s);
/* -1 with err when an option was given that only components not in use have; the message names the option and these components. */
ITR_MUST_USE int itr_optset_check(const itr_optset *s, itr_err *err);
/* Warns about given options that have no effect (itr_option.no_effect). */
void itr_optset_no_effect(const itr_optset *s);
/* True when an earlier group has an option of this name, which was then already printed, logged or saved. */
bool itr_optset_earlier(const itr_optset *s, int group, const char *name);

/* Parses argv[1..]. Arguments that are not options go to args (borrowed from argv; space for argc). 0, or -1 with err. */
ITR_MUST_USE int itr_opts_argv(itr_optset *s, int argc, char **argv, char **args, int *n_args, itr_err *err);
/* Parses a config file, a JSON object {"option": value}. 0, or -1 with err; for an unknown key the message gives the nearest. */
ITR_MUST_USE int itr_opts_config(itr_optset *s, const char *path, itr_err *err);
/* Parses "name=value". */
ITR_MUST_USE int itr_opts_pair(itr_optset *s, const char *pair, itr_err *err);

/* True when the option was given. Names are compared as on the command line; an unknown name aborts. */
bool itr_optset_given(const itr_optset *s, const char *name);
/* Sets an option from a JSON value, as a config file does. -1 with err. */
ITR_MUST_USE int itr_opts_json(itr_optset *s, const char *name, const itr_json *value, itr_err *err);

/* Appends the range of o as text: "0 or more", "above 0", "from 0 to 1", ...; nothing when it has no range. */
void itr_opt_range(const itr_option *o, itr_buf *out);

/* Appends the value as text ("1,5,10"); field: address of the option's field. */
void itr_opt_text(const itr_option *o, const void *field, itr_buf *out);

/* Appends one group as options of --help; its values are the defaults. */
void itr_opts_help(const itr_option_group *g, itr_buf *out);
void itr_opts_mdoc(const itr_option_group *g,
                   itr_buf *out); /* items of an mdoc list, for the man page; a group with a title is a separate list */
void itr_opts_completion(const itr_optset *s, itr_buf *out);                       /* long names, one in each line, each once */

#endif
