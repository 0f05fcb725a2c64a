/* unicode.h - UTF-8, character properties and normalisation (by utf8proc, which only unicode.c includes).
 * Invalid bytes become U+FFFD, one for each maximal subpart, exactly as with Python's bytes.decode("utf-8", errors="replace"). */
#ifndef ITR_TEXT_UNICODE_H
#define ITR_TEXT_UNICODE_H

#include "base/buf.h"

enum { ITR_CP_REPLACEMENT = 0xFFFD };

/* True when s[0..n) is UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool itr_utf8_valid(const char *s, size_t n);

/* Returns the code point at *p (< end) and advances *p. For an invalid sequence returns -1 and advances past its maximal subpart (1 to 3
 * bytes). */
int32_t itr_utf8_next(const char **p, const char *end);

/* Writes one code point as UTF-8 to out; returns its length, 1..4. Surrogates and values above U+10FFFF become U+FFFD. */
int itr_utf8_encode(int32_t cp, char out[4]);
void itr_utf8_add(itr_buf *b, int32_t cp);

/* Appends s with every invalid subpart replaced by U+FFFD. Returns the number of replacements. */
int64_t itr_utf8_sanitize(itr_buf *out, const char *s, size_t n);
int64_t itr_utf8_length(const char *s, size_t n);          /* code points, as len(s.decode(errors="replace")) */

/* General categories by their two letters, "Lu", "Mn", "Zs"...; never NULL ("Cn": unassigned). */
const char *itr_cp_category(int32_t cp);
int32_t itr_cp_upper(int32_t cp);       /* simple case mapping: one character to one */
bool itr_cp_is_letter(int32_t cp);      /* L* */
bool itr_cp_is_mark(int32_t cp);        /* M* */
bool itr_cp_is_number(int32_t cp);      /* N* */
bool itr_cp_is_punct(int32_t cp);       /* P* */
bool itr_cp_is_space(int32_t cp);       /* the White_Space property: Z*, \t \n \v \f \r, U+0085 */
bool itr_cp_is_cjk(int32_t cp);         /* exactly the ideograph blocks that BERT's tokenizer splits */

/* Appends s in lower case, code point by code point, with full case mapping (U+0130 becomes "i" U+0307) but without the final-sigma rule.
 */
void itr_utf8_lower(itr_buf *out, const char *s, size_t n);

typedef enum { ITR_NFC, ITR_NFD, ITR_NFKC, ITR_NFKD } itr_norm_form;
/* Appends the normalisation form of s (invalid bytes replaced first). */
void itr_utf8_normalize(itr_buf *out, const char *s, size_t n, itr_norm_form form);

#endif
