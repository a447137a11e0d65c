/// Bicubic resampling of 8-bit pictures, bit for bit as Pillow does it (`Image.resize(size, BICUBIC)`).
#ifndef CURRICLE_RESAMPLE_H
#define CURRICLE_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Bytes of workspace for one resize; 0 when a size is below 1 or channels are not 1…4.
size_t curricle_resize_workspace(int32_t output_width, int32_t output_height, int32_t input_width, int32_t input_height, int32_t channels);

/// Antialiased bicubic resize of interleaved bytes, horizontal pass first, rounded to bytes between the passes.
/// A pass whose size does not change is skipped.
/// @param output        [output_height, output_width, channels], packed
/// @param input         [input_height, input_width, channels], rows `input_stride` bytes apart (so a crop needs no copy)
/// @param workspace     `curricle_resize_workspace` bytes, aligned to 8
/// @return 0, or 1 when a size is below 1 or channels are not 1…4 (nothing is written)
int32_t curricle_resize_bicubic(uint8_t *output, int32_t output_width, int32_t output_height,
                                const uint8_t *input, ptrdiff_t input_stride, int32_t input_width, int32_t input_height,
                                int32_t channels, void *workspace);

#ifdef __cplusplus
}
#endif

#endif
