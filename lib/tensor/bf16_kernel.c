#include "tensor/bf16_kernel.h"

#include "base/cpu.h"
#include "tensor/bf16.h"

/* For fp32 micro-kernels: packing converts bfloat16 to float. */
static void pack(float *dst, int w, const uint16_t *const *rows, int n, int64_t k)
{
	for (int64_t kk = 0; kk < k; kk++)
		for (int r = 0; r < w; r++)
			dst[kk * w + r] = r < n ? itr_bf16_load(rows[r][kk]) : 0;
}

static void pack_transposed(float *dst, int w, const uint16_t *const *rows, int64_t from, int cols, int64_t k)
{
	for (int64_t kk = 0; kk < k; kk++)
		for (int c = 0; c < w; c++)
			dst[kk * w + c] = c < cols ? itr_bf16_load(rows[kk][from + c]) : 0;
}

static void store(const float *s, int64_t lds, uint16_t *const *to, int64_t at, int rows, int cols, bool add)
{
	for (int r = 0; r < rows; r++)
		for (int j = 0; j < cols; j++)
			to[r][at + j] = itr_bf16_round(s[r * lds + j] + (add ? itr_bf16_load(to[r][at + j]) : 0));
}

const itr_bf16_isa *itr_bf16_isa_get(itr_bf16_isa *space)
{
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX512_BF16)
		return &itr_bf16_avx512bf16;
#endif
	*space = (itr_bf16_isa){ itr_gemm_bf16_isa_get(), pack, pack_transposed, store };
	return space;
}
