// Features of a picture in a binary PPM file:   features ENCODER.curricle PICTURE.ppm
#include <curricle.h>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

static std::string contents(const char *path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    std::string file = contents(arguments[1]), picture = contents(arguments[2]);
    void *bytes = std::aligned_alloc(64, (file.size() + 63) / 64 * 64); // on a device: mapped, or where it lies in flash
    file.copy(static_cast<char *>(bytes), file.size());
    curricle_encoder encoder;
    if (curricle_status status = curricle_open(&encoder, bytes, file.size(), nullptr)) return std::fprintf(stderr, "%s\n", curricle_status_text(status)), 1;
    curricle_shape shape = curricle_shape_of(&encoder);
    int width, height, pixels_at;
    if (std::sscanf(picture.c_str(), "P6 %d %d 255%*c%n", &width, &height, &pixels_at) != 2) return 2;
    std::vector<uint64_t> workspace(curricle_resize_crop_workspace(shape.width, shape.height, width, height, 3) / 8 + 1);
    std::vector<uint8_t> input(shape.width * shape.height * 3);
    std::vector<float> features(shape.rows * shape.row_width);
    auto *rgb = reinterpret_cast<const uint8_t *>(picture.data()) + pixels_at;
    curricle_resize_crop(input.data(), shape.width, shape.height, rgb, width * 3, width, height, 3, workspace.data());
    void *arena = std::aligned_alloc(CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder));
    if (curricle_status status = curricle_run(&encoder, arena, input.data(), features.data())) return std::fprintf(stderr, "%s\n", curricle_status_text(status)), 1;
    for (float x : features) std::printf("%.9g\n", x);
}
