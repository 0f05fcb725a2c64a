#include "tensor/depthwise_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

typedef __m512 V;
enum { LANES = 16 };
#define MASK(n) ((__mmask16)((1u << (n)) - 1))
#define LOAD(p, n) ((n) == LANES ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(MASK(n), p))
#define STORE(p, v, n) ((n) == LANES ? _mm512_storeu_ps(p, v) : _mm512_mask_storeu_ps(p, MASK(n), v))
#define SPLAT _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define ADD _mm512_add_ps
#define MUL _mm512_mul_ps
#define MIN _mm512_min_ps
#define MAX _mm512_max_ps
#include "tensor/depthwise.inc"

const itr_depthwise_isa itr_depthwise_avx512 = { "avx512", row, weight };
#endif
