/* unidata.h - character tables of the reference tokenizers, generated from the references themselves (unidata.def, written by
 * tests/golden/gen_text_tables.py). Token ids must not depend on the installed utf8proc (unicode.h), and the references use different
 * versions of Unicode. Surrogates (U+D800..DFFF) do not occur: invalid bytes have been replaced by U+FFFD. */
#ifndef ITR_TEXT_UNIDATA_H
#define ITR_TEXT_UNIDATA_H

#include "base/compat.h"

enum {
	ITR_UD_REMOVED = 1 << 0,        /* BertNormalizer removes it: control, format, private use, U+FFFD */
	ITR_UD_SPACE = 1 << 1,          /* White_Space, the same in all references */
	ITR_UD_CJK = 1 << 2,            /* BertNormalizer puts spaces around it */
	ITR_UD_PUNCT = 1 << 3,          /* BertPreTokenizer splits it off */
	ITR_UD_MN = 1 << 4,             /* an accent that strip_accents strips */
	ITR_UD_LETTER = 1 << 5,         /* \p{L} \p{N} \p{M} of Hugging Face's regex engine */
	ITR_UD_NUMBER = 1 << 6,
	ITR_UD_MARK = 1 << 7,
	ITR_UD_OC_LETTER = 1 << 8,      /* \p{L}, \p{N} of open_clip's; both bits: its pattern does not match the character */
	ITR_UD_OC_NUMBER = 1 << 9,
	ITR_UD_PY_SPACE = 1 << 10,      /* str.isspace */
	ITR_UD_PY_CASED = 1 << 11,      /* Cased and Case_Ignorable, for str.lower's rule of the final sigma */
	ITR_UD_PY_IGNORABLE = 1 << 12,
	ITR_UD_PY_SAME = 1 << 13,       /* Rust has a lower case for it, Python does not */
	ITR_UD_DECOMPOSES = 1 << 14,
	ITR_UD_CCC = 1 << 15,           /* canonical combining class other than 0 */
};

unsigned itr_ud_flags(int32_t cp);
/* Lower case, one character to one. The caller handles U+0130, which becomes "i" U+0307. */
int32_t itr_ud_lower(int32_t cp);

/* A growable array of code points. Free v. */
typedef struct itr_cps { int32_t *v; size_t n, cap; } itr_cps;
void itr_cps_push(itr_cps *t, int32_t cp);
/* Appends the code points of s, U+FFFD for each maximal invalid subpart. */
void itr_cps_decode(itr_cps *t, const char *s, size_t n);

/* Normalisation forms, in place, in linear time for any number of combining marks. */
void itr_cps_nfd(itr_cps *t);
void itr_cps_nfc(itr_cps *t);
void itr_cps_python_nfc(itr_cps *t);     /* Python's unicodedata.normalize("NFC"), a later version of Unicode */
/* Python's str.lower, with the rule for the final sigma. */
void itr_cps_python_lower(itr_cps *t);

#endif
