#include "tensor/depthwise_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

typedef __m256 V;
enum { LANES = 8 };

static const int32_t lanes[16] = { -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0 };

#define MASK(n) _mm256_loadu_si256((const __m256i *)(const void *)(lanes + 8 - (n)))
#define LOAD(p, n) ((n) == LANES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, MASK(n)))
#define STORE(p, v, n) ((n) == LANES ? _mm256_storeu_ps(p, v) : _mm256_maskstore_ps(p, MASK(n), v))
#define SPLAT _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define ADD _mm256_add_ps
#define MUL _mm256_mul_ps
#define MIN _mm256_min_ps
#define MAX _mm256_max_ps
#include "tensor/depthwise.inc"

const itr_depthwise_isa itr_depthwise_avx2 = { "avx2", row, weight };
#endif
