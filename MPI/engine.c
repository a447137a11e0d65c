// An engine of MPI (curricle_ranks.h): MPI-3.1, of which it takes point-to-point messages, one gather and one broadcast.
//
// One thread makes every call of MPI (so that MPI_THREAD_FUNNELED is enough) and looks after what is under way: Open MPI makes no progress
// outside MPI's calls, and waiting inside them spins. Between looks it sleeps for 100 µs once nothing has come for 20. Neighbours in a ring of
// ranks send one another a sign of life every two seconds, whatever the ranks themselves are at.
#define _GNU_SOURCE
#include "curricle_ranks.h"

#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAME = 64, LOST = 3, ABORT_SECONDS = 5 };
static const uint64_t largest_message = 1u << 30;
static const double beat_seconds = 2, warning_seconds = 15;

typedef enum { NOTHING, GATHER, BROADCAST, EXCHANGE, END } job_kind;
static struct {
    job_kind kind;
    void *data;
    const void *mine;
    uint64_t bytes;
    const curricle_transfer *sends, *receives;
    int32_t sent, received;
} job; // of the caller's, until `done`
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int has_begun, is_done;
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

// MPI_Abort itself may hang where a node is gone.
static void *watch(void *code) {
    sleep(ABORT_SECONDS);
    _exit((int)(intptr_t)code);
}

static void end_job(int code) {
    pthread_t thread;
    fflush(NULL);
    pthread_create(&thread, NULL, watch, (void *)(intptr_t)code);
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
            listen_to(i);
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

static void end_beats(void) {
    for (int i = 0; i < 2 && size_ > 1; i++) {
        MPI_Cancel(&neighbours[i].receive);
        MPI_Request_free(&neighbours[i].receive);
        if (neighbours[i].send != MPI_REQUEST_NULL) MPI_Request_free(&neighbours[i].send);
    }
}

// MARK: The thread

static void finish(MPI_Request *requests, int count, const char *what) {
    double progressed = now();
    int all = 0;
    while (1) {
        check(MPI_Testall(count, requests, &all, MPI_STATUSES_IGNORE), what);
        if (all) return;
        beat();
        if (now() - progressed > 20e-6) nanosleep(&(struct timespec){0, 100000}, NULL);
    }
}

static int messages(uint64_t bytes) { return (int)((bytes + largest_message - 1) / largest_message); }

static void exchange_now(void) {
    int count = 0, at = 0;
    for (int i = 0; i < job.sent; i++) count += messages(job.sends[i].bytes);
    for (int i = 0; i < job.received; i++) count += messages(job.receives[i].bytes);
    MPI_Request *requests = malloc(sizeof *requests * (size_t)(count ? count : 1));
    for (int way = 0; way < 2; way++) {
        const curricle_transfer *list = way ? job.sends : job.receives;
        for (int i = 0; i < (way ? job.sent : job.received); i++)
            for (uint64_t done = 0; done < list[i].bytes; done += largest_message) {
                uint64_t left = list[i].bytes - done;
                int bytes = (int)(left < largest_message ? left : largest_message);
                char *data = (char *)list[i].data + done;
                check(way ? MPI_Isend(data, bytes, MPI_BYTE, list[i].peer, 0, work, requests + at) : MPI_Irecv(data, bytes, MPI_BYTE, list[i].peer, 0, work, requests + at),
                      "an exchange");
                at++;
            }
    }
    finish(requests, count, "an exchange");
    free(requests);
}

static void work_now(void) {
    MPI_Request request = MPI_REQUEST_NULL;
    switch (job.kind) {
    case GATHER:
        check(MPI_Iallgather(job.mine, (int)job.bytes, MPI_BYTE, job.data, (int)job.bytes, MPI_BYTE, work, &request), "a gather");
        finish(&request, 1, "a gather");
        break;
    case BROADCAST:
        for (uint64_t done = 0; done < job.bytes; done += largest_message) {
            uint64_t left = job.bytes - done;
            check(MPI_Ibcast((char *)job.data + done, (int)(left < largest_message ? left : largest_message), MPI_BYTE, 0, work, &request), "a broadcast");
            finish(&request, 1, "a broadcast");
        }
        break;
    case EXCHANGE: exchange_now(); break;
    case END:
        check(MPI_Ibarrier(work, &request), "the end");
        finish(&request, 1, "the end");
        end_beats();
        MPI_Finalize();
        break;
    case NOTHING: break;
    }
}

static const char *start_mpi(void) {
    int level = 0;
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
    int ends = reason != NULL;
    while (!ends) {
        if (job.kind == NOTHING) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += 50000000; // between beats
            if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
            pthread_cond_timedwait(&changed, &mutex, &until);
        }
        ends = job.kind == END;
        int works = job.kind != NOTHING;
        pthread_mutex_unlock(&mutex);
        if (works) work_now();
        if (!ends) beat();
        pthread_mutex_lock(&mutex);
        if (works) {
            job.kind = NOTHING;
            is_done = 1;
            pthread_cond_broadcast(&changed);
        }
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

// MARK: What the caller's thread calls

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

/// Called with the mutex held and the job written but for its kind.
static void post(job_kind kind) {
    job.kind = kind;
    is_done = 0;
    pthread_cond_broadcast(&changed);
    while (!is_done) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void engine_gather(const void *mine, uint64_t bytes, void *all) {
    pthread_mutex_lock(&mutex);
    job.mine = mine, job.bytes = bytes, job.data = all;
    post(GATHER);
}
static void engine_broadcast(void *data, uint64_t bytes) {
    pthread_mutex_lock(&mutex);
    job.data = data, job.bytes = bytes;
    post(BROADCAST);
}
static void engine_exchange(const curricle_transfer *sends, int32_t sent, const curricle_transfer *receives, int32_t received) {
    pthread_mutex_lock(&mutex);
    job.sends = sends, job.sent = sent, job.receives = receives, job.received = received;
    post(EXCHANGE);
}
static void engine_end(void) {
    pthread_mutex_lock(&mutex);
    post(END);
}
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
    engine_broadcast, engine_exchange, engine_note, engine_abort, engine_end,
};
