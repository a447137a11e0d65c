// What the machine can give at most: fused multiply-adds from registers, and bytes from memory.
#include "dispatch.h"
#include "team.h"

#ifndef CURRICLE_BARE
typedef struct { curricle_isa isa; curricle_element element; int64_t rounds; double flops[256]; float sink[256]; } peak_context;

static void peak_body(void *context, int thread, int threads) {
    peak_context *p = context;
    (void)threads;
    if (thread < 256) p->flops[thread] = peak_of(p->isa, p->element, p->rounds, &p->sink[thread]);
}

double curricle_peak_gflops(curricle_isa isa, curricle_element element, int threads, double seconds) {
    if (!kernels_of(isa)) return 0;
    peak_context context = {.isa = isa, .element = element, .rounds = 1000000};
    double best = 0, spent = 0;
    while (spent < seconds) { // the best of several short runs: other users of the machine only ever slow it down
        for (int i = 0; i < 256; i++) context.flops[i] = 0;
        uint64_t start = nanoseconds_now();
        team_run(threads, peak_body, &context);
        double elapsed = (double)(nanoseconds_now() - start) * 1e-9, total = 0;
        for (int i = 0; i < 256; i++) total += context.flops[i];
        if (total / elapsed > best) best = total / elapsed;
        spent += elapsed;
    }
    return best * 1e-9;
}

typedef struct { float *memory; uint64_t count; } stream_context;

/// Each thread's part is read and written once, as a sum is taken further.
static void stream_body(void *context, int thread, int threads) {
    const stream_context *s = context;
    uint64_t first = s->count / (uint64_t)threads * (uint64_t)thread, end = first + s->count / (uint64_t)threads;
    for (uint64_t i = first; i < end; i++) s->memory[i] = s->memory[i] * 0.5f + 1.f;
}

double curricle_stream_gbytes(int threads, double seconds, float *memory, uint64_t bytes) {
    stream_context context = {memory, bytes / sizeof(float)};
    double best = 0, spent = 0;
    team_run(threads, stream_body, &context); // pages are there
    while (spent < seconds) { // the best of several passes, as for the peak
        uint64_t start = nanoseconds_now();
        team_run(threads, stream_body, &context);
        double elapsed = (double)(nanoseconds_now() - start) * 1e-9, rate = 2e-9 * (double)bytes / elapsed;
        if (rate > best) best = rate;
        spent += elapsed;
    }
    return best;
}
#endif
