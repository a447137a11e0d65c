// Resizing by rows as a camera or a decoder gives them: what lies between the passes are as many rows as the filter reaches over.
#ifndef CURRICLE_RESIZE_ROWS_H
#define CURRICLE_RESIZE_ROWS_H
#include "resample_passes.h"
#include "simd/compiler.h"

typedef struct {
    curricle_resize resize;
    resize_plan plan;
    taps across, down;
    uint8_t *output;          ///< where the part's first row goes; the others follow `output_stride` bytes apart
    ptrdiff_t output_stride;
    uint8_t *row;             ///< one row, in the making
    uint8_t *held;            ///< [2·window, width·channels], horizontal pass first: rows behind it, twice, so that a window is in one piece
    int32_t *sums;            ///< [window, columns·channels], vertical pass first: outputs on their way
    int32_t window;
    int32_t next_input, next_output;
} rows_on_their_way;

/// Bytes of workspace, aligned to 8; 0 as of `curricle_resize_workspace`.
INTERNAL uint64_t resize_rows_workspace(const curricle_resize *resize);
INTERNAL void resize_rows_begin(
    rows_on_their_way *rows, const curricle_resize *resize, uint8_t *output, ptrdiff_t output_stride, void *workspace);
/// The next row of the input, whole. `four_readable`: so is the byte after its last.
INTERNAL void resize_rows_push(rows_on_their_way *rows, const uint8_t *input, int four_readable);
/// Rows of the input that are still needed.
INTERNAL int32_t resize_rows_left(const rows_on_their_way *rows);

#endif
