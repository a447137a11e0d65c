/// The program a compiled model is: a flat array of instructions over (segment, offset) operands,
/// and the one function that executes it. Plain data: it can be saved, mapped and run on a device without Swift.
#ifndef CURRICLE_PROGRAM_H
#define CURRICLE_PROGRAM_H

#include "curricle.h"
#include "../instructions/instructions.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What one run needs beside the program. Nothing is allocated or kept.
typedef struct {
    void *segments[CURRICLE_SEGMENTS]; ///< base addresses, 64-byte aligned
    void *workspace;                   ///< curricle_workspace_bytes(…) bytes, 128-byte aligned
    int threads;
    curricle_isa isa;
    uint64_t *nanoseconds;             ///< one per instruction, added to; or NULL. A stage's time goes to its first
    /// Where each stage ends: the tasks of its instructions, none of which touches what another writes, are dealt out together. NULL: each
    /// instruction is a stage. Guards stand alone.
    const uint32_t *stage_ends;
    uint32_t stages;
    /// The caller's own threads (`curricle_options`), or NULL for a team by OpenMP.
    void (*parallel_for)(void *context, int32_t count, curricle_body *body, void *argument);
    void *parallel_context;
    /// The first images alone are computed, `part` of each `whole` of them: sizes that count images shrink. 0: all.
    int32_t part, whole;
    /// Told by one thread, before stage `next` begins, that all before it are done; nothing goes on until it returns. 0 comes as a run begins,
    /// the number of stages as it ends, but where a loss is not finite; guards are passed over. NULL: nobody is told. Not with `parallel_for`.
    void (*reached)(void *context, uint32_t next);
    void *reached_context;
} curricle_execution;

/// Bytes of workspace that a program needs: task counters and each thread's scratch. UINT64_MAX where no memory could hold it, 0 where
/// this CPU cannot run `isa`.
uint64_t curricle_workspace_bytes(const curricle_instruction *instructions, uint32_t count, int threads, curricle_isa isa);

/// Runs a program inside one team of threads. The results are the same bits for any number of threads.
curricle_status curricle_execute(const curricle_instruction *instructions, uint32_t count, const curricle_execution *run);

/// Holds every instruction against the sizes of the segments, in bytes: kernels known, sizes and flags within their ranges, every operand
/// present, aligned and inside its segment, nothing written over what is read but where the registry lets it.
/// Puts the number of the first instruction at fault into `at`.
curricle_status curricle_check(
    const curricle_instruction *instructions, uint32_t count, const uint64_t segment_bytes[CURRICLE_SEGMENTS], uint32_t *at);

/// The best ISA of this CPU.
curricle_isa curricle_isa_detect(void);
/// 1 if this CPU can run `isa`.
int curricle_isa_available(curricle_isa isa);
/// 1 if the kernels of `isa` have fused multiply-adds, all of which give the same bits.
int curricle_isa_fuses(curricle_isa isa);
const char *curricle_isa_name(curricle_isa isa);

/// Whether kernels may take instructions for products of bytes and of bfloat16 where the CPU has them: 1 unless told otherwise.
/// Results are the same bits.
void curricle_allow_dot(int allowed);

/// How long threads of teams spin between runs before they sleep, where the OpenMP runtime can be told (LLVM's can; it spins for 200 ms
/// else): for those who give the processors to somebody else in between.
void curricle_spin_between_runs(int milliseconds);

/// GFLOP/s of register-only products of `element` (f32, bf16 or i8; a product and a sum are two) as the kernels make them on this CPU, on
/// `threads` threads for about `seconds`: the calibrated peak.
double curricle_peak_gflops(curricle_isa isa, curricle_element element, int threads, double seconds);

/// GB/s between the threads and `memory`, read and written: the fastest of passes over all of it for about `seconds`. What lies there changes.
double curricle_stream_gbytes(int threads, double seconds, float *memory, uint64_t bytes);

/// Tasks that a team of so many threads makes of an instruction; 0 where this build has no kernel for it.
int64_t curricle_task_count(const curricle_instruction *instruction, int threads, curricle_isa isa);

#ifdef __cplusplus
}
#endif
#endif
