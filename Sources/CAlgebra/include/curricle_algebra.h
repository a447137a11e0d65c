#ifndef CURRICLE_ALGEBRA_H
#define CURRICLE_ALGEBRA_H

/// The dense linear algebra of the probes, by OpenBLAS, which is opened when it is first asked for: nothing else needs it, neither to build nor to run.
/// All matrices are row-major and packed. One thread, so that results do not depend on how many there are.
/// Every function but the first wants the library open.

#ifdef __cplusplus
extern "C" {
#endif

/// Opens OpenBLAS, once for the process: the file that the environment's CURRICLE_OPENBLAS names, else the system's libopenblas.so.0.
/// Returns NULL, or why it cannot be used; the text stays. May be called from several threads.
const char *curricle_algebra_open(void);

/// c [rows, columns] = a [rows, depth] · bᵀ, with b [columns, depth]: all dot products of rows of a with rows of b.
void curricle_algebra_dot_products(int rows, int columns, int depth, const double *a, const double *b, double *c);

/// gram [width, width] += aᵀ · a, with a [rows, width]. Only entries (i, j) with j >= i are touched.
void curricle_algebra_add_gram(int rows, int width, const double *a, double *gram);

/// Solves gram · x = b for symmetric positive definite gram by Cholesky's factorisation.
/// Of gram [width, width], entries (i, j) with j >= i are read and overwritten. right_sides [count, width] holds one b a row,
/// each replaced by its x.
/// Returns 0; a positive number where gram is not positive definite; a negative one for a wrong argument.
int curricle_algebra_solve_positive_definite(int width, int count, double *gram, double *right_sides);

/// The eigenvectors of the `count` largest eigenvalues of a symmetric matrix [width, width], of which entries (i, j) with j >= i
/// are read and overwritten. values [width] gets the eigenvalues first, vectors [count, width] a unit vector a row, both from the
/// smallest of the `count` to the largest. workspace holds 8 · width doubles, integers 6 · width.
/// Returns 0; another number where the search failed or an argument is wrong.
int curricle_algebra_largest_eigenvectors(int width, int count, double *matrix, double *values, double *vectors, double *workspace, int *integers);

/// A part of `parts` equal ones of y [rows, columns] = x [rows, depth] · weightᵀ with weight [columns, depth] or, where `is_weight_gradient`,
/// of weight = yᵀ · x: the yardstick of `bench kernels`. Parts may be computed at the same time.
void curricle_algebra_product_part(int rows, int columns, int depth, float *y, const float *x, float *weight, int is_weight_gradient, int part, int parts);

#ifdef __cplusplus
}
#endif

#endif
