// A team of threads for the length of one call, and how it goes from stage to stage.
#ifndef CURRICLE_TEAM_H
#define CURRICLE_TEAM_H
#include "simd/compiler.h"
#include <stdatomic.h>
#include <stdint.h>

enum { CURRICLE_PROCESSORS = 1024 }; // as many as the C library's sets of them

/// A thread as the others of its team see it: what it is at, its number with the system, where it took its tasks, and the processors that it
/// might run on before it was moved.
typedef struct {
    _Alignas(128) atomic_int state;
    int id, home;
    unsigned char allowed[CURRICLE_PROCESSORS / 8];
} team_member;

/// Where a team stands in its work: at the stage whose tasks are dealt out. A stage is over when its tasks are done, whoever did them: a
/// thread that the system holds up, or never lets run, holds up nobody but its own task.
typedef struct {
    _Alignas(128) atomic_uint stage;
    atomic_uint has_ended;
    _Alignas(128) atomic_uint sleepers;
    atomic_int is_looked_at; // by one of those that wait
    team_member *members; // of each thread; NULL for one thread
    int count;
} team_progress;

/// The processors that a team can use, at least 1.
INTERNAL int team_processors(void);
/// How many of `wanted` threads a team can have: one where the library was built without OpenMP.
INTERNAL int team_most(int wanted);
/// Before the first stage; `members` has room for one of each thread.
INTERNAL void team_start(team_progress *progress, team_member *members, int threads);
/// Runs body(context, thread, threads) on every thread of one team; `threads` is what the team really has.
INTERNAL void team_run(int threads, void (*body)(void *context, int thread, int threads), void *context);
/// Time that only goes forwards; 0 where there is no clock (CURRICLE_BARE).
INTERNAL uint64_t nanoseconds_now(void);
/// Moves on to a stage, the last one where `ends`; what was written before is visible to whoever sees it.
INTERNAL void team_advance(team_progress *progress, unsigned stage, int ends);
/// Before a thread takes tasks, and when it has done them.
INTERNAL void team_begin_tasks(team_progress *progress, int thread);
INTERNAL void team_end_tasks(team_progress *progress, int thread);
/// Waits until the team has come past a stage; returns where it stands.
INTERNAL unsigned team_wait(team_progress *progress, int thread, unsigned stage);
/// Waits for the end, out of everybody's way.
INTERNAL void team_wait_for_end(team_progress *progress);
#endif
