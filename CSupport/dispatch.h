#ifndef CURRICLE_DISPATCH_H
#define CURRICLE_DISPATCH_H
#include "kernels/call.h"
#include "simd/compiler.h"

/// The kernels of an ISA by opcode, or NULL where this CPU cannot run it.
INTERNAL const kernel_entry *kernels_of(curricle_isa isa);
/// What kernels of an ISA need to know of this CPU.
INTERNAL cpu_traits traits_of(curricle_isa isa);
#ifndef CURRICLE_INFERENCE_ONLY
/// For tests: weight gradients read packed columns (1) or columns where they lie (0), whatever is faster here.
INTERNAL void set_packs_columns(int packs);
#endif
#ifndef CURRICLE_BARE
INTERNAL double peak_of(curricle_isa isa, curricle_element element, int64_t rounds, float *sink);
#endif
#endif
