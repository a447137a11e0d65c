// Where gcc (from 12) and clang (from 14) part ways. What they compile gives the same bits.
#ifndef CURRICLE_COMPILER_H
#define CURRICLE_COMPILER_H

#if (defined(__clang__) && __clang_major__ < 14) || (!defined(__clang__) && (!defined(__GNUC__) || __GNUC__ < 12))
#error "the kernels need clang from version 14 or gcc from version 12"
#endif
#ifdef __FAST_MATH__
#error "the kernels' bits are IEEE's: compile them without -ffast-math"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0
#error "floats must be computed as floats: 32-bit x86 wants -msse2 -mfpmath=sse"
#endif

// What files of the library share, and nobody else sees: `static` where all of them are one file (tools/amalgamate.sh).
#ifndef INTERNAL
#define INTERNAL
#endif

#define PRAGMA(text) _Pragma(#text)

// UNROLL stands before a loop over registers. Between BEGIN_TARGET(features) and END_TARGET, functions are compiled for a CPU that has
// these. A product and a sum are rounded twice unless a fused multiply-add is written: gcc's default outside of -std=c17 is another.
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define BEGIN_TARGET(features) PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define END_TARGET _Pragma("clang attribute pop")
#pragma STDC FP_CONTRACT OFF
#else
#define UNROLL _Pragma("GCC unroll 32")
#define BEGIN_TARGET(features) _Pragma("GCC push_options") PRAGMA(GCC target(features))
#define END_TARGET _Pragma("GCC pop_options")
#pragma GCC optimize("fp-contract=off")
#endif

// Inner loops whose registers are counted. Nothing is moved across KEEP_ORDER: clang 14 would load what several steps multiply before the
// first, and spill it. What an OPAQUE variable holds is nothing that the compiler knows: it stands in a register of its own.
#define KEEP_ORDER() __asm__ volatile("" : : : "memory")
#define OPAQUE(variable) __asm__("" : "+r"(variable))

// Whether every CPU that is compiled for has fused multiply-adds of floats.
#if defined(__FMA__) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA) || (defined(__riscv_flen) && __riscv_flen >= 32)
#define TARGET_HAS_FMA 1
#else
#define TARGET_HAS_FMA 0
#endif
// Whether it has registers of four floats at all.
#if defined(__SSE2__) || defined(__ARM_NEON) || defined(__wasm_simd128__) || defined(__ALTIVEC__)
#define TARGET_HAS_VECTORS 1
#else
#define TARGET_HAS_VECTORS 0
#endif
// Whether it gives the bits of all others: the vectors of 32-bit ARM take denormals for zero.
#if TARGET_HAS_FMA && !(defined(__arm__) && TARGET_HAS_VECTORS)
#define TARGET_IS_EXACT 1
#else
#define TARGET_IS_EXACT 0
#endif

#endif
