// The feature extractor's door: opens a program file where it lies and runs it.
#include "program_file.h"
#include "team.h"
#include <math.h>

/// What `curricle_encoder` holds.
typedef struct {
    uint64_t opened; // tells an opened encoder from storage that nobody filled
    const uint8_t *file;
    uint64_t file_bytes;
    const curricle_instruction *instructions;
    const uint8_t *scalars, *constants, *parameters;
    const char *labels; // NULL where there are none
    uint32_t tested, test_checksum;
    uint64_t patches; // where in the arena the first instruction puts them
    uint64_t arena_bytes;
    size_t workspace_bytes;
    double flops;
    uint32_t count;
    int32_t threads, normalize;
    int32_t is_divisible; // whether all sizes that count images are so many for each
    curricle_isa isa;
    void (*parallel_for)(void *context, int32_t count, curricle_body *body, void *argument);
    void *parallel_context;
    curricle_shape shape;
} encoder_state;

_Static_assert(sizeof(encoder_state) <= sizeof(curricle_encoder), "an encoder's state fits the caller's storage");
// MOST_PART: a batch that is not full is run in parts of up to so many images, for which there is scratch.
enum { MOST_THREADS = 256, MOST_PART = 16 };
static const uint64_t opened_mark = UINT64_C(0x656C636972727563);

static int is_aligned(const void *pointer, uintptr_t alignment) { return (uintptr_t)pointer % alignment == 0; }

/// A copy: the caller's storage need not be aligned as the state is, and stays of one type to the compiler.
static int read_state(encoder_state *state, const curricle_encoder *encoder) {
    if (!encoder) return 0;
    memcpy(state, encoder, sizeof *state);
    return state->opened == opened_mark;
}

static curricle_status choose(const curricle_options *options, encoder_state *state) {
    if (options->threads < 0 || options->threads > MOST_THREADS || options->isa < 0 || options->isa > CURRICLE_ISA_NEON)
        return CURRICLE_BAD_ARGUMENT;
    int32_t threads = options->threads > 0 ? options->threads : 1;
    state->threads = options->parallel_for ? threads : team_most(threads);
    state->parallel_for = options->parallel_for;
    state->parallel_context = options->parallel_context;
    state->normalize = options->normalize;
    state->isa = options->isa == CURRICLE_ISA_BEST ? curricle_isa_detect() : (curricle_isa)options->isa;
    return curricle_isa_available(state->isa) ? CURRICLE_OK : CURRICLE_UNAVAILABLE_ISA;
}

/// Whether the program does the same for each image, so that it can be run for a part of them: a file need not.
static int is_divisible(const encoder_state *state) {
    for (uint32_t i = 0; i < state->count; i++) {
        uint32_t counts = curricle_batch_sizes((curricle_opcode)state->instructions[i].opcode);
        for (int s = 0; s < CURRICLE_SIZES; s++)
            if (counts >> s & 1 && state->instructions[i].size[s] % (int32_t)state->shape.images != 0) return 0;
    }
    return 1;
}

/// What a run of all images needs beside the arena's values, or of a part of them.
static uint64_t workspace_of(const encoder_state *state) {
    uint64_t most = 0;
    for (uint32_t part = 0; part == 0 || (state->is_divisible && part < state->shape.images && part <= MOST_PART); part++) {
        uint64_t bytes =
            workspace_of_part(state->instructions, state->count, (int32_t)part, (int32_t)state->shape.images, state->threads, state->isa);
        if (bytes > most) most = bytes;
    }
    return most;
}

curricle_status curricle_open(curricle_encoder *encoder, const void *bytes, size_t size, const curricle_options *options) {
    if (!encoder) return CURRICLE_BAD_ARGUMENT;
    memset(encoder, 0, sizeof *encoder);
    if (!bytes || !is_aligned(bytes, PROGRAM_ALIGNMENT)) return CURRICLE_BAD_ARGUMENT;
    encoder_state state = {.opened = opened_mark, .file = bytes, .file_bytes = size};
    curricle_options chosen = {.size = sizeof chosen};
    if (options && !read_sized(&chosen, sizeof chosen, options)) return CURRICLE_BAD_ARGUMENT;
    curricle_status status = choose(&chosen, &state);
    if (status != CURRICLE_OK) return status;
    const uint8_t *file = bytes;
    program_header header;
    if ((status = check_header(&header, file, size)) != CURRICLE_OK) return status;
    if (!chosen.ignore_checksum && checksum_of(file + CHECKSUM_START, size - CHECKSUM_START) != header.checksum)
        return CURRICLE_WRONG_CHECKSUM;
    state.instructions = (const curricle_instruction *)(file + header.instructions.offset);
    if ((status = check_instructions(&header, state.instructions, &state.flops)) != CURRICLE_OK) return status;

    state.count = header.instruction_count;
    state.scalars = file + header.scalars.offset;
    state.constants = file + header.constants.offset;
    state.parameters = file + header.parameters.offset;
    state.labels = header.labels.bytes > 0 ? (const char *)file + header.labels.offset : NULL;
    state.tested = header.tested;
    state.test_checksum = header.test_checksum;
    patchify_places first = curricle_decode_patchify(&state.instructions[0]);
    state.patches = operand_offset(first.patches);
    state.arena_bytes = aligned(header.arena_bytes);
    state.shape = (curricle_shape){sizeof state.shape, header.images, header.height, header.width, header.channels, (uint32_t)first.patch,
                                   header.pool, header.rows, header.row_width};
    state.is_divisible = is_divisible(&state);
    uint64_t workspace = workspace_of(&state);
    if (workspace > SIZE_MAX / 4) return CURRICLE_BAD_INSTRUCTION;
    state.workspace_bytes = (size_t)workspace;
    memcpy(encoder, &state, sizeof state);
    return CURRICLE_OK;
}

size_t curricle_arena_bytes(const curricle_encoder *encoder) {
    encoder_state state;
    return read_state(&state, encoder) ? (size_t)(state.arena_bytes + aligned(state.workspace_bytes)) : 0;
}
double curricle_flops(const curricle_encoder *encoder) {
    encoder_state state;
    return read_state(&state, encoder) ? state.flops : 0;
}
curricle_status curricle_shape_of(const curricle_encoder *encoder, curricle_shape *shape) {
    encoder_state state;
    size_t wanted, known = sizeof state.shape;
    if (!read_state(&state, encoder) || !shape) return CURRICLE_BAD_ARGUMENT;
    memcpy(&wanted, shape, sizeof wanted);
    if (wanted < sizeof wanted || wanted > MOST_SIZED) return CURRICLE_BAD_ARGUMENT;
    memset(shape, 0, wanted);
    memcpy(shape, &state.shape, wanted < known ? wanted : known);
    memcpy(shape, &wanted, sizeof wanted);
    return CURRICLE_OK;
}
int32_t curricle_threads_available(void) {
    int processors = team_processors();
    return processors < MOST_THREADS ? processors : MOST_THREADS;
}
curricle_isa curricle_isa_of(const curricle_encoder *encoder) {
    encoder_state state;
    return read_state(&state, encoder) ? state.isa : CURRICLE_ISA_BASELINE;
}

/// Rows of features divided by their lengths. The sum is taken in order and in double, so that its bits are the same everywhere.
static void normalize_rows(float *rows, size_t count, size_t width) {
    for (size_t r = 0; r < count; r++, rows += width) {
        double sum = 0;
        for (size_t i = 0; i < width; i++) sum += (double)rows[i] * (double)rows[i];
        double length = sqrt(sum);
        for (size_t i = 0; i < width && length > 0; i++) rows[i] = (float)((double)rows[i] / length);
    }
}

/// Runs from instruction `first` on, `part` of the images where it is above 0; times, where they are asked for, count from there too.
/// Kernels read parameters and input only: the checks saw to it.
static curricle_status run_from(
    const encoder_state *s, uint32_t first, uint32_t part, void *arena, const void *input, float *output, uint64_t *nanoseconds) {
    curricle_execution execution = {.workspace = (char *)arena + s->arena_bytes, .threads = s->threads, .isa = s->isa,
        .parallel_for = s->parallel_for, .parallel_context = s->parallel_context, .part = (int32_t)part, .whole = (int32_t)s->shape.images,
        .nanoseconds = nanoseconds};
    execution.segments[CURRICLE_ARENA] = arena;
    execution.segments[CURRICLE_PARAMETERS] = (void *)(uintptr_t)s->parameters;
    execution.segments[CURRICLE_CONSTANTS] = (void *)(uintptr_t)s->constants;
    execution.segments[CURRICLE_FILE_SCALARS] = (void *)(uintptr_t)s->scalars;
    execution.segments[CURRICLE_FILE_PIXELS] = (void *)(uintptr_t)input;
    execution.segments[CURRICLE_RESULTS] = output;
    curricle_status status = curricle_execute(s->instructions + first, s->count - first, &execution);
    size_t rows = (size_t)(part > 0 ? part : s->shape.images) * s->shape.rows;
    if (status == CURRICLE_OK && s->normalize) normalize_rows(output, rows, s->shape.row_width);
    return status;
}

static size_t image_values(const encoder_state *s) { return (size_t)s->shape.height * s->shape.width * s->shape.channels; }
static size_t image_outputs(const encoder_state *s) { return (size_t)s->shape.rows * s->shape.row_width; }

typedef struct { const void *start; uint64_t bytes; } memory_range;
static int overlap(memory_range a, memory_range b) {
    uint64_t first = (uintptr_t)a.start, second = (uintptr_t)b.start;
    return a.bytes > 0 && b.bytes > 0 && (first < second ? second - first < a.bytes : first - second < b.bytes);
}

/// Whether a run of so many images, `value` bytes for each number of the input, can have these; without input, where that is 0.
static int takes(const encoder_state *s, const void *arena, const void *input, const float *output, uint64_t images, uint64_t value) {
    if (!arena || !output || (value > 0 && !input) || !is_aligned(arena, CURRICLE_ALIGNMENT) || !is_aligned(output, _Alignof(float))) return 0;
    const uint64_t most = SIZE_MAX / 4, in = image_values(s) * value, out = image_outputs(s) * sizeof *output;
    if ((in > 0 && images > most / in) || images > most / out) return 0;
    const memory_range range[] = {
        {arena, s->arena_bytes + aligned(s->workspace_bytes)}, {output, images * out}, {input, images * in}, {s->file, s->file_bytes}};
    for (int i = 0; i < 2; i++) // input and file are only read
        for (int j = i + 1; j < 4; j++)
            if (overlap(range[i], range[j])) return 0;
    return 1;
}

curricle_status curricle_run(const curricle_encoder *encoder, void *arena, const uint8_t *rgb8, float *output) {
    return curricle_run_timed(encoder, arena, rgb8, output, NULL);
}

curricle_status curricle_run_timed(
    const curricle_encoder *encoder, void *arena, const uint8_t *rgb8, float *output, uint64_t *nanoseconds) {
    encoder_state state;
    if (!read_state(&state, encoder) || !takes(&state, arena, rgb8, output, state.shape.images, 1)) return CURRICLE_BAD_ARGUMENT;
    return run_from(&state, 0, 0, arena, rgb8, output, nanoseconds);
}

curricle_status curricle_run_n(const curricle_encoder *encoder, void *arena, const uint8_t *rgb8, size_t count, float *output) {
    encoder_state state;
    if (!read_state(&state, encoder) || !takes(&state, arena, rgb8, output, count, 1)) return CURRICLE_BAD_ARGUMENT;
    if (count % state.shape.images != 0 && !state.is_divisible) return CURRICLE_BAD_INSTRUCTION;
    curricle_status status = CURRICLE_OK;
    for (size_t done = 0, here; done < count && status == CURRICLE_OK; done += here) {
        size_t left = count - done, part = left >= state.shape.images ? 0 : left < MOST_PART ? left : MOST_PART;
        here = part > 0 ? part : state.shape.images;
        status = run_from(
            &state, 0, (uint32_t)part, arena, rgb8 + done * image_values(&state), output + done * image_outputs(&state), NULL);
    }
    return status;
}

/// What makes some of an input's numbers, from number `first` on.
typedef void number_source(const void *context, size_t first, float *to, size_t count);

/// What the first instruction would make of bytes: rows of patches, put one behind the other in its place.
static void place_patches(const encoder_state *state, void *arena, number_source *numbers, const void *context) {
    curricle_shape s = state->shape;
    size_t segment = (size_t)s.patch * s.channels, pitch = (size_t)s.width * s.channels;
    float *patch = (float *)((char *)arena + state->patches);
    for (size_t row = 0; row < (size_t)s.images * s.height; row += s.patch)
        for (size_t column = 0; column < pitch; column += segment)
            for (size_t line = 0; line < s.patch; line++, patch += segment) numbers(context, (row + line) * pitch + column, patch, segment);
}

static void given_numbers(const void *pixels, size_t first, float *to, size_t count) {
    memcpy(to, (const float *)pixels + first, count * sizeof(float));
}

curricle_status curricle_run_float(const curricle_encoder *encoder, void *arena, const float *pixels, float *output) {
    encoder_state state;
    if (!read_state(&state, encoder) || !takes(&state, arena, pixels, output, state.shape.images, sizeof *pixels))
        return CURRICLE_BAD_ARGUMENT;
    place_patches(&state, arena, given_numbers, pixels);
    return run_from(&state, 1, 0, arena, pixels, output, NULL);
}

const char *curricle_label(const curricle_encoder *encoder, uint32_t index) {
    encoder_state state;
    if (!read_state(&state, encoder) || !state.labels || index >= state.shape.row_width) return NULL;
    const char *name = state.labels;
    while (index > 0) index -= *name++ == 0;
    return name;
}

const char *curricle_writer(const curricle_encoder *encoder) {
    encoder_state state;
    if (!read_state(&state, encoder)) return NULL;
    const char *writer = (const char *)state.file + offsetof(program_header, writer); // ended by a zero: the checks saw to it
    return *writer ? writer : NULL;
}

uint32_t curricle_checksum(const curricle_encoder *encoder) {
    encoder_state state;
    uint32_t checksum = 0;
    if (read_state(&state, encoder)) memcpy(&checksum, state.file + offsetof(program_header, checksum), sizeof checksum);
    return checksum;
}

uint32_t curricle_instruction_count(const curricle_encoder *encoder) {
    encoder_state state;
    return read_state(&state, encoder) ? state.count : 0;
}

const char *curricle_instruction_name(const curricle_encoder *encoder, uint32_t index) {
    encoder_state state;
    if (!read_state(&state, encoder) || index >= state.count) return NULL;
    return curricle_name_of((curricle_opcode)state.instructions[index].opcode);
}

/// The self-test's input: byte i is as good as any, and small to write down; scaled as the first instruction scales pixels.
typedef struct { const float *scale, *shift; size_t channels; } test_input;
static void test_numbers(const void *context, size_t first, float *to, size_t count) {
    const test_input *input = context;
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)((uint32_t)(first + i + 1) * 2654435761u >> 24);
        float scaled = (float)byte * input->scale[i % input->channels];
        to[i] = scaled + input->shift[i % input->channels];
    }
}

curricle_status curricle_self_test(const curricle_encoder *encoder, void *arena, float *output) {
    encoder_state state;
    if (!read_state(&state, encoder) || !takes(&state, arena, NULL, output, state.shape.images, 0)) return CURRICLE_BAD_ARGUMENT;
    patchify_places first = curricle_decode_patchify(&state.instructions[0]);
    if (!state.tested || !curricle_isa_fuses(state.isa) || operand_segment(first.scale_shift) != CURRICLE_FILE_SCALARS) return CURRICLE_UNTESTED;
    const float *scale = (const float *)(const void *)(state.scalars + operand_offset(first.scale_shift));
    const test_input input = {scale, scale + state.shape.channels, state.shape.channels};
    place_patches(&state, arena, test_numbers, &input);
    state.normalize = 0;
    curricle_status status = run_from(&state, 1, 0, arena, NULL, output, NULL);
    if (status != CURRICLE_OK) return status;
    size_t bytes = (size_t)state.shape.images * image_outputs(&state) * sizeof *output;
    return checksum_of((const uint8_t *)output, bytes) == state.test_checksum ? CURRICLE_OK : CURRICLE_OTHER_RESULT;
}

static const char *const texts[] = {
    [CURRICLE_OK] = "done",
    [CURRICLE_NONFINITE] = "a loss is not finite",
    [CURRICLE_BAD_PROGRAM] = "this library does not know one of the program's instructions",
    [CURRICLE_BAD_ARGUMENT] = "a pointer is null or misaligned, memory overlaps, or a number is out of its range",
    [CURRICLE_UNAVAILABLE_ISA] = "this CPU, or this build of the library, lacks the instruction set",
    [CURRICLE_NOT_A_PROGRAM] = "this is not a program file of curricle compile",
    [CURRICLE_OTHER_VERSION] = "the program file has a format version that this library does not read: compile it anew",
    [CURRICLE_WRONG_SIZE] = "the program file is cut short, or has bytes behind its end",
    [CURRICLE_WRONG_CHECKSUM] = "the program file's checksum is wrong: some of its bytes have changed",
    [CURRICLE_BAD_SECTION] = "a section of the program file lies outside of it, over another, or off its alignment",
    [CURRICLE_BAD_SHAPE] = "the program file's input, output or arena has a size that cannot be",
    [CURRICLE_BAD_INSTRUCTION] = "an instruction of the program file is not one of inference, or its sizes contradict each other",
    [CURRICLE_BAD_OPERAND] = "an operand of the program file lies outside its segment, off its alignment, or over another",
    [CURRICLE_OTHER_RESULT] = "this machine computes other numbers than the program's writer: its memory, compiler or floating point is at fault",
    [CURRICLE_UNTESTED] = "the program file holds no self-test, or this CPU has no fused multiply-adds, without which the last bits differ",
};
_Static_assert(sizeof texts / sizeof texts[0] == CURRICLE_STATUS_COUNT, "every status has its text");

const char *curricle_status_text(curricle_status status) {
    return (unsigned)status < CURRICLE_STATUS_COUNT ? texts[status] : "unknown status";
}

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor) TEXT_OF(major) "." TEXT_OF(minor)
const char *curricle_version(void) { return VERSION_TEXT(CURRICLE_VERSION_MAJOR, CURRICLE_VERSION_MINOR); }
