// torchvision's Resize and CenterCrop on bytes, with its rounding: what the loader does for evaluation, for devices.
#include "curricle.h"
#include "curricle_resample.h"
#include <math.h>
#include <string.h>

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

static size_t up_to_8(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

size_t curricle_resize_crop_workspace(
    int32_t output_width, int32_t output_height, int32_t input_width, int32_t input_height, int32_t channels) {
    if (!is_side(output_width) || !is_side(output_height) || !is_side(input_width) || !is_side(input_height) || channels < 1 ||
        channels > 4)
        return 0;
    curricle_resize resize = cropped((size2){output_width, output_height}, (size2){input_width, input_height}, channels);
    // What lies between the passes and the result, counted wide: a small machine's size_t may not hold them.
    uint64_t most =
        (uint64_t)resize.width * (uint64_t)(resize.height + input_height) * 4 + (uint64_t)resize.height * (uint64_t)input_width * 4;
    if (most > SIZE_MAX / 4) return 0;
    return up_to_8((size_t)resize.width * (size_t)resize.height * (size_t)channels) + curricle_resize_workspace(&resize);
}

curricle_status curricle_resize_crop(uint8_t *output, int32_t output_width, int32_t output_height, const uint8_t *input,
    ptrdiff_t input_stride, int32_t input_width, int32_t input_height, int32_t channels, void *workspace) {
    if (!output || !input || !workspace || (uintptr_t)workspace % 8 != 0) return CURRICLE_BAD_ARGUMENT;
    if (curricle_resize_crop_workspace(output_width, output_height, input_width, input_height, channels) == 0) return CURRICLE_BAD_ARGUMENT;
    if (input_stride < (ptrdiff_t)input_width * channels) return CURRICLE_BAD_ARGUMENT;
    curricle_resize resize = cropped((size2){output_width, output_height}, (size2){input_width, input_height}, channels);
    uint8_t *made = workspace;
    curricle_resize_bicubic(
        made, input, input_stride, &resize, made + up_to_8((size_t)resize.width * (size_t)resize.height * (size_t)channels));
    size_t row = (size_t)resize.width * (size_t)channels, target_row = (size_t)output_width * (size_t)channels;
    if (resize.width < output_width || resize.height < output_height) memset(output, 0, target_row * (size_t)output_height);
    uint8_t *place = output + (size_t)((output_height - resize.height) / 2) * target_row +
                     (size_t)((output_width - resize.width) / 2) * (size_t)channels;
    for (int32_t y = 0; y < resize.height; y++) memcpy(place + (size_t)y * target_row, made + (size_t)y * row, row);
    return CURRICLE_OK;
}
