// bf16: the upper half of a float32. Products are made of pairs along the depth, two numbers in a word, the first one in the lower half, with
// the arithmetic of VDPBF16PS: sum = fma(odd·odd, sum), then sum = fma(even·even, sum), each rounded to nearest even. Products of two bf16
// are exact, so that an instruction and two fused multiply-adds give the same bits, but for denormals, which the instruction takes for
// zero. They do not come up: what is below 2⁻⁵⁶ is stored as zero, so that the last bit of every number is worth at least 2⁻⁶³ and every
// product and every sum is a multiple of 2⁻¹²⁶, the least normal number.
//
// Where there is no such instruction a word becomes two floats, the odd one before the even one, for the tile of float32.

enum { PAIR = 2, PAIRED_LANES = PAIR * LANES };
typedef uint16_t vh __attribute__((vector_size(2 * LANES)));

/// Rounded to nearest even, in the lower halves; NaN stays NaN.
INLINE vu vu_rounded(vf x) {
    vu bits = (vu)x, magnitude = bits & 0x7fffffffu;
    vu rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    vu is_nan = (vu)(magnitude > 0x7f800000u), is_kept = (vu)(magnitude >= 0x23800000u); // 2⁻⁵⁶
    return ((rounded & ~is_nan) | (0x7fc0u & is_nan)) & is_kept;
}

/// Sixteen numbers as the lower halves of words, from bf16 or rounded from float32; zeros behind the first n.
INLINE vu vu_load_halves(const void *p, int64_t at, int n, const int is_bf16) {
    if (!is_bf16) return vu_rounded(n == LANES ? vf_load((const float *)p + at) : vf_load_first((const float *)p + at, n));
    vh halves = {0};
    if (n == LANES) memcpy(&halves, (const uint16_t *)p + at, sizeof halves);
    else memcpy(&halves, (const uint16_t *)p + at, (size_t)n * sizeof(uint16_t));
    return __builtin_convertvector(halves, vu);
}
INLINE vu vu_pair(vu even, vu odd) { return even | odd << 16; }
#if ISA_DOT2
// By the instruction that rounds, the same but for which NaN it is.

/// Two vectors, rounded, one behind the other.
ISA_DOT2_TARGET INLINE vu vu_rounded_both(vf first, vf second) {
    const __m512 least = _mm512_set1_ps(0x1p-56f);
    __mmask32 kept = _mm512_cmp_ps_mask(_mm512_abs_ps((__m512)second), least, _CMP_NLT_UQ);
    kept = kept << 16 | _mm512_cmp_ps_mask(_mm512_abs_ps((__m512)first), least, _CMP_NLT_UQ);
    return (vu)_mm512_maskz_cvtne2ps_pbh(kept, (__m512)second, (__m512)first);
}
/// `vu_pair(vu_rounded(even), vu_rounded(odd))`
ISA_DOT2_TARGET INLINE vu vu_rounded_pair(vf even, vf odd) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
        18, 2, 17, 1, 16, 0);
    return (vu)_mm512_permutexvar_epi16(order, (__m512i)vu_rounded_both(even, odd));
}
#endif
/// Sixteen words of numbers that lie next to one another; zeros behind the first n numbers.
INLINE vu vu_load_words(const void *p, int64_t at, int n, const int is_bf16) {
    vu words = {0};
    if (is_bf16) {
        if (n >= PAIRED_LANES) memcpy(&words, (const uint16_t *)p + at, sizeof words);
        else memcpy(&words, (const uint16_t *)p + at, (size_t)n * sizeof(uint16_t));
        return words;
    }
    vh halves[PAIR] = {{0}};
    UNROLL for (int i = 0; i < PAIR; i++)
        if (n > i * LANES)
            halves[i] = __builtin_convertvector(vu_load_halves(p, at + i * LANES, n - i * LANES < LANES ? n - i * LANES : LANES, 0), vh);
    memcpy(&words, halves, sizeof words);
    return words;
}
INLINE vf vf_even(vu words) { return (vf)(words << 16); }
INLINE vf vf_odd(vu words) { return (vf)(words & 0xffff0000u); }

/// Floats and numbers of bf16, by what they are.
INLINE vf vf_load_number(const void *p, int64_t at, int n, const int is_bf16) {
    if (is_bf16) return vf_even(vu_load_halves(p, at, n, 1));
    return n == LANES ? vf_load((const float *)p + at) : vf_load_first((const float *)p + at, n);
}
INLINE void vf_store_number(void *p, int64_t at, vf v, int n, const int is_bf16) {
    if (is_bf16) {
        vh halves = __builtin_convertvector(vu_rounded(v), vh);
        if (n == LANES) memcpy((uint16_t *)p + at, &halves, sizeof halves);
        else memcpy((uint16_t *)p + at, &halves, (size_t)n * sizeof(uint16_t));
    } else if (n == LANES) {
        vf_store((float *)p + at, v);
    } else {
        vf_store_first((float *)p + at, v, n);
    }
}

// Operands of a product of words. `by_words` says whether the CPU multiplies words, or floats in their order: then a depth has twice as
// many steps.

/// Words of one step of the depth, `stride` floats a step.
INLINE void store_across(float *out, int64_t pair, int64_t stride, vu words, const int by_words) {
    if (by_words) {
        vf_store(out + pair * stride, (vf)words);
    } else {
        vf_store(out + PAIR * pair * stride, vf_odd(words));
        vf_store(out + (PAIR * pair + 1) * stride, vf_even(words));
    }
}
/// Words of sixteen steps of the depth, next to one another.
INLINE void store_along(float *out, int64_t pair, vu words, const int by_words) {
    if (by_words) {
        vf_store(out + pair, (vf)words);
    } else {
        vf odd = vf_odd(words), even = vf_even(words);
        vf_store(out + PAIR * pair, __builtin_shufflevector(odd, even, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
        vf_store(out + PAIR * pair + LANES, __builtin_shufflevector(odd, even, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
    }
}
/// Floats that a depth of bf16 takes, and the steps that it has.
INLINE int64_t paired(int64_t depth) { return round_up(depth, PAIR); }
INLINE int64_t steps_of(int64_t depth, const int by_words) { return by_words ? ceil_div(depth, PAIR) : paired(depth); }

/// Columns at … at + width of pairs of rows, across: [rows/2][pitch] words, or [rows][pitch] floats in their order.
static void row_pairs_across(
    float *out, int64_t pitch, const void *x, int64_t at, int64_t x_pitch, int64_t rows, int64_t width, const int is_bf16, const int by_words) {
    for (int64_t r = 0; r < rows; r += PAIR)
        for (int64_t j = 0; j < width; j += LANES) {
            int n = (int)min64(LANES, width - j);
            vu even = vu_load_halves(x, at + r * x_pitch + j, n, is_bf16);
            vu odd = r + 1 < rows ? vu_load_halves(x, at + (r + 1) * x_pitch + j, n, is_bf16) : (vu){0};
            store_across(out + j, r / PAIR, pitch, vu_pair(even, odd), by_words);
        }
}

/// out[d][i] = in[i][d], pairs along d: [width/2][stride] words or [width][stride] floats in their order, whole vectors of rows.
static void transpose_words(
    float *out, int64_t stride, const void *in, int64_t at, int64_t pitch, int64_t rows, int64_t width, const int is_bf16, const int by_words) {
    for (int64_t i = 0; i < rows; i += LANES)
        for (int64_t d = 0; d < width; d += PAIRED_LANES) {
            vf block[LANES];
            int height = (int)min64(LANES, rows - i), count = (int)min64(PAIRED_LANES, width - d);
            for (int r = 0; r < LANES; r++)
                block[r] = r >= height ? vf_set(0) : (vf)vu_load_words(in, at + (i + r) * pitch + d, count, is_bf16);
            vf_transpose(block);
            for (int r = 0; r < ceil_div(count, PAIR); r++) store_across(out + i, d / PAIR + r, stride, (vu)block[r], by_words);
        }
}
