// Kernels of two checkouts in one process (kernel_pairs.sh): each instruction by the one and the other in turn, on copies of its operands that
// change about, so that they come from where they come from in a step. One thread; times of the same machine in the same second.
//   kernel_pairs SECONDS [PART OF A NAME]
#define _POSIX_C_SOURCE 199309L
#include "kernels/call.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern const kernel_entry kernels_before[], kernels_now[];

enum { COPIES = 6, THREADS = 2, LEAST_PAIRS = 8, MOST_PAIRS = 1 << 16 }; // tasks are those of a team of two
typedef struct { const char *name; curricle_instruction instruction; } measured;

#define ROWS_OF(kernel, ...) curricle_encode_##kernel((kernel##_places){__VA_ARGS__})
#define LINEAR(M, N, K, S, ...) ROWS_OF(linear, .rows = M, .columns = N, .depth = K, .section = S, .period = M, __VA_ARGS__)
#define PLAIN .derivative = NONE, .residual = NONE, .multiplier = NONE
#define WITH_GELU .flags = CURRICLE_GELU, .residual = NONE, .multiplier = NONE
#define RESIDUAL .derivative = NONE, .multiplier = NONE
#define MULTIPLIER .derivative = NONE, .residual = NONE, .bias = NONE
#define GRADIENT(M, N, K) ROWS_OF(linear_weight_gradient, .rows = M, .columns = N, .depth = K, .section = N)
#define HEADS(kernel, N, T, H, W) \
    ROWS_OF(kernel, .images = N, .queries = T, .tokens = T, .heads = H, .head_width = W, .query_stride = 3 * H * W, \
        .key_stride = 3 * H * W, .value_stride = 3 * H * W, .y_stride = H * W, .scale = 0.125f)
#define NONE CURRICLE_NO_OPERAND

/// Every operand that an instruction has, from a generator of numbers in −0.5…0.5.
static float *drawn(double bytes) {
    static uint32_t state = 1;
    size_t count = (size_t)(bytes / sizeof(float)) + 1024;
    float *x = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    if (!x) exit(1);
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-24f - 0.5f;
    }
    return x;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct { const kernel_entry *entry; float *scratch; } contender;
static double seconds_of(const contender *c, const curricle_instruction *instruction, void **operand) {
    const kernel_call call = {.tasks = c->entry->tasks(instruction, THREADS), .threads = THREADS, .scratch = c->scratch};
    double start = now();
    for (int64_t task = 0; task < call.tasks; task++) c->entry->run(instruction, operand, &call, task);
    return now() - start;
}

static void measure(const measured *m, double seconds) {
    const curricle_instruction *instruction = &m->instruction;
    const curricle_demand demand = curricle_demand_of(instruction);
    if (!demand.is_sound) exit(2);
    void *operand[COPIES][CURRICLE_OPERANDS] = {{NULL}};
    for (int i = 0; i < demand.operands; i++)
        for (int copy = 0; copy < COPIES && instruction->operand[i] != NONE; copy++) operand[copy][i] = drawn(demand.operand[i].bytes);
    contender sides[2] = {{kernels_before + instruction->opcode, NULL}, {kernels_now + instruction->opcode, NULL}};
    for (int i = 0; i < 2; i++) sides[i].scratch = drawn(4.0 * (double)sides[i].entry->scratch_floats(instruction, THREADS));

    // The same bits first.
    size_t bytes = (size_t)demand.operand[0].bytes;
    void *kept = drawn((double)bytes);
    seconds_of(&sides[0], instruction, operand[0]);
    memcpy(kept, operand[0][0], bytes);
    seconds_of(&sides[1], instruction, operand[0]);
    const char *bits = memcmp(kept, operand[0][0], bytes) ? ", OTHER BITS" : "";

    static double ratios[MOST_PAIRS];
    double shortest[2] = {INFINITY, INFINITY}, begin = now();
    int pairs = 0, copy = 0;
    for (; pairs < MOST_PAIRS && (pairs < LEAST_PAIRS || now() - begin < seconds); pairs++) {
        double time[2];
        for (int turn = 0; turn < 2; turn++) {
            int side = turn ^ (pairs & 1);
            copy = (copy + 1) % COPIES;
            time[side] = seconds_of(&sides[side], instruction, operand[copy]);
            if (time[side] < shortest[side]) shortest[side] = time[side];
        }
        ratios[pairs] = time[0] / time[1];
    }
    qsort(ratios, (size_t)pairs, sizeof *ratios, ascending);
    printf("%-38s %6.1f → %6.1f GFLOP/s at best, %.3f times (%.3f–%.3f, %d pairs)%s\n", m->name, demand.flops / shortest[0] * 1e-9,
        demand.flops / shortest[1] * 1e-9, ratios[pairs / 2], ratios[pairs / 4], ratios[pairs * 3 / 4], pairs, bits);
    fflush(stdout);
    for (int i = 0; i < demand.operands; i++)
        for (int c = 0; c < COPIES; c++) free(operand[c][i]);
    free(kept), free(sides[0].scratch), free(sides[1].scratch);
}

int main(int count, char **words) {
    const measured all[] = {
        {"192 to 768, GELU and derivative", LINEAR(3152, 768, 192, 768, WITH_GELU)},
        {"192 to 768, times", LINEAR(3152, 768, 192, 768, MULTIPLIER)},
        {"768 to 192, plus", LINEAR(3152, 192, 768, 192, RESIDUAL)},
        {"192 to 576 in sections", LINEAR(3152, 576, 192, 64, PLAIN)},
        {"192 to 192, plus", LINEAR(3152, 192, 192, 192, RESIDUAL)},
        {"128 to 512, GELU and derivative", LINEAR(3152, 512, 128, 512, WITH_GELU)},
        {"512 to 128, plus", LINEAR(3152, 128, 512, 128, RESIDUAL)},
        {"512 to 2048", LINEAR(1576, 2048, 512, 2048, PLAIN)},
        {"768 to 3072, GELU and derivative", LINEAR(400, 3072, 768, 3072, WITH_GELU)},
        {"3072 to 768, plus", LINEAR(400, 768, 3072, 768, RESIDUAL)},
        {"768 to 2304, 197 rows", LINEAR(197, 2304, 768, 64, PLAIN)},
        {"768 to 3072, 16 rows", LINEAR(16, 3072, 768, 3072, PLAIN)},
        {"192 to 768, 16 rows", LINEAR(16, 768, 192, 768, PLAIN)},
        {"768 to 192, 8 rows", LINEAR(8, 192, 768, 192, PLAIN)},
        {"weight gradient 768 to 192", GRADIENT(3152, 192, 768)},
        {"weight gradient 192 to 768", GRADIENT(3152, 768, 192)},
        {"weight gradient 128 to 512", GRADIENT(3152, 512, 128)},
        {"weight gradient 768 to 768", GRADIENT(800, 768, 768)},
        {"weight gradient 512 to 2048", GRADIENT(1576, 2048, 512)},
        {"attention, 50 tokens, 3 heads of 64", HEADS(attention, 16, 50, 3, 64)},
        {"attention, 197, 3 of 64", HEADS(attention, 16, 197, 3, 64)},
        {"attention, 197, 4 of 32", HEADS(attention, 16, 197, 4, 32)},
        {"its gradient, 50, 3 of 64", HEADS(attention_gradient, 16, 50, 3, 64)},
        {"its gradient, 197, 3 of 64", HEADS(attention_gradient, 16, 197, 3, 64)},
        {"its gradient, 197, 4 of 32", HEADS(attention_gradient, 16, 197, 4, 32)},
    };
    double seconds = count > 1 ? strtod(words[1], NULL) : 1;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (count <= 2 || strstr(all[i].name, words[2])) measure(&all[i], seconds);
    return 0;
}
