// A team whose second processor somebody else wants too: the same bits as one thread's, and threads that were moved away from it may run
// afterwards wherever they might before. Linux, two processors, OpenMP; built by tools/test_c.sh.
#define _GNU_SOURCE
#include "small_program.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

enum { PICTURES = 5, RUNS = 300 };

static atomic_int ends;
static int second; // the processor that is wanted by others
static void *want_processor(void *unused) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(second, &one);
    sched_setaffinity(0, sizeof one, &one);
    while (!atomic_load(&ends)) continue;
    return unused;
}

/// How many threads of this process may run on `set` and nowhere else.
static int threads_with(const cpu_set_t *set) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks));) {
        cpu_set_t theirs;
        CPU_ZERO(&theirs);
        if (entry->d_name[0] != '.' && sched_getaffinity(atoi(entry->d_name), sizeof theirs, &theirs) == 0) count += CPU_EQUAL(&theirs, set);
    }
    closedir(tasks);
    return count;
}

int main(void) {
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    for (int i = 0, seen = 0; i < CPU_SETSIZE && seen < 2; i++)
        if (CPU_ISSET(i, &all)) second = i, seen++;
    small_program p = make_small_program((small_sizes){2, 5, 4, 3, 3, 40, 4, 90, CURRICLE_POOL_TOKENS, 0, 0});
    curricle_encoder encoder;
    curricle_open(&encoder, p.bytes, p.size, NULL);
    curricle_shape s = {.size = sizeof s};
    curricle_shape_of(&encoder, &s);
    size_t input = (size_t)PICTURES * s.height * s.width * s.channels, bytes = (size_t)PICTURES * s.rows * s.row_width * sizeof(float);
    uint8_t *pixels = malloc(input);
    fill_pixels(pixels, input);
    float *alone = malloc(bytes), *crowded = malloc(bytes);
    void *arena = aligned_alloc(CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder));
    int failures = curricle_run_n(&encoder, arena, pixels, PICTURES, alone) != CURRICLE_OK;
    free(arena);

    const curricle_options options = {.size = sizeof options, .threads = 2};
    failures += curricle_open(&encoder, p.bytes, p.size, &options) != CURRICLE_OK;
    arena = aligned_alloc(CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder));
    pthread_t neighbour;
    pthread_create(&neighbour, NULL, want_processor, NULL);
    for (int r = 0; r < RUNS; r++) {
        memset(crowded, 0, bytes);
        failures += curricle_run_n(&encoder, arena, pixels, PICTURES, crowded) != CURRICLE_OK || memcmp(alone, crowded, bytes) != 0;
    }
    atomic_store(&ends, 1);
    pthread_join(neighbour, NULL);
    int free_threads = threads_with(&all);
    failures += free_threads != 2;
    free(arena);
    free(alone);
    free(crowded);
    free(pixels);
    free_small_program(&p);
    printf("%d crowded runs, %d of 2 threads as free as before: %d failures\n", RUNS, free_threads, failures);
    return failures != 0;
}
