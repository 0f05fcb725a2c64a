/* option.h - a table of options bound to the fields of one struct. A program has one, and so may a component (a metric, a loss): parsing,
 * --help, the man page's OPTIONS and completion come from it (cli/).
 *
 *	struct opt { int64_t dim; itr_ints k; int ties; const char *out; bool all; };
 *	static const itr_option options[] = {
 *		ITR_OPT_INT ("dim", 'd', struct opt, dim, "D", "embedding size to read"),
 *		ITR_OPT_INTS("recall-k", 'k', struct opt, k, "K...", "cut-offs of Recall@K"),
 *		ITR_OPT_ENUM("ties", 0, struct opt, ties, tie_names, "how equal scores are ranked"),
 *		ITR_OPT_END
 *	};
 * Defaults are what the struct holds before parsing; --help prints them. `-` and `_` are interchangeable in names; `--name=value`
 * and `--name value`; a bool `name` is also `--no-name`. A list takes a,b,c or, for numbers and enum names, a b c up to the next
 * option, `--`, or the first word that is neither. Abbreviations are refused with the full name; an unknown option is refused with
 * the nearest, a number outside of its range with the range:
 *		ITR_OPT_NUM_IN("dropout", 0, struct opt, dropout, "P", ITR_BELOW(0, 1), "share of hidden values dropped"),
 */
#ifndef ITR_BASE_OPTION_H
#define ITR_BASE_OPTION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compat.h"

typedef struct itr_ints { int64_t n; int64_t v[64]; } itr_ints;
typedef struct itr_strs { int64_t n; const char *v[64]; } itr_strs;
typedef struct itr_nums { int64_t n; double v[64]; } itr_nums;

typedef enum { ITR_OPT_T_END, ITR_OPT_T_BOOL, ITR_OPT_T_INT, ITR_OPT_T_NUM, ITR_OPT_T_STR, ITR_OPT_T_ENUM,
               ITR_OPT_T_INTS, ITR_OPT_T_NUMS, ITR_OPT_T_STRS, ITR_OPT_T_TEXTS, ITR_OPT_T_ENUMS, ITR_OPT_T_HEADING } itr_opt_type;

/* What a number may be: refused otherwise, and said in --help and in the man page. Without a range every finite number is taken. */
/* an end that is open does not belong to it */
typedef struct itr_range { double low, high; bool low_open, high_open, given; } itr_range;
#define ITR_ANY                         { 0, 0, false, false, false }
#define ITR_FROM(low)                   { low, INFINITY, false, true, true }
#define ITR_ABOVE(low)                  { low, INFINITY, true, true, true }
#define ITR_BETWEEN(low, high)          { low, high, false, false, true }
#define ITR_BELOW(low, high)            { low, high, false, true, true }            /* low belongs to it, high does not */
#define ITR_UP_TO(low, high)            { low, high, true, false, true }            /* high belongs to it, low does not */

typedef struct itr_option {
	itr_opt_type type;
	const char *name;               /* long name, with dashes */
	int letter;                     /* 0: none */
	size_t offset;                  /* of the field */
	const char *meta;               /* "D", "FILE"; enums: NULL */
	const char *const *names;       /* enums: NULL-terminated; an int field receives the index */
	const char *help;               /* one line, lower case, no full stop, no default and no range (they are added) */
	itr_range range;                /* INT, NUM, INTS (each), NUMS (each) */
} itr_option;

/* Fields: BOOL bool · INT int64_t · NUM double · STR const char * · ENUM int · INTS itr_ints · NUMS itr_nums · STRS itr_strs · TEXTS
 * itr_strs, a value each time it is given, commas and all · ENUMS itr_ints (indices) */
#define ITR_OPT_BOOL(name, letter, S, field, help)                                                                                         \
	{                                                                                                                                  \
		ITR_OPT_T_BOOL, name, letter, offsetof(S, field), NULL, NULL, help, ITR_ANY                                                \
	}
#define ITR_OPT_INT(name, letter, S, field, meta, help)                                                                                    \
	{                                                                                                                                  \
		ITR_OPT_T_INT, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY                                                 \
	}
#define ITR_OPT_NUM(name, letter, S, field, meta, help)                                                                                    \
	{                                                                                                                                  \
		ITR_OPT_T_NUM, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY                                                 \
	}
#define ITR_OPT_STR(name, letter, S, field, meta, help)                                                                                    \
	{                                                                                                                                  \
		ITR_OPT_T_STR, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY                                                 \
	}
#define ITR_OPT_ENUM(name, letter, S, field, enum_names, help)                                                                             \
	{                                                                                                                                  \
		ITR_OPT_T_ENUM, name, letter, offsetof(S, field), NULL, enum_names, help, ITR_ANY                                          \
	}
#define ITR_OPT_INTS(name, letter, S, field, meta, help)                                                                                   \
	{                                                                                                                                  \
		ITR_OPT_T_INTS, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY                                                \
	}
#define ITR_OPT_NUMS(name, letter, S, field, meta, help)                                                                                   \
	{                                                                                                                                  \
		ITR_OPT_T_NUMS, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY                                                \
	}
#define ITR_OPT_STRS(name, letter, S, field, meta, help)                                                                                   \
	{                                                                                                                                  \
		ITR_OPT_T_STRS, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY                                                \
	}
#define ITR_OPT_TEXTS(name, letter, S, field, meta, help)                                                                                  \
	{                                                                                                                                  \
		ITR_OPT_T_TEXTS, name, letter, offsetof(S, field), meta, NULL, help, ITR_ANY                                               \
	}
#define ITR_OPT_ENUMS(name, letter, S, field, enum_names, help)                                                                            \
	{                                                                                                                                  \
		ITR_OPT_T_ENUMS, name, letter, offsetof(S, field), NULL, enum_names, help, ITR_ANY                                         \
	}
#define ITR_OPT_INT_IN(name, letter, S, field, meta, range, help)                                                                          \
	{                                                                                                                                  \
		ITR_OPT_T_INT, name, letter, offsetof(S, field), meta, NULL, help, range                                                   \
	}
#define ITR_OPT_NUM_IN(name, letter, S, field, meta, range, help)                                                                          \
	{                                                                                                                                  \
		ITR_OPT_T_NUM, name, letter, offsetof(S, field), meta, NULL, help, range                                                   \
	}
#define ITR_OPT_INTS_IN(name, letter, S, field, meta, range, help)                                                                         \
	{                                                                                                                                  \
		ITR_OPT_T_INTS, name, letter, offsetof(S, field), meta, NULL, help, range                                                  \
	}
#define ITR_OPT_NUMS_IN(name, letter, S, field, meta, range, help)                                                                         \
	{                                                                                                                                  \
		ITR_OPT_T_NUMS, name, letter, offsetof(S, field), meta, NULL, help, range                                                  \
	}
#define ITR_OPT_HEADING(text)                                   { ITR_OPT_T_HEADING, text, 0, 0, NULL, NULL, NULL, ITR_ANY }
#define ITR_OPT_END                                             { ITR_OPT_T_END, NULL, 0, 0, NULL, NULL, NULL, ITR_ANY }

/* The options of one component in a tool that offers several: its loss, its optimiser, ... Several groups may have a row of one
 * name (two losses with a margin): it has one type, one range and one set of enum names in all of them (a test compares all
 * tables), and a value that is given goes to each. Defaults may differ. */
typedef struct itr_option_group {
	const char *title;              /* heading in --help and in the man page: "Loss infonce"; NULL: none */
	const char *owner; /* how the user asks for the component: "--loss infonce"; NULL: the tool's own or standard options */
	const itr_option *table;
	void *values;                   /* the struct that the rows' offsets count in; holds the defaults before parsing */
	bool in_use;                    /* an option that was given although no group in use has it is refused */
} itr_option_group;

/* All groups of a tool, with their values: begins as zeros, stays where it is (groups point into it), needs no freeing. */
enum { ITR_OPTION_GROUPS = 48, ITR_OPTION_TEXT = 96, ITR_OPTION_BYTES = 1 << 14 };
typedef struct itr_option_groups {
	int n;
	itr_option_group group[ITR_OPTION_GROUPS + 1]; /* up to one without a table */
	char title[ITR_OPTION_GROUPS][ITR_OPTION_TEXT], owner[ITR_OPTION_GROUPS][ITR_OPTION_TEXT];
	struct {
		int group;
		const char *option, *name;
	} member[2 * ITR_OPTION_GROUPS]; /* which components the groups are of */
	int members;
	size_t used;
	_Alignas(16) char memory[ITR_OPTION_BYTES];
} itr_option_groups;

/* The component that --OPTION NAME asks for ("loss", "infonce"; both borrowed), with the options of its descriptor and `size` bytes of
 * values that begin as `defaults`. Components with the same table and defaults (adam, adamw) share a group; one without options has none.
 */
void itr_option_groups_add(itr_option_groups *g, const char *option, const char *name, const itr_option *table, const void *defaults,
                           size_t size);
/* A part of the tool's own options, in its own struct: a group under `title`, which the tool sets in_use; refused as "'--X' belongs to
 * OWNER". Both texts are borrowed. */
itr_option_group *itr_option_groups_section(itr_option_groups *g, const char *title, const char *owner, const itr_option *table,
                                            void *values);
/* From now on in use, those with this table (NULL: all); the values of the last, or NULL where there is none. */
void *itr_option_groups_use(itr_option_groups *g, const char *option, const char *name, const itr_option *table);

#endif
