/* limits.h - what this machine can do at most, measured beside the thing compared with it: memory read bandwidth, and register peaks of
 * the multiply-add instructions (0 where the CPU has none). For benchmarks only; each includes it once. */
#ifndef ITR_BENCH_LIMITS_H
#define ITR_BENCH_LIMITS_H

#include <stdlib.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"

enum { LIMIT_READ, LIMIT_FMA, LIMIT_BF16, LIMIT_INT8 };

struct limit_job {
	int what;
	const char *memory;
	size_t bytes;                   /* a worker */
	int64_t rounds;
	size_t streams;
	volatile float sink;
};

#if defined(__x86_64__)
#include <immintrin.h>

/* As one stream or as four: which is faster depends on the machine, and on what else it does. */
__attribute__((target("avx2"))) static float limit_read(const char *p, size_t bytes, size_t streams)
{
	__m256i s = _mm256_setzero_si256();
	size_t q = bytes / streams;
	for (size_t i = 0; i < q; i += 64)
		for (size_t k = 0; k < streams; k++) {
			_mm_prefetch(p + k * q + i + (streams == 1 ? 8192 : 2048), _MM_HINT_T0);
			s = _mm256_xor_si256(s, _mm256_xor_si256(_mm256_load_si256((const __m256i *)(const void *)(p + k * q + i)),
			                                         _mm256_load_si256((const __m256i *)(const void *)(p + k * q + i + 32))));
		}
	return (float)_mm256_extract_epi32(s, 0);
}

#define LIMIT_PEAK(name, isa, type, zero, step, out) \
__attribute__((target(isa))) static float name(int64_t rounds) \
{ \
	type a[12], m = zero; \
	_Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) \
		a[i] = zero; \
	for (int64_t r = 0; r < rounds; r++) \
		_Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) { \
			a[i] = step; \
			__asm__ volatile("" : "+v"(a[i])); \
		} \
	_Pragma("GCC unroll 12") for (int i = 1; i < 12; i++) \
		__asm__ volatile("" :: "v"(a[i])); \
	(void)m; \
	return out; \
}
LIMIT_PEAK(limit_fma256, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_fmadd_ps(a[i], m, m), _mm256_cvtss_f32(a[0]))
LIMIT_PEAK(limit_fma512, "avx512f", __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(a[i], m, m), _mm512_cvtss_f32(a[0]))
LIMIT_PEAK(limit_bf16, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(), _mm512_dpbf16_ps(a[i], (__m512bh)m, (__m512bh)m),
           _mm512_cvtss_f32(a[0]))
LIMIT_PEAK(limit_vnni, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(a[i], m, m),
           (float)_mm512_cvtsi512_si32(a[0]))
#endif

static void limit_work(void *ctx, int64_t i, int worker)
{
	struct limit_job *j = ctx;
	(void)worker;
#if defined(__x86_64__)
	unsigned have = itr_cpu_features();
	switch (j->what) {
	case LIMIT_READ: j->sink = limit_read(j->memory + (size_t)i * j->bytes, j->bytes, j->streams); break;
	case LIMIT_FMA: j->sink = have & ITR_CPU_AVX512 ? limit_fma512(j->rounds) : limit_fma256(j->rounds); break;
	case LIMIT_BF16: j->sink = limit_bf16(j->rounds); break;
	default: j->sink = limit_vnni(j->rounds); break;
	}
#else
	uint64_t s = 0;
	for (size_t b = 0; j->what == LIMIT_READ && b < j->bytes; b += 8)
		s ^= *(const uint64_t *)(const void *)(j->memory + (size_t)i * j->bytes + b);
	j->sink = (float)s;
#endif
}

static double limit_seconds(struct limit_job *j, int threads)
{
	double best = 1e30;
	for (int r = 0; r < 7; r++) {
		double t = itr_clock_now();
		itr_parallel_for(threads, threads, limit_work, j);
		t = itr_clock_now() - t;
		best = t < best ? t : best;
	}
	return best;
}

static inline double limit_read_gbs(int threads)
{
	struct limit_job j = { .what = LIMIT_READ, .bytes = (size_t)256 << 20 };
	char *m = itr_aligned_alloc(j.bytes * (size_t)threads + 16384);
	for (size_t i = 0; i < j.bytes * (size_t)threads; i += 64)
		m[i] = (char)i;
	j.memory = m;
	j.streams = 4;
	double s = limit_seconds(&j, threads), one;
	j.streams = 1;
	one = limit_seconds(&j, threads);
	s = ITR_MIN(s, one);
	itr_aligned_free(m);
	return (double)j.bytes * threads / s / 1e9;
}

/* Billions of multiplies and adds a second. */
static double limit_peak(int what, int threads)
{
	unsigned have = itr_cpu_features();
	struct limit_job j = { .what = what, .rounds = 4000000 };
	double per = what == LIMIT_FMA ? (have & ITR_CPU_AVX512 ? 32 : have & ITR_CPU_AVX2 ? 16 : 0)
	           : what == LIMIT_BF16 ? (have & ITR_CPU_AVX512_BF16 ? 64 : 0) : (have & ITR_CPU_AVX512_VNNI ? 128 : 0);
	return per > 0 ? per * 12 * (double)j.rounds * threads / limit_seconds(&j, threads) / 1e9 : 0;
}

#endif
