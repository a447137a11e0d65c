// The only file that sees OpenMP. (Target attributes do not reach OpenMP's outlined regions: kernels live elsewhere.)
#if defined(_OPENMP) && defined(__linux__) // without OpenMP a team is one thread, which waits for nobody
#define _GNU_SOURCE // syscall
#define HAS_FUTEX 1
#else
#define HAS_FUTEX 0
#ifndef CURRICLE_BARE
#define _POSIX_C_SOURCE 199309L // clock_gettime
#endif
#endif
#include "team.h"
#include <limits.h>
#ifdef CURRICLE_BARE
static void sched_yield(void) {}
#else
#include <sched.h>
#include <time.h>
#endif
#if HAS_FUTEX
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

INTERNAL int team_processors(void) {
#ifdef _OPENMP
    extern int omp_get_num_procs(void);
    return omp_get_num_procs();
#else
    return 1;
#endif
}

INTERNAL int team_most(int wanted) {
#ifdef _OPENMP
    return wanted;
#else
    (void)wanted;
    return 1;
#endif
}

INTERNAL void team_run(int threads, void (*body)(void *context, int thread, int threads), void *context) {
#ifdef _OPENMP
    if (threads > 1) { // the runtime allocates for a region of one thread
        extern int omp_get_thread_num(void), omp_get_num_threads(void);
        extern __attribute__((weak)) void kmp_set_blocktime(int milliseconds);
        // Between regions the runtime's threads spin; where they have no processor of their own, in the way of those that work.
        if (threads > team_processors() && kmp_set_blocktime) kmp_set_blocktime(0);
#pragma omp parallel num_threads(threads)
        body(context, omp_get_thread_num(), omp_get_num_threads());
        return;
    }
#endif
    (void)threads;
    body(context, 0, 1);
}

INTERNAL uint64_t nanoseconds_now(void) {
#ifdef CURRICLE_BARE
    return 0;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Sleeps while a word has a value, where the system lets a thread do so; may return earlier.
static void sleep_while(atomic_uint *word, unsigned value) {
#if HAS_FUTEX
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
#else
    (void)word, (void)value;
    sched_yield();
#endif
}
static void wake_all(atomic_uint *word) {
#if HAS_FUTEX
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
#else
    (void)word;
#endif
}

// Spin for about as long as a stage may last when every thread has a core; then let others have it, as long as somebody wants it; then
// sleep.
enum { SPINS = 4000, YIELDS = 200 };

INTERNAL void team_advance(team_progress *progress, unsigned stage, int ends) {
    atomic_store(&progress->stage, stage); // in one order with `sleepers`: who goes to sleep meanwhile is seen, or sees
    if (atomic_load(&progress->sleepers) > 0) wake_all(&progress->stage);
    if (ends) {
        atomic_store(&progress->has_ended, 1);
        wake_all(&progress->has_ended);
    }
}

INTERNAL unsigned team_wait(team_progress *progress, unsigned stage) {
    unsigned now;
    for (int spin = 0; (now = atomic_load_explicit(&progress->stage, memory_order_acquire)) == stage; spin++) {
        if (spin < SPINS) {
            relax();
        } else if (spin < SPINS + YIELDS) {
            sched_yield();
        } else {
            atomic_fetch_add(&progress->sleepers, 1);
            if (atomic_load(&progress->stage) == stage) sleep_while(&progress->stage, stage);
            atomic_fetch_sub(&progress->sleepers, 1);
        }
    }
    return now;
}

INTERNAL void team_wait_for_end(team_progress *progress) {
    while (!atomic_load(&progress->has_ended)) sleep_while(&progress->has_ended, 0);
}
