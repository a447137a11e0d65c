// What the kernel tests share: tensors in blocks of their own, panels, and one instruction run alone.
#ifndef TEST_KERNELS_H
#define TEST_KERNELS_H
#include "curricle_program.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef M_PI
#define M_PI 3.14159265358979323846
#endif

/// Floats in a malloc'd block of just their size.
typedef struct { float *at; int count; } tensor;

static tensor empty(int count) {
    tensor t = {malloc((size_t)count * sizeof(float)), count};
    for (int i = 0; i < count; i++) t.at[i] = NAN; // what is not written shows
    return t;
}
static void zero(tensor t) { memset(t.at, 0, (size_t)t.count * sizeof(float)); }
/// Numbers in −1…1 from a linear congruential generator (Knuth's MMIX constants).
static uint64_t random_state = 1;
static uint32_t random_word(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}
static tensor drawn(int count) {
    tensor t = empty(count);
    for (int i = 0; i < count; i++) t.at[i] = (float)random_word() / 2147483648.f - 1.f;
    return t;
}
/// A permutation of 0..<patches for each image, as int32.
static tensor shuffled(int images, int patches) {
    tensor t = empty(images * patches);
    for (int n = 0; n < images; n++) {
        int32_t *order = (int32_t *)t.at + n * patches;
        for (int i = 0; i < patches; i++) order[i] = i;
        for (int i = patches - 1; i > 0; i--) {
            int j = (int)(random_word() % (uint32_t)(i + 1)), held = order[i];
            order[i] = order[j];
            order[j] = held;
        }
    }
    return t;
}
/// A place inside another tensor's block; not to be released.
static tensor part(tensor t, int offset) { return (tensor){t.at + offset, t.count - offset}; }

static void release(int count, ...) {
    va_list list;
    va_start(list, count);
    for (int i = 0; i < count; i++) free(va_arg(list, tensor).at);
    va_end(list);
}

static int panel_floats(int rows, int depth) { return (rows + 15) / 16 * 16 * depth; }
static int panel_index(int row, int k, int depth) { return (row / 16 * depth + k) * 16 + row % 16; }
/// [rows, depth] in panels of 16 rows, zeros where rows are missing.
static tensor panels(tensor t, int rows, int depth) {
    tensor out = empty(panel_floats(rows, depth));
    for (int i = 0; i < out.count; i++) out.at[i] = 0;
    for (int i = 0; i < rows * depth; i++) out.at[panel_index(i / depth, i % depth, depth)] = t.at[i];
    return out;
}

static curricle_isa test_isa;
static int test_threads, failures, comparisons;
/// A hash of all bits that kernels wrote (FNV-1a, word by word), the same of all runs with fused multiply-adds.
static uint64_t bits, fused_bits;

static void add_bits(tensor t) {
    for (int i = 0; i < t.count; i++) {
        uint32_t word;
        memcpy(&word, t.at + i, sizeof word);
        if ((word & 0x7fffffff) > 0x7f800000) word = 0x7fc00000; // which NaN it is depends on the CPU
        bits = (bits ^ word) * 0x100000001B3u;
    }
}

/// What is drawn is the same on every ISA.
static void begin(curricle_isa isa, int threads) {
    test_isa = isa;
    test_threads = threads;
    bits = random_state = 1;
}
static void end(void) {
    if (!curricle_isa_fuses(test_isa)) return;
    if (fused_bits != 0 && bits != fused_bits) {
        fprintf(stderr, "other bits on %s with %d threads\n", curricle_isa_name(test_isa), test_threads);
        failures++;
    }
    fused_bits = bits;
}
static int finish(void) {
    if (fused_bits != 0) printf("fused multiply-adds, bits %016llx\n", (unsigned long long)fused_bits);
    printf("%d comparisons, %d failures\n", comparisons, failures);
    return failures != 0;
}

static void expect(const char *what, double actual, double expected, double tolerance) {
    comparisons++;
    double error = fabs(actual - expected);
    if (error <= tolerance * fmax(1, fabs(expected))) return;
    if (failures++ < 20)
        fprintf(stderr, "%s on %s, %d threads: %g, not %g\n", what, curricle_isa_name(test_isa), test_threads, actual, expected);
}

// `linear_case` …: tensors for operands, then sizes and reals, all by the registry's names.
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) typedef struct { operands sizes reals } name##_case;
#define FLAGS(mask) uint32_t flags;
#define SIZE(x) int x;
#define REAL(x) float x;
#define IN(x, element, count) const tensor *x;
#include "../instructions/registry.inc"

static int kernels_run[CURRICLE_OPCODES];

/// Runs one instruction, each operand in a segment of its own: its tensor's block is just as large as the registry says, or larger.
static void run_instruction(curricle_instruction instruction, const tensor *const *operands) {
    curricle_execution run = {.threads = test_threads, .isa = test_isa};
    uint64_t bytes[CURRICLE_SEGMENTS] = {0};
    uint32_t at;
    const char *name = curricle_names_of((curricle_opcode)instruction.opcode).name;
    for (int i = 0; i < CURRICLE_OPERANDS; i++) {
        instruction.operand[i] = operands[i] ? (uint64_t)i << CURRICLE_OFFSET_BITS : CURRICLE_NO_OPERAND;
        run.segments[i] = operands[i] ? operands[i]->at : NULL;
        bytes[i] = operands[i] ? (uint64_t)operands[i]->count * sizeof(float) : 0;
    }
    if (curricle_check(&instruction, 1, bytes, &at) != CURRICLE_OK) {
        fprintf(stderr, "%s does not fit its tensors\n", name);
        failures++;
        return;
    }
    size_t workspace = (size_t)curricle_workspace_bytes(&instruction, 1, test_threads, test_isa);
    run.workspace = aligned_alloc(128, (workspace + 127) / 128 * 128);
    if (curricle_execute(&instruction, 1, &run) != CURRICLE_OK) {
        fprintf(stderr, "%s does not run\n", name);
        failures++;
    }
    kernels_run[instruction.opcode]++;
    for (int i = 0; i < CURRICLE_OPERANDS; i++)
        if (operands[i]) add_bits(*operands[i]);
    free(run.workspace);
}

#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) \
    static void run_##name(name##_case from) { \
        curricle_instruction to = {.opcode = curricle_opcode_##name}; \
        const tensor *tensors[CURRICLE_OPERANDS] = {0}; \
        int o = 0, s = 0, r = 0; \
        operands sizes reals \
        (void)o, (void)s, (void)r; \
        run_instruction(to, tensors); \
    }
#define FLAGS(mask) to.flags = from.flags;
#define SIZE(x) to.size[s++] = from.x;
#define REAL(x) to.real[r++] = from.x;
#define IN(x, element, count) tensors[o++] = from.x;
#include "../instructions/registry.inc"

#define RUN(kernel, ...) run_##kernel((kernel##_case){__VA_ARGS__})

#endif
