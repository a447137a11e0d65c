// Several runs of one encoder at the same time, each on threads of the caller's own (`parallel_for` by POSIX threads): the same bits as one
// thread's. Built with ThreadSanitizer by tools/test_c.sh.
#include "small_program.h"
#include <pthread.h>
#include <stdio.h>

enum { RUNS = 4, THREADS = 3, PICTURES = 5 };

typedef struct { curricle_body *body; void *argument; int32_t index; } share;
static void *take_share(void *argument) {
    const share *s = argument;
    s->body(s->argument, s->index);
    return NULL;
}
static void parallel_for(void *context, int32_t count, curricle_body *body, void *argument) {
    (void)context;
    pthread_t threads[THREADS];
    share shares[THREADS];
    for (int32_t i = 0; i < count; i++) shares[i] = (share){body, argument, i};
    for (int32_t i = 1; i < count; i++) pthread_create(&threads[i], NULL, take_share, &shares[i]);
    take_share(&shares[0]);
    for (int32_t i = 1; i < count; i++) pthread_join(threads[i], NULL);
}

static curricle_encoder encoder;
static uint8_t *pixels;
static size_t outputs;
static void *run(void *features) {
    void *arena = aligned_alloc(CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder));
    curricle_status status = curricle_run_n(&encoder, arena, pixels, PICTURES, features);
    free(arena);
    return status == CURRICLE_OK ? features : NULL;
}

int main(void) {
    small_program p = make_small_program((small_sizes){2, 5, 4, 3, 3, 40, 4, 90, CURRICLE_POOL_TOKENS, 0, 0});
    curricle_open(&encoder, p.bytes, p.size, NULL);
    curricle_shape s = {.size = sizeof s};
    curricle_shape_of(&encoder, &s);
    size_t input = (size_t)PICTURES * s.height * s.width * s.channels;
    outputs = (size_t)PICTURES * s.rows * s.row_width;
    pixels = malloc(input);
    fill_pixels(pixels, input);
    float *features[RUNS + 1];
    for (int r = 0; r <= RUNS; r++) features[r] = malloc(outputs * sizeof(float));
    run(features[RUNS]);
    const curricle_options options = {.size = sizeof options, .threads = THREADS, .parallel_for = parallel_for};
    if (curricle_open(&encoder, p.bytes, p.size, &options) != CURRICLE_OK) return 1;
    pthread_t threads[RUNS];
    int differ = 0;
    for (int r = 0; r < RUNS; r++) pthread_create(&threads[r], NULL, run, features[r]);
    for (int r = 0; r < RUNS; r++) {
        void *done;
        pthread_join(threads[r], &done);
        differ |= !done || memcmp(features[r], features[RUNS], outputs * sizeof(float));
    }
    for (int r = 0; r <= RUNS; r++) free(features[r]);
    free(pixels);
    free_small_program(&p);
    printf("%d runs at a time on %d threads each: %s\n", RUNS, THREADS, differ ? "other bits" : "the same bits");
    return differ;
}
