// A virtual vector of 16 floats, the same type on every ISA: the compiler splits it into the registers there are.
// So one source gives the same operations in the same order everywhere, and horizontal sums have one tree.
#ifndef CURRICLE_VECTOR_H
#define CURRICLE_VECTOR_H

#include "compiler.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { LANES = 16 };
typedef float vf __attribute__((vector_size(64)));
typedef float vf_unaligned __attribute__((vector_size(64), aligned(4)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint32_t vu __attribute__((vector_size(64)));
typedef float vf8 __attribute__((vector_size(32)));
typedef float vf4 __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))

static const int32_t lane_window[32] __attribute__((aligned(64))) = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

#endif
