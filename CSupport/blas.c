#include "curricle_blas.h"

#include <cblas.h>

// Fortran LAPACK's driver for symmetric positive definite systems; Debian's libopenblas holds it, but no LAPACKE.
// (The trailing argument is the hidden length of the character argument.)
extern void dposv_(const char *uplo, const int *n, const int *nrhs, double *a, const int *lda, double *b, const int *ldb,
                   int *info, unsigned long uplo_length);

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
