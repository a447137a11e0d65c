// What makes a program file safe to run. The kernels trust their instructions; so every operand's extent, which its opcode and
// sizes decide, is held here against the segment it lies in, once, when the file is opened.
#include "dispatch.h"
#include "program_file.h"
#include <string.h>

/// Larger than any segment: what products of sizes come to rest at.
static const uint64_t too_much = UINT64_C(1) << 60;
static const int32_t most_size = 1 << 28; // of one size of an instruction
static const uint32_t most_side = 16384, most_channels = 256, most_images = 1 << 20;

static uint64_t times(uint64_t a, uint64_t b) { return b != 0 && a > too_much / b ? too_much : a * b; }
static uint64_t up_to_16(uint64_t count) { return (count + 15) & ~UINT64_C(15); }
/// The most bytes that arena, input or output may have: a sum of a few is still a size.
static uint64_t most_bytes(void) { return SIZE_MAX / 8 < UINT64_C(1) << 46 ? SIZE_MAX / 8 : UINT64_C(1) << 46; }

static int is_aligned(uint64_t offset, uint64_t alignment) { return offset % alignment == 0; }

/// Sections come in order, aligned, one behind the other, within the file.
static int check_sections(const program_header *h) {
    const program_section *section[] = {&h->instructions, &h->scalars, &h->constants, &h->parameters};
    uint64_t end = sizeof *h;
    for (int i = 0; i < 4; i++) {
        if (!is_aligned(section[i]->offset, PROGRAM_ALIGNMENT) || section[i]->offset < end || section[i]->offset > h->file_bytes) return 0;
        if (section[i]->bytes > h->file_bytes - section[i]->offset) return 0;
        end = section[i]->offset + section[i]->bytes;
    }
    return h->instructions.bytes == (uint64_t)h->instruction_count * h->instruction_bytes;
}

static uint64_t input_bytes(const program_header *h) { return times(times(h->images, h->height), times(h->width, h->channels)); }
static uint64_t output_bytes(const program_header *h) { return times(times(h->images, h->rows), times(h->row_width, sizeof(float))); }

static int check_shapes(const program_header *h) {
    if (h->images < 1 || h->images > most_images || h->channels < 1 || h->channels > most_channels) return 0;
    if (h->height < 1 || h->height > most_side || h->width < 1 || h->width > most_side) return 0;
    if (h->pool > CURRICLE_POOL_CLS_MEAN || h->rows < 1 || h->row_width < 1) return 0;
    return times(input_bytes(h), sizeof(float)) <= most_bytes() && output_bytes(h) <= most_bytes() && h->arena_bytes <= most_bytes();
}

curricle_status check_header(program_header *header, const uint8_t *bytes, size_t size) {
    if (size < sizeof header->magic || memcmp(bytes, "CURRICLE", sizeof header->magic)) return CURRICLE_NOT_A_PROGRAM;
    if (size < sizeof *header) return CURRICLE_WRONG_SIZE;
    memcpy(header, bytes, sizeof *header);
    if (header->version != CURRICLE_FORMAT_VERSION) return CURRICLE_OTHER_VERSION;
    if (header->file_bytes != size) return CURRICLE_WRONG_SIZE;
    if (header->header_bytes != sizeof *header || header->instruction_bytes != sizeof(curricle_instruction)) return CURRICLE_BAD_SECTION;
    for (size_t i = 0; i < sizeof header->reserved; i++)
        if (header->reserved[i] != 0) return CURRICLE_BAD_SECTION;
    if (!check_sections(header)) return CURRICLE_BAD_SECTION;
    return check_shapes(header) ? CURRICLE_OK : CURRICLE_BAD_SHAPE;
}

// MARK: Instructions

/// What an instruction makes of an operand: how many bytes from there on; 0 where the operand must be absent.
typedef struct { uint64_t bytes; int is_pixels; } extent;
typedef struct {
    extent operand[CURRICLE_OPERANDS]; // 0 is written, the others are read
    uint32_t may_replace;              // bits of operands that the output may stand upon: element for element read before written
    uint64_t scratch_floats;           // of a thread, at most
    double flops;
} demand;

static void needs(demand *d, int slot, uint64_t floats) { d->operand[slot].bytes = times(floats, sizeof(float)); }
static int given(const curricle_instruction *i, int slot) { return i->operand[slot] != CURRICLE_NO_OPERAND; }

static int between(const int32_t *size, int count) {
    for (int i = 0; i < count; i++)
        if (size[i] < 1 || size[i] > most_size) return 0;
    return 1;
}

static int linear_demand(const curricle_instruction *i, demand *d) {
    const int32_t *s = i->size;
    if (!between(s, 5) || s[1] % s[3] != 0 || (i->flags & ~(uint32_t)CURRICLE_GELU)) return 0;
    uint64_t rows = (uint64_t)s[0], columns = (uint64_t)s[1], depth = (uint64_t)s[2];
    uint64_t stored = times(columns / (uint64_t)s[3], up_to_16((uint64_t)s[3]));
    needs(d, 0, times(rows, columns));
    needs(d, 2, times(rows, depth));
    needs(d, 3, times(stored, depth));
    if (given(i, 4)) needs(d, 4, stored);
    if (given(i, 5)) needs(d, 5, times((uint64_t)s[4], columns));
    if (depth <= LINEAR_CHUNK && s[4] == s[0]) d->may_replace = 1u << 5;
    d->scratch_floats = 1 << 18;
    d->flops = 2.0 * (double)rows * (double)columns * (double)depth;
    return 1;
}

static int attention_demand(const curricle_instruction *i, demand *d) {
    const int32_t *s = i->size;
    if (!between(s, 9)) return 0;
    uint64_t queries = times((uint64_t)s[0], (uint64_t)s[1]), tokens = times((uint64_t)s[0], (uint64_t)s[2]);
    uint64_t width = times((uint64_t)s[3], (uint64_t)s[4]);
    for (int stride = 5; stride < 9; stride++)
        if ((uint64_t)s[stride] < width) return 0;
    needs(d, 0, times(queries - 1, (uint64_t)s[8]) + width);
    for (int slot = 2; slot <= 4; slot++) needs(d, slot, times((slot == 2 ? queries : tokens) - 1, (uint64_t)s[slot + 3]) + width);
    uint64_t keys = (uint64_t)s[2] + 32, wide = (uint64_t)s[4] + 32; // padded to whole vectors, and one
    d->scratch_floats = times(2 * keys, wide) + 32 * keys + 64 * wide;
    d->flops = 4.0 * (double)queries * (double)s[2] * (double)width;
    return 1;
}

static int layer_norm_demand(const curricle_instruction *i, demand *d) {
    if (!between(i->size, 2)) return 0;
    uint64_t rows = (uint64_t)i->size[0], width = (uint64_t)i->size[1];
    needs(d, 0, times(rows, width));
    needs(d, 2, times(rows, width));
    needs(d, 3, up_to_16(width));
    needs(d, 4, up_to_16(width));
    return 1;
}

static int gelu_demand(const curricle_instruction *i, demand *d) {
    if (!between(i->size, 1)) return 0;
    needs(d, 0, (uint64_t)i->size[0]);
    needs(d, 2, (uint64_t)i->size[0]);
    d->may_replace = 1u << 2;
    return 1;
}

static int add_demand(const curricle_instruction *i, demand *d) {
    const int32_t *s = i->size;
    if (!between(s, 3)) return 0;
    needs(d, 0, times((uint64_t)s[0], (uint64_t)s[1]));
    needs(d, 1, times((uint64_t)s[0], (uint64_t)s[1]));
    needs(d, 2, times((uint64_t)s[2], (uint64_t)s[1]));
    d->may_replace = s[0] == s[2] ? 1u << 1 | 1u << 2 : 1u << 1;
    return 1;
}

static int select_rows_demand(const curricle_instruction *i, demand *d) {
    const int32_t *s = i->size;
    if (!between(s, 4) || s[4] < 0 || s[5] < 0 || s[7] < 0 || s[7] > 1) return 0;
    if ((int64_t)s[4] + s[5] + s[1] - s[7] > s[3]) return 0; // first + offset + rows, without the leading one
    needs(d, 0, times(times((uint64_t)s[0], (uint64_t)s[1]), (uint64_t)s[2]));
    needs(d, 1, times(times((uint64_t)s[0], (uint64_t)s[3]), (uint64_t)s[2]));
    return 1;
}

static int prepend_row_demand(const curricle_instruction *i, demand *d) {
    const int32_t *s = i->size;
    if (!between(s, 3)) return 0;
    needs(d, 0, times(times((uint64_t)s[0], (uint64_t)s[1] + 1), (uint64_t)s[2]));
    needs(d, 1, times(times((uint64_t)s[0], (uint64_t)s[1]), (uint64_t)s[2]));
    needs(d, 2, (uint64_t)s[2]);
    return 1;
}

static int concatenate_demand(const curricle_instruction *i, demand *d) {
    if (!between(i->size, 3)) return 0;
    uint64_t rows = (uint64_t)i->size[0], a = (uint64_t)i->size[1], b = (uint64_t)i->size[2];
    needs(d, 0, times(rows, a + b));
    needs(d, 1, times(rows, a));
    needs(d, 2, times(rows, b));
    return 1;
}

static int mean_rows_demand(const curricle_instruction *i, demand *d) {
    const int32_t *s = i->size;
    if (!between(s, 4) || s[4] < 0 || (int64_t)s[4] + s[1] > s[3]) return 0;
    needs(d, 0, times((uint64_t)s[0], (uint64_t)s[2]));
    needs(d, 1, times(times((uint64_t)s[0], (uint64_t)s[3]), (uint64_t)s[2]));
    return 1;
}

static int patchify_demand(const curricle_instruction *i, demand *d) {
    const int32_t *s = i->size;
    if (!between(s, 5) || s[3] > (int32_t)most_side || s[4] > (int32_t)most_channels) return 0;
    uint64_t segment = (uint64_t)s[3] * (uint64_t)s[4];
    uint64_t values = times(times((uint64_t)s[0], times((uint64_t)s[1], (uint64_t)s[2])), times((uint64_t)s[3], segment));
    needs(d, 0, values);
    d->operand[1] = (extent){values, 1};
    needs(d, 2, 2 * (uint64_t)s[4]);
    d->scratch_floats = 2 * up_to_16(segment);
    return 1;
}

/// What an instruction reads and writes; 0 where it is none of inference, or its sizes contradict each other.
static int demand_of(const curricle_instruction *i, demand *d) {
    *d = (demand){0};
    if (i->opcode != OPCODE_linear && i->flags != 0) return 0;
    switch (i->opcode) {
    case OPCODE_linear: return linear_demand(i, d);
    case OPCODE_attention: return attention_demand(i, d);
    case OPCODE_layer_norm: return layer_norm_demand(i, d);
    case OPCODE_gelu: return gelu_demand(i, d);
    case OPCODE_add: return add_demand(i, d);
    case OPCODE_select_rows: return select_rows_demand(i, d);
    case OPCODE_prepend_row: return prepend_row_demand(i, d);
    case OPCODE_mean_rows: return mean_rows_demand(i, d);
    case OPCODE_concatenate: return concatenate_demand(i, d);
    case OPCODE_patchify: return patchify_demand(i, d);
    default: return 0;
    }
}

static uint64_t segment_bytes(const program_header *h, unsigned segment) {
    switch (segment) {
    case SEGMENT_ARENA: return h->arena_bytes;
    case SEGMENT_PARAMETERS: return h->parameters.bytes;
    case SEGMENT_CONSTANTS: return h->constants.bytes;
    case SEGMENT_BATCH: return input_bytes(h);
    case SEGMENT_SCALARS: return h->scalars.bytes;
    case SEGMENT_RESULTS: return output_bytes(h);
    default: return 0;
    }
}

/// An operand is there just if it is needed, in a segment it may be in, aligned, and wholly inside.
static int check_operand(const program_header *h, const curricle_instruction *i, const demand *d, int slot) {
    extent need = d->operand[slot];
    if (!given(i, slot) || need.bytes == 0) return !given(i, slot) && need.bytes == 0;
    unsigned segment = (unsigned)(i->operand[slot] >> OFFSET_BITS);
    uint64_t offset = operand_offset(i->operand[slot]), held = segment_bytes(h, segment);
    int allowed = slot == 0 ? segment == SEGMENT_ARENA || segment == SEGMENT_RESULTS
        : need.is_pixels ? segment == SEGMENT_BATCH : segment != SEGMENT_BATCH && segment != SEGMENT_RESULTS;
    return allowed && (need.is_pixels || is_aligned(offset, sizeof(float))) && offset <= held && need.bytes <= held - offset;
}

/// What is written lies over nothing that is read, but for operands that the kernel may replace in place.
static int check_overlaps(const curricle_instruction *i, const demand *d) {
    uint64_t start = operand_offset(i->operand[0]), end = start + d->operand[0].bytes;
    for (int slot = 1; slot < CURRICLE_OPERANDS; slot++) {
        if (!given(i, slot) || i->operand[slot] >> OFFSET_BITS != i->operand[0] >> OFFSET_BITS) continue;
        uint64_t from = operand_offset(i->operand[slot]), to = from + d->operand[slot].bytes;
        int in_place = (d->may_replace >> slot & 1) && from == start && to == end;
        if (from < end && start < to && !in_place) return 0;
    }
    return 1;
}

/// The first instruction makes patches of the whole input, in one piece; no other reads the input.
static int check_first(const program_header *h, const curricle_instruction *i) {
    const int32_t *s = i->size;
    if (i->opcode != OPCODE_patchify || !between(s, 5) || s[3] > (int32_t)most_side) return 0;
    if ((uint32_t)s[0] != h->images || (uint32_t)s[4] != h->channels || operand_offset(i->operand[1]) != 0) return 0;
    if ((uint64_t)s[1] * (uint64_t)s[3] != h->height || (uint64_t)s[2] * (uint64_t)s[3] != h->width) return 0;
    if (i->operand[0] >> OFFSET_BITS != SEGMENT_ARENA) return 0;
    return h->rows == (h->pool == CURRICLE_POOL_TOKENS ? (uint32_t)s[1] * (uint32_t)s[2] : 1);
}

/// The last instruction writes all results, and no other one any: what is handed back was computed.
static int check_results(const program_header *h, const curricle_instruction *i, const demand *d, int is_last) {
    if (i->operand[0] >> OFFSET_BITS != SEGMENT_RESULTS) return !is_last;
    return is_last && operand_offset(i->operand[0]) == 0 && d->operand[0].bytes == output_bytes(h);
}

curricle_status check_instructions(const program_header *h, const curricle_instruction *instructions, int threads, double *flops) {
    uint64_t most_scratch = most_bytes() / sizeof(float) / (uint64_t)threads - 4096;
    *flops = 0;
    if (h->instruction_count < 1 || !check_first(h, &instructions[0])) return CURRICLE_BAD_SHAPE;
    for (uint32_t n = 0; n < h->instruction_count; n++) {
        const curricle_instruction *i = &instructions[n];
        demand d;
        if (!demand_of(i, &d) || d.scratch_floats > most_scratch || (i->opcode == OPCODE_patchify && n > 0)) return CURRICLE_BAD_INSTRUCTION;
        for (int slot = 0; slot < CURRICLE_OPERANDS; slot++)
            if (!check_operand(h, i, &d, slot)) return CURRICLE_BAD_OPERAND;
        if (!check_overlaps(i, &d)) return CURRICLE_BAD_OPERAND;
        if (!check_results(h, i, &d, n + 1 == h->instruction_count)) return CURRICLE_BAD_OPERAND;
        *flops += d.flops;
    }
    return CURRICLE_OK;
}
