#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

void itr_buf_reserve(itr_buf *b, size_t more)
{
	size_t need = b->len + more + 1;
	if (need < more)
		ITR_BUG("buffer of %zu + %zu bytes", b->len, more);
	if (need <= b->cap)
		return;
	b->cap = ITR_MAX(need, b->cap + b->cap / 2 + 32);
	b->data = itr_xrealloc(b->data, b->cap);
	b->data[b->len] = 0;
}

void itr_buf_add(itr_buf *b, const void *bytes, size_t n)
{
	itr_buf_reserve(b, n);
	if (n)
		memcpy(b->data + b->len, bytes, n);
	b->len += n;
	b->data[b->len] = 0;
}

void itr_buf_puts(itr_buf *b, const char *s) { itr_buf_add(b, s, strlen(s)); }
void itr_buf_putc(itr_buf *b, char c) { itr_buf_add(b, &c, 1); }

void itr_buf_vprintf(itr_buf *b, const char *format, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, format, ap);
	if (n > 0) {
		itr_buf_reserve(b, (size_t)n);
		vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void itr_buf_printf(itr_buf *b, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	itr_buf_vprintf(b, format, ap);
	va_end(ap);
}

void itr_buf_clear(itr_buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = 0;
}

void itr_buf_free(itr_buf *b)
{
	free(b->data);
	*b = (itr_buf)ITR_BUF_INIT;
}

char *itr_buf_detach(itr_buf *b)
{
	itr_buf_reserve(b, 0);
	char *data = b->data;
	*b = (itr_buf)ITR_BUF_INIT;
	return data;
}

const char *itr_buf_str(const itr_buf *b) { return b->data ? b->data : ""; }
