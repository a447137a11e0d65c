// libFuzzer on opening a program file and one run of it: whatever opens must run within its memory. `make fuzz`.
//
// Inputs begin as small programs; beside libFuzzer's own changes, one field at a time gets a number that is near, or at an edge.
// The first byte of the checksum chooses the ISA, so every ISA meets every kind of file.
#define _POSIX_C_SOURCE 200112L // posix_memalign: blocks of just their size
#include "small_program.h"
#include <stdio.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static const small_sizes seeds[] = {
    {1, 2, 2, 2, 1, 4, 1, 4, CURRICLE_POOL_CLS, 0, 0},
    {2, 2, 1, 1, 3, 8, 2, 5, CURRICLE_POOL_MEAN, 0, 0},
    {1, 1, 3, 2, 2, 4, 2, 20, CURRICLE_POOL_TOKENS, 0, 0},
    {2, 1, 2, 2, 1, 4, 1, 5, CURRICLE_POOL_CLS_MEAN, 0, 0},
    {2, 2, 1, 1, 3, 8, 2, 5, CURRICLE_POOL_MEAN, CURRICLE_PRECISION_INT8, 0},
    {1, 1, 3, 2, 2, 4, 2, 20, CURRICLE_POOL_TOKENS, CURRICLE_PRECISION_INT8, 0},
    {2, 2, 2, 2, 1, 4, 1, 4, CURRICLE_POOL_MEAN, 0, 2},
    {1, 3, 1, 2, 1, 8, 2, 5, CURRICLE_POOL_CLS, CURRICLE_PRECISION_INT8, 1},
    {2, 2, 1, 1, 3, 8, 2, 5, CURRICLE_POOL_MEAN, CURRICLE_PRECISION_BF16, 0},
    {1, 1, 3, 2, 2, 5, 5, 21, CURRICLE_POOL_TOKENS, CURRICLE_PRECISION_BF16, 0},
};

static void change_field(uint8_t *data, size_t size, unsigned random) {
    program_header *h = (program_header *)data;
    size_t start = 256, fields = (size - start) / 4; // instructions, mostly
    if (size >= 256 + 136 && h->instruction_count > 0 && h->instruction_count < 64) {
        fields = h->instruction_count * 34;
        if (start + fields * 4 > size) fields = (size - start) / 4;
    }
    if (random % 8 == 0) start = 8, fields = 48; // the header
    if (fields == 0) return;
    uint8_t *place = data + start + (random >> 4) % fields * 4;
    uint32_t value;
    memcpy(&value, place, 4);
    static const uint32_t edges[] = {0, 1, 2, 15, 16, 17, 64, 255, 256, 4096, 1 << 20, 1 << 28, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    switch (random >> 28 & 7) {
    case 0: value++; break;
    case 1: value--; break;
    case 2: value *= 2; break;
    case 3: value /= 2; break;
    case 4: value += 64; break;
    case 5: value -= 4; break;
    default: value = edges[(random >> 16) % (sizeof edges / sizeof *edges)]; break;
    }
    memcpy(place, &value, 4);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    if (size < 512 || seed % 64 == 0) {
        small_program p = make_small_program(seeds[seed / 64 % (sizeof seeds / sizeof *seeds)]);
        if (p.size + 64 <= most) memcpy(data, p.bytes, size = p.size);
        program_header *h = (program_header *)data;
        if (size == p.size && seed / 512 % 2 && h->rows == 1) { // a classifier, its names behind the parameters
            memset(data + size, 0, 64);
            for (uint32_t i = 0; i < h->row_width && i < 32; i++) data[size + 2 * i] = (uint8_t)('a' + i);
            h->version = 2;
            h->pool = CURRICLE_POOL_PROBABILITIES;
            h->labels = (program_section){size, 2 * (uint64_t)h->row_width};
            h->tested = seed / 1024 % 2;
            h->file_bytes = size += 64;
        }
        free_small_program(&p);
    }
    if (seed % 4 == 0) size = LLVMFuzzerMutate(data, size, most);
    else for (unsigned i = 0, random = seed; i <= seed % 3; i++, random = random * 1664525u + 1013904223u) change_field(data, size, random);
    // Else hardly any change would come past the first look.
    if (size >= 256 && seed % 16 != 1) memcpy(data, "CURRICLE", 8), memcpy(data + 8, &(uint32_t){data[8] == 1 ? 1 : 2}, 4), memcpy(data + 16, &(uint64_t){size}, 8);
    return size;
}

static uint64_t opened_files, files, files_with_names;
static void report(void) {
    fprintf(stderr, "%llu of %llu files opened and ran, %llu with names\n", (unsigned long long)opened_files, (unsigned long long)files,
        (unsigned long long)files_with_names);
    if (files >= 10000 && opened_files * 100 < files) _Exit(3); // hardly any file was run: this tests too little
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (files++ == 0) atexit(report);
    void *bytes;
    if (posix_memalign(&bytes, 64, size ? size : 1)) return 0;
    memcpy(bytes, data, size);
    curricle_encoder encoder;
    curricle_open(&encoder, bytes, size, NULL);
    int isa = size > 12 ? CURRICLE_ISA_BASELINE + data[12] % 3 : 0;
    curricle_options options = {
        .size = sizeof options, .isa = curricle_isa_available((curricle_isa)isa) ? isa : CURRICLE_ISA_BEST, .ignore_checksum = 1};
    if (curricle_open(&encoder, bytes, size, &options) == CURRICLE_OK && curricle_arena_bytes(&encoder) < 4 << 20 &&
        curricle_flops(&encoder) < 1e7) {
        curricle_shape s = {.size = sizeof s};
        curricle_shape_of(&encoder, &s);
        size_t input = (size_t)s.images * s.height * s.width * s.channels, output = (size_t)s.images * s.rows * s.row_width;
        void *arena;
        if (input < 1 << 20 && output < 1 << 18 && !posix_memalign(&arena, CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder))) {
            uint8_t *pixels = malloc(input);
            float *numbers = malloc(input * sizeof *numbers), *features = malloc(output * sizeof *features);
            memset(arena, 0, curricle_arena_bytes(&encoder));
            for (size_t i = 0; i < input; i++) pixels[i] = (uint8_t)i, numbers[i] = (float)i;
            if (curricle_run(&encoder, arena, pixels, features) != CURRICLE_OK ||
                curricle_run_float(&encoder, arena, numbers, features) != CURRICLE_OK)
                abort();
            curricle_status part = curricle_run_n(&encoder, arena, pixels, s.images - 1, features);
            if (part != CURRICLE_OK && part != CURRICLE_BAD_INSTRUCTION) abort();
            uint64_t *times = calloc(curricle_instruction_count(&encoder), sizeof *times);
            if (!times || curricle_run_timed(&encoder, arena, pixels, features, times) != CURRICLE_OK) abort();
            for (uint32_t i = 0; i < curricle_instruction_count(&encoder); i++)
                if (!curricle_instruction_name(&encoder, i)) abort();
            const char *writer = curricle_writer(&encoder);
            if (writer && strlen(writer) > 23) abort();
            free(times);
            curricle_status test = curricle_self_test(&encoder, arena, features);
            if (test != CURRICLE_OK && test != CURRICLE_OTHER_RESULT && test != CURRICLE_UNTESTED) abort();
            for (uint32_t i = 0; i <= s.row_width && i < 64; i++) {
                const char *name = curricle_label(&encoder, i);
                if (name && strlen(name) >= size) abort();
                files_with_names += name && i == 0;
            }
            opened_files++;
            free(pixels), free(numbers), free(features), free(arena);
        }
    }
    free(bytes);
    return 0;
}
