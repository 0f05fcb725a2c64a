#include "retrieval/kern_count.h"

#if defined(__x86_64__)
#define BYTES 64
#define NAME itr_count_avx512
#include "retrieval/kern_count.inc"
#endif
