// Loads a saved program and runs it with nothing but CSupport: a program is data. Written by `Session.saved` (Sources/Runtime).
//
//   test_program FILE [TOLERANCE]    exit 0 where every run gives the expected bits, or with a tolerance, on every ISA and also
//                                    without fused multiply-adds, results within it (of each one's largest number); and none
//                                    but a team's first run allocates
//
// The file, little-endian, without padding:
//   char[8]  "CURRICT4"
//   u64      instructions
//   u64      results
//   u64[24]  bytes of each segment
//   u64[24]  bytes of each segment that are given; the rest is zero
//   instructions, then the given bytes of each segment in turn, then for each result u64 offset, u64 elements, u64 kind (0 floats,
//   1 integers), then the results segment as it is to be after a run
#include "count_allocations.h"
#include "../program_file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

typedef struct { uint64_t offset, elements, kind; } result;

/// Whether one result is as expected: bits without a tolerance, and always those of integers.
static int agrees(const char *actual, const char *expected, result r, double tolerance) {
    if (tolerance == 0 || r.kind == 1) return !memcmp(actual + r.offset, expected + r.offset, r.elements * sizeof(float));
    const float *a = (const float *)(actual + r.offset), *e = (const float *)(expected + r.offset);
    double most = 0, miss = 0;
    for (uint64_t i = 0; i < r.elements; i++) {
        most = fmax(most, fabs(e[i]));
        if (!(fabs((double)a[i] - e[i]) <= miss)) miss = fabs((double)a[i] - e[i]);
    }
    if (!(miss <= tolerance * most)) fprintf(stderr, "test_program: a result misses by %g of %g\n", miss, most);
    return miss <= tolerance * most;
}

int main(int count, char **arguments) {
    if (count < 2) fail("takes the file of a saved program");
    double tolerance = count > 2 ? atof(arguments[2]) : 0;
    FILE *file = fopen(arguments[1], "rb");
    if (!file) fail("cannot open the file");
    char magic[8];
    uint64_t instructions, results_count, size[CURRICLE_SEGMENTS], given[CURRICLE_SEGMENTS];
    take(file, magic, sizeof magic);
    if (memcmp(magic, "CURRICT4", 8)) fail("not a saved program");
    take(file, &instructions, sizeof instructions);
    take(file, &results_count, sizeof results_count);
    take(file, size, sizeof size);
    take(file, given, sizeof given);
    curricle_instruction *program = block(instructions * sizeof *program);
    take(file, program, instructions * sizeof *program);
    curricle_execution run = {0};
    for (int i = 0; i < CURRICLE_SEGMENTS; i++) {
        if (given[i] > size[i]) fail("a segment is smaller than what is given of it");
        run.segments[i] = block(size[i]);
        take(file, run.segments[i], given[i]);
    }
    size_t expected_bytes = size[CURRICLE_RESULTS];
    char *expected = block(expected_bytes), *results = run.segments[CURRICLE_RESULTS];
    result *table = block(results_count * sizeof *table);
    take(file, table, results_count * sizeof *table);
    for (uint64_t i = 0; i < results_count; i++)
        if (table[i].offset > expected_bytes || table[i].elements > (expected_bytes - table[i].offset) / sizeof(float))
            fail("a result lies outside of the results");
    take(file, expected, expected_bytes);
    fclose(file);

    int runs = 0;
    for (int isa = CURRICLE_ISA_NEON; isa >= CURRICLE_ISA_BASELINE; isa--) {
        if (!curricle_isa_available((curricle_isa)isa) || (!curricle_isa_fuses((curricle_isa)isa) && tolerance == 0)) continue;
        for (int threads = 1; threads <= 3; threads++, runs++) {
            run.isa = (curricle_isa)isa;
            run.threads = threads;
            run.workspace = block(curricle_workspace_bytes(program, (uint32_t)instructions, threads, run.isa));
            memset(results, 0, size[CURRICLE_RESULTS]);
            if (curricle_execute(program, (uint32_t)instructions, &run) != CURRICLE_OK) fail("the program does not run");
            for (uint64_t i = 0; i < results_count; i++)
                if (!agrees(results, expected, table[i], tolerance)) {
                    fprintf(stderr, "test_program: result %llu differs on %s, %d threads\n", (unsigned long long)i,
                        curricle_isa_name(run.isa), threads);
                    return 1;
                }
            int before = atomic_load(&allocations);
            for (int again = 0; again < 3; again++) curricle_execute(program, (uint32_t)instructions, &run);
            if (atomic_load(&allocations) != before) fail("a run after the first allocates");
            free(run.workspace);
        }
    }
    if (runs == 0) fail("no ISA here has fused multiply-adds: give a tolerance");
    printf("%d runs of %llu instructions gave what was expected\n", runs, (unsigned long long)instructions);
    return 0;
}
