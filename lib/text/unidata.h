/* unidata.h - characters as the tokenizers' references see them, from tables that were asked from the references themselves (unidata.def,
 * written by tests/golden/gen_text_tables.py). unicode.h follows the installed utf8proc; ids must not depend on that, and the references do
 * not agree on a version of Unicode anyway. U+D800..DFFF do not occur: invalid bytes are U+FFFD before they come here. */
#ifndef ITR_TEXT_UNIDATA_H
#define ITR_TEXT_UNIDATA_H

#include "base/compat.h"

enum {
	ITR_UD_REMOVED = 1 << 0,        /* BertNormalizer drops it: control, format, private use, U+FFFD */
	ITR_UD_SPACE = 1 << 1,          /* White_Space, the same for all of them */
	ITR_UD_CJK = 1 << 2,            /* BertNormalizer puts spaces around it */
	ITR_UD_PUNCT = 1 << 3,          /* BertPreTokenizer splits it off */
	ITR_UD_MN = 1 << 4,             /* an accent that strip_accents strips */
	ITR_UD_LETTER = 1 << 5,         /* \p{L} \p{N} \p{M} of Hugging Face's regex engine */
	ITR_UD_NUMBER = 1 << 6,
	ITR_UD_MARK = 1 << 7,
	ITR_UD_OC_LETTER = 1 << 8,      /* the same of open_clip's; both: its pattern matches the character nowhere */
	ITR_UD_OC_NUMBER = 1 << 9,
	ITR_UD_PY_SPACE = 1 << 10,      /* str.isspace */
	ITR_UD_PY_CASED = 1 << 11,      /* what str.lower reads around a capital sigma */
	ITR_UD_PY_IGNORABLE = 1 << 12,
	ITR_UD_PY_SAME = 1 << 13,       /* Rust has a lower case for it, Python not yet */
	ITR_UD_DECOMPOSES = 1 << 14,
	ITR_UD_CCC = 1 << 15,           /* canonical combining class other than 0 */
};

unsigned itr_ud_flags(int32_t cp);
/* Lower case, one character for one; U+0130 (which becomes "i" U+0307) is left to the caller. */
int32_t itr_ud_lower(int32_t cp);

/* A growing text of code points. Free v. */
typedef struct itr_cps { int32_t *v; size_t n, cap; } itr_cps;
void itr_cps_push(itr_cps *t, int32_t cp);
/* Appends the code points of s, U+FFFD for each maximal invalid subpart. */
void itr_cps_decode(itr_cps *t, const char *s, size_t n);

/* Normalisation forms, in place. Time is linear however many marks follow each other. */
void itr_cps_nfd(itr_cps *t);
void itr_cps_nfc(itr_cps *t);
void itr_cps_python_nfc(itr_cps *t);     /* unicodedata.normalize's, of a later Unicode */
/* str.lower of Python: with the rule for the final sigma. */
void itr_cps_python_lower(itr_cps *t);

#endif
