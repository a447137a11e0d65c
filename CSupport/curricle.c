// The feature extractor's door: opens a program file where it lies and runs it.
#include "program_file.h"
#include "team.h"
#include <string.h>

/// What `curricle_encoder` holds.
typedef struct {
    uint64_t opened; // tells an opened encoder from storage that nobody filled
    const curricle_instruction *instructions;
    const uint8_t *scalars, *constants, *parameters;
    uint64_t patches; // where in the arena the first instruction puts them
    uint64_t arena_bytes;
    size_t workspace_bytes;
    double flops;
    uint32_t count;
    int32_t threads;
    curricle_isa isa;
    curricle_shape shape;
} encoder_state;

_Static_assert(sizeof(encoder_state) <= sizeof(curricle_encoder), "an encoder's state fits the caller's storage");
static const uint64_t opened_mark = UINT64_C(0x656C636972727563);

static int is_aligned(const void *pointer, uintptr_t alignment) { return (uintptr_t)pointer % alignment == 0; }

/// A copy: the caller's storage need not be aligned as the state is, and stays of one type to the compiler.
static int read_state(encoder_state *state, const curricle_encoder *encoder) {
    if (!encoder) return 0;
    memcpy(state, encoder, sizeof *state);
    return state->opened == opened_mark;
}

static curricle_status choose(const curricle_options *options, encoder_state *state) {
    curricle_options chosen = options ? *options : (curricle_options){.threads = 1, .isa = -1};
    if (chosen.threads < 1 || chosen.threads > 256 || chosen.isa < -1 || chosen.isa > CURRICLE_ISA_NEON) return CURRICLE_BAD_ARGUMENT;
    state->threads = team_most(chosen.threads);
    state->isa = chosen.isa < 0 ? curricle_isa_detect() : (curricle_isa)chosen.isa;
    return curricle_isa_available(state->isa) ? CURRICLE_OK : CURRICLE_UNAVAILABLE_ISA;
}

curricle_status curricle_open(curricle_encoder *encoder, const void *bytes, size_t size, const curricle_options *options) {
    if (!encoder) return CURRICLE_BAD_ARGUMENT;
    memset(encoder, 0, sizeof *encoder);
    if (!bytes || !is_aligned(bytes, PROGRAM_ALIGNMENT)) return CURRICLE_BAD_ARGUMENT;
    encoder_state state = {.opened = opened_mark};
    curricle_status status = choose(options, &state);
    if (status != CURRICLE_OK) return status;
    const uint8_t *file = bytes;
    program_header header;
    if ((status = check_header(&header, file, size)) != CURRICLE_OK) return status;
    int trusts = options && options->ignore_checksum;
    if (!trusts && checksum_of(file + CHECKSUM_START, size - CHECKSUM_START) != header.checksum) return CURRICLE_WRONG_CHECKSUM;
    state.instructions = (const curricle_instruction *)(file + header.instructions.offset);
    if ((status = check_instructions(&header, state.instructions, &state.flops)) != CURRICLE_OK) return status;

    state.count = header.instruction_count;
    state.scalars = file + header.scalars.offset;
    state.constants = file + header.constants.offset;
    state.parameters = file + header.parameters.offset;
    patchify_places first = curricle_decode_patchify(&state.instructions[0]);
    state.patches = operand_offset(first.patches);
    state.arena_bytes = aligned(header.arena_bytes);
    uint64_t workspace = curricle_workspace_bytes(state.instructions, state.count, state.threads, state.isa);
    if (workspace > SIZE_MAX / 4) return CURRICLE_BAD_INSTRUCTION;
    state.workspace_bytes = (size_t)workspace;
    state.shape = (curricle_shape){header.images, header.height, header.width, header.channels, (uint32_t)first.patch,
                                   header.pool, header.rows, header.row_width};
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
curricle_shape curricle_shape_of(const curricle_encoder *encoder) {
    encoder_state state;
    return read_state(&state, encoder) ? state.shape : (curricle_shape){0};
}
curricle_isa curricle_isa_of(const curricle_encoder *encoder) {
    encoder_state state;
    return read_state(&state, encoder) ? state.isa : CURRICLE_ISA_BASELINE;
}

/// Runs from instruction `first` on. Kernels read parameters and input only: the checks saw to it.
static curricle_status run_from(const encoder_state *state, uint32_t first, void *arena, const void *input, float *output) {
    curricle_execution execution = {.workspace = (char *)arena + state->arena_bytes, .threads = state->threads, .isa = state->isa};
    execution.segments[CURRICLE_ARENA] = arena;
    execution.segments[CURRICLE_PARAMETERS] = (void *)(uintptr_t)state->parameters;
    execution.segments[CURRICLE_CONSTANTS] = (void *)(uintptr_t)state->constants;
    execution.segments[CURRICLE_FILE_SCALARS] = (void *)(uintptr_t)state->scalars;
    execution.segments[CURRICLE_FILE_PIXELS] = (void *)(uintptr_t)input;
    execution.segments[CURRICLE_RESULTS] = output;
    return curricle_execute(state->instructions + first, state->count - first, &execution);
}

static int takes(const void *arena, const void *input, const float *output) {
    return arena && input && output && is_aligned(arena, CURRICLE_ALIGNMENT) && is_aligned(output, _Alignof(float));
}

curricle_status curricle_run(const curricle_encoder *encoder, void *arena, const uint8_t *rgb8, float *output) {
    encoder_state state;
    if (!read_state(&state, encoder) || !takes(arena, rgb8, output)) return CURRICLE_BAD_ARGUMENT;
    return run_from(&state, 0, arena, rgb8, output);
}

curricle_status curricle_run_float(const curricle_encoder *encoder, void *arena, const float *pixels, float *output) {
    encoder_state state;
    if (!read_state(&state, encoder) || !takes(arena, pixels, output)) return CURRICLE_BAD_ARGUMENT;
    // In the place of the first instruction: rows of patches, put one behind the other.
    curricle_shape s = state.shape;
    size_t segment = (size_t)s.patch * s.channels, pitch = (size_t)s.width * s.channels;
    float *patch = (float *)((char *)arena + state.patches);
    for (size_t row = 0; row < (size_t)s.images * s.height; row += s.patch)
        for (size_t column = 0; column < pitch; column += segment)
            for (size_t line = 0; line < s.patch; line++, patch += segment)
                memcpy(patch, pixels + (row + line) * pitch + column, segment * sizeof(float));
    return run_from(&state, 1, arena, pixels, output);
}

static const char *const texts[] = {
    [CURRICLE_OK] = "done",
    [CURRICLE_NONFINITE] = "a loss is not finite",
    [CURRICLE_BAD_PROGRAM] = "this library does not know one of the program's instructions",
    [CURRICLE_BAD_ARGUMENT] = "a pointer is null or misaligned, or a number is out of its range",
    [CURRICLE_UNAVAILABLE_ISA] = "this CPU, or this build of the library, lacks the instruction set",
    [CURRICLE_NOT_A_PROGRAM] = "this is not a program file of curricle compile",
    [CURRICLE_OTHER_VERSION] = "the program file has a format version that this library does not read: compile it anew",
    [CURRICLE_WRONG_SIZE] = "the program file is cut short, or has bytes behind its end",
    [CURRICLE_WRONG_CHECKSUM] = "the program file's checksum is wrong: some of its bytes have changed",
    [CURRICLE_BAD_SECTION] = "a section of the program file lies outside of it, over another, or off its alignment",
    [CURRICLE_BAD_SHAPE] = "the program file's input, output or arena has a size that cannot be",
    [CURRICLE_BAD_INSTRUCTION] = "an instruction of the program file is not one of inference, or its sizes contradict each other",
    [CURRICLE_BAD_OPERAND] = "an operand of the program file lies outside its segment, off its alignment, or over another",
};
_Static_assert(sizeof texts / sizeof texts[0] == CURRICLE_STATUS_COUNT, "every status has its text");

const char *curricle_status_text(curricle_status status) {
    return (unsigned)status < CURRICLE_STATUS_COUNT ? texts[status] : "unknown status";
}

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor) TEXT_OF(major) "." TEXT_OF(minor)
const char *curricle_version(void) { return VERSION_TEXT(CURRICLE_VERSION_MAJOR, CURRICLE_VERSION_MINOR); }
