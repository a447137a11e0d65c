// The kernels for AVX2 and FMA: tiles of 6 rows by 16 columns fill 12 of 16 registers.
#include "kernels/call.h"
#include "simd/vector.h"
#if defined(__x86_64__)
BEGIN_TARGET("avx2,fma,f16c,prfchw")
#define ISA_AVX512 0
#define ISA_AVX2 1
#define ISA_HAS_FMA 1
#define ISA_DOT4 1
#define ISA_DOT2 0
#define ISA_DOT4_OFFSET 0
#define ISA_DOT4_TARGET __attribute__((target("avx2,fma,f16c,prfchw,avxvnni")))
#define TILE_ROWS 6
#define TILE_PANELS 1
#define TILE_ROWS_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define ISA_TABLE kernels_avx2
#define ISA_PEAK peak_avx2
#include "kernels/all.inc"
END_TARGET
#endif
