// Pictures resized by rows as they come: the bits of the whole picture's passes (resample.c, held to Pillow by the tests of Vision) for
// random sizes, parts and strips; cameras' formats against formulas in double.
#include "program_file.h"
#include "resize_rows.h"
#include <stdio.h>
#include <stdlib.h>

static int failures, comparisons;
static void expect(int holds, const char *what, int64_t number) {
    comparisons++;
    if (!holds && failures++ < 20) fprintf(stderr, "%s: %lld\n", what, (long long)number);
}
static uint32_t drawn(uint32_t below) {
    static uint64_t state = 3;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}
/// 1…most, mostly small.
static int32_t side(uint32_t most) { return 1 + (int32_t)drawn(1 + drawn(most)); }
static uint8_t *drawn_bytes(size_t count) {
    uint8_t *bytes = malloc(count);
    for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)drawn(256);
    return bytes;
}

/// One part of one resize, by rows and as a whole.
static void test_part(void) {
    curricle_resize r = {.input_width = side(700), .input_height = side(700), .channels = 1 + (int32_t)drawn(4), .output_width = side(300),
        .output_height = side(300), .horizontal_first = drawn(4) == 0};
    if (drawn(8) == 0) r.output_width = r.input_width;
    if (drawn(8) == 0) r.output_height = r.input_height;
    r.left = (int32_t)drawn((uint32_t)r.output_width), r.top = (int32_t)drawn((uint32_t)r.output_height);
    r.width = 1 + (int32_t)drawn((uint32_t)(r.output_width - r.left)), r.height = 1 + (int32_t)drawn((uint32_t)(r.output_height - r.top));
    size_t row = (size_t)r.input_width * (size_t)r.channels, bytes = (size_t)r.width * (size_t)r.height * (size_t)r.channels;
    uint8_t *input = drawn_bytes(row * (size_t)r.input_height), *expected = malloc(bytes), *actual = malloc(bytes);
    void *workspace = malloc(curricle_resize_workspace(&r)), *own = malloc((size_t)resize_rows_workspace(&r));
    expect(curricle_resize_bicubic(expected, input, (ptrdiff_t)row, &r, workspace) == 0, "a resize", 0);
    rows_on_their_way rows;
    resize_rows_begin(&rows, &r, actual, (ptrdiff_t)r.width * r.channels, own);
    for (int32_t y = 0; resize_rows_left(&rows) > 0; y++) {
        uint8_t *alone = malloc(row); // just its size, so that AddressSanitizer sees a read behind it
        memcpy(alone, input + (size_t)y * row, row);
        resize_rows_push(&rows, alone, 0);
        free(alone);
    }
    expect(!memcmp(actual, expected, bytes), "a part by rows differs, its height", r.height);
    free(input), free(expected), free(actual), free(workspace), free(own);
}

/// A whole picture, and the same in strips of random heights, through the interface.
static void test_strips(int32_t width, int32_t height, int32_t channels, int32_t to_width, int32_t to_height) {
    size_t row = (size_t)width * (size_t)channels, bytes = (size_t)to_width * (size_t)to_height * (size_t)channels;
    uint8_t *input = drawn_bytes(row * (size_t)height), *expected = malloc(bytes), *actual = malloc(bytes);
    void *workspace = malloc(curricle_resize_crop_workspace(to_width, to_height, width, height, channels));
    curricle_status status =
        curricle_resize_crop(expected, to_width, to_height, input, (ptrdiff_t)row, width, height, channels, workspace);
    expect(status == CURRICLE_OK, "a crop", status);
    curricle_resizer resizer;
    status = curricle_resize_crop_begin(&resizer, actual, to_width, to_height, width, height, channels, workspace);
    expect(status == CURRICLE_OK, "a beginning", status);
    for (int32_t y = 0, rows; curricle_resize_crop_rows_left(&resizer) > 0; y += rows) {
        rows = 1 + (int32_t)drawn(40);
        if (rows > height - y) rows = height - y;
        uint8_t *alone = malloc(row * (size_t)rows);
        memcpy(alone, input + (size_t)y * row, row * (size_t)rows);
        curricle_strip strip = {.size = sizeof strip, .rows = rows, .plane = {alone}, .stride = {(ptrdiff_t)row}};
        expect(curricle_resize_crop_push(&resizer, &strip) == CURRICLE_OK, "a strip", rows);
        free(alone);
    }
    expect(!memcmp(actual, expected, bytes), "a picture by strips differs, its height", height);
    free(input), free(expected), free(actual), free(workspace);
}

// MARK: Formats

static uint8_t nearest(double value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5); }
static int near(uint8_t a, uint8_t b) { return abs(a - b) <= 1; }

/// What a camera's picture is in RGB, by the formulas' definition.
static void reference_rgb(uint8_t *rgb, const curricle_strip *s, int32_t x, int32_t y) {
    const uint8_t *first = s->plane[0] + y * s->stride[0];
    if (s->format == CURRICLE_RGB565 || s->format == CURRICLE_RGB565_BE) {
        int value = s->format == CURRICLE_RGB565 ? first[2 * x] + 256 * first[2 * x + 1] : 256 * first[2 * x] + first[2 * x + 1];
        rgb[0] = nearest((value >> 11) * 255 / 31.), rgb[1] = nearest((value >> 5 & 63) * 255 / 63.);
        rgb[2] = nearest((value & 31) * 255 / 31.);
        return;
    }
    const uint8_t *chroma = s->plane[1] + y / 2 * s->stride[1];
    double luma = first[x], cb = s->format == CURRICLE_I420 ? chroma[x / 2] : chroma[x / 2 * 2 + (s->format == CURRICLE_NV21)],
           cr = s->format == CURRICLE_I420 ? s->plane[2][y / 2 * s->stride[2] + x / 2] : chroma[x / 2 * 2 + (s->format == CURRICLE_NV12)];
    rgb[0] = nearest(luma + 1.402 * (cr - 128));
    rgb[1] = nearest(luma - 0.344136286 * (cb - 128) - 0.714136286 * (cr - 128));
    rgb[2] = nearest(luma + 1.772 * (cb - 128));
}

/// A camera's picture in strips: near the definition where nothing is resized, and the bits of its RGB where it is.
static void test_format(int32_t format, int32_t width, int32_t height, int32_t to_width, int32_t to_height) {
    int is_420 = format >= CURRICLE_NV12, planes = format == CURRICLE_I420 ? 3 : is_420 ? 2 : 1;
    ptrdiff_t stride[3] = {width * (is_420 ? 1 : 2) + 3, (width + 1) / 2 * (planes == 2 ? 2 : 1) + 1, (width + 1) / 2 + 5};
    uint8_t *plane[3] = {0}, *rgb = malloc((size_t)width * (size_t)height * 3);
    curricle_strip all = {.size = sizeof all, .format = format, .rows = height};
    for (int i = 0; i < planes; i++) {
        // Without the stride's rest behind the last row: nothing may read there.
        size_t rows = (size_t)(i ? (height + 1) / 2 : height), used = (size_t)(stride[i] - (i == 0 ? 3 : i == 1 ? 1 : 5));
        all.plane[i] = plane[i] = drawn_bytes((rows - 1) * (size_t)stride[i] + used);
        all.stride[i] = stride[i];
    }
    // To the same size (a target above 224 is not resized): the conversion alone.
    int32_t same_width = 240, same_height = 240;
    size_t most = (size_t)(width > to_width ? width : to_width) * (size_t)(height > to_height ? height : to_height) * 3;
    uint8_t *output = malloc(most), *expected = malloc(most);
    if (width == same_width && height == same_height) {
        void *workspace = malloc(curricle_resize_crop_workspace(width, height, width, height, 3));
        curricle_resizer resizer;
        curricle_resize_crop_begin(&resizer, rgb, width, height, width, height, 3, workspace);
        expect(curricle_resize_crop_push(&resizer, &all) == CURRICLE_OK, "a whole picture in format", format);
        for (int32_t y = 0; y < height; y++)
            for (int32_t x = 0; x < width; x++) {
                uint8_t reference[3], *actual = rgb + (y * width + x) * 3;
                reference_rgb(reference, &all, x, y);
                for (int c = 0; c < 3; c++) expect(near(actual[c], reference[c]), "a pixel in format", format);
            }
        curricle_resize_crop(expected, to_width, to_height, rgb, width * 3, width, height, 3,
            workspace = realloc(workspace, curricle_resize_crop_workspace(to_width, to_height, width, height, 3)));
        free(workspace);
    }
    void *workspace = malloc(curricle_resize_crop_workspace(to_width, to_height, width, height, 3));
    curricle_resizer resizer;
    curricle_resize_crop_begin(&resizer, output, to_width, to_height, width, height, 3, workspace);
    for (int32_t y = 0, rows; y < height; y += rows) {
        rows = 2 * (1 + (int32_t)drawn(9));
        if (rows > height - y) rows = height - y;
        curricle_strip strip = all;
        strip.rows = rows;
        for (int i = 0; i < planes; i++) strip.plane[i] = all.plane[i] + (i ? y / 2 : y) * all.stride[i];
        expect(curricle_resize_crop_push(&resizer, &strip) == CURRICLE_OK, "a strip in format", format);
    }
    expect(curricle_resize_crop_rows_left(&resizer) == 0, "rows left", curricle_resize_crop_rows_left(&resizer));
    if (width == same_width && height == same_height)
        expect(!memcmp(output, expected, (size_t)to_width * (size_t)to_height * 3), "a resized picture in format", format);
    for (int i = 0; i < 3; i++) free(plane[i]);
    free(rgb), free(output), free(expected), free(workspace);
}

static void test_refusals(void) {
    uint8_t output[4 * 4 * 3], input[8 * 8 * 3] = {0};
    uint64_t workspace[1024];
    curricle_resizer resizer;
    expect(curricle_resize_crop_workspace(4, 4, 8, 8, 3) <= sizeof workspace, "a small workspace", 0);
    expect(curricle_resize_crop_begin(&resizer, output, 4, 4, 8, 8, 3, NULL) == CURRICLE_BAD_ARGUMENT, "no workspace", 0);
    const curricle_strip one = {.size = sizeof one, .rows = 1, .plane = {input}, .stride = {24}};
    expect(curricle_resize_crop_push(&resizer, &one) == CURRICLE_BAD_ARGUMENT, "a resizer that was not begun", 0);
    curricle_resize_crop_begin(&resizer, output, 4, 4, 8, 8, 3, workspace);
    curricle_strip bad[] = {{.size = 1}, {.stride = {23}}, {.format = 6}, {.format = -1}, {.rows = 9}, {.rows = -1},
        {.format = CURRICLE_NV12, .rows = 3}, {.format = CURRICLE_NV12, .rows = 2}, {.format = CURRICLE_I420, .rows = 2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        curricle_strip strip = bad[i];
        if (strip.size == 0) strip.size = sizeof strip;
        if (strip.rows == 0) strip.rows = 1;
        if (strip.stride[0] == 0) strip.stride[0] = 24;
        strip.plane[0] = input;
        expect(curricle_resize_crop_push(&resizer, &strip) == CURRICLE_BAD_ARGUMENT, "a bad strip, number", (int64_t)i);
    }
    expect(curricle_resize_crop_rows_left(&resizer) == 8, "rows left after refusals", curricle_resize_crop_rows_left(&resizer));
    for (int i = 0; i < 8; i++) expect(curricle_resize_crop_push(&resizer, &one) == CURRICLE_OK, "a row", i);
    expect(curricle_resize_crop_push(&resizer, &one) == CURRICLE_BAD_ARGUMENT, "a row too many", 0);
}

int main(void) {
    for (int i = 0; i < 400; i++) test_part();
    for (int i = 0; i < 200; i++) test_strips(side(900), side(900), 1 + (int32_t)drawn(4), side(260), side(260));
    test_strips(300, 1500, 3, 224, 224); // the vertical pass first
    for (int32_t format = CURRICLE_RGB565; format <= CURRICLE_I420; format++) {
        test_format(format, 240, 240, 96, 224);
        for (int i = 0; i < 8; i++) test_format(format, side(99), side(99), side(60), side(60));
    }
    test_refusals();
    size_t most = curricle_resize_crop_workspace(224, 224, 4032, 3024, 3);
    expect(most > 0 && most <= 300 * 1024, "workspace of 4032 by 3024", (int64_t)most);
    printf("%d comparisons of resized pictures, %d failures; 4032 by 3024 takes %zu bytes of workspace\n", comparisons, failures, most);
    return failures != 0;
}
