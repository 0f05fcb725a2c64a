/* The portable integer kernel, whose results the others must equal, and the choice of a kernel. */
#include <string.h>

#include "base/cpu.h"
#include "tensor/packed_weight_kernel.h"

enum { PLAIN_MR = 4, PLAIN_NR = 8 };

static void plain_tile(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume)
{
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < PLAIN_NR; j++) {
			int32_t s = resume ? c[i * ldc + j] : 0;
			for (int64_t kk = 0; kk < k; kk++) {
				uint8_t a[4];
				int8_t b[4];
				memcpy(a, ap + kk * PLAIN_MR + i, 4);
				memcpy(b, bp + kk * PLAIN_NR + j, 4);
				for (int l = 0; l < 4; l++)
					s += a[l] * b[l];
			}
			c[i * ldc + j] = s;
		}
}

static bool plain_direct(const itr_int8_band *q, const itr_int8_group g[2], const uint32_t *panel, int64_t j0, int cols, int32_t *s)
{
	(void)j0, (void)cols;
	for (int i = 0; i < (g[1].rows ? PLAIN_MR : PLAIN_MR / 2); i++)
		for (int j = 0; j < PLAIN_NR; j++) {
			const char *from = g[i / (PLAIN_MR / 2)].a + i % (PLAIN_MR / 2) * q->pixel;
			int32_t sum = 0;
			for (int64_t k = 0; k < q->nh * q->words; k++) {
				uint8_t a[4];
				int8_t b[4];
				memcpy(a, from + k / q->words * q->line + k % q->words * 4, 4);
				memcpy(b, panel + k * PLAIN_NR + j, 4);
				for (int l = 0; l < 4; l++)
					sum += a[l] * b[l];
			}
			s[i * PLAIN_NR + j] = sum;
		}
	return false;
}

static const itr_int8_isa plain = { "scalar", PLAIN_MR, PLAIN_NR, 4, plain_tile, NULL, NULL, plain_direct, NULL, NULL };

const itr_int8_isa *itr_int8_isa_get(void)
{
#if defined(__x86_64__)
	unsigned f = itr_cpu_features();
	if (f & ITR_CPU_AVX512_VNNI)
		return &itr_int8_avx512vnni;
	if (f & ITR_CPU_AVX2)
		return &itr_int8_avx2;
#endif
	return &plain;
}
