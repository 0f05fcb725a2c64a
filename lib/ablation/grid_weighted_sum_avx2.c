#include "ablation/grid_weighted_sum.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define V __m256d
#define SET1 _mm256_set1_pd
#define LOAD _mm256_loadu_pd
#define STORE _mm256_storeu_pd
#define FMA _mm256_fmadd_pd
enum { LANES = 4, R = 4, P = 2 };
#include "ablation/grid_weighted_sum.inc"

const itr_weighted_sum_tile itr_weighted_sum_avx2 = tile;
#endif
