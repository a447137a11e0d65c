/// The program a compiled model is: a flat array of instructions over (segment, offset) operands,
/// and the one function that executes it. Plain data: it can be saved, mapped and run on a device without Swift.
#ifndef CURRICLE_PROGRAM_H
#define CURRICLE_PROGRAM_H

#include "curricle.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CURRICLE_OPERANDS = 9, CURRICLE_SIZES = 9, CURRICLE_REALS = 5, CURRICLE_SEGMENTS = 15 };

/// Where a value lives: segment in the top 8 bits, byte offset in the low 56. All ones: no value.
typedef uint64_t curricle_operand;
#define CURRICLE_NO_OPERAND UINT64_MAX

/// One instruction. The meaning of operands, sizes and reals, in order, is in `registry.inc`.
typedef struct {
    uint32_t opcode;
    uint32_t flags;
    curricle_operand operand[CURRICLE_OPERANDS];
    int32_t size[CURRICLE_SIZES];
    float real[CURRICLE_REALS];
} curricle_instruction;

/// Bits of `flags`.
enum {
    CURRICLE_GELU = 1,            ///< linear: y = gelu(…), and its derivative where that operand is given
    CURRICLE_ACCUMULATE = 2,      ///< add to what the output holds instead of replacing it
    CURRICLE_NORMALIZE_TARGET = 4 ///< patch losses: each target patch by its own mean and unbiased variance
};

/// What one run needs beside the program. Nothing is allocated or kept.
typedef struct {
    void *segments[CURRICLE_SEGMENTS]; ///< base addresses, 64-byte aligned
    void *workspace;                   ///< curricle_workspace_bytes(…) bytes, 128-byte aligned
    int threads;
    curricle_isa isa;
    uint64_t *nanoseconds;             ///< one per instruction, added to; or NULL
} curricle_execution;

/// Bytes of workspace that a program needs: task counters and each thread's scratch.
size_t curricle_workspace_bytes(const curricle_instruction *instructions, uint32_t count, int threads, curricle_isa isa);

/// Runs a program inside one team of threads. The results are the same bits for any number of threads.
curricle_status curricle_execute(const curricle_instruction *instructions, uint32_t count, const curricle_execution *run);

/// The best ISA of this CPU, or the one that CURRICLE_ISA names if the CPU has it.
curricle_isa curricle_isa_detect(void);
/// 1 if this CPU can run `isa`.
int curricle_isa_available(curricle_isa isa);
const char *curricle_isa_name(curricle_isa isa);

/// The registry, for printing and for checking another table against it.
uint32_t curricle_opcode_count(void);
const char *curricle_opcode_name(uint32_t opcode);
/// Space-separated names of the operands, sizes and reals of an opcode: `kind` 0, 1, 2.
const char *curricle_opcode_fields(uint32_t opcode, int kind);

/// GFLOP/s of register-only fused multiply-adds on `threads` threads for about `seconds`: the calibrated peak.
double curricle_peak_gflops(curricle_isa isa, int threads, double seconds);

#ifdef __cplusplus
}
#endif
#endif
