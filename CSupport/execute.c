// Runs a program: one team for the whole of it, stage after stage, tasks dealt out as threads become free, until they are done.
// Which thread takes a task changes nothing: every output element is written by exactly one task.
//
// With CURRICLE_BARE there is no operating system: no clock, so times stay 0, and nobody to yield to.
#include "dispatch.h"
#include "program_file.h"
#include "team.h"
#include <math.h>
#include <string.h>

/// The next task of an instruction to be dealt out, and, of the first of a stage, how many of the stage's are done. A task writes a number at
/// least, so that a size counts them.
typedef struct { atomic_size_t next, done; } task_counters;

/// Where the team stands, the counters of each instruction, and the team's threads.
static size_t counter_bytes(uint32_t count) { return (size_t)(aligned(sizeof(team_progress)) + aligned(count * sizeof(task_counters))); }
static size_t progress_bytes(uint32_t count, int threads) {
    return counter_bytes(count) + (threads > 1 ? (size_t)threads * sizeof(team_member) : 0);
}

/// An instruction for `part` of each `whole` images: the sizes that count images, in proportion. All of it where `part` is 0.
static curricle_instruction part_of(const curricle_instruction *instruction, int32_t part, int32_t whole) {
    curricle_instruction i = *instruction;
    uint32_t counts = part > 0 ? curricle_batch_sizes((curricle_opcode)i.opcode) : 0;
    for (int s = 0; s < CURRICLE_SIZES; s++)
        if (counts >> s & 1) i.size[s] = (int32_t)((int64_t)i.size[s] * part / whole);
    return i;
}

/// What each thread of a team needs.
static uint64_t scratch_bytes(
    const curricle_instruction *instructions, uint32_t count, int32_t part, int32_t whole, int threads, const kernel_entry *kernels) {
    int64_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (instructions[i].opcode >= CURRICLE_OPCODES || !kernels[instructions[i].opcode].run) continue;
        curricle_instruction instruction = part_of(&instructions[i], part, whole);
        int64_t floats = kernels[instruction.opcode].scratch_floats(&instruction, threads);
        if (floats > most) most = floats;
    }
    return aligned((uint64_t)most * sizeof(float)) + CURRICLE_ALIGNMENT;
}

INTERNAL uint64_t workspace_of_part(
    const curricle_instruction *instructions, uint32_t count, int32_t part, int32_t whole, int threads, curricle_isa isa) {
    const kernel_entry *kernels = kernels_of(isa);
    if (!kernels) return 0;
    // A team may come out smaller than asked for, and a smaller team's tasks may be larger.
    uint64_t most = 0;
    for (int team = 1; team <= threads; team++) {
        uint64_t bytes = scratch_bytes(instructions, count, part, whole, team, kernels);
        if (bytes > (SIZE_MAX / 4) / (uint64_t)team) return UINT64_MAX;
        if ((uint64_t)team * bytes > most) most = (uint64_t)team * bytes;
    }
    return progress_bytes(count, threads) + most;
}

uint64_t curricle_workspace_bytes(const curricle_instruction *instructions, uint32_t count, int threads, curricle_isa isa) {
    return workspace_of_part(instructions, count, 0, 0, threads, isa);
}

typedef struct {
    const curricle_instruction *instructions;
    uint32_t count, stages;
    const curricle_execution *run;
    const kernel_entry *kernels;
    team_progress *progress;
    task_counters *tasks; // of each instruction
    int processors;
    cpu_traits cpu;
    char *scratch;
    _Atomic curricle_status status;
} execution;

static void *resolve(const curricle_execution *run, curricle_operand operand) {
    return operand == CURRICLE_NO_OPERAND ? NULL : (char *)run->segments[operand_segment(operand)] + operand_offset(operand);
}

static uint32_t end_of(const execution *e, uint32_t stage) { return e->run->stage_ends ? e->run->stage_ends[stage] : stage + 1; }
static uint32_t first_of(const execution *e, uint32_t stage) { return stage == 0 ? 0 : end_of(e, stage - 1); }

/// Goes on to a stage, past guards, whose losses whoever has come so far looks at alone; nothing after one that is not finite runs.
static uint32_t past_guards(execution *e, uint32_t next) {
    for (; next < e->stages; next++) {
        const curricle_instruction *first = &e->instructions[first_of(e, next)];
        if (first->opcode != curricle_opcode_guard_finite) return next;
        if (!isfinite(*(const float *)resolve(e->run, curricle_decode_guard_finite(first).loss))) {
            atomic_store(&e->status, CURRICLE_NONFINITE);
            return e->stages;
        }
    }
    return next;
}

/// Runs tasks of instruction `i` as long as there are any. Returns how many, and adds all that there are to `all`.
static size_t run_tasks(execution *e, uint32_t i, int thread, int threads, uint64_t scratch, size_t *all) {
    curricle_instruction instruction = part_of(&e->instructions[i], e->run->part, e->run->whole);
    void *operand[CURRICLE_OPERANDS];
    for (int j = 0; j < CURRICLE_OPERANDS; j++) operand[j] = resolve(e->run, instruction.operand[j]);
    const kernel_entry *kernel = &e->kernels[instruction.opcode];
    const kernel_call call = {
        kernel->tasks(&instruction, threads), threads, (float *)(e->scratch + (size_t)thread * (size_t)scratch), e->cpu};
    size_t done = 0;
    for (size_t task; (task = atomic_fetch_add_explicit(&e->tasks[i].next, 1, memory_order_relaxed)) < (size_t)call.tasks; done++)
        kernel->run(&instruction, operand, &call, (int64_t)task);
    *all += (size_t)call.tasks;
    return done;
}

/// Runs tasks of a stage as long as there are any. Returns 1 to the thread that did the last.
static int run_stage(execution *e, uint32_t stage, int thread, int threads, uint64_t scratch) {
    uint32_t first = first_of(e, stage), end = end_of(e, stage);
    size_t done = 0, all = 0;
    for (uint32_t i = first; i < end; i++) done += run_tasks(e, i, thread, threads, scratch, &all);
    return done > 0 && atomic_fetch_add_explicit(&e->tasks[first].done, done, memory_order_acq_rel) + done == all;
}

static uint64_t scratch_of(const execution *e, int threads) {
    return scratch_bytes(e->instructions, e->count, e->run->part, e->run->whole, threads, e->kernels);
}
static void add_time(const execution *e, uint32_t i, uint64_t *before) {
    uint64_t after = nanoseconds_now();
    e->run->nanoseconds[i] += after - *before;
    *before = after;
}

static void advance(execution *e, uint32_t next) {
    next = past_guards(e, next);
    if (e->run->reached && atomic_load(&e->status) == CURRICLE_OK) e->run->reached(e->run->reached_context, next);
    team_advance(e->progress, next, next >= e->stages);
}

/// Stage after stage by one team.
static void run_team(void *context, int thread, int threads) {
    execution *e = context;
    int takes_time = thread == 0 && e->run->nanoseconds;
    uint64_t before = takes_time ? nanoseconds_now() : 0, scratch = scratch_of(e, threads);
    for (uint32_t stage = atomic_load(&e->progress->stage); stage < e->stages;) {
        team_begin_tasks(e->progress, thread);
        if (run_stage(e, stage, thread, threads, scratch)) advance(e, stage + 1);
        team_end_tasks(e->progress, thread);
        if (thread >= e->processors) { // it would take the processor of one that works
            team_wait_for_end(e->progress);
            return;
        }
        uint32_t next = team_wait(e->progress, thread, stage);
        if (takes_time) add_time(e, first_of(e, stage), &before);
        stage = next;
    }
}

typedef struct { execution *run; uint32_t instruction; uint64_t scratch; } step;
static void run_step(void *argument, int32_t index) {
    const step *s = argument;
    size_t all = 0;
    run_tasks(s->run, s->instruction, index, s->run->run->threads, s->scratch, &all);
}

/// Instruction after instruction, each by the caller's threads: that these run at the same time is not asked for.
static void run_steps(execution *e) {
    const curricle_execution *run = e->run;
    uint64_t before = run->nanoseconds ? nanoseconds_now() : 0, scratch = scratch_of(e, run->threads);
    for (uint32_t i = past_guards(e, 0); i < e->stages; i = past_guards(e, i + 1)) {
        curricle_instruction instruction = part_of(&e->instructions[i], run->part, run->whole);
        step s = {e, i, scratch};
        if (e->kernels[instruction.opcode].tasks(&instruction, run->threads) <= 1) run_step(&s, 0);
        else run->parallel_for(run->parallel_context, run->threads, run_step, &s);
        if (run->nanoseconds) add_time(e, i, &before);
    }
}

/// Stages follow one another to the last instruction, each of one at least, and guards stand alone. Threads that are the caller's run
/// instructions one by one.
static int stages_are_sound(const curricle_instruction *instructions, uint32_t count, const curricle_execution *run) {
    if (!run->stage_ends) return 1;
    uint32_t end = 0;
    for (uint32_t i = 0; i < run->stages; i++) {
        uint32_t first = end;
        end = run->stage_ends[i];
        if (end <= first || end > count) return 0;
        for (uint32_t j = first; j < end && end - first > 1; j++)
            if (instructions[j].opcode == curricle_opcode_guard_finite) return 0;
    }
    return end == count && !run->parallel_for;
}

curricle_status curricle_execute(const curricle_instruction *instructions, uint32_t count, const curricle_execution *run) {
    const kernel_entry *kernels = kernels_of(run->isa);
    if (!kernels || run->threads < 1 || !stages_are_sound(instructions, count, run)) return CURRICLE_BAD_PROGRAM;
    for (uint32_t i = 0; i < count; i++)
        if (instructions[i].opcode >= CURRICLE_OPCODES || !kernels[instructions[i].opcode].run) return CURRICLE_BAD_PROGRAM;
    char *workspace = run->workspace;
    execution e = {
        .instructions = instructions, .count = count, .stages = run->stage_ends ? run->stages : count, .run = run, .kernels = kernels,
        .progress = (team_progress *)workspace, .tasks = (task_counters *)(workspace + aligned(sizeof(team_progress))),
        .processors = run->threads > 1 ? team_processors() : 1, .cpu = traits_of(run->isa),
        .scratch = workspace + progress_bytes(count, run->threads), .status = CURRICLE_OK,
    };
    team_start(e.progress, (team_member *)(workspace + counter_bytes(count)), run->threads);
    for (uint32_t i = 0; i < count; i++) {
        atomic_init(&e.tasks[i].next, 0);
        atomic_init(&e.tasks[i].done, 0);
    }
    if (run->parallel_for) {
        run_steps(&e);
    } else {
        advance(&e, 0);
        team_run(run->threads, run_team, &e);
    }
    return atomic_load(&e.status);
}

int64_t curricle_task_count(const curricle_instruction *instruction, int threads, curricle_isa isa) {
    const kernel_entry *kernels = kernels_of(isa);
    if (!kernels || instruction->opcode >= CURRICLE_OPCODES || !kernels[instruction->opcode].run) return 0;
    return instruction->opcode == curricle_opcode_guard_finite ? 1 : kernels[instruction->opcode].tasks(instruction, threads);
}
