// A device without an operating system: the program lies in flash, the arena is a variable, nothing else is needed. Prints a hash of the
// features' bits, of two pictures from a formula and of a resized one, and what memory it took; the host's build of it prints the same
// hashes.
#include "curricle.h"
#include "device.h"
#include <string.h>

// The file where it lies: a section of flash at a multiple of 64 bytes.
__asm__(".section .rodata.program, \"a\"\n"
        ".balign 64\n"
        ".globl program_start, program_end\n"
        "program_start: .incbin \"" PROGRAM "\"\n"
        "program_end:\n"
        ".previous\n");
extern const uint8_t program_start[], program_end[];

static _Alignas(CURRICLE_ALIGNMENT) uint8_t arena[ARENA_BYTES];
static uint8_t pixels[64 * 64 * 3], camera[120 * 160 * 3];
static float features[4096];
static uint64_t workspace[4096];

static void print_number(const char *name, uint32_t number) {
    char text[16], *at = text + sizeof text;
    *--at = 0;
    do *--at = (char)('0' + number % 10);
    while (number /= 10);
    device_print(name), device_print(at), device_print("\n");
}

/// FNV-1a of the features' words.
static uint32_t hash_of(size_t count) {
    uint32_t hash = 2166136261u, word;
    for (size_t i = 0; i < count; i++) {
        memcpy(&word, features + i, sizeof word);
        hash = (hash ^ word) * 16777619u;
    }
    return hash;
}

static int fail(const char *why) { return device_print("failed: "), device_print(why), device_print("\n"), 1; }

int main(void) {
    curricle_encoder encoder;
    device_paint_stack();
    curricle_status status = curricle_open(&encoder, program_start, (size_t)(program_end - program_start), NULL);
    if (status != CURRICLE_OK) return fail(curricle_status_text(status));
    print_number("stack of opening, bytes: ", device_stack_used());
    curricle_shape s = {.size = sizeof s};
    curricle_shape_of(&encoder, &s);
    size_t input = (size_t)s.images * s.height * s.width * s.channels, output = (size_t)s.images * s.rows * s.row_width;
    print_number("program, bytes: ", (uint32_t)(program_end - program_start));
    print_number("arena, bytes: ", (uint32_t)curricle_arena_bytes(&encoder));
    if (curricle_arena_bytes(&encoder) > sizeof arena || input > sizeof pixels || output > sizeof features / sizeof *features)
        return fail("the program is larger than this device");
    for (uint32_t picture = 0; picture < 2; picture++) {
        for (uint32_t i = 0; i < input; i++) pixels[i] = (uint8_t)(i * 73 + i / 7 + picture * 31);
        device_paint_stack();
        uint64_t before = device_instructions();
        if ((status = curricle_run(&encoder, arena, pixels, features)) != CURRICLE_OK) return fail(curricle_status_text(status));
        if (picture == 1) {
            print_number("instructions of a picture, thousands: ", (uint32_t)((device_instructions() - before) / 1000));
            print_number("stack of a run, bytes: ", device_stack_used());
        }
        print_number("hash of features: ", hash_of(output));
    }
    for (uint32_t i = 0; i < sizeof camera; i++) camera[i] = (uint8_t)(i * 29 + i / 11);
    if (curricle_resize_crop_workspace((int32_t)s.width, (int32_t)s.height, 160, 120, (int32_t)s.channels) > sizeof workspace)
        return fail("resizing needs more workspace");
    device_paint_stack();
    status = curricle_resize_crop(pixels, (int32_t)s.width, (int32_t)s.height, camera, 160 * (ptrdiff_t)s.channels, 160, 120,
        (int32_t)s.channels, workspace);
    if (status != CURRICLE_OK) return fail(curricle_status_text(status));
    print_number("stack of resizing, bytes: ", device_stack_used());
    curricle_run(&encoder, arena, pixels, features);
    print_number("hash of a resized picture's features: ", hash_of(output));
    return 0;
}
