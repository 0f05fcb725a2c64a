/* rowwise.inc with 512-bit vectors. */
#if defined(__x86_64__)
#define ROWWISE const itr_rowwise itr_rowwise_avx512
#include "tensor/rowwise.inc"
#else
typedef int itr_no_avx512;
#endif
