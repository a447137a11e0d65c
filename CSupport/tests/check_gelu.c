// GELU and its derivative at every STEP-th float, on each ISA of this CPU, against erfc of doubles.
//   check_gelu [STEP]     1: all 4,278,190,080 finite ones, some two minutes an ISA
#include "test_kernels.h"

enum { BLOCK = 1 << 16 };
typedef struct { double ulps, tail, slope; float at_ulps, at_slope; } worst_errors;

static void look_at(worst_errors *worst, float x, float y, float derivative) {
    double phi = 0.5 * erfc(-x / sqrt(2)), exact = x * phi;
    float rounded = fabsf((float)exact);
    double ulp = (double)nextafterf(rounded, INFINITY) - rounded, error = fabs(y - exact);
    double slope = phi + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
    if (x < -9) {
        worst->tail = fmax(worst->tail, error);
    } else if (!(error / ulp <= worst->ulps)) {
        worst->ulps = error / ulp;
        worst->at_ulps = x;
    }
    if (!(fabs(derivative - slope) <= worst->slope)) {
        worst->slope = fabs(derivative - slope);
        worst->at_slope = x;
    }
}

int main(int count, char **words) {
    uint64_t step = count > 1 ? strtoull(words[1], NULL, 10) : 1, all = 0;
    test_threads = 1;
    tensor x = empty(BLOCK), y = empty(BLOCK), slope = empty(BLOCK);
    for (int isa = 0; isa < 8; isa++) {
        if (!curricle_isa_available(isa)) continue;
        test_isa = isa;
        worst_errors worst = {0};
        for (uint64_t word = 0; word < UINT64_C(1) << 32;) {
            int filled = 0;
            for (; filled < BLOCK && word < UINT64_C(1) << 32; word += step) {
                uint32_t bits_of_x = (uint32_t)word;
                memcpy(x.at + filled, &bits_of_x, sizeof bits_of_x);
                if (isfinite(x.at[filled])) filled++;
            }
            for (int i = filled; i < BLOCK; i++) x.at[i] = 0;
            RUN(gelu, .y = &y, .derivative = &slope, .x = &x, .count = BLOCK);
            for (int i = 0; i < filled; i++) look_at(&worst, x.at[i], y.at[i], slope.at[i]);
            all += (uint64_t)filled;
        }
        printf("%s: gelu within %.2f ulp (at %g) down to -9, %.1e below; its derivative within %.2e (at %g)\n", curricle_isa_name(isa),
            worst.ulps, worst.at_ulps, worst.tail, worst.slope, worst.at_slope);
        // Without fused multiply-adds a square is rounded before it is cut in two.
        failures += !(worst.ulps <= (curricle_isa_fuses(isa) ? 8 : 40) && worst.tail <= 1e-23 && worst.slope <= 2e-7);
    }
    release(3, x, y, slope);
    printf("%llu floats\n", (unsigned long long)all);
    return failures != 0;
}
