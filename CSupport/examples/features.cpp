// Features of pictures in binary PPM or PGM files, a line of numbers for each row:   features ENCODER.curricle PICTURE …
#include <curricle.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Released {
    void operator()(void *place) const { std::free(place); }
};
using Memory = std::unique_ptr<void, Released>;

/// Memory aligned as the arena must be.
static Memory memory(size_t bytes) {
    Memory place(std::aligned_alloc(CURRICLE_ALIGNMENT, (bytes + CURRICLE_ALIGNMENT - 1) / CURRICLE_ALIGNMENT * CURRICLE_ALIGNMENT));
    if (!place) throw std::bad_alloc();
    return place;
}

static std::string contents(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    if (!(text << file.rdbuf())) throw std::runtime_error(path + ": cannot be read");
    return text.str();
}

static void check(curricle_status status, const std::string &name) {
    if (status != CURRICLE_OK) throw std::runtime_error(name + ": " + curricle_status_text(status));
}

/// A picture made to fit: [height, width, channels] of the encoder into `pixels`.
static void read_picture(const std::string &path, const curricle_shape &shape, uint8_t *pixels) {
    const std::string file = contents(path);
    int kind, width, height, most, header = 0;
    if (std::sscanf(file.c_str(), "P%d %d %d %d%n", &kind, &width, &height, &most, &header) != 4 || (kind != 5 && kind != 6) || most != 255)
        throw std::runtime_error(path + ": is no binary PPM or PGM file of 8 bits");
    const int channels = kind == 6 ? 3 : 1;
    if (uint32_t(channels) != shape.channels) throw std::runtime_error(path + ": has not the encoder's number of channels");
    const size_t bytes = curricle_resize_crop_workspace(shape.width, shape.height, width, height, channels);
    if (bytes == 0 || file.size() - header - 1 < size_t(width) * height * channels)
        throw std::runtime_error(path + ": has an impossible size");
    const Memory workspace = memory(bytes);
    check(curricle_resize_crop(pixels, shape.width, shape.height, reinterpret_cast<const uint8_t *>(file.data()) + header + 1,
              ptrdiff_t(width) * channels, width, height, channels, workspace.get()),
        path);
}

static void print_features(const std::string &program, const std::vector<std::string> &pictures) {
    const std::string file = contents(program);
    const Memory bytes = memory(file.size()); // on a device: mapped, or where it lies in flash
    file.copy(static_cast<char *>(bytes.get()), file.size());
    curricle_encoder encoder;
    check(curricle_open(&encoder, bytes.get(), file.size(), nullptr), program);
    curricle_shape shape{};
    shape.size = sizeof shape;
    check(curricle_shape_of(&encoder, &shape), program);
    const size_t image = size_t(shape.height) * shape.width * shape.channels, outputs = size_t(shape.rows) * shape.row_width;
    std::vector<float> features(shape.images * outputs);
    const Memory arena = memory(curricle_arena_bytes(&encoder));
    // As many pictures a run as the encoder was compiled for, or what is left of them.
    for (size_t first = 0; first < pictures.size(); first += shape.images) {
        const size_t here = std::min<size_t>(shape.images, pictures.size() - first);
        std::vector<uint8_t> pixels(here * image);
        for (size_t i = 0; i < here; i++) read_picture(pictures[first + i], shape, pixels.data() + i * image);
        check(curricle_run_n(&encoder, arena.get(), pixels.data(), here, features.data()), "a run");
        for (size_t i = 0; i < here * outputs; i++) std::printf("%.9g%c", features[i], (i + 1) % shape.row_width ? ' ' : '\n');
    }
}

int main(int count, char **arguments) {
    if (count < 3) {
        std::fprintf(stderr, "usage: features ENCODER.curricle PICTURE.ppm …\n");
        return 2;
    }
    try {
        print_features(arguments[1], {arguments + 2, arguments + count});
    } catch (const std::exception &error) {
        std::fprintf(stderr, "features: %s\n", error.what());
        return 1;
    }
}
