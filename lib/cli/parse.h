/* parse.h - inside of cli: option tables applied to argv, config files and `k=v` pairs; help in several forms. */
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
	itr_option_group *group[ITR_OPT_GROUPS];      /* the tool's, those of components, the standard ones. Borrowed */
	bool *seen[ITR_OPT_GROUPS];                   /* given in the present source: a list that comes again is added to, not replaced */
	bool *given[ITR_OPT_GROUPS];                  /* given anywhere: command line, config file, --set */
	itr_arena *strings; /* owns the text values, which live as long as the options; borrowed, set after init; NULL: the heap */
} itr_optset;

/* Begins empty. Of groups without an owner the first that knows a name wins; those with one (components) all get the value. */
void itr_optset_init(itr_optset *s);
void itr_optset_add(itr_optset *s, itr_option_group *g);
void itr_optset_free(itr_optset *s);
/* Was an option given that only components not in use have? -1 with err, which names the option and what it belongs to. */
ITR_MUST_USE int itr_optset_check(const itr_optset *s, itr_err *err);
/* Has an earlier group an option of this name? Then it was shown, logged or kept already. */
bool itr_optset_earlier(const itr_optset *s, int group, const char *name);

/* Applies argv[1..]. What is no option goes to args (borrowed from argv), at most argc of them. 0, or -1 with a message fit for "NAME:
 * MESSAGE". */
ITR_MUST_USE int itr_opts_argv(itr_optset *s, int argc, char **argv, char **args, int *n_args, itr_err *err);
/* Applies a JSON object {"option": value}; an unknown key is an error that names the nearest. */
ITR_MUST_USE int itr_opts_config(itr_optset *s, const char *path, itr_err *err);
/* Applies "name=value". */
ITR_MUST_USE int itr_opts_pair(itr_optset *s, const char *pair, itr_err *err);

/* Was the option named? Same name rules as on the command line; an unknown name is a programming error. */
bool itr_optset_given(const itr_optset *s, const char *name);
/* Sets an option from a JSON value, as a config file does. -1 with err. */
ITR_MUST_USE int itr_opts_json(itr_optset *s, const char *name, const itr_json *value, itr_err *err);

/* "0 or more", "above 0", "from 0 to 1", ...: what o's range says; nothing where it has none. */
void itr_opt_range(const itr_option *o, itr_buf *out);

/* The value as text ("1,5,10"); `field` = base + offset. */
void itr_opt_text(const itr_option *o, const void *field, itr_buf *out);

/* The OPTIONS part of --help for one group; defaults are read from its values. */
void itr_opts_help(const itr_option_group *g, itr_buf *out);
void itr_opts_mdoc(const itr_option_group *g,
                   itr_buf *out); /* items of an mdoc list, for the man page; a titled group is a list of its own */
void itr_opts_completion(const itr_optset *s, itr_buf *out);                       /* long names, one a line, each once */

#endif
