// The vocabulary of the kernels, compiled once per ISA (no include guard: each isa_*.c takes its own copy).

INLINE vf vf_set(float x) { return x - (vf){0}; }
INLINE vf vf_load(const float *p) { return (vf)*(const vf_unaligned *)p; }
INLINE void vf_store(float *p, vf v) { *(vf_unaligned *)p = (vf_unaligned)v; }

/// a·b + c, rounded once where the ISA has FMA.
INLINE vf vf_fma(vf a, vf b, vf c) {
#if ISA_HAS_FMA
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}
INLINE float f_fma(float a, float b, float c) {
#if ISA_HAS_FMA
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/// mask ? a : b, lane by lane; a mask lane is all ones or zero.
INLINE vf vf_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }
INLINE vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
INLINE vf vf_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }
INLINE vf vf_sqrt(vf a) { return __builtin_elementwise_sqrt(a); }

/// All ones in the first n lanes (n in 0…16).
INLINE vi vi_first(int n) {
    vi mask;
    memcpy(&mask, lane_window + LANES - n, sizeof mask);
    return mask;
}

/// The first n lanes from memory, zero in the rest; touches nothing past p[n−1].
INLINE vf vf_load_first(const float *p, int n) {
#if ISA_AVX512
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif ISA_AVX2
    vi mask = vi_first(n);
    __m256i low, high;
    memcpy(&low, &mask, 32);
    memcpy(&high, (char *)&mask + 32, 32);
    vf out;
    __m256 a = _mm256_maskload_ps(p, low), b = _mm256_maskload_ps(p + 8, high);
    memcpy(&out, &a, 32);
    memcpy((char *)&out + 32, &b, 32);
    return out;
#else
    vf out = {0};
    memcpy(&out, p, (size_t)n * sizeof(float));
    return out;
#endif
}
INLINE void vf_store_first(float *p, vf v, int n) {
#if ISA_AVX512
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

/// Past the caches, for what is read again only much later; p at a multiple of 64 bytes.
INLINE void vf_stream(float *p, vf v) { __builtin_nontemporal_store(v, (vf *)p); }

/// Sum of the lanes by the fixed tree 8-4-2-1.
INLINE float vf_sum(vf v) {
    vf8 a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    vf4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    return (b[0] + b[2]) + (b[1] + b[3]);
}

/// The greatest of the lanes, by the same tree.
INLINE float vf_greatest(vf v) {
    vf a = vf_max(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    vf b = vf_max(a, __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    vf c = vf_max(b, __builtin_shufflevector(b, b, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
    return c[0] > c[1] ? c[0] : c[1];
}

/// eˣ for x ≤ 88, below −87.33 zero: Cody–Waite reduction, degree-6 polynomial; 1 ulp. NaN stays NaN.
INLINE vf vf_exp(vf x) {
    vi underflow = x < -87.33f;
    vf clamped = vf_select(underflow, vf_set(-87.f), x);
    // Added to 1.5·2²³ + 127 the product is rounded to the integer n, and n + 127 is what the sum's last bits hold.
    vf shifted = clamped * 1.44269504f + 12583039.f;
    vf n = shifted - 12583039.f;
    vf s = vf_fma(n, vf_set(-0.693145751953125f), clamped);
    s = vf_fma(n, vf_set(-1.428606765330187e-06f), s);
    vf u = vf_set(1.98527617612853646e-4f);
    u = vf_fma(u, s, vf_set(1.39304355252534151e-3f));
    u = vf_fma(u, s, vf_set(8.33336077630519867e-3f));
    u = vf_fma(u, s, vf_set(4.16664853692054749e-2f));
    u = vf_fma(u, s, vf_set(1.66666671633720398e-1f));
    u = vf_fma(u, s, vf_set(0.5f));
    vf y = 1.f + vf_fma(s * s, u, s);
    return vf_select(underflow, vf_set(0), y * (vf)((vi)shifted << 23));
}

/// ln x for normal positive x, NaN for NaN: x = 2ᵉ·m, m in [√½, √2), odd series in (m−1)/(m+1); about 1 ulp.
INLINE vf vf_log(vf x) {
    vi bits = (vi)x - 0x3f3504f3;
    vi exponent = bits >> 23;
    vf m = (vf)((bits & 0x7fffff) + 0x3f3504f3);
    vf f = m - 1.f, s = f / (2.f + f), z = s * s;
    vf r = vf_set(0.24279078841f);
    r = vf_fma(r, z, vf_set(0.28498786688f));
    r = vf_fma(r, z, vf_set(0.40000972152f));
    r = vf_fma(r, z, vf_set(0.66666662693f));
    vf half = 0.5f * f * f, e = __builtin_convertvector(exponent, vf);
    vf low = vf_fma(s, vf_fma(r, z, half), e * 9.0580006145e-6f);
    return vf_select(x == x, vf_fma(e, vf_set(0.69313812256f), (low - half) + f), x);
}

/// 1 / (1 + e⁻ˣ), by e^−|x| so that nothing overflows.
INLINE vf vf_sigmoid(vf x) {
    vf e = vf_exp(-vf_abs(x));
    vf q = 1.f / (1.f + e);
    return vf_select(x < 0.f, e * q, q);
}

/// Exact (erf) GELU and its derivative from one exponential. Φ for |x| ≥ 1.4 by erfc's form, e^(−x²/2)·t·R(t) with
/// t = 1/(1 + 0.4|x|) (R fitted to 4.9e-8; gelu within 8 ulp down to x = −9); for |x| < 1.4 by ½ + x·P(x²), where that form would
/// lose bits to cancellation (P fitted to 2.7e-9).
INLINE vf vf_gelu(vf x, vf *derivative) {
    vf a = vf_abs(x);
    a = vf_select(a > 14.f, vf_set(14.f), a);
    vf t = 1.f / vf_fma(vf_set(0.4f), a, vf_set(1.f));
    vf h = a * a, low = vf_fma(a, a, -h);
    vf e = vf_exp(h * -0.5f);
    e = vf_fma(e, low * -0.5f, e);
    vf r = vf_set(0.069321476f);
    r = vf_fma(r, t, vf_set(-0.18943332f));
    r = vf_fma(r, t, vf_set(0.108384095f));
    r = vf_fma(r, t, vf_set(0.05398646f));
    r = vf_fma(r, t, vf_set(0.13943216f));
    r = vf_fma(r, t, vf_set(0.1590396f));
    r = vf_fma(r, t, vf_set(0.15959914f));
    vf q = e * t * r;
    vf p = vf_set(4.115557e-07f);
    p = vf_fma(p, h, vf_set(-8.718302e-06f));
    p = vf_fma(p, h, vf_set(0.000114356386f));
    p = vf_fma(p, h, vf_set(-0.0011864884f));
    p = vf_fma(p, h, vf_set(0.009973241f));
    p = vf_fma(p, h, vf_set(-0.06649034f));
    p = vf_fma(p, h, vf_set(0.3989423f));
    vf phi = vf_select(a < 1.4f, vf_fma(x, p, vf_set(0.5f)), vf_select(x < 0.f, q, 1.f - q));
    vf clamped = vf_select(x < -14.f, vf_set(-14.f), x);
    vf bounded = vf_select(clamped > 14.f, vf_set(14.f), clamped);
    *derivative = phi + bounded * e * 0.3989422804f;
    return clamped * phi;
}

/// 16×16 transpose in registers: row i, lane j ↔ row j, lane i, by four rounds of pairwise interleaving.
INLINE void vf_transpose(vf r[LANES]) {
    vf s[LANES];
#define ROUND(from, to) \
    UNROLL for (int i = 0; i < 8; i++) { \
        to[2 * i] = __builtin_shufflevector(from[i], from[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); \
        to[2 * i + 1] = __builtin_shufflevector(from[i], from[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31); \
    }
    ROUND(r, s) ROUND(s, r) ROUND(r, s) ROUND(s, r)
#undef ROUND
}

// Integers, and bytes in fours: lane i of a vector holds four bytes along the depth.

INLINE vi vi_load(const void *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void vi_store(void *p, vi v) { memcpy(p, &v, sizeof v); }
INLINE vi vi_broadcast(const uint8_t *four) {
    int32_t x;
    memcpy(&x, four, sizeof x);
    return x - (vi){0};
}
INLINE vi vi_clamp(vi v, int32_t least, int32_t most) {
    vi low = v < least, high = v > most;
    return (v & ~low & ~high) | (low & least) | (high & most);
}
/// The first n lanes as bytes.
INLINE void vi_store_bytes(uint8_t *p, vi v, int n) {
    typedef uint8_t bytes16 __attribute__((vector_size(16)));
    bytes16 bytes = __builtin_convertvector(v, bytes16);
    memcpy(p, &bytes, (size_t)n);
}

/// The even (0) or odd (1) bytes as 16-bit numbers.
INLINE vi vi_signed_bytes(vi v, const int odd) {
    vs halves = (vs)v;
    return odd ? (vi)(halves >> 8) : (vi)((vs)((vus)halves << 8) >> 8);
}
/// Σ of the two products of 16-bit numbers in each lane; exact, as one of the factors fits 8 bits.
INLINE vu vu_multiply_pairs(vi a, vi b) {
#if ISA_AVX512
    return (vu)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif ISA_AVX2
    vu out;
    for (int half = 0; half < 2; half++) {
        __m256i x, y;
        memcpy(&x, (char *)&a + 32 * half, 32);
        memcpy(&y, (char *)&b + 32 * half, 32);
        x = _mm256_madd_epi16(x, y);
        memcpy((char *)&out + 32 * half, &x, 32);
    }
    return out;
#elif defined(__SSE2__)
    vu out;
    for (int quarter = 0; quarter < 4; quarter++) {
        __m128i x, y;
        memcpy(&x, (char *)&a + 16 * quarter, 16);
        memcpy(&y, (char *)&b + 16 * quarter, 16);
        x = _mm_madd_epi16(x, y);
        memcpy((char *)&out + 16 * quarter, &x, 16);
    }
    return out;
#else
    return (vu)(((vi)((vu)a << 16) >> 16) * ((vi)((vu)b << 16) >> 16) + (a >> 16) * (b >> 16));
#endif
}

#if ISA_DOT4
/// sum + Σ of the four products of bytes in each lane, those of `a` unsigned and less ISA_DOT4_OFFSET, those of `b` signed.
ISA_DOT4_TARGET INLINE vu vu_dot4(vu sum, vi a, vi b) {
#if ISA_AVX512
    return (vu)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif ISA_AVX2
    for (int half = 0; half < 2; half++) {
        __m256i s, x, y;
        memcpy(&s, (char *)&sum + 32 * half, 32);
        memcpy(&x, (char *)&a + 32 * half, 32);
        memcpy(&y, (char *)&b + 32 * half, 32);
        s = _mm256_dpbusd_avx_epi32(s, x, y);
        memcpy((char *)&sum + 32 * half, &s, 32);
    }
    return sum;
#else
    a ^= (int32_t)0x80808080;
    for (int quarter = 0; quarter < 4; quarter++) {
        int32x4_t s;
        int8x16_t x, y;
        memcpy(&s, (char *)&sum + 16 * quarter, 16);
        memcpy(&x, (char *)&a + 16 * quarter, 16);
        memcpy(&y, (char *)&b + 16 * quarter, 16);
        s = vdotq_s32(s, x, y);
        memcpy((char *)&sum + 16 * quarter, &s, 16);
    }
    return sum;
#endif
}
#endif
