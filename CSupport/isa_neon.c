// The kernels for AArch64: a virtual vector is four registers, tiles of 6 rows fill 24 of 32.
#include "kernels/call.h"
#include "simd/vector.h"
#if defined(__aarch64__)
#define ISA_AVX512 0
#define ISA_AVX2 0
#define ISA_HAS_FMA 1
#define ISA_DOT4 1
#define ISA_DOT2 0
#define ISA_DOT4_OFFSET 128
#ifdef __clang__
#define ISA_DOT4_TARGET __attribute__((target("dotprod")))
#else
#define ISA_DOT4_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define TILE_ROWS 6
#define TILE_PANELS 1
#define TILE_ROWS_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define ISA_TABLE kernels_neon
#define ISA_PEAK peak_neon
#include "kernels/all.inc"
#endif
