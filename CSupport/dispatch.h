#ifndef CURRICLE_DISPATCH_H
#define CURRICLE_DISPATCH_H
#include "kernels/call.h"
#include "simd/compiler.h"

/// The kernels of an ISA by opcode, or NULL where this CPU cannot run it.
INTERNAL const kernel_entry *kernels_of(curricle_isa isa);
#ifndef CURRICLE_BARE
INTERNAL double peak_of(curricle_isa isa, curricle_element element, int64_t rounds, float *sink);
/// Whether this CPU has the instruction for products of four bytes that `isa`'s kernels would take, and may use it. Bits do not depend on
/// it.
INTERNAL int has_dot4(curricle_isa isa);
/// The same of the instruction for products of two bf16.
INTERNAL int has_dot2(curricle_isa isa);
#endif
#endif
