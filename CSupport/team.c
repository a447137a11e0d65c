// The only file that sees OpenMP. (Target attributes do not reach OpenMP's outlined regions: kernels live elsewhere.)
#if defined(_OPENMP) && defined(__linux__) // without OpenMP a team is one thread, which waits for nobody
#define _GNU_SOURCE // syscall, sched_getcpu
#define ON_LINUX 1
#else
#define ON_LINUX 0
#ifndef CURRICLE_BARE
#define _POSIX_C_SOURCE 199309L // clock_gettime
#endif
#endif
#include "team.h"
#include <limits.h>
#include <string.h>
#ifdef CURRICLE_BARE
static void sched_yield(void) {}
#else
#include <sched.h>
#include <time.h>
#endif
#if ON_LINUX
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

static atomic_int spin_milliseconds = -1; // as the runtime does
void curricle_spin_between_runs(int milliseconds) { atomic_store(&spin_milliseconds, milliseconds); }

INTERNAL void team_run(int threads, void (*body)(void *context, int thread, int threads), void *context) {
#ifdef _OPENMP
    if (threads > 1) { // the runtime allocates for a region of one thread
        extern int omp_get_thread_num(void), omp_get_num_threads(void);
        extern __attribute__((weak)) void kmp_set_blocktime(int milliseconds);
        // Between regions the runtime's threads spin; where they have no processor of their own, in the way of those that work.
        int spins = threads > team_processors() ? 0 : atomic_load(&spin_milliseconds);
        if (spins >= 0 && kmp_set_blocktime) kmp_set_blocktime(spins);
#pragma omp parallel num_threads(threads)
        body(context, omp_get_thread_num(), omp_get_num_threads());
        return;
    }
#endif
    (void)threads;
    body(context, 0, 1);
}

INTERNAL void team_start(team_progress *progress, team_member *members, int threads) {
    atomic_init(&progress->stage, 0);
    atomic_init(&progress->has_ended, 0);
    atomic_init(&progress->sleepers, 0);
    atomic_init(&progress->is_looked_at, 0);
    progress->count = threads;
    progress->members = threads > 1 ? members : NULL;
    if (threads > 1) memset(members, 0, (size_t)threads * sizeof *members);
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

/// Sleeps while a word has a value, where the system lets a thread do so, for `nanoseconds` at most where they are not 0; may return earlier.
static void sleep_while(atomic_uint *word, unsigned value, long nanoseconds) {
#if ON_LINUX
    struct timespec most = {0, nanoseconds};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nanoseconds ? &most : NULL, NULL, 0);
#else
    (void)word, (void)value, (void)nanoseconds;
    sched_yield();
#endif
}
static void wake_all(atomic_uint *word) {
#if ON_LINUX
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
#else
    (void)word;
#endif
}

// MARK: Processors that others want too
//
// A thread whose processor the system has given to somebody else holds up all that wait for its task. One of those, who has a processor
// and nothing to do, has it moved there; it goes home with its task done. On two processors, one of them half taken, a step of tiny-p16
// has 0.64 to 0.73 of the quiet speed instead of 0.57.
#if ON_LINUX
enum { IDLE, BUSY, MOVING, MOVED };

static int64_t processor_time(int id) {
    struct timespec t;
    const clockid_t clock = (clockid_t)(~(unsigned)id << 3 | 6); // as Linux names the processor time of a thread
    return clock_gettime(clock, &t) == 0 ? t.tv_sec * INT64_C(1000000000) + t.tv_nsec : -1;
}
static int is_held_up(int id) {
    int64_t before = processor_time(id);
    for (int i = 0; i < 100; i++) relax();
    return before >= 0 && processor_time(id) == before;
}
static int is_counted(int processor) { return processor >= 0 && processor < CURRICLE_PROCESSORS; }
static int may_run_on(const team_member *m, int processor) { return m->allowed[processor / 8] >> processor % 8 & 1; }
static void run_only_on(const team_member *m, int processor) {
    unsigned char one[CURRICLE_PROCESSORS / 8] = {0};
    one[processor / 8] = (unsigned char)(1 << processor % 8);
    syscall(SYS_sched_setaffinity, m->id, sizeof one, one);
}

/// Has a thread that is held up moved to this one's processor. Returns 1 where there was one.
static int give_processor(team_progress *progress, int thread) {
    const int here = sched_getcpu();
    if (!is_counted(here) || atomic_exchange(&progress->is_looked_at, 1)) return 0; // one looks for all
    int moves = 0;
    for (int i = 0; i < progress->count && !moves; i++) {
        team_member *m = &progress->members[i];
        if (i == thread || atomic_load(&m->state) != BUSY || !is_held_up(m->id)) continue;
        int state = BUSY;
        if (!atomic_compare_exchange_strong(&m->state, &state, MOVING)) continue;
        memset(m->allowed, 0, sizeof m->allowed);
        int is_known = syscall(SYS_sched_getaffinity, m->id, sizeof m->allowed, m->allowed) > 0;
        moves = is_known && is_counted(m->home) && m->home != here && may_run_on(m, here);
        if (moves) run_only_on(m, here);
        atomic_store(&m->state, moves ? MOVED : BUSY);
    }
    atomic_store(&progress->is_looked_at, 0);
    return moves;
}

INTERNAL void team_begin_tasks(team_progress *progress, int thread) {
    if (!progress->members) return;
    team_member *m = &progress->members[thread];
    if (!m->id) m->id = (int)syscall(SYS_gettid);
    m->home = sched_getcpu();
    atomic_store(&m->state, BUSY);
}
INTERNAL void team_end_tasks(team_progress *progress, int thread) {
    if (!progress->members) return;
    team_member *m = &progress->members[thread];
    for (int state = BUSY; !atomic_compare_exchange_weak(&m->state, &state, IDLE); state = BUSY) {
        if (state != MOVED) { // about to be moved
            relax();
            continue;
        }
        run_only_on(m, m->home);
        syscall(SYS_sched_setaffinity, m->id, sizeof m->allowed, m->allowed);
        atomic_store(&m->state, BUSY);
    }
}
#else
static int give_processor(team_progress *progress, int thread) { return (void)progress, (void)thread, 0; }
INTERNAL void team_begin_tasks(team_progress *progress, int thread) { (void)progress, (void)thread; }
INTERNAL void team_end_tasks(team_progress *progress, int thread) { (void)progress, (void)thread; }
#endif

// Spin for about as long as a stage may last when every thread has a core, with a look now and then at who is waited for; then let others
// have it, as long as somebody wants it; then sleep.
enum { SPINS = 4000, YIELDS = 200, LOOKS = 500, SLEEP_NANOSECONDS = 200000 };

INTERNAL void team_advance(team_progress *progress, unsigned stage, int ends) {
    atomic_store(&progress->stage, stage); // in one order with `sleepers`: who goes to sleep meanwhile is seen, or sees
    if (atomic_load(&progress->sleepers) > 0) wake_all(&progress->stage);
    if (ends) {
        atomic_store(&progress->has_ended, 1);
        wake_all(&progress->has_ended);
    }
}

INTERNAL unsigned team_wait(team_progress *progress, int thread, unsigned stage) {
    unsigned now;
    for (int spin = 0; (now = atomic_load_explicit(&progress->stage, memory_order_acquire)) == stage; spin++) {
        int sleeps = spin >= SPINS + YIELDS;
        if (spin % LOOKS == LOOKS - 1 || sleeps) sleeps |= give_processor(progress, thread);
        if (sleeps) {
            spin = SPINS + YIELDS;
            atomic_fetch_add(&progress->sleepers, 1);
            if (atomic_load(&progress->stage) == stage) sleep_while(&progress->stage, stage, SLEEP_NANOSECONDS);
            atomic_fetch_sub(&progress->sleepers, 1);
        } else if (spin < SPINS) {
            relax();
        } else {
            sched_yield();
        }
    }
    return now;
}

INTERNAL void team_wait_for_end(team_progress *progress) {
    while (!atomic_load(&progress->has_ended)) sleep_while(&progress->has_ended, 0, 0);
}
