/* mem.h - allocation that succeeds or aborts. Sizes that come from a file are checked BEFORE they come here (itr_size_mul). */
#ifndef ITR_BASE_MEM_H
#define ITR_BASE_MEM_H

#include "base/compat.h"

void *itr_xmalloc(size_t bytes);                       /* never NULL; aborts with the size; free() */
void *itr_xcalloc(size_t count, size_t bytes);         /* zeroed, product checked; free() */
void *itr_xrealloc(void *p, size_t bytes);
char *itr_xstrdup(const char *s);
char *itr_xstrndup(const char *s, size_t n);
char *itr_xasprintf(const char *format, ...) ITR_PRINTF(1, 2);

/* 64-byte aligned, NOT zeroed unless it says so; blocks of 2 MiB and more ask for huge pages (reads 18 -> 31 GB/s on one core, measured).
 * Free with itr_aligned_free. */
void *itr_aligned_alloc(size_t bytes);
void *itr_aligned_calloc(size_t bytes);
void itr_aligned_free(void *p);
/* The pages that lie wholly within go back to the system; contents are undefined afterwards, the addresses stay valid. */
void itr_memory_give_back(void *p, size_t bytes);

/* From now on freed memory up to 256 MiB stays with the process. For programs of many short phases that use the same large blocks: giving
 * pages back and faulting them in again costs such a program a tenth of its time. Called from main, before threads. */
void itr_mem_keep(void);

/* For a program's start: freed blocks of 2 MiB and more go back to the system at once. The C library would raise that limit at each such
 * free and then keep the holes. The opposite of itr_mem_keep. */
void itr_memory_return_large(void);

/* a*b into *out; -1 when it overflows or exceeds PTRDIFF_MAX. For counts that a file claims. */
ITR_MUST_USE int itr_size_mul(size_t a, size_t b, size_t *out);

#endif
