// The only file that sees OpenMP. (Target attributes do not reach OpenMP's outlined regions: kernels live elsewhere.)
#include "team.h"
#ifdef CURRICLE_BARE
static void sched_yield(void) {}
#else
#include <sched.h>
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
#pragma omp parallel num_threads(threads)
        body(context, omp_get_thread_num(), omp_get_num_threads());
        return;
    }
#endif
    (void)threads;
    body(context, 0, 1);
}

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Spin for about as long as a stage may last when every thread has a core, then let others have it.
enum { SPINS = 4000 };

INTERNAL void team_wait(team_barrier *barrier, int threads) {
    if (threads == 1) return;
    unsigned epoch = atomic_load_explicit(&barrier->epoch, memory_order_acquire);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) == (unsigned)threads - 1) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->epoch, epoch + 1, memory_order_release);
        return;
    }
    for (int spin = 0; atomic_load_explicit(&barrier->epoch, memory_order_acquire) == epoch; spin++) {
        if (spin < SPINS) relax();
        else sched_yield();
    }
}
