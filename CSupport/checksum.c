// CRC-32C: by the CPU's own instruction where there is one, else eight bytes a turn by tables made on the stack (8 KB), or with
// CURRICLE_BARE half a byte by a table in flash.
#include "program_file.h"
#ifdef __ARM_FEATURE_CRC32 // -march=armv8-a+crc or later
#include <arm_acle.h>
#endif

typedef uint32_t advance_function(uint32_t remainder, const uint8_t *bytes, size_t size);

#ifdef CURRICLE_BARE
/// Entry [n]: the remainder of half a byte n.
static uint32_t advance_by_tables(uint32_t remainder, const uint8_t *bytes, size_t size) {
    static const uint32_t table[16] = {
        0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
        0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75};
    for (; size > 0; bytes++, size--) {
        remainder ^= *bytes;
        remainder = remainder >> 4 ^ table[remainder & 15];
        remainder = remainder >> 4 ^ table[remainder & 15];
    }
    return remainder;
}
#else
/// Eight tables ("slicing-by-8", Kounavis and Berry, 2005): entry [k][b] is the remainder of byte b and k zero bytes behind it.
static uint32_t advance_by_tables(uint32_t remainder, const uint8_t *bytes, size_t size) {
    uint32_t table[8][256];
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t r = byte;
        for (int bit = 0; bit < 8; bit++) r = r & 1 ? r >> 1 ^ 0x82F63B78u : r >> 1;
        table[0][byte] = r;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t byte = 0; byte < 256; byte++) table[k][byte] = table[k - 1][byte] >> 8 ^ table[0][table[k - 1][byte] & 255];
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        word ^= remainder;
        remainder = 0;
        for (int k = 0; k < 8; k++) remainder ^= table[7 - k][word >> 8 * k & 255];
    }
    for (; size > 0; bytes++, size--) remainder = remainder >> 8 ^ table[0][(remainder ^ *bytes) & 255];
    return remainder;
}
#endif

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t advance_by_instruction(uint32_t remainder, const uint8_t *bytes, size_t size) {
    uint64_t wide = remainder;
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    remainder = (uint32_t)wide;
    for (; size > 0; bytes++, size--) remainder = __builtin_ia32_crc32qi(remainder, *bytes);
    return remainder;
}
static advance_function *chosen_advance(void) { return __builtin_cpu_supports("sse4.2") ? advance_by_instruction : advance_by_tables; }
#elif defined(__ARM_FEATURE_CRC32)
static uint32_t advance_by_instruction(uint32_t remainder, const uint8_t *bytes, size_t size) {
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        remainder = __crc32cd(remainder, word);
    }
    for (; size > 0; bytes++, size--) remainder = __crc32cb(remainder, *bytes);
    return remainder;
}
static advance_function *chosen_advance(void) { return advance_by_instruction; }
#else
static advance_function *chosen_advance(void) { return advance_by_tables; }
#endif

INTERNAL uint32_t checksum_of(const uint8_t *bytes, size_t size) { return ~chosen_advance()(0xFFFFFFFFu, bytes, size); }
