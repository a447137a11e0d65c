// The program file as it lies in memory (docs/PROGRAM_FORMAT.md), and what opening it checks.
#ifndef PROGRAM_FILE_H
#define PROGRAM_FILE_H
#include "curricle_program.h"
#include "simd/compiler.h"
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "program files are little-endian and used where they lie"
#endif

typedef struct { uint64_t offset, bytes; } program_section;

typedef struct {
    char magic[8];
    uint32_t version, checksum; // CRC-32C of everything behind these two
    uint64_t file_bytes;
    uint32_t header_bytes, pool;
    uint32_t images, height, width, channels; // of the input
    uint32_t rows, row_width;                 // of an image's output
    uint32_t instruction_count, instruction_bytes;
    program_section instructions, scalars, constants, parameters; // in this order in the file
    uint64_t arena_bytes, workspace_bytes; // workspace: for people; a reader finds out its own
    uint32_t precision, arithmetic; // from version 2 on: curricle_precision, and the number of the arithmetic that wrote it, for people
    char writer[24];                // from version 2 on: name and version of the writer, zeros behind, for people
    program_section labels; // from version 2 on: behind the parameters, names of the numbers of a row, each with a zero behind it; or nothing
    uint32_t tested, test_checksum; // from version 2 on: 1 where the other is CRC-32C of what the program makes of the test's input
    uint8_t reserved[56];
} program_header;

enum { PROGRAM_ALIGNMENT = 64, CHECKSUM_START = 16 };

_Static_assert(sizeof(program_header) == 256, "the header's size is part of the format");
_Static_assert(sizeof(curricle_instruction) == 136, "an instruction's size is part of the format");

static inline unsigned operand_segment(curricle_operand operand) { return (unsigned)(operand >> CURRICLE_OFFSET_BITS); }
static inline uint64_t operand_offset(curricle_operand operand) { return operand & ((UINT64_C(1) << CURRICLE_OFFSET_BITS) - 1); }

/// No struct of the interface that begins with its size will ever be larger.
enum { MOST_SIZED = 4096 };
/// Reads a struct that begins with its size, of whichever version: what a caller does not know is 0, what this library does not know must
/// be.
static inline int read_sized(void *to, size_t known, const void *from) {
    size_t given;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > MOST_SIZED) return 0;
    for (size_t i = known; i < given; i++)
        if (((const uint8_t *)from)[i] != 0) return 0;
    memset(to, 0, known);
    memcpy(to, from, given < known ? given : known);
    return 1;
}

/// A whole number of what the arena is aligned to.
static inline uint64_t aligned(uint64_t bytes) { return (bytes + CURRICLE_ALIGNMENT - 1) / CURRICLE_ALIGNMENT * CURRICLE_ALIGNMENT; }

/// CRC-32C (Castagnoli), reflected, as iSCSI and TFRecord have it.
INTERNAL uint32_t checksum_of(const uint8_t *bytes, size_t size);

/// The header, copied out and held against the bytes: sizes, sections, shapes. Not the checksum, not the instructions.
INTERNAL curricle_status check_header(program_header *header, const uint8_t *bytes, size_t size);

/// Every instruction against the segments' sizes, and what is asked of a file besides. Adds up the FLOPs of the products.
INTERNAL curricle_status check_instructions(const program_header *header, const curricle_instruction *instructions, double *flops);

/// `curricle_workspace_bytes` for a run of `part` of each `whole` images; of all where `part` is 0.
INTERNAL uint64_t workspace_of_part(
    const curricle_instruction *instructions, uint32_t count, int32_t part, int32_t whole, int threads, curricle_isa isa);

#endif
