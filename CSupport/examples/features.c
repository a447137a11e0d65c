// Features of pictures in binary PPM or PGM files, a line of numbers for each row:   features ENCODER.curricle PICTURE …
#include <curricle.h>
#include <stdio.h>
#include <stdlib.h>

static void stop(const char *name, const char *why) {
    fprintf(stderr, "features: %s: %s\n", name, why);
    exit(1);
}

static void *memory(size_t bytes) { // aligned as the arena must be
    void *place = aligned_alloc(CURRICLE_ALIGNMENT, (bytes + CURRICLE_ALIGNMENT - 1) / CURRICLE_ALIGNMENT * CURRICLE_ALIGNMENT);
    if (!place) stop("memory", "there is not enough");
    return place;
}

/// The whole of a file. On a device: mapped, or where it lies in flash.
static char *contents(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) || ftell(file) < 0) stop(path, "cannot be read");
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = memory(*size + 1);
    if (fread(bytes, 1, *size, file) != *size) stop(path, "cannot be read");
    fclose(file);
    bytes[*size] = 0;
    return bytes;
}

/// A picture made to fit: [height, width, channels] of the encoder into `pixels`.
static void read_picture(const char *path, const curricle_shape *shape, uint8_t *pixels) {
    size_t size;
    char *file = contents(path, &size);
    int kind, width, height, most, header = 0;
    if (sscanf(file, "P%d %d %d %d%n", &kind, &width, &height, &most, &header) != 4 || (kind != 5 && kind != 6) || most != 255)
        stop(path, "is no binary PPM or PGM file of 8 bits");
    int channels = kind == 6 ? 3 : 1;
    if ((uint32_t)channels != shape->channels) stop(path, "has not the encoder's number of channels");
    size_t bytes = curricle_resize_crop_workspace((int32_t)shape->width, (int32_t)shape->height, width, height, channels);
    if (bytes == 0 || size - (size_t)header - 1 < (size_t)width * (size_t)height * (size_t)channels) stop(path, "has an impossible size");
    void *workspace = memory(bytes);
    curricle_resize_crop(pixels, (int32_t)shape->width, (int32_t)shape->height, (uint8_t *)file + header + 1, (ptrdiff_t)width * channels,
        width, height, channels, workspace);
    free(workspace), free(file);
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: features ENCODER.curricle PICTURE.ppm …\n");
        return 2;
    }
    size_t size;
    char *program = contents(arguments[1], &size);
    curricle_encoder encoder;
    curricle_status status = curricle_open(&encoder, program, size, NULL);
    if (status != CURRICLE_OK) stop(arguments[1], curricle_status_text(status));
    curricle_shape shape = {.size = sizeof shape};
    curricle_shape_of(&encoder, &shape);
    size_t image = (size_t)shape.height * shape.width * shape.channels, rows = (size_t)shape.images * shape.rows;
    uint8_t *pixels = memory(shape.images * image);
    float *features = memory(rows * shape.row_width * sizeof(float));
    void *arena = memory(curricle_arena_bytes(&encoder));
    // As many pictures a run as the encoder was compiled for, or what is left of them.
    for (int first = 2; first < count; first += (int)shape.images) {
        uint32_t here = (uint32_t)(count - first) < shape.images ? (uint32_t)(count - first) : shape.images;
        for (uint32_t i = 0; i < here; i++) read_picture(arguments[first + (int)i], &shape, pixels + i * image);
        if ((status = curricle_run_n(&encoder, arena, pixels, here, features)) != CURRICLE_OK) stop("a run", curricle_status_text(status));
        for (size_t i = 0; i < (size_t)here * shape.rows * shape.row_width; i++)
            printf("%.9g%c", features[i], (i + 1) % shape.row_width ? ' ' : '\n');
    }
    free(arena), free(features), free(pixels), free(program);
    return 0;
}
