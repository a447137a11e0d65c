// Features of a program file on this machine against those that another machine, or the Swift path, computed.
//
//   test_features FILE.curricle PIXELS FEATURES [TOLERANCE]
//
// PIXELS holds whole images [height, width, channels] of bytes, perhaps behind an IDX header; FEATURES their float32 rows, perhaps
// behind NumPy's. Exit 0 where every ISA with fused
// multiply-adds gives the same bits, or with a tolerance every ISA features within it (of the largest number).
#include "count_allocations.h"
#include "curricle_program.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *why) {
    fprintf(stderr, "test_features: %s\n", why);
    exit(1);
}

static void *contents(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail(path);
    *size = (size_t)ftell(file);
    rewind(file);
    void *bytes = aligned_alloc(128, (*size + 127) / 128 * 128);
    if (!bytes || fread(bytes, 1, *size, file) != *size) fail(path);
    fclose(file);
    return bytes;
}

/// Bytes of an IDX header of three dimensions, or of a .npy's; 0 where there is none.
static size_t header_of(const unsigned char *bytes, size_t size) {
    if (size > 16 && !memcmp(bytes, "\0\0\10\3", 4)) return 16;
    if (size > 10 && !memcmp(bytes, "\x93NUMPY\1", 7)) return 10u + bytes[8] + 256u * bytes[9];
    return 0;
}

int main(int count, char **arguments) {
    if (count < 4) fail("takes a program file, pixels, features and perhaps a tolerance");
    double tolerance = count > 4 ? atof(arguments[4]) : 0;
    size_t file_bytes, pixel_bytes, feature_bytes;
    void *file = contents(arguments[1], &file_bytes);
    const uint8_t *pixels = contents(arguments[2], &pixel_bytes);
    size_t pixel_header = header_of(pixels, pixel_bytes);
    pixels += pixel_header, pixel_bytes -= pixel_header;
    const unsigned char *rows = contents(arguments[3], &feature_bytes);
    size_t row_header = header_of(rows, feature_bytes);
    const float *expected = (const float *)(rows + row_header);
    feature_bytes -= row_header;
    int runs = 0;
    for (int isa = CURRICLE_ISA_BASELINE; isa <= CURRICLE_ISA_NEON; isa++) {
        if (!curricle_isa_available((curricle_isa)isa) || (!curricle_isa_fuses((curricle_isa)isa) && tolerance == 0)) continue;
        for (int threads = 1; threads <= 3; threads += 2) {
            curricle_encoder encoder;
            const curricle_options options = {.size = sizeof options, .threads = threads, .isa = isa};
            curricle_status status = curricle_open(&encoder, file, file_bytes, &options);
            if (status != CURRICLE_OK) fail(curricle_status_text(status));
            curricle_shape s = {.size = sizeof s};
            curricle_shape_of(&encoder, &s);
            size_t input = (size_t)s.images * s.height * s.width * s.channels, output = (size_t)s.images * s.rows * s.row_width;
            if (pixel_bytes % input || feature_bytes != pixel_bytes / input * output * sizeof(float))
                fail("pixels, features and program are of other sizes");
            void *arena = aligned_alloc(CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder));
            float *features = malloc(output * sizeof *features);
            int before = 0;
            for (size_t batch = 0; batch < pixel_bytes / input; batch++) {
                if ((status = curricle_run(&encoder, arena, pixels + batch * input, features)) != CURRICLE_OK)
                    fail(curricle_status_text(status));
                if (batch == 0) before = atomic_load(&allocations); // a team's first run starts its threads
                double most = 0, miss = 0;
                for (size_t i = 0; i < output; i++) {
                    most = fmax(most, fabs(expected[batch * output + i]));
                    double error = fabs((double)features[i] - expected[batch * output + i]);
                    if (!(error <= miss)) miss = error;
                }
                if (tolerance > 0 ? !(miss <= tolerance * most)
                                  : memcmp(features, expected + batch * output, output * sizeof *features) != 0) {
                    fprintf(stderr, "test_features: other features on %s, %d threads, batch %zu: %g of %g\n",
                        curricle_isa_name((curricle_isa)isa), threads, batch, miss, most);
                    return 1;
                }
            }
            if (atomic_load(&allocations) != before) fail("a run after the first allocates");
            free(arena), free(features);
            runs++;
        }
    }
    if (runs == 0) fail("no ISA here has fused multiply-adds: give a tolerance");
    printf("%d runs over %zu bytes of pixels gave the expected features\n", runs, pixel_bytes);
    return 0;
}
