// The one place that chooses an ISA.
#include "dispatch.h"
#include <stdatomic.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

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

static atomic_int dot_is_allowed = 1;
void curricle_allow_dot(int allowed) { atomic_store_explicit(&dot_is_allowed, allowed, memory_order_relaxed); }

static int has_dot4(curricle_isa isa) {
    if (!atomic_load_explicit(&dot_is_allowed, memory_order_relaxed)) return 0;
#if defined(__x86_64__)
    if (isa == CURRICLE_ISA_AVX512) return __builtin_cpu_supports("avx512vnni") != 0;
    unsigned a = 0, b, c, d; // AVX-VNNI: leaf 7, subleaf 1, EAX bit 4; compilers name it only lately
    return isa == CURRICLE_ISA_AVX2 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#elif defined(__aarch64__) && defined(__linux__)
    return isa == CURRICLE_ISA_NEON && (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    (void)isa;
    return 0;
#endif
}

#if defined(__x86_64__) && !defined(CURRICLE_WITHOUT_AVX512)
INTERNAL int dot2_is_exact_avx512(void);
/// Whether this CPU multiplies pairs of bf16 as fast as floats at least (Intel's do so at half of their rate, but for Cooper Lake), and
/// with the bits that are promised; found out once.
static int multiplies_pairs(void) {
    static atomic_int known = -1;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer < 0) {
        answer = __builtin_cpu_supports("avx512bf16") &&
                 (!__builtin_cpu_is("intel") || __builtin_cpu_is("cooperlake")) && dot2_is_exact_avx512();
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer;
}
#endif

static int has_dot2(curricle_isa isa) {
    if (!atomic_load_explicit(&dot_is_allowed, memory_order_relaxed)) return 0;
#if defined(__x86_64__) && !defined(CURRICLE_WITHOUT_AVX512)
    return isa == CURRICLE_ISA_AVX512 && multiplies_pairs();
#else
    (void)isa;
    return 0;
#endif
}

// Packing costs Zen 4's weight gradients 4 to 6 %; Cascade Lake's are 1.06 to 1.28 times as fast with it and what else came with it.
static atomic_int packing = -1; // not asked yet
#ifndef CURRICLE_INFERENCE_ONLY
INTERNAL void set_packs_columns(int packs) { atomic_store_explicit(&packing, packs, memory_order_relaxed); }
#endif
static int packs_columns(void) {
    int packs = atomic_load_explicit(&packing, memory_order_relaxed);
#if defined(__x86_64__)
    if (packs < 0) packs = __builtin_cpu_is("intel") != 0;
#endif
    return packs > 0;
}

INTERNAL cpu_traits traits_of(curricle_isa isa) {
    return (cpu_traits){.has_dot4 = has_dot4(isa), .has_dot2 = has_dot2(isa), .packs_columns = packs_columns()};
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
#define ISA(name, number, fuses, test) INTERNAL double peak_##name(peak_way, int64_t, float *);
#include "isa.inc"

INTERNAL double peak_of(curricle_isa isa, curricle_element element, int64_t rounds, float *sink) {
    peak_way way = element == curricle_element_bf16 && has_dot2(isa) ? peak_of_words
                   : element == curricle_element_i8                  ? (has_dot4(isa) ? peak_of_fours : peak_of_pairs)
                                                                     : peak_of_floats;
    switch (isa) {
#define ISA(name, number, fuses, test) case number: return peak_##name(way, rounds, sink);
#include "isa.inc"
    default: return 0;
    }
}
#endif
