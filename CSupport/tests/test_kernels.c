// Kernels against plain double loops, on odd sizes, every ISA and 1 and 3 threads. Each tensor is a malloc'd block of just its
// size, so that AddressSanitizer sees a read or a write past its end. Built and run by tools/test_c.sh.
#include "test_kernels.h"

static void test_linear(int rows, int columns, int depth, int flags) {
    tensor x = drawn(rows * depth), w = drawn(columns * depth), bias = drawn(columns), residual = drawn(rows * columns);
    tensor w_panels = panels(w, columns, depth), bias_panels = panels(bias, columns, 1), y = empty(rows * columns), slope = empty(rows * columns);
    int gelu = flags & CURRICLE_GELU;
    run((call){.name = "linear", .flags = flags, .operands = {&y, gelu ? &slope : NULL, &x, &w_panels, &bias_panels, &residual},
               .sizes = {rows, columns, depth, columns, rows}});
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            double sum = bias.at[j] + residual.at[i * columns + j];
            for (int k = 0; k < depth; k++) sum += (double)x.at[i * depth + k] * w.at[j * depth + k];
            double phi = 0.5 * erfc(-sum / sqrt(2));
            expect("linear", y.at[i * columns + j], gelu ? sum * phi : sum, 1e-5 * sqrt(depth));
            if (gelu) expect("linear's gelu'", slope.at[i * columns + j], phi + sum * exp(-sum * sum / 2) / sqrt(2 * M_PI), 1e-5 * sqrt(depth));
        }
    release(8, x, w, bias, residual, w_panels, bias_panels, y, slope);
}

static void test_linear_gradients(int rows, int columns, int depth, int accumulate) {
    tensor x = drawn(rows * depth), dy = drawn(rows * columns), w = drawn(columns * depth), w_panels = panels(w, columns, depth);
    tensor dw = empty(panel_floats(columns, depth)), db = empty(panel_floats(columns, 1)), turned = empty(panel_floats(depth, columns));
    tensor dx = empty(rows * depth);
    run((call){.name = "linear_weight_gradient", .flags = accumulate ? CURRICLE_ACCUMULATE : 0, .zeroed = accumulate,
               .operands = {&dw, &db, &dy, &x}, .sizes = {rows, columns, depth, columns}});
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
    run((call){.name = "transpose_panels", .operands = {&turned, &w_panels}, .sizes = {columns, depth, columns}});
    run((call){.name = "linear", .operands = {&dx, NULL, &dy, &turned}, .sizes = {rows, depth, columns, depth, rows}});
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
    call forward = {.name = "attention", .operands = {&y, &lse, &qkv, &key, &value},
                    .sizes = {images, tokens, tokens, heads, width, 3 * D, 3 * D, 3 * D, D}, .reals = {scale}};
    call backward = forward;
    backward.name = "attention_gradient";
    memcpy(backward.operands, (tensor *[9]){&d, &d_key, &d_value, &dy, &lse, &qkv, &key, &value}, sizeof backward.operands);
    run(forward);
    run(backward);
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
    run((call){.name = "layer_norm", .operands = {&y, &statistics, &x, &g, &b}, .sizes = {rows, width}, .reals = {1e-5f}});
    run((call){.name = "layer_norm_gradient", .operands = {&dx, &d_gamma, &d_beta, &dy, &x, &statistics, &g, &addend}, .sizes = {rows, width, chunks}});
    run((call){.name = "column_sum", .operands = {&sum, &d_gamma}, .sizes = {chunks, width, width}});
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
            expect("layer_norm_gradient", dx.at[i * width + d], r * (slope - mean_g - normal * mean_dot) + addend.at[i * width + d], 1e-4 * (1 + r));
        }
    }
    for (int d = 0; d < width; d++) expect("layer_norm_gradient's d_gamma", sum.at[d], total[d], 1e-5 * rows);
    free(total);
    release(13, x, gamma, beta, g, b, y, statistics, dy, addend, dx, d_gamma, d_beta, sum);
}

static void test_elementwise(int count) {
    tensor x = drawn(count), y = empty(count), slope = empty(count), z = empty(count), product = empty(count);
    run((call){.name = "gelu", .operands = {&y, &slope, &x}, .sizes = {count}});
    run((call){.name = "sigmoid", .operands = {&z, &x}, .sizes = {count}});
    run((call){.name = "multiply", .operands = {&product, &x, &z}, .sizes = {count}});
    for (int i = 0; i < count; i++) {
        double v = x.at[i], phi = 0.5 * erfc(-v / sqrt(2));
        expect("gelu", y.at[i], v * phi, 1e-6);
        expect("gelu'", slope.at[i], phi + v * exp(-v * v / 2) / sqrt(2 * M_PI), 1e-6);
        expect("sigmoid", z.at[i], 1 / (1 + exp(-v)), 1e-6);
        expect("multiply", product.at[i], v * z.at[i], 1e-6);
    }
    release(5, x, y, slope, z, product);
}

// Rows chosen by an order and put back: place(select(x)) is x where a row was chosen and zero elsewhere.
static void test_rows(int images, int patches, int kept, int width) {
    int many = patches + 1;
    tensor x = drawn(images * many * width), order = shuffled(images, patches), few = empty(images * kept * width), back = empty(images * many * width);
    tensor token = drawn(width), longer = empty(images * (many + 1) * width), scale = drawn(images * many), scaled = empty(images * many * width);
    tensor dot = empty(images * many), restored = empty(images * many * width), position = drawn(many * width), lead = drawn(images * (kept + 1) * width);
    run((call){.name = "select_rows", .operands = {&few, &x, &order}, .sizes = {images, kept, width, many, 0, 1, patches, 0}});
    run((call){.name = "place_rows", .operands = {&back, &few, &order}, .sizes = {images, kept, width, many, 0, 1, patches, 0}});
    run((call){.name = "prepend_row", .operands = {&longer, &x, &token}, .sizes = {images, many, width}});
    run((call){.name = "scale_rows", .operands = {&scaled, &x, &scale}, .sizes = {images * many, width}});
    run((call){.name = "row_dot", .operands = {&dot, &x, &scaled}, .sizes = {images * many, width}});
    run((call){.name = "restore_tokens", .operands = {&restored, &lead, &token, &order, &position}, .sizes = {images, kept, patches, width}});
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
                const float *from = row == 0 ? lead.at + n * (kept + 1) * width : chosen >= 0 ? lead.at + (n * (kept + 1) + 1 + chosen) * width : token.at;
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
    run((call){.name = "mean_rows", .operands = {&mean, &x}, .sizes = {images, rows, width, many, 1}});
    run((call){.name = "mean_rows_gradient", .operands = {&back, &mean}, .sizes = {images, rows, width, many, 1}});
    run((call){.name = "concatenate", .operands = {&both, &mean, &x}, .sizes = {images, width, many}}); // x's first numbers will do
    run((call){.name = "cross_entropy", .operands = {&loss, &logits, &targets}, .sizes = {images, width}});
    run((call){.name = "cross_entropy_gradient", .operands = {&d, &logits, &targets}, .sizes = {images, width}, .reals = {0.5f}});
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
            expect("cross_entropy_gradient", d.at[n * width + c], 0.5 * (exp(logits.at[n * width + c]) / sum * all - targets.at[n * width + c]), 1e-6);
        }
        expect("cross_entropy", loss.at[n], expected, 1e-5);
    }
    release(8, x, mean, back, both, logits, targets, loss, d);
}

static void test_patch_error(int images, int rows, int patches, int width, int normalize) {
    int first = patches - rows, flags = normalize ? CURRICLE_NORMALIZE_TARGET : 0;
    tensor prediction = drawn(images * rows * width), target = drawn(images * patches * width), order = shuffled(images, patches);
    tensor error = empty(images * rows), weight = drawn(images * rows), d = empty(images * rows * width);
    call forward = {.name = "patch_error", .flags = flags, .operands = {&error, &prediction, &target, &order}, .sizes = {images, rows, width, patches, first}, .reals = {1e-6f}};
    run(forward);
    run((call){.name = "patch_error_gradient", .flags = flags, .operands = {&d, &weight, &prediction, &target, &order},
               .sizes = {images, rows, width, patches, first}, .reals = {1e-6f, 0}});
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
    return curriculum * weighted / weights + lambda[0] * gauss / (images * patches) + lambda[1] * kl + (pairs > 0 ? lambda[2] * near / pairs : 0);
}

static void test_masker_losses(int images, int patches) {
    int count = images * patches;
    tensor e = drawn(count), m = drawn(count), terms = empty(images * 5), curriculum = drawn(1), losses = empty(5), de = empty(count), dm = empty(count);
    tensor order = empty(count), mean = empty(1);
    const float lambda[3] = {0.7f, 0.3f, 1.5f};
    double *wide = calloc(2 * (size_t)count, sizeof *wide);
    for (int i = 0; i < count; i++) {
        wide[i] = e.at[i] += 1.5f;
        wide[count + i] = m.at[i] = 0.5f + 0.4f * m.at[i];
    }
    run((call){.name = "masker_terms", .operands = {&terms, &e, &m}, .sizes = {images, patches}});
    run((call){.name = "masker_loss", .operands = {&losses, &terms, &curriculum}, .sizes = {images, patches}, .reals = {lambda[0], lambda[1], lambda[2]}});
    run((call){.name = "masker_loss_gradient", .operands = {&de, &dm, &terms, &e, &m, &curriculum}, .sizes = {images, patches}, .reals = {lambda[0], lambda[1], lambda[2]}});
    run((call){.name = "order_descending", .operands = {&order, &m}, .sizes = {images, patches}});
    run((call){.name = "mean", .operands = {&mean, &e}, .sizes = {count}});
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

int main(void) {
    for (int isa = CURRICLE_ISA_BASELINE; isa <= CURRICLE_ISA_NEON; isa++)
        for (int threads = 1; threads <= 3 && curricle_isa_available((curricle_isa)isa); threads += 2) {
            begin((curricle_isa)isa, threads);
            static const int sizes[][3] = {{1, 1, 1}, {15, 17, 16}, {7, 33, 37}, {97, 20, 5}, {13, 48, 300}, {260, 17, 19}, {13, 33, 1037}, {25, 17, 1024}};
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
        }
    return finish();
}
