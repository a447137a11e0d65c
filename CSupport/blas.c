#include "curricle_blas.h"
#include "team.h"

#include <cblas.h>

// Fortran LAPACK's driver for symmetric positive definite systems; Debian's libopenblas holds it, but no LAPACKE.
// (The trailing argument is the hidden length of the character argument.)
extern void dposv_(const char *uplo, const int *n, const int *nrhs, double *a, const int *lda, double *b, const int *ldb,
                   int *info, unsigned long uplo_length);
// Some eigenvectors of a symmetric matrix, by bisection and inverse iteration.
extern void dsyevx_(const char *jobz, const char *range, const char *uplo, const int *n, double *a, const int *lda, const double *vl, const double *vu,
                    const int *il, const int *iu, const double *abstol, int *m, double *w, double *z, const int *ldz, double *work, const int *lwork,
                    int *iwork, int *ifail, int *info, unsigned long jobz_length, unsigned long range_length, unsigned long uplo_length);

void curricle_blas_dot_products(int rows, int columns, int depth, const double *a, const double *b, double *c) {
    openblas_set_num_threads(1);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, columns, depth, 1.0, a, depth, b, depth, 0.0, c, columns);
}

void curricle_blas_add_gram(int rows, int width, const double *a, double *gram) {
    openblas_set_num_threads(1);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, width, rows, 1.0, a, width, 1.0, gram, width);
}

int curricle_blas_solve_positive_definite(int width, int count, double *gram, double *right_sides) {
    openblas_set_num_threads(1);
    int info = 0;
    // Row-major's upper triangle is column-major's lower one, and rows of right sides are columns there.
    dposv_("L", &width, &count, gram, &width, right_sides, &width, &info, 1);
    return info;
}

int curricle_blas_largest_eigenvectors(int width, int count, double *matrix, double *values, double *vectors, double *workspace, int *integers) {
    openblas_set_num_threads(1);
    int first = width - count + 1, found = 0, info = 0, doubles = 8 * width;
    double unused = 0, tolerance = 0;
    dsyevx_("V", "I", "L", &width, matrix, &width, &unused, &unused, &first, &width, &tolerance, &found, values, vectors, &width, workspace, &doubles,
            integers, integers + 5 * width, &info, 1, 1, 1);
    return info ? info : found != count;
}

typedef struct { int rows, columns, depth; float *y; const float *x; float *weight; int is_weight_gradient; } product;

static void product_part(void *context, int thread, int threads) {
    const product *p = context;
    int extent = p->is_weight_gradient ? p->columns : p->rows;
    int first = (int)((long)extent * thread / threads), count = (int)((long)extent * (thread + 1) / threads) - first;
    if (p->is_weight_gradient)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, count, p->depth, p->rows, 1, p->y + first, p->columns, p->x, p->depth, 0,
                    p->weight + (long)first * p->depth, p->depth);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, p->columns, p->depth, 1, p->x + (long)first * p->depth, p->depth, p->weight,
                    p->depth, 0, p->y + (long)first * p->columns, p->columns);
}

void curricle_blas_product(int rows, int columns, int depth, float *y, const float *x, float *weight, int is_weight_gradient, int threads) {
    openblas_set_num_threads(1);
    product p = {rows, columns, depth, y, x, weight, is_weight_gradient};
    team_run(threads, product_part, &p);
}
