// The one place that chooses an ISA. A build may leave some out: CURRICLE_WITHOUT_BASELINE, …_AVX2, …_AVX512.
#include "dispatch.h"
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && !defined(CURRICLE_WITHOUT_AVX2)
#define HAS_AVX2
#endif
#if defined(__x86_64__) && !defined(CURRICLE_WITHOUT_AVX512)
#define HAS_AVX512
#endif
#if defined(__aarch64__)
#define HAS_NEON
#endif
#if !defined(CURRICLE_WITHOUT_BASELINE)
#define HAS_BASELINE
#endif

extern const kernel_entry kernels_baseline[], kernels_avx2[], kernels_avx512[], kernels_neon[];
double peak_baseline(int64_t, float *), peak_avx2(int64_t, float *), peak_avx512(int64_t, float *), peak_neon(int64_t, float *);

static const char *const names[] = {"baseline", "avx2", "avx512", "neon"};

int curricle_isa_available(curricle_isa isa) {
    switch (isa) {
#if defined(HAS_BASELINE)
    case CURRICLE_ISA_BASELINE: return 1;
#endif
#if defined(HAS_AVX2)
    case CURRICLE_ISA_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
#if defined(HAS_AVX512)
    case CURRICLE_ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl");
#endif
#if defined(HAS_NEON)
    case CURRICLE_ISA_NEON: return 1;
#endif
    default: return 0;
    }
}

curricle_isa curricle_isa_detect(void) {
    const char *wanted = getenv("CURRICLE_ISA");
    for (int isa = CURRICLE_ISA_NEON; isa >= 0; isa--)
        if (curricle_isa_available((curricle_isa)isa) && (!wanted || !*wanted || !strcmp(wanted, names[isa]))) return (curricle_isa)isa;
    // An unknown name, or one this CPU lacks: the best there is. The command line refuses such a name before it comes here.
    for (int isa = CURRICLE_ISA_NEON; isa >= 0; isa--)
        if (curricle_isa_available((curricle_isa)isa)) return (curricle_isa)isa;
    return CURRICLE_ISA_BASELINE;
}

const char *curricle_isa_name(curricle_isa isa) { return (unsigned)isa <= CURRICLE_ISA_NEON ? names[isa] : "unknown"; }

const kernel_entry *kernels_of(curricle_isa isa) {
    if (!curricle_isa_available(isa)) return NULL;
    switch (isa) {
#if defined(HAS_BASELINE)
    case CURRICLE_ISA_BASELINE: return kernels_baseline;
#endif
#if defined(HAS_AVX2)
    case CURRICLE_ISA_AVX2: return kernels_avx2;
#endif
#if defined(HAS_AVX512)
    case CURRICLE_ISA_AVX512: return kernels_avx512;
#endif
#if defined(HAS_NEON)
    case CURRICLE_ISA_NEON: return kernels_neon;
#endif
    default: return NULL;
    }
}

double peak_of(curricle_isa isa, int64_t rounds, float *sink) {
    switch (isa) {
#if defined(HAS_BASELINE)
    case CURRICLE_ISA_BASELINE: return peak_baseline(rounds, sink);
#endif
#if defined(HAS_AVX2)
    case CURRICLE_ISA_AVX2: return peak_avx2(rounds, sink);
#endif
#if defined(HAS_AVX512)
    case CURRICLE_ISA_AVX512: return peak_avx512(rounds, sink);
#endif
#if defined(HAS_NEON)
    case CURRICLE_ISA_NEON: return peak_neon(rounds, sink);
#endif
    default: return 0;
    }
}

static const char *const fields[OPCODE_COUNT][4] = {
#define KERNEL(name, operands, sizes, reals) {#name, operands, sizes, reals},
#include "registry.inc"
};
_Static_assert(sizeof fields / sizeof fields[0] == OPCODE_COUNT, "every opcode has its names");

uint32_t curricle_opcode_count(void) { return OPCODE_COUNT; }
const char *curricle_opcode_name(uint32_t opcode) { return opcode < OPCODE_COUNT ? fields[opcode][0] : "unknown"; }
const char *curricle_opcode_fields(uint32_t opcode, int kind) {
    return opcode < OPCODE_COUNT && kind >= 0 && kind < 3 ? fields[opcode][kind + 1] : "";
}
