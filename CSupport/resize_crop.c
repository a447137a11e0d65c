// torchvision's Resize and CenterCrop on bytes, with its rounding: what the loader does for evaluation, for devices.
#include "program_file.h"
#include "resize_rows.h"
#include <math.h>

enum { MOST_SIDE = 16384 };

typedef struct { int32_t width, height; } size2;

static int is_side(int32_t side) { return side >= 1 && side <= MOST_SIDE; }

/// A side before the crop, of one behind it: MAE keeps 224/256 of it up to 224 pixels, all above.
static double before_crop(double side, int32_t target) { return target > 224 ? side : side * 256 / 224; }

/// The size before the crop: the shorter side before the crop's, or so that both sides of a target that is not square are covered.
/// (Below 2^29: a target's side · 256/224 · 16384.)
static size2 resized_size(size2 target, size2 input) {
    int32_t shorter = input.width < input.height ? input.width : input.height,
            longer = input.width < input.height ? input.height : input.width;
    int32_t to = (int32_t)before_crop(target.height, target.height);
    if (target.width != target.height) {
        double scale = fmax((double)target.height / input.height, (double)target.width / input.width);
        to = (int32_t)ceil(before_crop(scale, target.width < target.height ? target.width : target.height) * shorter);
    }
    if (to < 1) to = 1;
    int32_t other = (int32_t)((double)to * longer / shorter);
    return input.height > input.width ? (size2){to, other} : (size2){other, to};
}

/// Where a centred crop begins, halves to even; negative where zeros come first.
static int32_t crop_start(int32_t size, int32_t target) {
    if (size < target) return -((target - size) / 2);
    int32_t whole = (size - target) / 2;
    return (size - target) % 2 != 0 && whole % 2 != 0 ? whole + 1 : whole;
}

/// The resize of which only the crop is made.
static curricle_resize cropped(size2 target, size2 input, int32_t channels) {
    size2 size = resized_size(target, input);
    int32_t left = crop_start(size.width, target.width), top = crop_start(size.height, target.height);
    return (curricle_resize){.input_width = input.width,
        .input_height = input.height,
        .channels = channels,
        .output_width = size.width,
        .output_height = size.height,
        .left = left < 0 ? 0 : left,
        .top = top < 0 ? 0 : top,
        .width = target.width < size.width ? target.width : size.width,
        .height = target.height < size.height ? target.height : size.height};
}

typedef struct { uint64_t begun; rows_on_their_way rows; } resizer_state;
_Static_assert(sizeof(resizer_state) <= sizeof(curricle_resizer), "a resizer's state fits the caller's storage");
static const uint64_t begun_mark = UINT64_C(0x6E77657375725243);

static int read_resizer(resizer_state *state, const curricle_resizer *resizer) {
    if (!resizer) return 0;
    memcpy(state, resizer, sizeof *state);
    return state->begun == begun_mark;
}

size_t curricle_resize_crop_workspace(
    int32_t output_width, int32_t output_height, int32_t input_width, int32_t input_height, int32_t channels) {
    if (!is_side(output_width) || !is_side(output_height) || !is_side(input_width) || !is_side(input_height) || channels < 1 ||
        channels > 4)
        return 0;
    curricle_resize resize = cropped((size2){output_width, output_height}, (size2){input_width, input_height}, channels);
    uint64_t bytes = resize_rows_workspace(&resize);
    return bytes < SIZE_MAX / 4 ? (size_t)bytes : 0;
}

curricle_status curricle_resize_crop_begin(curricle_resizer *resizer, uint8_t *output, int32_t output_width, int32_t output_height,
    int32_t input_width, int32_t input_height, int32_t channels, void *workspace) {
    if (!resizer) return CURRICLE_BAD_ARGUMENT;
    memset(resizer, 0, sizeof *resizer);
    if (!output || !workspace || (uintptr_t)workspace % 8 != 0) return CURRICLE_BAD_ARGUMENT;
    if (curricle_resize_crop_workspace(output_width, output_height, input_width, input_height, channels) == 0) return CURRICLE_BAD_ARGUMENT;
    curricle_resize resize = cropped((size2){output_width, output_height}, (size2){input_width, input_height}, channels);
    ptrdiff_t row = (ptrdiff_t)output_width * channels;
    if (resize.width < output_width || resize.height < output_height) memset(output, 0, (size_t)row * (size_t)output_height);
    uint8_t *place = output + (output_height - resize.height) / 2 * row + (ptrdiff_t)((output_width - resize.width) / 2) * channels;
    resizer_state state = {.begun = begun_mark};
    resize_rows_begin(&state.rows, &resize, place, row, workspace);
    memcpy(resizer, &state, sizeof state);
    return CURRICLE_OK;
}

int32_t curricle_resize_crop_rows_left(const curricle_resizer *resizer) {
    resizer_state state;
    return read_resizer(&state, resizer) ? resize_rows_left(&state.rows) : 0;
}

// MARK: Strips

/// What a format has: planes, bytes of a pixel in the first, and whether rows and columns share chroma by twos.
typedef struct { int planes, pixel_bytes, is_420; } layout;
static layout layout_of(int32_t format, int32_t channels) {
    switch (format) {
    case CURRICLE_PACKED: return (layout){1, channels, 0};
    case CURRICLE_RGB565: case CURRICLE_RGB565_BE: return (layout){channels == 3, 2, 0};
    case CURRICLE_NV12: case CURRICLE_NV21: return (layout){channels == 3 ? 2 : channels == 1, 1, 1};
    case CURRICLE_I420: return (layout){channels == 3 ? 3 : channels == 1, 1, 1};
    default: return (layout){0, 0, 0};
    }
}

/// Whether a strip can be the next of a picture of this width and height.
static int fits(const curricle_strip *strip, layout l, const rows_on_their_way *rows) {
    int32_t width = rows->resize.input_width, left = rows->resize.input_height - rows->next_input;
    if (l.planes == 0 || strip->rows < 0 || strip->rows > left) return 0;
    if (l.is_420 && strip->rows % 2 != 0 && strip->rows != left) return 0; // two rows have one row of chroma
    for (int i = 0; i < l.planes; i++) {
        // Chroma: (width + 1) / 2 of each, in one plane or in two.
        int32_t bytes = i == 0 ? width * l.pixel_bytes : (width + 1) / 2 * (l.planes == 2 ? 2 : 1);
        if (!strip->plane[i] || strip->stride[i] < bytes) return 0;
    }
    return 1;
}

static uint8_t clamped(int32_t value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

/// BT.601 in full range, as JPEG has it, in fixed point of 16 bits as libjpeg computes it.
static void yuv_to_rgb(uint8_t *rgb, int32_t y, int32_t u, int32_t v) {
    u -= 128, v -= 128;
    rgb[0] = clamped(y + ((91881 * v + 32768) >> 16));
    rgb[1] = clamped(y + ((-22554 * u - 46802 * v + 32768) >> 16));
    rgb[2] = clamped(y + ((116130 * u + 32768) >> 16));
}

/// The columns that are read of one row, as RGB, each at its place.
static void convert_row(uint8_t *rgb, const curricle_strip *s, int32_t row, span columns) {
    const uint8_t *first = s->plane[0] + row * s->stride[0];
    if (s->format == CURRICLE_RGB565 || s->format == CURRICLE_RGB565_BE) {
        int high = s->format == CURRICLE_RGB565;
        for (int32_t x = columns.first; x < columns.end; x++) {
            int32_t value = first[2 * x + high] << 8 | first[2 * x + !high], r = value >> 11, g = value >> 5 & 63, b = value & 31;
            rgb[3 * x] = (uint8_t)(r << 3 | r >> 2), rgb[3 * x + 1] = (uint8_t)(g << 2 | g >> 4);
            rgb[3 * x + 2] = (uint8_t)(b << 3 | b >> 2);
        }
        return;
    }
    int step = s->format == CURRICLE_I420 ? 1 : 2;
    const uint8_t *u = s->plane[1] + row / 2 * s->stride[1], *v = step == 1 ? s->plane[2] + row / 2 * s->stride[2] : u + 1;
    if (s->format == CURRICLE_NV21) v = u, u = v + 1;
    for (int32_t x = columns.first; x < columns.end; x++) yuv_to_rgb(rgb + 3 * x, first[x], u[x / 2 * step], v[x / 2 * step]);
}

curricle_status curricle_resize_crop_push(curricle_resizer *resizer, const curricle_strip *given) {
    resizer_state state;
    curricle_strip known, *strip = &known;
    if (!read_resizer(&state, resizer) || !given || !read_sized(strip, sizeof *strip, given)) return CURRICLE_BAD_ARGUMENT;
    rows_on_their_way *rows = &state.rows;
    if (!fits(strip, layout_of(strip->format, rows->resize.channels), rows)) return CURRICLE_BAD_ARGUMENT;
    // Of a picture in YUV, grey is the first plane.
    int is_packed = strip->format == CURRICLE_PACKED || rows->resize.channels == 1;
    for (int32_t y = 0; y < strip->rows; y++) {
        const uint8_t *row = strip->plane[0] + y * strip->stride[0];
        int is_needed = rows->next_input >= rows->plan.y.first && rows->next_input < rows->plan.y.end;
        if (!is_packed && is_needed) convert_row(rows->row, strip, y, rows->plan.x), row = rows->row;
        resize_rows_push(rows, row, !is_packed || y + 1 < strip->rows);
    }
    memcpy(resizer, &state, sizeof state);
    return CURRICLE_OK;
}

curricle_status curricle_resize_crop(uint8_t *output, int32_t output_width, int32_t output_height, const uint8_t *input,
    ptrdiff_t input_stride, int32_t input_width, int32_t input_height, int32_t channels, void *workspace) {
    curricle_resizer resizer;
    if (!input || input_stride < (ptrdiff_t)input_width * channels) return CURRICLE_BAD_ARGUMENT;
    curricle_status status =
        curricle_resize_crop_begin(&resizer, output, output_width, output_height, input_width, input_height, channels, workspace);
    if (status != CURRICLE_OK) return status;
    const curricle_strip strip = {
        .size = sizeof strip, .format = CURRICLE_PACKED, .rows = input_height, .plane = {input}, .stride = {input_stride}};
    return curricle_resize_crop_push(&resizer, &strip);
}
