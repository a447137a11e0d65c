// Kernels of rows of scores, logits and features against plain loops. Part of test_kernels.c.
#include "test_kernels.h"

/// The mean over pairs of removed patches of ln(1 + exp(z_i − z_j)), i of larger error, in Double; patches by `order`.
static double ranking_total(const double *z, const float *e, const int32_t *order, int images, int patches, int removed) {
    double sum = 0;
    for (int n = 0; n < images; n++)
        for (int i = 0; i < removed; i++)
            for (int j = 0; j < removed; j++) {
                const int32_t *ids = order + n * patches + patches - removed;
                if (e[n * removed + i] > e[n * removed + j]) sum += log1p(exp(z[n * patches + ids[i]] - z[n * patches + ids[j]]));
            }
    return removed > 1 ? sum * 2 / (removed * (removed - 1)) : 0;
}

static void test_ranking(int images, int patches, int removed) {
    int count = images * patches;
    tensor z = drawn(count), e = drawn(images * removed), order = shuffled(images, patches), loss = empty(images), dz = empty(count);
    double *wide = calloc((size_t)count, sizeof *wide), total = 0;
    for (int i = 0; i < count; i++) wide[i] = z.at[i] *= 6;
    RUN(ranking_loss, .loss = &loss, .logits = &z, .error = &e, .order = &order, .images = images, .patches = patches, .removed = removed,
        .first = patches - removed);
    RUN(ranking_loss_gradient, .d_logits = &dz, .logits = &z, .error = &e, .order = &order, .images = images, .patches = patches,
        .removed = removed, .first = patches - removed, .weight = 1);
    const int32_t *ids = (const int32_t *)order.at;
    for (int n = 0; n < images; n++) total += loss.at[n];
    expect("ranking_loss", total, ranking_total(wide, e.at, ids, images, patches, removed), 1e-5);
    for (int i = 0; i < count; i++) {
        double held = wide[i], h = 1e-6;
        wide[i] = held + h;
        double above = ranking_total(wide, e.at, ids, images, patches, removed);
        wide[i] = held - h;
        double below = ranking_total(wide, e.at, ids, images, patches, removed);
        wide[i] = held;
        expect("ranking_loss_gradient", dz.at[i], (above - below) / (2 * h), 2e-6);
    }
    free(wide);
    release(5, z, e, order, loss, dz);
}

// All but the hardest by noise, the hardest by score.
static void test_order_hardest(int images, int patches, int removed, float share, int hard) {
    tensor scores = drawn(images * patches), noise = drawn(images * patches), given = empty(1), order = empty(images * patches);
    given.at[0] = share;
    RUN(order_hardest, .order = &order, .scores = &scores, .noise = &noise, .share = &given, .images = images, .patches = patches,
        .removed = removed);
    for (int n = 0; n < images; n++) {
        const int32_t *ids = (const int32_t *)order.at + n * patches;
        const float *score = scores.at + n * patches, *drawn_by = noise.at + n * patches;
        int64_t seen = 0;
        for (int i = 0; i < patches; i++) seen += 1ll << ids[i];
        expect("order_hardest: each patch once", (double)seen, (double)((1ll << patches) - 1), 0);
        for (int i = 1; i < patches - hard; i++) expect("order_hardest: noise", drawn_by[ids[i - 1]] >= drawn_by[ids[i]], 1, 0);
        for (int i = patches - hard; i < patches; i++) {
            if (i > patches - hard) expect("order_hardest: scores", score[ids[i - 1]] >= score[ids[i]], 1, 0);
            for (int j = 0; j < patches - hard; j++) expect("order_hardest: lowest", score[ids[j]] >= score[ids[i]], 1, 0);
        }
    }
    release(4, scores, noise, given, order);
}

/// Σ over images of the mean over the others of cos², in Double.
static double uniformity_total(const double *x, int images, int width) {
    double sum = 0;
    for (int i = 0; i < images; i++)
        for (int j = 0; j < images; j++) {
            double a = 0, b = 0, ab = 0;
            for (int d = 0; d < width; d++) {
                a += x[i * width + d] * x[i * width + d];
                b += x[j * width + d] * x[j * width + d];
                ab += x[i * width + d] * x[j * width + d];
            }
            if (i != j) sum += ab * ab / (a * b) / (images - 1);
        }
    return sum;
}

static void test_uniformity(int images, int width) {
    tensor x = drawn(images * width), y = empty(images), dx = empty(images * width);
    double *wide = calloc((size_t)(images * width), sizeof *wide), total = 0;
    for (int i = 0; i < images * width; i++) wide[i] = x.at[i];
    RUN(uniformity, .y = &y, .x = &x, .images = images, .width = width);
    RUN(uniformity_gradient, .dx = &dx, .x = &x, .images = images, .width = width, .weight = 1);
    for (int i = 0; i < images; i++) total += y.at[i];
    expect("uniformity", total, uniformity_total(wide, images, width), 1e-5);
    for (int i = 0; i < images * width; i++) {
        double held = wide[i], h = 1e-6;
        wide[i] = held + h;
        double above = uniformity_total(wide, images, width);
        wide[i] = held - h;
        double below = uniformity_total(wide, images, width);
        wide[i] = held;
        expect("uniformity_gradient", dx.at[i], (above - below) / (2 * h), 1e-5);
    }
    free(wide);
    release(3, x, y, dx);
}

static void test_row_variance(int rows, int width) {
    tensor x = drawn(rows * width), y = empty(rows);
    RUN(row_variance, .y = &y, .x = &x, .rows = rows, .width = width);
    for (int r = 0; r < rows; r++) {
        double mean = 0, square = 0;
        for (int i = 0; i < width; i++) mean += (double)x.at[r * width + i] / width;
        for (int i = 0; i < width; i++) square += (x.at[r * width + i] - mean) * (x.at[r * width + i] - mean) / width;
        expect("row_variance", y.at[r], square, 1e-6);
    }
    release(2, x, y);
}

/// Of `from` rows the best `rows`: no row that is left out has a higher score, or an equal one and stands before.
static void test_keep_rows(int images, int rows, int from, int width) {
    tensor x = drawn(images * from * width), scores = drawn(images * from), y = empty(images * rows * width);
    for (int i = 0; i < images * from; i++) scores.at[i] = floorf(scores.at[i] * 4); // many are equal
    RUN(keep_rows, .y = &y, .x = &x, .scores = &scores, .images = images, .rows = rows, .width = width, .from_rows = from);
    for (int n = 0; n < images; n++) {
        int at = 0;
        for (int i = 0; i < from; i++) {
            int before = 0;
            const float *s = scores.at + n * from;
            for (int j = 0; j < from; j++) before += s[j] > s[i] || (s[j] == s[i] && j < i);
            if (before >= rows) continue;
            for (int d = 0; d < width; d++) expect("keep_rows", y.at[(n * rows + at) * width + d], x.at[(n * from + i) * width + d], 0);
            at++;
        }
        expect("rows that are kept", at, rows, 0);
    }
    release(3, x, scores, y);
}

static void test_softmax(int rows, int width) {
    tensor x = drawn(rows * width), y = empty(rows * width);
    for (int i = 0; i < rows * width; i++) x.at[i] *= 8;
    RUN(softmax, .y = &y, .x = &x, .rows = rows, .width = width);
    for (int r = 0; r < rows; r++) {
        double sum = 0;
        for (int i = 0; i < width; i++) sum += exp((double)x.at[r * width + i]);
        for (int i = 0; i < width; i++) expect("softmax", y.at[r * width + i], exp((double)x.at[r * width + i]) / sum, 1e-6);
    }
    release(2, x, y);
}
