#ifndef CURRICLE_RANKS_H
#define CURRICLE_RANKS_H

#include <stdint.h>

// What the ranks of a job say to one another. The command links no MPI: an engine, one C file built with each implementation's mpicc
// (MPI/engine.c), is opened where a launcher has started several processes. No engine adds numbers: what it hands over is bytes.

#ifdef __cplusplus
extern "C" {
#endif

enum { CURRICLE_ENGINE_VERSION = 2 };

/// Bytes that go to a rank, or come from one.
typedef struct {
    int32_t peer;
    uint64_t bytes;
    void *data;
} curricle_transfer;

/// Sends and receives that belong together; what two ranks send one another arrives in the order it is listed and begun in.
typedef struct {
    const curricle_transfer *sends, *receives;
    int32_t sent, received;
} curricle_exchange;

/// What an engine exports under the name `curricle_engine`. Every call of MPI is made by a thread of the engine's own, which keeps in touch with
/// its neighbours meanwhile. Where a neighbour has not answered for `peer_timeout` seconds, or MPI fails, the engine says so on standard error and
/// ends the whole job with code 3. Exchanges may be begun and waited for by any thread; all else is called by one, and returns when it is done.
typedef struct {
    int32_t version;
    /// Starts MPI. Returns NULL, or why it did not start.
    const char *(*begin)(double peer_timeout);
    int32_t (*rank)(void);
    int32_t (*size)(void);
    /// Ranks on this rank's node.
    int32_t (*local_size)(void);
    const char *(*host)(int32_t rank);
    /// `all` [size, bytes] gets what each rank gives, in their order.
    void (*gather)(const void *mine, uint64_t bytes, void *all);
    /// `data` becomes rank 0's.
    void (*broadcast)(void *data, uint64_t bytes);
    /// Begins an exchange, whose lists and data have to stay until it is done. Returns a number to wait for.
    int64_t (*start)(const curricle_exchange *exchange);
    /// Returns once an exchange that was begun is done.
    void (*wait)(int64_t number);
    /// Where the run stands, for what is said when the job has to end: at most 1,000 bytes.
    void (*note)(const char *place);
    /// Ends the whole job with a code.
    void (*abort)(int32_t code);
    /// Waits for all ranks, and ends MPI.
    void (*end)(void);
} curricle_engine_table;

/// Opens an engine's file and starts it. Returns NULL, or why not; the text stays.
const char *curricle_ranks_open(const char *path, double peer_timeout);

/// The open engine, or NULL.
const curricle_engine_table *curricle_ranks(void);

// What is exchanged while a program runs.

/// sum[i] += addend[i]
typedef struct {
    float *sum;
    const float *addend;
    uint64_t count;
} curricle_addition;

/// A part of the gradients: sums that are made first, and what goes out and comes in then.
typedef struct {
    const curricle_addition *additions;
    int32_t added;
    curricle_exchange exchange;
    uint32_t ready; ///< The number of stages that have to be done before.
    int64_t number; ///< The engine's, once it is begun.
} curricle_bucket;

/// An exchange that was begun before the program, and the stage that must not begin before it is done.
typedef struct {
    int64_t number;
    uint32_t needed;
} curricle_arrival;

typedef struct {
    curricle_bucket *buckets; ///< They are begun in this order.
    uint32_t count, begun;
    const curricle_arrival *arrivals; ///< By the stage that needs them.
    uint32_t expected, arrived;
    uint64_t waited; ///< Nanoseconds, for arrivals.
} curricle_marks;

/// A program's `reached`, with marks as its context.
void curricle_marks_reached(void *marks, uint32_t next);

#ifdef __cplusplus
}
#endif

#endif
