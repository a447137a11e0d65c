// Kernels against plain double loops, on odd sizes, every ISA and 1 and 3 threads. Each tensor is a malloc'd block of just its
// size, so that AddressSanitizer sees a read or a write past its end. Built and run by tools/test_c.sh.
#include "dispatch.h"
#include "test_bf16.h"
#include "test_int8.h"
#include "test_rows.h"

static void test_linear(int rows, int columns, int depth, int flags) {
    tensor x = drawn(rows * depth), w = drawn(columns * depth), bias = drawn(columns), residual = drawn(rows * columns);
    tensor w_panels = panels(w, columns, depth), bias_panels = panels(bias, columns, 1), y = empty(rows * columns),
           slope = empty(rows * columns);
    int gelu = flags & CURRICLE_GELU;
    RUN(linear, .flags = flags, .y = &y, .derivative = gelu ? &slope : NULL, .x = &x, .weight = &w_panels, .bias = &bias_panels,
        .residual = &residual, .rows = rows, .columns = columns, .depth = depth, .section = columns, .period = rows);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            double sum = bias.at[j] + residual.at[i * columns + j];
            for (int k = 0; k < depth; k++) sum += (double)x.at[i * depth + k] * w.at[j * depth + k];
            double phi = 0.5 * erfc(-sum / sqrt(2));
            expect("linear", y.at[i * columns + j], gelu ? sum * phi : sum, 1e-5 * sqrt(depth));
            if (gelu)
                expect("linear's gelu'", slope.at[i * columns + j], phi + sum * exp(-sum * sum / 2) / sqrt(2 * M_PI), 1e-5 * sqrt(depth));
        }
    release(8, x, w, bias, residual, w_panels, bias_panels, y, slope);
}

static void test_linear_gradients(int rows, int columns, int depth, int accumulate) {
    tensor x = drawn(rows * depth), dy = drawn(rows * columns), w = drawn(columns * depth), w_panels = panels(w, columns, depth);
    tensor dw = empty(panel_floats(columns, depth)), db = empty(panel_floats(columns, 1)), turned = empty(panel_floats(depth, columns));
    tensor dx = empty(rows * depth);
    for (int packs = 0; packs < 2; packs++) {
        set_packs_columns(packs);
        if (accumulate) zero(dw), zero(db); // to be added to
        RUN(linear_weight_gradient, .flags = accumulate ? CURRICLE_ACCUMULATE : 0, .d_weight = &dw, .d_bias = &db, .dy = &dy, .x = &x,
            .rows = rows, .columns = columns, .depth = depth, .section = columns);
        for (int j = 0; j < columns; j++) {
            double sum = 0;
            for (int i = 0; i < rows; i++) sum += dy.at[i * columns + j];
            expect("linear_weight_gradient's db", db.at[panel_index(j, 0, 1)], sum, 1e-5 * rows);
            for (int k = 0; k < depth; k++) {
                sum = 0;
                for (int i = 0; i < rows; i++) sum += (double)dy.at[i * columns + j] * x.at[i * depth + k];
                expect("linear_weight_gradient", dw.at[panel_index(j, k, depth)], sum, 1e-5 * sqrt(rows));
            }
        }
    }
    RUN(transpose_panels, .y = &turned, .weight = &w_panels, .columns = columns, .depth = depth, .section = columns);
    RUN(linear, .y = &dx, .x = &dy, .weight = &turned, .rows = rows, .columns = depth, .depth = columns, .section = depth,
        .period = rows);
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < depth; k++) {
            double sum = 0;
            for (int j = 0; j < columns; j++) sum += (double)dy.at[i * columns + j] * w.at[j * depth + k];
            expect("linear of transpose_panels", dx.at[i * depth + k], sum, 1e-5 * sqrt(columns));
        }
    release(8, x, dy, w, w_panels, dw, db, turned, dx);
}

// qkv [N, T, 3D] packed: query, key and value are one block, so its end is the value's end.
static void test_attention(int images, int tokens, int heads, int width) {
    int D = heads * width, count = images * tokens * D;
    tensor qkv = drawn(3 * count), y = empty(count), lse = empty(images * heads * tokens), dy = drawn(count), d = empty(3 * count);
    tensor key = part(qkv, D), value = part(qkv, 2 * D), d_key = part(d, D), d_value = part(d, 2 * D);
    float scale = (float)(1 / sqrt(width));
    double *expected = calloc(3 * (size_t)count, sizeof *expected), *p = calloc(2 * (size_t)tokens, sizeof *p);
    RUN(attention, .y = &y, .logsumexp = &lse, .query = &qkv, .key = &key, .value = &value, .images = images, .queries = tokens,
        .tokens = tokens, .heads = heads, .head_width = width, .query_stride = 3 * D, .key_stride = 3 * D, .value_stride = 3 * D,
        .y_stride = D, .scale = scale);
    RUN(attention_gradient, .d_query = &d, .d_key = &d_key, .d_value = &d_value, .dy = &dy, .logsumexp = &lse, .query = &qkv, .key = &key,
        .value = &value, .images = images, .queries = tokens, .tokens = tokens, .heads = heads, .head_width = width, .query_stride = 3 * D,
        .key_stride = 3 * D, .value_stride = 3 * D, .y_stride = D, .scale = scale);
    for (int n = 0; n < images; n++)
        for (int h = 0; h < heads; h++)
            for (int i = 0; i < tokens; i++) {
#define QKV(part, t, c) (((n * tokens + (t)) * 3 + (part)) * D + h * width + (c))
#define Y(t, c) ((n * tokens + (t)) * D + h * width + (c))
                double sum = 0, dot = 0, *dp = p + tokens;
                for (int j = 0; j < tokens; j++) {
                    double s = 0;
                    dp[j] = 0;
                    for (int c = 0; c < width; c++) {
                        s += (double)qkv.at[QKV(0, i, c)] * qkv.at[QKV(1, j, c)] * scale;
                        dp[j] += (double)dy.at[Y(i, c)] * qkv.at[QKV(2, j, c)];
                    }
                    sum += p[j] = exp(s);
                }
                for (int j = 0; j < tokens; j++) dot += (p[j] /= sum) * dp[j];
                expect("attention's logsumexp", lse.at[(n * heads + h) * tokens + i], log(sum), 1e-5);
                for (int c = 0; c < width; c++) {
                    double out = 0;
                    for (int j = 0; j < tokens; j++) {
                        double ds = p[j] * (dp[j] - dot) * scale;
                        out += p[j] * qkv.at[QKV(2, j, c)];
                        expected[QKV(0, i, c)] += ds * qkv.at[QKV(1, j, c)];
                        expected[QKV(1, j, c)] += ds * qkv.at[QKV(0, i, c)];
                        expected[QKV(2, j, c)] += p[j] * dy.at[Y(i, c)];
                    }
                    expect("attention", y.at[Y(i, c)], out, 1e-5);
                }
            }
    for (int i = 0; i < 3 * count; i++) expect("attention_gradient", d.at[i], expected[i], 2e-5);
    free(expected);
    free(p);
    release(5, qkv, y, lse, dy, d);
}

static void test_layer_norm(int rows, int width) {
    int chunks = rows < 16 ? 1 : (rows + 15) / 16;
    tensor x = drawn(rows * width), gamma = drawn(width), beta = drawn(width), g = panels(gamma, width, 1), b = panels(beta, width, 1);
    tensor y = empty(rows * width), statistics = empty(2 * rows), dy = drawn(rows * width), addend = drawn(rows * width);
    tensor dx = empty(rows * width), d_gamma = empty(chunks * width), d_beta = empty(chunks * width), sum = empty(panel_floats(width, 1));
    RUN(layer_norm, .y = &y, .statistics = &statistics, .x = &x, .gamma = &g, .beta = &b, .rows = rows, .width = width,
        .epsilon = 1e-5f);
    RUN(layer_norm_gradient, .dx = &dx, .d_gamma_partial = &d_gamma, .d_beta_partial = &d_beta, .dy = &dy, .x = &x,
        .statistics = &statistics, .gamma = &g, .addend = &addend, .rows = rows, .width = width, .chunks = chunks);
    RUN(column_sum, .y = &sum, .x = &d_gamma, .rows = chunks, .width = width, .stride = width);
    double *total = calloc((size_t)width, sizeof *total);
    for (int i = 0; i < rows; i++) {
        double mean = 0, variance = 0, mean_g = 0, mean_dot = 0;
        for (int d = 0; d < width; d++) mean += x.at[i * width + d] / (double)width;
        for (int d = 0; d < width; d++) variance += pow(x.at[i * width + d] - mean, 2) / width;
        double r = 1 / sqrt(variance + 1e-5);
        for (int d = 0; d < width; d++) {
            double normal = (x.at[i * width + d] - mean) * r, slope = (double)dy.at[i * width + d] * gamma.at[d];
            expect("layer_norm", y.at[i * width + d], normal * gamma.at[d] + beta.at[d], 1e-5);
            mean_g += slope / width;
            mean_dot += slope * normal / width;
            total[d] += dy.at[i * width + d] * normal;
        }
        for (int d = 0; d < width; d++) {
            double normal = (x.at[i * width + d] - mean) * r, slope = (double)dy.at[i * width + d] * gamma.at[d];
            expect("layer_norm_gradient", dx.at[i * width + d], r * (slope - mean_g - normal * mean_dot) + addend.at[i * width + d],
                1e-4 * (1 + r));
        }
    }
    for (int d = 0; d < width; d++) expect("layer_norm_gradient's d_gamma", sum.at[d], total[d], 1e-5 * rows);
    free(total);
    release(13, x, gamma, beta, g, b, y, statistics, dy, addend, dx, d_gamma, d_beta, sum);
}

static void test_elementwise(int count) {
    tensor x = drawn(count), y = empty(count), slope = empty(count), z = empty(count), product = empty(count), dx = empty(count),
           sum = empty(count);
    RUN(gelu, .y = &y, .derivative = &slope, .x = &x, .count = count);
    RUN(sigmoid, .y = &z, .x = &x, .count = count);
    RUN(multiply, .y = &product, .a = &x, .b = &z, .count = count);
    RUN(scaled_sum, .y = &sum, .a = &x, .b = &z, .count = count, .alpha = 0.75f, .beta = -2.5f);
    RUN(sigmoid_gradient, .dx = &dx, .dy = &x, .y = &z, .count = count);
    for (int i = 0; i < count; i++) {
        double v = x.at[i], phi = 0.5 * erfc(-v / sqrt(2));
        expect("gelu", y.at[i], v * phi, 1e-6);
        expect("gelu'", slope.at[i], phi + v * exp(-v * v / 2) / sqrt(2 * M_PI), 1e-6);
        expect("sigmoid", z.at[i], 1 / (1 + exp(-v)), 1e-6);
        expect("multiply", product.at[i], v * z.at[i], 1e-6);
        expect("scaled_sum", sum.at[i], 0.75 * v - 2.5 * z.at[i], 1e-6);
        expect("sigmoid_gradient", dx.at[i], v * z.at[i] * (1 - z.at[i]), 1e-6);
    }
    release(7, x, y, slope, z, product, dx, sum);
}

// Rows chosen by an order and put back: place(select(x)) is x where a row was chosen and zero elsewhere.
static void test_rows(int images, int patches, int kept, int width) {
    int many = patches + 1;
    tensor x = drawn(images * many * width), order = shuffled(images, patches), few = empty(images * kept * width),
           back = empty(images * many * width);
    tensor token = drawn(width), longer = empty(images * (many + 1) * width), scale = drawn(images * many),
           scaled = empty(images * many * width);
    tensor dot = empty(images * many), restored = empty(images * many * width), position = drawn(many * width),
           lead = drawn(images * (kept + 1) * width);
    RUN(select_rows, .y = &few, .x = &x, .order = &order, .images = images, .rows = kept, .width = width, .from_rows = many,
        .offset = 1, .order_stride = patches);
    RUN(place_rows, .y = &back, .x = &few, .order = &order, .images = images, .rows = kept, .width = width, .to_rows = many,
        .offset = 1, .order_stride = patches);
    RUN(prepend_row, .y = &longer, .x = &x, .token = &token, .images = images, .rows = many, .width = width);
    RUN(scale_rows, .y = &scaled, .x = &x, .scale = &scale, .rows = images * many, .width = width);
    RUN(row_dot, .y = &dot, .a = &x, .b = &scaled, .rows = images * many, .width = width);
    RUN(restore_tokens, .y = &restored, .x = &lead, .token = &token, .order = &order, .position = &position, .images = images,
        .kept = kept, .patches = patches, .width = width);
    const int32_t *ids = (const int32_t *)order.at;
    for (int n = 0; n < images; n++)
        for (int row = 0; row < many; row++) {
            int chosen = -1;
            double sum = 0;
            for (int j = 0; j < kept; j++) if (ids[n * patches + j] + 1 == row) chosen = j;
            for (int d = 0; d < width; d++) {
                int at = (n * many + row) * width + d;
                expect("place_rows of select_rows", back.at[at], chosen >= 0 ? x.at[at] : 0, 0);
                expect("prepend_row", longer.at[(n * (many + 1) + row + 1) * width + d], x.at[at], 0);
                const float *from = row == 0      ? lead.at + n * (kept + 1) * width
                                    : chosen >= 0 ? lead.at + (n * (kept + 1) + 1 + chosen) * width
                                                  : token.at;
                expect("restore_tokens", restored.at[at], (double)from[d] + position.at[row * width + d], 1e-6);
                sum += (double)x.at[at] * x.at[at] * scale.at[n * many + row];
            }
            expect("row_dot of scale_rows", dot.at[n * many + row], sum, 1e-5 * width);
        }
    release(12, x, order, few, back, token, longer, scale, scaled, dot, restored, position, lead);
}

static void test_classifier(int images, int rows, int width) {
    int many = rows + 2;
    tensor x = drawn(images * many * width), mean = empty(images * width), back = empty(images * many * width);
    tensor both = empty(images * (width + many));
    tensor logits = drawn(images * width), targets = drawn(images * width), loss = empty(images), d = empty(images * width);
    RUN(mean_rows, .y = &mean, .x = &x, .images = images, .rows = rows, .width = width, .from_rows = many, .first = 1);
    RUN(mean_rows_gradient, .dx = &back, .dy = &mean, .images = images, .rows = rows, .width = width, .to_rows = many, .first = 1);
    RUN(concatenate, .y = &both, .a = &mean, .b = &x, .rows = images, .a_width = width, .b_width = many); // x's first numbers will do
    RUN(cross_entropy, .loss = &loss, .logits = &logits, .targets = &targets, .images = images, .classes = width);
    RUN(cross_entropy_gradient, .d_logits = &d, .logits = &logits, .targets = &targets, .images = images, .classes = width,
        .weight = 0.5f);
    for (int n = 0; n < images; n++) {
        double sum = 0, all = 0, expected = 0;
        for (int c = 0; c < width + many; c++)
            expect("concatenate", both.at[n * (width + many) + c], c < width ? mean.at[n * width + c] : x.at[n * many + c - width], 0);
        for (int c = 0; c < width; c++) {
            sum += exp(logits.at[n * width + c]);
            all += targets.at[n * width + c];
        }
        for (int c = 0; c < width; c++) {
            double average = 0;
            for (int i = 1; i <= rows; i++) average += (double)x.at[(n * many + i) * width + c] / rows;
            expect("mean_rows", mean.at[n * width + c], average, 1e-6);
            for (int i = 0; i < many; i++)
                expect("mean_rows_gradient", back.at[(n * many + i) * width + c], i >= 1 && i <= rows ? average / rows : 0, 1e-6);
            expected -= targets.at[n * width + c] * (logits.at[n * width + c] - log(sum));
            expect("cross_entropy_gradient", d.at[n * width + c],
                0.5 * (exp(logits.at[n * width + c]) / sum * all - targets.at[n * width + c]), 1e-6);
        }
        expect("cross_entropy", loss.at[n], expected, 1e-5);
    }
    release(8, x, mean, back, both, logits, targets, loss, d);
}

static void test_patch_error(int images, int rows, int patches, int width, int normalize) {
    int first = patches - rows, flags = normalize ? CURRICLE_NORMALIZE_TARGET : 0;
    tensor prediction = drawn(images * rows * width), target = drawn(images * patches * width), order = shuffled(images, patches);
    tensor error = empty(images * rows), weight = drawn(images * rows), d = empty(images * rows * width);
    RUN(patch_error, .flags = flags, .error = &error, .prediction = &prediction, .target = &target, .order = &order,
        .images = images, .rows = rows, .width = width, .patches = patches, .first = first, .epsilon = 1e-6f);
    RUN(patch_error_gradient, .flags = flags, .d_prediction = &d, .d_error = &weight, .prediction = &prediction, .target = &target,
        .order = &order, .images = images, .rows = rows, .width = width, .patches = patches, .first = first, .epsilon = 1e-6f);
    for (int i = 0; i < images * rows; i++) {
        const float *t = target.at + (i / rows * patches + ((const int32_t *)order.at)[i / rows * patches + first + i % rows]) * width;
        double mean = 0, variance = 0, sum = 0;
        for (int p = 0; p < width; p++) mean += t[p] / (double)width;
        for (int p = 0; p < width; p++) variance += pow(t[p] - mean, 2) / (width - 1);
        for (int p = 0; p < width; p++) {
            double off = prediction.at[i * width + p] - (normalize ? (t[p] - mean) / sqrt(variance + 1e-6) : t[p]);
            sum += off * off / width;
            expect("patch_error_gradient", d.at[i * width + p], weight.at[i] * 2 / width * off, 1e-5);
        }
        expect("patch_error", error.at[i], sum, 1e-5);
    }
    release(6, prediction, target, order, error, weight, d);
}

/// The masker's total loss by REFERENCE.md, in Double.
static double masker_total(const double *e, const double *m, int images, int patches, const float *lambda, double curriculum) {
    double weighted = 0, weights = 0, gauss = 0, kl = 0, near = 0;
    for (int n = 0; n < images; n++) {
        double mean = 0;
        for (int l = 0; l < patches; l++) {
            double score = m[n * patches + l];
            weighted += e[n * patches + l] * (1 - score);
            weights += 1 - score;
            mean += score / patches;
            gauss += exp(-pow(score - 0.5, 2) / (2 * 0.12 * 0.12)) * 0.12 * sqrt(2 * M_PI);
        }
        kl += mean * log(mean / 0.25) + (1 - mean) * log((1 - mean) / 0.75);
        for (int other = n + 1; other < images; other++) {
            double square = 0;
            for (int l = 0; l < patches; l++) square += pow(m[n * patches + l] - m[other * patches + l], 2);
            near += exp(-0.1 * sqrt(square));
        }
    }
    double pairs = images * (images - 1) / 2.0;
    return curriculum * weighted / weights + lambda[0] * gauss / (images * patches) + lambda[1] * kl +
           (pairs > 0 ? lambda[2] * near / pairs : 0);
}

static void test_masker_losses(int images, int patches) {
    int count = images * patches;
    tensor e = drawn(count), m = drawn(count), terms = empty(images * 5), curriculum = drawn(1), losses = empty(5), de = empty(count),
           dm = empty(count);
    tensor order = empty(count), mean = empty(1);
    const float lambda[3] = {0.7f, 0.3f, 1.5f};
    double *wide = calloc(2 * (size_t)count, sizeof *wide);
    for (int i = 0; i < count; i++) {
        wide[i] = e.at[i] += 1.5f;
        wide[count + i] = m.at[i] = 0.5f + 0.4f * m.at[i];
    }
    RUN(masker_terms, .terms = &terms, .error = &e, .scores = &m, .images = images, .patches = patches);
    RUN(masker_loss, .losses = &losses, .terms = &terms, .curriculum = &curriculum, .images = images, .patches = patches,
        .lambda_gauss = lambda[0], .lambda_kl = lambda[1], .lambda_diversity = lambda[2]);
    RUN(masker_loss_gradient, .d_error = &de, .d_scores = &dm, .terms = &terms, .error = &e, .scores = &m, .curriculum = &curriculum,
        .images = images, .patches = patches, .lambda_gauss = lambda[0], .lambda_kl = lambda[1], .lambda_diversity = lambda[2]);
    RUN(order_descending, .order = &order, .scores = &m, .images = images, .patches = patches);
    RUN(mean, .y = &mean, .x = &e, .count = count);
    double sum = 0;
    expect("masker_loss", losses.at[4], masker_total(wide, wide + count, images, patches, lambda, curriculum.at[0]), 1e-5);
    for (int i = 0; i < 2 * count; i++) {
        double held = wide[i], h = 1e-6;
        wide[i] = held + h;
        double above = masker_total(wide, wide + count, images, patches, lambda, curriculum.at[0]);
        wide[i] = held - h;
        double below = masker_total(wide, wide + count, images, patches, lambda, curriculum.at[0]);
        wide[i] = held;
        expect("masker_loss_gradient", i < count ? de.at[i] : dm.at[i - count], (above - below) / (2 * h), 2e-6);
        if (i < count) sum += held;
    }
    expect("mean", mean.at[0], sum / count, 1e-6);
    const int32_t *ids = (const int32_t *)order.at;
    for (int i = 1; i < count; i++)
        if (i % patches) expect("order_descending", m.at[i / patches * patches + ids[i - 1]] >= m.at[i / patches * patches + ids[i]], 1, 0);
    free(wide);
    release(9, e, m, terms, curriculum, losses, de, dm, order, mean);
}

static void test_add(int rows, int width, int period) {
    tensor a = drawn(rows * width), b = drawn(period * width), y = empty(rows * width);
    RUN(add, .y = &y, .a = &a, .b = &b, .rows = rows, .width = width, .period = period);
    for (int i = 0; i < rows * width; i++) expect("add", y.at[i], (double)a.at[i] + b.at[i % (period * width)], 1e-6);
    release(3, a, b, y);
}

// One AdamW step of whole panels, its gradient clipped by the norm of all of them.
static void test_update(int panels_of_16) {
    int count = panels_of_16 * 16, chunks = (count + CURRICLE_SQUARE_CHUNK - 1) / CURRICLE_SQUARE_CHUNK;
    tensor p = drawn(count), m = drawn(count), v = drawn(count), g = drawn(count), before = empty(count), first = empty(count),
           second = empty(count);
    tensor step = empty(CURRICLE_STEP_SCALARS), partials = empty(chunks), scale = empty(1), norm = empty(1), rate = drawn(1);
    const float scalars[CURRICLE_STEP_SCALARS] = {1e-2f, 3e-2f, 1.5f, 0.25f}; // η, η/(1−β₁ᵗ), 1/√(1−β₂ᵗ), gradient scale
    memcpy(step.at, scalars, sizeof scalars);
    rate.at[0] = 0.75f;
    double squares = 0;
    for (int i = 0; i < count; i++) {
        v.at[i] *= v.at[i];
        before.at[i] = p.at[i], first.at[i] = m.at[i], second.at[i] = v.at[i];
        squares += (double)g.at[i] * g.at[i];
    }
    RUN(sum_squares, .y = &partials, .x = &g, .count = count);
    RUN(clip_scale, .scale = &scale, .norm = &norm, .partials = &partials, .step = &step, .count = chunks, .limit = 0.1f);
    RUN(adamw, .parameter = &p, .first_moment = &m, .second_moment = &v, .gradient = &g, .step = &step, .clip = &scale, .rate = &rate,
        .count = count, .one_minus_beta1 = 0.1f, .beta2 = 0.95f, .one_minus_beta2 = 0.05f, .epsilon = 1e-8f, .weight_decay = 0.05f);
    double total = sqrt(squares) * 0.25, clip = total > 0.1 ? 0.1 / (total + 1e-6) : 1;
    expect("clip_scale's norm", norm.at[0], total, 1e-5);
    expect("clip_scale", scale.at[0], clip, 1e-5);
    for (int i = 0; i < count; i++) {
        double gradient = g.at[i] * 0.25 * clip, mean = first.at[i] + 0.1 * (gradient - first.at[i]);
        double square = 0.95 * second.at[i] + 0.05 * gradient * gradient;
        expect("adamw's first moment", m.at[i], mean, 1e-6);
        expect("adamw's second moment", v.at[i], square, 1e-6);
        expect("adamw", p.at[i], before.at[i] - 0.75 * (1e-2 * 0.05 * before.at[i] + 3e-2 * mean / (sqrt(square) * 1.5 + 1e-8)), 1e-5);
    }
    release(12, p, m, v, g, before, first, second, step, partials, scale, norm, rate);
}

static void test_patchify(int images, int rows, int columns, int patch, int channels) {
    int count = images * rows * columns * patch * patch * channels, pitch = columns * patch * channels;
    tensor patches = empty(count), scale_shift = drawn(2 * channels), pixels = empty((count + 3) / 4);
    uint8_t *bytes = (uint8_t *)pixels.at;
    for (int i = 0; i < count; i++) bytes[i] = (uint8_t)random_word();
    RUN(patchify, .patches = &patches, .pixels = &pixels, .scale_shift = &scale_shift, .images = images, .rows = rows, .columns = columns,
        .patch = patch, .channels = channels);
    for (int i = 0; i < count; i++) {
        int channel = i % channels, x = i / channels % patch, y = i / channels / patch % patch, at = i / channels / patch / patch;
        int column = at % columns, row = at / columns; // rows of all images
        double pixel = bytes[(row * patch + y) * pitch + (column * patch + x) * channels + channel];
        expect("patchify", patches.at[i], pixel * scale_shift.at[channel] + scale_shift.at[channels + channel], 1e-4);
    }
    release(3, patches, scale_shift, pixels);
}

/// A kernel that nothing ran is not tested.
static void test_coverage(void) {
    tensor loss = drawn(1);
    RUN(guard_finite, .loss = &loss);
    for (int i = 0; i < CURRICLE_OPCODES; i++) expect(curricle_names_of((curricle_opcode)i).name, kernels_run[i] > 0, 1, 0);
    release(1, loss);
}

int main(void) {
    for (int isa = CURRICLE_ISA_BASELINE; isa <= CURRICLE_ISA_NEON; isa++)
        for (int threads = 1; threads <= 3 && curricle_isa_available((curricle_isa)isa); threads += 2) {
            begin((curricle_isa)isa, threads);
            static const int sizes[][3] = {
                {1, 1, 1}, {15, 17, 16}, {7, 33, 37}, {97, 20, 5}, {13, 48, 300}, {260, 17, 19}, {13, 33, 1037}, {25, 17, 1024},
                {270, 97, 29}};
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                test_linear(sizes[i][0], sizes[i][1], sizes[i][2], i % 2 ? CURRICLE_GELU : 0);
                test_linear_gradients(sizes[i][0], sizes[i][1], sizes[i][2], i % 2);
                test_layer_norm(sizes[i][0], sizes[i][1] + 1);
                test_elementwise(sizes[i][2]);
            }
            test_attention(1, 1, 1, 1);
            test_attention(2, 17, 2, 10);
            test_attention(1, 33, 3, 15);
            test_attention(1, 67, 1, 22);
            test_rows(2, 9, 4, 19);
            test_rows(1, 16, 15, 16);
            test_rows(3, 5, 1, 1);
            test_classifier(3, 5, 10);
            test_classifier(2, 1, 16);
            test_classifier(1, 7, 33);
            test_patch_error(2, 5, 9, 108, 0);
            test_patch_error(2, 5, 9, 147, 1);
            test_patch_error(1, 1, 2, 17, 1);
            test_masker_losses(1, 9);
            test_masker_losses(3, 17);
            test_masker_losses(2, 49);
            test_softmax(5, 17);
            test_softmax(3, 1);
            test_row_variance(5, 33);
            test_row_variance(2, 1);
            test_keep_rows(2, 5, 16, 19);
            test_keep_rows(1, 49, 49, 4);
            test_keep_rows(3, 1, 17, 1);
            test_ranking(2, 9, 6);
            test_ranking(1, 2, 1);
            test_ranking(2, 49, 37);
            test_order_hardest(2, 49, 37, 0.5f, 19);
            test_order_hardest(1, 16, 12, 0, 0);
            test_order_hardest(1, 16, 12, 1, 12);
            test_uniformity(1, 5);
            test_uniformity(4, 33);
            test_add(7, 19, 7);
            test_add(12, 33, 4);
            test_update(1);
            test_update(5000);
            test_patchify(2, 2, 3, 4, 3);
            test_patchify(1, 3, 1, 5, 2);
            test_int8();
            test_bf16();
            test_coverage();
            end();
        }
    return finish();
}
