/* program.h - the names under which the user calls the programs. `make install` adds a prefix: `train` becomes `itr-train`. The prefix in
 * the file name of argv[0] is taken as the prefix of all programs. Texts contain a program's name in braces, "give {train} --resume FILE";
 * messages, help texts and usage lines show the name with the prefix, as the user has to type it. */
#ifndef ITR_BASE_PROGRAM_H
#define ITR_BASE_PROGRAM_H

#include <stdarg.h>

#include "base/buf.h"

/* Sets the prefix. argv0: as given to main (may be NULL); name: the program's name without prefix, "train". Called once, before threads
 * start. Until then, and when argv0 does not end in name, the prefix is empty. */
void itr_program_called(const char *argv0, const char *name);
/* This program's name with the prefix, "itr-train"; "itr" before itr_program_called. Borrowed. */
const char *itr_program_own(void);
/* Appends text to out; {name} (lower-case letters and hyphens) becomes prefix + name; other braces stay. */
void itr_program_text(const char *text, itr_buf *out);
/* vsnprintf that replaces {name} in the format, but not in the arguments. */
int itr_program_vformat(char *out, size_t size, const char *format, va_list ap);

#endif
