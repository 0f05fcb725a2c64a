#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "base/log.h"

enum { HUGE_PAGE = 2 << 20, LINE = 64 };

void *itr_xmalloc(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);
	if (!p)
		ITR_BUG("out of memory: %zu bytes", bytes);
	return p;
}

void *itr_xcalloc(size_t count, size_t bytes)
{
	void *p = calloc(count ? count : 1, bytes ? bytes : 1);
	if (!p)
		ITR_BUG("out of memory: %zu x %zu bytes", count, bytes);
	return p;
}

void *itr_xrealloc(void *p, size_t bytes)
{
	void *q = realloc(p, bytes ? bytes : 1);
	if (!q)
		ITR_BUG("out of memory: %zu bytes", bytes);
	return q;
}

char *itr_xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = itr_xmalloc(len + 1);
	memcpy(p, s, len);
	p[len] = 0;
	return p;
}

char *itr_xstrdup(const char *s) { return itr_xstrndup(s, strlen(s)); }

char *itr_xasprintf(const char *format, ...)
{
	va_list ap;
	char *text = NULL;
	va_start(ap, format);
	int n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		ITR_BUG("out of memory in itr_xasprintf");
	return text;
}

void *itr_aligned_alloc(size_t bytes)
{
	size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : LINE;
	/* not rounded up to a huge page, which would use up to 2 MiB more */
	size_t rounded = (ITR_MAX(bytes, (size_t)1) + LINE - 1) & ~(size_t)(LINE - 1);
	void *p = NULL;
	if (rounded < bytes || posix_memalign(&p, align, rounded) != 0)
		ITR_BUG("out of memory: %zu bytes", bytes);
	if (align == HUGE_PAGE)
		(void)madvise(p, rounded, MADV_HUGEPAGE);       /* only advice: without huge pages it is slower, not wrong */
	return p;
}

void *itr_aligned_calloc(size_t bytes)
{
	return memset(itr_aligned_alloc(bytes), 0, bytes);
}

void itr_aligned_free(void *p) { free(p); }

void itr_memory_release_pages(void *p, size_t bytes)
{
	const uintptr_t page = 4096, from = ((uintptr_t)p + page - 1) & ~(page - 1), to = ((uintptr_t)p + bytes) & ~(page - 1);
	if (to > from)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);          /* only advice: on failure the pages stay allocated */
}

void itr_memory_return_large(void)
{
#if defined(M_MMAP_THRESHOLD)
	(void)mallopt(M_MMAP_THRESHOLD, HUGE_PAGE);
#endif
}

int itr_size_mul(size_t a, size_t b, size_t *out)
{
	return __builtin_mul_overflow(a, b, out) || *out > PTRDIFF_MAX ? -1 : 0;
}

void itr_mem_keep(void)
{
#if defined(__GLIBC__)
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	mallopt(M_TOP_PAD, 16 << 20);
#endif
}
