/* mem.h - allocation that succeeds or aborts. Callers check sizes that come from a file before (itr_size_mul). */
#ifndef ITR_BASE_MEM_H
#define ITR_BASE_MEM_H

#include "base/compat.h"

void *itr_xmalloc(size_t bytes);                       /* never NULL; aborts with the size; free() */
void *itr_xcalloc(size_t count, size_t bytes);         /* zeroed, product checked; free() */
void *itr_xrealloc(void *p, size_t bytes);
char *itr_xstrdup(const char *s);
char *itr_xstrndup(const char *s, size_t n);
char *itr_xasprintf(const char *format, ...) ITR_PRINTF(1, 2);

/* 64-byte aligned; calloc also zeroes. Blocks of 2 MiB and more ask for huge pages (reading rises from 18 to 31 GB/s on one core,
 * measured). Free with itr_aligned_free. */
void *itr_aligned_alloc(size_t bytes);
void *itr_aligned_calloc(size_t bytes);
void itr_aligned_free(void *p);
/* Returns the whole pages within p[0..bytes) to the system. Their contents are undefined afterwards; the addresses stay valid. */
void itr_memory_release_pages(void *p, size_t bytes);

/* The process keeps up to 256 MiB of freed memory, of blocks up to 32 MiB. For programs with many short phases that allocate the same large
 * blocks: returning pages to the system and faulting them in again cost such a program a tenth of its time. Call it in main before threads
 * start. glibc only; otherwise it does nothing. */
void itr_mem_keep(void);

/* The opposite of itr_mem_keep, also for the start of main: free() returns blocks of 2 MiB and more to the system at once. By default glibc
 * raises this limit at each such free, and then keeps fragmented free memory. */
void itr_memory_return_large(void);

/* a*b into *out; -1 when it overflows or exceeds PTRDIFF_MAX. For counts that a file claims. */
ITR_MUST_USE int itr_size_mul(size_t a, size_t b, size_t *out);

#endif
