/// Antialiased bicubic resampling with integer arithmetic; the conventions are those of Pillow's 8-bit `ImagingResample`
/// (a = -0.5, weights of 22 fractional bits, two passes with bytes between them), so pictures agree to the last bit.
///
/// The horizontal pass comes first, as in Pillow up to 12, with which MAE's models were trained. Pillow 13 goes vertically first
/// where the height shrinks and the width does not, or much less: there, and only there, some bytes differ by one.
#include "curricle_resample.h"

#include <math.h>
#include <string.h>

enum { FRACTION_BITS = 22, HALF = 1 << (FRACTION_BITS - 1), LANES = 16 };

typedef int32_t wide __attribute__((vector_size(4 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));
typedef int32_t pixel __attribute__((vector_size(16)));
typedef uint8_t pixel_bytes __attribute__((vector_size(4)));

/// Which inputs each output position reads, and with what weights.
typedef struct {
    int32_t *first;    ///< [outputs]
    int32_t *count;    ///< [outputs]
    int32_t *weights;  ///< [outputs, stride]
    int32_t stride;
} taps;

static double scale_of(int32_t outputs, int32_t inputs) {
    return (double)inputs / outputs;
}

static double support_of(int32_t outputs, int32_t inputs) {
    double scale = scale_of(outputs, inputs);
    return 2.0 * (scale < 1.0 ? 1.0 : scale);  // enlarging interpolates, shrinking widens the filter
}

static int32_t stride_of(int32_t outputs, int32_t inputs) {
    return (int32_t)ceil(support_of(outputs, inputs)) * 2 + 1;
}

static double cubic(double x) {
    const double a = -0.5;
    if (x < 0.0) x = -x;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

/// Fills `t` for a whole axis. `weight` holds `t->stride` doubles. The order of operations is Pillow's: the last bit depends on it.
static void fill_taps(taps *t, int32_t outputs, int32_t inputs, double *weight) {
    double scale = scale_of(outputs, inputs);
    double filter_scale = scale < 1.0 ? 1.0 : scale;
    double support = support_of(outputs, inputs);
    double step = 1.0 / filter_scale;
    for (int32_t o = 0; o < outputs; o++) {
        double centre = (o + 0.5) * scale;
        int32_t first = (int32_t)(centre - support + 0.5);
        int32_t end = (int32_t)(centre + support + 0.5);
        if (first < 0) first = 0;
        if (end > inputs) end = inputs;
        double sum = 0.0;
        for (int32_t i = 0; i < end - first; i++) {
            weight[i] = cubic((i + first - centre + 0.5) * step);
            sum += weight[i];
        }
        for (int32_t i = 0; i < end - first; i++) {
            double normalised = sum != 0.0 ? weight[i] / sum : weight[i];
            t->weights[(ptrdiff_t)o * t->stride + i] = (int32_t)((normalised < 0 ? -0.5 : 0.5) + normalised * (1 << FRACTION_BITS));
        }
        t->first[o] = first;
        t->count[o] = end - first;
    }
}

static inline __attribute__((always_inline)) uint8_t clip(int32_t sum) {
    int32_t value = sum >> FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// One output row of the horizontal pass. `four_readable`: the byte after the last pixel may be read (three channels go four lanes wide).
static inline __attribute__((always_inline))
void horizontal_row(uint8_t *output, const uint8_t *input, const taps *t, int32_t outputs, int32_t channels, int four_readable) {
    for (int32_t o = 0; o < outputs; o++) {
        const int32_t *weight = t->weights + (ptrdiff_t)o * t->stride;
        const uint8_t *in = input + (ptrdiff_t)t->first[o] * channels;
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
    for (; x + LANES <= width; x += LANES) {
        wide sum = (wide){} + HALF;
        for (int32_t i = 0; i < count; i++) {
            bytes value;
            memcpy(&value, input + i * stride + x, sizeof value);
            sum += __builtin_convertvector(value, wide) * weight[i];
        }
        sum >>= FRACTION_BITS;
        sum = __builtin_elementwise_min(__builtin_elementwise_max(sum, (wide){}), (wide){} + 255);
        bytes result = __builtin_convertvector(sum, bytes);
        memcpy(output + x, &result, sizeof result);
    }
    for (; x < width; x++) {
        int32_t sum = HALF;
        for (int32_t i = 0; i < count; i++) sum += input[i * stride + x] * weight[i];
        output[x] = clip(sum);
    }
}

/// Both passes over integers: every instruction set gives the same bits.
static inline __attribute__((always_inline))
void passes(uint8_t *output, int32_t output_width, int32_t output_height, const uint8_t *input, ptrdiff_t input_stride,
            int32_t input_width, int32_t input_height, int32_t channels, const taps *across, const taps *down, uint8_t *between) {
    ptrdiff_t width = (ptrdiff_t)output_width * channels;
    const uint8_t *rows = input;
    ptrdiff_t stride = input_stride;
    if (across) {
        rows = down ? between : output;
        stride = width;
        for (int32_t y = 0; y < input_height; y++) {
            int four_readable = y + 1 < input_height;
            const uint8_t *row = input + y * input_stride;
            uint8_t *result = (uint8_t *)rows + y * width;
            switch (channels) {  // constants, so that each case is compiled for its own channels
            case 1: horizontal_row(result, row, across, output_width, 1, 1); break;
            case 2: horizontal_row(result, row, across, output_width, 2, 1); break;
            case 3: horizontal_row(result, row, across, output_width, 3, four_readable); break;
            default: horizontal_row(result, row, across, output_width, 4, 1); break;
            }
        }
    }
    if (down) {
        for (int32_t y = 0; y < output_height; y++)
            vertical_row(output + y * width, rows + down->first[y] * stride, stride,
                         down->weights + (ptrdiff_t)y * down->stride, down->count[y], width);
    } else if (!across) {
        for (int32_t y = 0; y < input_height; y++) memcpy(output + y * width, input + y * input_stride, (size_t)width);
    }
    (void)input_width;
}

typedef void passes_function(uint8_t *, int32_t, int32_t, const uint8_t *, ptrdiff_t, int32_t, int32_t, int32_t, const taps *, const taps *, uint8_t *);

static void passes_baseline(uint8_t *output, int32_t output_width, int32_t output_height, const uint8_t *input, ptrdiff_t input_stride,
                            int32_t input_width, int32_t input_height, int32_t channels, const taps *across, const taps *down, uint8_t *between) {
    passes(output, output_width, output_height, input, input_stride, input_width, input_height, channels, across, down, between);
}

#if defined(__x86_64__)
__attribute__((target("avx2")))
static void passes_avx2(uint8_t *output, int32_t output_width, int32_t output_height, const uint8_t *input, ptrdiff_t input_stride,
                        int32_t input_width, int32_t input_height, int32_t channels, const taps *across, const taps *down, uint8_t *between) {
    passes(output, output_width, output_height, input, input_stride, input_width, input_height, channels, across, down, between);
}
#endif

static passes_function *chosen_passes(void) {
#if defined(__x86_64__)
    // Baseline x86-64 has no 32-bit multiply of vectors, and that is all there is to do here.
    if (__builtin_cpu_supports("avx2")) return passes_avx2;
#endif
    return passes_baseline;
}

static int valid(int32_t output_width, int32_t output_height, int32_t input_width, int32_t input_height, int32_t channels) {
    return output_width >= 1 && output_height >= 1 && input_width >= 1 && input_height >= 1 && channels >= 1 && channels <= 4;
}

static size_t rounded(size_t size) {
    return (size + 7) & ~(size_t)7;
}

static size_t taps_bytes(int32_t outputs, int32_t inputs) {
    return rounded(4 * (size_t)outputs) * 2 + rounded(4 * (size_t)outputs * (size_t)stride_of(outputs, inputs));
}

/// Cuts the arrays of one axis off the workspace and fills them.
static taps take_taps(uint8_t **workspace, int32_t outputs, int32_t inputs, double *weight) {
    taps t = {.stride = stride_of(outputs, inputs)};
    t.first = (int32_t *)*workspace;
    t.count = (int32_t *)(*workspace + rounded(4 * (size_t)outputs));
    t.weights = (int32_t *)(*workspace + 2 * rounded(4 * (size_t)outputs));
    *workspace += taps_bytes(outputs, inputs);
    fill_taps(&t, outputs, inputs, weight);
    return t;
}

size_t curricle_resize_workspace(int32_t output_width, int32_t output_height, int32_t input_width, int32_t input_height, int32_t channels) {
    if (!valid(output_width, output_height, input_width, input_height, channels)) return 0;
    int32_t across = stride_of(output_width, input_width), down = stride_of(output_height, input_height);
    return 8 * (size_t)(across > down ? across : down)                             // one position's weights as doubles
           + taps_bytes(output_width, input_width) + taps_bytes(output_height, input_height)
           + rounded((size_t)output_width * (size_t)input_height * (size_t)channels);  // between the passes
}

int32_t curricle_resize_bicubic(uint8_t *output, int32_t output_width, int32_t output_height,
                                const uint8_t *input, ptrdiff_t input_stride, int32_t input_width, int32_t input_height,
                                int32_t channels, void *workspace) {
    if (!valid(output_width, output_height, input_width, input_height, channels)) return 1;
    int32_t stride_across = stride_of(output_width, input_width), stride_down = stride_of(output_height, input_height);
    double *weight = workspace;
    uint8_t *rest = (uint8_t *)workspace + 8 * (size_t)(stride_across > stride_down ? stride_across : stride_down);
    taps across = take_taps(&rest, output_width, input_width, weight);
    taps down = take_taps(&rest, output_height, input_height, weight);
    chosen_passes()(output, output_width, output_height, input, input_stride, input_width, input_height, channels,
                    output_width != input_width ? &across : NULL, output_height != input_height ? &down : NULL, rest);
    return 0;
}
