// What a kernel sees: its instruction by names (`linear_arguments` …), derived from the registry, and its share of the team.
#ifndef CURRICLE_CALL_H
#define CURRICLE_CALL_H

#include "curricle_program.h"

/// What is known of a CPU when a program is run. Nothing of it shows in the bits.
typedef struct {
    int has_dot4;      // whether it multiplies and adds four bytes in one instruction
    int has_dot2;      // whether it does two bf16, with the bits of two fused multiply-adds
    int packs_columns; // whether columns of rows far apart are read faster from a copy that was packed first
} cpu_traits;

/// A run of one instruction by a team.
typedef struct {
    int64_t tasks;
    int threads;
    float *scratch; // this thread's, 64-byte aligned
    cpu_traits cpu;
} kernel_call;

/// What a peak is measured of: floats, words of two bf16, fours of bytes, and these by pairs of 16 bits.
typedef enum { peak_of_floats, peak_of_words, peak_of_fours, peak_of_pairs } peak_way;

/// One row of an ISA's table. A task writes outputs that no other task of the call writes.
typedef struct {
    int64_t (*tasks)(const curricle_instruction *instruction, int threads);
    int64_t (*scratch_floats)(const curricle_instruction *instruction, int threads);
    void (*run)(const curricle_instruction *instruction, void *const *operand, const kernel_call *call, int64_t task);
} kernel_entry;

// What the registry's element types are in C.
typedef float element_f32;
typedef int32_t element_i32;
typedef uint8_t element_u8;
typedef int8_t element_i8;
typedef uint16_t element_bf16;
typedef void element_either;

/// Operands as pointers (NULL where absent), sizes and reals of one instruction.
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) typedef struct { operands sizes reals } name##_arguments;
#define FLAGS(mask) uint32_t flags;
#define SIZE(x) int64_t x;
#define REAL(x) float x;
#define IN(x, type, count) const element_##type *x;
#define OUT(x, type, count) element_##type *x;
#include "../instructions/registry.inc"

enum { PANEL = CURRICLE_PANEL }; // columns of a weight panel

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/// Tasks of about `grain` units each, a few per thread: for kernels whose work is `units` equal pieces. Four a thread, so that one
/// that is held up leaves little for the others to wait for.
static inline int64_t even_tasks(int64_t units, int64_t grain, int threads) {
    int64_t most = ceil_div(units, grain);
    int64_t wanted = threads == 1 ? 1 : 4 * (int64_t)threads;
    return most < wanted ? (most > 0 ? most : 1) : wanted;
}
static inline int64_t element_tasks(int64_t count, int threads) { return even_tasks(count, 8192, threads); }
static inline int64_t row_tasks(int64_t rows, int threads) { return even_tasks(rows, 32, threads); }
/// The first unit of piece `task` of `tasks` equal pieces of 0..<units.
static inline int64_t piece(int64_t units, int64_t tasks, int64_t task) { return units * task / tasks; }

#endif
