/* option.h - a table of options, each bound to a field of one struct. Every program has a table; a component (a metric, a loss) may have
 * one. The parser, --help, the OPTIONS section of the man page and shell completion read it (cli/).
 *
 *	struct opt { int64_t dim; itr_ints k; int ties; const char *out; bool all; };
 *	static const itr_option options[] = {
 *		ITR_OPT_INT ("dim", 'd', struct opt, dim, "D", "embedding size to read"),
 *		ITR_OPT_INTS("recall-k", 'k', struct opt, k, "K...", "cut-offs of Recall@K"),
 *		ITR_OPT_ENUM("ties", 0, struct opt, ties, tie_names, "ranking of equal scores"),
 *		ITR_OPT_END
 *	};
 * The values of the struct before parsing are the defaults; --help prints them. `-` and `_` are interchangeable in names. Both
 * `--name=value` and `--name value` are accepted; a bool `name` has also `--no-name`. A list is written a,b,c or, for numbers and enum
 * names, a b c up to the next option, `--`, or the first word that is not a value. Errors: an abbreviated option (the message gives the
 * full name), an unknown option (the message gives the nearest), a number outside its range (the message gives the range):
 *		ITR_OPT_NUM_IN("dropout", 0, struct opt, dropout, "P", ITR_BELOW(0, 1), "share of hidden values dropped"),
 */
#ifndef ITR_BASE_OPTION_H
#define ITR_BASE_OPTION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compat.h"

enum { ITR_OPT_LIST = 64 };     /* values of a list, at most */
typedef struct itr_ints { int64_t n; int64_t v[ITR_OPT_LIST]; } itr_ints;
typedef struct itr_strs { int64_t n; const char *v[ITR_OPT_LIST]; } itr_strs;
typedef struct itr_nums { int64_t n; double v[ITR_OPT_LIST]; } itr_nums;

typedef enum { ITR_OPT_T_END, ITR_OPT_T_BOOL, ITR_OPT_T_INT, ITR_OPT_T_NUM, ITR_OPT_T_STR, ITR_OPT_T_ENUM,
               ITR_OPT_T_INTS, ITR_OPT_T_NUMS, ITR_OPT_T_STRS, ITR_OPT_T_TEXTS, ITR_OPT_T_ENUMS, ITR_OPT_T_HEADING } itr_opt_type;

/* The interval of values that a number option accepts, shown in --help and in the man page. An open end does not belong to the interval.
 * given == false: every finite number is accepted. */
typedef struct itr_range { double low, high; bool low_open, high_open, given; } itr_range;
#define ITR_ANY                         { 0, 0, false, false, false }
#define ITR_FROM(low)                   { low, INFINITY, false, true, true }
#define ITR_ABOVE(low)                  { low, INFINITY, true, true, true }
#define ITR_BETWEEN(low, high)          { low, high, false, false, true }
#define ITR_BELOW(low, high)            { low, high, false, true, true }            /* [low, high) */
#define ITR_UP_TO(low, high)            { low, high, true, false, true }            /* (low, high] */

typedef struct itr_option {
	itr_opt_type type;
	const char *name;               /* long name, with dashes */
	int letter;                     /* short option; 0: none */
	size_t offset;                  /* of the field */
	const char *meta;               /* placeholder of the value in --help: "D", "FILE"; enums: NULL */
	const char *const *names;       /* enums: NULL-terminated; an int field receives the index. STR: values that --help shows */
	const char *help;               /* one line, lower case, no full stop; --help adds the default and the range */
	itr_range range;                /* INT and NUM; INTS and NUMS: of each value */
	bool no_effect;                 /* accepted for existing command lines; a warning says that it has no effect */
} itr_option;

/* Type of the field: BOOL bool · INT int64_t · NUM double · STR const char * · ENUM int · INTS itr_ints · NUMS itr_nums · STRS itr_strs ·
 * ENUMS itr_ints (indices) · TEXTS itr_strs: each use of the option adds one value, which may contain commas · NAME const char *, checked
 * by its component */
#define ITR_OPT_BOOL(name, letter, S, field, help)                                                                                         \
	{                                                                                                                                  \
		ITR_OPT_T_BOOL, name, letter, offsetof(S, field), NULL, NULL, help, ITR_ANY, false                                         \
	}
#define ITR_OPT_INT(name, letter, S, field, meta, help)                                                                                    \
	{                                                                                                                                  \
		ITR_OPT_T_INT, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY, false                                          \
	}
#define ITR_OPT_NUM(name, letter, S, field, meta, help)                                                                                    \
	{                                                                                                                                  \
		ITR_OPT_T_NUM, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY, false                                          \
	}
#define ITR_OPT_STR(name, letter, S, field, meta, help)                                                                                    \
	{                                                                                                                                  \
		ITR_OPT_T_STR, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY, false                                          \
	}
#define ITR_OPT_NAME(name, letter, S, field, known_names, help)                                                                            \
	{                                                                                                                                  \
		ITR_OPT_T_STR, name, letter, offsetof(S, field), NULL, known_names, help, ITR_ANY, false                                   \
	}
#define ITR_OPT_ENUM(name, letter, S, field, enum_names, help)                                                                             \
	{                                                                                                                                  \
		ITR_OPT_T_ENUM, name, letter, offsetof(S, field), NULL, enum_names, help, ITR_ANY, false                                   \
	}
#define ITR_OPT_INTS(name, letter, S, field, meta, help)                                                                                   \
	{                                                                                                                                  \
		ITR_OPT_T_INTS, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY, false                                         \
	}
#define ITR_OPT_NUMS(name, letter, S, field, meta, help)                                                                                   \
	{                                                                                                                                  \
		ITR_OPT_T_NUMS, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY, false                                         \
	}
#define ITR_OPT_STRS(name, letter, S, field, meta, help)                                                                                   \
	{                                                                                                                                  \
		ITR_OPT_T_STRS, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY, false                                         \
	}
#define ITR_OPT_TEXTS(name, letter, S, field, meta, help)                                                                                  \
	{                                                                                                                                  \
		ITR_OPT_T_TEXTS, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY, false                                        \
	}
#define ITR_OPT_ENUMS(name, letter, S, field, enum_names, help)                                                                            \
	{                                                                                                                                  \
		ITR_OPT_T_ENUMS, name, letter, offsetof(S, field), NULL, enum_names, help, ITR_ANY, false                                  \
	}
#define ITR_OPT_INT_IN(name, letter, S, field, meta, range, help)                                                                          \
	{                                                                                                                                  \
		ITR_OPT_T_INT, name, letter, offsetof(S, field), meta, NULL, help, range, false                                            \
	}
#define ITR_OPT_NUM_IN(name, letter, S, field, meta, range, help)                                                                          \
	{                                                                                                                                  \
		ITR_OPT_T_NUM, name, letter, offsetof(S, field), meta, NULL, help, range, false                                            \
	}
#define ITR_OPT_INTS_IN(name, letter, S, field, meta, range, help)                                                                         \
	{                                                                                                                                  \
		ITR_OPT_T_INTS, name, letter, offsetof(S, field), meta, NULL, help, range, false                                           \
	}
#define ITR_OPT_NUMS_IN(name, letter, S, field, meta, range, help)                                                                         \
	{                                                                                                                                  \
		ITR_OPT_T_NUMS, name, letter, offsetof(S, field), meta, NULL, help, range, false                                           \
	}
#define ITR_OPT_INT_UNUSED(name, S, field, meta, range, help)                                                                              \
	{                                                                                                                                  \
		ITR_OPT_T_INT, name, 0, offsetof(S, field), meta, NULL, help, range, true                                                  \
	}
#define ITR_OPT_HEADING(text)                                   { ITR_OPT_T_HEADING, text, 0, 0, NULL, NULL, NULL, ITR_ANY, false }
#define ITR_OPT_END                                             { ITR_OPT_T_END, NULL, 0, 0, NULL, NULL, NULL, ITR_ANY, false }

/* The options of one component of a tool, such as a loss or an optimiser. Several groups may have an option of the same name (two losses
 * with a margin). It then has the same type, range and enum names in all of them (a test compares all tables), and a value on the command
 * line is stored in each group. Defaults may differ. */
typedef struct itr_option_group {
	const char *title;              /* heading in --help and in the man page: "Loss infonce"; NULL: none */
	const char *owner; /* the option that selects the component: "--loss infonce"; NULL: the tool's own or standard options */
	const itr_option *table;
	void *values;                   /* the struct that the offsets of the table refer to; holds the defaults before parsing */
	bool in_use;                    /* an option on the command line that is in no group in use is an error */
} itr_option_group;

/* All groups of a tool, with their values. Initialise with zeros. It cannot be copied or moved, because groups point into it. Nothing to
 * free. */
enum { ITR_OPTION_GROUPS = 48, ITR_OPTION_TEXT = 96, ITR_OPTION_BYTES = 1 << 14 };
typedef struct itr_option_groups {
	int n;
	itr_option_group group[ITR_OPTION_GROUPS + 1]; /* the last has table == NULL */
	char title[ITR_OPTION_GROUPS][ITR_OPTION_TEXT], owner[ITR_OPTION_GROUPS][ITR_OPTION_TEXT];
	struct {
		int group;
		const char *option, *name;
	} member[2 * ITR_OPTION_GROUPS]; /* the components and the group of each; components may share a group */
	int members;
	size_t used;
	_Alignas(16) char memory[ITR_OPTION_BYTES];
} itr_option_groups;

/* Adds the component that --OPTION NAME selects ("loss", "infonce"; both borrowed): the option table of its descriptor and a copy of its
 * defaults (`size` bytes). Components of the same OPTION with the same table and defaults (adam, adamw) share a group. A component without
 * options adds nothing. */
void itr_option_groups_add(itr_option_groups *g, const char *option, const char *name, const itr_option *table, const void *defaults,
                           size_t size);
/* Adds a group of the tool's own options, with its own struct `values` (borrowed) and heading `title`. The tool sets in_use; when it does
 * not, an option of the group is the error "'--X' belongs to OWNER". Both texts are borrowed. The group is borrowed from g. */
itr_option_group *itr_option_groups_section(itr_option_groups *g, const char *title, const char *owner, const itr_option *table,
                                            void *values);
/* Sets in_use for the groups of --OPTION NAME with this table (NULL: any table). Returns the values of the last one (borrowed), or NULL
 * when there is none. */
void *itr_option_groups_use(itr_option_groups *g, const char *option, const char *name, const itr_option *table);

#endif
