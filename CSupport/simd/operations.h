// The vocabulary of the kernels, compiled once per ISA (no include guard: each isa_*.c takes its own copy).

INLINE vf vf_set(float x) { return x - (vf){0}; }
INLINE vf vf_load(const float *p) { return (vf)*(const vf_unaligned *)p; }
INLINE void vf_store(float *p, vf v) { *(vf_unaligned *)p = (vf_unaligned)v; }

// What one register holds. Where it matters, vectors are taken apart into these: clang does so by itself, gcc would keep them in memory.
enum { REGISTER_LANES = ISA_AVX512 ? 16 : ISA_AVX2 ? 8 : TARGET_HAS_VECTORS ? 4 : 1, REGISTERS = LANES / REGISTER_LANES };
#if TARGET_HAS_VECTORS
typedef float vr __attribute__((vector_size(4 * REGISTER_LANES)));
typedef int32_t vri __attribute__((vector_size(4 * REGISTER_LANES)));
typedef float vr_unaligned __attribute__((vector_size(4 * REGISTER_LANES), aligned(4)));
INLINE vr vr_set(float x) { return x - (vr){0}; }
INLINE vri vr_bits(vr x) { return (vri)x; }
INLINE vr vr_of_bits(vri x) { return (vr)x; }
INLINE vr vr_select(vri mask, vr a, vr b) { return (vr)((mask & (vri)a) | (~mask & (vri)b)); }
#else
typedef float vr;
typedef int32_t vri;
typedef float vr_unaligned;
INLINE vr vr_set(float x) { return x; }
INLINE vri vr_bits(vr x) { return (union { vr x; vri bits; }){x}.bits; }
INLINE vr vr_of_bits(vri x) { return (union { vri bits; vr x; }){x}.x; }
INLINE vr vr_select(int holds, vr a, vr b) { return holds ? a : b; }
#endif
typedef union { vf whole; vr part[REGISTERS]; } vf_parts;

INLINE vr vr_load(const float *p) { return (vr)*(const vr_unaligned *)p; }
INLINE void vr_store(float *p, vr v) { *(vr_unaligned *)p = (vr_unaligned)v; }
INLINE vr vr_abs(vr a) { return vr_of_bits(vr_bits(a) & 0x7fffffff); }

/// a·b + c, rounded once where the ISA has FMA.
INLINE vr vr_fma(vr a, vr b, vr c) {
#if !ISA_HAS_FMA
    return a * b + c;
#elif __has_builtin(__builtin_elementwise_fma)
    return __builtin_elementwise_fma(a, b, c);
#elif !TARGET_HAS_VECTORS
    return __builtin_fmaf(a, b, c);
#else
    UNROLL for (int i = 0; i < REGISTER_LANES; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#endif
}
INLINE vf vf_fma(vf a, vf b, vf c) {
#if !ISA_HAS_FMA
    return a * b + c;
#elif __has_builtin(__builtin_elementwise_fma)
    return __builtin_elementwise_fma(a, b, c);
#else
    vf_parts x = {a}, y = {b}, z = {c};
    UNROLL for (int i = 0; i < REGISTERS; i++) z.part[i] = vr_fma(x.part[i], y.part[i], z.part[i]);
    return z.whole;
#endif
}

/// mask ? a : b, lane by lane; a mask lane is all ones or zero.
INLINE vf vf_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }
INLINE vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
INLINE vf vf_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }
INLINE vi vf_bits(vf x) { return (vi)x; }
INLINE vf vf_of_bits(vi x) { return (vf)x; }
// clang takes __builtin_sqrtf for a function that sets errno, unless it is told -fno-math-errno.
INLINE float f_sqrt(float a) {
#if __has_builtin(__builtin_elementwise_sqrt)
    return __builtin_elementwise_sqrt(a);
#else
    return __builtin_sqrtf(a);
#endif
}
INLINE vf vf_sqrt(vf a) {
#if __has_builtin(__builtin_elementwise_sqrt)
    return __builtin_elementwise_sqrt(a);
#else
    UNROLL for (int i = 0; i < LANES; i++) a[i] = __builtin_sqrtf(a[i]);
    return a;
#endif
}

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
INLINE void vf_stream(float *p, vf v) {
#if __has_builtin(__builtin_nontemporal_store)
    __builtin_nontemporal_store(v, (vf *)p);
#else
    *(vf *)p = v;
#endif
}

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

// What these are written in: clang interleaves the registers of a whole vector, gcc is given one at a time.
#if defined(__clang__) && TARGET_HAS_VECTORS
#define OF_ELEMENTS(name) vf_##name
typedef vf ve;
#else
#define OF_ELEMENTS(name) vr_##name
typedef vr ve;
#endif
#define ve_set OF_ELEMENTS(set)
#define ve_select OF_ELEMENTS(select)
#define ve_abs OF_ELEMENTS(abs)
#define ve_fma OF_ELEMENTS(fma)
#define ve_bits OF_ELEMENTS(bits)
#define ve_of_bits OF_ELEMENTS(of_bits)
enum { PIECES = sizeof(vf) / sizeof(ve) };
typedef union { vf whole; ve piece[PIECES]; } vf_pieces;

/// eˣ for x ≤ 88, below −87.33 zero: Cody–Waite reduction, degree-6 polynomial; 1 ulp. NaN stays NaN.
INLINE ve ve_exp(ve x) {
    ve clamped = ve_select(x < -87.33f, ve_set(-87.f), x);
    // Added to 1.5·2²³ + 127 the product is rounded to the integer n, and n + 127 is what the sum's last bits hold.
    ve shifted = clamped * 1.44269504f + 12583039.f;
    ve n = shifted - 12583039.f;
    ve s = ve_fma(n, ve_set(-0.693145751953125f), clamped);
    s = ve_fma(n, ve_set(-1.428606765330187e-06f), s);
    ve u = ve_set(1.98527617612853646e-4f);
    u = ve_fma(u, s, ve_set(1.39304355252534151e-3f));
    u = ve_fma(u, s, ve_set(8.33336077630519867e-3f));
    u = ve_fma(u, s, ve_set(4.16664853692054749e-2f));
    u = ve_fma(u, s, ve_set(1.66666671633720398e-1f));
    u = ve_fma(u, s, ve_set(0.5f));
    ve y = 1.f + ve_fma(s * s, u, s);
    return ve_select(x < -87.33f, ve_set(0), y * ve_of_bits(ve_bits(shifted) << 23));
}

INLINE vf vf_exp(vf x) {
    vf_pieces v = {x};
    UNROLL for (int i = 0; i < PIECES; i++) v.piece[i] = ve_exp(v.piece[i]);
    return v.whole;
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

/// Exact (erf) GELU and its derivative from one exponential: φ(x) = e^(−x²/2)/√2π and Φ(−a) = φ(a)·P(a)/Q(a), the quotient fitted to
/// 1.05e-7, for a below 1.5 to 5.3e-8. gelu within 8 ulp down to x = −9 and within 1e-23 below, the derivative within 2e-7:
/// tools/check_gelu.sh looks at every float. Not finite where x is not, but for gelu(∞) = ∞.
INLINE ve ve_gelu(ve x, ve *derivative) {
    ve a = ve_abs(x);
    a = ve_select(a > 13.32f, ve_set(13.32f), a); // where n is −128, and e zero
    // −a²/2 = n·ln 2 − s/2. Added to 1.5·2²³ + 128 what is to be n is rounded to an integer, and the sum's last bits hold n + 128.
    // n·2·ln 2 comes in two parts, the first of them exact, so that s is not short of the bits that a² is rounded to.
    const float magic = 0x1.8p23f + 128;
    ve shifted = ve_fma(a * a, ve_set(-0.72134752f), ve_set(magic));
    ve whole = ISA_HAS_FMA ? ve_fma(shifted, ve_set(1.375f), ve_set(-magic * 1.375f)) : (shifted - magic) * 1.375f;
    ve s = ve_fma(whole, ve_set(0.00821408070f), ve_fma(a, a, whole));
    ve e = ve_set(-0.000105334337f / 2); // e^(−s/2)/√2π, halved
    e = ve_fma(e, s, ve_set(0.001045877f / 2));
    e = ve_fma(e, s, ve_set(-0.00831074826f / 2));
    e = ve_fma(e, s, ve_set(0.0498663336f / 2));
    e = ve_fma(e, s, ve_set(-0.199471191f / 2));
    e = ve_fma(e, s, ve_set(0.398942351f / 2));
    e *= ve_of_bits(ve_bits(shifted) << 23);
    ve p = ve_set(1.76881497e-06f);
    p = ve_fma(p, a, ve_set(0.0300381817f));
    p = ve_fma(p, a, ve_set(0.242157713f));
    p = ve_fma(p, a, ve_set(0.798180044f));
    p = ve_fma(p, a, ve_set(1.25331390f));
    ve q = ve_set(0.0301028211f);
    q = ve_fma(q, a, ve_set(0.241123036f));
    q = ve_fma(q, a, ve_set(0.837978899f));
    q = ve_fma(q, a, ve_set(1.43473959f));
    q = ve_fma(q, a, ve_set(1.f));
    ve tail = e * p / q;
    ve phi = ve_select(ve_bits(x) < 0, tail, 1.f - tail);
    *derivative = ve_fma(x, e, phi);
    return x * phi;
}
INLINE vf vf_gelu(vf x, vf *derivative) {
    vf_pieces v = {x}, slope;
    UNROLL for (int i = 0; i < PIECES; i++) v.piece[i] = ve_gelu(v.piece[i], &slope.piece[i]);
    *derivative = slope.whole;
    return v.whole;
}

#if TARGET_HAS_VECTORS
// a₀ b₀ a₁ b₁ … of the first halves of two registers, and of the second.
#if ISA_AVX512
#define FIRST_HALVES(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define SECOND_HALVES(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif ISA_AVX2
#define FIRST_HALVES(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define SECOND_HALVES(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define FIRST_HALVES(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define SECOND_HALVES(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

/// A square of registers transposed, by rounds of pairwise interleaving.
INLINE void vr_transpose(vr r[REGISTER_LANES]) {
    UNROLL for (int round = 1; round < REGISTER_LANES; round *= 2) {
        vr s[REGISTER_LANES];
        UNROLL for (int i = 0; i < REGISTER_LANES / 2; i++) {
            s[2 * i] = FIRST_HALVES(r[i], r[i + REGISTER_LANES / 2]);
            s[2 * i + 1] = SECOND_HALVES(r[i], r[i + REGISTER_LANES / 2]);
        }
        UNROLL for (int i = 0; i < REGISTER_LANES; i++) r[i] = s[i];
    }
}
#undef FIRST_HALVES
#undef SECOND_HALVES
#endif

/// 16×16 transpose in place: row i, lane j ↔ row j, lane i, square by square.
static __attribute__((noinline)) void vf_transpose(vf r[LANES]) {
    vf_parts *rows = (vf_parts *)r;
#if TARGET_HAS_VECTORS
    UNROLL for (int i = 0; i < REGISTERS; i++)
        UNROLL for (int j = 0; j <= i; j++) {
            vr low[REGISTER_LANES], high[REGISTER_LANES];
            UNROLL for (int k = 0; k < REGISTER_LANES; k++) low[k] = rows[i * REGISTER_LANES + k].part[j];
            UNROLL for (int k = 0; k < REGISTER_LANES; k++) high[k] = rows[j * REGISTER_LANES + k].part[i];
            vr_transpose(low);
            vr_transpose(high);
            UNROLL for (int k = 0; k < REGISTER_LANES; k++) rows[j * REGISTER_LANES + k].part[i] = low[k];
            if (j == i) continue;
            UNROLL for (int k = 0; k < REGISTER_LANES; k++) rows[i * REGISTER_LANES + k].part[j] = high[k];
        }
#else
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < i; j++) {
            float held = rows[i].part[j];
            rows[i].part[j] = rows[j].part[i];
            rows[j].part[i] = held;
        }
#endif
}

// Integers, and bytes in fours: lane i of a vector holds four bytes along the depth.

INLINE vi vi_load(const void *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
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

// The same in registers: products of bytes.
typedef uint32_t vru __attribute__((vector_size(4 * REGISTER_LANES)));
typedef int16_t vrs __attribute__((vector_size(4 * REGISTER_LANES)));
typedef uint16_t vrus __attribute__((vector_size(4 * REGISTER_LANES)));

INLINE vri vri_load(const void *p) {
    vri v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE vri vri_broadcast(const uint8_t *four) {
    int32_t x;
    memcpy(&x, four, sizeof x);
    return x - (vri){0};
}
/// The even (0) or odd (1) bytes as signed 16-bit numbers.
INLINE vri vri_signed_bytes(vri v, const int odd) {
    vrs halves = (vrs)v;
    return odd ? (vri)(halves >> 8) : (vri)((vrs)((vrus)halves << 8) >> 8);
}
/// Σ of the two products of 16-bit numbers in each lane; exact, as one of the factors fits 8 bits.
INLINE vru vru_multiply_pairs(vri a, vri b) {
#if ISA_AVX512
    return (vru)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif ISA_AVX2
    return (vru)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (vru)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    return (vru)(((vri)((vru)a << 16) >> 16) * ((vri)((vru)b << 16) >> 16) + (a >> 16) * (b >> 16));
#endif
}

#if ISA_DOT2
/// sum + the products of the words' halves, the odd ones first, rounded after each.
ISA_DOT2_TARGET INLINE vr vr_dot2(vr a, vr b, vr sum) { return (vr)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b); }
#endif

#if ISA_DOT4
/// sum + Σ of the four products of bytes in each lane, those of `a` unsigned and less ISA_DOT4_OFFSET, those of `b` signed.
ISA_DOT4_TARGET INLINE vru vru_dot4(vru sum, vri a, vri b) {
#if ISA_AVX512
    return (vru)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif ISA_AVX2
    return (vru)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#else
    return (vru)vdotq_s32((int32x4_t)sum, (int8x16_t)(a ^ (int32_t)0x80808080), (int8x16_t)b);
#endif
}
#endif
