// Every allocation of the process is counted: the C library's own functions do the work. (Only glibc's can be asked; elsewhere none is.)
#ifndef COUNT_ALLOCATIONS_H
#define COUNT_ALLOCATIONS_H
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int allocations;
#ifdef __GLIBC__
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
#pragma GCC visibility push(default) // libraries are to find these, too
void *malloc(size_t bytes) { atomic_fetch_add(&allocations, 1); return __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { atomic_fetch_add(&allocations, 1); return __libc_calloc(count, bytes); }
void *realloc(void *old, size_t bytes) { atomic_fetch_add(&allocations, 1); return __libc_realloc(old, bytes); }
void *aligned_alloc(size_t alignment, size_t bytes) { atomic_fetch_add(&allocations, 1); return __libc_memalign(alignment, bytes); }
int posix_memalign(void **place, size_t alignment, size_t bytes) { return (*place = aligned_alloc(alignment, bytes)) ? 0 : 12; }
#pragma GCC visibility pop
#endif

#endif
