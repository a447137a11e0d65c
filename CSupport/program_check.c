// What makes a program safe to run. The kernels trust their instructions; so every operand's extent, which the registry derives from its
// opcode and sizes, is held here against the segment it lies in, once, when a file is opened or a program made ready.
#include "program_file.h"

/// Larger than any segment: what products of sizes come to rest at.
static const uint64_t too_much = UINT64_C(1) << 60;
static const uint32_t most_side = 16384, most_channels = 256, most_images = 1 << 20;

static uint64_t times(uint64_t a, uint64_t b) { return b != 0 && a > too_much / b ? too_much : a * b; }
/// The most bytes that arena, input or output may have: a sum of a few is still a size.
static uint64_t most_bytes(void) { return SIZE_MAX / 8 < UINT64_C(1) << 46 ? SIZE_MAX / 8 : UINT64_C(1) << 46; }

static int is_multiple(uint64_t offset, uint64_t alignment) { return offset % alignment == 0; }

/// Sections come in order, aligned, one behind the other, within the file.
static int check_sections(const program_header *h) {
    const program_section *section[] = {&h->instructions, &h->scalars, &h->constants, &h->parameters};
    uint64_t end = sizeof *h;
    for (int i = 0; i < 4; i++) {
        if (!is_multiple(section[i]->offset, PROGRAM_ALIGNMENT) || section[i]->offset < end || section[i]->offset > h->file_bytes) return 0;
        if (section[i]->bytes > h->file_bytes - section[i]->offset) return 0;
        end = section[i]->offset + section[i]->bytes;
    }
    return h->instructions.bytes == (uint64_t)h->instruction_count * h->instruction_bytes;
}

/// As many names as a row has numbers, each ended by a zero, and nothing else; behind the parameters.
static int check_labels(const program_header *h, const uint8_t *bytes) {
    if (h->labels.bytes == 0) return h->labels.offset == 0;
    uint64_t end = h->parameters.offset + h->parameters.bytes;
    if (!is_multiple(h->labels.offset, PROGRAM_ALIGNMENT) || h->labels.offset < end || h->labels.offset > h->file_bytes) return 0;
    if (h->labels.bytes > h->file_bytes - h->labels.offset || h->rows != 1) return 0;
    const uint8_t *names = bytes + h->labels.offset;
    uint64_t count = 0;
    for (uint64_t i = 0; i < h->labels.bytes; i++) count += names[i] == 0;
    return names[h->labels.bytes - 1] == 0 && count == h->row_width;
}

static uint64_t input_bytes(const program_header *h) { return times(times(h->images, h->height), times(h->width, h->channels)); }
static uint64_t output_bytes(const program_header *h) { return times(times(h->images, h->rows), times(h->row_width, sizeof(float))); }

static int check_shapes(const program_header *h) {
    if (h->images < 1 || h->images > most_images || h->channels < 1 || h->channels > most_channels) return 0;
    if (h->height < 1 || h->height > most_side || h->width < 1 || h->width > most_side) return 0;
    if (h->pool > CURRICLE_POOL_PROBABILITIES || h->rows < 1 || h->row_width < 1) return 0;
    return times(input_bytes(h), sizeof(float)) <= most_bytes() && output_bytes(h) <= most_bytes() && h->arena_bytes <= most_bytes();
}

INTERNAL curricle_status check_header(program_header *header, const uint8_t *bytes, size_t size) {
    if (size < sizeof header->magic || memcmp(bytes, "CURRICLE", sizeof header->magic)) return CURRICLE_NOT_A_PROGRAM;
    if (size < sizeof *header) return CURRICLE_WRONG_SIZE;
    memcpy(header, bytes, sizeof *header);
    if (header->version < 1 || header->version > CURRICLE_FORMAT_VERSION) return CURRICLE_OTHER_VERSION;
    if (header->file_bytes != size) return CURRICLE_WRONG_SIZE;
    if (header->header_bytes != sizeof *header || header->instruction_bytes != sizeof(curricle_instruction)) return CURRICLE_BAD_SECTION;
    size_t known = header->version == 1 ? offsetof(program_header, precision) : offsetof(program_header, reserved);
    for (size_t i = known; i < sizeof *header; i++)
        if (bytes[i] != 0) return CURRICLE_BAD_SECTION;
    if (header->precision > CURRICLE_PRECISION_INT8 || header->writer[sizeof header->writer - 1] != 0) return CURRICLE_BAD_SECTION;
    if (header->version == 1 && header->pool > CURRICLE_POOL_CLS_MEAN) return CURRICLE_BAD_SHAPE;
    if (!check_sections(header) || !check_labels(header, bytes) || header->tested > 1) return CURRICLE_BAD_SECTION;
    return check_shapes(header) ? CURRICLE_OK : CURRICLE_BAD_SHAPE;
}

// MARK: Instructions

static int is_given(curricle_operand operand) { return operand != CURRICLE_NO_OPERAND; }

/// An operand is there unless it may be absent, aligned, and wholly inside its segment; an opcode has no more than its own.
static int check_operand(curricle_operand operand, curricle_extent need, const uint64_t *segment_bytes) {
    if (!is_given(operand)) return need.bytes == 0 || need.is_optional;
    uint64_t offset = operand_offset(operand),
             held = operand_segment(operand) < CURRICLE_SEGMENTS ? segment_bytes[operand_segment(operand)] : 0;
    return need.bytes > 0 && is_multiple(offset, curricle_element_bytes(need.element)) && offset <= held &&
           need.bytes <= (double)(held - offset);
}

/// What is written lies over nothing that is read, but for operands in whose very place the registry lets it stand.
static int check_overlaps(const curricle_instruction *i, const curricle_demand *d) {
    for (int out = 0; out < d->operands; out++) {
        if (!d->operand[out].is_written || !is_given(i->operand[out])) continue;
        double start = (double)operand_offset(i->operand[out]), end = start + d->operand[out].bytes;
        for (int in = 0; in < d->operands; in++) {
            if (in == out || d->operand[in].is_written || !is_given(i->operand[in])) continue;
            if (operand_segment(i->operand[in]) != operand_segment(i->operand[out])) continue;
            double from = (double)operand_offset(i->operand[in]), to = from + d->operand[in].bytes;
            int in_place = 0;
            for (int pair = 0; pair < d->replacements; pair++)
                in_place |= d->replaces[pair].output == out && d->replaces[pair].input == in && from == start && to == end;
            if (from < end && start < to && !in_place) return 0;
        }
    }
    return 1;
}

static curricle_status check_instruction(const curricle_instruction *i, const curricle_demand *d, const uint64_t *segment_bytes) {
    if (!d->is_sound) return CURRICLE_BAD_INSTRUCTION;
    for (int slot = 0; slot < CURRICLE_OPERANDS; slot++)
        if (!check_operand(i->operand[slot], d->operand[slot], segment_bytes)) return CURRICLE_BAD_OPERAND;
    return check_overlaps(i, d) ? CURRICLE_OK : CURRICLE_BAD_OPERAND;
}

curricle_status curricle_check(
    const curricle_instruction *instructions, uint32_t count, const uint64_t segment_bytes[CURRICLE_SEGMENTS], uint32_t *at) {
    for (*at = 0; *at < count; ++*at) {
        curricle_demand d = curricle_demand_of(&instructions[*at]);
        curricle_status status = check_instruction(&instructions[*at], &d, segment_bytes);
        if (status != CURRICLE_OK) return status;
    }
    return CURRICLE_OK;
}

// MARK: What is asked of a file besides

/// Whether an opcode is one of inference.
static int is_inference(uint32_t opcode) {
    switch (opcode) {
#define TRAINING_KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch)
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) case curricle_opcode_##name: return 1;
#include "instructions/registry.inc"
    default: return 0;
    }
}

/// Kernels and flags that files of version 1 do not have.
static int is_of_version_2(const curricle_instruction *i) {
    return i->opcode >= curricle_opcode_quantize_rows || (i->flags & ~(uint32_t)CURRICLE_GELU) != 0;
}

/// One output, the first operand, into arena or results; pixels from the input alone, and no number that names a row from anywhere.
/// The format's `linear` has no multiplier: it is training's.
static int check_segments(const curricle_instruction *i, const curricle_demand *d) {
    if (i->opcode == curricle_opcode_linear && is_given(curricle_decode_linear(i).multiplier)) return 0;
    for (int slot = 0; slot < d->operands; slot++) {
        if (!is_given(i->operand[slot])) continue;
        unsigned segment = operand_segment(i->operand[slot]);
        curricle_extent need = d->operand[slot];
        if (need.element == curricle_element_i32 || need.is_written != (slot == 0)) return 0;
        int are_pixels = need.element == curricle_element_u8 && i->opcode == curricle_opcode_patchify;
        int allowed = need.is_written ? segment == CURRICLE_ARENA || segment == CURRICLE_RESULTS
                      : are_pixels    ? segment == CURRICLE_FILE_PIXELS
                                      : segment != CURRICLE_FILE_PIXELS && segment != CURRICLE_RESULTS;
        if (!allowed) return 0;
    }
    return 1;
}

/// The first instruction makes patches of the whole input, in one piece; no other reads the input.
static int check_first(const program_header *h, const curricle_instruction *i) {
    curricle_demand d = curricle_demand_of(i);
    if (i->opcode != curricle_opcode_patchify || !d.is_sound) return 0;
    patchify_places p = curricle_decode_patchify(i);
    if (p.patch > (int32_t)most_side || p.channels > (int32_t)most_channels) return 0;
    if ((uint32_t)p.images != h->images || (uint32_t)p.channels != h->channels || operand_offset(p.pixels) != 0) return 0;
    if ((uint64_t)p.rows * (uint64_t)p.patch != h->height || (uint64_t)p.columns * (uint64_t)p.patch != h->width) return 0;
    if (operand_segment(p.patches) != CURRICLE_ARENA) return 0;
    return h->rows == (h->pool == CURRICLE_POOL_TOKENS ? (uint32_t)p.rows * (uint32_t)p.columns : 1);
}

/// The last instruction writes all results, as float32, and no other one any: what is handed back was computed.
static int check_results(const program_header *h, const curricle_instruction *i, const curricle_demand *d, int is_last) {
    if (operand_segment(i->operand[0]) != CURRICLE_RESULTS) return !is_last;
    return is_last && operand_offset(i->operand[0]) == 0 && d->operand[0].element == curricle_element_f32 &&
           d->operand[0].bytes == (double)output_bytes(h);
}

INTERNAL curricle_status check_instructions(const program_header *h, const curricle_instruction *instructions, double *flops) {
    const uint64_t segment_bytes[CURRICLE_SEGMENTS] = {
        [CURRICLE_ARENA] = h->arena_bytes, [CURRICLE_PARAMETERS] = h->parameters.bytes, [CURRICLE_CONSTANTS] = h->constants.bytes,
        [CURRICLE_FILE_PIXELS] = input_bytes(h), [CURRICLE_FILE_SCALARS] = h->scalars.bytes, [CURRICLE_RESULTS] = output_bytes(h),
    };
    *flops = 0;
    if (h->instruction_count < 1 || !check_first(h, &instructions[0])) return CURRICLE_BAD_SHAPE;
    for (uint32_t n = 0; n < h->instruction_count; n++) {
        const curricle_instruction *i = &instructions[n];
        if (!is_inference(i->opcode) || (i->opcode == curricle_opcode_patchify && n > 0)) return CURRICLE_BAD_INSTRUCTION;
        if (h->version < 2 && is_of_version_2(i)) return CURRICLE_BAD_INSTRUCTION;
        curricle_demand d = curricle_demand_of(i);
        curricle_status status = check_instruction(i, &d, segment_bytes);
        if (status != CURRICLE_OK) return status;
        if (!check_segments(i, &d) || !check_results(h, i, &d, n + 1 == h->instruction_count)) return CURRICLE_BAD_OPERAND;
        *flops += d.flops;
    }
    return CURRICLE_OK;
}
