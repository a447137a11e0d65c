// The kernels for whatever the compiler's target guarantees: SSE2 without FMA on plain x86-64, any other CPU.
#include "kernels/call.h"
#include "simd/vector.h"
#define ISA_AVX512 0
#define ISA_AVX2 0
#define ISA_HAS_FMA TARGET_HAS_FMA
#define ISA_DOT4 0
#define ISA_DOT2 0
#define ISA_DOT4_OFFSET 0
#define TILE_PANELS 1
#if TARGET_HAS_VECTORS
#define TILE_ROWS 2
#define TILE_ROWS_LIST(X) X(1) X(2)
#else // 16 sums fill half of 32 registers
#define TILE_ROWS 1
#define TILE_ROWS_LIST(X) X(1)
#endif
#define ISA_TABLE kernels_baseline
#define ISA_PEAK peak_baseline
#include "kernels/all.inc"
