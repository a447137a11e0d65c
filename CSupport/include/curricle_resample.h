/// Bicubic resampling of 8-bit pictures, bit for bit as Pillow does it (`Image.resize(size, BICUBIC)`).
#ifndef CURRICLE_RESAMPLE_H
#define CURRICLE_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What is resized to what, and the part of the result that is wanted: a crop behind a resize costs only what it keeps.
typedef struct {
    int32_t input_width, input_height;
    int32_t channels;                     ///< 1…4
    int32_t output_width, output_height;  ///< of the whole resized picture
    int32_t left, top, width, height;     ///< the part of it that is made
    /// 0: the passes' order is that of Pillow 13; else the horizontal one always comes first, as in Pillow up to 12.
    int32_t horizontal_first;
} curricle_resize;

/// Bytes of workspace for one resize; 0 when a size is below 1, the part is not inside the result, or channels are not 1…4.
size_t curricle_resize_workspace(const curricle_resize *resize);

/// Antialiased bicubic resize of interleaved bytes in two passes, rounded to bytes between them. A pass whose size does not change is
/// skipped.
/// @param output        [height, width, channels], packed
/// @param input         [input_height, input_width, channels], rows `input_stride` bytes apart (so a crop needs no copy)
/// @param workspace     `curricle_resize_workspace` bytes, aligned to 8
/// @return 0, or 1 where the workspace is 0 (nothing is written)
int32_t curricle_resize_bicubic(
    uint8_t *output, const uint8_t *input, ptrdiff_t input_stride, const curricle_resize *resize, void *workspace);

#ifdef __cplusplus
}
#endif

#endif
