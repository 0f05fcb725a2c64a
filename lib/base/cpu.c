#include "base/cpu.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static unsigned detect(void)
{
	unsigned f = 0;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		f |= ITR_CPU_AVX2;
	if ((f & ITR_CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
		f |= ITR_CPU_AVX512;
		if (__builtin_cpu_supports("avx512vnni"))
			f |= ITR_CPU_AVX512_VNNI;
#if defined(__clang__) || __GNUC__ >= 12
		if (__builtin_cpu_supports("avx512bf16"))
			f |= ITR_CPU_AVX512_BF16;
#endif
		if (__builtin_cpu_supports("avx512vpopcntdq"))
			f |= ITR_CPU_AVX512_VPOPCNT;
	}
#elif defined(__aarch64__)
	f |= ITR_CPU_NEON;
	if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
		f |= ITR_CPU_NEON_DOTPROD;
#endif
	return f;
}

static unsigned allowed_by_environment(void)
{
	const char *cap = getenv("ITR_CPU");
	if (!cap || !*cap)
		return ~0u;
	if (!strcmp(cap, "scalar"))
		return 0;
	if (!strcmp(cap, "avx2"))
		return ITR_CPU_AVX2;
	if (!strcmp(cap, "avx512"))
		return ITR_CPU_AVX2 | ITR_CPU_AVX512;
	if (!strcmp(cap, "neon"))
		return ITR_CPU_NEON;
	return ~0u;
}

unsigned itr_cpu_features(void)
{
	static unsigned cached = ~0u;           /* a race writes the same value twice */
	if (cached == ~0u)
		cached = detect() & allowed_by_environment();
	return cached;
}

const char *itr_cpu_names(void)
{
	static char names[128];
	static const char *const all[] = { "avx2", "avx512", "avx512-vnni", "avx512-bf16", "avx512-vpopcnt", "neon", "neon-dotprod" };
	unsigned f = itr_cpu_features();
	if (!names[0]) {
		char text[sizeof names] = "";
		for (int i = 0; i < ITR_LEN(all); i++)
			if (f >> i & 1) {
				if (text[0])
					strcat(text, " ");
				strcat(text, all[i]);
			}
		memcpy(names, text[0] ? text : "scalar", text[0] ? sizeof names : sizeof "scalar");
	}
	return names;
}

int itr_cpu_count(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return CPU_COUNT(&set);
	return 1;
}

int itr_threads_resolve(int64_t threads)
{
	return threads <= 0 ? itr_cpu_count() : (int)ITR_MIN(threads, (int64_t)1024);
}
