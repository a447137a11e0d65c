// The library's door: features of a hand-made program against double loops, every refusal by its name, nothing allocated.
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ // as gcc says it
#endif
#endif
#ifndef __SANITIZE_ADDRESS__
#include "count_allocations.h"
#define COUNTS_ALLOCATIONS
#endif
#include "small_program.h"
#include <math.h>
#include <stdio.h>

static int failures, comparisons;
static void expect(int holds, const char *what, double actual, double expected) {
    comparisons++;
    if (!holds && failures++ < 20) fprintf(stderr, "%s: %g, not %g\n", what, actual, expected);
}
static void expect_status(const char *what, curricle_status actual, curricle_status expected) {
    comparisons++;
    if (actual != expected && failures++ < 20)
        fprintf(stderr, "%s: \"%s\", not \"%s\"\n", what, curricle_status_text(actual), curricle_status_text(expected));
}

// MARK: Reference

/// y [rows, out] = x [rows, in]·wᵀ + b
static double *product(const double *x, const float *w, const float *b, int rows, int out, int in) {
    double *y = calloc((size_t)(rows * out), sizeof *y);
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < out; o++) {
            y[r * out + o] = b[o];
            for (int i = 0; i < in; i++) y[r * out + o] += x[r * in + i] * w[o * in + i];
        }
    return y;
}

/// The same of the block's weights: with int8, of what the rows' bytes stand for, with bf16 of rounded rows.
static double *block_product(const small_program *p, const double *x, const float *w, const float *b, int rows, int out, int in) {
    if (p->s.precision == CURRICLE_PRECISION_F32) return product(x, w, b, rows, out, in);
    double *near = calloc((size_t)(rows * in), sizeof *near);
    for (int i = 0; i < rows * in; i++) near[i] = small_rounded((float)x[i]);
    for (int r = 0; r < rows && p->s.precision == CURRICLE_PRECISION_INT8; r++) {
        double lo = 0, hi = 0;
        for (int i = 0; i < in; i++) lo = fmin(lo, x[r * in + i]), hi = fmax(hi, x[r * in + i]);
        double step = (hi - lo) / 255, zero = rint(-lo / step);
        for (int i = 0; i < in; i++) near[r * in + i] = (fmin(fmax(rint(x[r * in + i] / step) + zero, 0), 255) - zero) * step;
    }
    double *y = product(near, w, b, rows, out, in);
    free(near);
    return y;
}

static double variance(const double *x, int count) {
    double mean = 0, square = 0;
    for (int i = 0; i < count; i++) mean += x[i] / count;
    for (int i = 0; i < count; i++) square += (x[i] - mean) * (x[i] - mean) / count;
    return square;
}

/// Moves the tokens of the `keep` patches of the largest variance to the front, in their order.
static void keep_best(double *tokens, const double *patches, int keep, int count, int width, int values) {
    for (int l = 0, at = 0; l < count; l++) {
        int before = 0;
        for (int other = 0; other < count; other++) {
            double a = variance(patches + other * values, values), b = variance(patches + l * values, values);
            before += a > b || (a == b && other < l);
        }
        if (before < keep) memmove(tokens + at++ * width, tokens + l * width, (size_t)width * sizeof *tokens);
    }
}

/// The whole small encoder on one image's normalised pixels [H, W, C]; all rows [T, D] before pooling.
static double *encoded(const small_program *p, const double *pixels) {
    small_sizes s = p->s;
    int L = s.rows * s.columns, T = small_patches(s) + 1, D = s.width, M = s.hidden, segment = s.patch * s.channels, P = s.patch * segment,
        K = D / s.heads;
    double *patches = calloc((size_t)(L * P), sizeof *patches), *x = calloc((size_t)(T * D), sizeof *x),
           *normal = calloc((size_t)(T * D), sizeof *normal);
    for (int l = 0; l < L; l++)
        for (int i = 0; i < P; i++) {
            int row = l / s.columns * s.patch + i / segment, column = l % s.columns * segment + i % segment;
            patches[l * P + i] = pixels[row * s.columns * segment + column];
        }
    double *tokens = product(patches, p->embed, p->embed_bias, L, D, P);
    for (int i = 0; i < L * D; i++) tokens[i] += p->position[i];
    if (s.keep) keep_best(tokens, patches, s.keep, L, D, P);
    for (int i = 0; i < T * D; i++) x[i] = i < D ? p->token[i] : tokens[i - D];
    for (int t = 0; t < T; t++) {
        double mean = 0, square = 0;
        for (int d = 0; d < D; d++) mean += x[t * D + d] / D;
        for (int d = 0; d < D; d++) square += (x[t * D + d] - mean) * (x[t * D + d] - mean) / D;
        for (int d = 0; d < D; d++) normal[t * D + d] = (x[t * D + d] - mean) / sqrt(square + 1e-6) * p->gamma1[d] + p->beta1[d];
    }
    double *qkv = block_product(p, normal, p->qkv, p->qkv_bias, T, 3 * D, D), *attended = calloc((size_t)(T * D), sizeof *attended);
    for (int i = 0; i < 3 * T * D && p->s.precision == CURRICLE_PRECISION_BF16; i++) qkv[i] = small_rounded((float)qkv[i]);
    for (int h = 0; h < s.heads; h++)
        for (int q = 0; q < T; q++) {
            double *score = calloc((size_t)T, sizeof *score), most = -1e300, sum = 0;
            for (int t = 0; t < T; t++) {
                for (int k = 0; k < K; k++) score[t] += 0.75 * qkv[q * 3 * D + h * K + k] * qkv[t * 3 * D + D + h * K + k];
                most = fmax(most, score[t]);
            }
            for (int t = 0; t < T; t++) {
                double share = exp(score[t] - most), seen = p->s.precision == CURRICLE_PRECISION_BF16 ? small_rounded((float)share) : share;
                sum += share;
                for (int k = 0; k < K; k++) attended[q * D + h * K + k] += seen * qkv[t * 3 * D + 2 * D + h * K + k];
            }
            free(score);
            for (int k = 0; k < K; k++) attended[q * D + h * K + k] /= sum;
        }
    double *projected = block_product(p, attended, p->proj, p->proj_bias, T, D, D);
    for (int i = 0; i < T * D; i++) x[i] += projected[i];
    double *hidden = block_product(p, x, p->fc1, p->fc1_bias, T, M, D);
    for (int i = 0; i < T * M; i++) hidden[i] *= 0.5 * erfc(-hidden[i] / sqrt(2));
    double *out = block_product(p, hidden, p->fc2, p->fc2_bias, T, D, M);
    for (int i = 0; i < T * D; i++) out[i] += x[i];
    free(patches), free(x), free(normal), free(tokens), free(qkv), free(attended), free(projected), free(hidden);
    return out;
}

static double pooled(const small_program *p, const double *rows, int row, int d) {
    int L = small_patches(p->s), D = p->s.width;
    if (p->s.pool == CURRICLE_POOL_CLS || (p->s.pool == CURRICLE_POOL_CLS_MEAN && d < D)) return rows[d];
    d %= D;
    if (p->s.pool == CURRICLE_POOL_TOKENS) return rows[(1 + row) * D + d];
    double sum = 0;
    for (int l = 0; l < L; l++) sum += rows[(1 + l) * D + d] / L;
    return sum;
}

// MARK: Features

#define OPTIONS(...) &(curricle_options){.size = sizeof(curricle_options), __VA_ARGS__}

static void *block(size_t bytes) { return aligned_alloc(CURRICLE_ALIGNMENT, up_to(bytes, CURRICLE_ALIGNMENT)); }

static void test_features(small_sizes sizes, curricle_isa isa, int threads) {
    small_program p = make_small_program(sizes);
    curricle_encoder encoder;
    expect_status("opening", curricle_open(&encoder, p.bytes, p.size, OPTIONS(.threads = threads, .isa = (int32_t)isa)), CURRICLE_OK);
    curricle_shape shape = {.size = sizeof shape};
    expect_status("the shape", curricle_shape_of(&encoder, &shape), CURRICLE_OK);
    size_t pixels = (size_t)shape.images * shape.height * shape.width * shape.channels, each = pixels / shape.images;
    size_t outputs = (size_t)shape.images * shape.rows * shape.row_width;
    uint8_t *input = malloc(pixels);
    float *numbers = malloc(pixels * sizeof *numbers), *output = malloc(outputs * sizeof *output), *again = malloc(outputs * sizeof *again);
    double *exact = malloc(pixels * sizeof *exact);
    void *arena = block(curricle_arena_bytes(&encoder));
    for (size_t i = 0; i < pixels; i++) {
        input[i] = (uint8_t)(i * 73 + i / 7);
        size_t c = i % shape.channels;
        numbers[i] = (float)input[i] * p.scale_shift[c] + p.scale_shift[shape.channels + c];
        exact[i] = (double)input[i] * p.scale_shift[c] + p.scale_shift[shape.channels + c];
    }
    expect_status("a run", curricle_run(&encoder, arena, input, output), CURRICLE_OK);
    for (uint32_t n = 0; n < shape.images; n++) {
        double *rows = encoded(&p, exact + n * each);
        for (uint32_t i = 0; i < shape.rows * shape.row_width; i++) {
            double expected = pooled(&p, rows, (int)(i / shape.row_width), (int)(i % shape.row_width)),
                   actual = output[n * shape.rows * shape.row_width + i];
            // A number half way between two bytes, or two of bf16, may become either.
            expect(fabs(actual - expected) <= (sizes.precision ? 0.02 : 2e-5) * fmax(1, fabs(expected)), curricle_isa_name(isa), actual, expected);
        }
        free(rows);
    }
#ifdef COUNTS_ALLOCATIONS
    int before = atomic_load(&allocations);
#endif
    expect_status("a run from numbers", curricle_run_float(&encoder, arena, numbers, again), CURRICLE_OK);
    expect(!memcmp(output, again, outputs * sizeof *output), "bits from bytes and from numbers", 0, 0);
    memset(arena, 0xFF, curricle_arena_bytes(&encoder)); // what lay in the arena does not matter
    expect_status("another run", curricle_run(&encoder, arena, input, again), CURRICLE_OK);
    expect(!memcmp(output, again, outputs * sizeof *output), "bits of another run", 0, 0);
#ifdef COUNTS_ALLOCATIONS
    expect(atomic_load(&allocations) == before, "allocations of runs", atomic_load(&allocations) - before, 0);
#endif
    free(input), free(numbers), free(output), free(again), free(exact), free(arena);
    free_small_program(&p);
}

/// A pool of threads that has one: the bodies run one after another, the last first.
static void backwards(void *context, int32_t count, curricle_body *body, void *argument) {
    ++*(int *)context;
    for (int32_t i = count - 1; i >= 0; i--) body(argument, i);
}

/// Features of `images` pictures by every way there is to ask for them: the same bits.
static void test_ways(small_sizes sizes, curricle_isa isa) {
    small_program p = make_small_program(sizes);
    curricle_encoder encoder;
    curricle_shape s = {.size = sizeof s};
    expect_status("opening", curricle_open(&encoder, p.bytes, p.size, OPTIONS(.isa = (int32_t)isa)), CURRICLE_OK);
    curricle_shape_of(&encoder, &s);
    size_t images = 3 * s.images, input = (size_t)s.height * s.width * s.channels, output = (size_t)s.rows * s.row_width;
    uint8_t *pixels = malloc(images * input);
    float *expected = malloc(images * output * sizeof *expected), *actual = malloc((images * output + 1) * sizeof *actual);
    for (size_t i = 0; i < images * input; i++) pixels[i] = (uint8_t)(i * 73 + i / 7);
    void *arena = block(curricle_arena_bytes(&encoder));
    for (size_t batch = 0; batch < 3; batch++)
        curricle_run(&encoder, arena, pixels + batch * s.images * input, expected + batch * s.images * output);
    int calls = 0;
    const curricle_options ways[] = {{.threads = 1}, {.threads = 3}, {.threads = 5, .parallel_for = backwards, .parallel_context = &calls}};
    for (int way = 0; way < 3; way++) {
        curricle_options options = ways[way];
        options.size = sizeof options, options.isa = (int32_t)isa;
        expect_status("opening", curricle_open(&encoder, p.bytes, p.size, &options), CURRICLE_OK);
        void *own = block(curricle_arena_bytes(&encoder));
        for (size_t n = 0; n <= images; n++) {
            memset(own, 0xFF, curricle_arena_bytes(&encoder));
            memset(actual, 0x55, (images * output + 1) * sizeof *actual);
            expect_status("some images", curricle_run_n(&encoder, own, pixels, n, actual), CURRICLE_OK);
            expect(!memcmp(actual, expected, n * output * sizeof *actual), "bits of some images", (double)n, way);
            uint32_t behind;
            memcpy(&behind, actual + n * output, sizeof behind);
            expect(behind == 0x55555555, "what lies behind some images' features", behind, 0x55555555);
        }
        free(own);
    }
    expect(calls > 0, "calls of the caller's parallel_for", calls, 1);
    expect_status("opening", curricle_open(&encoder, p.bytes, p.size, OPTIONS(.isa = (int32_t)isa, .normalize = 1)), CURRICLE_OK);
    curricle_run_n(&encoder, arena, pixels, images, actual);
    for (size_t row = 0; row < images * s.rows; row++) {
        double sum = 0;
        for (size_t i = 0; i < s.row_width; i++) sum += (double)expected[row * s.row_width + i] * expected[row * s.row_width + i];
        for (size_t i = 0; i < s.row_width; i++)
            expect(fabs(actual[row * s.row_width + i] - expected[row * s.row_width + i] / sqrt(sum)) < 1e-7, "features of length 1",
                actual[row * s.row_width + i], expected[row * s.row_width + i] / sqrt(sum));
    }
    free(pixels), free(expected), free(actual), free(arena);
    free_small_program(&p);
}

// MARK: Refusals

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

#include "test_facts.h"

/// CRC-32C's published values (RFC 3720, B.4), by the instruction and by the tables' code alike.
static void test_checksum(void) {
    uint8_t zeros[32] = {0}, ones[32], rising[32];
    memset(ones, 0xFF, sizeof ones);
    for (int i = 0; i < 32; i++) rising[i] = (uint8_t)i;
    expect(checksum_of(zeros, 32) == 0x8A9136AA, "CRC-32C of zeros", checksum_of(zeros, 32), 0x8A9136AA);
    expect(checksum_of(ones, 32) == 0x62A8AB43, "CRC-32C of ones", checksum_of(ones, 32), 0x62A8AB43);
    expect(checksum_of(rising, 32) == 0x46DD794E, "CRC-32C of 0…31", checksum_of(rising, 32), 0x46DD794E);
    expect(checksum_of((const uint8_t *)"123456789", 9) == 0xE3069283, "CRC-32C of 123456789", checksum_of((const uint8_t *)"123456789", 9),
        0xE3069283);
}

static void test_crop_arguments(void) {
    uint8_t picture[4] = {1, 2, 3, 4}, out[4] = {0};
    uint64_t workspace[64];
    expect_status("a picture of the target's size", curricle_resize_crop(out, 2, 2, picture, 2, 2, 2, 1, workspace), CURRICLE_OK);
    expect(!memcmp(out, picture, 4), "a copy", out[0], 1);
    expect_status("no channels", curricle_resize_crop(out, 2, 2, picture, 2, 2, 2, 0, workspace), CURRICLE_BAD_ARGUMENT);
    expect_status("five channels", curricle_resize_crop(out, 2, 2, picture, 10, 2, 2, 5, workspace), CURRICLE_BAD_ARGUMENT);
    expect_status("a side of 0", curricle_resize_crop(out, 0, 2, picture, 2, 2, 2, 1, workspace), CURRICLE_BAD_ARGUMENT);
    expect_status("a stride below the width", curricle_resize_crop(out, 2, 2, picture, 1, 2, 2, 1, workspace), CURRICLE_BAD_ARGUMENT);
    expect(curricle_resize_crop_workspace(2, 2, 16385, 2, 1) == 0, "a side of 16385", 1, 0);
}

int main(void) {
    static const small_sizes sizes[] = {
        {1, 2, 2, 2, 1, 4, 1, 4, CURRICLE_POOL_CLS, 0, 0},
        {2, 3, 2, 4, 3, 20, 2, 36, CURRICLE_POOL_CLS, 0, 0},
        {1, 5, 4, 3, 4, 36, 4, 17, CURRICLE_POOL_MEAN, 0, 0},
        {3, 2, 3, 5, 2, 28, 7, 300, CURRICLE_POOL_TOKENS, 0, 0},
        {3, 2, 2, 4, 3, 20, 2, 36, CURRICLE_POOL_CLS_MEAN, 0, 0},
        {2, 3, 2, 4, 3, 20, 2, 36, CURRICLE_POOL_CLS, CURRICLE_PRECISION_INT8, 0},
        {1, 5, 4, 3, 4, 36, 4, 17, CURRICLE_POOL_MEAN, CURRICLE_PRECISION_INT8, 0},
        {3, 2, 3, 5, 2, 28, 7, 300, CURRICLE_POOL_TOKENS, CURRICLE_PRECISION_INT8, 0},
        {3, 4, 3, 4, 3, 20, 2, 36, CURRICLE_POOL_MEAN, 0, 5},
        {2, 3, 2, 4, 3, 20, 2, 36, CURRICLE_POOL_CLS_MEAN, CURRICLE_PRECISION_INT8, 1},
        {2, 3, 2, 4, 3, 20, 2, 36, CURRICLE_POOL_CLS, CURRICLE_PRECISION_BF16, 0},
        {1, 5, 4, 3, 4, 36, 4, 17, CURRICLE_POOL_MEAN, CURRICLE_PRECISION_BF16, 0},
        {3, 2, 3, 5, 2, 28, 7, 300, CURRICLE_POOL_TOKENS, CURRICLE_PRECISION_BF16, 0},
        {2, 1, 2, 2, 1, 5, 5, 7, CURRICLE_POOL_CLS_MEAN, CURRICLE_PRECISION_BF16, 1},
    };
    for (int isa = CURRICLE_ISA_BASELINE; isa <= CURRICLE_ISA_NEON; isa++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes && curricle_isa_available((curricle_isa)isa); i++)
            test_features(sizes[i], (curricle_isa)isa, 1), test_ways(sizes[i], (curricle_isa)isa);
    test_ways((small_sizes){40, 1, 1, 2, 1, 4, 1, 4, CURRICLE_POOL_CLS, 0, 0}, CURRICLE_ISA_BEST);
    test_versions_and_overlaps(sizes[0]);
    test_header_refusals(sizes[1]);
    test_instruction_refusals(sizes[1]);
    test_int8_refusals(sizes[5]);
    test_bf16_refusals(sizes[10]);
    test_labels(sizes[1]);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) test_self_test(sizes[i]), test_times(sizes[i]);
    test_writer(sizes[1]);
    test_checksum();
    test_crop_arguments();
    printf("%d comparisons, %d failures\n", comparisons, failures);
    return failures != 0;
}
