/// Antialiased bicubic resampling with integer arithmetic; the conventions are those of Pillow's 8-bit `ImagingResample`
/// (a = -0.5, weights of 22 fractional bits, two passes with bytes between them), so pictures agree to the last bit.
///
/// The passes' order is that of Pillow 13.0: vertical first where the height loses more than twice the pixels that the width does. Up to
/// Pillow 12, with which MAE's models were trained, the horizontal pass always came first; there, and only there, some bytes differ by one.
#include "resample_passes.h"

/// Both passes over integers: every instruction set gives the same bits.
static inline __attribute__((always_inline))
void passes(uint8_t *output, const uint8_t *input, ptrdiff_t stride, const curricle_resize *r, const resize_plan *p,
            const taps *across, const taps *down, uint8_t *between) {
    ptrdiff_t channels = r->channels, width = r->width * channels;
    // A row of the input is followed by another, or is the last of all.
    int is_last_readable = p->y.end < r->input_height;
    if (p->needs_x && p->needs_y && p->vertical_first) {
        ptrdiff_t columns = (p->x.end - p->x.first) * channels;
        vertical(between, input + p->x.first * channels, stride, 0, down, r->height, columns);
        horizontal(output, between, columns, p->x.first, r->height, 0, across, r->width, r->channels);
    } else if (p->needs_x && p->needs_y) {
        horizontal(between, input + p->y.first * stride, stride, 0, p->y.end - p->y.first, is_last_readable, across, r->width, r->channels);
        vertical(output, between, width, p->y.first, down, r->height, width);
    } else if (p->needs_x) {
        horizontal(output, input + p->y.first * stride, stride, 0, r->height, is_last_readable, across, r->width, r->channels);
    } else if (p->needs_y) {
        vertical(output, input + p->x.first * channels, stride, 0, down, r->height, width);
    } else {
        for (int32_t y = 0; y < r->height; y++)
            memcpy(output + y * width, input + (r->top + y) * stride + r->left * channels, (size_t)width);
    }
}

typedef void passes_function(
    uint8_t *, const uint8_t *, ptrdiff_t, const curricle_resize *, const resize_plan *, const taps *, const taps *, uint8_t *);

static void passes_baseline(uint8_t *output, const uint8_t *input, ptrdiff_t stride, const curricle_resize *r, const resize_plan *p,
                            const taps *across, const taps *down, uint8_t *between) {
    passes(output, input, stride, r, p, across, down, between);
}

#if defined(__x86_64__)
__attribute__((target("avx2")))
static void passes_avx2(uint8_t *output, const uint8_t *input, ptrdiff_t stride, const curricle_resize *r, const resize_plan *p,
                        const taps *across, const taps *down, uint8_t *between) {
    passes(output, input, stride, r, p, across, down, between);
}
#endif

static passes_function *chosen_passes(void) {
#if defined(__x86_64__)
    // Baseline x86-64 has no 32-bit multiply of vectors, and that is all there is to do here.
    if (__builtin_cpu_supports("avx2")) return passes_avx2;
#endif
    return passes_baseline;
}

size_t curricle_resize_workspace(const curricle_resize *r) {
    if (!is_valid(r)) return 0;
    resize_plan p = plan_of(r);
    int32_t across = stride_of(r->output_width, r->input_width), down = stride_of(r->output_height, r->input_height);
    return 8 * (size_t)(across > down ? across : down)  // one position's weights as doubles
           + (p.needs_x ? taps_bytes(r->width, across) : 0) + (p.needs_y ? taps_bytes(r->height, down) : 0) + rounded(p.between);
}

int32_t curricle_resize_bicubic(uint8_t *output, const uint8_t *input, ptrdiff_t input_stride, const curricle_resize *r, void *workspace) {
    if (!is_valid(r)) return 1;
    resize_plan p = plan_of(r);
    int32_t stride_across = stride_of(r->output_width, r->input_width), stride_down = stride_of(r->output_height, r->input_height);
    double *weight = workspace;
    uint8_t *rest = (uint8_t *)workspace + 8 * (size_t)(stride_across > stride_down ? stride_across : stride_down);
    taps across = {0}, down = {0};
    if (p.needs_x) across = take_taps(&rest, r->output_width, r->input_width, (span){r->left, r->left + r->width}, weight);
    if (p.needs_y) down = take_taps(&rest, r->output_height, r->input_height, (span){r->top, r->top + r->height}, weight);
    chosen_passes()(output, input, input_stride, r, &p, &across, &down, rest);
    return 0;
}
