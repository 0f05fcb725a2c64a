/* utf8.h - UTF-8 decoding and encoding for readers and writers of files; normalisation and character properties are in text/unicode. */
#ifndef ITR_IO_UTF8_H
#define ITR_IO_UTF8_H

#include "base/buf.h"

/* Decodes the sequence at s (n > 0 bytes available): *cp = its code point. Returns its length, 1 to 4; 0 when it is invalid (overlong,
 * surrogate, truncated, > U+10FFFF). */
int itr_utf8_decode(const char *s, size_t n, uint32_t *cp);
/* Appends one code point; surrogates and values beyond U+10FFFF become U+FFFD. */
void itr_utf8_put(itr_buf *b, uint32_t cp);
/* Offset of the first invalid byte, or -1 when all n bytes are valid. */
int64_t itr_utf8_invalid_at(const char *s, size_t n);
/* Appends n bytes with every invalid byte replaced by U+FFFD. */
void itr_utf8_put_clean(itr_buf *b, const char *s, size_t n);
/* Number of code points; an invalid byte counts as one. */
int64_t itr_utf8_count(const char *s);

#endif
