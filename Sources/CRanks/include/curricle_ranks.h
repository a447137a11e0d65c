#ifndef CURRICLE_RANKS_H
#define CURRICLE_RANKS_H

#include <stdint.h>

// What the ranks of a job say to one another. The command links no MPI: an engine, one C file built with each implementation's mpicc
// (MPI/engine.c), is opened where a launcher has started several processes. No engine adds numbers: what it hands over is bytes.

#ifdef __cplusplus
extern "C" {
#endif

enum { CURRICLE_ENGINE_VERSION = 1 };

/// Bytes that go to a rank, or come from one.
typedef struct {
    int32_t peer;
    uint64_t bytes;
    void *data;
} curricle_transfer;

/// What an engine exports under the name `curricle_engine`. All functions are called by one thread, and return when what they do is done; every
/// call of MPI is made by a thread of the engine's own, which keeps in touch with its neighbours meanwhile. Where a neighbour has not answered for
/// `peer_timeout` seconds, or MPI fails, the engine says so on standard error and ends the whole job with code 3.
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
    /// Sends and receives; what two ranks send one another arrives in the order it is listed in.
    void (*exchange)(const curricle_transfer *sends, int32_t sent, const curricle_transfer *receives, int32_t received);
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

#ifdef __cplusplus
}
#endif

#endif
