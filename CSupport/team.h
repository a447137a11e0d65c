// A team of threads for the length of one call, and the barrier between its stages.
#ifndef CURRICLE_TEAM_H
#define CURRICLE_TEAM_H
#include "simd/compiler.h"
#include <stdatomic.h>

typedef struct {
    _Alignas(128) atomic_uint arrived;
    _Alignas(128) atomic_uint epoch;
} team_barrier;

/// The processors that a team can use, at least 1.
INTERNAL int team_processors(void);
/// How many of `wanted` threads a team can have: one where the library was built without OpenMP.
INTERNAL int team_most(int wanted);
/// Runs body(context, thread, threads) on every thread of one team; `threads` is what the team really has.
INTERNAL void team_run(int threads, void (*body)(void *context, int thread, int threads), void *context);
/// Waits until every thread of the team has come here; what they wrote before is visible after.
INTERNAL void team_wait(team_barrier *barrier, int threads);
#endif
