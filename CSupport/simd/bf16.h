// bf16: the upper half of a float32. Products are made of pairs along the depth, two numbers in a word, the first one in the lower half, with
// the arithmetic of VDPBF16PS: sum = fma(odd·odd, sum), then sum = fma(even·even, sum), each rounded to nearest even. Products of two bf16
// are exact, so that an instruction and two fused multiply-adds give the same bits, but for denormals, which the instruction takes for
// zero. They do not come up: what is below 2⁻⁵⁶ is stored as zero, so that the last bit of every number is worth at least 2⁻⁶³ and every
// product and every sum is a multiple of 2⁻¹²⁶, the least normal number.
//
// Where there is no such instruction a word becomes two floats, the odd one before the even one, for the tile of float32.

enum { PAIR = 2, PAIRED_LANES = PAIR * LANES };
typedef uint16_t vh __attribute__((vector_size(2 * LANES)));

/// Rounded to nearest even, in the lower halves of words; NaN stays the same one, but quiet.
INLINE vu vu_rounded(vf x) {
    vu bits = (vu)x, magnitude = bits & 0x7fffffffu;
    vu rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    vu is_nan = (vu)(magnitude > 0x7f800000u), is_kept = (vu)(magnitude >= 0x23800000u); // 2⁻⁵⁶
    return ((rounded & ~is_nan) | ((bits >> 16 | 0x40u) & is_nan)) & is_kept;
}

// Whether a CPU that multiplies words does so is `by_words`, which loops know beforehand. It has an instruction that rounds, too, with the same
// result; in words of assembly, so that functions need not be compiled twice for it.
#if ISA_DOT2
INLINE __mmask16 is_kept(vf x) { return _mm512_cmp_ps_mask(_mm512_abs_ps((__m512)x), _mm512_set1_ps(0x1p-56f), _CMP_NLT_UQ); }
INLINE vh vh_rounded_by_instruction(vf x) {
    __m256i out;
    __asm__("vcvtneps2bf16 %2, %0 %{%1%}%{z%}" : "=v"(out) : "Yk"(is_kept(x)), "v"((__m512)x));
    return (vh)out;
}
INLINE vu vu_rounded_by_instruction(vf first, vf second) {
    __m512i out;
    __mmask32 kept = (__mmask32)is_kept(second) << 16 | is_kept(first);
    __asm__("vcvtne2ps2bf16 %2, %3, %0 %{%1%}%{z%}" : "=v"(out) : "Yk"(kept), "v"((__m512)first), "v"((__m512)second));
    return (vu)out;
}
#endif
INLINE vh vh_rounded(vf x, const int by_words) {
#if ISA_DOT2
    if (by_words) return vh_rounded_by_instruction(x);
#endif
    (void)by_words;
    return __builtin_convertvector(vu_rounded(x), vh);
}
/// Words of numbers that lie next to one another: of the first vector, then of the second.
INLINE vu vu_words_along(vf first, vf second, const int by_words) {
#if ISA_DOT2
    if (by_words) return vu_rounded_by_instruction(first, second);
#endif
    (void)by_words;
    vh halves[PAIR] = {vh_rounded(first, 0), vh_rounded(second, 0)};
    vu words;
    memcpy(&words, halves, sizeof words);
    return words;
}
/// Words of an even and an odd step of the depth.
INLINE vu vu_words_across(vf even, vf odd, const int by_words) {
#if ISA_DOT2
    if (by_words) {
        const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
            18, 2, 17, 1, 16, 0);
        return (vu)_mm512_permutexvar_epi16(order, (__m512i)vu_rounded_by_instruction(even, odd));
    }
#endif
    (void)by_words;
    return vu_rounded(even) | vu_rounded(odd) << 16;
}
INLINE vf vf_even(vu words) { return (vf)(words << 16); }
INLINE vf vf_odd(vu words) { return (vf)(words & 0xffff0000u); }

/// The first n floats, in 0…16; zeros behind.
INLINE vf vf_load_some(const float *p, int64_t n) { return n >= LANES ? vf_load(p) : n > 0 ? vf_load_first(p, (int)n) : vf_set(0); }
/// The first n numbers of bf16, in the lower halves of words; zeros behind.
INLINE vu vu_load_halves(const uint16_t *p, int n) {
    vh halves = {0};
    if (n == LANES) memcpy(&halves, p, sizeof halves);
    else memcpy(&halves, p, (size_t)n * sizeof *p);
    return __builtin_convertvector(halves, vu);
}
/// Sixteen words of numbers that lie next to one another, rounded where they are floats; zeros behind the first n numbers.
INLINE vu vu_load_words(const void *p, int64_t at, int n, const int is_bf16, const int by_words) {
    if (!is_bf16) {
        const float *floats = (const float *)p + at;
        return vu_words_along(vf_load_some(floats, n), vf_load_some(floats + LANES, n - LANES), by_words);
    }
    vu words = {0};
    if (n >= PAIRED_LANES) memcpy(&words, (const uint16_t *)p + at, sizeof words);
    else memcpy(&words, (const uint16_t *)p + at, (size_t)n * sizeof(uint16_t));
    return words;
}

/// Floats and numbers of bf16, by what they are.
INLINE vf vf_load_number(const void *p, int64_t at, int n, const int is_bf16) {
    if (is_bf16) return vf_even(vu_load_halves((const uint16_t *)p + at, n));
    return n == LANES ? vf_load((const float *)p + at) : vf_load_first((const float *)p + at, n);
}
INLINE void vf_store_number(void *p, int64_t at, vf v, int n, const int is_bf16, const int by_words) {
    if (is_bf16) {
        vh halves = vh_rounded(v, by_words);
        if (n == LANES) memcpy((uint16_t *)p + at, &halves, sizeof halves);
        else memcpy((uint16_t *)p + at, &halves, (size_t)n * sizeof(uint16_t));
    } else if (n == LANES) {
        vf_store((float *)p + at, v);
    } else {
        vf_store_first((float *)p + at, v, n);
    }
}

/// GELU and its derivative for what becomes bf16, both within 2⁻¹² of theirs: Φ(−a) = e^(−a²/2)·t·R(t) with t = 1/(1 + a/4), R fitted to
/// 4.4e-5 and 2^f to 7.5e-5.
INLINE ve ve_gelu_near(ve x, ve *derivative) {
    ve a = ve_abs(x);
    a = ve_select(a > 13.f, ve_set(13.f), a);
    ve t = 1.f / ve_fma(ve_set(0.25f), a, ve_set(1.f));
    ve z = a * a * -0.72134752f, shifted = z + 12583039.f; // as in ve_exp
    ve f = z - (shifted - 12583039.f);
    ve p = ve_set(0.05517172f);
    p = ve_fma(p, f, ve_set(0.24261135f));
    p = ve_fma(p, f, ve_set(0.693261f));
    p = ve_fma(p, f, ve_set(0.99992806f));
    ve e = p * ve_of_bits(ve_bits(shifted) << 23);
    ve r = ve_set(0.2419966f);
    r = ve_fma(r, t, ve_set(-0.1048481f));
    r = ve_fma(r, t, ve_set(0.18123019f));
    r = ve_fma(r, t, ve_set(0.08021706f));
    r = ve_fma(r, t, ve_set(0.1013867f));
    ve q = e * t * r, phi = ve_select(x < 0.f, q, 1.f - q);
    ve low = ve_select(x < -13.f, ve_set(-13.f), x), bounded = ve_select(low > 13.f, ve_set(13.f), low);
    *derivative = ve_fma(bounded * e, ve_set(0.39894228f), phi);
    return low * phi;
}
INLINE vf vf_gelu_near(vf x, vf *derivative) {
    vf_pieces v = {x}, slope;
    UNROLL for (int i = 0; i < PIECES; i++) v.piece[i] = ve_gelu_near(v.piece[i], &slope.piece[i]);
    *derivative = slope.whole;
    return v.whole;
}

// Operands of a product of words, or of floats in their order: then a depth has twice as many steps.

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

/// Rows beside: words, or floats in their order, `pitch` floats from one row to the next.
static __attribute__((noinline)) void rows_beside(
    float *out, int64_t pitch, const void *x, int64_t at, int64_t x_pitch, int64_t rows, int64_t depth, const int is_bf16, const int by_words) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < depth; k += PAIRED_LANES) {
            vu words = vu_load_words(x, at + i * x_pitch + k, (int)min64(PAIRED_LANES, depth - k), is_bf16, by_words);
            store_along(out + i * pitch, k / PAIR, words, by_words);
        }
}

/// Columns at … at + width of pairs of rows, across: [rows/2][pitch] words, or [rows][pitch] floats in their order.
static void row_pairs_across(
    float *out, int64_t pitch, const void *x, int64_t at, int64_t x_pitch, int64_t rows, int64_t width, const int is_bf16, const int by_words) {
    for (int64_t r = 0; r < rows; r += PAIR)
        for (int64_t j = 0; j < width; j += LANES) {
            const int n = (int)min64(LANES, width - j), is_last = r + 1 == rows;
            const int64_t even = at + r * x_pitch + j, odd = even + x_pitch;
            const uint16_t *halves = x;
            const float *floats = x;
            vu words;
            if (is_bf16) words = vu_load_halves(halves + even, n) | (is_last ? (vu){0} : vu_load_halves(halves + odd, n) << 16);
            else words = vu_words_across(vf_load_some(floats + even, n), is_last ? vf_set(0) : vf_load_some(floats + odd, n), by_words);
            store_across(out + j, r / PAIR, pitch, words, by_words);
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
                block[r] = r >= height ? vf_set(0) : (vf)vu_load_words(in, at + (i + r) * pitch + d, count, is_bf16, by_words);
            vf_transpose(block);
            for (int r = 0; r < ceil_div(count, PAIR); r++) store_across(out + i, d / PAIR + r, stride, (vu)block[r], by_words);
        }
}
