// Makes one system call of a process fail: for tools/faults.sh and tools/kills.sh, preloaded (LD_PRELOAD) into a command that is tested.
//   FAULT_CALLS  which calls count: a list of open, write, fsync, rename, mmap, unlink, opendir, readdir, close, read
//   FAULT_BELOW  only calls on files below this folder
//   FAULT_AT     the number of the call that fails, from 1
//   FAULT_AS     ENOSPC, EIO, EINTR, or SHORT (half of a write), ZERO (a write of nothing), KILL (after the call)
//   FAULT_TOLD   a file that gets a line where a call failed
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum fault { PASS, FAIL, SHORT_WRITE, NO_WRITE, KILL_AFTER };

static struct { const char *calls, *below, *told; long at; int code; enum fault kind; } plan;
static atomic_long count;

__attribute__((constructor)) static void read_plan(void) {
    const char *at = getenv("FAULT_AT"), *as = getenv("FAULT_AS");
    if (!at || !as || !getenv("FAULT_CALLS")) return;
    plan.calls = getenv("FAULT_CALLS");
    plan.below = getenv("FAULT_BELOW");
    plan.told = getenv("FAULT_TOLD");
    plan.kind = !strcmp(as, "SHORT") ? SHORT_WRITE : !strcmp(as, "ZERO") ? NO_WRITE : !strcmp(as, "KILL") ? KILL_AFTER : FAIL;
    plan.code = !strcmp(as, "ENOSPC") ? ENOSPC : !strcmp(as, "EINTR") ? EINTR : EIO;
    plan.at = atol(at);
}

static int is_counted(const char *call) {
    size_t length = strlen(call);
    for (const char *word = plan.calls; word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL)
        if (!strncmp(word, call, length) && (word[length] == 0 || word[length] == ',')) return 1;
    return 0;
}

/// What is to become of a call on a path, or where there is none, on a descriptor.
static enum fault fault_of(const char *call, const char *path, int descriptor) {
    if (!plan.at || !is_counted(call)) return PASS;
    char found[PATH_MAX] = "", link[64];
    if (!path) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        long length = syscall(SYS_readlinkat, AT_FDCWD, link, found, sizeof found - 1);
        if (length > 0) found[length] = 0;
        path = found;
    }
    if (plan.below && strncmp(path, plan.below, strlen(plan.below))) return PASS;
    if (atomic_fetch_add(&count, 1) + 1 != plan.at) return PASS;
    if (plan.told) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, plan.told, O_WRONLY | O_CREAT | O_APPEND, 0644);
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%s %s\n", call, path);
        if (syscall(SYS_write, file, line, length) < 0) abort();
        syscall(SYS_close, file);
    }
    return plan.kind;
}

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
/// A call that fails by a value, or is done; and the end of the process behind it.
#define ONE(name, call, path, descriptor, failed, type, parameters, arguments) \
    type name parameters { \
        REAL(name); \
        enum fault fault = fault_of(call, path, descriptor); \
        if (fault == FAIL) { errno = plan.code; return failed; } \
        type result = real arguments; \
        if (fault == KILL_AFTER) die(); \
        return result; \
    }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        int mode = flags & O_CREAT ? va_arg(rest, int) : 0; \
        va_end(rest); \
        enum fault fault = fault_of("open", path, -1); \
        if (fault == FAIL) { errno = plan.code; return -1; } \
        int result = real(path, flags, mode); \
        if (fault == KILL_AFTER) die(); \
        return result; \
    }
OPEN(open)
OPEN(open64)

#define WRITE(name, parameters, whole, half) \
    ssize_t name parameters { \
        REAL(name); \
        enum fault fault = fault_of("write", NULL, file); \
        if (fault == FAIL) { errno = plan.code; return -1; } \
        if (fault == NO_WRITE) return 0; \
        ssize_t result = fault == SHORT_WRITE && bytes > 1 ? real half : real whole; \
        if (fault == KILL_AFTER) die(); \
        return result; \
    }
WRITE(write, (int file, const void *from, size_t bytes), (file, from, bytes), (file, from, bytes / 2))
WRITE(pwrite, (int file, const void *from, size_t bytes, off_t at), (file, from, bytes, at), (file, from, bytes / 2, at))
WRITE(pwrite64, (int file, const void *from, size_t bytes, off64_t at), (file, from, bytes, at), (file, from, bytes / 2, at))

ONE(read, "read", NULL, file, -1, ssize_t, (int file, void *to, size_t bytes), (file, to, bytes))
ONE(pread, "read", NULL, file, -1, ssize_t, (int file, void *to, size_t bytes, off_t at), (file, to, bytes, at))
ONE(pread64, "read", NULL, file, -1, ssize_t, (int file, void *to, size_t bytes, off64_t at), (file, to, bytes, at))
ONE(fsync, "fsync", NULL, file, -1, int, (int file), (file))
ONE(rename, "rename", to, -1, -1, int, (const char *from, const char *to), (from, to))
ONE(unlink, "unlink", path, -1, -1, int, (const char *path), (path))
ONE(opendir, "opendir", path, -1, NULL, DIR *, (const char *path), (path))
ONE(readdir, "readdir", NULL, dirfd(folder), NULL, struct dirent *, (DIR *folder), (folder))
ONE(readdir64, "readdir", NULL, dirfd(folder), NULL, struct dirent64 *, (DIR *folder), (folder))

#define MAP(name, offset) \
    void *name(void *address, size_t bytes, int protection, int flags, int file, offset at) { \
        REAL(name); \
        enum fault fault = file < 0 ? PASS : fault_of("mmap", NULL, file); \
        if (fault == FAIL) { errno = plan.code; return MAP_FAILED; } \
        void *result = real(address, bytes, protection, flags, file, at); \
        if (fault == KILL_AFTER) die(); \
        return result; \
    }
MAP(mmap, off_t)
MAP(mmap64, off64_t)

/// A close that fails has closed all the same, as on Linux.
int close(int file) {
    REAL(close);
    enum fault fault = fault_of("close", NULL, file);
    int result = real(file);
    if (fault == KILL_AFTER) die();
    if (fault == FAIL) { errno = plan.code; return -1; }
    return result;
}
