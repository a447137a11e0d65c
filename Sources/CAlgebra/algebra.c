#include "curricle_algebra.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// What of CBLAS's interface is used (its header is not needed to build).
enum { row_major = 101, not_transposed = 111, transposed = 112, upper = 121 };
typedef void double_product(int order, int a_form, int b_form, int m, int n, int k, double alpha, const double *a, int lda, const double *b, int ldb,
                            double beta, double *c, int ldc);
typedef void single_product(int order, int a_form, int b_form, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                            float beta, float *c, int ldc);
typedef void gram_product(int order, int triangle, int form, int n, int k, double alpha, const double *a, int lda, double beta, double *c, int ldc);
// Fortran LAPACK's driver for symmetric positive definite systems; Debian's libopenblas holds it, but no LAPACKE.
// (The trailing argument is the hidden length of the character argument.)
typedef void positive_definite_solver(const char *uplo, const int *n, const int *nrhs, double *a, const int *lda, double *b, const int *ldb, int *info,
                                      unsigned long uplo_length);
// Some eigenvectors of a symmetric matrix, by bisection and inverse iteration.
typedef void eigenvector_finder(const char *jobz, const char *range, const char *uplo, const int *n, double *a, const int *lda, const double *vl,
                                const double *vu, const int *il, const int *iu, const double *abstol, int *m, double *w, double *z, const int *ldz,
                                double *work, const int *lwork, int *iwork, int *ifail, int *info, unsigned long jobz_length,
                                unsigned long range_length, unsigned long uplo_length);

static struct {
    double_product *dgemm;
    single_product *sgemm;
    gram_product *dsyrk;
    positive_definite_solver *dposv;
    eigenvector_finder *dsyevx;
    void (*set_threads)(int);
} library;
static char problem[512];

static void *found(void *handle, const char *name) {
    void *function = handle ? dlsym(handle, name) : NULL;
    if (handle && !function && !problem[0]) {
        strncpy(problem, "it has no ", sizeof problem - 1);
        strncat(problem, name, sizeof problem - strlen(problem) - 1);
    }
    return function;
}

static void open_library(void) {
    const char *named = getenv("CURRICLE_OPENBLAS");
    // Read while it is opened: with one thread it makes no pool.
    const char *given = getenv("OPENBLAS_NUM_THREADS");
    char *kept = given ? strdup(given) : NULL;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    void *handle = dlopen(named ? named : "libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        strncpy(problem, reason ? reason : "it cannot be opened", sizeof problem - 1);
    }
    if (kept) setenv("OPENBLAS_NUM_THREADS", kept, 1); else unsetenv("OPENBLAS_NUM_THREADS");
    free(kept);
    library.dgemm = found(handle, "cblas_dgemm");
    library.sgemm = found(handle, "cblas_sgemm");
    library.dsyrk = found(handle, "cblas_dsyrk");
    library.dposv = found(handle, "dposv_");
    library.dsyevx = found(handle, "dsyevx_");
    library.set_threads = found(handle, "openblas_set_num_threads");
    if (!problem[0]) library.set_threads(1);
}

const char *curricle_algebra_open(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library);
    return problem[0] ? problem : NULL;
}

void curricle_algebra_dot_products(int rows, int columns, int depth, const double *a, const double *b, double *c) {
    library.dgemm(row_major, not_transposed, transposed, rows, columns, depth, 1.0, a, depth, b, depth, 0.0, c, columns);
}

void curricle_algebra_add_gram(int rows, int width, const double *a, double *gram) {
    library.dsyrk(row_major, upper, transposed, width, rows, 1.0, a, width, 1.0, gram, width);
}

int curricle_algebra_solve_positive_definite(int width, int count, double *gram, double *right_sides) {
    int info = 0;
    // Row-major's upper triangle is column-major's lower one, and rows of right sides are columns there.
    library.dposv("L", &width, &count, gram, &width, right_sides, &width, &info, 1);
    return info;
}

int curricle_algebra_largest_eigenvectors(int width, int count, double *matrix, double *values, double *vectors, double *workspace, int *integers) {
    int first = width - count + 1, found = 0, info = 0, doubles = 8 * width;
    double unused = 0, tolerance = 0;
    library.dsyevx("V", "I", "L", &width, matrix, &width, &unused, &unused, &first, &width, &tolerance, &found, values, vectors, &width, workspace,
                   &doubles, integers, integers + 5 * width, &info, 1, 1, 1);
    return info ? info : found != count;
}

void curricle_algebra_product_part(int rows, int columns, int depth, float *y, const float *x, float *weight, int is_weight_gradient, int part, int parts) {
    int extent = is_weight_gradient ? columns : rows;
    int first = (int)((long)extent * part / parts), count = (int)((long)extent * (part + 1) / parts) - first;
    if (count == 0) return;
    if (is_weight_gradient)
        library.sgemm(row_major, transposed, not_transposed, count, depth, rows, 1, y + first, columns, x, depth, 0, weight + (long)first * depth, depth);
    else
        library.sgemm(row_major, not_transposed, transposed, count, columns, depth, 1, x + (long)first * depth, depth, weight, depth, 0,
                      y + (long)first * columns, columns);
}
