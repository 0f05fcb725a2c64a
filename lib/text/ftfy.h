/* ftfy.h - the steps of ftfy.fix_text (6.3) that open_clip's tokenizer applies to every caption, except the repair of mis-decoded text
 * (fix_encoding). */
#ifndef ITR_TEXT_FTFY_H
#define ITR_TEXT_FTFY_H

#include "text/unidata.h"

/* Applies the steps in place, line by line as in ftfy, until nothing changes: HTML entities that end in ';', C1 controls read as
 * Windows-1252, Latin ligatures separated, half- and full-width forms replaced, curly quotes straightened, line breaks unified, terminal
 * escapes and control characters removed, NFC. */
void itr_ftfy(itr_cps *t);
/* True when the text looks like UTF-8 that was decoded as Windows-1252 or Latin-1 ("cafÃ©"), which fix_text would repair. s may be any
 * bytes. */
bool itr_looks_misdecoded(const char *s, size_t n);

#endif
