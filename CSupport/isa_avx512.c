// The kernels for AVX-512 (F, BW, DQ, VL): tiles of 12 rows by two vectors fill 24 of 32 registers.
#include "kernels/call.h"
#include "simd/vector.h"
#if defined(__x86_64__)
BEGIN_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prfchw")
#define ISA_AVX512 1
#define ISA_AVX2 1
#define ISA_HAS_FMA 1
#define ISA_DOT4 1
#define ISA_DOT4_OFFSET 0
#define ISA_DOT4_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,prfchw")))
#define ISA_DOT2 1
#define ISA_DOT2_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c,prfchw")))
#define ISA_DOT2_CHECK dot2_is_exact_avx512
#define TILE_ROWS 12
#define TILE_PANELS 2
#define TILE_ROWS_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define ISA_TABLE kernels_avx512
#define ISA_PEAK peak_avx512
#include "kernels/all.inc"
END_TARGET
#endif
