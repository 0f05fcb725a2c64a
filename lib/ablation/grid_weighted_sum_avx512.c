#include "ablation/grid_weighted_sum.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define V __m512d
#define SET1 _mm512_set1_pd
#define LOAD _mm512_loadu_pd
#define STORE _mm512_storeu_pd
#define FMA _mm512_fmadd_pd
enum { LANES = 8, R = 8, P = 2 };
#include "ablation/grid_weighted_sum.inc"

const itr_weighted_sum_tile itr_weighted_sum_avx512 = tile;
#endif
