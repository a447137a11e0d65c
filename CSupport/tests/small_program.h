// A program file made by hand, by the words of docs/PROGRAM_FORMAT.md: an encoder with one block, with plain sizes and weights.
// Tests open it, run it, compare it with double loops, and break it in every way they can think of.
#ifndef SMALL_PROGRAM_H
#define SMALL_PROGRAM_H
#include "program_file.h"
#include <stdlib.h>
#include <string.h>

/// `precision`: what the block's products are made of, `keep`: how many patches are kept, those of the largest variance, or 0 for all; but
/// for float32 and all patches in a file of version 2.
typedef struct { int images, rows, columns, patch, channels, width, heads, hidden, pool, precision, keep; } small_sizes;
/// L: the patches that the block sees.
static int small_patches(small_sizes s) { return s.keep ? s.keep : s.rows * s.columns; }

typedef struct {
    small_sizes s;
    uint8_t *bytes; // 64-byte aligned
    size_t size;
    // As plain matrices, for the reference: [out, in], and vectors.
    float *embed, *embed_bias, *position, *token, *gamma1, *beta1, *qkv, *qkv_bias, *proj, *proj_bias, *fc1, *fc1_bias, *fc2, *fc2_bias,
        *scale_shift;
    curricle_instruction instructions[24];
    uint32_t count;
    uint8_t *parameters, *constants, *scalars;
    uint64_t parameter_bytes, constant_bytes, scalar_bytes, arena_bytes;
} small_program;

static uint64_t up_to(uint64_t bytes, uint64_t step) { return (bytes + step - 1) / step * step; }
/// Of the generator that a program's numbers are drawn from: equal sizes have equal weights.
static uint64_t small_state;
static float small_number(void) {
    small_state = small_state * 6364136223846793005u + 1442695040888963407u;
    return (float)(uint32_t)(small_state >> 32) / 4294967296.f - 0.5f;
}
static float *drawn_floats(int count) {
    float *x = malloc((size_t)count * sizeof *x);
    for (int i = 0; i < count; i++) x[i] = small_number();
    return x;
}

static inline void fill_pixels(uint8_t *pixels, size_t count) {
    for (size_t i = 0; i < count; i++) pixels[i] = (uint8_t)(i * 73 + i / 7);
}

/// Puts [rows, depth] into the parameters as panels of 16 rows, by sections; returns its operand.
static curricle_operand put_panels(small_program *p, const float *x, int rows, int depth, int section) {
    int panels = (section + 15) / 16;
    uint64_t at = p->parameter_bytes, bytes = up_to((uint64_t)(rows / section * panels * 16 * depth) * sizeof(float), 64);
    p->parameters = realloc(p->parameters, at + bytes);
    float *out = memset(p->parameters + at, 0, bytes);
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < depth; k++) {
            int within = i % section;
            out[((i / section * panels + within / 16) * depth + k) * 16 + within % 16] = x[i * depth + k];
        }
    p->parameter_bytes = at + bytes;
    return (curricle_operand)CURRICLE_PARAMETERS << 56 | at;
}
/// The same as int8, and the numbers that its bytes stand for back to x.
static curricle_operand put_int8(small_program *p, float *x, int rows, int depth, int section) {
    int panels = (section + 15) / 16, quads = (depth + 3) / 4, panel_bytes = quads * 64 + 128;
    uint64_t at = p->parameter_bytes, bytes = (uint64_t)(rows / section * panels * panel_bytes);
    p->parameters = realloc(p->parameters, at + bytes);
    memset(p->parameters + at, 0, bytes);
    for (int i = 0; i < rows; i++) {
        uint8_t *panel = p->parameters + at + (i / section * panels + i % section / 16) * panel_bytes;
        float most = 0;
        int32_t sum = 0;
        for (int k = 0; k < depth; k++) most = x[i * depth + k] > most ? x[i * depth + k] : -x[i * depth + k] > most ? -x[i * depth + k] : most;
        float scale = most / 127;
        for (int k = 0; k < depth; k++) {
            float level = x[i * depth + k] / scale;
            int8_t byte = (int8_t)(level < 0 ? level - 0.5f : level + 0.5f);
            panel[k / 4 * 64 + i % section % 16 * 4 + k % 4] = (uint8_t)byte;
            x[i * depth + k] = (float)byte * scale;
            sum += byte;
        }
        memcpy(panel + quads * 64 + i % section % 16 * 4, &scale, 4);
        memcpy(panel + quads * 64 + 64 + i % section % 16 * 4, &sum, 4);
    }
    p->parameter_bytes = at + bytes;
    return (curricle_operand)CURRICLE_PARAMETERS << 56 | at;
}
/// To the nearest number of bf16.
static uint16_t small_half(float x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    return (uint16_t)((word + 0x7fff + (word >> 16 & 1)) >> 16);
}
static float small_rounded(float x) {
    uint32_t word = (uint32_t)small_half(x) << 16;
    memcpy(&x, &word, sizeof x);
    return x;
}
/// The same as bf16 in pairs, rounded in x too.
static curricle_operand put_bf16(small_program *p, float *x, int rows, int depth, int section) {
    int panels = (section + 15) / 16, pairs = (depth + 1) / 2;
    uint64_t at = p->parameter_bytes, bytes = up_to((uint64_t)(rows / section * panels * 16 * pairs) * 4, 64);
    p->parameters = realloc(p->parameters, at + bytes);
    uint16_t *out = memset(p->parameters + at, 0, bytes);
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < depth; k++) {
            int within = i % section, panel = i / section * panels + within / 16;
            out[((panel * pairs + k / 2) * 16 + within % 16) * 2 + k % 2] = small_half(x[i * depth + k]);
            x[i * depth + k] = small_rounded(x[i * depth + k]);
        }
    p->parameter_bytes = at + bytes;
    return (curricle_operand)CURRICLE_PARAMETERS << 56 | at;
}
static curricle_operand put_weight(small_program *p, float *x, int rows, int depth, int section) {
    switch (p->s.precision) {
    case CURRICLE_PRECISION_INT8: return put_int8(p, x, rows, depth, section);
    case CURRICLE_PRECISION_BF16: return put_bf16(p, x, rows, depth, section);
    default: return put_panels(p, x, rows, depth, section);
    }
}
static curricle_operand in_arena(small_program *p, int floats) {
    uint64_t at = p->arena_bytes;
    p->arena_bytes += up_to((uint64_t)floats * sizeof(float), 64);
    return (curricle_operand)CURRICLE_ARENA << 56 | at;
}
static void add(small_program *p, curricle_instruction instruction) { p->instructions[p->count++] = instruction; }
/// What stands between products of bf16 is bf16.
static uint32_t small_flag(const small_program *p, uint32_t flag) { return p->s.precision == CURRICLE_PRECISION_BF16 ? flag : 0; }
static void add_norm(
    small_program *p, curricle_operand y, curricle_operand x, curricle_operand gamma, curricle_operand beta, int rows, int width) {
    add(p, curricle_encode_layer_norm((layer_norm_places){
        .flags = small_flag(p, CURRICLE_Y_BF16), .normalized = CURRICLE_NO_OPERAND,
        .y = y, .statistics = CURRICLE_NO_OPERAND, .x = x, .gamma = gamma, .beta = beta, .rows = rows, .width = width, .epsilon = 1e-6f}));
}
/// y = gelu or not of x·Wᵀ + bias + residual, of one section where none is said.
static void add_linear(small_program *p, linear_places l) {
    l.derivative = l.multiplier = CURRICLE_NO_OPERAND;
    if (l.section == 0) l.section = l.columns;
    add(p, curricle_encode_linear(l));
}
/// The same of the block's weights: of int8, on rows that are made bytes first; of bf16 from and to what `halves` says.
static void add_product(small_program *p, linear_places l, uint32_t halves) {
    if (p->s.precision == CURRICLE_PRECISION_BF16) {
        add(p, curricle_encode_linear_bf16((linear_bf16_places){.flags = l.flags | halves | CURRICLE_WEIGHT_BF16, .y = l.y,
                   .derivative = CURRICLE_NO_OPERAND, .x = l.x, .weight = l.weight, .bias = l.bias, .residual = l.residual,
                   .multiplier = CURRICLE_NO_OPERAND, .rows = l.rows, .columns = l.columns, .depth = l.depth,
                   .section = l.section ? l.section : l.columns, .period = l.period}));
        return;
    }
    if (p->s.precision == CURRICLE_PRECISION_F32) {
        add_linear(p, l);
        return;
    }
    curricle_operand q = in_arena(p, l.rows * ((l.depth + 3) / 4 + 2));
    add(p, curricle_encode_quantize_rows((quantize_rows_places){.q = q, .x = l.x, .rows = l.rows, .width = l.depth}));
    add(p, curricle_encode_linear_int8((linear_int8_places){.flags = l.flags, .y = l.y, .x = q, .weight = l.weight, .bias = l.bias,
               .residual = l.residual, .rows = l.rows, .columns = l.columns, .depth = l.depth,
               .section = l.section ? l.section : l.columns, .period = l.period}));
}

/// Writes header and sections; the checksum is made anew. To be called again after a change of header or instructions.
static void seal(small_program *p) {
    program_header *h = (program_header *)p->bytes;
    h->checksum = checksum_of(p->bytes + CHECKSUM_START, p->size - CHECKSUM_START);
}
static void assemble(small_program *p) {
    small_sizes s = p->s;
    program_header h = {.magic = "CURRICL",
        .version = s.precision || s.keep ? 2 : 1,
        .precision = (uint32_t)s.precision,
        .header_bytes = 256,
        .pool = (uint32_t)s.pool,
        .images = (uint32_t)s.images,
        .height = (uint32_t)(s.rows * s.patch),
        .width = (uint32_t)(s.columns * s.patch),
        .channels = (uint32_t)s.channels,
        .rows = s.pool == CURRICLE_POOL_TOKENS ? (uint32_t)(s.rows * s.columns) : 1,
        .row_width = (uint32_t)(s.pool == CURRICLE_POOL_CLS_MEAN ? 2 * s.width : s.width),
        .instruction_count = p->count,
        .instruction_bytes = sizeof(curricle_instruction),
        .arena_bytes = p->arena_bytes};
    h.magic[7] = 'E';
    const void *contents[] = {p->instructions, p->scalars, p->constants, p->parameters};
    uint64_t bytes[] = {p->count * sizeof(curricle_instruction), p->scalar_bytes, p->constant_bytes, p->parameter_bytes}, end = sizeof h;
    program_section *section[] = {&h.instructions, &h.scalars, &h.constants, &h.parameters};
    for (int i = 0; i < 4; i++) {
        *section[i] = (program_section){up_to(end, 64), bytes[i]};
        end = section[i]->offset + bytes[i];
    }
    h.file_bytes = p->size = up_to(end, 64);
    p->bytes = aligned_alloc(64, p->size);
    memset(p->bytes, 0, p->size);
    memcpy(p->bytes, &h, sizeof h);
    for (int i = 0; i < 4; i++) memcpy(p->bytes + section[i]->offset, contents[i], bytes[i]);
    seal(p);
}

/// The class token, the mean of the patch tokens, or all of these, of tokens x [N, 1 + L, D].
static void add_pooling(small_program *p, curricle_pool pool, curricle_operand y, curricle_operand x) {
    int N = p->s.images, L = small_patches(p->s), D = p->s.width, is_class = pool == CURRICLE_POOL_CLS;
    if (pool == CURRICLE_POOL_MEAN)
        add(p, curricle_encode_mean_rows(
                   (mean_rows_places){.y = y, .x = x, .images = N, .rows = L, .width = D, .from_rows = L + 1, .first = 1}));
    else
        add(p, curricle_encode_select_rows((select_rows_places){.y = y,
                   .x = x,
                   .order = CURRICLE_NO_OPERAND,
                   .images = N,
                   .rows = is_class ? 1 : L,
                   .width = D,
                   .from_rows = L + 1,
                   .first = is_class ? 0 : 1}));
}

static small_program make_small_program(small_sizes s) {
    small_program p = {.s = s};
    small_state = 7;
    int N = s.images, L = s.rows * s.columns, T = small_patches(s) + 1, D = s.width, M = s.hidden, P = s.patch * s.patch * s.channels, K = D / s.heads;
    p.embed = drawn_floats(D * P), p.embed_bias = drawn_floats(D), p.position = drawn_floats(L * D), p.token = drawn_floats(D);
    p.gamma1 = drawn_floats(D), p.beta1 = drawn_floats(D), p.qkv = drawn_floats(3 * D * D), p.qkv_bias = drawn_floats(3 * D);
    p.proj = drawn_floats(D * D), p.proj_bias = drawn_floats(D), p.fc1 = drawn_floats(M * D), p.fc1_bias = drawn_floats(M);
    p.fc2 = drawn_floats(D * M), p.fc2_bias = drawn_floats(D), p.scale_shift = drawn_floats(2 * s.channels);
    for (int c = 0; c < s.channels; c++) p.scale_shift[c] = 1.f / (64 + 10 * (float)c);
    p.constant_bytes = up_to((uint64_t)(L * D) * 4, 64), p.constants = calloc(1, p.constant_bytes);
    memcpy(p.constants, p.position, (size_t)(L * D) * 4);
    p.scalar_bytes = 128 + (uint64_t)s.channels * 8, p.scalars = calloc(1, p.scalar_bytes);
    memcpy(p.scalars + 128, p.scale_shift, (size_t)s.channels * 8);

    curricle_operand embed = put_panels(&p, p.embed, D, P, D), embed_bias = put_panels(&p, p.embed_bias, D, 1, D),
                     token = put_panels(&p, p.token, D, 1, D);
    curricle_operand gamma = put_panels(&p, p.gamma1, D, 1, D), beta = put_panels(&p, p.beta1, D, 1, D);
    curricle_operand qkv = put_weight(&p, p.qkv, 3 * D, D, D), qkv_bias = put_panels(&p, p.qkv_bias, 3 * D, 1, D);
    curricle_operand proj = put_weight(&p, p.proj, D, D, D), proj_bias = put_panels(&p, p.proj_bias, D, 1, D);
    curricle_operand fc1 = put_weight(&p, p.fc1, M, D, M), fc1_bias = put_panels(&p, p.fc1_bias, M, 1, M);
    curricle_operand fc2 = put_weight(&p, p.fc2, D, M, D), fc2_bias = put_panels(&p, p.fc2_bias, D, 1, D);

    curricle_operand patches = in_arena(&p, N * L * P), tokens = in_arena(&p, N * L * D), x = in_arena(&p, N * T * D),
                     normal = in_arena(&p, N * T * D);
    curricle_operand three = in_arena(&p, N * T * 3 * D), attended = in_arena(&p, N * T * D), hidden = in_arena(&p, N * T * M),
                     out = in_arena(&p, N * T * D);
    const curricle_operand none = CURRICLE_NO_OPERAND, scale_shift = (curricle_operand)CURRICLE_FILE_SCALARS << 56 | 128;
    add(&p, curricle_encode_patchify((patchify_places){
        .patches = patches, .pixels = (curricle_operand)CURRICLE_FILE_PIXELS << 56, .scale_shift = scale_shift,
        .images = N, .rows = s.rows, .columns = s.columns, .patch = s.patch, .channels = s.channels}));
    add_linear(&p, (linear_places){.y = tokens,
                       .x = patches,
                       .weight = embed,
                       .bias = embed_bias,
                       .residual = (curricle_operand)CURRICLE_CONSTANTS << 56,
                       .rows = N * L,
                       .columns = D,
                       .depth = P,
                       .period = L});
    curricle_operand seen = tokens;
    if (s.keep) {
        curricle_operand scores = in_arena(&p, N * L);
        seen = in_arena(&p, N * s.keep * D);
        add(&p, curricle_encode_row_variance((row_variance_places){.y = scores, .x = patches, .rows = N * L, .width = P}));
        add(&p, curricle_encode_keep_rows((keep_rows_places){
            .y = seen, .x = tokens, .scores = scores, .images = N, .rows = s.keep, .width = D, .from_rows = L}));
    }
    add(&p, curricle_encode_prepend_row((prepend_row_places){.y = x, .x = seen, .token = token, .images = N, .rows = T - 1, .width = D}));
    add_norm(&p, normal, x, gamma, beta, N * T, D);
    add_product(&p, (linear_places){.y = three, .x = normal, .weight = qkv, .bias = qkv_bias, .residual = none,
                                   .rows = N * T, .columns = 3 * D, .depth = D, .section = D, .period = N * T},
        CURRICLE_X_BF16 | CURRICLE_Y_BF16);
    if (s.precision == CURRICLE_PRECISION_BF16)
        add(&p, curricle_encode_attention_bf16((attention_bf16_places){
            .flags = CURRICLE_Y_BF16, .y = attended, .logsumexp = none, .query = three, .key = three + (uint64_t)D * 2,
            .value = three + (uint64_t)(2 * D) * 2, .images = N, .queries = T, .tokens = T, .heads = s.heads, .head_width = K,
            .query_stride = 3 * D, .key_stride = 3 * D, .value_stride = 3 * D, .y_stride = D, .scale = 0.75f}));
    else
        add(&p, curricle_encode_attention((attention_places){
            .y = attended, .logsumexp = none, .query = three, .key = three + (uint64_t)D * 4, .value = three + (uint64_t)(2 * D) * 4,
            .images = N, .queries = T, .tokens = T, .heads = s.heads, .head_width = K,
            .query_stride = 3 * D, .key_stride = 3 * D, .value_stride = 3 * D, .y_stride = D, .scale = 0.75f}));
    add_product(&p, (linear_places){.y = x, .x = attended, .weight = proj, .bias = proj_bias, .residual = x, // in place
                                   .rows = N * T, .columns = D, .depth = D, .period = N * T}, CURRICLE_X_BF16);
    add_product(&p, (linear_places){.flags = CURRICLE_GELU, .y = hidden, .x = x, .weight = fc1, .bias = fc1_bias, .residual = none,
                                   .rows = N * T, .columns = M, .depth = D, .period = N * T}, CURRICLE_Y_BF16);
    add_product(&p, (linear_places){.y = out, .x = hidden, .weight = fc2, .bias = fc2_bias, .residual = x,
                                   .rows = N * T, .columns = D, .depth = M, .period = N * T}, CURRICLE_X_BF16);
    curricle_operand results = (curricle_operand)CURRICLE_RESULTS << 56;
    if (s.pool == CURRICLE_POOL_CLS_MEAN) {
        curricle_operand class_token = in_arena(&p, N * D), mean = in_arena(&p, N * D);
        add_pooling(&p, CURRICLE_POOL_CLS, class_token, out);
        add_pooling(&p, CURRICLE_POOL_MEAN, mean, out);
        add(&p, curricle_encode_concatenate(
                    (concatenate_places){.y = results, .a = class_token, .b = mean, .rows = N, .a_width = D, .b_width = D}));
    } else {
        add_pooling(&p, s.pool, results, out);
    }
    assemble(&p);
    return p;
}

static void free_small_program(small_program *p) {
    float *all[] = {p->embed, p->embed_bias, p->position, p->token, p->gamma1, p->beta1, p->qkv, p->qkv_bias, p->proj, p->proj_bias, p->fc1,
        p->fc1_bias, p->fc2, p->fc2_bias, p->scale_shift};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(p->parameters), free(p->constants), free(p->scalars), free(p->bytes);
}

#endif
