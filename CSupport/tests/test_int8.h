// Products of bytes: quantised rows and panels made here by plain loops, sums in 64 bits.
#include "test_kernels.h"

static int quads(int width) { return (width + 3) / 4 * 4; }
static int quantized_row(int width) { return quads(width) + 8; }
static int quantized_panel(int depth) { return quads(depth) * 16 + 128; }

// The formula of docs/PROGRAM_FORMAT.md in scalar float32, and what it is for: no number is off by more than half a step.
static void test_quantize_rows(int rows, int width, float scale, float offset) {
    tensor x = drawn(rows * width), q = empty((rows * quantized_row(width) + 3) / 4);
    for (int i = 0; i < x.count; i++) x.at[i] = x.at[i] * scale + offset;
    RUN(quantize_rows, .q = &q, .x = &x, .rows = rows, .width = width);
    for (int i = 0; i < rows; i++) {
        const uint8_t *row = (const uint8_t *)q.at + i * quantized_row(width);
        const float *values = x.at + i * width;
        float lo = 0, hi = 0, step;
        int32_t zero;
        for (int k = 0; k < width; k++) lo = fminf(lo, values[k]), hi = fmaxf(hi, values[k]);
        float range = hi - lo, inverse = range > 1e-30f ? 255 / range : 0;
        memcpy(&step, row + quads(width), 4);
        memcpy(&zero, row + quads(width) + 4, 4);
        expect("quantize_rows' scale", step, range / 255, 0);
        expect("quantize_rows' zero", zero, rintf(-lo * inverse), 0);
        for (int k = 0; k < width; k++) {
            float level = rintf(values[k] * inverse) + (float)zero;
            expect("quantize_rows", row[k], fminf(fmaxf(level, 0), 255), 0);
            double half = range > 1e-30f ? 0.5001 * step + 1e-6 * fabsf(values[k]) : 1e-30; // nothing is told apart below that
            expect("quantize_rows' value", ((double)row[k] - zero) * step, values[k], half);
        }
        for (int k = width; k < quads(width); k++) expect("quantize_rows' padding", row[k], 0, 0);
    }
    release(2, x, q);
}

/// Any bytes, or with `extreme` those that make the largest sums.
static void test_linear_int8(int rows, int columns, int depth, int flags, int extreme) {
    int panel_count = (columns + 15) / 16, gelu = flags & CURRICLE_GELU, with_bias = !extreme;
    tensor x = empty((rows * quantized_row(depth) + 3) / 4), w = empty(panel_count * quantized_panel(depth) / 4);
    tensor bias = drawn(columns), bias_panels = panels(bias, columns, 1), residual = drawn(rows * columns), y = empty(rows * columns),
           other = empty(rows * columns);
    memset(w.at, 0, (size_t)w.count * sizeof(float));
    uint8_t *bytes = (uint8_t *)x.at;
    int8_t *weight = (int8_t *)w.at;
    for (int i = 0; i < rows; i++) {
        uint8_t *row = bytes + i * quantized_row(depth);
        float scale = extreme ? 1 : (float)(1 + random_word() % 8) / 4096;
        int32_t zero = extreme ? 255 * (i % 2) : (int32_t)(random_word() % 256);
        for (int k = 0; k < quads(depth); k++) row[k] = k >= depth ? 0 : extreme ? 255 * ((i + 1) % 2) : (uint8_t)random_word();
        memcpy(row + quads(depth), &scale, 4);
        memcpy(row + quads(depth) + 4, &zero, 4);
    }
    for (int j = 0; j < columns; j++) {
        int8_t *panel = weight + j / 16 * quantized_panel(depth), *behind = panel + quads(depth) * 16;
        float scale = extreme ? 1 : (float)(1 + random_word() % 8) / 1024;
        int32_t sum = 0;
        for (int k = 0; k < depth; k++) {
            int8_t value = (int8_t)(extreme ? (j % 2 ? 127 : -127) : (int)(random_word() % 255) - 127);
            panel[(k / 4 * 16 + j % 16) * 4 + k % 4] = value;
            sum += value;
        }
        memcpy(behind + j % 16 * 4, &scale, 4);
        memcpy(behind + 64 + j % 16 * 4, &sum, 4);
    }
    for (int allowed = 0; allowed < 2; allowed++) {
        curricle_allow_dot(allowed);
        RUN(linear_int8, .flags = flags, .y = allowed ? &y : &other, .x = &x, .weight = &w, .bias = with_bias ? &bias_panels : NULL,
            .residual = with_bias ? &residual : NULL, .rows = rows, .columns = columns, .depth = depth, .section = columns,
            .period = rows);
    }
    expect("linear_int8's bits with and without an instruction of its own", memcmp(y.at, other.at, sizeof(float) * (size_t)y.count), 0, 0);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            const uint8_t *row = bytes + i * quantized_row(depth);
            const int8_t *panel = weight + j / 16 * quantized_panel(depth);
            float row_scale, column_scale;
            int32_t zero;
            memcpy(&row_scale, row + quads(depth), 4);
            memcpy(&zero, row + quads(depth) + 4, 4);
            memcpy(&column_scale, panel + quads(depth) * 16 + j % 16 * 4, 4);
            int64_t sum = 0;
            for (int k = 0; k < depth; k++) sum += (int64_t)(row[k] - zero) * panel[(k / 4 * 16 + j % 16) * 4 + k % 4];
            double value = (double)(float)sum * row_scale * column_scale;
            if (with_bias) value += bias.at[j] + residual.at[i * columns + j];
            if (gelu) value *= 0.5 * erfc(-value / sqrt(2));
            expect("linear_int8", y.at[i * columns + j], value, extreme ? 0 : 2e-6);
        }
    release(7, x, w, bias, bias_panels, residual, y, other);
}

static void test_int8(void) {
    static const int sizes[][3] = {{1, 1, 1}, {15, 17, 16}, {7, 33, 37}, {97, 20, 5}, {13, 48, 300}, {260, 17, 19}, {25, 40, 1024}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        test_quantize_rows(sizes[i][0], sizes[i][2], i % 3 ? 1 : 1e6f, i % 2 ? 0.25f : 3);
        test_linear_int8(sizes[i][0], sizes[i][1], sizes[i][2], i % 2 ? CURRICLE_GELU : 0, 0);
    }
    test_quantize_rows(2, 33, 0, 0);
    test_quantize_rows(3, 18, 1e-33f, 0);
    test_linear_int8(3, 18, CURRICLE_INT8_DEPTH, 0, 1);
    test_linear_int8(14, 2, 4095, 0, 1);
}
