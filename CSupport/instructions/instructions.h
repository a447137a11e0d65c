/// What an instruction is, derived from `registry.inc`: for the kernels that run it, for the compiler that writes it, for whoever checks or
/// prints it. Headers alone: CSupport, the Swift module Program and the tests read the same lines.
#ifndef CURRICLE_INSTRUCTIONS_H
#define CURRICLE_INSTRUCTIONS_H
#include <stdint.h>

enum { CURRICLE_OPERANDS = 9, CURRICLE_SIZES = 9, CURRICLE_REALS = 5 };

/// Where a value lies: segment in the top 8 bits, byte offset in the low 56. All ones: no value.
typedef uint64_t curricle_operand;
#define CURRICLE_NO_OPERAND UINT64_MAX
enum { CURRICLE_OFFSET_BITS = 56 };

/// The blocks of memory that instructions address. What a caller gives at each run lies in segments of its own, from
/// CURRICLE_GIVEN on, in the order of the program's inputs. Numbers in between are those of program files of version 1.
enum {
    CURRICLE_ARENA = 0,         ///< everything that lives within one run; all programs of a session share it
    CURRICLE_PARAMETERS = 1,
    CURRICLE_FIRST_MOMENTS = 2,
    CURRICLE_SECOND_MOMENTS = 3,
    CURRICLE_GRADIENTS = 4,     ///< gradients that stay between programs
    CURRICLE_CONSTANTS = 5,
    CURRICLE_FILE_PIXELS = 6,   ///< in program files of version 1: the input
    CURRICLE_FILE_SCALARS = 11, ///< in program files of version 1: scale and shift of the input
    CURRICLE_RESULTS = 12,      ///< what a run hands back
    CURRICLE_GIVEN = 16,
    CURRICLE_MOST_GIVEN = 8,
    CURRICLE_SEGMENTS = CURRICLE_GIVEN + CURRICLE_MOST_GIVEN
};

/// Numbers that the compiler and the kernels must agree on.
enum {
    CURRICLE_PANEL = 16,           ///< columns of a weight's panel
    CURRICLE_LINEAR_CHUNK = 768,   ///< depth up to which `linear` writes y once, so that y may take another operand's place
    CURRICLE_INT8_DEPTH = 32768,   ///< most depth of an int8 product: 255·127 times that is below 2³¹
    CURRICLE_SQUARE_CHUNK = 4096,  ///< floats whose squares `sum_squares` adds up to one number
    CURRICLE_STEP_SCALARS = 4,     ///< learning rate, step size, 1/√(1−β₂ᵗ), gradient scale
    CURRICLE_MASKER_TERMS = 5,     ///< sums that `masker_terms` leaves of each image
    CURRICLE_MASKER_LOSSES = 5     ///< recon, gauss, kl, diversity, total
};

/// Bits of `flags`.
enum {
    CURRICLE_GELU = 1,            ///< linear: y = gelu(…), and its derivative where that operand is given
    CURRICLE_ACCUMULATE = 2,      ///< add to what the output holds instead of replacing it
    CURRICLE_NORMALIZE_TARGET = 4, ///< patch losses: each target patch by its own mean and unbiased variance
    // Which operands are bf16, that are float32 without it.
    CURRICLE_X_BF16 = 8,           ///< x; of attention's gradient dy; of layer_norm's what it left as `normalized`
    CURRICLE_WEIGHT_BF16 = 16,
    CURRICLE_Y_BF16 = 32,          ///< y; of gradients dy or what they make
    CURRICLE_SLOPE_BF16 = 64       ///< linear: derivative and multiplier
};

// What Swift is told, by clang: gcc knows neither.
#ifdef __clang__
#define CURRICLE_CLOSED __attribute__((enum_extensibility(closed)))
#define CURRICLE_SWIFT_NAME(name) __attribute__((swift_name(name)))
#else
#define CURRICLE_CLOSED
#define CURRICLE_SWIFT_NAME(name)
#endif

/// Element types of operands.
typedef enum CURRICLE_CLOSED curricle_element {
    curricle_element_f32, curricle_element_i32, curricle_element_u8, curricle_element_i8, curricle_element_bf16
} curricle_element;
static inline uint32_t curricle_element_bytes(curricle_element element) {
    return element == curricle_element_u8 || element == curricle_element_i8 ? 1 : element == curricle_element_bf16 ? 2 : 4;
}

/// One instruction. The meaning of operands, sizes and reals, in order, is in `registry.inc`.
typedef struct {
    uint32_t opcode;
    uint32_t flags;
    curricle_operand operand[CURRICLE_OPERANDS];
    int32_t size[CURRICLE_SIZES];
    float real[CURRICLE_REALS];
} curricle_instruction;

/// The kernels by their numbers: `curricle_opcode_linear` ….
typedef enum CURRICLE_CLOSED curricle_opcode {
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) curricle_opcode_##name,
#include "registry.inc"
} curricle_opcode;
enum {
    CURRICLE_OPCODES = 0
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) + 1
#include "registry.inc"
};

// MARK: An instruction by names

/// `linear_places` …: operands as places, sizes and reals of one instruction.
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) typedef struct { sizes operands reals } name##_places;
#define FLAGS(mask) uint32_t flags;
#define SIZE(x) int32_t x;
#define REAL(x) float x;
#define IN(x, element, count) curricle_operand x;
#include "registry.inc"

/// The instruction of places, and back: `Instruction.linear(places)` and `instruction.linear_places` in Swift; the latter is for an
/// instruction of that opcode only.
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) \
    CURRICLE_SWIFT_NAME("curricle_instruction." #name "(_:)") \
    static inline curricle_instruction curricle_encode_##name(name##_places from) { \
        curricle_instruction to = {.opcode = curricle_opcode_##name}; \
        int o = 0, s = 0, r = 0; \
        for (int i = 0; i < CURRICLE_OPERANDS; i++) to.operand[i] = CURRICLE_NO_OPERAND; \
        sizes operands reals \
        (void)o; (void)s; (void)r; \
        return to; \
    }
#define FLAGS(mask) to.flags = from.flags;
#define SIZE(x) to.size[s++] = from.x;
#define REAL(x) to.real[r++] = from.x;
#define IN(x, element, count) to.operand[o++] = from.x;
#include "registry.inc"

#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) \
    CURRICLE_SWIFT_NAME("getter:curricle_instruction." #name "_places(self:)") \
    static inline name##_places curricle_decode_##name(const curricle_instruction *from) { \
        name##_places to = {0}; \
        int o = 0, s = 0, r = 0; \
        sizes operands reals \
        (void)o; (void)s; (void)r; \
        return to; \
    }
#define FLAGS(mask) to.flags = from->flags;
#define SIZE(x) to.x = from->size[s++];
#define REAL(x) to.x = from->real[r++];
#define IN(x, element, count) to.x = from->operand[o++];
#include "registry.inc"

// MARK: Names

/// Name of a kernel.
static inline const char *curricle_name_of(curricle_opcode opcode) {
    switch (opcode) {
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) \
    case curricle_opcode_##name: return #name;
#include "registry.inc"
    }
    return "unknown";
}

typedef struct { const char *name, *operands, *sizes, *reals; } curricle_names;

/// Name of a kernel; names of its operands, sizes and reals in order, a space behind each, those of optional operands with a question mark.
static inline curricle_names curricle_names_of(curricle_opcode opcode) {
    switch (opcode) {
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) \
    case curricle_opcode_##name: return (curricle_names){#name, "" operands, "" sizes, "" reals};
#define FLAGS(mask)
#define SIZE(x) #x " "
#define REAL(x) #x " "
#define IN(x, element, count) #x " "
#define OPTIONAL_IN(x, element, count) #x "? "
#define OPTIONAL_OUT(x, element, count) #x "? "
#include "registry.inc"
    }
    return (curricle_names){"unknown", "", "", ""};
}

/// Bit i: size i counts images, or rows of all images, and so is twice as large for twice as many images.
static inline uint32_t curricle_batch_sizes(curricle_opcode opcode) {
    uint32_t bits = 0, s = 0;
    switch (opcode) {
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) case curricle_opcode_##name: sizes break;
#define FLAGS(mask)
#define SIZE(x) s++;
#define IMAGES(x) bits |= UINT32_C(1) << s++;
#define ROWS(x) bits |= UINT32_C(1) << s++;
#include "registry.inc"
    }
    return bits;
}

// MARK: What an instruction asks for

typedef struct {
    double bytes; ///< from its place on; 0 where it is not part of this opcode
    uint8_t element, is_optional, is_read, is_written;
} curricle_extent;

/// Operands, by their places, that may share memory.
typedef struct { uint8_t output, input; } curricle_replacement;

/// What an instruction reads and writes, from its opcode and sizes.
typedef struct {
    curricle_extent operand[CURRICLE_OPERANDS];
    curricle_replacement replaces[4]; ///< operands that may share a place, the better pair first
    int operands, replacements;
    int is_sound;                                  ///< whether flags and sizes are within their ranges and fit one another
    double flops;                                  ///< of its matrix products
} curricle_demand;

enum { CURRICLE_MOST_SIZE = 1 << 28 };

static inline double curricle_panels(double columns, double section) {
    int64_t whole = ((int64_t)section + CURRICLE_PANEL - 1) / CURRICLE_PANEL * CURRICLE_PANEL;
    return (double)((int64_t)columns / (int64_t)section * whole);
}
/// Elements from the first of `rows` rows, `stride` apart, to the end of the last one's `width`.
static inline double curricle_strided(double rows, double stride, double width) { return (rows - 1) * stride + width; }
/// Bytes of a row of u8 in whole fours, with its scale and its zero point behind.
static inline double curricle_quantized_row(double width) { return (double)(((int64_t)width + 3) / 4 * 4 + 8); }
/// Bytes of a panel of i8, 16 columns in fours along the depth, with the columns' scales and sums behind.
static inline double curricle_quantized_panel(double depth) { return (double)(((int64_t)depth + 3) / 4 * 64 + 128); }
static inline double curricle_chunks_of(double count, int64_t chunk) { return (double)(((int64_t)count + chunk - 1) / chunk); }
/// A depth in whole pairs.
static inline double curricle_even(double depth) { return (double)(((int64_t)depth + 1) / 2 * 2); }
static inline int curricle_divides(double part, double whole) { return (int64_t)whole % (int64_t)part == 0; }

/// Sizes are up to 2²⁸; products of them are exact in double as far as memory goes, and beyond it never become less.
static inline curricle_demand curricle_demand_of(const curricle_instruction *i) {
    curricle_demand d = {.is_sound = 1};
    int o = 0, s = 0;
    uint32_t allowed_flags = 0;
#define panels curricle_panels
#define strided curricle_strided
#define chunks_of curricle_chunks_of
#define divides curricle_divides
#define even curricle_even
#define quantized_row curricle_quantized_row
#define quantized_panel curricle_quantized_panel
#define has(flag) ((i->flags & (flag)) != 0)
#define CURRICLE_SIZE_FROM(x, least, most) \
    double x = i->size[s]; \
    (void)x; \
    if (i->size[s] < (least) || i->size[s] > (most)) return (curricle_demand){.is_sound = 0}; \
    s++;
#define CURRICLE_EITHER(flag) (has(flag) ? curricle_element_bf16 : curricle_element_f32)
#define CURRICLE_EXTENT(x, type, count, optional, reads, writes) CURRICLE_EXTENT_OF(x, curricle_element_##type, count, optional, reads, writes)
#define CURRICLE_EXTENT_OF(x, type, count, optional, reads, writes) \
    const int x##_slot = o++; \
    (void)x##_slot; \
    d.operand[x##_slot] = \
        (curricle_extent){(count) * (double)curricle_element_bytes(type), (uint8_t)(type), optional, reads, writes};
    switch (i->opcode) {
#define KERNEL(name, sizes, reals, operands, rules, flops_, tasks, scratch) \
    case curricle_opcode_##name: { sizes operands rules d.flops = flops_; break; }
#define FLAGS(mask) allowed_flags = mask;
#define SIZE(x) CURRICLE_SIZE_FROM(x, 1, CURRICLE_MOST_SIZE)
#define INDEX(x) CURRICLE_SIZE_FROM(x, 0, CURRICLE_MOST_SIZE)
#define SWITCH(x) CURRICLE_SIZE_FROM(x, 0, 1)
#define IN(x, element, count) CURRICLE_EXTENT(x, element, count, 0, 1, 0)
#define OUT(x, element, count) CURRICLE_EXTENT(x, element, count, 0, 0, 1)
#define IN_OUT(x, element, count) CURRICLE_EXTENT(x, element, count, 0, 1, 1)
#define OPTIONAL_IN(x, element, count) CURRICLE_EXTENT(x, element, count, 1, 1, 0)
#define OPTIONAL_OUT(x, element, count) CURRICLE_EXTENT(x, element, count, 1, 0, 1)
#define EITHER_IN(flag, x, count) CURRICLE_EXTENT_OF(x, CURRICLE_EITHER(flag), count, 0, 1, 0)
#define EITHER_OUT(flag, x, count) CURRICLE_EXTENT_OF(x, CURRICLE_EITHER(flag), count, 0, 0, 1)
#define OPTIONAL_EITHER_IN(flag, x, count) CURRICLE_EXTENT_OF(x, CURRICLE_EITHER(flag), count, 1, 1, 0)
#define OPTIONAL_EITHER_OUT(flag, x, count) CURRICLE_EXTENT_OF(x, CURRICLE_EITHER(flag), count, 1, 0, 1)
#define REQUIRE(condition) d.is_sound &= (condition) ? 1 : 0;
#define REPLACES(out, in, condition) \
    if (condition) { \
        d.replaces[d.replacements].output = (uint8_t)out##_slot; \
        d.replaces[d.replacements++].input = (uint8_t)in##_slot; \
    }
#include "registry.inc"
    default: d.is_sound = 0;
    }
#undef panels
#undef strided
#undef chunks_of
#undef divides
#undef even
#undef quantized_row
#undef quantized_panel
#undef has
#undef CURRICLE_EITHER
#undef CURRICLE_EXTENT_OF
#undef CURRICLE_SIZE_FROM
#undef CURRICLE_EXTENT
    d.operands = o;
    if (i->flags & ~allowed_flags) d.is_sound = 0;
    if (i->flags & CURRICLE_ACCUMULATE) // what is added to is read
        for (int slot = 0; slot < o; slot++) d.operand[slot].is_read = 1;
    return d;
}

/// The bits of `flags` that an opcode knows.
static inline uint32_t curricle_flags_of(curricle_opcode opcode) {
    switch (opcode) {
#define KERNEL(name, sizes, reals, operands, rules, flops, tasks, scratch) case curricle_opcode_##name: return 0 sizes;
#define FLAGS(mask) | (uint32_t)(mask)
#define SIZE(x)
#include "registry.inc"
    }
    return 0;
}

#endif
