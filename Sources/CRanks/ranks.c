#include "curricle_ranks.h"

#include <dlfcn.h>
#include <stdio.h>

static const curricle_engine_table *engine;
static char problem[1024];

const char *curricle_ranks_open(const char *path, double peer_timeout) {
    // Global: implementations open parts of their own, which look for MPI's symbols.
    void *file = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    const curricle_engine_table *found = file ? dlsym(file, "curricle_engine") : NULL;
    if (!found) {
        const char *reason = dlerror();
        snprintf(problem, sizeof problem, "%s", reason ? reason : "it cannot be opened");
        return problem;
    }
    if (found->version != CURRICLE_ENGINE_VERSION) {
        snprintf(problem, sizeof problem, "%s is an engine of version %d, not %d: install both from one release", path, (int)found->version,
                 CURRICLE_ENGINE_VERSION);
        return problem;
    }
    const char *failure = found->begin(peer_timeout);
    if (failure) return failure;
    engine = found;
    return NULL;
}

const curricle_engine_table *curricle_ranks(void) { return engine; }
