// The two passes with each row of the input looked at once. Sums are those of integers, so their bits do not depend on the order.
#include "resize_rows.h"

/// Outputs of the vertical pass that one row of the input may belong to.
static int32_t outputs_at_once(const curricle_resize *r) {
    int32_t most = 1;
    for (int32_t first = r->top, o = r->top; o < r->top + r->height; o++) {
        while (reach(first, r->output_height, r->input_height).end <= reach(o, r->output_height, r->input_height).first) first++;
        if (o - first + 1 > most) most = o - first + 1;
    }
    return most;
}

static int sums_first(const resize_plan *p) { return p->needs_x && p->needs_y && p->vertical_first; }

/// Rows held, or outputs on their way.
static int32_t window_of(const curricle_resize *r, const resize_plan *p) {
    return sums_first(p) ? outputs_at_once(r) : p->needs_y ? stride_of(r->output_height, r->input_height) : 0;
}
static size_t columns_of(const curricle_resize *r, const resize_plan *p) { return (size_t)(p->x.end - p->x.first) * (size_t)r->channels; }
static uint64_t row_bytes_of(const curricle_resize *r) { return rounded((size_t)r->input_width * (size_t)r->channels + 1); }
static uint64_t between_bytes(const curricle_resize *r, const resize_plan *p) {
    uint64_t window = (uint64_t)window_of(r, p);
    return sums_first(p) ? window * columns_of(r, p) * sizeof(int32_t) : 2 * window * (uint64_t)r->width * (uint64_t)r->channels;
}

INTERNAL uint64_t resize_rows_workspace(const curricle_resize *r) {
    if (!is_valid(r)) return 0;
    resize_plan p = plan_of(r);
    int32_t across = stride_of(r->output_width, r->input_width), down = stride_of(r->output_height, r->input_height);
    uint64_t taps_of_both = (p.needs_x ? taps_bytes(r->width, across) : 0) + (p.needs_y ? taps_bytes(r->height, down) : 0);
    return 8 * (uint64_t)(across > down ? across : down) + taps_of_both + row_bytes_of(r) + (between_bytes(r, &p) + 7) / 8 * 8;
}

INTERNAL void resize_rows_begin(
    rows_on_their_way *s, const curricle_resize *r, uint8_t *output, ptrdiff_t output_stride, void *workspace) {
    *s = (rows_on_their_way){.resize = *r, .plan = plan_of(r), .output = output, .output_stride = output_stride};
    int32_t across = stride_of(r->output_width, r->input_width), down = stride_of(r->output_height, r->input_height);
    double *weight = workspace;
    uint8_t *rest = (uint8_t *)workspace + 8 * (size_t)(across > down ? across : down);
    if (s->plan.needs_x) s->across = take_taps(&rest, r->output_width, r->input_width, (span){r->left, r->left + r->width}, weight);
    if (s->plan.needs_y) s->down = take_taps(&rest, r->output_height, r->input_height, (span){r->top, r->top + r->height}, weight);
    s->row = rest;
    s->held = rest + row_bytes_of(r);
    s->sums = (int32_t *)(void *)s->held;
    s->window = window_of(r, &s->plan);
}

/// sums += weight·row, lane by lane; begun at one half where the row is an output's first.
static inline __attribute__((always_inline)) void add_row(int32_t *sums, const uint8_t *row, int32_t weight, int is_first, size_t count) {
    size_t i = 0;
    for (; i + ROW_LANES <= count; i += ROW_LANES) {
        row_bytes value;
        row_sums sum = (row_sums){0} + HALF;
        memcpy(&value, row + i, sizeof value);
        if (!is_first) memcpy(&sum, sums + i, sizeof sum);
        sum += __builtin_convertvector(value, row_sums) * weight;
        memcpy(sums + i, &sum, sizeof sum);
    }
    for (; i < count; i++) sums[i] = (is_first ? HALF : sums[i]) + row[i] * weight;
}

static inline __attribute__((always_inline)) void push_down_first(rows_on_their_way *s, const uint8_t *input, int32_t y) {
    size_t columns = columns_of(&s->resize, &s->plan);
    const taps *down = &s->down;
    input += (ptrdiff_t)s->plan.x.first * s->resize.channels;
    for (int32_t o = s->next_output; o < s->resize.height && down->first[o] <= y; o++)
        add_row(s->sums + (size_t)(o % s->window) * columns, input, down->weights[(ptrdiff_t)o * down->stride + y - down->first[o]],
            y == down->first[o], columns);
    for (; s->next_output < s->resize.height && down->first[s->next_output] + down->count[s->next_output] <= y + 1; s->next_output++) {
        const int32_t *sums = s->sums + (size_t)(s->next_output % s->window) * columns;
        for (size_t i = 0; i < columns; i++) s->row[i] = clip(sums[i]);
        horizontal(s->output + s->next_output * s->output_stride, s->row, 0, s->plan.x.first, 1, 1, &s->across, s->resize.width,
            s->resize.channels);
    }
}

static inline __attribute__((always_inline))
void push_across_first(rows_on_their_way *s, const uint8_t *input, int32_t y, int four_readable) {
    const curricle_resize *r = &s->resize;
    const taps *down = &s->down;
    ptrdiff_t width = (ptrdiff_t)r->width * r->channels;
    uint8_t *place = s->plan.needs_y ? s->held + y % s->window * width : s->output + s->next_output++ * s->output_stride;
    if (s->plan.needs_x) horizontal(place, input, 0, 0, 1, four_readable, &s->across, r->width, r->channels);
    else memcpy(place, input + (ptrdiff_t)r->left * r->channels, (size_t)width);
    if (!s->plan.needs_y) return;
    memcpy(place + s->window * width, place, (size_t)width);
    for (; s->next_output < r->height && down->first[s->next_output] + down->count[s->next_output] <= y + 1; s->next_output++) {
        int32_t o = s->next_output;
        vertical_row(s->output + o * s->output_stride, s->held + down->first[o] % s->window * width, width,
            down->weights + (ptrdiff_t)o * down->stride, down->count[o], width);
    }
}

static inline __attribute__((always_inline)) void push(rows_on_their_way *s, const uint8_t *input, int four_readable) {
    int32_t y = s->next_input++;
    if (y < s->plan.y.first || y >= s->plan.y.end) return;
    if (sums_first(&s->plan)) push_down_first(s, input, y);
    else push_across_first(s, input, y, four_readable);
}
#if defined(__x86_64__)
__attribute__((target("avx2"))) static void push_avx2(rows_on_their_way *s, const uint8_t *input, int four_readable) {
    push(s, input, four_readable);
}
#endif

INTERNAL void resize_rows_push(rows_on_their_way *s, const uint8_t *input, int four_readable) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        push_avx2(s, input, four_readable);
        return;
    }
#endif
    push(s, input, four_readable);
}

INTERNAL int32_t resize_rows_left(const rows_on_their_way *s) {
    return s->next_input < s->plan.y.end ? s->plan.y.end - s->next_input : 0;
}
