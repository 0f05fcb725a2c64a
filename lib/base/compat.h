/* compat.h - attributes and feature macros; include it before anything else in every header of the library.
 *
 * ITR_MUST_USE   the result reports an error and must be checked
 * ITR_PRINTF     argument f is a printf format, its arguments start at a
 */
#ifndef ITR_BASE_COMPAT_H
#define ITR_BASE_COMPAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ITR_MUST_USE __attribute__((warn_unused_result))
#define ITR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define ITR_NORETURN __attribute__((noreturn))
#define ITR_UNUSED __attribute__((unused))

/* Compiles a function once per instruction set; the loader chooses. For elementwise loops that the compiler vectorises. The build has
 * -ffp-contract=off, so all versions give the same bits. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define ITR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ITR_CLONES
#endif

#define ITR_LEN(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define ITR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define ITR_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
