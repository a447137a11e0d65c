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
    fill_pixels(pixels, images * input);
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

#include "test_refusals.h"
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
