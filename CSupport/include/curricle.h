/// Curricle's feature extractor: runs the encoder in a `.curricle` file (docs/PROGRAM_FORMAT.md) on any CPU.
///
///     curricle_encoder encoder;                                    // your storage
///     curricle_status status = curricle_open(&encoder, bytes, size, NULL);
///     curricle_shape shape = {.size = sizeof shape};
///     curricle_shape_of(&encoder, &shape);
///     void *arena = aligned_alloc(CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder));
///     status = curricle_run(&encoder, arena, rgb8, features);
///
/// The library allocates nothing, opens no file and keeps no state: all there is lies in the encoder, the file's bytes and the
/// arena; it reads no environment. Any number of threads may run one encoder at a time, each with an arena of its own. A file is checked
/// whole when it is opened, in time linear in its size; a file that passes cannot make a run read or write outside the arena, input and
/// output.
#ifndef CURRICLE_H
#define CURRICLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define CURRICLE_VERSION_MAJOR 1
#define CURRICLE_VERSION_MINOR 1
/// The newest version of the file format that this library reads; it reads the older ones too.
#define CURRICLE_FORMAT_VERSION 2

/// What the arena must be aligned to; sizes are multiples of it. The file's bytes need 64, as a mapping or flash gives.
enum { CURRICLE_ALIGNMENT = 128 };

typedef enum {
    CURRICLE_OK = 0,
    CURRICLE_NONFINITE = 1,        ///< training only: a guard met a loss that is not finite; nothing after it ran
    CURRICLE_BAD_PROGRAM = 2,      ///< an opcode that this library does not know, or an ISA this CPU lacks
    CURRICLE_BAD_ARGUMENT = 3,     ///< a null pointer, a misaligned one, memory that overlaps, or a number out of its range
    CURRICLE_UNAVAILABLE_ISA = 4,  ///< this CPU or this build of the library lacks the instruction set
    CURRICLE_NOT_A_PROGRAM = 5,    ///< the bytes do not begin as a program file does
    CURRICLE_OTHER_VERSION = 6,    ///< a format version that this library does not read
    CURRICLE_WRONG_SIZE = 7,       ///< there are more or fewer bytes than the file says
    CURRICLE_WRONG_CHECKSUM = 8,   ///< the bytes are not those that were written
    CURRICLE_BAD_SECTION = 9,      ///< a section lies outside the file, over another, or off its alignment
    CURRICLE_BAD_SHAPE = 10,       ///< input, output or arena have a size that cannot be
    CURRICLE_BAD_INSTRUCTION = 11, ///< an instruction is not one of inference, or its sizes contradict each other
    CURRICLE_BAD_OPERAND = 12,     ///< an operand lies outside its segment, off its alignment, or over another
    CURRICLE_OTHER_RESULT = 13,    ///< the self-test computed other numbers than the file's writer
    CURRICLE_UNTESTED = 14,        ///< there is nothing to test by: an older file, or a CPU without fused multiply-adds
    CURRICLE_STATUS_COUNT
} curricle_status;

typedef enum {
    CURRICLE_ISA_BEST = 0, ///< of this CPU
    CURRICLE_ISA_BASELINE = 1,
    CURRICLE_ISA_AVX2 = 2,
    CURRICLE_ISA_AVX512 = 3,
    CURRICLE_ISA_NEON = 4
} curricle_isa;

/// An opened encoder, in the caller's storage. What is in it is the library's business.
typedef struct { uint64_t opaque[32]; } curricle_encoder;

/// What one thread of a run does.
typedef void curricle_body(void *argument, int32_t index);

/// Begins with its own size, `{.size = sizeof(curricle_options)}`; whatever else is 0 is as if it were not there. Later versions add
/// fields at the end: what a caller does not know is 0, and what a library does not know must be.
typedef struct {
    size_t size;             ///< sizeof(curricle_options)
    int32_t threads;         ///< 0…256 threads of a run, 0 for 1; above 1 needs OpenMP (curricle_threads_available) or `parallel_for`
    int32_t isa;             ///< a `curricle_isa`
    int32_t ignore_checksum; ///< 1: open without reading all bytes; the file's structure is checked all the same
    int32_t normalize;       ///< 1: each row of features is divided by its length (L2); a row of zeros stays
    /// Threads of the caller's own in place of OpenMP: calls body(argument, index) once for each index from 0 to count − 1, in any order,
    /// at the same time or not, and returns when all have returned. Called up to once for each of a program's instructions.
    void (*parallel_for)(void *context, int32_t count, curricle_body *body, void *argument);
    void *parallel_context;  ///< handed to `parallel_for`
} curricle_options;

/// What goes in and comes out: pixels [images, height, width, channels], features [images, rows, row_width].
/// Begins with its own size, `{.size = sizeof(curricle_shape)}`, as the options do.
typedef struct {
    size_t size;             ///< sizeof(curricle_shape)
    uint32_t images, height, width, channels;
    uint32_t patch;          ///< pixels, the side of a patch
    uint32_t pool;           ///< `curricle_pool`
    uint32_t rows;           ///< 1, or with `CURRICLE_POOL_TOKENS` the patches of an image
    uint32_t row_width;      ///< numbers of a row
} curricle_shape;

/// What the products of the blocks are computed with.
typedef enum { CURRICLE_PRECISION_F32 = 0, CURRICLE_PRECISION_BF16 = 1, CURRICLE_PRECISION_INT8 = 2 } curricle_precision;

/// What a row of the output is; the last two are a classifier's, a number a class.
typedef enum {
    CURRICLE_POOL_CLS = 0,
    CURRICLE_POOL_MEAN = 1,
    CURRICLE_POOL_TOKENS = 2,
    CURRICLE_POOL_CLS_MEAN = 3,
    CURRICLE_POOL_LOGITS = 4,
    CURRICLE_POOL_PROBABILITIES = 5
} curricle_pool;

/// Opens a program file that stands in memory, mapped or in flash.
/// @param encoder  filled; refers to `bytes`, which must stay as they are for as long as it is used
/// @param bytes    the whole file, 64-byte aligned
/// @param options  NULL for none
/// @return CURRICLE_OK, or the reason; the encoder is then not to be used
curricle_status curricle_open(curricle_encoder *encoder, const void *bytes, size_t size, const curricle_options *options);

/// Bytes that a run needs beside the file: values on their way and each thread's scratch.
size_t curricle_arena_bytes(const curricle_encoder *encoder);
/// Floating-point operations of the matrix products of one run: how long it may take is known before it begins.
double curricle_flops(const curricle_encoder *encoder);
/// Fills in as much of `shape` as its size says.
/// @return CURRICLE_OK, or CURRICLE_BAD_ARGUMENT
curricle_status curricle_shape_of(const curricle_encoder *encoder, curricle_shape *shape);
curricle_isa curricle_isa_of(const curricle_encoder *encoder);
/// The threads that this build of the library can put to work on this machine by itself, 1…256: 1 without OpenMP.
int32_t curricle_threads_available(void);

/// Computes features. The same bits for any number of threads and on every ISA with fused multiply-adds.
/// @param arena   curricle_arena_bytes(…), aligned to CURRICLE_ALIGNMENT; its contents before do not matter
/// @param rgb8    [images, height, width, channels] bytes, packed
/// @param output  [images, rows, row_width] floats, aligned to 4; input, output, arena and the program's file overlap nowhere
/// @return CURRICLE_OK, or CURRICLE_BAD_ARGUMENT (nothing is written)
curricle_status curricle_run(const curricle_encoder *encoder, void *arena, const uint8_t *rgb8, float *output);

/// The same from numbers, [images, height, width, channels] floats, normalised by the caller: (x / 255 − mean) / deviation.
curricle_status curricle_run_float(const curricle_encoder *encoder, void *arena, const float *pixels, float *output);

/// Features of bytes for any number of images, in batches of as many as the program was compiled for. A last one that is not full takes
/// as much less time, and the features are the same bits.
/// @param rgb8    [count, height, width, channels]
/// @param count   images, 0 or more
/// @param output  [count, rows, row_width]
/// @return as `curricle_run`; CURRICLE_BAD_INSTRUCTION where a batch is not full and the program does not do the same for each image
curricle_status curricle_run_n(const curricle_encoder *encoder, void *arena, const uint8_t *rgb8, size_t count, float *output);

/// The same as `curricle_run`, and how long each instruction took. (1.1)
/// @param nanoseconds  [curricle_instruction_count(…)], each added to; or NULL. They stay as they are where there is no clock (CURRICLE_BARE)
curricle_status curricle_run_timed(
    const curricle_encoder *encoder, void *arena, const uint8_t *rgb8, float *output, uint64_t *nanoseconds);
/// Instructions of a run. (1.1)
uint32_t curricle_instruction_count(const curricle_encoder *encoder);
/// What an instruction does, "linear"; NULL for an index that is none of theirs. (1.1)
const char *curricle_instruction_name(const curricle_encoder *encoder, uint32_t index);

/// Name and version of what wrote the file, "curricle 1.1", in the file itself; NULL where it does not say. (1.1)
const char *curricle_writer(const curricle_encoder *encoder);
/// The file's checksum, CRC-32C of all that stands behind it: which program this is. (1.1)
uint32_t curricle_checksum(const curricle_encoder *encoder);

/// The name of a classifier's class, of its numbers from 0 to row_width − 1: bytes ended by a zero, in the file itself. NULL where the
/// file has no names, or the index is none of theirs.
const char *curricle_label(const curricle_encoder *encoder, uint32_t index);

/// Runs the program on an input that a formula makes and holds what comes out against the checksum in the file: a board proves its flash,
/// its compiler and its floating point with it. `curricle_options.normalize` takes no part.
/// @param output  [images, rows, row_width] floats, as for `curricle_run`; what it holds afterwards is of no use
/// @return CURRICLE_OK, CURRICLE_OTHER_RESULT, CURRICLE_UNTESTED, or CURRICLE_BAD_ARGUMENT
curricle_status curricle_self_test(const curricle_encoder *encoder, void *arena, float *output);

/// Bytes of workspace of `curricle_resize_crop`; 0 where a size is not possible.
size_t curricle_resize_crop_workspace(
    int32_t output_width, int32_t output_height, int32_t input_width, int32_t input_height, int32_t channels);

/// Makes a picture of any size fit, as MAE's evaluation does: bicubic with antialiasing to 256/224 of the target's side (up to 224 pixels;
/// to the side itself above), then the centre; bit for bit what torchvision's Resize and CenterCrop make with Pillow 13. A picture of the
/// target's size is resized and cropped like any other: hand it to the encoder itself to keep it as it is.
/// @param output     [output_height, output_width, channels] bytes, packed
/// @param input      [input_height, input_width, channels] bytes, rows `input_stride` bytes apart; sides 1…16384
/// @param workspace  curricle_resize_crop_workspace(…) bytes, aligned to 8
/// @return CURRICLE_OK or CURRICLE_BAD_ARGUMENT (nothing is written)
curricle_status curricle_resize_crop(uint8_t *output, int32_t output_width, int32_t output_height, const uint8_t *input,
    ptrdiff_t input_stride, int32_t input_width, int32_t input_height, int32_t channels, void *workspace);

/// A picture that is made to fit as its rows come, in the caller's storage.
typedef struct { uint64_t opaque[48]; } curricle_resizer;

/// How pixels come. 4:2:0 is BT.601 in full range, chroma replicated; with an encoder of one channel its luma is taken as it is.
typedef enum {
    CURRICLE_PACKED = 0,    ///< the encoder's channels, a byte each, side by side
    CURRICLE_RGB565 = 1,    ///< 16 bits a pixel, the low byte first
    CURRICLE_RGB565_BE = 2, ///< the high byte first, as many cameras send it
    CURRICLE_NV12 = 3,      ///< planes: Y; U and V in turn
    CURRICLE_NV21 = 4,      ///< planes: Y; V and U in turn
    CURRICLE_I420 = 5       ///< planes: Y; U; V
} curricle_format;

/// Rows of a picture that lie one behind the other. A plane's first row is that of the strip's first row.
typedef struct {
    size_t size;             ///< sizeof(curricle_strip)
    int32_t format;          ///< a `curricle_format`; 565 and colour of 4:2:0 are for three channels
    int32_t rows;            ///< in 4:2:0 a multiple of two, but for the picture's last strip
    const uint8_t *plane[3];
    ptrdiff_t stride[3];     ///< bytes from row to row
} curricle_strip;

/// Begins what `curricle_resize_crop` does, for rows that come one after another: the same bits, and the input is never whole in memory.
/// @param output     written until the last row that is needed was pushed; as `workspace`, in use until then
/// @param workspace  curricle_resize_crop_workspace(…) bytes, aligned to 8
/// @return CURRICLE_OK or CURRICLE_BAD_ARGUMENT (nothing is written)
curricle_status curricle_resize_crop_begin(curricle_resizer *resizer, uint8_t *output, int32_t output_width, int32_t output_height,
    int32_t input_width, int32_t input_height, int32_t channels, void *workspace);
/// The next rows, from the top. @return CURRICLE_OK, or CURRICLE_BAD_ARGUMENT (no row is taken)
curricle_status curricle_resize_crop_push(curricle_resizer *resizer, const curricle_strip *strip);
/// Rows that are still to be pushed before the output is complete; a crop may not need the picture's last ones.
int32_t curricle_resize_crop_rows_left(const curricle_resizer *resizer);

/// One sentence for people.
const char *curricle_status_text(curricle_status status);
/// The library's version, "1.1".
const char *curricle_version(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
