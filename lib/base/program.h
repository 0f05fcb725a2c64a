/* program.h - the names under which the user calls the programs. Installed, `train` is `itr-train`: what stands before a program's own name
 * in the last part of argv[0] stands before the names of all. Texts write a program's name in braces, "give {train} --resume FILE", and
 * every message, help text and usage line shows it as the user has to type it. */
#ifndef ITR_BASE_PROGRAM_H
#define ITR_BASE_PROGRAM_H

#include <stdarg.h>

#include "base/buf.h"

/* argv0: as main got it (may be NULL); name: the program's own, "train". Called once, before threads start. Before, and where argv0 does
 * not end in name, nothing stands before the names. */
void itr_program_called(const char *argv0, const char *name);
/* The program's own name as it was called, "itr-train"; "itr" before itr_program_called. Borrowed. */
const char *itr_program_own(void);
/* Appends text with {name} (small letters and hyphens) replaced by the name to type; other braces stay. */
void itr_program_text(const char *text, itr_buf *out);
/* vsnprintf whose format, not its arguments, is such a text. */
int itr_program_vformat(char *out, size_t size, const char *format, va_list ap);

#endif
