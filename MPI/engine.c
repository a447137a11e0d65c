// An engine of MPI (curricle_ranks.h): MPI-3.1, of which it takes point-to-point messages, one gather and one broadcast.
//
// One thread makes every call of MPI (so that MPI_THREAD_FUNNELED is enough) and looks after what is under way: Open MPI makes no progress
// outside MPI's calls, and waiting inside them spins. Once nothing has come for 20 µs it sleeps between looks: for 100 µs where somebody waits, for
// a millisecond where all compute. Neighbours in a ring of ranks send one another a sign of life every two seconds, whatever the ranks themselves are at.
#define _GNU_SOURCE
#include "curricle_ranks.h"

#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAME = 64, LOST = 3, ABORT_SECONDS = 5, END_SECONDS = 10 };
static const uint64_t largest_message = 1u << 30;
static const double beat_seconds = 2, warning_seconds = 15;

typedef enum { GATHER, BROADCAST, EXCHANGE, END } operation_kind;
/// What was asked for and is not done.
typedef struct operation {
    operation_kind kind;
    int64_t number;
    void *data;
    const void *mine;
    uint64_t bytes;
    const curricle_exchange *exchange;
    MPI_Request *requests;
    int count, is_posted;
    struct operation *next;
} operation;
static operation *first_operation; // in the order they were asked for; only the thread takes one out
static int64_t operations_asked;
static int waiting; // callers
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int has_begun;
static const char *failure;
static char place[1024];

static int rank_, size_, local_size_;
static char (*hosts)[NAME];
static MPI_Comm work, beats;
static double peer_timeout;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/// How long to wait for MPI to do what may never come, and how the process is left then.
typedef struct { unsigned seconds; int code; const char *said; atomic_int has_ended; } patience;
static void *wait_patiently(void *context) {
    patience *p = context;
    sleep(p->seconds);
    if (atomic_load(&p->has_ended)) return NULL;
    if (p->said) fprintf(stderr, "curricle: %s for %u s and is left\n", p->said, p->seconds);
    fflush(NULL);
    _exit(p->code);
}
static void leave_after(patience *p) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_patiently, p) == 0) pthread_detach(thread);
}

static void end_job(int code) {
    static patience aborting = {.seconds = ABORT_SECONDS}; // MPI_Abort itself may hang where a node is gone
    fflush(NULL);
    aborting.code = code;
    leave_after(&aborting);
    MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code);
}

static void say_lost(int peer, const char *what) {
    pthread_mutex_lock(&mutex);
    fprintf(stderr, "curricle: rank %d (%s) %s%s%s: go on with --resume, with any number of ranks\n", peer, hosts[peer], what, place[0] ? ", " : "", place);
    pthread_mutex_unlock(&mutex);
}

static void check(int code, const char *what) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    fprintf(stderr, "curricle: rank %d (%s): %s failed: %s%s%s: go on with --resume, with any number of ranks\n", rank_, hosts ? hosts[rank_] : "?", what, text,
            place[0] ? ", " : "", place);
    end_job(LOST);
}

// MARK: Signs of life

enum { last_sign = 1 };
static struct {
    int peer, beat;
    MPI_Request receive, send;
    double heard;
    int warned;
} neighbours[2];
static double beaten;

static void listen_to(int i) { check(MPI_Irecv(&neighbours[i].beat, 1, MPI_INT, neighbours[i].peer, 1 - i, beats, &neighbours[i].receive), "listening"); }

static void begin_beats(void) {
    for (int i = 0; i < 2 && size_ > 1; i++) {
        neighbours[i].peer = (rank_ + (i ? 1 : size_ - 1)) % size_; // left, right
        neighbours[i].send = MPI_REQUEST_NULL;
        neighbours[i].heard = now();
        listen_to(i);
    }
}

static void beat(void) {
    double time = now();
    for (int i = 0; i < 2 && size_ > 1; i++) {
        int came = 0;
        check(MPI_Test(&neighbours[i].receive, &came, MPI_STATUS_IGNORE), "listening");
        if (came) {
            neighbours[i].heard = time;
            neighbours[i].warned = 0;
            if (neighbours[i].beat != last_sign) listen_to(i);
        }
        double silent = time - neighbours[i].heard;
        int peer = neighbours[i].peer;
        if (silent > peer_timeout) {
            char what[64];
            snprintf(what, sizeof what, "has not answered for %.0f s", silent);
            say_lost(peer, what);
            end_job(LOST);
        } else if (silent > warning_seconds && !neighbours[i].warned) {
            fprintf(stderr, "curricle: rank %d (%s) has not answered for %.0f s; the job ends after %.0f\n", peer, hosts[peer], silent, peer_timeout);
            neighbours[i].warned = 1;
        }
    }
    if (time - beaten < beat_seconds || size_ == 1) return;
    static int sign;
    beaten = time;
    for (int i = 0; i < 2; i++) {
        int free = 0;
        check(MPI_Test(&neighbours[i].send, &free, MPI_STATUS_IGNORE), "a sign of life");
        if (free) check(MPI_Isend(&sign, 1, MPI_INT, neighbours[i].peer, i, beats, &neighbours[i].send), "a sign of life");
    }
}

/// All ranks come here together. A last sign, which is none of life, closes each way: MPICH over TCP does not end while a message lies unread.
static void end_beats(void) {
    static int sign = last_sign;
    for (int i = 0; i < 2 && size_ > 1; i++) {
        check(MPI_Wait(&neighbours[i].send, MPI_STATUS_IGNORE), "the end");
        check(MPI_Isend(&sign, 1, MPI_INT, neighbours[i].peer, i, beats, &neighbours[i].send), "the end");
    }
    for (int i = 0; i < 2 && size_ > 1; i++) {
        while (neighbours[i].receive != MPI_REQUEST_NULL) {
            check(MPI_Wait(&neighbours[i].receive, MPI_STATUS_IGNORE), "the end");
            if (neighbours[i].beat != last_sign) listen_to(i);
        }
        check(MPI_Wait(&neighbours[i].send, MPI_STATUS_IGNORE), "the end");
    }
}

/// All ranks come here together. Peers close their ways at the same time if none of them serves the others' before it closes its own: so after
/// the barrier nobody calls MPI until all have left it.
static void end_mpi(void) {
    end_beats();
    check(MPI_Barrier(work), "the end");
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    // MPI_Finalize of MPICH 4.0 may wait for ever over UCX: a rank closes its ways with the help of its peer, who helps no more once its own
    // are closed and it stands in the launcher's barrier.
    static patience ending = {.seconds = END_SECONDS};
    if (rank_ == 0) ending.said = "all is written; MPI itself has not ended";
    leave_after(&ending);
    MPI_Finalize();
    atomic_store(&ending.has_ended, 1);
}

// MARK: The thread

static int messages(uint64_t bytes) { return (int)((bytes + largest_message - 1) / largest_message); }

/// Posts a message in parts that MPI can count. Returns how many.
static int post_message(const curricle_transfer *t, int sends, MPI_Request *requests) {
    int at = 0;
    for (uint64_t done = 0; done < t->bytes; done += largest_message, at++) {
        uint64_t left = t->bytes - done;
        int bytes = (int)(left < largest_message ? left : largest_message);
        char *data = (char *)t->data + done;
        check(sends ? MPI_Isend(data, bytes, MPI_BYTE, t->peer, 0, work, requests + at) : MPI_Irecv(data, bytes, MPI_BYTE, t->peer, 0, work, requests + at),
              "an exchange");
    }
    return at;
}

static int requests_of(const operation *o) {
    if (o->kind == BROADCAST) return messages(o->bytes);
    if (o->kind != EXCHANGE) return 1;
    int count = 0;
    for (int i = 0; i < o->exchange->sent; i++) count += messages(o->exchange->sends[i].bytes);
    for (int i = 0; i < o->exchange->received; i++) count += messages(o->exchange->receives[i].bytes);
    return count;
}

static void post(operation *o) {
    switch (o->kind) {
    case GATHER: check(MPI_Iallgather(o->mine, (int)o->bytes, MPI_BYTE, o->data, (int)o->bytes, MPI_BYTE, work, o->requests), "a gather"); break;
    case BROADCAST:
        for (int i = 0; i < o->count; i++) {
            uint64_t done = (uint64_t)i * largest_message, left = o->bytes - done;
            check(MPI_Ibcast((char *)o->data + done, (int)(left < largest_message ? left : largest_message), MPI_BYTE, 0, work, o->requests + i), "a broadcast");
        }
        break;
    case EXCHANGE: {
        int at = 0;
        for (int i = 0; i < o->exchange->received; i++) at += post_message(&o->exchange->receives[i], 0, o->requests + at);
        for (int i = 0; i < o->exchange->sent; i++) at += post_message(&o->exchange->sends[i], 1, o->requests + at);
        break;
    }
    case END: check(MPI_Ibarrier(work, o->requests), "the end"); break;
    }
    o->is_posted = 1;
}

/// Takes an operation out, and tells whoever waits for it.
static void take_out(operation *done) {
    pthread_mutex_lock(&mutex);
    for (operation **at = &first_operation; *at; at = &(*at)->next)
        if (*at == done) {
            *at = done->next;
            break;
        }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    free(done->requests);
    free(done);
}

/// Looks after what was asked for. Returns 1 where something went on, 2 at the end.
static int look(void) {
    int went_on = 0;
    pthread_mutex_lock(&mutex);
    operation *o = first_operation;
    pthread_mutex_unlock(&mutex);
    while (o) {
        if (!o->is_posted) post(o), went_on = 1;
        int is_done = 0;
        check(MPI_Testall(o->count, o->requests, &is_done, MPI_STATUSES_IGNORE), "an exchange");
        pthread_mutex_lock(&mutex);
        operation *next = o->next;
        pthread_mutex_unlock(&mutex);
        if (is_done && o->kind == END) {
            end_mpi();
            take_out(o);
            return 2;
        }
        if (is_done) take_out(o), went_on = 1;
        o = next;
    }
    return went_on;
}

static void wait_for_change(long nanoseconds) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += nanoseconds;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&changed, &mutex, &until);
}

/// Until the next look: soon where somebody waits; where all compute, seldom, for each look takes a core from one of them.
static void rest(void) {
    pthread_mutex_lock(&mutex);
    int is_awaited = waiting > 0;
    if (!first_operation) wait_for_change(50000000);
    else if (!is_awaited) wait_for_change(1000000);
    pthread_mutex_unlock(&mutex);
    if (is_awaited) nanosleep(&(struct timespec){0, 100000}, NULL);
}

static const char *start_mpi(void) {
    int level = 0;
#ifdef OPEN_MPI
    // Sends and copies alone: what it does with large messages over TCP else goes one way at a time (0.06 of 0.12 GB/s each way at 1 Gb/s).
    setenv("OMPI_MCA_btl_tcp_flags", "1", 0);
#endif
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS) return "MPI did not start";
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm_dup(MPI_COMM_WORLD, &work);
    MPI_Comm_dup(MPI_COMM_WORLD, &beats);
    MPI_Comm_set_errhandler(work, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(beats, MPI_ERRORS_RETURN);
    MPI_Comm node;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &local_size_);
    MPI_Comm_free(&node);
    char own[NAME] = "";
    gethostname(own, sizeof own - 1);
    hosts = calloc((size_t)size_, sizeof *hosts);
    if (!hosts) return "there is no memory for the hosts' names";
    MPI_Allgather(own, NAME, MPI_CHAR, hosts, NAME, MPI_CHAR, work);
    begin_beats();
    return NULL;
}

static void *run(void *unused) {
    (void)unused;
    const char *reason = start_mpi();
    pthread_mutex_lock(&mutex);
    failure = reason;
    has_begun = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    if (reason) return NULL;
    double progressed = now();
    while (1) {
        int went_on = look();
        if (went_on == 2) return NULL;
        beat();
        double time = now();
        if (went_on) progressed = time;
        else if (time - progressed > 20e-6) rest();
    }
}

// MARK: What is called from outside

static const char *engine_begin(double timeout) {
    peer_timeout = timeout;
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, NULL) != 0) return "the system has no thread for MPI";
    pthread_detach(thread);
    pthread_mutex_lock(&mutex);
    while (!has_begun) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return failure;
}

static int64_t ask(operation asked) {
    operation *o = malloc(sizeof *o);
    asked.count = requests_of(&asked);
    asked.requests = malloc(sizeof *asked.requests * (size_t)(asked.count ? asked.count : 1));
    if (!o || !asked.requests) {
        fprintf(stderr, "curricle: rank %d (%s): there is no memory for what goes to other ranks\n", rank_, hosts[rank_]);
        end_job(LOST);
    }
    *o = asked;
    pthread_mutex_lock(&mutex);
    int64_t number = o->number = ++operations_asked;
    operation **last = &first_operation;
    while (*last) last = &(*last)->next;
    *last = o;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    return number;
}

static void engine_wait(int64_t number) {
    pthread_mutex_lock(&mutex);
    waiting++;
    pthread_cond_broadcast(&changed);
    while (1) {
        const operation *o = first_operation;
        while (o && o->number != number) o = o->next;
        if (!o) break;
        pthread_cond_wait(&changed, &mutex);
    }
    waiting--;
    pthread_mutex_unlock(&mutex);
}

static void engine_gather(const void *mine, uint64_t bytes, void *all) { engine_wait(ask((operation){.kind = GATHER, .mine = mine, .bytes = bytes, .data = all})); }
static void engine_broadcast(void *data, uint64_t bytes) { engine_wait(ask((operation){.kind = BROADCAST, .bytes = bytes, .data = data})); }
static int64_t engine_start(const curricle_exchange *exchange) { return ask((operation){.kind = EXCHANGE, .exchange = exchange}); }
static void engine_end(void) { engine_wait(ask((operation){.kind = END})); }
static void engine_note(const char *text) {
    pthread_mutex_lock(&mutex);
    snprintf(place, sizeof place, "%s", text);
    pthread_mutex_unlock(&mutex);
}
static int32_t engine_rank(void) { return rank_; }
static int32_t engine_size(void) { return size_; }
static int32_t engine_local_size(void) { return local_size_; }
static const char *engine_host(int32_t rank) { return rank >= 0 && rank < size_ ? hosts[rank] : "?"; }
static void engine_abort(int32_t code) { end_job(code); }

extern const curricle_engine_table curricle_engine;
const curricle_engine_table curricle_engine = {
    CURRICLE_ENGINE_VERSION, engine_begin, engine_rank, engine_size, engine_local_size, engine_host, engine_gather,
    engine_broadcast, engine_start, engine_wait, engine_note, engine_abort, engine_end,
};
