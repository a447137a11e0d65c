// Products of bf16: rounding by integers here, sums by scalar fused multiply-adds where bits are promised, by doubles elsewhere; every product
// with and without an instruction of its own, to the same bits.
#include "test_kernels.h"

/// To nearest even, |x| < 2⁻⁵⁶ to zero: the model of docs/PROGRAM_FORMAT.md.
static uint16_t rounded(float x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    if (fabsf(x) < 0x1p-56f) return 0;
    if (isnan(x)) return (uint16_t)(word >> 16 | 0x40);
    uint32_t lower = word & 0xffff, upper = word >> 16;
    return (uint16_t)(upper + (lower > 0x8000 || (lower == 0x8000 && upper % 2)));
}
static float widened(uint16_t half) {
    uint32_t word = (uint32_t)half << 16;
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}
static tensor empty_halves(int count) {
    tensor t = empty((count + 1) / 2);
    memset(t.at, 0xff, (size_t)t.count * sizeof(float));
    return t;
}
static tensor halves(tensor t) {
    tensor out = empty_halves(t.count);
    for (int i = 0; i < t.count; i++) ((uint16_t *)out.at)[i] = rounded(t.at[i]);
    return out;
}
static double number(tensor t, int i, int is_bf16) { return is_bf16 ? widened(((const uint16_t *)t.at)[i]) : t.at[i]; }
/// Rounds a tensor's numbers where they stand: what a product of bf16 sees of floats.
static tensor as_seen(tensor t) {
    tensor out = empty(t.count);
    for (int i = 0; i < t.count; i++) out.at[i] = widened(rounded(t.at[i]));
    return out;
}
/// [rows, depth] in panels of words: [panel][⌈depth/2⌉][16][2].
static tensor word_panels(tensor t, int rows, int depth) {
    int pairs = (depth + 1) / 2;
    tensor out = empty((rows + 15) / 16 * 16 * pairs);
    memset(out.at, 0, (size_t)out.count * sizeof(float));
    for (int i = 0; i < rows * depth; i++) {
        int row = i / depth, k = i % depth;
        ((uint16_t *)out.at)[((row / 16 * pairs + k / 2) * 16 + row % 16) * 2 + k % 2] = rounded(t.at[i]);
    }
    return out;
}
static tensor numbers(int count, int is_bf16) { return is_bf16 ? empty_halves(count) : empty(count); }
static void expect_same(const char *what, tensor a, tensor b) {
    expect(what, memcmp(a.at, b.at, sizeof(float) * (size_t)a.count), 0, 0);
}

/// Numbers that show which arithmetic it is: of every size from 2⁻⁵⁶ on, that cancel, and with `special` those around 2⁻⁵⁶, large ones, ∞.
static float telling(int special) {
    static const float edges[] = {0x1p-56f, -0x1p-56f, 0x1.01p-56f, 0x1.fep-57f, 1e-40f, 0, -0.f, 3e38f, INFINITY, 1, -1};
    if (special && random_word() % 4 == 0) return edges[random_word() % (sizeof edges / sizeof *edges)];
    int exponent = random_word() % 2 ? (int)(random_word() % 4) : (int)(random_word() % 60) - 55;
    return ldexpf((float)(int)random_word() / 2147483648.f, exponent);
}

// Bit for bit: in each pair first the odd element, then the even one, a fused multiply-add each.
static void test_dot2(int rows, int columns, int depth, int special) {
    tensor x = empty(rows * depth), w = empty(columns * depth), y = empty(rows * columns), other = empty(rows * columns);
    for (int i = 0; i < x.count; i++) x.at[i] = telling(special);
    for (int i = 0; i < w.count; i++) w.at[i] = telling(special);
    for (int k = 0; k + 1 < depth && !special; k += 2) // what cancels
        if (random_word() % 2) x.at[k + 1] = -x.at[k], w.at[k + 1] = w.at[k] * (1 + (float)(random_word() % 2) / 64);
    tensor x_halves = halves(x), w_words = word_panels(w, columns, depth);
    for (int allowed = 0; allowed < 2; allowed++) {
        curricle_allow_dot(allowed);
        RUN(linear_bf16, .flags = CURRICLE_X_BF16 | CURRICLE_WEIGHT_BF16, .y = allowed ? &y : &other, .x = &x_halves, .weight = &w_words,
            .rows = rows, .columns = columns, .depth = depth, .section = columns, .period = rows);
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            float sum = 0;
            double exact = 0, size = 0;
            for (int k = 0; k < depth; k += 2) {
                float x0 = widened(rounded(x.at[i * depth + k])), w0 = widened(rounded(w.at[j * depth + k]));
                float x1 = k + 1 < depth ? widened(rounded(x.at[i * depth + k + 1])) : 0;
                float w1 = k + 1 < depth ? widened(rounded(w.at[j * depth + k + 1])) : 0;
                sum = fmaf(x0, w0, fmaf(x1, w1, sum));
                exact += (double)x0 * w0 + (double)x1 * w1;
                size += fabs((double)x0 * w0) + fabs((double)x1 * w1);
            }
            float actual = y.at[i * columns + j], without = other.at[i * columns + j];
            if (curricle_isa_fuses(test_isa)) {
                expect("bits of linear_bf16", (isnan(actual) && isnan(sum)) || actual == sum, 1, 0);
                expect("bits of linear_bf16 by floats", (isnan(without) && isnan(sum)) || without == sum, 1, 0);
            } else if (!special) {
                expect("linear_bf16 without fusing", (actual - exact) / fmax(size, 1e-30), 0, 1e-5);
            }
        }
    release(6, x, w, y, other, x_halves, w_words);
}

static void test_linear_bf16(int rows, int columns, int depth, int flags) {
    const int gelu = flags & CURRICLE_GELU, x_half = flags & CURRICLE_X_BF16, w_half = flags & CURRICLE_WEIGHT_BF16;
    const int y_half = flags & CURRICLE_Y_BF16, slope_half = flags & CURRICLE_SLOPE_BF16, multiplies = !gelu;
    tensor x = drawn(rows * depth), w = drawn(columns * depth), bias = drawn(columns), residual = drawn(rows * columns);
    tensor multiplier = drawn(rows * columns), bias_panels = panels(bias, columns, 1);
    tensor x_seen = as_seen(x), w_seen = as_seen(w), m_seen = slope_half ? as_seen(multiplier) : drawn(1);
    tensor x_given = x_half ? halves(x) : drawn(1), m_given = slope_half ? halves(multiplier) : drawn(1);
    tensor w_given = w_half ? word_panels(w, columns, depth) : panels(w, columns, depth);
    tensor y[2], slope[2];
    for (int allowed = 0; allowed < 2; allowed++) {
        y[allowed] = numbers(rows * columns, y_half);
        slope[allowed] = numbers(rows * columns, slope_half);
        curricle_allow_dot(allowed);
        RUN(linear_bf16, .flags = flags, .y = &y[allowed], .derivative = gelu ? &slope[allowed] : NULL, .x = x_half ? &x_given : &x,
            .weight = &w_given, .bias = &bias_panels, .residual = &residual,
            .multiplier = multiplies ? slope_half ? &m_given : &multiplier : NULL, .rows = rows, .columns = columns, .depth = depth,
            .section = columns, .period = rows);
    }
    expect_same("linear_bf16 with and without an instruction", y[0], y[1]);
    if (gelu) expect_same("linear_bf16's slope with and without an instruction", slope[0], slope[1]);
    double near = gelu && y_half ? 0x1p-12 : 0, of_y = (y_half ? 0x1p-8 : 0) + near + 1e-6 * sqrt(depth);
    double of_slope = (slope_half ? 0x1p-8 : 0) + near + 1e-6 * sqrt(depth);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            int at = i * columns + j;
            double sum = bias.at[j];
            for (int k = 0; k < depth; k++) sum += (double)x_seen.at[i * depth + k] * w_seen.at[j * depth + k];
            if (multiplies) sum *= slope_half ? m_seen.at[at] : multiplier.at[at];
            sum += residual.at[at];
            double phi = 0.5 * erfc(-sum / sqrt(2));
            expect("linear_bf16", number(y[1], at, y_half), gelu ? sum * phi : sum, of_y);
            if (gelu)
                expect("linear_bf16's gelu'", number(slope[1], at, slope_half), phi + sum * exp(-sum * sum / 2) / sqrt(2 * M_PI), of_slope);
        }
    release(16, x, w, bias, residual, multiplier, bias_panels, x_seen, w_seen, m_seen, x_given, m_given, w_given, y[0], y[1], slope[0], slope[1]);
}

static void test_linear_gradients_bf16(int rows, int columns, int depth, int flags) {
    const int x_half = flags & CURRICLE_X_BF16, dy_half = flags & CURRICLE_Y_BF16;
    tensor x = drawn(rows * depth), dy = drawn(rows * columns), x_seen = as_seen(x), dy_seen = as_seen(dy);
    tensor x_given = x_half ? halves(x) : drawn(1), dy_given = dy_half ? halves(dy) : drawn(1);
    tensor dw[2], db[2];
    for (int allowed = 0; allowed < 2; allowed++) {
        dw[allowed] = empty(panel_floats(columns, depth));
        db[allowed] = empty(panel_floats(columns, 1));
        if (flags & CURRICLE_ACCUMULATE) zero(dw[allowed]), zero(db[allowed]);
        curricle_allow_dot(allowed);
        RUN(linear_weight_gradient_bf16, .flags = flags, .d_weight = &dw[allowed], .d_bias = &db[allowed], .dy = dy_half ? &dy_given : &dy,
            .x = x_half ? &x_given : &x, .rows = rows, .columns = columns, .depth = depth, .section = columns);
    }
    expect_same("linear_weight_gradient_bf16 with and without an instruction", dw[0], dw[1]);
    for (int j = 0; j < columns; j++) {
        double sum = 0;
        for (int i = 0; i < rows; i++) sum += dy_half ? dy_seen.at[i * columns + j] : dy.at[i * columns + j];
        expect("linear_weight_gradient_bf16's db", db[1].at[panel_index(j, 0, 1)], sum, 1e-6 * rows);
        for (int k = 0; k < depth; k++) {
            sum = 0;
            for (int i = 0; i < rows; i++) sum += (double)dy_seen.at[i * columns + j] * x_seen.at[i * depth + k];
            expect("linear_weight_gradient_bf16", dw[1].at[panel_index(j, k, depth)], sum, 1e-6 * sqrt(rows));
        }
    }
    release(10, x, dy, x_seen, dy_seen, x_given, dy_given, dw[0], dw[1], db[0], db[1]);
}

static void test_transpose_bf16(int columns, int depth) {
    tensor w = drawn(columns * depth), w_panels = panels(w, columns, depth), y = empty_halves(panel_floats(depth, columns));
    RUN(transpose_panels, .flags = CURRICLE_Y_BF16, .y = &y, .weight = &w_panels, .columns = columns, .depth = depth, .section = columns);
    for (int k = 0; k < depth; k++)
        for (int j = 0; j < columns; j++) {
            int at = ((k / 16 * (columns / 2) + j / 2) * 16 + k % 16) * 2 + j % 2;
            expect("transpose_panels to bf16", number(y, at, 1), widened(rounded(w.at[j * depth + k])), 0);
        }
    release(3, w, w_panels, y);
}

static void test_layer_norm_bf16(int rows, int width) {
    tensor x = drawn(rows * width), gamma = drawn(width), beta = drawn(width), g = panels(gamma, width, 1), b = panels(beta, width, 1);
    tensor y = empty(rows * width), y_halves = empty_halves(rows * width), statistics = empty(2 * rows);
    RUN(layer_norm, .y = &y, .statistics = &statistics, .x = &x, .gamma = &g, .beta = &b, .rows = rows, .width = width, .epsilon = 1e-6f);
    RUN(layer_norm, .flags = CURRICLE_Y_BF16, .y = &y_halves, .statistics = &statistics, .x = &x, .gamma = &g, .beta = &b, .rows = rows,
        .width = width, .epsilon = 1e-6f);
    for (int i = 0; i < rows * width; i++) expect("layer_norm to bf16", number(y_halves, i, 1), widened(rounded(y.at[i])), 0);
    release(8, x, gamma, beta, g, b, y, y_halves, statistics);
}

#define Y(t, c) ((n * tokens + (t)) * D + h * width + (c))
static void test_attention_bf16(int images, int tokens, int heads, int width, int flags) {
    const int y_half = flags & CURRICLE_Y_BF16, dy_half = flags & CURRICLE_X_BF16, D = heads * width, count = images * tokens * D;
    tensor q = drawn(count), k = drawn(count), v = drawn(count), dy = drawn(count);
    tensor seen[3] = {as_seen(q), as_seen(k), as_seen(v)}, given[3] = {halves(q), halves(k), halves(v)};
    tensor dy_seen = dy_half ? as_seen(dy) : drawn(1), dy_given = dy_half ? halves(dy) : drawn(1);
    tensor y[2], lse[2], d[2][3];
    float scale = (float)(1 / sqrt(width));
    for (int allowed = 0; allowed < 2; allowed++) {
        y[allowed] = numbers(count, y_half);
        lse[allowed] = empty(images * heads * tokens);
        for (int i = 0; i < 3; i++) d[allowed][i] = numbers(count, y_half);
        curricle_allow_dot(allowed);
        RUN(attention_bf16, .flags = y_half, .y = &y[allowed], .logsumexp = &lse[allowed], .query = &given[0], .key = &given[1],
            .value = &given[2], .images = images, .queries = tokens, .tokens = tokens, .heads = heads, .head_width = width,
            .query_stride = D, .key_stride = D, .value_stride = D, .y_stride = D, .scale = scale);
        RUN(attention_gradient_bf16, .flags = flags, .d_query = &d[allowed][0], .d_key = &d[allowed][1], .d_value = &d[allowed][2],
            .dy = dy_half ? &dy_given : &dy, .logsumexp = &lse[allowed], .query = &given[0], .key = &given[1], .value = &given[2],
            .images = images, .queries = tokens, .tokens = tokens, .heads = heads, .head_width = width, .query_stride = D, .key_stride = D,
            .value_stride = D, .y_stride = D, .scale = scale);
    }
    expect_same("attention_bf16 with and without an instruction", y[0], y[1]);
    for (int i = 0; i < 3; i++) expect_same("attention_gradient_bf16 with and without an instruction", d[0][i], d[1][i]);
    double *expected = calloc(3 * (size_t)count, sizeof *expected), *p = calloc(2 * (size_t)tokens, sizeof *p);
    const tensor dy_used = dy_half ? dy_seen : dy;
    for (int n = 0; n < images; n++)
        for (int h = 0; h < heads; h++)
            for (int i = 0; i < tokens; i++) {
                double sum = 0, dot = 0, *dp = p + tokens;
                for (int j = 0; j < tokens; j++) {
                    double s = 0;
                    dp[j] = 0;
                    for (int c = 0; c < width; c++) {
                        s += (double)seen[0].at[Y(i, c)] * seen[1].at[Y(j, c)] * scale;
                        dp[j] += (double)dy_used.at[Y(i, c)] * seen[2].at[Y(j, c)];
                    }
                    sum += p[j] = exp(s);
                }
                for (int j = 0; j < tokens; j++) dot += (p[j] /= sum) * dp[j];
                expect("attention_bf16's logsumexp", lse[1].at[(n * heads + h) * tokens + i], log(sum), 1e-5);
                for (int c = 0; c < width; c++) {
                    double out = 0;
                    for (int j = 0; j < tokens; j++) {
                        double ds = p[j] * (dp[j] - dot) * scale;
                        out += p[j] * seen[2].at[Y(j, c)];
                        expected[Y(i, c)] += ds * seen[1].at[Y(j, c)];
                        expected[count + Y(j, c)] += ds * seen[0].at[Y(i, c)];
                        expected[2 * count + Y(j, c)] += p[j] * dy_used.at[Y(i, c)];
                    }
                    expect("attention_bf16", number(y[1], Y(i, c), y_half), out, 0x1p-8);
                }
            }
    // What is rounded on the way are probabilities, dy and dS: half of 2⁻⁸ of each, and of the result.
    for (int i = 0; i < 3 * count; i++) expect("attention_gradient_bf16", number(d[1][i / count], i % count, y_half), expected[i], 0x1p-6);
    free(expected);
    free(p);
    release(12, q, k, v, dy, seen[0], seen[1], seen[2], given[0], given[1], given[2], dy_seen, dy_given);
    release(10, y[0], y[1], lse[0], lse[1], d[0][0], d[0][1], d[0][2], d[1][0], d[1][1], d[1][2]);
}

static void test_adamw_bf16(int count) {
    tensor parameter = drawn(count), gradient = drawn(count), first = drawn(count), second = drawn(count);
    tensor step = empty(4), count_of_update = empty(1);
    for (int i = 0; i < count; i++) second.at[i] = second.at[i] * second.at[i] + 0.1f;
    step.at[0] = 1e-3f, step.at[1] = 2e-3f, step.at[2] = 1.5f, step.at[3] = 0.5f;
    tensor m = halves(first), v = halves(second), exact_m = as_seen(first), exact_v = as_seen(second), exact = empty(count);
    memcpy(exact.at, parameter.at, sizeof(float) * (size_t)count);
    tensor before = halves(second), held = empty(count);
    memcpy(held.at, parameter.at, sizeof(float) * (size_t)count);
    uint16_t *last = malloc((size_t)count * sizeof *last);
    double above = 0, other = 0;
    RUN(adamw, .parameter = &exact, .first_moment = &exact_m, .second_moment = &exact_v, .gradient = &gradient, .step = &step, .count = count,
        .one_minus_beta1 = 0.1f, .beta2 = 0.95f, .one_minus_beta2 = 0.05f, .epsilon = 1e-8f, .weight_decay = 0.05f);
    for (int update = 1; update <= 3; update++) {
        count_of_update.at[0] = (float)(update < 3 ? update : 2);
        tensor m_now = halves(first), v_now = {malloc((size_t)before.count * sizeof(float)), before.count};
        memcpy(v_now.at, before.at, sizeof(float) * (size_t)before.count);
        memcpy(parameter.at, held.at, sizeof(float) * (size_t)count);
        RUN(adamw_bf16, .parameter = &parameter, .first_moment = &m_now, .second_moment = &v_now, .gradient = &gradient, .step = &step,
            .number = &count_of_update, .count = count, .first_panel = 7, .one_minus_beta1 = 0.1f, .beta2 = 0.95f, .one_minus_beta2 = 0.05f,
            .epsilon = 1e-8f, .weight_decay = 0.05f);
        for (int i = 0; i < count; i++) {
            uint32_t word;
            memcpy(&word, exact_v.at + i, sizeof word);
            uint16_t drawn_v = ((uint16_t *)v_now.at)[i], low = (uint16_t)(word >> 16);
            expect("adamw_bf16's parameter", parameter.at[i], exact.at[i], 0);
            expect("adamw_bf16's m", number(m_now, i, 1), widened(rounded(exact_m.at[i])), 0);
            expect("adamw_bf16's v", drawn_v == low || drawn_v == low + 1, 1, 0);
            above += drawn_v - low - (double)(word & 0xffff) / 65536;
            if (update == 2) other += drawn_v != last[i];
            if (update == 3) expect("the same update's draw", drawn_v, last[i], 0);
            last[i] = drawn_v;
        }
        release(2, m_now, v_now);
    }
    if (count >= 1000) {
        expect("v on the average", above / (3. * count), 0, 4 / sqrt(12. * count)); // of two updates' draws, one of them twice
        expect("another update's draws", other > count / 4., 1, 0);
    }
    free(last);
    release(12, parameter, gradient, first, second, step, count_of_update, m, v, exact_m, exact_v, exact, before);
    release(1, held);
}

static void test_bf16(void) {
    static const int sizes[][3] = {{1, 1, 1}, {15, 17, 16}, {7, 33, 37}, {97, 20, 5}, {13, 48, 300}, {260, 17, 19}, {25, 40, 1024}, {3, 34, 1537}};
    for (int i = 0; i < 24; i++) test_dot2(13 + i % 6, 33, 64 + 32 * (i % 6) + i % 2, i % 3 == 2); // a million pairs
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int rows = sizes[i][0], columns = sizes[i][1], depth = sizes[i][2], types[] = {0, 8, 16, 24, 32, 40, 56, 64, 72, 96, 120};
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            if (i < 4 || (t + i) % 3 == 0) test_linear_bf16(rows, columns, depth, types[t] | ((t + i) % 2 ? CURRICLE_GELU : 0));
        for (int t = 0; t < 4; t++)
            test_linear_gradients_bf16(depth, columns, rows,
                (t & 1 ? CURRICLE_X_BF16 : 0) | (t & 2 ? CURRICLE_Y_BF16 : 0) | (i % 2 ? CURRICLE_ACCUMULATE : 0));
        test_transpose_bf16(2 * columns, depth);
        test_layer_norm_bf16(rows, depth + 1);
    }
    test_adamw_bf16(16);
    test_adamw_bf16(4800);
    for (int t = 0; t < 4; t++) {
        int flags = (t & 1 ? CURRICLE_X_BF16 : 0) | (t & 2 ? CURRICLE_Y_BF16 : 0);
        test_attention_bf16(1, 1, 1, 1, flags);
        test_attention_bf16(2, 17, 2, 10, flags);
        test_attention_bf16(1, 33, 3, 15, flags);
        test_attention_bf16(1, 67, 1, 22, flags);
    }
}
#undef Y

// m to the nearest, v to one of its two neighbours, on the average to itself; the same draw for the same update, another for the next.
