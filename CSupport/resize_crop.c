// torchvision's Resize and CenterCrop on bytes, with its rounding: what the loader does for evaluation, for devices.
#include "curricle.h"
#include "curricle_resample.h"
#include <math.h>
#include <string.h>

enum { MOST_SIDE = 16384, MOST_LONG_SIDE = 65536 };

typedef struct { int32_t width, height; } size2;

static int is_side(int32_t side) { return side >= 1 && side <= MOST_SIDE; }

/// The size before the crop: the shorter side at 256/224 of the target's, or so that both sides of a target that is not square are covered.
static size2 resized_size(size2 target, size2 input) {
    int32_t shorter = input.width < input.height ? input.width : input.height, longer = input.width < input.height ? input.height : input.width;
    int32_t to = target.height * 256 / 224;
    if (target.width != target.height) {
        double scale = fmax((double)target.height / input.height, (double)target.width / input.width) * 256 / 224;
        to = (int32_t)fmax(1, fmin(ceil(scale * shorter), MOST_LONG_SIDE));
    }
    // A needle of a picture must not ask for a side no memory can hold: far beyond any crop it is cut off anyway.
    int32_t other = (int32_t)fmin((double)to * longer / shorter, MOST_LONG_SIDE);
    if (to < 1) to = 1;
    if (other < 1) other = 1;
    return input.height > input.width ? (size2){to, other} : (size2){other, to};
}

static size_t up_to_8(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

size_t curricle_resize_crop_workspace(int32_t output_width, int32_t output_height, int32_t input_width, int32_t input_height, int32_t channels) {
    if (!is_side(output_width) || !is_side(output_height) || !is_side(input_width) || !is_side(input_height) || channels < 1 || channels > 4) return 0;
    size2 resized = resized_size((size2){output_width, output_height}, (size2){input_width, input_height});
    // The two pictures that are held, counted wide: a small machine's size_t may not hold them.
    uint64_t most = (uint64_t)resized.width * (uint64_t)(resized.height + input_height) * (uint64_t)channels;
    if (most > SIZE_MAX / 4) return 0;
    return up_to_8((size_t)resized.width * (size_t)resized.height * (size_t)channels)
        + curricle_resize_workspace(resized.width, resized.height, input_width, input_height, channels);
}

/// Where a centred crop begins, halves to even; negative where zeros come first.
static int32_t crop_start(int32_t size, int32_t target) {
    if (size < target) return -((target - size) / 2);
    int32_t whole = (size - target) / 2;
    return (size - target) % 2 != 0 && whole % 2 != 0 ? whole + 1 : whole;
}

static void centre_crop(uint8_t *output, size2 target, const uint8_t *input, size2 size, int32_t channels) {
    int32_t top = crop_start(size.height, target.height), left = crop_start(size.width, target.width);
    int32_t first = left < 0 ? -left : 0, end = target.width < size.width - left ? target.width : size.width - left;
    memset(output, 0, (size_t)target.width * (size_t)target.height * (size_t)channels);
    for (int32_t row = top < 0 ? -top : 0; row < target.height && row + top < size.height; row++)
        memcpy(output + ((size_t)row * (size_t)target.width + (size_t)first) * (size_t)channels,
               input + ((size_t)(row + top) * (size_t)size.width + (size_t)(first + left)) * (size_t)channels, (size_t)(end - first) * (size_t)channels);
}

curricle_status curricle_resize_crop(uint8_t *output, int32_t output_width, int32_t output_height, const uint8_t *input, ptrdiff_t input_stride,
                                     int32_t input_width, int32_t input_height, int32_t channels, void *workspace) {
    if (!output || !input || !workspace || (uintptr_t)workspace % 8 != 0) return CURRICLE_BAD_ARGUMENT;
    if (curricle_resize_crop_workspace(output_width, output_height, input_width, input_height, channels) == 0) return CURRICLE_BAD_ARGUMENT;
    if (input_stride < (ptrdiff_t)input_width * channels) return CURRICLE_BAD_ARGUMENT;
    size2 target = {output_width, output_height};
    if (input_width == output_width && input_height == output_height) {
        for (int32_t row = 0; row < output_height; row++)
            memcpy(output + (ptrdiff_t)row * output_width * channels, input + row * input_stride, (size_t)output_width * (size_t)channels);
        return CURRICLE_OK;
    }
    size2 size = resized_size(target, (size2){input_width, input_height});
    uint8_t *resized = workspace;
    curricle_resize_bicubic(resized, size.width, size.height, input, input_stride, input_width, input_height, channels,
                            resized + up_to_8((size_t)size.width * (size_t)size.height * (size_t)channels));
    centre_crop(output, target, resized, size, channels);
    return CURRICLE_OK;
}
