/* parse.h - inside of cli: option tables applied to argv, config files and `k=v` pairs; help in several forms. */
#ifndef ITR_CLI_PARSE_H
#define ITR_CLI_PARSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/option.h"
#include "io/json.h"

enum { ITR_OPT_TABLES = 2 };

typedef struct itr_optset {
	const itr_option *table[ITR_OPT_TABLES];      /* the tool's, then the standard ones; the first that knows a name wins */
	void *base[ITR_OPT_TABLES];
	bool *seen[ITR_OPT_TABLES];                   /* given in the present source: a list that comes again is added to, not replaced */
	bool *given[ITR_OPT_TABLES];                  /* given anywhere: command line, config file, --set */
	/* owns the text values, which live as long as the options; borrowed, set after init; NULL: the heap */
	itr_arena *strings;
} itr_optset;

void itr_optset_init(itr_optset *s, const itr_option *tool, void *tool_base, const itr_option *standard, void *standard_base);
void itr_optset_free(itr_optset *s);

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

/* The OPTIONS part of --help for one table; defaults are read from base. */
void itr_opts_help(const itr_option *table, const void *base, itr_buf *out);
void itr_opts_mdoc(const itr_option *table, const void *base, itr_buf *out);       /* items of an mdoc list, for the man page */
void itr_opts_completion(const itr_option *table, itr_buf *out);                   /* long names, one a line */

#endif
