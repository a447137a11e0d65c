// The passes of Pillow's bicubic resampling, row by row: for whole pictures (resample.c) and for rows as they come (resize_rows.c).
#ifndef CURRICLE_RESAMPLE_PASSES_H
#define CURRICLE_RESAMPLE_PASSES_H
#include "curricle_resample.h"

#include <math.h>
#include <string.h>

enum { FRACTION_BITS = 22, HALF = 1 << (FRACTION_BITS - 1), ROW_LANES = 16 };

typedef int32_t row_sums __attribute__((vector_size(4 * ROW_LANES)));
typedef uint8_t row_bytes __attribute__((vector_size(ROW_LANES)));
typedef int32_t pixel __attribute__((vector_size(16)));
typedef uint8_t pixel_bytes __attribute__((vector_size(4)));

/// Which inputs each output position reads, and with what weights.
typedef struct {
    int32_t *first;    ///< [outputs]
    int32_t *count;    ///< [outputs]
    int32_t *weights;  ///< [outputs, stride]
    int32_t stride;
} taps;

static inline double scale_of(int32_t outputs, int32_t inputs) {
    return (double)inputs / outputs;
}

static inline double support_of(int32_t outputs, int32_t inputs) {
    double scale = scale_of(outputs, inputs);
    return 2.0 * (scale < 1.0 ? 1.0 : scale);  // enlarging interpolates, shrinking widens the filter
}

static inline int32_t stride_of(int32_t outputs, int32_t inputs) {
    return (int32_t)ceil(support_of(outputs, inputs)) * 2 + 1;
}

static inline double cubic(double x) {
    const double a = -0.5;
    if (x < 0.0) x = -x;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

/// A range of positions.
typedef struct { int32_t first, end; } span;

/// The inputs that output `o` reads.
static inline span reach(int32_t o, int32_t outputs, int32_t inputs) {
    double centre = (o + 0.5) * scale_of(outputs, inputs), support = support_of(outputs, inputs);
    int32_t first = (int32_t)(centre - support + 0.5), end = (int32_t)(centre + support + 0.5);
    return (span){first < 0 ? 0 : first, end > inputs ? inputs : end};
}

/// Fills `t` for the outputs of `part`. `weight` holds `t->stride` doubles. The order of operations is Pillow's: the last bit depends on
/// it.
static inline void fill_taps(taps *t, int32_t outputs, int32_t inputs, span part, double *weight) {
    double scale = scale_of(outputs, inputs);
    double step = 1.0 / (scale < 1.0 ? 1.0 : scale);
    for (int32_t o = part.first; o < part.end; o++) {
        double centre = (o + 0.5) * scale;
        span in = reach(o, outputs, inputs);
        int32_t *weights = t->weights + (ptrdiff_t)(o - part.first) * t->stride;
        double sum = 0.0;
        for (int32_t i = 0; i < in.end - in.first; i++) {
            weight[i] = cubic((i + in.first - centre + 0.5) * step);
            sum += weight[i];
        }
        for (int32_t i = 0; i < in.end - in.first; i++) {
            double normalised = sum != 0.0 ? weight[i] / sum : weight[i];
            weights[i] = (int32_t)((normalised < 0 ? -0.5 : 0.5) + normalised * (1 << FRACTION_BITS));
        }
        t->first[o - part.first] = in.first;
        t->count[o - part.first] = in.end - in.first;
    }
}

static inline __attribute__((always_inline)) uint8_t clip(int32_t sum) {
    int32_t value = sum >> FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// One output row of the horizontal pass; `input` begins at column `column`.
/// `four_readable`: the byte after the last pixel may be read (three channels go four lanes wide).
static inline __attribute__((always_inline)) void horizontal_row(
    uint8_t *output, const uint8_t *input, int32_t column, const taps *t, int32_t outputs, int32_t channels, int four_readable) {
    for (int32_t o = 0; o < outputs; o++) {
        const int32_t *weight = t->weights + (ptrdiff_t)o * t->stride;
        const uint8_t *in = input + (ptrdiff_t)(t->first[o] - column) * channels;
        int32_t count = t->count[o];
        if (channels == 4 || (channels == 3 && four_readable)) {
            pixel sum = {HALF, HALF, HALF, HALF};
            for (int32_t i = 0; i < count; i++) {
                pixel_bytes value;
                memcpy(&value, in + (ptrdiff_t)i * channels, 4);
                sum += __builtin_convertvector(value, pixel) * weight[i];
            }
            for (int32_t c = 0; c < channels; c++) output[(ptrdiff_t)o * channels + c] = clip(sum[c]);
        } else {
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = HALF;
                for (int32_t i = 0; i < count; i++) sum += in[(ptrdiff_t)i * channels + c] * weight[i];
                output[(ptrdiff_t)o * channels + c] = clip(sum);
            }
        }
    }
}

/// One output row of the vertical pass: `width` bytes, all channels alike.
static inline __attribute__((always_inline))
void vertical_row(uint8_t *output, const uint8_t *input, ptrdiff_t stride, const int32_t *weight, int32_t count, ptrdiff_t width) {
    ptrdiff_t x = 0;
    for (; x + ROW_LANES <= width; x += ROW_LANES) {
        row_sums sum = (row_sums){0} + HALF;
        for (int32_t i = 0; i < count; i++) {
            row_bytes value;
            memcpy(&value, input + i * stride + x, sizeof value);
            sum += __builtin_convertvector(value, row_sums) * weight[i];
        }
        sum >>= FRACTION_BITS;
        sum &= sum > 0;
        row_sums over = sum > 255;
        sum = (over & 255) | (~over & sum);
        row_bytes result = __builtin_convertvector(sum, row_bytes);
        memcpy(output + x, &result, sizeof result);
    }
    for (; x < width; x++) {
        int32_t sum = HALF;
        for (int32_t i = 0; i < count; i++) sum += input[i * stride + x] * weight[i];
        output[x] = clip(sum);
    }
}

/// The horizontal pass over `rows` rows; `input` begins at column `column`.
static inline __attribute__((always_inline))
void horizontal(uint8_t *output, const uint8_t *input, ptrdiff_t stride, int32_t column, int32_t rows, int is_last_readable, const taps *t,
                int32_t outputs, int32_t channels) {
    for (int32_t y = 0; y < rows; y++) {
        int four_readable = y + 1 < rows || is_last_readable;
        const uint8_t *row = input + y * stride;
        uint8_t *result = output + (ptrdiff_t)y * outputs * channels;
        switch (channels) {  // constants, so that each case is compiled for its own channels
        case 1: horizontal_row(result, row, column, t, outputs, 1, 1); break;
        case 2: horizontal_row(result, row, column, t, outputs, 2, 1); break;
        case 3: horizontal_row(result, row, column, t, outputs, 3, four_readable); break;
        default: horizontal_row(result, row, column, t, outputs, 4, 1); break;
        }
    }
}

/// The vertical pass over rows of `width` bytes; `input` begins at row `row`.
static inline __attribute__((always_inline))
void vertical(uint8_t *output, const uint8_t *input, ptrdiff_t stride, int32_t row, const taps *t, int32_t outputs, ptrdiff_t width) {
    for (int32_t y = 0; y < outputs; y++)
        vertical_row(output + y * width, input + (ptrdiff_t)(t->first[y] - row) * stride, stride, t->weights + (ptrdiff_t)y * t->stride,
            t->count[y], width);
}

/// What a resize comes down to.
typedef struct {
    span x, y;               ///< the columns and rows of the input that are read
    int needs_x, needs_y;    ///< whether a size changes
    int vertical_first;
    size_t between;          ///< bytes between the passes
} resize_plan;

/// What outputs of one axis read; themselves where no pass is made.
static inline span reach_of(span part, int32_t outputs, int32_t inputs) {
    if (outputs == inputs) return part;
    return (span){reach(part.first, outputs, inputs).first, reach(part.end - 1, outputs, inputs).end};
}

static inline resize_plan plan_of(const curricle_resize *r) {
    resize_plan p = {.needs_x = r->output_width != r->input_width, .needs_y = r->output_height != r->input_height};
    p.x = reach_of((span){r->left, r->left + r->width}, r->output_width, r->input_width);
    p.y = reach_of((span){r->top, r->top + r->height}, r->output_height, r->input_height);
    int64_t lost_rows = (int64_t)r->input_height - r->output_height, lost_columns = (int64_t)r->input_width - r->output_width;
    p.vertical_first = !r->horizontal_first && lost_rows > 0 && lost_rows > 2 * lost_columns;
    if (p.needs_x && p.needs_y)
        p.between = (size_t)r->channels * (p.vertical_first ? (size_t)r->height * (size_t)(p.x.end - p.x.first)
                                                            : (size_t)r->width * (size_t)(p.y.end - p.y.first));
    return p;
}

static inline int is_part(int32_t first, int32_t count, int32_t whole) {
    return first >= 0 && count >= 1 && count <= whole && first <= whole - count;
}

static inline int is_valid(const curricle_resize *r) {
    return r->input_width >= 1 && r->input_height >= 1 && is_part(r->left, r->width, r->output_width) &&
           is_part(r->top, r->height, r->output_height) && r->channels >= 1 && r->channels <= 4;
}

static inline size_t rounded(size_t size) {
    return (size + 7) & ~(size_t)7;
}

static inline size_t taps_bytes(int32_t count, int32_t stride) {
    return rounded(4 * (size_t)count) * 2 + rounded(4 * (size_t)count * (size_t)stride);
}

/// Cuts the arrays of one axis off the workspace and fills them.
static inline taps take_taps(uint8_t **workspace, int32_t outputs, int32_t inputs, span part, double *weight) {
    int32_t count = part.end - part.first;
    taps t = {.stride = stride_of(outputs, inputs)};
    t.first = (int32_t *)*workspace;
    t.count = (int32_t *)(*workspace + rounded(4 * (size_t)count));
    t.weights = (int32_t *)(*workspace + 2 * rounded(4 * (size_t)count));
    *workspace += taps_bytes(count, t.stride);
    fill_taps(&t, outputs, inputs, part, weight);
    return t;
}

#endif
