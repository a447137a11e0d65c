// Loads a saved program and runs it with nothing but CSupport: a program is data. Written by SavedProgramTests.swift.
//
//   test_program FILE      exit 0 where every run gives the expected bits, and none but a team's first allocates
//
// The file, little-endian, without padding:
//   char[8]  "CURRICT1"
//   u64      instructions
//   u64      bytes of results expected
//   u64[13]  bytes of each segment
//   u64[13]  bytes of each segment that are given; the rest is zero
//   instructions, then the given bytes of each segment in turn, then the expected results
#include "curricle_program.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Every allocation of the process is counted: the C library's own functions do the work.
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
static atomic_int allocations;
void *malloc(size_t bytes) { atomic_fetch_add(&allocations, 1); return __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { atomic_fetch_add(&allocations, 1); return __libc_calloc(count, bytes); }
void *realloc(void *old, size_t bytes) { atomic_fetch_add(&allocations, 1); return __libc_realloc(old, bytes); }
void *aligned_alloc(size_t alignment, size_t bytes) { atomic_fetch_add(&allocations, 1); return __libc_memalign(alignment, bytes); }
int posix_memalign(void **place, size_t alignment, size_t bytes) { return (*place = aligned_alloc(alignment, bytes)) ? 0 : 12; }

static void fail(const char *why) {
    fprintf(stderr, "test_program: %s\n", why);
    exit(1);
}

static void *block(size_t bytes) {
    size_t whole = (bytes + 127) / 128 * 128 + 128;
    void *p = aligned_alloc(128, whole);
    if (!p) fail("out of memory");
    return memset(p, 0, whole);
}

static void take(FILE *file, void *to, size_t bytes) {
    if (bytes && fread(to, 1, bytes, file) != bytes) fail("the file is too short");
}

int main(int count, char **arguments) {
    if (count != 2) fail("takes the file of a saved program");
    FILE *file = fopen(arguments[1], "rb");
    if (!file) fail("cannot open the file");
    char magic[8];
    uint64_t instructions, expected_bytes, size[CURRICLE_SEGMENTS], given[CURRICLE_SEGMENTS];
    take(file, magic, sizeof magic);
    if (memcmp(magic, "CURRICT1", 8)) fail("not a saved program");
    take(file, &instructions, sizeof instructions);
    take(file, &expected_bytes, sizeof expected_bytes);
    take(file, size, sizeof size);
    take(file, given, sizeof given);
    curricle_instruction *program = block(instructions * sizeof *program);
    take(file, program, instructions * sizeof *program);
    curricle_run run = {0};
    for (int i = 0; i < CURRICLE_SEGMENTS; i++) {
        if (given[i] > size[i]) fail("a segment is smaller than what is given of it");
        run.segments[i] = block(size[i]);
        take(file, run.segments[i], given[i]);
    }
    char *expected = block(expected_bytes), *results = run.segments[CURRICLE_SEGMENTS - 1];
    take(file, expected, expected_bytes);
    fclose(file);

    int runs = 0;
    for (int isa = CURRICLE_ISA_NEON; isa >= CURRICLE_ISA_BASELINE; isa--) {
        // The baseline has no FMA and so other bits, unless it is all there is.
        if (!curricle_isa_available((curricle_isa)isa) || (isa == CURRICLE_ISA_BASELINE && runs > 0)) continue;
        for (int threads = 1; threads <= 3; threads++, runs++) {
            run.isa = (curricle_isa)isa;
            run.threads = threads;
            run.workspace = block(curricle_workspace_bytes(program, (uint32_t)instructions, threads, run.isa));
            memset(results, 0, size[CURRICLE_SEGMENTS - 1]);
            if (curricle_execute(program, (uint32_t)instructions, &run) != CURRICLE_OK) fail("the program does not run");
            if (memcmp(results, expected, expected_bytes)) {
                fprintf(stderr, "test_program: other bits on %s, %d threads\n", curricle_isa_name(run.isa), threads);
                return 1;
            }
            int before = atomic_load(&allocations);
            for (int again = 0; again < 3; again++) curricle_execute(program, (uint32_t)instructions, &run);
            if (atomic_load(&allocations) != before) fail("a run after the first allocates");
            free(run.workspace);
        }
    }
    printf("%d runs of %llu instructions gave the expected bits\n", runs, (unsigned long long)instructions);
    return 0;
}
