// What a kernel sees of its instruction: resolved pointers, sizes, its thread's scratch.
#ifndef CURRICLE_CALL_H
#define CURRICLE_CALL_H

#include "curricle_program.h"

typedef struct {
    const curricle_instruction *instruction;
    void *operand[CURRICLE_OPERANDS]; // NULL where absent
    const int32_t *size;
    const float *real;
    float *scratch;                   // this thread's, 64-byte aligned
    int threads;
    int64_t tasks;
} kernel_call;

/// One row of an ISA's table. A task writes outputs that no other task of the call writes.
typedef struct {
    int64_t (*tasks)(const int32_t *size, int threads);
    size_t (*scratch_floats)(const int32_t *size, int threads);
    void (*run)(const kernel_call *call, int64_t task);
} kernel_entry;

enum {
    PANEL = 16,        // columns of a weight panel
    LINEAR_CHUNK = 768 // depth up to which `linear` writes y once, so that y may take its residual's place
};

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/// Tasks of about `grain` units each, a few per thread: for kernels whose work is `units` equal pieces.
static inline int64_t even_tasks(int64_t units, int64_t grain, int threads) {
    int64_t most = ceil_div(units, grain);
    int64_t wanted = threads == 1 ? 1 : 4 * (int64_t)threads;
    return most < wanted ? (most > 0 ? most : 1) : wanted;
}
/// The first unit of piece `task` of `tasks` equal pieces of 0..<units.
static inline int64_t piece(int64_t units, int64_t tasks, int64_t task) { return units * task / tasks; }

#endif
