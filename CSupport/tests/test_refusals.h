// What opening refuses, by its name: every field of a header and of instructions, other versions, overlaps. Part of test_encoder.c.

static small_program broken;
static curricle_status opened(void) {
    curricle_encoder encoder;
    return curricle_open(&encoder, broken.bytes, broken.size, NULL);
}
/// Changes one field of the file, makes the checksum anew, looks at what opening says, and puts the field back.
#define REFUSED(field, value, status) do { \
    __typeof__(field) held = field; \
    field = (__typeof__(field))(value); \
    seal(&broken); \
    expect_status(#field " = " #value, opened(), status); \
    field = held; \
    seal(&broken); \
} while (0)

/// The same with a field of one instruction, by its name; `p` holds all of them as they are.
#define REFUSED_FIELD(kernel, instruction, field, value, status) do { \
    curricle_instruction held = *(instruction); \
    kernel##_places p = curricle_decode_##kernel(instruction); \
    p.field = (__typeof__(p.field))(value); \
    *(instruction) = curricle_encode_##kernel(p); \
    seal(&broken); \
    expect_status(#instruction "." #field " = " #value, opened(), status); \
    *(instruction) = held; \
    seal(&broken); \
} while (0)

/// Options and shapes of other versions of the interface, and memory that overlaps.
static void test_versions_and_overlaps(small_sizes sizes) {
    small_program p = make_small_program(sizes);
    curricle_encoder encoder;
    // An older caller's options end earlier, whatever lies behind; a newer one's are longer, and zero where this library knows nothing.
    struct { curricle_options known; uint64_t later; } options = {
        {.size = offsetof(curricle_options, ignore_checksum), .ignore_checksum = 1}, 0};
    p.bytes[p.size - 70] ^= 1;
    expect_status("older options, with checksum", curricle_open(&encoder, p.bytes, p.size, &options.known), CURRICLE_WRONG_CHECKSUM);
    options.known.size = sizeof options;
    expect_status("newer options, without", curricle_open(&encoder, p.bytes, p.size, &options.known), CURRICLE_OK);
    p.bytes[p.size - 70] ^= 1;
    options.later = 1;
    expect_status("newer options that are meant", curricle_open(&encoder, p.bytes, p.size, &options.known), CURRICLE_BAD_ARGUMENT);
    options.known.size = 0;
    expect_status("options without a size", curricle_open(&encoder, p.bytes, p.size, &options.known), CURRICLE_BAD_ARGUMENT);
    expect_status("no options", curricle_open(&encoder, p.bytes, p.size, NULL), CURRICLE_OK);
    struct { curricle_shape known; uint32_t later[2]; } shape = {{.size = offsetof(curricle_shape, width), .width = 77}, {5, 6}};
    expect_status("an older shape", curricle_shape_of(&encoder, &shape.known), CURRICLE_OK);
    expect(shape.known.height == (uint32_t)(sizes.rows * sizes.patch) && shape.known.width == 77, "an older shape", shape.known.width, 77);
    shape.known.size = sizeof shape;
    expect_status("a newer shape", curricle_shape_of(&encoder, &shape.known), CURRICLE_OK);
    expect(shape.known.size == sizeof shape && shape.later[0] == 0 && shape.later[1] == 0, "a newer shape", shape.later[0], 0);
    expect_status("no shape", curricle_shape_of(&encoder, NULL), CURRICLE_BAD_ARGUMENT);

    // One block: arena, output, input, each just behind the other.
    curricle_shape s = shape.known;
    size_t arena = curricle_arena_bytes(&encoder), input = (size_t)s.images * s.height * s.width * s.channels,
           output = (size_t)s.images * s.rows * s.row_width * sizeof(float);
    uint8_t *all = block(arena + output + input + sizeof(float)), *behind = all + arena;
    expect_status("side by side", curricle_run(&encoder, all, behind + output, (float *)behind), CURRICLE_OK);
    expect_status("output over arena", curricle_run(&encoder, all, behind + output, (float *)(behind - 4)), CURRICLE_BAD_ARGUMENT);
    expect_status("input over output", curricle_run(&encoder, all, behind + output - 1, (float *)behind), CURRICLE_BAD_ARGUMENT);
    expect_status("input over arena", curricle_run(&encoder, all, behind - 1, (float *)(behind + input / 4 * 4)), CURRICLE_BAD_ARGUMENT);
    expect_status("input in the middle of the arena", curricle_run(&encoder, all, all + 64, (float *)behind), CURRICLE_BAD_ARGUMENT);
    expect_status("output over the file", curricle_run(&encoder, all, behind, (float *)(p.bytes + p.size - 4)), CURRICLE_BAD_ARGUMENT);
    expect_status("some images over output", curricle_run_n(&encoder, all, behind + output - 1, 1, (float *)behind),
        s.images == 1 ? CURRICLE_BAD_ARGUMENT : CURRICLE_OK);
    expect_status(
        "more images than memory", curricle_run_n(&encoder, all, behind + output, SIZE_MAX / 2, (float *)behind), CURRICLE_BAD_ARGUMENT);
    // An instruction for fewer rows than all images have: it can be run for all of them alone.
    small_program two = make_small_program((small_sizes){2, 2, 2, 2, 1, 4, 1, 4, CURRICLE_POOL_CLS, 0, 0});
    curricle_instruction *norm = (curricle_instruction *)(two.bytes + ((program_header *)two.bytes)->instructions.offset) + 3;
    norm->size[0]--;
    seal(&two);
    expect_status("a norm of fewer rows", curricle_open(&encoder, two.bytes, two.size, NULL), CURRICLE_OK);
    uint8_t *memory = block(curricle_arena_bytes(&encoder)), picture[3 * 16] = {0};
    float features[3 * 4];
    expect_status("all of its images", curricle_run_n(&encoder, memory, picture, 2, features), CURRICLE_OK);
    expect_status("a part of its images", curricle_run_n(&encoder, memory, picture, 3, features), CURRICLE_BAD_INSTRUCTION);
    free(memory);
    free_small_program(&two);
    expect(curricle_threads_available() >= 1 && curricle_threads_available() <= 256, "threads", curricle_threads_available(), 1);
    free(all);
    free_small_program(&p);
}

static void test_header_refusals(small_sizes sizes) {
    broken = make_small_program(sizes);
    program_header *h = (program_header *)broken.bytes;
    curricle_encoder encoder;
    expect_status("the file as it is", opened(), CURRICLE_OK);
    expect_status("no encoder", curricle_open(NULL, broken.bytes, broken.size, NULL), CURRICLE_BAD_ARGUMENT);
    expect_status("no bytes", curricle_open(&encoder, NULL, broken.size, NULL), CURRICLE_BAD_ARGUMENT);
    expect_status("bytes off their alignment", curricle_open(&encoder, broken.bytes + 8, broken.size - 8, NULL), CURRICLE_BAD_ARGUMENT);
    expect_status("too many threads", curricle_open(&encoder, broken.bytes, broken.size, OPTIONS(.threads = 257)), CURRICLE_BAD_ARGUMENT);
    expect_status("an ISA that is not", curricle_open(&encoder, broken.bytes, broken.size, OPTIONS(.isa = 9)), CURRICLE_BAD_ARGUMENT);
#if defined(__x86_64__)
    expect_status("another CPU's ISA", curricle_open(&encoder, broken.bytes, broken.size, OPTIONS(.isa = CURRICLE_ISA_NEON)),
        CURRICLE_UNAVAILABLE_ISA);
#endif
    expect_status(
        "an encoder that was not opened", curricle_run(&encoder, broken.bytes, broken.bytes, (float *)broken.bytes), CURRICLE_BAD_ARGUMENT);
    for (size_t size = 0; size < broken.size; size += size < 300 ? 1 : 61)
        expect_status(
            "a file cut short", curricle_open(&encoder, broken.bytes, size, NULL), size < 8 ? CURRICLE_NOT_A_PROGRAM : CURRICLE_WRONG_SIZE);
    broken.bytes[broken.size - 70] ^= 1;
    expect_status("a changed bit", opened(), CURRICLE_WRONG_CHECKSUM);
    expect_status("a changed bit, unseen", curricle_open(&encoder, broken.bytes, broken.size, OPTIONS(.ignore_checksum = 1)), CURRICLE_OK);
    broken.bytes[broken.size - 70] ^= 1;

    REFUSED(h->magic[0], 'X', CURRICLE_NOT_A_PROGRAM);
    REFUSED(h->version, 0, CURRICLE_OTHER_VERSION);
    REFUSED(h->version, 3, CURRICLE_OTHER_VERSION);
    REFUSED(h->precision, 2, CURRICLE_BAD_SECTION); // files of version 1 have zeros there
    REFUSED(h->file_bytes, h->file_bytes + 1, CURRICLE_WRONG_SIZE);
    REFUSED(h->header_bytes, 128, CURRICLE_BAD_SECTION);
    REFUSED(h->instruction_bytes, 144, CURRICLE_BAD_SECTION);
    REFUSED(h->reserved[sizeof h->reserved - 1], 1, CURRICLE_BAD_SECTION);
    REFUSED(h->instruction_count, h->instruction_count + 1, CURRICLE_BAD_SECTION);
    REFUSED(h->instructions.offset, 192, CURRICLE_BAD_SECTION);
    REFUSED(h->instructions.offset, 257, CURRICLE_BAD_SECTION);
    REFUSED(h->scalars.offset, h->instructions.offset, CURRICLE_BAD_SECTION);
    REFUSED(h->constants.bytes, UINT64_MAX, CURRICLE_BAD_SECTION);
    REFUSED(h->parameters.offset, UINT64_MAX - 63, CURRICLE_BAD_SECTION);
    REFUSED(h->parameters.bytes, h->parameters.bytes + 64, CURRICLE_BAD_SECTION);
    REFUSED(h->images, 0, CURRICLE_BAD_SHAPE);
    REFUSED(h->images, UINT32_MAX, CURRICLE_BAD_SHAPE);
    REFUSED(h->height, 65536, CURRICLE_BAD_SHAPE);
    REFUSED(h->height, h->height + 1, CURRICLE_BAD_SHAPE);
    REFUSED(h->channels, 257, CURRICLE_BAD_SHAPE);
    REFUSED(h->pool, 4, CURRICLE_BAD_SHAPE);
    REFUSED(h->rows, 2, CURRICLE_BAD_SHAPE);
    REFUSED(h->row_width, 0, CURRICLE_BAD_SHAPE);
    REFUSED(h->row_width, h->row_width - 1, CURRICLE_BAD_OPERAND); // the output would not hold what is written
    REFUSED(h->arena_bytes, UINT64_MAX, CURRICLE_BAD_SHAPE);
    REFUSED(h->arena_bytes, h->arena_bytes - 64, CURRICLE_BAD_OPERAND);
    REFUSED(h->parameters.bytes, h->parameters.bytes - 64, CURRICLE_BAD_OPERAND);
    REFUSED(h->scalars.bytes, h->scalars.bytes - 4, CURRICLE_BAD_OPERAND);
    expect_status("the file as it was", opened(), CURRICLE_OK);
    free_small_program(&broken);
}

static void test_instruction_refusals(small_sizes sizes) {
    broken = make_small_program(sizes);
    curricle_instruction *i = (curricle_instruction *)(broken.bytes + ((program_header *)broken.bytes)->instructions.offset);
    curricle_instruction *patchify = i, *embed = i + 1, *prepend = i + 2, *norm = i + 3, *qkv = i + 4, *attention = i + 5, *proj = i + 6,
                         *pool = i + 9;
    uint64_t far = UINT64_C(1) << 55, arena = 0, batch = (uint64_t)CURRICLE_FILE_PIXELS << 56, results = (uint64_t)CURRICLE_RESULTS << 56;
    REFUSED(patchify->opcode, curricle_opcode_gelu, CURRICLE_BAD_SHAPE);
    REFUSED_FIELD(patchify, patchify, patch, 0, CURRICLE_BAD_SHAPE);
    REFUSED_FIELD(patchify, patchify, pixels, batch | 1, CURRICLE_BAD_SHAPE);
    REFUSED_FIELD(patchify, patchify, scale_shift, batch, CURRICLE_BAD_OPERAND);
    REFUSED(norm->opcode, curricle_opcode_transpose_panels, CURRICLE_BAD_INSTRUCTION);
    REFUSED(norm->opcode, curricle_opcode_adamw, CURRICLE_BAD_INSTRUCTION);
    REFUSED(norm->opcode, UINT32_MAX, CURRICLE_BAD_INSTRUCTION);
    curricle_instruction held = *norm;
    *norm = *patchify; // only the first reads the input
    seal(&broken);
    expect_status("a second patchify", opened(), CURRICLE_BAD_INSTRUCTION);
    *norm = held;
    REFUSED(embed->flags, CURRICLE_ACCUMULATE, CURRICLE_BAD_INSTRUCTION);
    REFUSED(norm->flags, CURRICLE_GELU, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(linear, embed, rows, -1, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(linear, embed, rows, INT32_MAX, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(linear, embed, rows, 1 << 28, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, depth, p.depth + 1, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, section, 3, CURRICLE_BAD_INSTRUCTION);   // columns are not whole sections of 3
    REFUSED_FIELD(linear, embed, period, 0, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(linear, embed, period, 1 << 20, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, y, CURRICLE_NO_OPERAND, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, derivative, arena, CURRICLE_BAD_OPERAND);      // a derivative is for training
    REFUSED_FIELD(linear, embed, weight, CURRICLE_NO_OPERAND, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, multiplier, p.residual, CURRICLE_BAD_OPERAND);
    REFUSED(embed->operand[8], (uint64_t)200 << 56, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, y, (uint64_t)CURRICLE_PARAMETERS << 56, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, x, batch, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, x, results, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, x, (uint64_t)CURRICLE_FIRST_MOMENTS << 56, CURRICLE_BAD_OPERAND); // moments are for training
    REFUSED_FIELD(linear, embed, x, p.x + 2, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, x, far, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, embed, y, p.x + 64, CURRICLE_BAD_OPERAND); // over its own input
    REFUSED_FIELD(linear, proj, period, 1, CURRICLE_BAD_OPERAND);        // in place, but not row for row
    REFUSED_FIELD(prepend_row, prepend, y, p.x, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(prepend_row, prepend, rows, p.rows + 1, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(layer_norm, norm, y, p.x, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(layer_norm, norm, width, 1 << 20, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear, qkv, columns, p.section << 16, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(attention, attention, query_stride, p.query_stride - 1 > 0 ? 1 : 0, CURRICLE_BAD_INSTRUCTION); // rows would overlap
    REFUSED_FIELD(attention, attention, heads, 1 << 20, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(attention, attention, tokens, 1 << 20, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(attention, attention, value, p.value + 4, CURRICLE_OK); // reads another place, but within the arena
    REFUSED_FIELD(select_rows, pool, first, 1 << 20, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(select_rows, pool, first, -1, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(select_rows, pool, lead, 2, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(select_rows, pool, order, arena, CURRICLE_BAD_OPERAND); // an order would be followed
    REFUSED_FIELD(select_rows, pool, y, results | 4, CURRICLE_BAD_OPERAND);
    expect_status("the file as it was", opened(), CURRICLE_OK);
    free_small_program(&broken);
}

/// Version 1 of the format knows neither precisions nor their kernels.
static void expect_version_1_refused(program_header *h) {
    uint32_t precision = h->precision;
    h->precision = 0;
    REFUSED(h->version, 1, CURRICLE_BAD_INSTRUCTION);
    h->precision = precision;
    seal(&broken);
}

static void test_int8_refusals(small_sizes sizes) {
    broken = make_small_program(sizes);
    program_header *h = (program_header *)broken.bytes;
    curricle_instruction *i = (curricle_instruction *)(broken.bytes + h->instructions.offset), *rows = i + 4, *qkv = i + 5;
    expect_status("the file as it is", opened(), CURRICLE_OK);
    REFUSED(h->precision, 3, CURRICLE_BAD_SECTION);
    REFUSED(h->writer[23], 'x', CURRICLE_BAD_SECTION); // a text without an end
    REFUSED(h->reserved[0], 1, CURRICLE_BAD_SECTION);
    expect_version_1_refused(h);
    uint64_t pixels = (uint64_t)CURRICLE_FILE_PIXELS << 56;
    REFUSED_FIELD(quantize_rows, rows, width, 1 << 20, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(quantize_rows, rows, q, p.x, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(quantize_rows, rows, x, pixels, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear_int8, qkv, x, pixels, CURRICLE_BAD_OPERAND); // bytes, but none that were quantised
    REFUSED_FIELD(linear_int8, qkv, y, p.x, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear_int8, qkv, depth, p.depth + 256, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear_int8, qkv, depth, CURRICLE_INT8_DEPTH + 1, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(linear_int8, qkv, section, 3 * p.columns, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(linear_int8, qkv, weight, p.weight + ((uint64_t)1 << 40), CURRICLE_BAD_OPERAND);
    expect_status("the file as it was", opened(), CURRICLE_OK);
    free_small_program(&broken);
}

static void test_bf16_refusals(small_sizes sizes) {
    broken = make_small_program(sizes);
    program_header *h = (program_header *)broken.bytes;
    curricle_instruction *i = (curricle_instruction *)(broken.bytes + h->instructions.offset), *norm = i + 3, *qkv = i + 4, *attention = i + 5;
    expect_status("the file as it is", opened(), CURRICLE_OK);
    expect_version_1_refused(h);
    uint64_t pixels = (uint64_t)CURRICLE_FILE_PIXELS << 56;
    REFUSED_FIELD(layer_norm, norm, flags, CURRICLE_X_BF16, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(layer_norm, norm, normalized, p.y + 4096, CURRICLE_BAD_OPERAND); // training's
    REFUSED_FIELD(linear_bf16, qkv, flags, CURRICLE_ACCUMULATE, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(linear_bf16, qkv, x, pixels, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear_bf16, qkv, x, p.x + 1, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear_bf16, qkv, y, p.x, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear_bf16, qkv, depth, p.depth + 256, CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(linear_bf16, qkv, weight, p.weight + ((uint64_t)1 << 40), CURRICLE_BAD_OPERAND);
    REFUSED_FIELD(attention_bf16, attention, query_stride, p.head_width - 1, CURRICLE_BAD_INSTRUCTION);
    REFUSED_FIELD(attention_bf16, attention, key, p.key + (h->arena_bytes & ~(uint64_t)63), CURRICLE_BAD_OPERAND);
    curricle_instruction *last = i + h->instruction_count - 1; // a run hands back float32
    curricle_instruction held = *last;
    *last = curricle_encode_layer_norm((layer_norm_places){.flags = CURRICLE_Y_BF16, .y = (uint64_t)CURRICLE_RESULTS << 56,
        .statistics = CURRICLE_NO_OPERAND, .x = 0, .gamma = curricle_decode_layer_norm(norm).gamma, .beta = curricle_decode_layer_norm(norm).beta,
        .normalized = CURRICLE_NO_OPERAND, .rows = 2 * sizes.images, .width = sizes.width, .epsilon = 1e-6f});
    seal(&broken);
    expect_status("results of bf16", opened(), CURRICLE_BAD_OPERAND);
    *last = held;
    seal(&broken);
    expect_status("the file as it was", opened(), CURRICLE_OK);
    free_small_program(&broken);
}
