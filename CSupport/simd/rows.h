// Rows and runs of floats whose length need not be whole vectors.

/// The vector of row[j …], lanes past the width zero.
INLINE vf row_load(const float *row, int64_t j, int64_t width) {
    return j + LANES <= width ? vf_load(row + j) : vf_load_first(row + j, (int)(width - j));
}
INLINE void row_store(float *row, int64_t j, int64_t width, vf v) {
    if (j + LANES <= width) vf_store(row + j, v);
    else vf_store_first(row + j, v, (int)(width - j));
}

INLINE vf lanes_load(const float *p, int lanes) { return lanes == LANES ? vf_load(p) : vf_load_first(p, lanes); }
INLINE void lanes_store(float *p, vf v, int lanes) {
    if (lanes == LANES) vf_store(p, v);
    else vf_store_first(p, v, lanes);
}

INLINE void copy_row(float *y, const float *x, int64_t width) { memcpy(y, x, (size_t)width * sizeof(float)); }

/// Rows of whole vectors: out has room for them, `stride` apart; lanes past the width are zero.
static __attribute__((noinline)) void copy_rows(float *out, int64_t stride, const float *in, int64_t pitch, int64_t rows, int64_t width) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j += LANES) vf_store(out + i * stride + j, row_load(in + i * pitch, j, width));
}

INLINE float row_total(const float *x, int64_t count) {
    vf sum = vf_set(0);
    for (int64_t i = 0; i < count; i += LANES) sum += row_load(x, i, count);
    return vf_sum(sum);
}

/// Σ a[i]·b[i]
INLINE float row_product(const float *a, const float *b, int64_t count) {
    vf sum = vf_set(0);
    for (int64_t i = 0; i < count; i += LANES) sum = vf_fma(row_load(a, i, count), row_load(b, i, count), sum);
    return vf_sum(sum);
}

/// The range of vectors of a task over `count` elements: pieces begin at whole vectors.
#define FOR_VECTORS(call, task, count, i, lanes) \
    for (int64_t i = piece(ceil_div(count, LANES), (call)->tasks, task) * LANES, \
                 end_ = piece(ceil_div(count, LANES), (call)->tasks, (task) + 1) * LANES; i < end_; i += LANES) \
        for (int lanes = (int)min64(LANES, (count) - i); lanes; lanes = 0)

/// The rows of a task.
#define FOR_ROWS(call, task, rows, i) \
    for (int64_t i = piece(rows, (call)->tasks, task), end_ = piece(rows, (call)->tasks, (task) + 1); i < end_; i++)
