/* buf.h - growable byte array, always NUL-terminated, so that b.data is also a C string.
 * Invariant: data[len] == 0; data is NULL only before the first append (use itr_buf_str then).
 * Use: itr_buf b = ITR_BUF_INIT; append; then itr_buf_free, or itr_buf_detach to keep the bytes. */
#ifndef ITR_BASE_BUF_H
#define ITR_BASE_BUF_H

#include <stdarg.h>

#include "base/compat.h"

typedef struct itr_buf {
	char *data;
	size_t len, cap;
} itr_buf;

#define ITR_BUF_INIT { NULL, 0, 0 }

void itr_buf_reserve(itr_buf *b, size_t more);            /* room for `more` bytes beyond len */
void itr_buf_add(itr_buf *b, const void *bytes, size_t n);
void itr_buf_puts(itr_buf *b, const char *s);
void itr_buf_putc(itr_buf *b, char c);
void itr_buf_printf(itr_buf *b, const char *format, ...) ITR_PRINTF(2, 3);
void itr_buf_vprintf(itr_buf *b, const char *format, va_list ap);
void itr_buf_clear(itr_buf *b);                           /* len = 0, memory kept */
void itr_buf_free(itr_buf *b);                            /* frees the bytes; b is empty again and can be used */
char *itr_buf_detach(itr_buf *b);                         /* the bytes, which the caller frees; never NULL; b is empty again */
const char *itr_buf_str(const itr_buf *b);                /* "" when empty; borrowed */

#endif
