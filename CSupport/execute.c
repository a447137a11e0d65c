// Runs a program: one team for the whole of it, instruction after instruction, tasks dealt out as threads become free, until they are done.
// Which thread takes a task changes nothing: every output element is written by exactly one task.
//
// With CURRICLE_BARE there is no operating system: no clock, so times stay 0, and nobody to yield to.
#ifndef CURRICLE_BARE
#define _POSIX_C_SOURCE 199309L // clock_gettime
#endif
#include "dispatch.h"
#include "program_file.h"
#include "team.h"
#include <math.h>
#ifndef CURRICLE_BARE
#include <time.h>
#endif

/// Tasks of an instruction: the next to be dealt out, and those that are done. A task writes a number at least, so that a size counts them.
typedef struct { atomic_size_t next, done; } task_counters;

/// Where the team stands, and the counters of each instruction.
static size_t counter_bytes(uint32_t count) { return (size_t)(aligned(sizeof(team_progress)) + aligned(count * sizeof(task_counters))); }

static uint64_t scratch_bytes(const curricle_instruction *instructions, uint32_t count, int threads, const kernel_entry *kernels) {
    int64_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (instructions[i].opcode >= CURRICLE_OPCODES || !kernels[instructions[i].opcode].run) continue;
        int64_t floats = kernels[instructions[i].opcode].scratch_floats(&instructions[i], threads);
        if (floats > most) most = floats;
    }
    return aligned((uint64_t)most * sizeof(float)) + CURRICLE_ALIGNMENT;
}

uint64_t curricle_workspace_bytes(const curricle_instruction *instructions, uint32_t count, int threads, curricle_isa isa) {
    const kernel_entry *kernels = kernels_of(isa);
    if (!kernels) return 0;
    // A team may come out smaller than asked for, and a smaller team's tasks may be larger.
    uint64_t most = 0;
    for (int team = 1; team <= threads; team++) {
        uint64_t bytes = scratch_bytes(instructions, count, team, kernels);
        if (bytes > (SIZE_MAX / 4) / (uint64_t)team) return UINT64_MAX;
        if ((uint64_t)team * bytes > most) most = (uint64_t)team * bytes;
    }
    return counter_bytes(count) + most;
}

typedef struct {
    const curricle_instruction *instructions;
    uint32_t count;
    const curricle_execution *run;
    const kernel_entry *kernels;
    team_progress *progress;
    task_counters *tasks; // of each instruction
    int processors;
    char *scratch;
    _Atomic curricle_status status;
} execution;

static void *resolve(const curricle_execution *run, curricle_operand operand) {
    return operand == CURRICLE_NO_OPERAND ? NULL : (char *)run->segments[operand_segment(operand)] + operand_offset(operand);
}

static uint64_t now(void) {
#ifdef CURRICLE_BARE
    return 0;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

/// Goes on to an instruction, past guards: of the team, whoever has come so far looks at their losses alone.
static void advance(execution *e, uint32_t next) {
    for (; next < e->count && e->instructions[next].opcode == curricle_opcode_guard_finite; next++)
        if (!isfinite(*(const float *)resolve(e->run, curricle_decode_guard_finite(&e->instructions[next]).loss))) {
            atomic_store(&e->status, CURRICLE_NONFINITE);
            next = e->count;
            break;
        }
    team_advance(e->progress, next, next >= e->count);
}

static void run_team(void *context, int thread, int threads) {
    execution *e = context;
    float *scratch = (float *)(e->scratch + (size_t)thread * (size_t)scratch_bytes(e->instructions, e->count, threads, e->kernels));
    const int dot4 = has_dot4(e->run->isa);
    uint64_t *clock = thread == 0 ? e->run->nanoseconds : NULL, before = clock ? now() : 0;
    for (uint32_t i = atomic_load(&e->progress->stage); i < e->count;) {
        const curricle_instruction *instruction = &e->instructions[i];
        void *operand[CURRICLE_OPERANDS];
        for (int j = 0; j < CURRICLE_OPERANDS; j++) operand[j] = resolve(e->run, instruction->operand[j]);
        const kernel_entry *kernel = &e->kernels[instruction->opcode];
        const kernel_call call = {kernel->tasks(instruction, threads), threads, scratch, dot4};
        task_counters *counters = &e->tasks[i];
        size_t done = 0, all = (size_t)call.tasks;
        for (size_t task; (task = atomic_fetch_add_explicit(&counters->next, 1, memory_order_relaxed)) < all; done++)
            kernel->run(instruction, operand, &call, (int64_t)task);
        const int was_last = done > 0 && atomic_fetch_add_explicit(&counters->done, done, memory_order_acq_rel) + done == all;
        if (was_last) advance(e, i + 1);
        if (thread >= e->processors) { // it would take the processor of one that works
            team_wait_for_end(e->progress);
            return;
        }
        uint32_t stage = team_wait(e->progress, i);
        if (clock) {
            uint64_t after = now();
            clock[i] += after - before;
            before = after;
        }
        i = stage;
    }
}

curricle_status curricle_execute(const curricle_instruction *instructions, uint32_t count, const curricle_execution *run) {
    const kernel_entry *kernels = kernels_of(run->isa);
    if (!kernels || run->threads < 1) return CURRICLE_BAD_PROGRAM;
    for (uint32_t i = 0; i < count; i++)
        if (instructions[i].opcode >= CURRICLE_OPCODES || !kernels[instructions[i].opcode].run) return CURRICLE_BAD_PROGRAM;
    char *workspace = run->workspace;
    execution e = {
        .instructions = instructions, .count = count, .run = run, .kernels = kernels,
        .progress = (team_progress *)workspace, .tasks = (task_counters *)(workspace + aligned(sizeof(team_progress))),
        .processors = run->threads > 1 ? team_processors() : 1, .scratch = workspace + counter_bytes(count), .status = CURRICLE_OK,
    };
    atomic_init(&e.progress->stage, 0);
    atomic_init(&e.progress->has_ended, 0);
    atomic_init(&e.progress->sleepers, 0);
    for (uint32_t i = 0; i < count; i++) {
        atomic_init(&e.tasks[i].next, 0);
        atomic_init(&e.tasks[i].done, 0);
    }
    advance(&e, 0);
    team_run(run->threads, run_team, &e);
    return atomic_load(&e.status);
}

#ifndef CURRICLE_BARE
typedef struct { curricle_isa isa; int64_t rounds; double flops[256]; float sink[256]; } peak_context;

static void peak_body(void *context, int thread, int threads) {
    peak_context *p = context;
    (void)threads;
    if (thread < 256) p->flops[thread] = peak_of(p->isa, p->rounds, &p->sink[thread]);
}

double curricle_peak_gflops(curricle_isa isa, int threads, double seconds) {
    if (!kernels_of(isa)) return 0;
    peak_context context = {.isa = isa, .rounds = 1000000};
    double best = 0, spent = 0;
    while (spent < seconds) { // the best of several short runs: other users of the machine only ever slow it down
        for (int i = 0; i < 256; i++) context.flops[i] = 0;
        uint64_t start = now();
        team_run(threads, peak_body, &context);
        double elapsed = (double)(now() - start) * 1e-9, total = 0;
        for (int i = 0; i < 256; i++) total += context.flops[i];
        if (total / elapsed > best) best = total / elapsed;
        spent += elapsed;
    }
    return best * 1e-9;
}
#endif
