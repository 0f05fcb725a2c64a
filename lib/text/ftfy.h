/* ftfy.h - the steps of ftfy.fix_text (6.3) that open_clip's tokenizer applies to every caption, but for its repair of mis-decoded text
 * (fix_encoding). */
#ifndef ITR_TEXT_FTFY_H
#define ITR_TEXT_FTFY_H

#include "text/unidata.h"

/* Entities that end in ';', C1 controls as Windows-1252, Latin ligatures apart, half and full width to the usual one, curly quotes
 * straight, line breaks, terminal escapes and control characters away, NFC; again until nothing changes. Line by line, as there. */
void itr_ftfy(itr_cps *t);
/* Does the text look as if its UTF-8 had been read as Windows-1252 or Latin-1 ("cafÃ©")? fix_text would repair that. s may be any bytes. */
bool itr_looks_misdecoded(const char *s, size_t n);

#endif
