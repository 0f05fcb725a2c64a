#include "retrieval/kern_count.h"

#if defined(__x86_64__)
#define BYTES 32
#define NAME itr_count_avx2
#include "retrieval/kern_count.inc"
#endif
