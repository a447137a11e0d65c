// The one place that chooses an ISA.
#include "dispatch.h"

#if defined(CURRICLE_WITHOUT_BASELINE) && !defined(__aarch64__) && \
    (!defined(__x86_64__) || (defined(CURRICLE_WITHOUT_AVX2) && defined(CURRICLE_WITHOUT_AVX512)))
#error "there would be no kernels: the instruction set that was chosen is not one of this target's"
#endif

#define ISA(name, number, fuses, test) extern const kernel_entry kernels_##name[];
#include "isa.inc"

int curricle_isa_available(curricle_isa isa) {
    switch (isa) {
#define ISA(name, number, fuses, test) case number: return test;
#include "isa.inc"
    default: return 0;
    }
}

int curricle_isa_fuses(curricle_isa isa) {
    switch (isa) {
#define ISA(name, number, fuses, test) case number: return fuses;
#include "isa.inc"
    default: return 0;
    }
}

const char *curricle_isa_name(curricle_isa isa) {
    switch (isa) {
    case CURRICLE_ISA_BEST: return "best";
    case CURRICLE_ISA_BASELINE: return "baseline";
    case CURRICLE_ISA_AVX2: return "avx2";
    case CURRICLE_ISA_AVX512: return "avx512";
    case CURRICLE_ISA_NEON: return "neon";
    }
    return "unknown";
}

curricle_isa curricle_isa_detect(void) {
    for (int isa = CURRICLE_ISA_NEON; isa > CURRICLE_ISA_BEST; isa--)
        if (curricle_isa_available((curricle_isa)isa)) return (curricle_isa)isa;
    return CURRICLE_ISA_BASELINE;
}

INTERNAL const kernel_entry *kernels_of(curricle_isa isa) {
    if (!curricle_isa_available(isa)) return NULL;
    switch (isa) {
#define ISA(name, number, fuses, test) case number: return kernels_##name;
#include "isa.inc"
    default: return NULL;
    }
}

#ifndef CURRICLE_BARE
#define ISA(name, number, fuses, test) INTERNAL double peak_##name(int64_t, float *);
#include "isa.inc"

INTERNAL double peak_of(curricle_isa isa, int64_t rounds, float *sink) {
    switch (isa) {
#define ISA(name, number, fuses, test) case number: return peak_##name(rounds, sink);
#include "isa.inc"
    default: return 0;
    }
}
#endif
