/* rowwise.inc with 256-bit vectors. */
#if defined(__x86_64__)
#define ROWWISE const itr_rowwise itr_rowwise_avx2
#include "tensor/rowwise.inc"
#else
typedef int itr_no_avx2;
#endif
